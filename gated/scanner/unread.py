"""Why something that looks like a code can't be read, from one frame of it. Pure.

Codes are found by their finders (search.py). One that's too near fills the frame instead: two tones
and two directions, at random. "No idea" is a good answer, for a wrong hint annoys everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gated.scanner.grid import CERTAIN_FIT
from gated.scanner.picture import Pixels
from gated.scanner.regions import Corners
from gated.scanner.search import MARGIN_PX, SIDE_PX, Search, measure_mixture
from gated.vocabulary import UnreadCause

_MIDDLE: Final = 0.5

# Causes.
_BLOCKS: Final = 8
_SPREAD: Final = (0.035, 0.17)
"""Of the blocks' means, by contrast: that of a pattern is smaller, that of a face larger."""
_GLARE_BLOCKS: Final = 3
_SMALL_SIDE_PX: Final = 95.0
_SMALL_MODULE_PX: Final = 1.6
_DARK_CONTRAST: Final = 40.0
_BRIGHT_BLACK: Final = 150.0  # with white at its end: a screen in the sun has a grey white too
_CLIPPED: Final = 250.0
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

    def is_upon(self, other: Unread) -> bool:
        """Return whether the middle of this one lies in the other."""
        reach = other.side_px / 2
        return abs(self.x_px - other.x_px) < reach and abs(self.y_px - other.y_px) < reach

    def is_at(self, other: Unread) -> bool:
        """Return whether both are one thing at one place."""
        nearness = 0.1 * max(self.side_px, other.side_px)
        return abs(self.x_px - other.x_px) < nearness and abs(self.y_px - other.y_px) < nearness


def find_unread(search: Search) -> tuple[Unread, ...]:
    """Return the codes in a picture in which none could be read."""
    found: list[Unread] = []
    shape = search.pyramid[0].shape
    # The surest first: a square that lies askew upon a code seems blurred.
    for candidate in sorted(search.candidates, key=search.fit_of, reverse=True):
        grid = search.find_grid(candidate)
        if grid is not None and grid.fit >= CERTAIN_FIT:
            flat = search.flatten(grid.corners, SIDE_PX, MARGIN_PX)
            unread = _judge(flat, grid.corners, grid.modules, shape)
        elif search.look_closer(candidate).are_clear and _is_mixed(candidate.flat):
            unread = _judge(candidate.flat, candidate.corners, candidate.finders.modules, shape)
        else:
            continue
        if not any(unread.is_upon(other) for other in found):
            found.append(unread)
    is_small = len(search.pyramid) == 1
    if found or is_small or not _is_part_of_code(search.pyramid[-2], search.textures[-1]):
        return tuple(found)
    height, width = shape
    return (Unread(UnreadCause.TOO_LARGE, width / 2, height / 2, float(height)),)


# --- a whole code --------------------------------------------------------------------------------


def _is_mixed(flat: Pixels) -> bool:
    """Return whether it's a code and not a pattern or a picture with three finders after all."""
    return _SPREAD[0] <= measure_mixture(flat).spread <= _SPREAD[1]


def _judge(flat: Pixels, corners: Corners, modules: float, shape: tuple[int, ...]) -> Unread:
    """Return the code in ``flat`` with its cause."""
    mixture = measure_mixture(flat)
    contrast = max(1.0, mixture.white - mixture.black)
    x_px, y_px = (float(n) for n in corners.mean(axis=0))
    side_px = float(np.hypot(*(corners[0] - corners[1])))
    right, bottom = corners.max(axis=0)
    # Every second pair of neighbouring modules differs.
    inner = flat[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX].astype(np.float32)
    change = min(float(np.abs(np.diff(inner, axis=axis)).mean()) for axis in (0, 1)) / contrast
    cause = None
    if corners.min() <= 0 or right >= shape[1] or bottom >= shape[0]:
        cause = UnreadCause.TOO_LARGE
    elif mixture.white_blocks >= _GLARE_BLOCKS:
        cause = UnreadCause.GLARE
    elif side_px < _SMALL_SIDE_PX or side_px < _SMALL_MODULE_PX * modules:
        cause = UnreadCause.TOO_SMALL
    elif mixture.black > _BRIGHT_BLACK and mixture.white > _CLIPPED:
        cause = UnreadCause.TOO_BRIGHT
    elif contrast < _DARK_CONTRAST:
        cause = UnreadCause.TOO_DARK
    elif change < _SHARP * 0.5 * modules / SIDE_PX:
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
