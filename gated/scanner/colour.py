"""The colour of a code's dark modules, from one frame of it. Pure. About 0.7 ms.

The code's own white is the white of the light: every channel is divided by it. What counts then is
what the modules take away of each channel, their absorption. Blur, a veil of daylight upon the
screen and coarse JPEG colour lessen all three in proportion, so hue and saturation of the
absorption stay. It's looked at twice: at the dark modules beside the light ones, and at the whole
code beside its quiet zone. Unless both say the same, the colour is unsure: no answer is better than
a wrong one.

Two things can't be told from one picture. Orange that is overexposed until its green is clipped
is yellow, and black behind a veil as bright as itself is grey.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gated.scanner.picture import Pixels, shrink
from gated.scanner.regions import flatten
from gated.vocabulary import CodeColour

_COLOUR_AXES: Final = 3

# The code, seen from the front, and the cells it's cut into: light differs over a code.
_CELL_PX: Final = 12  # 3.5 modules of the coarsest code
_CELLS: Final = 6
_SIDE_PX: Final = _CELLS * _CELL_PX
_MARGIN_PX: Final = 4
_WHOLE_PX: Final = _SIDE_PX + 2 * _MARGIN_PX
_FINEST: Final = 4
"""Times the side: larger codes are shrunk first, and a code of 81 modules keeps its modules."""
_MIN_SIDE_PX: Final = 20.0  # less than a pixel a module
_MAX_ASPECT: Final = 6.0  # of the sides, one to the other: nothing reads a code that leans so far
_MAX_OUTSIDE: Final = 0.15  # of the side
_QUIET_FROM_PX: Final = 2  # so far out, corners that are a module off don't matter
_MIN_QUIET: Final = 0.3
"""Of the quiet zone must be light, or it's not one: a dark page, or no zone at all."""

# Of a cell's pixels, by the least of their channels.
_OUTLIERS: Final = 7  # at either end, of 144
_DARK: Final = 0.25  # of the way from dark to light: what is beyond is the edge of a module
_LIGHT: Final = 0.65
_CLEAR: Final = 0.6
"""Of the contrast of the clearest cell: the others are under a reflex or have no pure module."""

_MIN_WHITE_LEVELS: Final = 8.0
_CLIPPED_LEVELS: Final = 245.0  # white that may have been brighter than the sensor can tell
_WHOLE_LEVELS: Final = 220.0  # white that surely wasn't
_FAINT_LEVELS: Final = 6.0
"""Of contrast, in the channel that has most: the sensor's own black and JPEG are as large."""

# Black, grey or a colour: saturation is 1 if one channel is left whole, 0 if all lose the same.
_NEUTRAL: Final = 0.25  # black is 0.12 under a bulb whose red is clipped
_BLACK_FROM: Final = 0.56  # taken away: 0.7 in the dark, 0.6 under a veil of a third of white
_GREY_UP_TO: Final = 0.46  # taken away: 0.43 by a grey of 128, less by a lighter one
_SATURATION_SCALE: Final = 0.1
_DEPTH_SCALE: Final = 0.1
_HUE_SCALE_DEG: Final = 6.0

_MIN_CONFIDENCE: Final = 0.2
"""Washed-out prints that look grey lie below. Of 2000 rendered frames in black, green, yellow and
red, none did."""


@dataclass(frozen=True, slots=True)
class ColourReading:
    """What the dark modules look like.

    Attributes:
        confidence: 0 to 1; how far from the next colour.
    """

    colour: CodeColour
    confidence: float


@dataclass(frozen=True, slots=True)
class _Hues:
    """The hues of one colour, in degrees, and its least saturation. The gaps are unsure."""

    colour: CodeColour
    first_deg: float
    last_deg: float
    saturation: float


_COLOURS: Final = (
    _Hues(CodeColour.RED, -22, 22, 0.45),  # 1; 18 when overexposed
    _Hues(CodeColour.ORANGE, 24, 37, 0.45),  # 28 to 33
    _Hues(CodeColour.YELLOW, 40, 72, 0.45),  # 46 amber, 52 lemon, 60 when overexposed
    _Hues(CodeColour.GREEN, 90, 170, 0.35),  # 120; 158 that of some apps
    _Hues(CodeColour.PURPLE, 260, 318, 0.35),  # 288 to 300
)


def read_colour(pixels: Pixels, corners: NDArray[np.float32]) -> ColourReading:
    """Return the colour of the dark modules of one code.

    Args:
        pixels: height x width x 3, or grey, which has no colour.
        corners: of the code, 4 x 2 in px: top left, top right, bottom right, bottom left.
    """
    if pixels.ndim < _COLOUR_AXES:
        return ColourReading(CodeColour.NONE, 0.0)
    if not _is_square_in_view(pixels, corners):
        return ColourReading(CodeColour.UNSURE, 0.0)
    modules = _measure(_cut_out(pixels, corners).transpose(2, 0, 1).astype(np.float32))
    return ColourReading(CodeColour.UNSURE, 0.0) if modules is None else _judge(modules)


# --- the code, seen from the front ---------------------------------------------------------------


def _is_square_in_view(pixels: Pixels, corners: NDArray[np.float32]) -> bool:
    """Return whether ``corners`` can be those of a code, nearly all of which is in the frame."""
    if not np.isfinite(corners).all():
        return False
    own = corners.astype(np.float64)
    sides = np.roll(own, -1, axis=0) - own
    lengths = np.hypot(*sides.T)
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    is_convex = bool((turns > 0).all() or (turns < 0).all())
    shortest, longest = lengths.min(), lengths.max()
    slack = _MAX_OUTSIDE * shortest
    height, width = pixels.shape[:2]
    return bool(
        is_convex
        and shortest >= _MIN_SIDE_PX
        and longest <= _MAX_ASPECT * shortest
        and own.min() >= -slack
        and (own.max(axis=0) <= (width + slack, height + slack)).all()
    )


def _cut_out(pixels: Pixels, corners: NDArray[np.float32]) -> Pixels:
    """Return the code and its quiet zone as a square of ``_WHOLE_PX``."""
    side_px = float(np.ptp(corners, axis=0).max())
    margin_px = 2 * side_px * _MARGIN_PX / _SIDE_PX  # a side that leans away is seen shorter
    left, top = np.maximum(corners.min(axis=0) - margin_px, 0).astype(int)
    right, bottom = np.maximum(corners.max(axis=0) + margin_px, 0).astype(int)
    part = pixels[top:bottom, left:right]
    own = np.asarray(corners - (left, top), np.float32)
    while side_px > _FINEST * _SIDE_PX:  # by halves: anything else takes OpenCV 20 times as long
        even = part[: part.shape[0] // 2 * 2, : part.shape[1] // 2 * 2]
        part = shrink(even, max(even.shape) // 2)
        own, side_px = np.asarray(own / 2, np.float32), side_px / 2
    return flatten(part, own, _SIDE_PX, _MARGIN_PX)


def _quiet_zone() -> NDArray[np.bool_]:
    """Return which pixels of the square are the outer part of the quiet zone."""
    y, x = np.indices((_WHOLE_PX, _WHOLE_PX)) - (_WHOLE_PX - 1) / 2
    from_middle = np.maximum(np.abs(x), np.abs(y))
    return np.asarray(from_middle > _SIDE_PX / 2 + _QUIET_FROM_PX - 1)


def _cells_used() -> NDArray[np.intp]:
    """Return the numbers of all cells but those in the middle, where a badge has its own colour."""
    y, x = np.abs(np.indices((_CELLS, _CELLS)) - (_CELLS - 1) / 2)
    return np.nonzero(np.maximum(x, y).ravel() > 1)[0]


_IS_QUIET: Final = _quiet_zone()
_USED: Final = _cells_used()


# --- its colour ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Modules:
    """The modules of a code by channel: blue, green, red.

    Attributes:
        white: of the light around or in the code, in levels.
        contrast: from the light to the dark modules, in levels.
        absorption: what the dark modules take away of the light ones, 0 to 1.
        whole: what the whole code takes away of its quiet zone; None if that isn't light.
    """

    white: NDArray[np.float32]
    contrast: NDArray[np.float32]
    absorption: NDArray[np.float32]
    whole: NDArray[np.float32] | None


def _measure(levels: NDArray[np.float32]) -> _Modules | None:
    """Return the modules in a square of 3 x height x width; None if it's dark or even."""
    code = levels[:, _MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX]
    tiles = code.reshape(_COLOUR_AXES, _CELLS, _CELL_PX, _CELLS, _CELL_PX).swapaxes(2, 3)
    cells = tiles.reshape(_COLOUR_AXES, _CELLS**2, _CELL_PX**2)[:, _USED]
    brightest = cells.max(axis=2, keepdims=True)
    if np.median(brightest, axis=1).min() < _MIN_WHITE_LEVELS:
        return None
    # Yellow is bright in grey, and dark in the least of the three.
    least = (cells / np.maximum(brightest, 1)).min(axis=0)
    ordered = np.sort(least, axis=1)
    low, high = ordered[:, [_OUTLIERS]], ordered[:, [-1 - _OUTLIERS]]
    is_clear = (high - low > _CLEAR * (high - low).max())[:, 0]
    if not is_clear.any():
        return None
    dark = _means(cells, least <= low + _DARK * (high - low))[:, is_clear]
    white = _means(cells, least >= low + _LIGHT * (high - low))[:, is_clear]
    absorption = np.asarray(np.median(1 - dark / np.maximum(white, 1), axis=1), np.float32)
    contrast = np.asarray(np.median(white - dark, axis=1), np.float32)
    white = np.asarray(np.maximum(np.median(white, axis=1), 1), np.float32)
    quiet = levels[:, _IS_QUIET]
    is_light = (quiet / white[:, np.newaxis]).min(axis=0) > 1 - absorption.max() / 2
    if np.count_nonzero(is_light) < _MIN_QUIET * is_light.size:
        return _Modules(white, contrast, absorption, None)
    white = np.asarray(np.median(quiet[:, is_light], axis=1), np.float32)
    # No further than white, or a reflex would count for more than paper.
    mean = np.minimum(cells, white[:, np.newaxis, np.newaxis]).mean(axis=(1, 2))
    return _Modules(white, contrast, absorption, np.asarray(1 - mean / white, np.float32))


def _judge(modules: _Modules) -> ColourReading:
    """Return the colour that both looks at a code agree on."""
    depth = float(modules.absorption.max())
    colour, confidence = _name(modules.absorption, depth)
    if modules.whole is not None:
        other, clear = _name(modules.whole, depth)
        confidence = min(confidence, clear) if other is colour else 0.0
    confidence *= _share(float(modules.contrast.max()) / _FAINT_LEVELS - 1)
    white = modules.white
    is_partly_clipped = white.min() < _WHOLE_LEVELS < _CLIPPED_LEVELS <= white.max()
    if is_partly_clipped and colour is not CodeColour.GREY and depth < _BLACK_FROM:
        confidence = 0.0  # grey is coloured too, where some channels don't show what it takes away
    if colour is CodeColour.YELLOW and white[1:].min() >= _CLIPPED_LEVELS:
        confidence /= 2  # it may be orange, overexposed
    if confidence < _MIN_CONFIDENCE:
        return ColourReading(CodeColour.UNSURE, confidence)
    return ColourReading(colour, confidence)


def _means(cells: NDArray[np.float32], is_in: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the mean of each channel of each cell where ``is_in``."""
    total = np.einsum("cij,ij->ci", cells, is_in.astype(np.float32))
    return np.asarray(total / np.maximum(is_in.sum(axis=1), 1), np.float32)


def _name(absorption: NDArray[np.float32], depth: float) -> tuple[CodeColour, float]:
    """Return the colour that takes away ``absorption`` of white, and how clear it is, 0 to 1.

    Args:
        absorption: of blue, green and red, at any scale.
        depth: what the dark modules take away, 0 to 1.
    """
    most, least = float(absorption.max()), float(absorption.min())
    if most <= 0:
        return CodeColour.UNSURE, 0.0
    saturation = (most - least) / most
    if saturation < _NEUTRAL:
        clear = (_NEUTRAL - saturation) / _SATURATION_SCALE
        black = (depth - _BLACK_FROM) / _DEPTH_SCALE
        grey = (_GREY_UP_TO - depth) / _DEPTH_SCALE
        colour = CodeColour.BLACK if black > grey else CodeColour.GREY
        return colour, _share(min(clear, max(black, grey)))
    blue, green, red = (1 - absorption / (2 * most)).tolist()
    hue_deg = 360 * colorsys.rgb_to_hsv(red, green, blue)[0]
    for hues in _COLOURS:
        middle_deg = (hues.first_deg + hues.last_deg) / 2
        aside_deg = abs((hue_deg - middle_deg + 180) % 360 - 180)
        inside_deg = (hues.last_deg - hues.first_deg) / 2 - aside_deg
        if inside_deg > 0:
            clear = (saturation - hues.saturation) / _SATURATION_SCALE
            return hues.colour, _share(min(clear, inside_deg / _HUE_SCALE_DEG))
    return CodeColour.UNSURE, 0.0


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
