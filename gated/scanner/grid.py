"""A QR code that was found and not read, taken apart module by module.

Of every code we know a good part before we've read it: finder, timing and alignment patterns
(ISO/IEC 18004 §6.3). From these modules and their surroundings in the picture a linear equaliser is
learned, by least squares, that gives back dark and light: it undoes whatever blur, smear or
ringing there is, in this very picture. With its first answers for all other modules it's learned
once more. What comes out is drawn as a clean code, for the decoders to check and to correct.

That reads codes that no decoder reads, out of focus or smeared over two modules; and since modules
have numbers, the answers of several frames add up.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gated.scanner.picture import Pixels
from gated.scanner.regions import (
    Corners,
    Homography,
    Levels,
    map_points,
    normalise,
    project,
    sample,
)

_ALL_WIDTHS: Final = range(21, 178, 4)
_FINDER: Final = 7  # modules wide
_MIDDLE: Final = 3.5  # of a finder, in modules
_LIGHT, _DARK, _UNKNOWN = 0, 1, -1
_ODD_VERSION, _ODD_STEP = 32, 26

# Placing: steps in modules, and how many of them to each side.
_WIDTHS_TRIED: Final = 3
_FAR_STEPS: Final = ((2.0, 1), (1.0, 1))
_NEAR_STEPS: Final = (0.5, 0.25)
_FOURTH: Final = 2  # the corner without a finder
_MIN_FIT: Final = 0.1
"""A wrong width or place mostly explains less than this."""
CERTAIN_FIT: Final = 0.25
"""Of what has finders too, only a code reaches this."""

# Sampling: positions between modules, in modules.
_FIT_TAPS: Final = np.array([(0, 0), (-0.75, 0), (0.75, 0), (0, -0.75), (0, 0.75)])
_REACH_HALVES: Final = 4
_REACH: Final = 4.5
"""So far a module's light may have spread for the equaliser to collect it, in half modules."""
MARGIN_HALVES: Final = 8
_RIDGE: Final = 0.0003
_LEARNED_AGAIN: Final = 1
_QUIET_MODULES: Final = 4
_DRAWN_PX: Final = 2
WHITE_REACH_MODULES: Final = 4.5
"""Within this there's always something black and something white."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a code's modules are in a picture.

    Attributes:
        modules: how many the code is wide.
        corners: of the code itself: its top left one lies between its two other finders.
        fit: the share of the known modules' contrast that is explained, at most 1.
    """

    modules: int
    corners: Corners
    fit: float

    def scaled(self, factor: float) -> Grid:
        """Return it as it is in a picture ``factor`` as large."""
        return replace(self, corners=self.corners * np.float32(factor))


# --- what is known -------------------------------------------------------------------------------


@functools.cache
def known_modules(modules: int) -> NDArray[np.int8]:
    """Return what every code of this width shows: 1 dark, 0 light, -1 unknown; rows x columns."""
    known = np.full((modules, modules), _UNKNOWN, np.int8)
    finder = _rings(_FINDER)
    for turn in (0, 1, 3):  # top left, and turned to the other two
        turned = np.rot90(known, turn)
        turned[: _FINDER + 1, : _FINDER + 1] = _LIGHT
        turned[:_FINDER, :_FINDER] = finder
    timing = (np.arange(_FINDER + 1, modules - _FINDER - 1) + 1) % 2
    known[_FINDER - 1, _FINDER + 1 : -_FINDER - 1] = timing
    known[_FINDER + 1 : -_FINDER - 1, _FINDER - 1] = timing
    known[-_FINDER - 1, _FINDER + 1] = _DARK
    places = _alignment_places(modules)
    for row in places:
        for column in places:
            there = known[row - 2 : row + 3, column - 2 : column + 3]
            # Not upon a finder. Upon a timing pattern it shows what that shows.
            if (row, column) not in {(6, 6), (6, modules - 7), (modules - 7, 6)}:
                there[:] = _rings(5)
    return known


def _rings(width: int) -> NDArray[np.int8]:
    """Return a square of a dark ring, a light ring, and dark inside."""
    rings = np.ones((width, width), np.int8)
    rings[1:-1, 1:-1] = _LIGHT
    rings[2:-2, 2:-2] = _DARK
    return rings


def _alignment_places(modules: int) -> list[int]:
    """Return the rows, and columns, of the alignment patterns' middles (§6.3.6, Annex E)."""
    version = (modules - 17) // 4
    if version == 1:
        return []
    number = version // 7 + 2
    # The spacings of Annex E follow this rule, but for that of one version.
    step = _ODD_STEP if version == _ODD_VERSION else -(-(modules - 13) // (2 * number - 2)) * 2
    return [6, *(modules - 7 - step * n for n in reversed(range(number - 1)))]


# --- how well a grid lies ------------------------------------------------------------------------


@functools.cache
def _known_samples(modules: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where to look at the known modules (n x taps x 2), and what is expected (n)."""
    known = known_modules(modules)
    row, column = np.nonzero(known >= 0)
    middles = np.stack([column, row], axis=1) + 0.5
    expected = 1.0 - 2.0 * known[row, column].astype(np.float64)
    return middles[:, np.newaxis] + _FIT_TAPS, expected


def measure_fit(levels: Levels, homography: Homography, modules: int) -> float:
    """Return how much of the known modules' contrast ``levels`` show at their places, at most 1.

    Args:
        levels: of the code, as ``normalise`` gives them.
        homography: from modules to px of ``levels``.
        modules: how many the code is wide.
    """
    places, expected = _known_samples(modules)
    seen = sample(levels, project(places, homography))
    inputs = np.concatenate([seen, np.ones((len(seen), 1))], axis=1).astype(np.float64)
    weights = _solve(inputs.T @ inputs, inputs.T @ expected, len(inputs))
    missed = expected - inputs @ weights
    spread = expected - expected.mean()
    return 1.0 - float(missed @ missed) / float(spread @ spread)


def _solve(
    squares: NDArray[np.floating], products: NDArray[np.floating], samples: int
) -> NDArray[np.floating]:
    ridge = _RIDGE * samples * np.eye(len(squares), dtype=squares.dtype)
    return np.asarray(np.linalg.solve(squares + ridge, products))


# --- how a grid lies -----------------------------------------------------------------------------


def place_grid(
    levels: Levels, finders: NDArray[np.float64], module_px: float
) -> tuple[int, Homography, float] | None:
    """Return how a code's modules lie: how many, from modules to px of ``levels``, and the fit.

    None: they lie in no way that explains what is seen.

    Args:
        levels: of the code, as ``prepare`` gives them.
        finders: 3 x 2, in px: about where the middles of the top left one, the top right one and
            the bottom left one are.
        module_px: about how wide a module is.
    """
    placed = _place_plainly(levels, finders, module_px)
    for each in placed:
        each.move(_FOURTH, _FAR_STEPS)
    best = max(placed, key=lambda each: each.fit)
    if best.fit < _MIN_FIT / 2:
        return None
    for step in _NEAR_STEPS:
        for corner in (_FOURTH, 0, 1, 3):
            best.nudge(corner, step)
    return None if best.fit < _MIN_FIT else (best.modules, best.homography, best.fit)


def measure_plain_fit(levels: Levels, finders: NDArray[np.float64], module_px: float) -> float:
    """Return the best fit of a grid that its finders place, before anything is moved.

    Args:
        levels: as for ``place_grid``.
        finders: as for ``place_grid``.
        module_px: as for ``place_grid``.
    """
    return max(each.fit for each in _place_plainly(levels, finders, module_px))


def _place_plainly(levels: Levels, finders: NDArray[np.float64], module_px: float) -> list[_Placed]:
    """Return the grids of the nearest widths as they would lie without perspective."""
    top_left, top_right, bottom_left = finders
    side_px = float(np.hypot(*(top_right - top_left)) + np.hypot(*(bottom_left - top_left))) / 2
    about = 2 * _MIDDLE + side_px / module_px
    plain = np.array([top_left, top_right, top_right + bottom_left - top_left, bottom_left])
    return [
        _Placed(levels, plain, modules, side_px / (modules - 2 * _MIDDLE))
        for modules in sorted(_ALL_WIDTHS, key=lambda width: abs(width - about))[:_WIDTHS_TRIED]
    ]


class _Placed:
    """A grid that's moved about by its corners as long as it then fits better."""

    def __init__(
        self, levels: Levels, corners: NDArray[np.float64], modules: int, module_px: float
    ) -> None:
        self._levels = levels
        self._corners = corners
        self._module_px = module_px
        self.modules = modules
        self.homography = _map_modules(corners, modules)
        self.fit = measure_fit(levels, self.homography, modules)

    def move(self, corner: int, steps: Sequence[tuple[float, int]]) -> None:
        """Try a square of places around ``corner``, then a finer one around the best of them."""
        for step, reach in steps:
            base = self._corners
            offsets = np.arange(-reach, reach + 1) * step
            for x, y in itertools.product(offsets, offsets):
                self._try(base, corner, (x, y))

    def nudge(self, corner: int, step: float) -> None:
        """Try ``corner`` a ``step`` to each side."""
        for offset in ((-step, 0), (step, 0), (0, -step), (0, step)):
            self._try(self._corners, corner, offset)

    def _try(
        self, base: NDArray[np.float64], corner: int, offset_modules: tuple[float, float]
    ) -> None:
        moved = base.copy()
        moved[corner] += np.multiply(offset_modules, self._module_px)
        homography = _map_modules(moved, self.modules)
        fit = measure_fit(self._levels, homography, self.modules)
        if fit > self.fit:
            self._corners, self.homography, self.fit = moved, homography, fit


def _map_modules(finders: NDArray[np.float64], modules: int) -> Homography:
    """Return the homography from modules to where the ``finders`` are.

    Args:
        finders: 4 x 2: the middles of the top left, the top right and the bottom left finder, with
            where a fourth one's would be as the third of the four.
        modules: how many the code is wide.
    """
    far = modules - _MIDDLE
    own = np.array([[_MIDDLE, _MIDDLE], [far, _MIDDLE], [far, far], [_MIDDLE, far]])
    return map_points(own, finders)


# --- the modules ---------------------------------------------------------------------------------


@functools.cache
def _taps() -> list[tuple[int, int]]:
    """Return the places around a module that the equaliser looks at: down and across, in halves."""
    reach = range(-_REACH_HALVES, _REACH_HALVES + 1)
    return [place for place in itertools.product(reach, reach) if math.hypot(*place) <= _REACH]


def read_modules(channels: Sequence[Levels], trust: Levels, modules: int) -> Iterator[Levels]:
    """Yield what the modules are, better each time: above 0 light, below 0 dark; about −1 to 1.

    Args:
        channels: each with the levels every half module, from ``MARGIN_HALVES`` before the middle
            of the first to as many behind that of the last.
        trust: how much can be seen there, 0 to 1.
        modules: how many the code is wide.
    """
    size = 2 * modules - 1
    taps = [(halves, *tap) for halves in channels for tap in _taps()]
    inputs = np.ones((modules * modules, len(taps) + 1), np.float32)  # the last is constant
    for tap, (halves, down, across) in enumerate(taps):
        top, left = MARGIN_HALVES + down, MARGIN_HALVES + across
        inputs[:, tap] = halves[top : top + size : 2, left : left + size : 2].ravel()
    middles = slice(MARGIN_HALVES, MARGIN_HALVES + size, 2)
    seen = trust[middles, middles].ravel()
    known = known_modules(modules).ravel()
    is_known = known >= 0
    expected = 1.0 - 2.0 * known.astype(np.float32)
    few = inputs[is_known]
    heeded = few.T * seen[is_known]
    answers = inputs @ _solve(heeded @ few, heeded @ expected[is_known], len(few))
    yield (answers * seen).reshape(modules, modules)
    heeded = inputs.T * seen
    squares = heeded @ inputs
    for _ in range(_LEARNED_AGAIN):
        expected = np.where(is_known, expected, np.sign(answers))
        answers = inputs @ _solve(squares, heeded @ expected, len(inputs))
        yield (answers * seen).reshape(modules, modules)


def prepare(flat: Pixels, module_px: float) -> Levels:
    """Return the levels of ``flat``, a code seen from the front, for the functions above."""
    return normalise(flat, round(WHITE_REACH_MODULES * module_px))


def draw_modules(answers: Levels) -> Pixels:
    """Return the code as a clean picture; the known modules are as they should be."""
    known = known_modules(len(answers))
    is_dark = np.where(known >= 0, known == _DARK, answers < 0)
    drawn = np.pad(np.where(is_dark, 0, 255).astype(np.uint8), _QUIET_MODULES, constant_values=255)
    return np.repeat(np.repeat(drawn, _DRAWN_PX, axis=0), _DRAWN_PX, axis=1)
