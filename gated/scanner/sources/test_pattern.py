"""A moving picture of our own making: for trying an installation that has no camera yet.

Frame n is the same on every machine: a grey ramp with a sensor's noise, and for half of the time a
QR code that wanders through. Its text is no pass and never will be: whoever the gate would let in
by it must have another reason. No network, no file, no simulation.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Final

import numpy as np

from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceLost
from gated.scanner.frames import Frame, Wish
from gated.scanner.picture import Pixels, encode_qr, require_opencv
from gated.units import MonoSeconds

TEXT: Final = "GATED TEST PATTERN"
CYCLE_FRAMES: Final = 80
"""Without the code for the first half, with it for the second: at 10 Hz, 4 s each."""

_CHANNELS = 3
_NOISE_LEVELS = 8
_NOISE_STEPS = (61, 59)  # primes: the noise repeats itself after 3,599 frames
_DARKEST, _BRIGHTEST = 60, 180
_INK, _PAPER = 40, 220
_CODE_SHARE = 0.4  # of the frame's shorter side


class Pattern:
    """The frames, by their number.

    Args:
        width: of a frame, in px.
        height: of a frame, in px.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height

    def draw(self, number: int) -> Pixels:
        """Return frame ``number``: height x width x 3."""
        frame = self._ramp.copy()
        turn = number % CYCLE_FRAMES - CYCLE_FRAMES // 2
        if turn >= 0:
            side = len(self._code)
            left = (self._width - side) * turn // (CYCLE_FRAMES // 2)
            top = (self._height - side) // 2
            frame[top : top + side, left : left + side] = self._code
        down, across = (number % steps for steps in _NOISE_STEPS)
        frame += self._noise[down:, across:][: self._height, : self._width]
        return frame

    @cached_property
    def _ramp(self) -> Pixels:
        levels = np.linspace(_DARKEST, _BRIGHTEST, self._width)
        ramp = np.broadcast_to(levels[:, np.newaxis], (self._height, self._width, _CHANNELS))
        return ramp.astype(np.uint8)

    @cached_property
    def _noise(self) -> Pixels:
        down, across = _NOISE_STEPS
        shape = (self._height + down, self._width + across, _CHANNELS)
        return np.random.default_rng(0).integers(0, _NOISE_LEVELS, shape, np.uint8)

    @cached_property
    def _code(self) -> Pixels:
        modules = encode_qr(TEXT)[..., np.newaxis]
        scale = max(1, int(min(self._height, self._width) * _CODE_SHARE) // len(modules))
        printed = np.where(modules > 0, _PAPER, _INK).astype(np.uint8)
        return np.kron(printed, np.ones((scale, scale, 1), np.uint8))


class PatternSource:
    """Delivers the pattern at the camera's rate.

    Args:
        pattern: what is shown.
        frame_rate_hz: frames each second.
        clock: says when the next one is due.
    """

    name = "test_pattern"

    def __init__(self, pattern: Pattern, frame_rate_hz: float, clock: Clock) -> None:
        self._pattern = pattern
        self._interval_s = 1.0 / frame_rate_hz
        self._clock = clock
        self._due_at: MonoSeconds | None = None
        self._sequence = 0
        self._closed = threading.Event()

    def open(self) -> None:
        require_opencv()
        self._closed.clear()
        self._due_at = self._clock.monotonic_s()

    def next_frame(self, timeout_s: float) -> Frame | None:
        if self._due_at is None:
            raise DeviceLost("the test pattern is not open", device=self.name)
        wait_s = self._due_at - self._clock.monotonic_s()
        if wait_s > 0:
            self._closed.wait(min(wait_s, timeout_s))
            if wait_s > timeout_s:
                return None
        now = self._clock.monotonic_s()
        self._due_at = MonoSeconds(max(self._due_at, now - self._interval_s) + self._interval_s)
        self._sequence += 1
        return Frame(self._pattern.draw(self._sequence), self._sequence, now)

    def attend(self, wish: Wish | None) -> None:
        """There is nothing to move."""

    def close(self) -> None:
        self._due_at = None
        self._closed.set()


def make(settings: ScannerSettings, clock: Clock) -> PatternSource:
    pattern = Pattern(settings.width, settings.height)
    return PatternSource(pattern, settings.frame_rate_hz, clock)
