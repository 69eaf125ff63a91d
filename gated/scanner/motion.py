"""Whether a frame is worth decoding, and whether the camera is still alive. Pure, 0.1 ms a frame.

Both look at a sparse sample of the frame's green channel: every n-th pixel of every n-th line.
"""

from __future__ import annotations

import enum
import math

import numpy as np
from numpy.typing import NDArray

from gated.scanner.picture import Pixels
from gated.units import MonoSeconds

SAMPLES_ON_LONG_SIDE = 160
EXAMINE_EVERY_S = 2.5
"""A code that doesn't move at all is seen this late at most; its coming is a motion."""
LINGER_S = 2.5
"""A hand that has just stopped moving is when a code becomes readable."""
STUCK_AFTER_S = 2.0
STUCK_FRAMES = 5
REPEATED = "the camera repeats one frame"
"""What the scanner, its status and the doctor say of that."""
"""Sensor noise makes even two equal frames all but impossible; five in 2 s are a dead camera."""

_CHANGED_SHARE = 0.01  # of all cells: a phone at arm's length fills ten times as much
_CELL_SAMPLES = 4
_MIN_STEP_LEVELS = 10 * _CELL_SAMPLES  # of 255, in each of a cell's samples
_MAX_STEP_LEVELS = 30 * _CELL_SAMPLES
_NOISE_FACTOR = 5.0  # of the median change: 3.4 standard deviations, exceeded by 0.1 % of cells
_COLOUR_AXES = 3

Sample = NDArray[np.uint8]


def sample_frame(pixels: Pixels) -> Sample:
    """Return a sparse sample of ``pixels``: at most 160 values on the longer side."""
    step = math.ceil(max(pixels.shape[:2]) / SAMPLES_ON_LONG_SIDE)
    green = pixels[..., 1] if pixels.ndim == _COLOUR_AXES else pixels
    return green[::step, ::step].copy()


def differs(before: Sample, now: Sample) -> bool:
    """Return whether something moved between two samples, beyond the sensor's noise."""
    if before.shape != now.shape:
        return True
    change = np.abs(_cells(now) - _cells(before))
    if change.size == 0:
        return True  # a frame of one line: too small to judge
    noise = _NOISE_FACTOR * float(np.median(change[::2, ::2]))
    threshold = min(max(_MIN_STEP_LEVELS, noise), _MAX_STEP_LEVELS)
    return bool(np.count_nonzero(change > threshold) > change.size * _CHANGED_SHARE)


def _cells(sample: Sample) -> NDArray[np.int16]:
    """Return the sums of 2 x 2 samples: half the noise for the same step."""
    height, width = sample.shape[0] & ~1, sample.shape[1] & ~1
    even = sample[:height, :width].astype(np.int16)
    return even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]


class Interest(enum.Enum):
    """How much a frame is worth."""

    NONE = enum.auto()  # nothing has changed: not decoded
    ROUTINE = enum.auto()  # nothing has changed, but it's been a while
    LIVELY = enum.auto()  # something moves, or has just stopped


class MotionGate:
    """Says which frames are worth decoding: with motion, soon after it, and one now and then."""

    def __init__(self) -> None:
        self._examined: Sample | None = None
        self._examined_at: MonoSeconds | None = None
        self._moved_at: MonoSeconds | None = None

    def judge(self, sample: Sample, at: MonoSeconds) -> Interest:
        """Return how much the frame of ``sample``, taken at ``at``, is worth."""
        interest = self._interest(sample, at)
        if interest is not Interest.NONE:
            self._examined, self._examined_at = sample, at
        return interest

    def _interest(self, sample: Sample, at: MonoSeconds) -> Interest:
        if self._examined is None or self._examined_at is None:
            return Interest.ROUTINE
        if differs(self._examined, sample):
            self._moved_at = at
            return Interest.LIVELY
        if self._moved_at is not None and at - self._moved_at < LINGER_S:
            return Interest.LIVELY
        return Interest.ROUTINE if at - self._examined_at >= EXAMINE_EVERY_S else Interest.NONE


class StuckWatch:
    """Notices a camera that delivers the same frame again and again."""

    def __init__(self) -> None:
        self._sample: Sample | None = None
        self._since: MonoSeconds | None = None
        self._repeats = 0

    def is_stuck(self, sample: Sample, at: MonoSeconds) -> bool:
        """Return whether frames have been equal for too long, this one included."""
        if self._sample is None or self._since is None or not np.array_equal(self._sample, sample):
            self._sample, self._since, self._repeats = sample, at, 0
            return False
        self._repeats += 1
        return self._repeats >= STUCK_FRAMES and at - self._since >= STUCK_AFTER_S
