"""Where in a picture there's a code that may be read in no other way. Pure.

A code is a square of dense texture with a finder pattern in three of its corners and not in the
fourth. That holds too where a decoder gives up: far away, in the dark, out of focus, smeared, half
under a reflex. Squares are looked for first, then finders in their corners, then, for a code, how
its modules lie exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from gated.scanner.finders import PROMISING, Finders, find_finders, order_finders
from gated.scanner.grid import (
    MARGIN_HALVES,
    Grid,
    measure_plain_fit,
    place_grid,
    prepare,
    read_modules,
)
from gated.scanner.picture import Pixels
from gated.scanner.regions import (
    Corners,
    Levels,
    flatten,
    level_at,
    map_square,
    measure_contrast,
    measure_side_px,
    measure_texture,
    project,
)
from gated.scanner.squares import find_squares, halve_often

_CANDIDATES: Final = 2
"""So many squares are looked at closer, the likest to codes first."""

# A square, seen from the front.
SIDE_PX: Final = 96
MARGIN_PX: Final = 14
_WIDTHS: Final = (21, 25, 29, 33, 38, 44, 50, 57, 66, 76, 88)
"""Widths of codes to try, in modules; those between are near enough to one of them."""
_SLACK_PX: Final = 6
_CLOSER: Final = 0.4
"""Of the third best corner: what is less like one isn't looked at any closer."""
_SOON: Final = 0.5
"""Of it: what is more like one is looked at closer before other squares are looked at."""
_AT_ONCE: Final = 0.6
"""Of it: few things but codes are so much like one. They're looked at closer in the same bit."""
_BLOCKS: Final = 8
_BLACK_AND_WHITE: Final = (0.04, 0.96)  # shares of the pixels, from the darkest
_WHITE_LEVEL: Final = 235.0
_WHITE_SHARE: Final = 0.9  # of the way from black to white
_MAX_SPREAD: Final = 0.22  # of the blocks' means, by contrast: 0.06 to 0.2 of codes, 0.25 of others
_LEAST_MODULE_PX: Final = 0.66
_LEAST_SIDE_PX: Final = 20.0

# The same, larger, to see how its modules lie.
_FINE_PX: Final = 240
_FINE_MARGIN_PX: Final = 36
_FINE_SLACK_PX: Final = 14
_FINE_WIDTHS: Final = (0.92, 1.0, 1.09)
_MIN_LIKENESS: Final = 0.5
"""Of the third best corner: 0.42 costs a fifth more on a miss and reads nothing more."""
_MIN_PLAIN_FIT: Final = 0.2
"""Of the grid where the finders place it: up to 0.17 in pictures without a code. What has less and
is a code all the same, out of focus, has finders that leave no doubt."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A dense square.

    Attributes:
        corners: in px of the picture.
        flat: seen from the front, grey, ``SIDE_PX`` wide with a margin of ``MARGIN_PX``.
        finders: what its corners look like.
    """

    corners: Corners
    flat: Pixels
    finders: Finders


@dataclass(frozen=True, slots=True, eq=False)
class Closeup:
    """What a larger picture of a candidate shows.

    Attributes:
        finders: their places are in px of the square seen from the front, ``_FINE_PX`` wide.
        levels: of that, as ``prepare`` gives them; None if it can't be a code.
        is_code: it's one for certain.
    """

    finders: Finders
    levels: Levels | None = None
    is_code: bool = False


class Search:
    """What a grey picture holds; each part is looked for when it's first asked for.

    The search for codes can be done bit by bit, with ``advance``.

    Args:
        view: the picture.
        other: the same in another channel, for modules that are clearer there.
    """

    def __init__(self, view: Pixels, other: Pixels | None = None) -> None:
        self._view = view
        self._other = other
        self._squares: list[Corners] | None = None  # that aren't looked at yet
        self._found: list[Candidate] = []
        self._suspected: list[Candidate] = []
        self._closeups: dict[Candidate, Closeup] = {}
        self._grids: dict[Candidate, Grid | None] = {}

    @cached_property
    def pyramid(self) -> list[Pixels]:
        return halve_often(self._view)

    @cached_property
    def _other_pyramid(self) -> list[Pixels]:
        return [] if self._other is None else halve_often(self._other)

    @cached_property
    def textures(self) -> list[Levels]:
        return [measure_texture(level) for level in self.pyramid]

    # --- bit by bit ----------------------------------------------------------------------------

    def advance(self) -> None:
        """Do a bit of the search, the greatest of which is the first: look for the squares."""
        if self._squares is None:
            self._squares = list(find_squares(self.textures))
        elif (likely := self._next_to_look_closer()) is not None:
            self.look_closer(likely)
        elif self._squares:
            self._look_at(self._squares.pop(0))

    def _next_to_look_closer(self) -> Candidate | None:
        """Return what must be looked at closer before another square is looked at."""
        waiting = (each for each in self._best if each not in self._closeups)
        first = next(waiting, None)
        is_due = first is not None and (not self._squares or first.finders.third >= _SOON)
        return first if is_due else None

    def _look_at(self, corners: Corners) -> None:
        flat = self.flatten(corners, SIDE_PX, MARGIN_PX)
        # In a code dark and light are mixed alike all over, and in no photograph.
        if measure_mixture(flat).spread > _MAX_SPREAD:
            return
        candidate = Candidate(corners, flat, _find_finders_coarsely(flat, measure_side_px(corners)))
        self._found.append(candidate)
        if candidate.finders.third >= _AT_ONCE:
            self.look_closer(candidate)

    @property
    def is_over(self) -> bool:
        """Whether there's nothing left to ``advance`` to."""
        return self._squares == [] and all(each in self._closeups for each in self._best)

    @property
    def is_code_found(self) -> bool:
        """Whether something was found so far that is worth all that can be done to read it."""
        return any(closeup.is_code for closeup in self._closeups.values())

    @property
    def _best(self) -> list[Candidate]:
        found = sorted(self._found, key=lambda each: each.finders.third, reverse=True)
        return found[:_CANDIDATES]

    # --- as a whole ----------------------------------------------------------------------------

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The dense squares that are most like codes, the likest first."""
        while not self.is_over:
            self.advance()
        return tuple(self._best)

    @property
    def has_code(self) -> bool:
        """Whether something in view is worth all that can be done to read it."""
        while not (self.is_code_found or self.is_over):
            self.advance()
        return self.is_code_found

    def look_closer(self, candidate: Candidate) -> Finders:
        """Return the finders of ``candidate``, from a larger picture of it if that promises much.

        Their places are in px of the square seen from the front, ``_FINE_PX`` wide.
        """
        if candidate not in self._closeups:
            self._closeups[candidate] = self._make_closeup(candidate)
        return self._closeups[candidate].finders

    def _make_closeup(self, candidate: Candidate) -> Closeup:
        if candidate.finders.third < _CLOSER:
            return Closeup(candidate.finders)
        flat = self.flatten(candidate.corners, _FINE_PX, _FINE_MARGIN_PX)
        widths = [candidate.finders.modules * factor for factor in _FINE_WIDTHS]
        finders = find_finders(
            flat, _FINE_PX, _FINE_MARGIN_PX, _FINE_SLACK_PX, widths, _MIN_LIKENESS
        )
        if finders.third < _MIN_LIKENESS:
            return Closeup(finders)
        module_px = _FINE_PX / finders.modules
        levels = prepare(flat, module_px)
        is_code = finders.are_certain or (
            finders.stand_out
            and measure_plain_fit(levels, order_finders(finders), module_px) >= _MIN_PLAIN_FIT
        )
        return Closeup(finders, levels, is_code)

    def suspect(self, corners: Corners) -> None:
        """Look at the square with these ``corners``, in px, before all that ``advance`` finds."""
        if measure_side_px(corners) >= _LEAST_SIDE_PX:
            flat = self.flatten(corners, SIDE_PX, MARGIN_PX)
            finders = _find_finders_coarsely(flat, measure_side_px(corners))
            candidate = Candidate(corners, flat, finders)
            self._suspected.append(candidate)
            self.look_closer(candidate)

    def find_grids(self, suspects: Sequence[Corners] = ()) -> Iterator[Grid]:
        """Yield the codes whose modules can be told apart, the clearest first.

        Args:
            suspects: where else to look; in px, as corners of codes.
        """
        for corners in suspects:
            self.suspect(corners)
        yield from self._settle_all(self._suspected)
        yield from self._settle_all(self.candidates)

    def _settle_all(self, candidates: Iterable[Candidate]) -> Iterator[Grid]:
        for candidate in candidates:
            grid = self._settle(candidate)
            if grid is not None:
                yield grid

    def find_grid(self, candidate: Candidate) -> Grid | None:
        """Return how the modules of ``candidate`` lie; None: it's no code, or a hopeless one.

        What may be one and may not isn't settled for that, unless ``find_grids`` has done so.
        """
        self.look_closer(candidate)
        is_code = self._closeups[candidate].is_code
        return self._settle(candidate) if is_code else self._grids.get(candidate)

    def _settle(self, candidate: Candidate) -> Grid | None:
        if candidate not in self._grids:
            self.look_closer(candidate)
            self._grids[candidate] = _settle(candidate, self._closeups[candidate])
        return self._grids[candidate]

    def fit_of(self, candidate: Candidate) -> float:
        """Return how well its modules can be told apart, 0 if not at all."""
        grid = self.find_grid(candidate)
        return 0.0 if grid is None else grid.fit

    def read_grid(self, grid: Grid) -> Iterator[Levels]:
        """Yield what the modules are, better each time, as ``read_modules``."""
        # A pixel each half module, the middles of the modules' among them.
        level = self._level_for(grid.corners, 2 * grid.modules)
        corners = grid.corners / np.float32(2**level)
        flats = [
            flatten(pyramid[level], corners, 2 * grid.modules, MARGIN_HALVES - 0.5)
            for pyramid in (self.pyramid, self._other_pyramid)
            if pyramid
        ]
        trust = np.clip(2 * measure_contrast(flats[0], 4), 0, 1)
        return read_modules([prepare(flat, 2) for flat in flats], trust, grid.modules)

    def flatten(self, corners: Corners, side_px: int, margin_px: float) -> Pixels:
        """Return the square from the level in which it's one to two times as wide as asked for."""
        level = self._level_for(corners, side_px)
        return flatten(self.pyramid[level], corners / 2**level, side_px, margin_px)

    def _level_for(self, corners: Corners, side_px: int) -> int:
        finer = math.floor(math.log2(max(1.0, measure_side_px(corners) / side_px)))
        return min(finer, len(self.pyramid) - 1)


def _settle(candidate: Candidate, closeup: Closeup) -> Grid | None:
    """Return how the modules of ``candidate`` lie, seen larger in ``closeup``."""
    if closeup.levels is None:
        return None
    finders = closeup.finders
    placed = place_grid(closeup.levels, order_finders(finders), _FINE_PX / finders.modules)
    if placed is None:
        return None
    modules, homography, fit = placed
    own = modules * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    to_flat = map_square(candidate.corners, _FINE_PX, _FINE_MARGIN_PX)
    corners = project(project(own, homography), np.linalg.inv(to_flat).astype(np.float64))
    return Grid(modules, corners.astype(np.float32), fit)


# --- candidates ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mixture:
    """How dark and light are mixed in a square.

    Attributes:
        black, white: levels of what's dark and of what's light.
        spread: standard deviation of the means of 8 x 8 blocks, white ones left out, by contrast.
        white_blocks: how many have nothing dark in them, as under a reflex.
    """

    black: float
    white: float
    spread: float
    white_blocks: int


def measure_mixture(flat: Pixels) -> Mixture:
    """Return how dark and light are mixed in ``flat`` of a ``Candidate``."""
    inner = flat[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    black, white = (level_at(inner[::2, ::2], share) for share in _BLACK_AND_WHITE)
    contrast = max(1.0, white - black)
    size = SIDE_PX // _BLOCKS
    blocks = inner.reshape(_BLOCKS, size, _BLOCKS, size).mean(axis=(1, 3))
    is_white = (blocks > _WHITE_LEVEL) & (blocks > black + _WHITE_SHARE * contrast)
    spread = 0.0 if is_white.all() else float(blocks[~is_white].std()) / contrast
    return Mixture(black, white, spread, int(np.count_nonzero(is_white)))


def _find_finders_coarsely(flat: Pixels, side_px: float) -> Finders:
    """Return what the corners of a candidate look like: every second width, then its neighbours,
    or all others where it may well be a code.

    Args:
        flat: the candidate, seen from the front.
        side_px: its width in the picture: modules that are too small there can't be seen.
    """
    widths = [modules for modules in _WIDTHS if modules * _LEAST_MODULE_PX <= side_px]
    tried = find_finders(flat, SIDE_PX, MARGIN_PX, _SLACK_PX, widths[1::2] or _WIDTHS[:1])
    if tried.third < PROMISING or not widths:
        return tried
    others = widths[::2]
    if tried.third < _CLOSER:
        at = widths.index(round(tried.modules))
        others = widths[max(0, at - 1) : at + 2 : 2]
    near = find_finders(flat, SIDE_PX, MARGIN_PX, _SLACK_PX, others, tried.third)
    return max(tried, near, key=lambda finders: finders.third)
