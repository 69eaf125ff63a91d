"""A USB camera by OpenCV's V4L2 capture.

``VideoCapture.read`` was seen to say True after a time-out and hand out the last frame again
(opencv issue 10927). So what comes after a time-out is not believed, and neither is a frame like
the last one: a real sensor never repeats every pixel. The last frame is remembered across a
reopening, or a dead camera would show it anew each time.

A read blocks for up to 1 s when the camera is silent (see gated/scanner/picture.py). Opening and
closing are bounded by the kernel's driver alone; the watchdog ends a process that hangs there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceLost
from gated.scanner.frames import Frame
from gated.scanner.picture import Capture, Pixels, open_camera

FAILED_READS = 8
"""So many reads in a row without a frame: the camera is gone, and OpenCV won't find it again."""

TIMED_OUT_AFTER_S = 1.0
"""So long a read took is OpenCV's time-out, whatever the read says."""

PAUSE_S = 0.02
"""Between two reads in vain: some drivers fail, or repeat themselves, without waiting."""


class UsbCamera:
    """Delivers a USB camera's newest frames.

    Args:
        device: its path, as messages name it.
        clock: says when a frame arrived.
        open_capture: opens the device.
    """

    def __init__(self, device: str, clock: Clock, open_capture: Callable[[], Capture]) -> None:
        self._device = device
        self._clock = clock
        self._open_capture = open_capture
        self._capture: Capture | None = None
        self._last: Pixels | None = None
        self._failed_reads = 0
        self._sequence = 0
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        return self._device

    def open(self) -> None:
        self.close()
        self._closed.clear()
        self._capture = self._open_capture()
        self._failed_reads = 0

    def next_frame(self, timeout_s: float) -> Frame | None:
        if self._capture is None:
            raise DeviceLost(f"{self._device} is not open", device=self._device)
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            began_s = self._clock.monotonic_s()
            pixels = self._capture.read()
            if pixels is None or self._clock.monotonic_s() - began_s >= TIMED_OUT_AFTER_S:
                self._failed_reads += 1
            elif self._last is None or not np.array_equal(pixels, self._last):
                self._last = pixels
                self._failed_reads = 0
                self._sequence += 1
                return Frame(pixels, self._sequence, self._clock.monotonic_s())
            if self._failed_reads >= FAILED_READS:
                raise DeviceLost(f"{self._device} delivers no frames", device=self._device)
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                return None
            self._closed.wait(min(PAUSE_S, left_s))

    def close(self) -> None:
        self._closed.set()
        if self._capture is not None:
            self._capture.close()
            self._capture = None


def make(settings: ScannerSettings, clock: Clock) -> UsbCamera:
    def open_capture() -> Capture:
        return open_camera(
            settings.device,
            width=settings.width,
            height=settings.height,
            frame_rate_hz=settings.frame_rate_hz,
        )

    return UsbCamera(settings.device, clock, open_capture)
