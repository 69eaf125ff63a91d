"""Dense squares in a picture: where a code may be, at the cost of a look at its texture. Pure.

They're looked for in the picture, its half, its quarter and so on, each with a map of its texture
(``measure_texture``), so that near and far codes are of like size in one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from gated.scanner.picture import Pixels
from gated.scanner.regions import (
    Corners,
    Levels,
    Region,
    find_corners,
    find_regions,
    halve,
    level_at,
    measure_side_px,
)

_SMALLEST_PX: Final = 64
_SHORTEST_CELLS: Final = 15
_LONGEST_CELLS: Final = 58  # nearly 4 times the shortest: neighbouring levels overlap
_ROWS_SAMPLED: Final = 32
_NOISE_FACTOR: Final = 1.25  # of the median texture, which is that of an even wall
_NOISE_LEVELS: Final = 0.2
_WHOLE_THRESHOLDS: Final = (10.0, 20.0)  # in the whole picture: fine texture is mostly noise
_NEXT_THRESHOLD: Final = 2.0
_HALF: Final = 0.5
_SAME: Final = 0.05  # of a side
_LOOKED_AT: Final = 5  # squares, the clearest first


def halve_often(view: Pixels) -> list[Pixels]:
    """Return ``view``, its half, its quarter and so on."""
    levels = [view]
    while min(levels[-1].shape) >= 2 * _SMALLEST_PX:
        levels.append(halve(levels[-1]))
    return levels


def find_squares(textures: Sequence[Levels]) -> Iterator[Corners]:
    """Yield the corners of dense squares, in px of the picture, the clearest first.

    Args:
        textures: of the picture, its half, its quarter and so on.
    """
    found: list[tuple[float, int, Region]] = []
    for level, texture in enumerate(textures):
        floor = level_at(_sparsely(texture), _HALF) + _NOISE_LEVELS
        noise = floor if level else floor / 2  # a half has half the noise: small ones aren't less
        for threshold in _thresholds(level, floor, float(texture.max())):
            for region in find_regions(texture, threshold, _SHORTEST_CELLS, _LONGEST_CELLS):
                exactness = 1 - abs(threshold / region.texture - _HALF)
                found.append((exactness * region.texture / noise, level, region))
    found.sort(key=lambda entry: entry[0], reverse=True)
    taken: list[Corners] = []
    for _, level, region in found:
        for cells in find_corners(region):
            corners = cells * 2 ** (level + 1)
            if any(_are_same(corners, other) for other in taken):
                continue  # from another threshold or level
            taken.append(corners)
            yield corners
            if len(taken) == _LOOKED_AT:
                return


def _sparsely(texture: Levels) -> Levels:
    """Return about as many cells of each level."""
    step = max(1, min(texture.shape) // _ROWS_SAMPLED)
    return texture[::step, ::step]


def _are_same(one: Corners, other: Corners) -> bool:
    """Return whether two squares have about the same middle and corners."""
    apart = np.abs(one[:, np.newaxis] - other).max(axis=2).min(axis=1).max()
    return float(apart) < _SAME * measure_side_px(other)


def _thresholds(level: int, floor: float, most: float) -> Iterator[float]:
    if level == 0:
        yield from _WHOLE_THRESHOLDS
        return
    threshold = _NOISE_FACTOR * floor
    while threshold < most:
        yield threshold
        threshold *= _NEXT_THRESHOLD
