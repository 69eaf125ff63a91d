"""What the frames of one camera show, one after the other. Pure.

A frame without a code must cost little, and a code must be read at once. So the parts of the
cascade take turns while there's no code in view, and the search for codes in one frame goes on,
bit by bit, while the next ones are there; as soon as a code is found, the newest frame and those
after it get all parts. Frames of a code that none of them shows well enough are joined.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from gated.scanner.cascade import Cascade, Decoded, Look, Part
from gated.scanner.decoders import Code
from gated.scanner.joining import Joiner
from gated.scanner.picture import Pixels
from gated.scanner.regions import Corners
from gated.units import MonoSeconds

ALERT_S: Final = 1.0
"""So long after a code was found, every frame is looked at with all that we have."""
SLOW_EVERY: Final = 3
"""Of those frames, each third gets the slow steps too."""
VAIN_LOOKS: Final = 10
"""After so many in a row it's a hopeless code, and all that we have is a waste."""
PAUSE_S: Final = 3.0
"""So long it isn't taken apart then; the decoders go on looking."""
BY_JOINING: Final = "joined"
BITS: Final = {Part.FIRST: 2, Part.SECOND: 1, Part.GRID: 1}
"""Of a search, beside each part: what makes frames cost about the same."""
_TURNS: Final = (Part.FIRST, Part.GRID, Part.SECOND, Part.FIRST, Part.SECOND, Part.FIRST)


class Stream:
    """Decodes frames in their order.

    Args:
        cascade: what decodes a frame.
    """

    def __init__(self, cascade: Cascade) -> None:
        self._cascade = cascade
        self._joiner = Joiner()
        self._turn = -1
        self._was_read = False
        self._alert_until = MonoSeconds(0.0)
        self._full_looks = 0  # since the last reading
        self._pause_until = MonoSeconds(0.0)
        self._expected: tuple[Corners, ...] = ()
        self._searching: Look | None = None

    def begin(self) -> None:
        """Note that something moves again: whatever it is, it's looked for at once."""
        self._turn = -1
        self._pause_until = MonoSeconds(0.0)
        self._searching = None

    def decode(self, pixels: Pixels, at: MonoSeconds) -> tuple[Decoded, Look]:
        """Return what is read in the frame taken ``at``, and the look to tell of: the one at it, or
        the one at an earlier frame if its search has come to the end.
        """
        began_s = time.thread_time()
        self._joiner.forget_old(at)
        is_alert, is_pausing = at < self._alert_until, at < self._pause_until
        part = self._next_part()
        look = self._cascade.begin(pixels, self._expected if is_alert else ())
        searched = self._take(look, part)
        if not is_pausing:
            look.check_suspicion()
            is_found = look.is_found or (searched is not None and searched.is_found)
            if is_alert or is_found:
                self._take_all(look)
                self._searching = searched = None
            if is_found or look.is_found:
                self._note(look, at)
        decoded = self._conclude(look, at)
        decoded = replace(decoded, cpu_ms=(time.thread_time() - began_s) * 1_000)
        if searched is None or not searched.is_thorough:
            return decoded, look
        self._searching = None
        return decoded, searched

    def _take(self, look: Look, part: Part) -> Look | None:
        """Take ``part``, or begin a search; return the look whose search went on, if one did."""
        if part is Part.GRID:
            self._searching = look
        else:
            look.take(part)
        if look.is_read:
            self._searching = None
        if self._searching is not None:
            self._searching.search_on(BITS[part])
        return self._searching

    def _conclude(self, look: Look, at: MonoSeconds) -> Decoded:
        """Return what was read in ``look``, or in it and those before it."""
        decoded = look.result()
        self._was_read = look.is_read
        if decoded.answers:
            self._expected = tuple(answers.grid.corners for answers in decoded.answers[:1])
        if look.is_read:
            self._joiner.forget()
        elif decoded.answers:
            decoded = self._join(decoded, at)
        if decoded.codes:
            self._full_looks = 0
        return decoded

    def _next_part(self) -> Part:
        if self._was_read:
            return Part.FIRST  # it's still there
        self._turn += 1
        return _TURNS[self._turn % len(_TURNS)]

    def _take_all(self, look: Look) -> None:
        """Take what isn't taken yet, of some frames only without the slow steps."""
        self._full_looks += 1
        for part in Part:
            if part is not Part.SLOW or self._full_looks % SLOW_EVERY == 1:
                look.take(part)

    def _note(self, look: Look, at: MonoSeconds) -> None:
        """Stay alert for a code, for a while; then let it be for another while."""
        self._alert_until = MonoSeconds(at + ALERT_S)
        if not look.is_read and self._full_looks >= VAIN_LOOKS:
            self._full_looks = 0
            self._pause_until = MonoSeconds(at + PAUSE_S)
            self._alert_until = at

    def _join(self, decoded: Decoded, at: MonoSeconds) -> Decoded:
        codes: dict[str, Code] = {}
        for answers in decoded.answers:
            levels = self._joiner.add(answers.levels, answers.grid.fit, at)
            texts = () if levels is None else self._cascade.decode_modules(levels)
            codes |= {text: Code(text, answers.grid.corners) for text in texts}
        if not codes:
            return decoded
        self._joiner.forget()
        return replace(decoded, codes=tuple(codes.values()), decoder=BY_JOINING)
