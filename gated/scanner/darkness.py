"""Whether the camera sees anything at all. Pure, 0.01 ms a frame.

A covered lens and a lane without any light look alike. At night that's in order: it's said, and
nothing is called lost. A dead sensor's black, without noise, is one frame again and again, which
``motion.StuckWatch`` notices.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from gated.scanner.motion import Sample
from gated.units import MonoSeconds

DARK_AFTER_S: Final = 10.0
_DARK_LEVELS: Final = 32  # of 255: an amplified black's noise stays below
_EVEN_LEVELS: Final = 24
_SHARES: Final = (1, 99)  # percentiles: between dead pixels and hot ones


def is_black(sample: Sample) -> bool:
    """Return whether ``sample`` shows nothing: no light, and no contrast."""
    if not sample.size or sample.mean() >= _DARK_LEVELS:
        return False
    least, most = np.percentile(sample, _SHARES)
    return bool(most < _DARK_LEVELS and most - least < _EVEN_LEVELS)


class DarkWatch:
    """Notices a camera that has seen nothing for a while."""

    def __init__(self) -> None:
        self._since: MonoSeconds | None = None

    def is_dark(self, sample: Sample, at: MonoSeconds) -> bool:
        """Return whether frames have been black for so long, this one included."""
        if not is_black(sample):
            self._since = None
            return False
        if self._since is None:
            self._since = at
        return at - self._since >= DARK_AFTER_S
