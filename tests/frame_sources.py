"""Stand-ins for a camera and its driver. They keep to the protocols' rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from gated.clock import FakeClock
from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.frames import Frame
from gated.scanner.picture import Pixels


def noisy(seed: int, *, level: int = 100, shape: tuple[int, ...] = (90, 160, 3)) -> Pixels:
    """Return an even grey picture with a sensor's noise; every seed gives another one."""
    noise = np.random.default_rng(seed).integers(0, 8, shape)
    return (level + noise).astype(np.uint8)


class ScriptedSource:
    """Delivers what a list says: pixels, an error, or None for a time-out, which takes its time."""

    name = "scripted"

    def __init__(self, clock: FakeClock, script: Iterable[Pixels | DeviceLost | None]) -> None:
        self._clock = clock
        self._script: Iterator[Pixels | DeviceLost | None] = iter(script)
        self._sequence = 0
        self._is_open = False
        self.opened = 0
        self.absent_until_open = 0
        self.frame_interval_s = 0.1

    def open(self) -> None:
        self.opened += 1
        if self.opened <= self.absent_until_open:
            raise DeviceNotFound("no camera at scripted", device=self.name)
        self._is_open = True

    def next_frame(self, timeout_s: float) -> Frame | None:
        if not self._is_open:
            raise DeviceLost("scripted is not open", device=self.name)
        entry = next(self._script, None)
        if isinstance(entry, DeviceLost):
            raise entry
        if entry is None:
            self._clock.advance(timeout_s)
            return None
        self._clock.advance(self.frame_interval_s)
        self._sequence += 1
        return Frame(entry, self._sequence, self._clock.monotonic_s())

    def close(self) -> None:
        self._is_open = False


class ScriptedCapture:
    """What a driver delivers, read by read. After the script it has nothing more."""

    def __init__(self, reads: Iterable[Pixels | None]) -> None:
        self._reads = iter(reads)
        self.is_closed = False

    def read(self) -> Pixels | None:
        assert not self.is_closed, "read after close"
        return next(self._reads, None)

    def close(self) -> None:
        self.is_closed = True
