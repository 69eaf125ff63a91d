"""A thermometer as a scenario knows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Eye:
    """A thermometer as the stage knows it."""

    name: str
    height_m: float
    fov_deg: float
    is_array: bool = False  # it sees a picture
    has_distance: bool = False  # there is a distance sensor beside it
