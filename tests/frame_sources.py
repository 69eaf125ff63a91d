"""Stand-ins for a camera and its driver, and the contract that every source of frames keeps to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from gated.clock import FakeClock, SystemClock
from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.frames import Frame, FrameSource, Region, Wish
from gated.scanner.picture import Pixels

CLOCK = SystemClock()
TIMEOUT_S = 0.05
MOST_S = 5.0
"""Far above the time-out, far below for ever: the machine may be busy."""


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
        self.wishes: list[Wish | None] = []

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

    def attend(self, wish: Wish | None) -> None:
        self.wishes.append(wish)

    def close(self) -> None:
        self._is_open = False


class ScriptedCapture:
    """What a driver delivers, read by read. After the script it has nothing more.

    Attributes:
        properties: what the driver has, by OpenCV's numbers; those that it lacks can't be set.
        ignores: those that it says to have set, and doesn't.
        asked: every property that was set, in order.
        retrieved: how many pictures were decoded.
    """

    def __init__(self, reads: Iterable[Pixels | None]) -> None:
        self._reads = iter(reads)
        self._grabbed: Pixels | None = None
        self.properties: dict[int, float] = {}
        self.ignores: set[int] = set()
        self.asked: list[tuple[int, float]] = []
        self.retrieved = 0
        self.is_closed = False

    def read(self) -> Pixels | None:
        return self.retrieve() if self.grab() else None

    def grab(self) -> bool:
        assert not self.is_closed, "read after close"
        self._grabbed = next(self._reads, None)
        return self._grabbed is not None

    def retrieve(self) -> Pixels | None:
        self.retrieved += 1
        return self._grabbed

    def get(self, prop: int) -> float:
        return self.properties.get(prop, 0.0)

    def set(self, prop: int, value: float) -> bool:
        assert not self.is_closed, "set after close"
        self.asked.append((prop, value))
        if prop in self.properties and prop not in self.ignores:
            self.properties[prop] = value
        return prop in self.properties

    def close(self) -> None:
        self.is_closed = True


class EndlessCapture(ScriptedCapture):
    """A driver that repeats the last frame until there's a new one, as OpenCV was seen to do."""

    def __init__(self) -> None:
        super().__init__([])
        self.pixels: Pixels | None = None

    def grab(self) -> bool:
        return self.pixels is not None

    def retrieve(self) -> Pixels | None:
        return None if self.pixels is None else self.pixels.copy()

    def close(self) -> None:
        """It can be opened again."""


@dataclass
class Bench:
    """A source, and the hand that puts the next real frames before it (a real camera needs none).

    Attributes:
        lay_out: called with a number before the source is opened.
        show: called with a number before each frame is taken.
    """

    source: FrameSource
    lay_out: Callable[[int], None] = lambda _: None
    show: Callable[[int], None] = lambda _: None

    def take(self, number: int) -> list[Frame]:
        """Open the source and return ``number`` frames."""
        return list(self.take_each(number))

    def take_each(self, number: int) -> Iterator[Frame]:
        """Open the source and yield ``number`` frames, each taken when it's asked for."""
        self.lay_out(number)
        self.source.open()
        for seed in range(number):
            yield self.take_one(seed)

    def take_one(self, seed: int) -> Frame:
        self.show(seed)
        deadline_s = CLOCK.monotonic_s() + MOST_S
        while CLOCK.monotonic_s() < deadline_s:
            frame = self.source.next_frame(MOST_S)
            if frame is not None:
                return frame
        raise AssertionError(f"{self.source.name} delivers no frame")


class FrameSourceContract:
    """What holds for every source, over a stand-in's driver as over a real camera.

    A subclass gives the fixture ``bench``.
    """

    def test_frames_come_with_a_growing_sequence_and_time(self, bench: Bench) -> None:
        before_s = CLOCK.monotonic_s()
        frames = bench.take(4)
        assert [frame.sequence for frame in frames] == [1, 2, 3, 4]
        times = [frame.captured_mono_s for frame in frames]
        assert times == sorted(times)
        assert before_s <= times[0] <= times[-1] <= CLOCK.monotonic_s()

    def test_frames_are_pictures_and_no_two_are_the_same(self, bench: Bench) -> None:
        frames = bench.take(3)
        for frame in frames:
            assert frame.pixels.dtype == np.uint8
            assert frame.pixels.flags.c_contiguous
            assert frame.pixels.shape[2:] in {(), (3,)}
        assert len({frame.pixels.shape for frame in frames}) == 1
        assert len({frame.pixels.tobytes() for frame in frames}) == 3

    def test_frames_stay_what_they_were_when_others_follow(self, bench: Bench) -> None:
        frames = bench.take_each(8)  # more than a driver has buffers
        first = next(frames)
        as_taken = first.pixels.copy()
        others = list(frames)
        bench.source.close()
        assert len(others) == 7
        assert np.array_equal(first.pixels, as_taken)

    def test_closing_twice_or_before_opening_does_no_harm(self, bench: Bench) -> None:
        bench.source.close()
        bench.source.close()
        bench.take(1)
        bench.source.close()
        bench.source.close()

    def test_it_can_be_opened_again_and_its_sequence_goes_on(self, bench: Bench) -> None:
        first, second = bench.take(2)
        bench.source.close()
        bench.source.open()
        third = bench.take_one(2)
        assert first.sequence < second.sequence < third.sequence

    def test_a_source_that_is_not_open_says_so(self, bench: Bench) -> None:
        with pytest.raises(DeviceLost, match="not open"):
            bench.source.next_frame(TIMEOUT_S)
        bench.take(1)
        bench.source.close()
        with pytest.raises(DeviceLost, match="not open"):
            bench.source.next_frame(TIMEOUT_S)

    def test_wishes_do_no_harm_whether_it_is_open_or_not(self, bench: Bench) -> None:
        wish = Wish(Region(0.25, 0.25, 0.5, 0.5), exposure_steps=-1.0)
        bench.source.attend(wish)
        frames = bench.take_each(3)
        next(frames)
        bench.source.attend(wish)
        next(frames)
        bench.source.attend(None)
        assert next(frames).sequence == 3
        bench.source.close()
        bench.source.attend(wish)

    def test_it_has_a_name_for_messages(self, bench: Bench) -> None:
        assert bench.source.name


class ScriptedFrameSourceContract(FrameSourceContract):
    """What can be asked only where the hand decides when there is a frame.

    It shows ``noisy(seed, shape=SHAPE)``.
    """

    def test_each_real_frame_comes_once_and_whole(self, bench: Bench) -> None:
        frames = bench.take(4)
        for seed, frame in enumerate(frames):
            assert np.array_equal(frame.pixels, noisy(seed))
        assert bench.source.next_frame(TIMEOUT_S) is None

    def test_a_wait_in_vain_ends_in_time(self, bench: Bench) -> None:
        bench.take(1)
        began_s = time.monotonic()
        assert bench.source.next_frame(TIMEOUT_S) is None
        assert TIMEOUT_S * 0.5 < time.monotonic() - began_s < MOST_S
