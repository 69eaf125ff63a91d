"""How far away a forehead still fills a thermometer's view. Pure.

Gaussian optics: half of the sensitivity lies at half of the field of view, Melexis' definition
(MLX90614 datasheet, 3901090614 rev. 013).
"""

from __future__ import annotations

import math

FOREHEAD_RADIUS_M = 0.035
"""The part of a forehead that is skin alone, as a disc."""
FILLED_SHARE = 0.95
"""Of the signal: with less of it from the skin the reading says more of the background."""


def reach_m(
    fov_deg: float, share: float = FILLED_SHARE, radius_m: float = FOREHEAD_RADIUS_M
) -> float:
    """Return up to which distance in m ``share`` of the signal comes from a well-aimed disc."""
    widths = math.sqrt(-math.log2(1 - share))
    return radius_m / (math.tan(math.radians(fov_deg) / 2) * widths)
