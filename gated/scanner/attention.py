"""What to ask the camera for, so that a code in view becomes easier to read. Pure.

It's asked once a look tells why nothing is read, and taken back when something is read or nothing
is in view any more: the next person's code has another light and another distance.
"""

from __future__ import annotations

from collections.abc import Sequence

from gated.scanner.frames import Region, Wish
from gated.scanner.unread import Unread
from gated.vocabulary import UnreadCause

EXPOSURE_STEPS = {
    UnreadCause.TOO_DARK: 1.0,
    UnreadCause.TOO_BRIGHT: -1.0,
    UnreadCause.GLARE: -1.0,
}
_AROUND = 1.5  # widths of the code: the focus needs its edge too


class Attention:
    """What is asked of the camera at present: ``wish``, None for nothing."""

    def __init__(self) -> None:
        self.wish: Wish | None = None

    def look(self, found: Sequence[Unread], width_px: float, height_px: float) -> None:
        """Wish for what helps with the first of ``found``; for nothing, if there's none.

        Args:
            found: what is in view and isn't read, in a picture of ``width_px`` x ``height_px``.
            width_px: of the picture.
            height_px: of the picture.
        """
        if not found:
            self.wish = None
            return
        code = found[0]
        reach_px = _AROUND * code.side_px / 2
        left, right = (_share(code.x_px + side * reach_px, width_px) for side in (-1, 1))
        top, bottom = (_share(code.y_px + side * reach_px, height_px) for side in (-1, 1))
        region = None
        if left < right and top < bottom:
            region = Region(left, top, right - left, bottom - top)
        # Once it's brighter, a dark code isn't dark any more: it stays so while it's held up.
        steps = 0.0 if self.wish is None else self.wish.exposure_steps
        if code.cause is not None:
            steps = EXPOSURE_STEPS.get(code.cause, steps)
        self.wish = Wish(region, steps)


def _share(at_px: float, whole_px: float) -> float:
    return min(max(at_px / whole_px, 0.0), 1.0)
