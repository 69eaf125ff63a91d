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
    """The views of the last half minute with nobody there, one a second."""

    def __init__(self) -> None:
        self._seen_c: deque[float] = deque(maxlen=SAMPLES)
        self._seen_at: MonoSeconds | None = None

    def learn(self, object_c: float, at: MonoSeconds) -> None:
        """Take a view with nobody in it; those that come faster than EVERY_S are left out."""
        if self._seen_at is None or at - self._seen_at >= EVERY_S:
            self._seen_c.append(object_c)
            self._seen_at = at

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
        """Return the coldest view of the last seconds before ``at`` with nobody there, or None.

        The coldest: somebody who is still on the way warms the last one or two.
        """
        if self._seen_at is None or at - self._seen_at > SURROUNDINGS_MAX_AGE_S:
            return None
        return min(list(self._seen_c)[-SURROUNDINGS_SAMPLES:])
