"""Finder patterns in the corners of a square that may be a code (ISO/IEC 18004 §6.3.3). Pure."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gated.scanner.picture import Pixels, blur, shrink
from gated.scanner.regions import Likeness, find_likeness

PROMISING: Final = 0.3
"""Likeness of a corner: what is less like a finder is none."""
_CLEAR_LIKENESS: Final = 0.53
"""Of it; up to 0.5 in pictures without a code, from 0.56 in blurred and smeared codes."""
_CLEAR_LEAD: Final = 0.15
"""Over the fourth corner: tiles and keys look alike in all of them, up to 0.14."""
_CERTAIN_LIKENESS: Final = 0.65
_CERTAIN_LEAD: Final = 0.2
"""Chequers reach the first, up to 0.76, and other symbologies the second; only codes reach both."""
_NOT_LOOKED_AT: Final = Likeness(-1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Finders:
    """What the corners of a square look like.

    Attributes:
        modules: the width of a code whose finders they're most like.
        corners: the most finder-like place of each: top left, top right, bottom right, bottom left.
    """

    modules: float
    corners: tuple[Likeness, ...]

    @property
    def third(self) -> float:
        """The likeness of the third best."""
        return sorted(corner.likeness for corner in self.corners)[1]

    @property
    def stand_out(self) -> bool:
        """Whether the fourth corner is less like one: in keys and tiles all of them are alike."""
        return self._lead > _CLEAR_LEAD

    @property
    def are_clear(self) -> bool:
        """Whether it may well be a code: three corners have one, and the fourth has none."""
        return self.third > _CLEAR_LIKENESS and self.stand_out

    @property
    def are_certain(self) -> bool:
        """Whether it's a code beyond doubt, whatever lies between them."""
        return self.third > _CERTAIN_LIKENESS and self._lead > _CERTAIN_LEAD

    @property
    def _lead(self) -> float:
        fourth, third, *_ = sorted(corner.likeness for corner in self.corners)
        return third - fourth


@functools.cache
def _finder(module_px: float) -> Pixels:
    """Return a finder pattern in its white frame, with modules of ``module_px``."""
    scale = 10
    pattern = np.full((9 * scale, 9 * scale), 255, np.uint8)
    for inset, level in ((1, 0), (2, 255), (3, 0)):
        pattern[inset * scale : -inset * scale, inset * scale : -inset * scale] = level
    # Unsharp by half a module, it's like a sharp one and like a blurred one.
    return shrink(blur(pattern, scale / 2), round(9 * module_px))


def find_finders(
    flat: Pixels,
    side_px: int,
    margin_px: int,
    slack_px: int,
    widths: Sequence[float],
    least: float = PROMISING,
) -> Finders:
    """Return what the corners of a square look like.

    Args:
        flat: the square, seen from the front.
        side_px: its width.
        margin_px: what's around it.
        slack_px: so far from its place a finder may be.
        widths: of codes to try, in modules; at least one.
        least: likeness of the third best corner: what has less isn't looked at to the end.
    """
    best = _try_width(flat, side_px, margin_px, slack_px, widths[0], least)
    for modules in widths[1:]:
        floor = max(least, best.third)
        tried = _try_width(flat, side_px, margin_px, slack_px, modules, floor)
        best = max(best, tried, key=lambda finders: finders.third)
    return best


def _try_width(
    flat: Pixels, side_px: int, margin_px: int, slack_px: int, modules: float, least: float
) -> Finders:
    finder = _finder(round(side_px / modules, 1))
    start = max(0, int(margin_px - side_px / modules - slack_px))
    stop = start + finder.shape[0] + 2 * slack_px
    near, far = slice(start, stop), slice(flat.shape[0] - stop, flat.shape[0] - start)
    corners: list[Likeness] = []
    for rows, columns in ((near, near), (near, far), (far, far), (far, near)):
        if sum(corner.likeness < least for corner in corners) > 1:
            corners.append(_NOT_LOOKED_AT)  # three of four can't have one any more
            continue
        found = find_likeness(np.ascontiguousarray(flat[rows, columns]), finder)
        corners.append(
            replace(found, x_px=found.x_px + columns.start, y_px=found.y_px + rows.start)
        )
    return Finders(modules, tuple(corners))


def order_finders(finders: Finders) -> NDArray[np.float64]:
    """Return the middles (3 x 2) of the top left finder, the top right and the bottom left one."""
    least = min(range(4), key=lambda corner: finders.corners[corner].likeness)
    turned = [finders.corners[(least + turn) % 4] for turn in (2, 3, 1)]
    return np.array([(corner.x_px, corner.y_px) for corner in turned])
