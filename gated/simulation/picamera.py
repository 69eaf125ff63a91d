"""A stand-in for the module picamera2 with one camera on its cable, obeying the real one's rules.

The rules are those of picamera2 0.3.38's source:

- A capture waits for the next frame: for ever, or until TimeoutError. It stays queued after that,
  so a late frame goes to nobody and its buffer is lost. With all buffers lost there are no frames.
- With ``queue=True`` the last frame is kept, and the next capture gets it, however old it is.
- A buffer's lines are padded to 64 bytes, and after ``release`` the camera writes the next frame
  over it. "RGB888" lies in memory as blue, green, red; "BGR888" as red, green, blue.
- ``stop`` waits behind whatever is queued; ``close`` stops the event loop first, so it doesn't.
- "YUV420" is 3/2 times as high as the frame: first the brightness, then the colour at half its
  resolution. Its padding stays in the array.
- Controls go out with the next request that is given back; setting them waits for nothing. One that
  the camera doesn't have is refused; here one out of its limits is too (the library takes it).
- A second owner is refused: the error says little, its cause says why.
- ``close`` is registered with atexit when a camera is opened, and taken back when it's closed.

    desk = PicameraDesk()
    camera = PiCamera((640, 480), 10.0, clock, load_module=desk.load)
    desk.show(pixels)
"""

from __future__ import annotations

import atexit
import enum
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gated.scanner.picture import Pixels, to_grey

PAD_TO_BYTES = 64
RESOLUTION = (4_608, 2_592)  # of a Camera Module 3
LIMITS: Mapping[str, object] = {
    "AeEnable": (False, True, True),
    "AeExposureMode": (0, 3, 0),
    "AeMeteringMode": (0, 3, 0),
    "ExposureValue": (-8.0, 8.0, 0.0),
    "FrameDurationLimits": (8_333, 1_000_000, None),
    "NoiseReductionMode": (0, 4, 0),
}
"""Controls of a camera without a focus motor: {name: (least, most, default)}."""
FOCUS_LIMITS: Mapping[str, object] = {
    "AfMetering": (0, 1, 0),
    "AfMode": (0, 2, 0),
    "AfRange": (0, 2, 0),
    "AfSpeed": (0, 1, 0),
    "AfWindows": ((0, 0, 0, 0), (65_535, 65_535, 65_535, 65_535), (0, 0, 0, 0)),
    "LensPosition": (0.0, 15.0, 1.0),
}
Metadata = dict[str, Any]
_CHANNELS = 3
_SCRIBBLE = 0xAA
_ORDERS = {"RGB888": slice(None), "BGR888": slice(None, None, -1)}
_GREY_FORMAT = "YUV420"
_NO_COLOUR = 128


class Sensor(enum.Enum):
    """What the sensor does, frame after frame."""

    RUNNING = "running"
    STUCK = "stuck"  # the same frame with the same SensorTimestamp, until the scene changes
    SILENT = "silent"  # nothing comes: the cable is loose


@dataclass
class PicameraDesk:
    """The camera, its cable and the module: what a test or a scenario has its hands on.

    Attributes:
        interval_s: between two frames, whatever the configuration says.
        controls: those that the camera has.
        sensor: what it does.
        is_plugged: whether libcamera finds the camera.
        is_taken: whether another process has it.
        delivers: the pixel format that libcamera adjusts the wanted one to, as for USB cameras.
        is_timed: whether frames carry a SensorTimestamp.
        hanging: the names of the calls that block until ``let_go``.
        failing: {call: what it raises}.
        at_exit: ``atexit.register``, or what stands in for it.
        calls: every call, in order, with the arguments that matter.
        properties: of the camera, as libcamera gives them once it's configured.
        configuration: what it was last configured with.
        in_force: the controls that frames are taken with now.
    """

    interval_s: float = 0.005
    controls: Mapping[str, object] = field(default_factory=lambda: dict(LIMITS))
    sensor: Sensor = Sensor.RUNNING
    is_plugged: bool = True
    is_taken: bool = False
    delivers: str | None = None
    is_timed: bool = True
    hanging: set[str] = field(default_factory=set)
    failing: dict[str, Exception] = field(default_factory=dict)
    at_exit: Callable[[Callable[[], None]], object] = atexit.register
    calls: list[str] = field(default_factory=list)
    properties: Mapping[str, object] = field(
        default_factory=lambda: {"ScalerCropMaximum": (0, 0, *RESOLUTION)}
    )
    configuration: dict[str, Any] = field(default_factory=dict)
    in_force: dict[str, Any] = field(default_factory=dict)
    camera: SimulatedCamera | None = None
    _scene: Pixels | None = None
    _timestamp_ns: int = 1_000_000_000
    _released: threading.Event = field(default_factory=threading.Event)

    def load(self) -> SimulatedModule:
        """Return the module: what the frame source takes as ``load_module``."""
        return SimulatedModule(self)

    def show(self, pixels: Pixels) -> None:
        """Put ``pixels`` (height x width x 3: blue, green, red) before the camera."""
        self._timestamp_ns += 1_000_000
        self._scene = pixels

    def let_go(self) -> None:
        """End whatever hangs, now and from now on."""
        self.hanging.clear()
        self._released.set()

    def expose(self) -> tuple[Pixels, int] | None:
        """Return the sensor's next frame and its time in ns, or None if there is none."""
        if self.sensor is Sensor.SILENT or self._scene is None:
            return None
        if self.sensor is Sensor.RUNNING:
            self._timestamp_ns += 1_000_000
        return self._scene, self._timestamp_ns

    def enter(self, name: str, argument: str = "") -> None:
        """Note a call, and have it fail or hang if it's to."""
        self.calls.append(f"{name}({argument})")
        if name in self.failing:
            raise self.failing[name]
        if name in self.hanging:
            self._released.wait()


class SimulatedModule:
    """``import picamera2``."""

    def __init__(self, desk: PicameraDesk) -> None:
        self.Picamera2 = SimulatedClass(desk)

    @contextmanager
    def MappedArray(  # noqa: N802  their name
        self, request: SimulatedRequest, stream: str, *, write: bool = True
    ) -> Iterator[SimulatedMapping]:
        del write  # only says which way the caches are flushed
        mapping = SimulatedMapping(request.map_buffer(stream))
        yield mapping
        mapping.array = None


@dataclass
class SimulatedMapping:
    array: Pixels | None


class SimulatedClass:
    """``picamera2.Picamera2``: the class, which is called to open a camera."""

    def __init__(self, desk: PicameraDesk) -> None:
        self._desk = desk

    def __call__(self) -> SimulatedCamera:
        return SimulatedCamera(self._desk)

    def global_camera_info(self) -> list[dict[str, Any]]:
        self._desk.enter("global_camera_info")
        return [{"Model": "imx708", "Num": 0}] if self._desk.is_plugged else []


class SimulatedCamera:
    """An open camera."""

    def __init__(self, desk: PicameraDesk) -> None:
        self._desk = desk
        desk.enter("Picamera2")
        if not desk.is_plugged:
            raise RuntimeError(
                'No camera number 0 found - use "rpicam-hello --list-cameras" to check connected '
                "cameras"
            )
        if desk.is_taken or desk.camera is not None:
            busy = RuntimeError("Failed to acquire camera: Device or resource busy")
            raise RuntimeError("Camera __init__ sequence did not complete.") from busy
        desk.camera = self
        desk.at_exit(self.close)
        self._lock = threading.Lock()
        self._jobs: list[Future[SimulatedRequest]] = []
        self._kept: list[SimulatedRequest] = []
        self._configuration: dict[str, Any] = {}
        self._free: list[Pixels] = []
        self._queued_controls: dict[str, Any] = {}
        self._stopped = threading.Event()
        self._loop: threading.Thread | None = None

    @property
    def camera_controls(self) -> Mapping[str, object]:
        return dict(self._desk.controls)

    @property
    def camera_properties(self) -> Mapping[str, object]:
        return dict(self._desk.properties)

    @property
    def sensor_resolution(self) -> tuple[int, int]:
        return RESOLUTION

    @property
    def free_buffers(self) -> int:
        return len(self._free)

    def create_video_configuration(
        self,
        main: dict[str, Any],
        *,
        raw: dict[str, Any] | None = None,
        buffer_count: int = 6,
        queue: bool = True,
        controls: dict[str, Any] | None = None,
        sensor: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        self._desk.enter("create_video_configuration")
        width, height = main["size"]
        return {
            "main": {"format": main["format"], "size": (width - width % 2, height - height % 2)},
            "raw": raw,
            "buffer_count": buffer_count,
            "queue": queue,
            "controls": {"FrameDurationLimits": (33_333, 33_333)} | (controls or {}),
            "sensor": sensor or {},
        }

    def configure(self, camera_config: dict[str, Any]) -> None:
        self._desk.enter("configure")
        if self._loop is not None:
            raise RuntimeError("Camera must be stopped before configuring")
        self._check_controls(camera_config["controls"])
        main = camera_config["main"]
        main["format"] = self._desk.delivers or main["format"]
        width, height = main["size"]
        is_grey = main["format"] == _GREY_FORMAT
        bytes_wide = width if is_grey else width * _CHANNELS
        main["stride"] = -(-bytes_wide // PAD_TO_BYTES) * PAD_TO_BYTES
        self._configuration = self._desk.configuration = camera_config
        lines = height * 3 // 2 if is_grey else height
        self._free = [
            np.full((lines, main["stride"]), _SCRIBBLE, np.uint8)
            for _ in range(camera_config["buffer_count"])
        ]

    def camera_configuration(self) -> dict[str, Any]:
        return self._configuration

    def start(self) -> None:
        self._desk.enter("start")
        if not self._configuration:
            raise RuntimeError("Camera has not been configured")
        self._desk.in_force = dict(self._configuration["controls"])
        self._stopped.clear()
        self._loop = threading.Thread(target=self._run, name="simulated camera", daemon=True)
        self._loop.start()

    def set_controls(self, controls: dict[str, Any]) -> None:
        names = ", ".join(f"{name}={value}" for name, value in controls.items())
        self._desk.enter("set_controls", names)
        self._check_controls(controls)
        self._queued_controls |= controls

    def capture_request(self, wait: float | None = None) -> SimulatedRequest:
        """Return the next frame. Raises: TimeoutError: and the capture stays queued."""
        self._desk.enter("capture_request", "" if wait is None else f"wait={wait:g}")
        job: Future[SimulatedRequest] = Future()
        with self._lock:
            self._jobs.append(job)
            self._serve()
        return job.result(timeout=wait)

    def cancel_all_and_flush(self) -> None:
        self._desk.enter("cancel_all_and_flush")
        with self._lock:
            for job in self._jobs:
                job.set_exception(CancelledError())
            self._jobs.clear()

    def stop(self) -> None:
        """Stop the camera, after what is queued."""
        self._desk.enter("stop")
        with self._lock:
            queued = self._jobs[-1] if self._jobs else None
        if queued is not None:
            queued.exception()  # for ever, if no frame comes
        self._stop_here()

    def close(self) -> None:
        self._desk.enter("close")
        atexit.unregister(self.close)
        if self._desk.camera is self:
            self._stop_here()
            self._desk.camera = None

    def give_back(self, buffer: Pixels) -> None:
        buffer[...] = _SCRIBBLE
        with self._lock:
            self._free.append(buffer)
        self._desk.in_force |= self._queued_controls
        self._queued_controls.clear()

    def _check_controls(self, controls: Mapping[str, object]) -> None:
        for name, value in controls.items():
            if name not in self._desk.controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
            if not _is_within(value, self._desk.controls[name]):
                raise ValueError(f"Control {name}: {value} is out of its limits")

    def _stop_here(self) -> None:
        self._stopped.set()
        if self._loop is not None:
            self._loop.join()
            self._loop = None

    def _run(self) -> None:
        while not self._stopped.wait(self._desk.interval_s):
            exposure = self._desk.expose()
            if exposure is not None:
                self._complete(*exposure)

    def _complete(self, pixels: Pixels, timestamp_ns: int) -> None:
        main = self._configuration["main"]
        with self._lock:
            if not self._free:
                return  # every buffer is held or lost: the frame has nowhere to go
            buffer = self._free.pop(0)
            self._fill(buffer, pixels, main["format"])
            metadata = {"SensorTimestamp": timestamp_ns} if self._desk.is_timed else {}
            self._kept.append(SimulatedRequest(self, buffer, main, metadata))
            self._serve()
            surplus = self._kept[: len(self._kept) - int(self._configuration["queue"])]
            self._kept = self._kept[len(surplus) :]
        for request in surplus:
            request.release()

    def _fill(self, buffer: Pixels, pixels: Pixels, pixel_format: str) -> None:
        height, width = pixels.shape[:2]
        if pixel_format == _GREY_FORMAT:
            buffer[:height, :width], buffer[height:] = to_grey(pixels), _NO_COLOUR
            return
        lines = buffer[:, : width * _CHANNELS].reshape(height, width, _CHANNELS)
        lines[...] = pixels[..., _ORDERS[pixel_format]]

    def _serve(self) -> None:
        """Give frames to captures, both in their order."""
        while self._jobs and self._kept:
            self._jobs.pop(0).set_result(self._kept.pop(0))


class SimulatedRequest:
    """A completed request: a frame in one of the camera's buffers."""

    def __init__(
        self, camera: SimulatedCamera, buffer: Pixels, main: Metadata, metadata: Metadata
    ) -> None:
        self._camera = camera
        self._buffer: Pixels | None = buffer
        self._main = main
        self._metadata = metadata

    def get_metadata(self) -> dict[str, Any]:
        return dict(self._metadata)

    def map_buffer(self, stream: str) -> Pixels:
        if self._buffer is None or stream != "main":
            raise KeyError(stream)
        if self._main["format"] == _GREY_FORMAT:
            return self._buffer
        width, height = self._main["size"]
        return self._buffer[:, : width * _CHANNELS].reshape(height, width, _CHANNELS)

    def release(self) -> None:
        if self._buffer is None:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        buffer, self._buffer = self._buffer, None
        self._camera.give_back(buffer)


def _is_within(value: Any, limits: Any) -> bool:  # noqa: ANN401  numbers, or tuples of them
    least, most, _ = limits
    if isinstance(least, tuple):  # a list of rectangles
        return all(0 <= side <= end for box in value for side, end in zip(box, most, strict=True))
    values = value if isinstance(value, tuple) else (value,)
    return all(least <= each <= most for each in values)
