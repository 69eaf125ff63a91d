"""Where in a picture there's a code that may be read in no other way. Pure.

A code is a square of dense texture with a finder pattern in three of its corners and not in the
fourth. That holds too where a decoder gives up: far away, in the dark, out of focus, smeared, half
under a reflex. Squares are looked for first, then finders in their corners, then, for a code, how
its modules lie exactly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from gated.scanner.finders import PROMISING, Finders, find_finders, order_finders
from gated.scanner.grid import MARGIN_HALVES, Grid, place_grid, prepare, read_modules
from gated.scanner.picture import Pixels
from gated.scanner.regions import (
    Corners,
    Levels,
    Region,
    find_corners,
    find_regions,
    flatten,
    halve,
    map_square,
    measure_contrast,
    measure_side_px,
    measure_texture,
    project,
)

# The pyramid: the picture, its half, its quarter and so on, each with a map of its texture.
_SMALLEST_PX: Final = 64
_SHORTEST_CELLS: Final = 15
_LONGEST_CELLS: Final = 58  # nearly 4 times the shortest: neighbouring levels overlap
_NOISE_FACTOR: Final = 1.25  # of the median texture, which is that of an even wall
_NOISE_LEVELS: Final = 0.2
_WHOLE_THRESHOLDS: Final = (10.0, 20.0)  # in the whole picture: fine texture is mostly noise
_NEXT_THRESHOLD: Final = 2.0
_HALF: Final = 0.5
_SAME: Final = 0.05  # of a side
_LOOKED_AT: Final = 5  # squares, the clearest first
_CANDIDATES: Final = 2

# A square, seen from the front.
SIDE_PX: Final = 96
MARGIN_PX: Final = 14
_WIDTHS: Final = (21, 25, 29, 33, 38, 44, 50, 57, 66, 76, 88)
"""Widths of codes to try, in modules; those between are near enough to one of them."""
_SLACK_PX: Final = 6
_CLOSER: Final = 0.4
"""Of the third best corner: what is less like one isn't looked at any closer."""
_BLOCKS: Final = 8
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


class Search:
    """What a grey picture holds; each part is looked for when it's first asked for.

    Args:
        view: the picture.
        other: the same in another channel, for modules that are clearer there.
        finest_level: of the pyramid, at which squares are looked for: 0 for all, 1 takes half the
            time and misses codes of less than 60 px.
    """

    def __init__(self, view: Pixels, other: Pixels | None = None, finest_level: int = 0) -> None:
        self._view = view
        self._other = other
        self._finest_level = finest_level
        self._closer: dict[Candidate, tuple[Pixels, Finders]] = {}
        self._grids: dict[Candidate, Grid | None] = {}

    @cached_property
    def pyramid(self) -> list[Pixels]:
        return _halve_often(self._view)

    @cached_property
    def _other_pyramid(self) -> list[Pixels]:
        return [] if self._other is None else _halve_often(self._other)

    @cached_property
    def textures(self) -> list[Levels]:
        return [measure_texture(level) for level in self.pyramid[self._finest_level :]]

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """The dense squares that are most like codes, the likest first."""
        found = sorted(self._find_candidates(), key=lambda each: each.finders.third, reverse=True)
        return tuple(found[:_CANDIDATES])

    def _find_candidates(self) -> Iterator[Candidate]:
        for corners in _squares(self.textures, self._finest_level):
            flat = self.flatten(corners, SIDE_PX, MARGIN_PX)
            # In a code dark and light are mixed alike all over, and in no photograph.
            if measure_mixture(flat).spread <= _MAX_SPREAD:
                finders = _find_finders_coarsely(flat, measure_side_px(corners))
                yield Candidate(corners, flat, finders)

    @cached_property
    def has_code(self) -> bool:
        """Whether something in view is worth all that can be done to read it."""
        return any(self.look_closer(candidate).are_clear for candidate in self.candidates)

    @cached_property
    def may_have_code(self) -> bool:
        """Whether something looks like a code so far as to be taken apart."""
        return any(
            self.look_closer(candidate).third >= _MIN_LIKENESS for candidate in self.candidates
        )

    def look_closer(self, candidate: Candidate) -> Finders:
        """Return the finders of ``candidate``, from a larger picture of it if that promises much.

        Their places are in px of the square seen from the front, ``_FINE_PX`` wide.
        """
        if candidate.finders.third < _CLOSER:
            return candidate.finders
        if candidate not in self._closer:
            flat = self.flatten(candidate.corners, _FINE_PX, _FINE_MARGIN_PX)
            widths = [candidate.finders.modules * factor for factor in _FINE_WIDTHS]
            finders = find_finders(flat, _FINE_PX, _FINE_MARGIN_PX, _FINE_SLACK_PX, widths)
            self._closer[candidate] = (flat, finders)
        return self._closer[candidate][1]

    def find_grids(self, suspects: Sequence[Corners] = ()) -> Iterator[Grid]:
        """Yield the codes whose modules can be told apart, the clearest first.

        Args:
            suspects: where else to look; in px, as corners of codes.
        """
        suspected = (
            Candidate(corners, flat, _find_finders_coarsely(flat, measure_side_px(corners)))
            for corners in suspects
            if measure_side_px(corners) >= _LEAST_SIDE_PX
            for flat in [self.flatten(corners, SIDE_PX, MARGIN_PX)]
        )
        for candidate in itertools.chain(suspected, self.candidates):
            grid = self.find_grid(candidate)
            if grid is not None:
                yield grid

    def find_grid(self, candidate: Candidate) -> Grid | None:
        """Return how the modules of ``candidate`` lie; None: it's no code, or a hopeless one."""
        if candidate not in self._grids:
            self.look_closer(candidate)
            flat, finders = self._closer.get(candidate, (candidate.flat, candidate.finders))
            is_likely = candidate in self._closer and finders.third >= _MIN_LIKENESS
            self._grids[candidate] = _settle(candidate, flat, finders) if is_likely else None
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


def _settle(candidate: Candidate, flat: Pixels, finders: Finders) -> Grid | None:
    """Return how the modules of ``candidate`` lie, seen larger as ``flat``, with its finders."""
    levels = prepare(flat, _FINE_PX / finders.modules)
    placed = place_grid(levels, order_finders(finders), _FINE_PX / finders.modules)
    if placed is None:
        return None
    modules, homography, fit = placed
    own = modules * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    to_flat = map_square(candidate.corners, _FINE_PX, _FINE_MARGIN_PX)
    corners = project(project(own, homography), np.linalg.inv(to_flat).astype(np.float64))
    return Grid(modules, corners.astype(np.float32), fit)


def _halve_often(view: Pixels) -> list[Pixels]:
    levels = [view]
    while min(levels[-1].shape) >= 2 * _SMALLEST_PX:
        levels.append(halve(levels[-1]))
    return levels


# --- squares -------------------------------------------------------------------------------------


def _squares(textures: Sequence[Levels], finest_level: int) -> Iterator[Corners]:
    """Yield the corners of dense squares, in px of the picture, the clearest first."""
    found: list[tuple[float, int, Region]] = []
    for level, texture in enumerate(textures, finest_level):
        floor = float(np.median(texture[::4, ::4])) + _NOISE_LEVELS
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
    black, white = (float(level) for level in np.percentile(inner[::2, ::2], (4, 96)))
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
    near = find_finders(flat, SIDE_PX, MARGIN_PX, _SLACK_PX, others)
    return max(tried, near, key=lambda finders: finders.third)
