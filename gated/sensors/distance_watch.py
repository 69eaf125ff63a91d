"""What a distance sensor adds to the view of a thermometer: who is near, who is still. Pure.

Distance alone never makes a person: the low thermometer of a pair has every adult's chest before
it, and a chair stands as still as anybody. It tells who is warm whether they may be measured from
there, and whoever is not yet warm in a wide view that they should come closer.
"""

from __future__ import annotations

import statistics
from collections import deque

from gated.units import MonoSeconds

NEAR_M = 1.0
"""Whoever stands still within this means to be measured; beyond it is the queue."""
NEARER_M = 0.25
"""So much nearer than what stands there anyway: half the depth of a person with a bag."""
STEADY_S = 0.5
STEADY_M = 0.06
"""Standing people sway by 4 mm a tenth of a second at random, and the sensor adds 4 mm; the slowest
walk, 0.3 m/s, covers 15 cm in STEADY_S."""
REPEAT_S = 1.0
BACKGROUND_EVERY_S = 1.0
BACKGROUND_SAMPLES = 30
"""A chair that is left in the lane is background after half of this."""


class DistanceWatch:
    """The distance before one thermometer over the last moments."""

    def __init__(self, min_m: float, max_m: float) -> None:
        self._min_m, self._max_m = min_m, max_m
        self._recent: deque[tuple[MonoSeconds, float | None]] = deque()
        self._background: deque[float | None] = deque(maxlen=BACKGROUND_SAMPLES)
        self._learned_at: MonoSeconds | None = None
        self._told_at: MonoSeconds | None = None

    def is_inside(self, distance_m: float | None) -> bool:
        """Return whether somebody this far away can be measured."""
        return distance_m is not None and self._min_m <= distance_m <= self._max_m

    def feed(self, distance_m: float | None, at: MonoSeconds, *, is_anybody: bool) -> None:
        """Take one distance; None: nothing in the sensor's range. ``is_anybody``: who is warm."""
        self._recent.append((at, distance_m))
        while len(self._recent) > 2 and at - self._recent[1][0] >= STEADY_S:  # noqa: PLR2004 - the span's two ends
            self._recent.popleft()
        is_due = self._learned_at is None or at - self._learned_at >= BACKGROUND_EVERY_S
        if is_due and not is_anybody:
            self._background.append(distance_m)
            self._learned_at = at

    def notice_too_far(self, at: MonoSeconds, *, is_owed: bool) -> bool:
        """Return True for somebody who stands still where nobody can be measured, once a second.

        Args:
            at: now.
            is_owed: somebody warm waits for a plateau. Otherwise they are told by distance alone.
        """
        if any(self.is_inside(distance_m) for _, distance_m in self._recent):
            return False
        if not (self._is_steady() and (is_owed or self._is_near())):
            return False
        if self._told_at is not None and at - self._told_at < REPEAT_S:
            return False
        self._told_at = at
        return True

    def _is_steady(self) -> bool:
        known_m = [distance_m for _, distance_m in self._recent if distance_m is not None]
        span_s = self._recent[-1][0] - self._recent[0][0]
        if span_s < STEADY_S or 0 < len(known_m) < len(self._recent):
            return False
        return not known_m or max(known_m) - min(known_m) <= STEADY_M

    def _is_near(self) -> bool:
        """Return whether something is there that is not always there."""
        newest_m = self._recent[-1][1]
        if newest_m is None or newest_m > NEAR_M or not self._background:
            return False
        behind_m = statistics.median_low(_far(distance_m) for distance_m in self._background)
        return newest_m <= behind_m - NEARER_M


def _far(distance_m: float | None) -> float:
    return float("inf") if distance_m is None else distance_m
