"""Several frames of one code held up are one presentation, or one hint. Pure.

A code is presented anew only after it was out of view for the hold-off; every code has its own, so
that the next person in the queue isn't kept waiting by the last one's. A code that can't be read is
told of once for each cause, after it has stood a moment, and anew after the same hold-off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gated.messages import CodeSeen, CodeUnread
from gated.scanner.sighting import is_acceptable
from gated.scanner.unread import Unread
from gated.units import MonoSeconds
from gated.vocabulary import CodeColour, UnreadCause

AMBIGUITY_CLEARS_AFTER_S: Final = 1.0
"""Two codes are seldom both readable in every frame: one of them alone counts only after this."""
MAX_REMEMBERED = 64
"""Nobody shows more codes than this within one hold-off; a flood forgets the oldest."""

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


class Presentations:
    """Turns what the frames show into one ``CodeSeen`` for each presentation.

    Args:
        hold_off_s: out of view this long, a code counts as presented anew.
        new_id: makes a presentation's name; a fresh one at each call.
    """

    def __init__(self, hold_off_s: float, new_id: Callable[[], str]) -> None:
        self._hold_off_s = hold_off_s
        self._new_id = new_id
        self._last_seen: dict[str, MonoSeconds] = {}
        self._ambiguous_at: MonoSeconds | None = None
        self.unreadable = 0
        """Presentations of what can't be a code of ours: control characters, length."""

    def see(self, texts: Sequence[str], decoder: str, at: MonoSeconds) -> CodeSeen | None:
        """Return the presentation that begins with this frame, or None.

        Args:
            texts: the texts in view.
            decoder: the name of the decoder that read them.
            at: when the frame was taken.
        """
        self._forget(at)
        shown = list(dict.fromkeys(texts))
        if not shown:
            return None
        was_seen = [self._last_seen.pop(text, None) is not None for text in shown]
        if len(shown) > 1:
            # Those already presented go on being so; the others must be shown alone.
            for text, seen in zip(shown, was_seen, strict=True):
                if seen:
                    self._last_seen[text] = at
            return self._see_several(decoder, at)
        if (
            not was_seen[0]
            and self._ambiguous_at is not None
            and at - self._ambiguous_at < AMBIGUITY_CLEARS_AFTER_S
        ):
            return None
        self._last_seen[shown[0]] = at
        if was_seen[0]:
            return None
        # Whoever holds up what cannot be a pass is told so; the text itself stays here.
        text = shown[0] if is_acceptable(shown[0]) else ""
        self.unreadable += text == ""
        return CodeSeen(text, decoder, CodeColour.NONE, self._new_id())

    def _see_several(self, decoder: str, at: MonoSeconds) -> CodeSeen | None:
        before, self._ambiguous_at = self._ambiguous_at, at
        if before is not None and at - before < self._hold_off_s:
            return None
        return CodeSeen("", decoder, CodeColour.NONE, self._new_id(), is_ambiguous=True)

    def _forget(self, at: MonoSeconds) -> None:
        """Drop the texts whose hold-off is over; they're private, and nobody needs them."""
        kept = [
            (text, seen) for text, seen in self._last_seen.items() if at - seen < self._hold_off_s
        ]
        self._last_seen = dict(kept[-MAX_REMEMBERED:])


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
