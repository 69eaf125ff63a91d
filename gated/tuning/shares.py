"""Shares with their intervals: Wilson's, which stay honest for few cases and near 0 and 1. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959964
"""The standard normal's 97.5 % point: intervals of 95 %."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many. ``low`` and ``high`` differ where some are not known."""

    low: int  # at the least
    high: int  # at the most
    of: int

    @property
    def bounds(self) -> tuple[float, float]:
        """Return (least, greatest), 0 to 1. Only with ``of`` above 0."""
        return self.low / self.of, self.high / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval, 0 to 1, over whatever is not known; all of 0 to 1 for none."""
        return wilson(self.low, self.of)[0], wilson(self.high, self.of)[1]

    def more_for(self, half_width: float) -> int:
        """Return about how many more are needed for an interval of plus or minus ``half_width``.

        Planned with the middle of the interval, not with the share: "3 of 3" proves no 100 %.
        """
        low, high = self.interval
        return max(0, needed_for((low + high) / 2, half_width) - self.of)


def wilson(successes: float, of: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, 0 to 1 (JASA 22, 1927, p. 209)."""
    if of <= 0:
        return 0.0, 1.0
    share = successes / of
    middle, half = _wilson(share, of)
    low = 0.0 if successes == 0 else middle - half  # exactly, whatever rounding says
    high = 1.0 if successes == of else middle + half
    return low, high


def _wilson(share: float, of: int) -> tuple[float, float]:
    """Return (middle, half width) of the interval."""
    z2 = Z95 * Z95
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return middle, half


def needed_for(share: float, half_width: float) -> int:
    """Return the smallest number whose interval of ``share`` is at most ± ``half_width``."""
    low, high = 0, 1
    while _wilson(share, high)[1] > half_width:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if _wilson(share, middle)[1] > half_width:
            low = middle
        else:
            high = middle
    return high
