"""Units at public boundaries. A name's suffix says the unit; these types say it to the checker."""

from __future__ import annotations

import math
from typing import NewType

Celsius = NewType("Celsius", float)
MicroCelsius = NewType("MicroCelsius", int)
Metres = NewType("Metres", float)
Seconds = NewType("Seconds", float)
MonoSeconds = NewType("MonoSeconds", float)
"""A reading of the monotonic clock, in s. Only differences mean anything."""

KELVIN_OFFSET_K = 273.15
"""0 °C in kelvin (ISO 80000-5)."""


def to_microcelsius(value_c: float) -> MicroCelsius:
    """Return ``value_c`` in whole µ°C, so that comparisons with 37.3 are exact.

    37.3 has no exact float, and ``37.3 - 0.1`` is below ``37.2``; a µ°C is 20,000 times finer than
    any sensor's step, so nothing that was measured is rounded away.

    Raises: ValueError: for NaN and infinities.
    """
    scaled = value_c * 1_000_000
    if not math.isfinite(scaled):
        raise ValueError("not a finite temperature")
    return MicroCelsius(round(scaled))
