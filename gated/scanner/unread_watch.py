"""Several looks at one code that can't be read are one hint. Pure.

It is told of once for each cause, after it has stood a moment, and anew after the hold-off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gated.messages import CodeUnread
from gated.scanner.unread import Unread
from gated.units import MonoSeconds
from gated.vocabulary import UnreadCause

LOOK_EVERY_S: Final = 0.3
"""Looking for the cause costs as much as decoding."""
CALM_LOOK_EVERY_S: Final = 10.0
"""With nobody there, only what stands there for good can be found."""
STOOD_S: Final = 0.6
"""On its way up, every code is too far away, blurred, and read a moment later."""
LOOKS_WITHIN_S: Final = 2.0
CLEAR_SHARE: Final = 0.7
"""Of the looks, the latest among them: more of them must agree."""
QUIET_AFTER_READ_S: Final = 2.0
"""What is lowered again after it was read goes through the same."""
FIXTURE_AFTER_S: Final = 30.0
"""What stands at one place for so long while nothing moves is a poster, and nobody's code."""


class UnreadWatch:
    """Turns what can't be read in one frame and the next into one ``CodeUnread`` for each cause.

    Args:
        hold_off_s: out of view this long, something counts as held up anew.
    """

    def __init__(self, hold_off_s: float) -> None:
        self._hold_off_s = hold_off_s
        self._looks: list[tuple[MonoSeconds, UnreadCause | None]] = []
        self._told: set[UnreadCause] = set()
        self._fixtures: list[tuple[Unread, MonoSeconds]] = []  # and since when it stands there
        self._looked_at: MonoSeconds | None = None
        self._in_view_at: MonoSeconds | None = None
        self._read_at: MonoSeconds | None = None

    def take_read(self, at: MonoSeconds) -> None:
        """Note that a code was read: whatever was held up before is mended."""
        self._read_at = at
        self._looks.clear()
        self._told.clear()

    def is_due(self, at: MonoSeconds, *, is_calm: bool) -> bool:
        """Return whether the frame taken at ``at`` is worth a look, no code having been read in it.

        Args:
            at: when it was taken.
            is_calm: nothing has moved for a while.
        """
        if self._read_at is not None and at - self._read_at < QUIET_AFTER_READ_S:
            return False
        is_idle = is_calm and not self._looks
        every_s = CALM_LOOK_EVERY_S if is_idle else LOOK_EVERY_S
        return self._looked_at is None or at - self._looked_at >= every_s

    def look(self, found: Sequence[Unread], at: MonoSeconds, *, is_calm: bool) -> CodeUnread | None:
        """Return what to tell, if anything, of the codes that were found and not read."""
        self._looked_at = at
        if is_calm:
            self._fixtures = [(code, self._stands_since(code, at)) for code in found]
        held = [code for code in found if at - self._stands_since(code, at) < FIXTURE_AFTER_S]
        if held:
            self._in_view_at = at
        elif self._in_view_at is None or at - self._in_view_at >= self._hold_off_s:
            self._looks.clear()
            self._told.clear()
            return None
        self._looks = [look for look in self._looks if at - look[0] < LOOKS_WITHIN_S]
        self._looks.append((at, held[0].cause if held else None))
        return self._tell(at)

    def _tell(self, at: MonoSeconds) -> CodeUnread | None:
        causes = [cause for _, cause in self._looks]
        cause = causes[-1]
        if cause is None or cause in self._told:
            return None
        since = self._looks[causes.index(cause)][0]
        if at - since < STOOD_S or causes.count(cause) <= CLEAR_SHARE * len(causes):
            return None
        self._told.add(cause)
        return CodeUnread(cause)

    def _stands_since(self, code: Unread, at: MonoSeconds) -> MonoSeconds:
        return next((since for fixture, since in self._fixtures if code.is_at(fixture)), at)
