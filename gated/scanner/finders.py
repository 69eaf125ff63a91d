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
_CLEAR_LEAD: Final = 0.1
"""Over the fourth corner: tiles and keys look alike in all of them."""
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
    def are_clear(self) -> bool:
        """Whether it's a code for certain: three corners have one, and the fourth has none."""
        fourth, third, *_ = sorted(corner.likeness for corner in self.corners)
        return third > _CLEAR_LIKENESS and third - fourth > _CLEAR_LEAD


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
    flat: Pixels, side_px: int, margin_px: int, slack_px: int, widths: Sequence[float]
) -> Finders:
    """Return what the corners of a square look like.

    Args:
        flat: the square, seen from the front.
        side_px: its width.
        margin_px: what's around it.
        slack_px: so far from its place a finder may be.
        widths: of codes to try, in modules.
    """
    return max(
        (_try_width(flat, side_px, margin_px, slack_px, modules) for modules in widths),
        key=lambda finders: finders.third,
    )


def _try_width(
    flat: Pixels, side_px: int, margin_px: int, slack_px: int, modules: float
) -> Finders:
    finder = _finder(round(side_px / modules, 1))
    start = max(0, int(margin_px - side_px / modules - slack_px))
    stop = start + finder.shape[0] + 2 * slack_px
    near, far = slice(start, stop), slice(flat.shape[0] - stop, flat.shape[0] - start)
    corners: list[Likeness] = []
    for rows, columns in ((near, near), (near, far), (far, far), (far, near)):
        if sum(corner.likeness < PROMISING for corner in corners) > 1:
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
