"""Frames in a file of the run folder, written by the simulation: the camera of ``gated demo``.

The file holds one frame: a header, then the pixels. The writer makes the header's counter odd
before it touches anything and even afterwards; a reader that saw the counter odd, or changed while
it copied, throws its copy away. The file is read with pread, not mapped: cutting off a mapped file
kills the process that looks at it.

    0  magic   8  counter (u64)   16  sequence (u64)   24  captured_mono_s (f64)
    32 width (u32)   36 height (u32)   64  pixels: blue, green, red, row by row
"""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

import numpy as np

from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceLost, DeviceNotFound, StorageError
from gated.scanner.frames import Frame, Wish
from gated.scanner.picture import Pixels
from gated.units import MonoSeconds

MAGIC = b"gatedF01"
HEADER = struct.Struct("<8sQQdII")
PIXELS_AT = 64
MAX_SIDE_PX = 4096
POLL_S = 0.02
REPLACED_AFTER_POLLS = 10
"""A writer that was restarted makes a new file; so often in vain, and we look whether it did."""
_CHANNELS = 3


class SharedFrameWriter:
    """Writes frames for ``SharedFrames``. One writer for each file.

    Args:
        path: the file; replaced if it's there.
        width: of every frame, in px.
        height: of every frame, in px.

    Raises: StorageError: if the file can't be made.
    """

    def __init__(self, path: Path, width: int, height: int) -> None:
        self._shape = (height, width, _CHANNELS)
        self._counter = 0
        self._sequence = 0
        fresh = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o660)
            os.ftruncate(self._fd, PIXELS_AT + height * width * _CHANNELS)
            self._write_header(MonoSeconds(0.0))
            fresh.replace(path)  # a reader never sees half a header
        except OSError as exc:
            raise StorageError(f"cannot make {path}: {exc.strerror}") from exc

    def write(self, pixels: Pixels, captured_mono_s: MonoSeconds) -> None:
        """Publish ``pixels`` (height x width x 3) as the next frame.

        Raises: ValueError: if it has another shape than was promised. StorageError: if the file
            can't be written.
        """
        if pixels.shape != self._shape:
            raise ValueError(f"a frame of {pixels.shape} where {self._shape} was promised")
        try:
            self._counter += 1
            self._write_header(captured_mono_s)
            os.pwrite(self._fd, np.ascontiguousarray(pixels).data, PIXELS_AT)
            self._counter += 1
            self._sequence += 1
            self._write_header(captured_mono_s)
        except OSError as exc:
            raise StorageError(f"cannot write a frame: {exc.strerror}") from exc

    def close(self) -> None:
        """Stop writing; the file stays. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write_header(self, captured_mono_s: MonoSeconds) -> None:
        height, width, _ = self._shape
        header = HEADER.pack(MAGIC, self._counter, self._sequence, captured_mono_s, width, height)
        os.pwrite(self._fd, header, 0)


class SharedFrames:
    """Delivers the newest frame of the file whenever there's a new one.

    Args:
        path: the file that a ``SharedFrameWriter`` writes.
        clock: for the time-out.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._fd = -1
        self._seen = 0  # the writer's sequence
        self._sequence = 0
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        return str(self._path)

    def open(self) -> None:
        self.close()
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            _, self._seen, _, _ = self._read_header()
        except OSError as exc:
            self.close()
            raise DeviceNotFound(
                f"no frames at {self._path}: {exc.strerror}", device=self.name
            ) from exc
        except DeviceLost as exc:
            self.close()
            raise DeviceNotFound(str(exc), device=self.name) from exc
        self._closed.clear()

    def next_frame(self, timeout_s: float) -> Frame | None:
        if self._fd < 0:
            raise DeviceLost(f"{self._path} is not open", device=self.name)
        deadline_s = self._clock.monotonic_s() + timeout_s
        polls = 0
        while True:
            frame = self._read_frame()
            if frame is not None:
                return frame
            polls += 1
            if polls % REPLACED_AFTER_POLLS == 0:
                self._check_it_is_still_there()
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                return None
            self._closed.wait(min(POLL_S, left_s))

    def attend(self, wish: Wish | None) -> None:
        """There is nothing to move."""

    def close(self) -> None:
        self._closed.set()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read_header(self) -> tuple[int, int, float, tuple[int, int, int]]:
        """Return (counter, sequence, captured_mono_s, shape). Raises: DeviceLost, OSError."""
        raw = os.pread(self._fd, HEADER.size, 0)
        if len(raw) < HEADER.size:
            raise DeviceLost(f"{self._path} was cut off", device=self.name)
        magic, counter, sequence, captured_mono_s, width, height = HEADER.unpack(raw)
        if magic != MAGIC or not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
            raise DeviceLost(f"{self._path} holds no frames", device=self.name)
        return counter, sequence, captured_mono_s, (height, width, _CHANNELS)

    def _read_frame(self) -> Frame | None:
        """Return the frame in the file if it's whole and new."""
        try:
            counter, sequence, captured_mono_s, shape = self._read_header()
            if counter % 2 or sequence == self._seen:
                return None
            pixels = np.empty(shape, np.uint8)
            if os.preadv(self._fd, [pixels.data.cast("B")], PIXELS_AT) < pixels.nbytes:
                raise DeviceLost(f"{self._path} was cut off", device=self.name)
            if self._read_header()[0] != counter:
                return None  # torn: the writer was at it
        except OSError as exc:
            raise DeviceLost(f"{self._path} cannot be read: {exc.strerror}") from exc
        self._seen = sequence
        self._sequence += 1
        return Frame(pixels, self._sequence, MonoSeconds(captured_mono_s))

    def _check_it_is_still_there(self) -> None:
        try:
            is_same = self._path.stat().st_ino == os.fstat(self._fd).st_ino
        except OSError:
            is_same = False
        if not is_same:
            raise DeviceLost(f"{self._path} was replaced", device=self.name)


def make(settings: ScannerSettings, clock: Clock) -> SharedFrames:
    return SharedFrames(Path(settings.device), clock)
