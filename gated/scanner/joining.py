"""Several frames of one code that none of them shows well enough: their answers add up. Pure.

Modules have numbers, so it doesn't matter that the hand moved in between. Where one frame has a
reflex, another has none; and noise, smear and the camera's focus are different in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from gated.scanner.grid import known_modules
from gated.scanner.regions import Levels
from gated.units import MonoSeconds

KEPT_S: Final = 1.5
"""Frames farther apart are another presentation."""
MAX_CODES: Final = 4
_SAME: Final = 0.2
"""Correlation of what isn't known beforehand: of one code 0.3 and more, of two codes 0 ± 0.05, but
for short ones. A wrong sum harms nothing: its error correction fails."""
_CERTAIN: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Sum:
    """What the frames of one code have answered so far."""

    levels: Levels
    seen_at: MonoSeconds


class Joiner:
    """Adds up the answers of successive frames."""

    def __init__(self) -> None:
        self._sums: list[_Sum] = []

    def add(self, levels: Levels, weight: float, at: MonoSeconds) -> Levels | None:
        """Return the answers of all frames of the same code so far, None while it's the only one.

        Args:
            levels: rows x columns, above 0 light, below 0 dark.
            weight: how much this frame is worth beside others.
            at: when it was taken; not before the last one.
        """
        self.forget_old(at)
        weighed = np.clip(levels, -_CERTAIN, _CERTAIN) * np.float32(weight)
        for each in self._sums:
            if _are_alike(each.levels, weighed):
                self._sums.remove(each)
                self._keep(_Sum(each.levels + weighed, at))
                return self._sums[-1].levels
        self._keep(_Sum(weighed, at))
        return None

    def _keep(self, newest: _Sum) -> None:
        """Keep it as the last; the one that was seen the longest ago makes room."""
        self._sums = [*self._sums[1 - MAX_CODES :], newest]

    def forget_old(self, at: MonoSeconds) -> None:
        """Drop what was seen too long ago: it's as private as the code's text."""
        self._sums = [each for each in self._sums if at - each.seen_at < KEPT_S]

    def forget(self) -> None:
        """Begin anew: something was read."""
        self._sums.clear()


def _are_alike(one: Levels, other: Levels) -> bool:
    if one.shape != other.shape:
        return False
    is_data = known_modules(len(one)) < 0
    a, b = one[is_data], other[is_data]
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b) > _SAME * float(np.sqrt((a @ a) * (b @ b)))
