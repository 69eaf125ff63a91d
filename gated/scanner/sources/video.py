"""The frames of a recorded video, in order, as fast as they're asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceLost
from gated.scanner.captures import Capture, open_video
from gated.scanner.frames import Frame, Wish


class VideoSource:
    """Delivers a video file once; after its end every wait is in vain.

    Args:
        path: the file.
        clock: says when a frame was read.
        open_capture: opens the file.
    """

    def __init__(
        self, path: Path, clock: Clock, open_capture: Callable[[Path], Capture] = open_video
    ) -> None:
        self._path = path
        self._clock = clock
        self._open_capture = open_capture
        self._capture: Capture | None = None
        self._sequence = 0
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        return str(self._path)

    def open(self) -> None:
        self.close()
        self._closed.clear()
        self._capture = self._open_capture(self._path)

    def next_frame(self, timeout_s: float) -> Frame | None:
        if self._capture is None:
            raise DeviceLost(f"{self._path} is not open", device=self.name)
        pixels = self._capture.read()
        if pixels is None or pixels.size == 0:
            self._closed.wait(timeout_s)
            return None
        self._sequence += 1
        return Frame(pixels, self._sequence, self._clock.monotonic_s())

    def attend(self, wish: Wish | None) -> None:
        """There is nothing to move."""

    def close(self) -> None:
        self._closed.set()
        if self._capture is not None:
            self._capture.close()
            self._capture = None


def make(settings: ScannerSettings, clock: Clock) -> VideoSource:
    return VideoSource(Path(settings.device), clock)
