"""Why something that looks like a code can't be read, from one frame of it. Pure.

A code is a square of dense texture with a finder pattern in three of its corners and not in the
fourth. That holds too where a decoder gives up: far away, in the dark, out of focus, half under a
reflex. A code that's too near fills the frame instead: two tones and two directions, at random. "No
idea" is a good answer, for a wrong hint annoys everybody. About 10 ms a frame of 1280 x 720 px.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gated.scanner.cascade import FULL_LONG_SIDE_PX
from gated.scanner.picture import (
    Pixels,
    Square,
    blur,
    darkest_channel,
    find_likeness,
    find_squares,
    flatten,
    measure_texture,
    shrink,
)
from gated.vocabulary import UnreadCause

_MIDDLE: Final = 0.5

# The pyramid: the picture, its half, its quarter and so on, each with a map of its texture.
_SMALLEST_PX: Final = 64
_SHORTEST_CELLS: Final = 15
_LONGEST_CELLS: Final = 52  # 3.5 times the shortest: neighbouring levels overlap
_NOISE_FACTOR: Final = 1.25  # of the median texture, which is that of an even wall
_NOISE_LEVELS: Final = 0.2
_WHOLE_THRESHOLDS: Final = (10.0, 20.0)  # in the whole picture: fine texture is mostly noise
_LOOKED_AT: Final = 5  # squares, the clearest first

# A square, seen from the front.
_SIDE_PX: Final = 96
_MARGIN_PX: Final = 14
_MODULES: Final = (21, 25, 29, 33, 38, 44, 50, 57, 66, 76, 88)
"""Widths of codes to try; those between are near enough to one of them."""
_SLACK_PX: Final = 6
_MIN_LIKENESS: Final = 0.57
"""Of the third best corner. Of the squares in 447 pictures without a code, only tiles reach it."""
_MIN_LEAD: Final = 0.07
"""Over the fourth corner: tiles and keys look alike in all of them."""

# Causes.
_BLOCKS: Final = 8
_SPREAD: Final = (0.035, 0.17)
"""Of the blocks' means, by contrast: that of a pattern is smaller, that of a face larger."""
_GLARE_BLOCKS: Final = 3
_GLARE_LEVEL: Final = 235.0
_SMALL_SIDE_PX: Final = 95.0
_SMALL_MODULE_PX: Final = 1.6
_DARK_CONTRAST: Final = 40.0
_SHARP: Final = 0.65
"""Of the change that a sharp code shows."""

# A part of a code.
_PART_SHARE: Final = 0.4  # of the frame
_PART_TEXTURE: Final = 0.45  # of the densest
_PART_CONTRAST: Final = 60.0
_PART_TRAITS: Final = (
    (0.4, 0.6),  # how much is dark
    (0.6, 1.0),  # how much is clearly dark or clearly bright
    (0.045, 0.2),  # spread of the blocks' means: cloth is the same everywhere
    (0.62, 0.88),  # spread of the runs' lengths: 0.7 if random; checks and stripes are more even
    (0.5, 1.0),  # how much changes in two directions only
)
_CLEARLY: Final = 0.3  # from the middle


@dataclass(frozen=True, slots=True)
class Unread:
    """A code that's in view and isn't read.

    Attributes:
        cause: None if there's no telling.
        x_px, y_px: where its middle is.
        side_px: how wide it is.
    """

    cause: UnreadCause | None
    x_px: float
    y_px: float
    side_px: float

    def is_at(self, other: Unread) -> bool:
        """Return whether both are one thing at one place."""
        nearness = 0.1 * max(self.side_px, other.side_px)
        return abs(self.x_px - other.x_px) < nearness and abs(self.y_px - other.y_px) < nearness


def find_unread(pixels: Pixels) -> tuple[Unread, ...]:
    """Return the codes in ``pixels``, in which none could be read; where, in its first 1280 px."""
    pyramid = [darkest_channel(shrink(pixels, FULL_LONG_SIDE_PX))]
    while min(pyramid[-1].shape) >= 2 * _SMALLEST_PX:
        pyramid.append(shrink(pyramid[-1], max(pyramid[-1].shape) // 2))
    textures = [measure_texture(view) for view in pyramid]
    found: list[Unread] = []
    for level, corners in _squares(textures):
        finer = max(0, level - 1)  # there, a code is one to two times as wide as it's made flat
        flat = flatten(pyramid[finer], corners / 2**finer, _SIDE_PX, _MARGIN_PX)
        modules = _count_modules(flat)
        unread = None if modules is None else _judge(flat, corners, modules, pyramid[0].shape)
        if unread is not None and not any(unread.is_at(other) for other in found):
            found.append(unread)
    if not found and len(pyramid) > 1 and _is_part_of_code(pyramid[-2], textures[-1]):
        height, width = pyramid[0].shape
        found.append(Unread(UnreadCause.TOO_LARGE, width / 2, height / 2, float(height)))
    return tuple(found)


def _squares(textures: Sequence[NDArray[np.float32]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield dense squares, the clearest first: the level, and the corners in px of the picture."""
    found: list[tuple[float, int, Square]] = []
    for level, texture in enumerate(textures):
        floor = float(np.median(texture[::4, ::4])) + _NOISE_LEVELS
        noise = floor if level else floor / 2  # a half has half the noise: small ones aren't less
        for threshold in _thresholds(level, floor, float(texture.max())):
            for square in find_squares(texture, threshold, _SHORTEST_CELLS, _LONGEST_CELLS):
                exactness = 1 - abs(threshold / square.texture - _MIDDLE)
                found.append((exactness * square.texture / noise, level, square))
    found.sort(key=lambda entry: entry[0], reverse=True)
    taken: list[tuple[float, float, float]] = []
    for _, level, square in found:
        cell_px = 2 ** (level + 1)
        longer = max(square.width, square.height)
        x, y, side = (n * cell_px for n in (square.x, square.y, longer))
        if any(max(abs(x - x0), abs(y - y0), abs(side - s0)) < 0.06 * s0 for x0, y0, s0 in taken):
            continue  # the same, from another threshold or level
        taken.append((x, y, side))
        yield level, square.corners() * cell_px
        if len(taken) == _LOOKED_AT:
            return


def _thresholds(level: int, floor: float, most: float) -> Iterator[float]:
    if level == 0:
        yield from _WHOLE_THRESHOLDS
        return
    threshold = _NOISE_FACTOR * floor
    while threshold < most:
        yield threshold
        threshold *= 2


# --- a whole code --------------------------------------------------------------------------------


@functools.cache
def _finder(modules: int) -> Pixels:
    """Return a finder pattern in its white frame, as wide as in a flat code of ``modules``."""
    scale = 10
    pattern = np.full((9 * scale, 9 * scale), 255, np.uint8)
    for inset, level in ((1, 0), (2, 255), (3, 0)):
        pattern[inset * scale : -inset * scale, inset * scale : -inset * scale] = level
    # Unsharp by half a module, it's like a sharp one and like a blurred one.
    return shrink(blur(pattern, scale / 2), round(9 * _SIDE_PX / modules))


def _count_modules(flat: Pixels) -> int | None:
    """Return about how many modules wide the code in ``flat`` is; None if there's no code."""
    best, best_modules = _MIN_LIKENESS, None
    for modules in _MODULES:
        finder = _finder(modules)
        start = max(0, int(_MARGIN_PX - _SIDE_PX / modules - _SLACK_PX))
        reach = slice(start, start + finder.shape[0] + 2 * _SLACK_PX)
        fourth, third, *_ = sorted(
            find_likeness(np.ascontiguousarray(turned[reach, reach]), finder)
            for turned in (flat, flat[::-1], flat[:, ::-1], flat[::-1, ::-1])
        )
        if third > best and third - fourth > _MIN_LEAD:
            best, best_modules = third, modules
    return best_modules


def _judge(
    flat: Pixels, corners: NDArray[np.float32], modules: int, shape: tuple[int, ...]
) -> Unread | None:
    """Return the code in ``flat`` with its cause; None if it's a pattern or a picture after all."""
    inner = flat[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX].astype(np.float32)
    black, white = (float(level) for level in np.percentile(inner, (4, 96)))
    contrast = max(1.0, white - black)
    blocks = _block_means(inner)
    is_white = (blocks > _GLARE_LEVEL) & (blocks > black + 0.9 * contrast)
    spread = 0.0 if is_white.all() else float(blocks[~is_white].std()) / contrast
    if not _SPREAD[0] <= spread <= _SPREAD[1]:
        return None
    x_px, y_px = (float(n) for n in corners.mean(axis=0))
    side_px = float(np.hypot(*(corners[0] - corners[1])))
    right, bottom = corners.max(axis=0)
    # Every second pair of neighbouring modules differs.
    change = min(float(np.abs(np.diff(inner, axis=axis)).mean()) for axis in (0, 1)) / contrast
    cause = None
    if corners.min() <= 0 or right >= shape[1] or bottom >= shape[0]:
        cause = UnreadCause.TOO_LARGE
    elif np.count_nonzero(is_white) >= _GLARE_BLOCKS:
        cause = UnreadCause.GLARE
    elif side_px < _SMALL_SIDE_PX or side_px < _SMALL_MODULE_PX * modules:
        cause = UnreadCause.TOO_SMALL
    elif contrast < _DARK_CONTRAST:
        cause = UnreadCause.TOO_DARK
    elif change < _SHARP * 0.5 * modules / _SIDE_PX:
        cause = UnreadCause.BLURRED
    return Unread(cause, x_px, y_px, side_px)


def _block_means(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of 8 x 8 blocks; what doesn't fill one is left out."""
    high, wide = (n // _BLOCKS for n in values.shape)
    whole = values[: high * _BLOCKS, : wide * _BLOCKS]
    return np.asarray(whole.reshape(_BLOCKS, high, _BLOCKS, wide).mean(axis=(1, 3)), np.float32)


# --- a part of one -------------------------------------------------------------------------------


def _is_part_of_code(view: Pixels, texture: NDArray[np.float32]) -> bool:
    """Return whether modules fill so much of the frame that the code can't be whole in it.

    Args:
        view: the level before the last.
        texture: of the last level.
    """
    is_dense = texture > _PART_TEXTURE * float(np.percentile(texture, 95))
    if is_dense.mean() < _PART_SHARE:
        return False
    rows = np.nonzero(is_dense.mean(axis=1) > _PART_SHARE)[0]
    columns = np.nonzero(is_dense.mean(axis=0) > _PART_SHARE)[0]
    cell_px = view.shape[0] // texture.shape[0]
    if min(len(rows), len(columns)) * cell_px < _BLOCKS:
        return False
    part = view[
        rows[0] * cell_px : (rows[-1] + 1) * cell_px,
        columns[0] * cell_px : (columns[-1] + 1) * cell_px,
    ].astype(np.float32)
    black, white = (float(level) for level in np.percentile(part, (5, 95)))
    if white - black < _PART_CONTRAST:
        return False
    traits = _measure_traits(np.clip((part - black) / (white - black), 0, 1))
    return all(low <= t <= high for t, (low, high) in zip(traits, _PART_TRAITS, strict=True))


def _measure_traits(part: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the traits that ``_PART_TRAITS`` bounds, of levels from 0 to 1."""
    is_dark = part < _MIDDLE
    row, column = np.nonzero(is_dark[:, 1:] != is_dark[:, :-1])
    runs = np.diff(column)[np.diff(row) == 0]
    slope = np.diff(part, axis=1)[:-1] + 1j * np.diff(part, axis=0)[:, :-1]
    weight = np.abs(slope) ** 2
    fourfold = np.abs((slope**4 / np.maximum(weight, 1e-6)).sum())
    return (
        float(is_dark.mean()),
        float((np.abs(part - _MIDDLE) > _CLEARLY).mean()),
        float(_block_means(is_dark.astype(np.float32)).std()),
        float(runs.std() / runs.mean()) if runs.size else 0.0,
        float(fourfold / max(1e-6, float(weight.sum()))),
    )
