"""The camera of a Raspberry Pi, by picamera2 (0.3.27 or newer, of Raspberry Pi OS).

What its source says and its documentation doesn't:

- Every wait is for ever unless told otherwise, and a capture that timed out stays queued: a late
  frame goes to nobody, and its buffer is lost. So one that timed out ends in a new ``Picamera2``.
- ``stop`` queues up behind such a capture. ``close`` doesn't: it stops the event loop first.
- Any call may block for ever when the cable is loose (issues 1264, 1275 of its repository). So all
  are made on a thread that can be left behind; then the process must end (``CameraHung``).
- It closes its cameras when the interpreter ends, which would hang as well.
- "RGB888" lies in memory as blue, green, red, which is what OpenCV wants. The cascade looks at
  min(B, G, R), so a grey stream costs yellow and red codes: it's for sites that use no colour.
- "YUV420" begins with the brightness (Y), line by line. That alone is copied: 1 byte a pixel, once.
  Holding the request instead would save the copy and lose one of the few buffers for as long as
  the cascade looks at the frame, which can be ten frames long.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np

from gated.clock import Clock
from gated.config import ColourUse, ScannerSettings
from gated.errors import DeviceError, DeviceLost, DeviceNotFound, ExitCode, GatedError
from gated.scanner.camera_thread import CameraHung, CameraThread
from gated.scanner.frames import Frame, NoCamera, Wish
from gated.scanner.pi_controls import PiOptions, seen_part, starting_controls, wished_controls
from gated.scanner.pi_library import Camera, CameraClass, Mapped
from gated.scanner.picture import Pixels

log = logging.getLogger(__name__)

COLOUR_FORMAT = "RGB888"
GREY_FORMAT = "YUV420"
BUFFERS = 4
"""One is held while it's copied; with fewer the sensor would wait for us."""

_NAME = "picamera2"
_US = 1_000_000
_BUSY_MARKS = ("busy", "in use", "-16")  # as several releases of libcamera say EBUSY
_LIBRARY_ERRORS = (
    RuntimeError,
    OSError,
    ValueError,
    TypeError,  # of the bindings, for a control of another type than this release has
    LookupError,
    AssertionError,
    CancelledError,
)


class PicameraModule(Protocol):
    """The module picamera2, as far as it's used here."""

    @property
    def Picamera2(self) -> CameraClass: ...  # noqa: N802  their name

    def MappedArray(  # noqa: N802  their name
        self,
        request: Any,  # noqa: ANN401  theirs, or a stand-in's
        stream: str,
        *,
        write: bool,
    ) -> AbstractContextManager[Mapped]: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in s.

    Attributes:
        frame_s: a capture; the slowest setting is one frame each second.
        wait_s: ``open`` and ``close``, each. The scanner's worker has 5 s between two heartbeats.
        give_up_s: any call at all.
    """

    frame_s: float = 2.0
    wait_s: float = 2.0
    give_up_s: float = 10.0


def load_picamera2() -> PicameraModule:
    """Return the module. Raises: ImportError."""
    return cast("PicameraModule", import_module("picamera2"))


def run_first_at_exit(hook: Callable[[], None]) -> None:
    """Have ``hook`` called at the interpreter's end before all others registered so far."""
    atexit.unregister(hook)
    atexit.register(hook)


class PiCamera:
    """Delivers a Raspberry Pi camera's newest frames.

    A frame's time is that of its arrival: documentation and code of the libraries disagree on which
    clock SensorTimestamp is of. For freshness that doesn't matter, since it only has to grow.

    Args:
        size: width and height of a frame, in px.
        frame_rate_hz: frames each second.
        clock: says when a frame arrived, and for how long a call has taken.
        options: how it's set.
        load_module: returns picamera2, or what stands in for it.
        limits: how long things may take.
        at_exit: has a hook called first at the interpreter's end.
    """

    name = _NAME

    def __init__(
        self,
        size: tuple[int, int],
        frame_rate_hz: float,
        clock: Clock,
        *,
        options: PiOptions | None = None,
        load_module: Callable[[], PicameraModule] = load_picamera2,
        limits: Limits | None = None,
        at_exit: Callable[[Callable[[], None]], object] = run_first_at_exit,
    ) -> None:
        self._size = size
        self._interval_us = round(_US / frame_rate_hz)
        self._clock = clock
        self._options = options or PiOptions()
        self._load_module = load_module
        self._limits = limits or Limits()
        self._at_exit = at_exit
        self._thread: CameraThread | None = None
        self._pending: Future[Frame | None] | None = None  # the start, then each capture
        self._closing: Future[None] | None = None
        self._is_hung = False
        self._wish: Wish | None = None  # set here, heeded by the camera's thread at its next frame
        # The camera's thread alone touches what follows.
        self._heeded: Wish | None = None
        self._module: PicameraModule | None = None
        self._camera: Camera | None = None
        self._newest_ns = 0
        self._delivered = size
        self._sequence = 0

    def open(self) -> None:
        """Start the camera. One that takes longer is waited for in ``next_frame``.

        Raises: DeviceNotFound. CameraHung: if the camera of before never came back.
        """
        self.close()
        if self._thread is not None:
            self._give_up_if_hung(self._thread)
            raise DeviceNotFound("the Raspberry Pi camera is not closed yet", device=_NAME)
        self._thread = CameraThread(_NAME, self._clock)
        self._pending = self._thread.start(self._start)
        try:
            self._outcome(self._pending, self._limits.wait_s)
        except GatedError:
            self.close()
            raise

    def next_frame(self, timeout_s: float) -> Frame | None:
        """Return the next frame.

        Raises: DeviceNotFound: if a slow start failed. DeviceLost. CameraHung.
        """
        thread = self._thread
        if thread is None or self._closing is not None:
            raise DeviceLost("the Raspberry Pi camera is not open", device=_NAME)
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            if self._pending is None:
                self._pending = thread.start(self._capture)
            left_s = max(0.0, deadline_s - self._clock.monotonic_s())
            frame = self._outcome(self._pending, left_s)
            if frame is not None:
                return frame
            self._give_up_if_hung(thread)
            if self._clock.monotonic_s() >= deadline_s:
                return None

    def attend(self, wish: Wish | None) -> None:
        self._wish = wish

    def close(self) -> None:
        """Let go of the camera. What takes longer than the limit goes on behind our back."""
        self._wish = None
        if self._thread is None:
            return
        if self._closing is None:
            self._closing = self._thread.start(self._let_go)
            self._thread.end()
        if not self._is_hung and wait([self._closing], self._limits.wait_s).done:
            self._thread = self._pending = self._closing = None

    def _outcome(self, pending: Future[Frame | None], timeout_s: float) -> Frame | None:
        if not wait([pending], timeout_s).done:
            return None
        self._pending = None
        return pending.result()

    def _give_up_if_hung(self, thread: CameraThread) -> None:
        self._is_hung = self._is_hung or thread.busy_for_s() >= self._limits.give_up_s
        if self._is_hung:
            raise CameraHung(
                f"the Raspberry Pi camera has not answered for {self._limits.give_up_s:g} s and "
                "nothing in this process can free it: the process ends, to be started again; if "
                "that does not help, check the ribbon cable and the power supply, and restart the "
                "Raspberry Pi"
            )

    def _leave_if_hung(self) -> None:
        """Called at the interpreter's end, where a hung camera would be waited for."""
        if self._thread is None or not self._thread.is_busy:
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # closed, or nobody reads it any more
                stream.flush()
        os._exit(ExitCode.UNAVAILABLE)

    # --- on the camera's thread ----------------------------------------------------------------

    def _start(self) -> None:
        self._at_exit(self._leave_if_hung)
        try:
            module = self._load_module()
        except (ImportError, ValueError) as exc:  # ValueError: a part is built for another NumPy
            raise NoCamera(
                f"picamera2 cannot be loaded ({exc}): apt install python3-picamera2 and make the "
                "virtual environment with --system-site-packages, or use a USB camera with "
                'scanner.camera = "v4l2"',
                device=_NAME,
            ) from exc
        with _translated(DeviceNotFound, "cannot be opened"):
            if not module.Picamera2.global_camera_info():
                raise NoCamera(
                    "no camera found: check the ribbon cable at both ends, and what "
                    "`rpicam-hello --list-cameras` says",
                    device=_NAME,
                )
            self._module, self._camera = module, module.Picamera2()
            self._at_exit(self._leave_if_hung)  # again: theirs is registered by now
            self._configure(self._camera)
            self._camera.start()

    def _configure(self, camera: Camera) -> None:
        has = camera.camera_controls
        if self._options.focus_m is not None and "LensPosition" not in has:
            log.warning("scanner.focus_m is set, but this camera has no focus motor")
        whole = camera.sensor_resolution
        half = (whole[0] // 2, whole[1] // 2)
        is_half_enough = self._size[0] <= half[0] and self._size[1] <= half[1]
        wanted = GREY_FORMAT if self._options.is_grey else COLOUR_FORMAT
        configuration = camera.create_video_configuration(
            {"format": wanted, "size": self._size},
            raw=None,
            buffer_count=BUFFERS,
            queue=False,  # never a frame from before it was asked for
            controls=starting_controls(self._options, self._interval_us, has),
            # All Raspberry Pi sensors have a mode of half their size that sees the whole view. Left
            # to itself, the library takes the mode of the frame's shape, which sees 2/3 of it.
            sensor={"output_size": half if is_half_enough else whole},
        )
        camera.configure(configuration)
        main = camera.camera_configuration()["main"]
        if main["format"] != wanted:
            raise NoCamera(
                f"the camera delivers {main['format']} and not {wanted}, so it is none of a "
                'Raspberry Pi: use it with scanner.camera = "v4l2"',
                device=_NAME,
            )
        self._delivered = main["size"]
        self._heeded = None

    def _capture(self) -> Frame | None:
        """Return the next frame, or None if what came isn't new."""
        if self._module is None or self._camera is None:
            raise DeviceLost("the Raspberry Pi camera did not start", device=_NAME)
        self._heed(self._camera)
        with _translated(DeviceLost, "failed"):
            try:
                request = self._camera.capture_request(wait=self._limits.frame_s)
            except TimeoutError as exc:
                raise DeviceLost(
                    f"the Raspberry Pi camera delivers no frames for {self._limits.frame_s:g} s: "
                    "check the ribbon cable and the power supply",
                    device=_NAME,
                ) from exc
            arrived_at = self._clock.monotonic_s()
            try:
                taken_ns = request.get_metadata().get("SensorTimestamp")
                if taken_ns is None:
                    raise DeviceLost(
                        "the Raspberry Pi camera's frames carry no SensorTimestamp, so a new one "
                        "cannot be told from an old one: update python3-picamera2",
                        device=_NAME,
                    )
                if taken_ns <= self._newest_ns:
                    return None
                self._newest_ns = taken_ns
                with self._module.MappedArray(request, "main", write=False) as mapped:
                    pixels = self._copy(mapped)
            finally:
                request.release()
        self._sequence += 1
        return Frame(pixels, self._sequence, arrived_at)

    def _copy(self, mapped: Mapped) -> Pixels:
        """Return the frame in memory of its own: after release the next one is written over it."""
        array = mapped.array
        if array is not None and self._options.is_grey:
            width, height = self._delivered
            array = array[:height, :width]
        return np.array(array, np.uint8, order="C")

    def _heed(self, camera: Camera) -> None:
        """Pass the newest wish on. One that is refused costs nothing but the wish."""
        wish = self._wish
        if wish == self._heeded:
            return
        self._heeded = wish
        try:
            view = seen_part(camera.camera_properties.get("ScalerCropMaximum"), self._delivered)
            camera.set_controls(wished_controls(wish, self._options, camera.camera_controls, view))
        except _LIBRARY_ERRORS as exc:
            log.debug("the Raspberry Pi camera does not attend to %s: %s", wish, exc)

    def _let_go(self) -> None:
        camera, self._camera = self._camera, None
        if camera is None:
            return
        try:
            with _translated(DeviceLost, "did not close cleanly"):
                camera.cancel_all_and_flush()
                camera.close()
        except DeviceLost as exc:
            log.warning("%s", exc)  # opening it again will tell whether it's of use


@contextmanager
def _translated(error: type[DeviceError], what: str) -> Iterator[None]:
    """Turn the library's errors into ``error``, saying ``what`` and why."""
    try:
        yield
    except _LIBRARY_ERRORS as exc:
        reasons = _reasons(exc)
        if any(mark in reasons for mark in _BUSY_MARKS):
            raise error(
                "the Raspberry Pi camera is in use by another process: end that one "
                "(sudo fuser -v /dev/media* names it)",
                device=_NAME,
            ) from exc
        raise error(f"the Raspberry Pi camera {what}: {reasons}", device=_NAME) from exc


def _reasons(exc: BaseException) -> str:
    """Return what ``exc`` says and all that caused it: the cause is often the telling one."""
    reasons: list[str] = []
    cause: BaseException | None = exc
    while cause is not None:
        reasons.append(str(cause).rstrip(".") or type(cause).__name__)
        cause = cause.__cause__
    return ": ".join(reasons)


def make(settings: ScannerSettings, clock: Clock) -> PiCamera:
    options = PiOptions(
        focus_m=settings.focus_m,
        exposure_value=settings.exposure_value,
        metering=settings.metering,
        is_grey=settings.colour is ColourUse.OFF,
    )
    return PiCamera(
        (settings.width, settings.height), settings.frame_rate_hz, clock, options=options
    )
