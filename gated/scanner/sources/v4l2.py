"""A USB camera by OpenCV's V4L2 capture.

``VideoCapture.read`` was seen to say True after a time-out and hand out the last frame again
(opencv issue 10927). So what comes after a time-out is not believed, and neither is a frame like
the last one: a real sensor never repeats every pixel. The last frame is remembered across a
reopening, or a dead camera would show it anew each time. A frame of another size than the first is
half a frame.

Many cameras know 30 Hz and nothing else. What is more than was asked for is passed over undecoded.

A read blocks for up to 1 s when the camera is silent (see gated/scanner/picture.py). Opening and
closing are bounded by the kernel's driver alone; the watchdog ends a process that hangs there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import numpy as np

from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceLost
from gated.scanner.captures import CameraCapture, open_camera
from gated.scanner.frames import Frame, Wish
from gated.scanner.picture import Pixels
from gated.scanner.usb_modes import Exposure, Mode, negotiate, report
from gated.units import MonoSeconds

FAILED_READS = 8
"""So many reads in a row without a frame: the camera is gone, and OpenCV won't find it again."""

TIMED_OUT_AFTER_S = 1.0
"""So long a read took is OpenCV's time-out, whatever the read says."""

PAUSE_S = 0.02
"""Between two reads in vain: some drivers fail, or repeat themselves, without waiting."""

EARLY_SHARE: Final = 0.25
"""Of the time between two frames: one that comes so much too early is not passed over."""


class UsbCamera:
    """Delivers a USB camera's newest frames.

    Args:
        device: its path, as messages name it.
        wanted: the mode that its driver is asked for.
        clock: says when a frame arrived.
        open_capture: opens the device.
        locate: says at each opening which device it is; None: always the same.
    """

    def __init__(
        self,
        device: str,
        wanted: Mode,
        clock: Clock,
        open_capture: Callable[[str], CameraCapture] = open_camera,
        locate: Callable[[], str] | None = None,
    ) -> None:
        self._device = device
        self._wanted = wanted
        self._clock = clock
        self._open_capture = open_capture
        self._locate = locate
        self._interval_s = 1.0 / wanted.frame_rate_hz
        self._capture: CameraCapture | None = None
        self._exposure: Exposure | None = None
        self._given = wanted
        self._shape: tuple[int, ...] | None = None  # of the frames since the opening
        self._last: Pixels | None = None
        self._due_at = clock.monotonic_s()
        self._failed_reads = 0
        self._sequence = 0
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        return self._device

    def open(self) -> None:
        self.close()
        self._closed.clear()
        if self._locate is not None:
            self._device = self._locate()
        capture = self._capture = self._open_capture(self._device)
        given = negotiate(capture, self._wanted)
        if given != self._given:  # said once, not at each reopening
            self._given = given
            report(self._device, self._wanted, given)
        self._exposure = Exposure(capture, self._device)
        self._shape = None
        self._failed_reads = 0
        self._due_at = self._clock.monotonic_s()

    def next_frame(self, timeout_s: float) -> Frame | None:
        if self._capture is None:
            raise DeviceLost(f"{self._device} is not open", device=self._device)
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            frame = self._read(self._capture)
            if frame is not None:
                return frame
            if self._failed_reads >= FAILED_READS:
                raise DeviceLost(f"{self._device} delivers no frames", device=self._device)
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                return None
            self._closed.wait(min(PAUSE_S, left_s))

    def attend(self, wish: Wish | None) -> None:
        if self._exposure is not None:
            self._exposure.move(0.0 if wish is None else wish.exposure_steps)

    def close(self) -> None:
        self._closed.set()
        if self._exposure is not None:
            self._exposure.give_back()
            self._exposure = None
        if self._capture is not None:
            self._capture.close()
            self._capture = None

    def _read(self, capture: CameraCapture) -> Frame | None:
        """Return the next frame, or None if it's too early, or is none."""
        began_s = self._clock.monotonic_s()
        is_there = capture.grab()
        now = self._clock.monotonic_s()
        if not is_there or now - began_s >= TIMED_OUT_AFTER_S:
            self._failed_reads += 1
            return None
        early_s = EARLY_SHARE * self._interval_s
        if now < self._due_at - early_s:
            return None
        pixels = capture.retrieve()
        if pixels is None or not self._is_whole(pixels):
            self._failed_reads += 1
            return None
        if self._last is not None and np.array_equal(pixels, self._last):
            return None
        self._last = pixels
        self._failed_reads = 0
        self._due_at = MonoSeconds(max(self._due_at, now - early_s) + self._interval_s)
        self._sequence += 1
        return Frame(pixels, self._sequence, now)

    def _is_whole(self, pixels: Pixels) -> bool:
        if self._shape is None and pixels.ndim > 1 and pixels.size > 0:
            self._shape = pixels.shape
        return pixels.shape == self._shape


def mode_of(settings: ScannerSettings) -> Mode:
    return Mode(settings.width, settings.height, settings.frame_rate_hz)


def make(settings: ScannerSettings, clock: Clock) -> UsbCamera:
    return UsbCamera(settings.device, mode_of(settings), clock)
