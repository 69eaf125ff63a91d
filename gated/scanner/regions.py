"""What looks like a code, as regions and patches of a picture. With picture.py the one place that
knows OpenCV.

Corners are 4 x 2, in px: top left, top right, bottom right, bottom left, or the same turned.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gated.scanner.picture import Pixels

with contextlib.suppress(ImportError):  # require_opencv says so
    import cv2

Corners = NDArray[np.float32]
Levels = NDArray[np.float32]
Homography = NDArray[np.float64]
"""3 x 3. Points are measured from a picture's edge: its first pixel's middle is at (0.5, 0.5)."""

TEXTURE_CELLS = 5
_MAX_UPRIGHT_ASPECT = 1.8  # of the box around a region, which may be turned and seen at a slant
_MAX_SIDES_RATIO = 2.2  # the longest side of a slanted square by its shortest
_MIN_FILL_UPRIGHT = 0.4  # of that box
_FILL = (
    0.74,
    1.2,
)  # of the quadrilateral: the rest are bites that a reflex takes, and round corners
_APART = 0.08  # of a side: less is a slant that the finders' places mend
_INSIDE_SHARE = 0.75  # of the cells, from the lowest
_LEAST_CONTRAST = 8.0  # levels; less than this is noise
_AT_HORIZON = 1e-9
_AROUND = np.ones((3, 3), np.uint8)
_BEFORE = [3, 0, 1, 2]
_DIAGONALS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
_FROM_INDEX = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV counts from pixels' middles
_TO_INDEX = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
_UNIT_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


# --- dense squares -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Region:
    """A dense patch that may be a square seen at a slant.

    Attributes:
        outline: its cells on the border, n x 1 x 2.
        threshold: its cells are above this, in levels.
        texture: the map's level well inside.
    """

    outline: NDArray[np.int32]
    threshold: float
    texture: float


def measure_texture(grey: Pixels) -> Levels:
    """Return how much ``grey`` changes from pixel to pixel, in levels, in cells of 2 x 2 px.

    Counted is what changes both across and down, each on average over 5 x 5 cells: much in a code,
    little along the edge of a phone or a door.
    """
    height, width = (max(0, n - 1) // 2 * 2 for n in grey.shape)
    if not height or not width:
        return np.zeros((1, 1), np.float32)
    here, beside, below = grey[:height, :width], grey[:height, 1 : width + 1], grey[1 : height + 1]
    across, down = (
        cv2.resize(cv2.absdiff(there, here), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for there in (beside, below[:, :width])
    )
    over = (TEXTURE_CELLS, TEXTURE_CELLS)
    smooth = (cv2.blur(change.astype(np.float32), over) for change in (across, down))
    return np.asarray(cv2.min(*smooth), np.float32)


def level_at(levels: NDArray[Any], share: float) -> float:
    """Return the level that is above so great a ``share`` of ``levels``."""
    # As np.percentile, without its interpolation: that takes several times as long.
    at = round(share * (levels.size - 1))
    return float(np.partition(levels, at, axis=None)[at])


def find_regions(texture: Levels, threshold: float, shortest: int, longest: int) -> list[Region]:
    """Return the patches of cells above ``threshold``, in no order.

    Args:
        texture: as ``measure_texture`` gives it.
        threshold: in levels.
        shortest: side of the upright box around one, in cells, at least.
        longest: at most.
    """
    above = np.asarray(texture > threshold, np.uint8)
    if cv2.countNonZero(above) < _MIN_FILL_UPRIGHT * shortest * shortest:
        return []
    # What touches by a cell or two doesn't belong together.
    above = np.asarray(cv2.morphologyEx(above, cv2.MORPH_OPEN, _AROUND), np.uint8)
    outlines, _ = cv2.findContours(above, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for outline in outlines:
        left, top, wide, high = cv2.boundingRect(outline)
        if wide < shortest or high < shortest:
            continue  # as most of hundreds
        longer = max(wide, high)
        if longer > longest or longer > _MAX_UPRIGHT_ASPECT * min(wide, high):
            continue
        if cv2.contourArea(outline) < _MIN_FILL_UPRIGHT * wide * high:
            continue
        inside = texture[top : top + high : 2, left : left + wide : 2]
        inside = inside[inside > threshold]
        if not inside.size:
            continue  # the outline of a hole
        level = level_at(inside, _INSIDE_SHARE)
        found.append(Region(np.asarray(outline, np.int32), threshold, level))
    return found


def find_corners(region: Region) -> list[Corners]:
    """Return what the corners of ``region`` may be, in cells; none if it's no slanted square.

    They're the points that are farthest out along the diagonals of its box; or, if a reflex has
    bitten into it or grown onto it, those of the box.
    """
    hull = cv2.convexHull(region.outline)[:, 0, :].astype(np.float32)
    box = cv2.boxPoints(cv2.minAreaRect(region.outline)).astype(np.float32)
    middle = box.mean(axis=0)
    sides = np.stack([box[1] - box[0], box[3] - box[0]])
    own = (hull - middle) @ (sides / np.maximum(1e-6, (sides**2).sum(axis=1, keepdims=True))).T
    corners = hull[(own @ _DIAGONALS.T).argmax(axis=0)]
    found = [corners]
    if np.abs(corners - box).max() > _APART * measure_side_px(box):
        found.append(box)
    area = cv2.contourArea(region.outline)
    return [_grow(corners, region) for corners in found if _is_filled(corners, area)]


def _is_filled(corners: Corners, area: float) -> bool:
    lengths = np.hypot(*(corners - corners[_BEFORE]).T)
    is_square = lengths.max() <= _MAX_SIDES_RATIO * lengths.min()
    return bool(is_square and _FILL[0] < area / max(1.0, cv2.contourArea(corners)) < _FILL[1])


def _grow(corners: Corners, region: Region) -> Corners:
    """Return ``corners`` of the code: an average over so many cells rises over as many."""
    missing = 1 + 2 * TEXTURE_CELLS * (region.threshold / region.texture - 0.5)
    middle = corners.mean(axis=0)
    factor = 1 + missing / max(1.0, measure_side_px(corners))
    return np.asarray(middle + (corners - middle) * factor + 0.5, np.float32)


def halve(grey: Pixels) -> Pixels:
    """Return ``grey`` at half its size; an odd last row or column is left out."""
    height, width = (n // 2 * 2 for n in grey.shape)
    half = (width // 2, height // 2)
    return np.asarray(
        cv2.resize(grey[:height, :width], half, interpolation=cv2.INTER_AREA), np.uint8
    )


# --- patches -------------------------------------------------------------------------------------


def map_points(source: NDArray[np.floating], target: NDArray[np.floating]) -> Homography:
    """Return the homography that takes four points to four others (4 x 2 each)."""
    taken = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
    return np.asarray(taken, np.float64)


def map_square(corners: NDArray[np.floating], side: float, margin: float) -> Homography:
    """Return the homography from px to a square of ``side`` with a ``margin`` around it."""
    return map_points(corners, _UNIT_SQUARE * side + margin)


def project(points: NDArray[np.floating], homography: Homography) -> NDArray[np.float64]:
    """Return ``points`` (… x 2) as ``homography`` maps them."""
    x, y = points[..., 0], points[..., 1]
    (a, b, c), (d, e, f), (g, h, i) = homography
    depth = g * x + h * y + i
    depth = np.where(np.abs(depth) < _AT_HORIZON, _AT_HORIZON, depth)
    return np.stack([(a * x + b * y + c) / depth, (d * x + e * y + f) / depth], axis=-1)


def flatten(grey: Pixels, corners: Corners, side_px: int, margin_px: float) -> Pixels:
    """Return the square between ``corners`` seen from the front.

    It is ``side_px`` wide, with ``margin_px`` of what surrounds it.
    """
    homography = _TO_INDEX @ map_square(corners, side_px, margin_px) @ _FROM_INDEX
    whole = (round(side_px + 2 * margin_px),) * 2
    seen = cv2.warpPerspective(
        grey, homography, whole, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(seen, np.uint8)


def measure_side_px(corners: Corners) -> float:
    """Return the side of the square with the area between ``corners``."""
    return float(np.sqrt(abs(cv2.contourArea(corners.astype(np.float32)))))


def normalise(grey: Pixels, reach_px: int) -> Levels:
    """Return ``grey`` between what is black (0) and what is white (1) within ``reach_px``."""
    levels = grey.astype(np.float32)
    size = (2 * reach_px + 1, 2 * reach_px + 1)
    around = np.ones(size, np.uint8)
    white = cv2.blur(cv2.dilate(grey, around).astype(np.float32), size)
    black = cv2.blur(cv2.erode(grey, around).astype(np.float32), size)
    return np.asarray((levels - black) / np.maximum(white - black, _LEAST_CONTRAST), np.float32)


def measure_contrast(grey: Pixels, reach_px: int) -> Levels:
    """Return how far what is black lies below white within ``reach_px``, by what's usual in it."""
    size = (2 * reach_px + 1, 2 * reach_px + 1)
    around = np.ones(size, np.uint8)
    white, black = (tone(grey, around).astype(np.float32) for tone in (cv2.dilate, cv2.erode))
    contrast = white - cv2.blur(black, (5, 5))
    return np.asarray(contrast / max(1.0, float(np.median(contrast))), np.float32)


def sample(levels: Levels, points: NDArray[np.floating]) -> Levels:
    """Return ``levels`` at ``points`` (… x 2, in px; 0.5 is a pixel's middle), interpolated."""
    at = np.ascontiguousarray(points - 0.5, np.float32)
    flat = at.reshape(len(at), -1, 2)
    x, y = flat[..., 0], flat[..., 1]
    taken = cv2.remap(levels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(taken, np.float32).reshape(at.shape[:-1])


@dataclass(frozen=True, slots=True)
class Likeness:
    """The place in a picture that is most like a template.

    Attributes:
        likeness: −1 to 1, whatever the light.
        x_px, y_px: where the template's middle is.
    """

    likeness: float
    x_px: float
    y_px: float


def find_likeness(grey: Pixels, template: Pixels) -> Likeness:
    """Return the place most like ``template``, which is smaller than ``grey``."""
    scores = cv2.matchTemplate(grey, template, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    return Likeness(
        likeness=float(best),
        x_px=x + _peak(scores[y], x) + template.shape[1] / 2,
        y_px=y + _peak(scores[:, x], y) + template.shape[0] / 2,
    )


def _peak(scores: NDArray[Any], at: int) -> float:
    """Return how far from ``at`` the top of the parabola through it and its neighbours lies."""
    if not 0 < at < len(scores) - 1:
        return 0.0
    before, here, after = (float(n) for n in scores[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
