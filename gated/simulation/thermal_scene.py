"""What a thermal array has before its lens: heads, cups, lamps and walls as a picture in °C. Pure.

Things are flat ellipses or rectangles that face the array, drawn from the farthest to the nearest,
each with its own emissivity and the surroundings' reflection. A pixel's sensitivity over the angle
is Gaussian with its half points one pixel apart, Melexis' definition of a field of view, so that at
edges radiances mix. Head and face have the sizes of ``gated.simulation.optics``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gated.simulation.optics import SKIN_EMISSIVITY, View, clothing_c
from gated.units import KELVIN_OFFSET_K

SAMPLES_PER_PIXEL = 5  # along each side
HALF_POINT_SIGMAS = math.sqrt(2 * math.log(2))
REACH_PX = 1.5  # beyond this a pixel sees nothing

Picture = npt.NDArray[np.float64]


class Scene(Protocol):
    """What an array's chip model looks at."""

    def picture(
        self, at_s: float, rows: int, columns: int, height_deg: float, width_deg: float
    ) -> Picture:
        """Return °C as a sensor of emissivity 1 sees it, one value for each pixel."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Something warm or cold that faces the array."""

    surface_c: float
    distance_m: float
    half_width_m: float
    half_height_m: float
    aside_m: float = 0.0  # of the optical axis, to the right in the picture
    above_m: float = 0.0
    is_round: bool = True
    emissivity: float = SKIN_EMISSIVITY


@dataclass(frozen=True, slots=True)
class Look:
    """What a head shows besides its skin."""

    size: float = 1.0  # 0.8: a child of six
    canthi_above_forehead_c: float = 0.4  # the eyes' inner corners
    face_below_forehead_c: float = 1.0
    nose_below_forehead_c: float = 2.5
    mouth_c: float | None = None  # open, and as warm as that
    has_mask: bool = False
    has_glasses: bool = False
    hat_brim_m: float | None = None  # so far above the middle of the forehead: 0.03 leaves it free
    is_bald: bool = False
    has_scarf: bool = False  # else a bare neck


def head(view: View, ambient_c: float, look: Look | None = None) -> tuple[Shape, ...]:
    """Return the things that somebody shows, the body below the head included."""
    look = look or Look()
    return tuple(_placed(part, view, look.size) for part in _parts(view, ambient_c, look))


def cup(surface_c: float, distance_m: float, aside_m: float, above_m: float = 0.0) -> Shape:
    """Return a cup of something hot: glazed, 80 mm wide and 100 mm high."""
    return Shape(surface_c, distance_m, 0.04, 0.05, aside_m, above_m, is_round=False)


def lamp(surface_c: float, distance_m: float, aside_m: float, above_m: float) -> Shape:
    """Return a bulb of 60 mm."""
    return Shape(surface_c, distance_m, 0.03, 0.03, aside_m, above_m, emissivity=0.9)


def hand(surface_c: float, distance_m: float, aside_m: float, above_m: float) -> tuple[Shape, ...]:
    """Return an open hand with its fingers up, and the forearm below it."""
    palm = Shape(surface_c, distance_m, 0.043, 0.05, aside_m, above_m, is_round=False)
    finger_m = 0.0215
    fingers = (
        replace(
            palm,
            half_width_m=0.008,
            half_height_m=0.04,
            surface_c=surface_c - 1,
            aside_m=aside_m + (n - 1.5) * finger_m,
            above_m=above_m + 0.085,
        )
        for n in range(4)
    )
    arm = replace(palm, half_width_m=0.035, half_height_m=0.13, above_m=above_m - 0.18)
    return (palm, *fingers, arm)


def plate(surface_c: float, distance_m: float, aside_m: float, above_m: float) -> Shape:
    """Return a painted reference plate of 60 × 60 mm."""
    return Shape(
        surface_c, distance_m, 0.03, 0.03, aside_m, above_m, is_round=False, emissivity=0.97
    )


def wall(surface_c: float, distance_m: float, aside_m: float, half_width_m: float) -> Shape:
    """Return a strip of wall, as high as the view."""
    return Shape(surface_c, distance_m, half_width_m, 3.0, aside_m, 0.0, is_round=False)


@dataclass(frozen=True, slots=True)
class MovingScene:
    """A scene of things that come and go."""

    shapes: Callable[[float], Sequence[Shape]]  # by monotonic seconds
    ambient_c: Callable[[float], float]

    def picture(
        self, at_s: float, rows: int, columns: int, height_deg: float, width_deg: float
    ) -> Picture:
        lens = Lens(rows, columns, height_deg, width_deg)
        return render(self.shapes(at_s), self.ambient_c(at_s), lens)


@dataclass(frozen=True, slots=True)
class Lens:
    """An array's pixels and how wide they look together."""

    rows: int
    columns: int
    height_deg: float
    width_deg: float


def render(shapes: Sequence[Shape], ambient_c: float, lens: Lens) -> Picture:
    """Return what each pixel sees in °C, at emissivity 1 and without noise."""
    down, across = _grid(lens.rows, lens.height_deg), _grid(lens.columns, lens.width_deg)
    around_k4 = _k4(ambient_c)
    radiance = np.full((down.tangents.size, across.tangents.size), around_k4)
    for shape in sorted(shapes, key=lambda each: -each.distance_m):
        own_k4 = _k4(shape.surface_c)
        shown_k4 = shape.emissivity * own_k4 + (1 - shape.emissivity) * around_k4
        _draw(radiance, shape, shown_k4, -down.tangents, across.tangents)
    seen_k4 = down.weights @ radiance @ across.weights.T
    return np.asarray(np.sqrt(np.sqrt(seen_k4)) - KELVIN_OFFSET_K)


@dataclass(frozen=True, slots=True)
class _Grid:
    tangents: Picture  # of the samples' angles, ascending
    weights: Picture  # pixels × samples


@lru_cache(maxsize=8)
def _grid(pixels: int, angle_deg: float) -> _Grid:
    places = (np.arange(pixels * SAMPLES_PER_PIXEL) + 0.5) / SAMPLES_PER_PIXEL
    angles = np.radians((places - pixels / 2) * angle_deg / pixels)
    off_px = places[None, :] - (np.arange(pixels)[:, None] + 0.5)
    weights = np.exp(-2 * (off_px * HALF_POINT_SIGMAS) ** 2)
    weights[np.abs(off_px) > REACH_PX] = 0.0
    return _Grid(np.tan(angles), weights / weights.sum(axis=1, keepdims=True))


def _draw(radiance: Picture, shape: Shape, shown_k4: float, above: Picture, aside: Picture) -> None:
    """Draw one shape over whatever is there; at its edges both show by their shares."""
    distance_m = shape.distance_m
    y = (above - shape.above_m / distance_m) * (distance_m / shape.half_height_m)
    x = (aside - shape.aside_m / distance_m) * (distance_m / shape.half_width_m)
    step_y = abs(float(y[1] - y[0]))
    step_x = abs(float(x[1] - x[0]))
    rows = np.flatnonzero(np.abs(y) < 1 + step_y)
    columns = np.flatnonzero(np.abs(x) < 1 + step_x)
    if not (rows.size and columns.size):
        return
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    y, x = y[box[0], None], x[None, box[1]]
    if shape.is_round:
        covered = np.clip((1 - np.hypot(x, y)) / max(step_x, step_y) + 0.5, 0.0, 1.0)
    else:
        covered = _overlap(y, step_y) * _overlap(x, step_x)
    under = radiance[box]
    under += covered * (shown_k4 - under)


def _overlap(places: Picture, step: float) -> Picture:
    """Return which share of each sample, ``step`` wide, lies within −1 … 1."""
    ends = np.minimum(places + step / 2, 1.0) - np.maximum(places - step / 2, -1.0)
    return np.asarray(np.maximum(ends, 0.0) / step)


def _parts(view: View, ambient_c: float, look: Look) -> Iterator[Shape]:
    """Yield the parts of a grown-up head about the middle of its forehead, back to front."""
    skin_c, clothes_c = view.forehead_c, clothing_c(ambient_c)
    face_c = skin_c - look.face_below_forehead_c
    nearer = iter(range(20))

    def part(
        surface_c: float, half_width_m: float, half_height_m: float, above_m: float,
        aside_m: float = 0.0, *, is_round: bool = True,
    ) -> Shape:  # fmt: skip
        # Each part lies a little before the one it covers.
        distance_m = view.distance_m - 1e-6 * next(nearer)
        return Shape(
            surface_c, distance_m, half_width_m, half_height_m, aside_m, above_m, is_round=is_round
        )

    if view.is_torso_behind:
        yield part(clothes_c, 0.20, 0.50, -0.72, is_round=False)
    neck_c = clothes_c if look.has_scarf else face_c
    yield part(neck_c, 0.055, 0.06, -0.16, is_round=False)
    hair_c = face_c - 1.0 if look.is_bald else ambient_c + 0.45 * (face_c - ambient_c)
    yield part(hair_c, 0.085, 0.125, -0.025)
    yield part(face_c, 0.070, 0.0925, -0.0575)
    yield part(skin_c, 0.045, 0.033, 0.0)
    for side in (-1, 1):
        yield part(skin_c + look.canthi_above_forehead_c, 0.005, 0.005, -0.045, side * 0.016)
    yield part(skin_c - look.nose_below_forehead_c, 0.015, 0.025, -0.085)
    if look.mouth_c is not None:
        yield part(look.mouth_c, 0.022, 0.014, -0.115)
    if look.has_glasses:
        yield part(ambient_c + 0.4 * (skin_c - ambient_c), 0.065, 0.018, -0.045, is_round=False)
    if look.has_mask:
        yield part(ambient_c + 0.7 * (skin_c - ambient_c), 0.066, 0.05, -0.105)
    if look.hat_brim_m is not None:
        high_m = 0.06
        yield part(clothes_c, 0.095, high_m, look.hat_brim_m + high_m, is_round=False)


def _placed(part: Shape, view: View, size: float) -> Shape:
    return replace(
        part,
        half_width_m=size * part.half_width_m,
        half_height_m=size * part.half_height_m,
        aside_m=size * part.aside_m + view.aside_m,
        above_m=size * part.above_m + view.above_m,
    )


def _k4(value_c: float) -> float:
    return (value_c + KELVIN_OFFSET_K) ** 4
