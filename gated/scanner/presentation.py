"""Several frames of one code held up are one presentation. Pure.

A code is presented anew only after it was out of view for the hold-off; every code has its own, so
that the next person in the queue isn't kept waiting by the last one's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gated.messages import CodeSeen
from gated.scanner.sighting import is_acceptable
from gated.units import MonoSeconds
from gated.vocabulary import CodeColour

AMBIGUITY_CLEARS_AFTER_S: Final = 1.0
"""Two codes are seldom both readable in every frame: one of them alone counts only after this."""
CONFIRMED_WITHIN_S: Final = 1.0
MAX_REMEMBERED = 64
"""Nobody shows more codes than this within one hold-off; a flood forgets the oldest."""


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
        self._in_view: tuple[str, ...] = ()  # in the last frame that was looked at
        self._ambiguous_at: MonoSeconds | None = None
        self._doubtful: tuple[str, MonoSeconds] | None = None  # read once, and when
        self.unreadable = 0
        """Presentations of what can't be a code of ours: control characters, length."""

    def see(
        self, texts: Sequence[str], decoder: str, at: MonoSeconds, *, is_certain: bool = True
    ) -> CodeSeen | None:
        """Return the presentation that begins with this frame, or None.

        Args:
            texts: the texts in view.
            decoder: the name of the decoder that read them.
            at: when the frame was taken.
            is_certain: one reading is enough. Otherwise it counts once it was read a second time.
        """
        self._forget(at)
        shown = list(dict.fromkeys(texts))
        if len(shown) == 1 and not is_certain:
            shown = [text for text in shown if self._is_confirmed(text, at)]
        self._in_view = tuple(shown)
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

    def stay(self, at: MonoSeconds) -> None:
        """Note that nothing in view has changed since the last frame."""
        for text in self._in_view:
            seen = self._last_seen.get(text)
            if seen is not None and at - seen < self._hold_off_s:
                self._last_seen[text] = at

    def _is_confirmed(self, text: str, at: MonoSeconds) -> bool:
        """Return whether ``text`` was read before, just now."""
        if text in self._last_seen:
            return True
        before, self._doubtful = self._doubtful, (text, at)
        return before is not None and before[0] == text

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
        if self._doubtful is not None and at - self._doubtful[1] >= CONFIRMED_WITHIN_S:
            self._doubtful = None
