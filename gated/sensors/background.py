"""What a thermometer sees with nobody there. Pure."""

from __future__ import annotations

import math
from collections import deque

from gated.units import MonoSeconds

EVERY_S = 1.0
SAMPLES = 30
SURROUNDINGS_SAMPLES = 3
SURROUNDINGS_MAX_AGE_S = 30.0
"""What was seen with nobody there says nothing about the light much later."""


class Background:
    """The views of the last half minute without anybody to be measured, one a second.

    Somebody may be there all the same: the low thermometer of a pair has every adult's chest before
    it. That is nothing to stand out from, but no sun either, so a distance sensor tells them apart.
    """

    def __init__(self) -> None:
        self._seen_c: deque[float] = deque(maxlen=SAMPLES)
        self._seen_at: MonoSeconds | None = None
        self._empty_c: deque[float] = deque(maxlen=SURROUNDINGS_SAMPLES)
        self._empty_at: MonoSeconds | None = None

    def learn(self, object_c: float, at: MonoSeconds, *, is_empty: bool) -> None:
        """Take a view with nobody warm in it; those that come faster than EVERY_S are left out.

        Args:
            object_c: what the thermometer shows.
            at: when.
            is_empty: nothing is in the distance sensor's range, or there is none.
        """
        if self._seen_at is None or at - self._seen_at >= EVERY_S:
            self._seen_c.append(object_c)
            self._seen_at = at
        if is_empty and (self._empty_at is None or at - self._empty_at >= EVERY_S):
            self._empty_c.append(object_c)
            self._empty_at = at

    def level_c(self) -> float:
        """Return what a person must stand out from: infinity before the first view.

        Whatever is in view at the start is the background: a wall in the sun must not pass for a
        person. Somebody who stands there already is seen once they have stepped away.
        """
        if not self._seen_c:
            return math.inf
        # The lower quartile: somebody who stood there at the start is outvoted in seconds.
        return sorted(self._seen_c)[len(self._seen_c) // 4]

    def surroundings_c(self, at: MonoSeconds) -> float | None:
        """Return the coldest empty view of the last seconds before ``at``, or None.

        The coldest: somebody who is still on the way warms the last one or two.
        """
        if self._empty_at is None or at - self._empty_at > SURROUNDINGS_MAX_AGE_S:
            return None
        return min(self._empty_c)
