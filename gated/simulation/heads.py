"""Heads before a thermal array, on a scenario's stage: written as numbers, drawn by who looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gated.simulation.optics import View
from gated.simulation.stage import AMBIENT, HeatLog
from gated.simulation.thermal_scene import Lens, Picture, head, render, wall

HEADS = 2
"""So many are told of each array at a time."""
_FIELDS = ("distance_m", "aside_m", "above_m", "forehead_c", "torso")
NOBODY = math.inf
BACKGROUND_M = 3.0
SUNLIT_C = 0.1
"""A background this much above the air is a wall that the sun shines on."""


def head_columns(array: str) -> tuple[str, ...]:
    """Return the columns of the stage's heat log that tell of the heads before ``array``."""
    return tuple(f"{array}/{n}/{field}" for n in range(HEADS) for field in _FIELDS)


def head_values(array: str, views: Sequence[View]) -> dict[str, float]:
    """Return what stands in these columns for ``views``."""
    values = dict.fromkeys(head_columns(array), NOBODY)
    for n, view in enumerate(views[:HEADS]):
        seen = (view.distance_m, view.aside_m, view.above_m, view.forehead_c)
        told = (*seen, float(view.is_torso_behind))
        values |= {f"{array}/{n}/{field}": v for field, v in zip(_FIELDS, told, strict=True)}
    return values


@dataclass(frozen=True, slots=True)
class StageScene:
    """A ``thermal_scene.Scene``: what stands before one array on the stage."""

    heat: HeatLog
    array: str

    def picture(
        self, at_s: float, rows: int, columns: int, height_deg: float, width_deg: float
    ) -> Picture:
        entry = self.heat.entry(at_s, unplugged_by=self.array)
        ambient_c, background_c = entry[AMBIENT], entry[self.array]
        shapes = []
        if background_c > ambient_c + SUNLIT_C:
            shapes.append(wall(background_c, BACKGROUND_M, 0.0, BACKGROUND_M))
        for n in range(HEADS):
            distance_m, aside_m, above_m, forehead_c, torso = (
                entry[f"{self.array}/{n}/{field}"] for field in _FIELDS
            )
            if distance_m < NOBODY:
                view = View(distance_m, forehead_c, aside_m, above_m, is_torso_behind=torso > 0)
                shapes += head(view, ambient_c)
        return render(shapes, ambient_c, Lens(rows, columns, height_deg, width_deg))
