"""How fast the chip's own temperature changes: the package must have one temperature.

A thermopile chip is accurate only while its case is isothermal (MLX90614 datasheet, 3901090614
rev. 013, §10.1.1). How much a gradient costs is not published; 0.3 °C for each °C/min is assumed.
"""

from __future__ import annotations

from collections import deque

from gated.units import MonoSeconds

EVERY_S = 2.0
WINDOW_S = 60.0
MIN_SPAN_S = 20.0
"""Steps of 0.02 K over less than this would look like a gradient."""
SECONDS_A_MINUTE = 60.0


class DieWatch:
    """The trend of one chip's own temperature over the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=int(WINDOW_S / EVERY_S) + 1)

    def feed(self, die_c: float, at: MonoSeconds) -> None:
        """Take one sample; those that come faster than EVERY_S are left out."""
        if not self._seen or at - self._seen[-1][0] >= EVERY_S:
            self._seen.append((at, die_c))
        while at - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()

    @property
    def rate_c_per_min(self) -> float | None:
        """The least-squares slope in °C a minute; None: not seen for long enough."""
        if len(self._seen) < 2 or self._seen[-1][0] - self._seen[0][0] < MIN_SPAN_S:  # noqa: PLR2004 - two points
            return None
        mean_s = sum(at for at, _ in self._seen) / len(self._seen)
        mean_c = sum(die_c for _, die_c in self._seen) / len(self._seen)
        upper = sum((at - mean_s) * (die_c - mean_c) for at, die_c in self._seen)
        return SECONDS_A_MINUTE * upper / sum((at - mean_s) ** 2 for at, _ in self._seen)
