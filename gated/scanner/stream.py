"""What the frames of one camera show, one after the other. Pure.

A frame without a code must cost little, and a code must be read at once. So the parts of the
cascade take turns while nothing in view looks like a code; as soon as something does, that very
frame and those after it get all of them. Frames of a code that none of them shows well enough are
joined.
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
"""So long after something looked like a code, every frame is looked at with all that we have."""
SLOW_EVERY: Final = 3
"""Of those frames, each third gets the slow steps too."""
VAIN_LOOKS: Final = 10
"""After so many in a row it's a hopeless code, and all that we have is a waste."""
DOUBTFUL_LOOKS: Final = 3
"""The same for what has finders, and no modules that can be told apart: mostly it's no code."""
PAUSE_S: Final = 3.0
"""So long it isn't taken apart then; the decoders go on looking."""
BY_JOINING: Final = "joined"
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
        self._round = 0
        self._was_read = False
        self._alert_until = MonoSeconds(0.0)
        self._full_looks = 0  # since the last reading
        self._pause_until = MonoSeconds(0.0)
        self._has_finders = False
        self._expected: tuple[Corners, ...] = ()

    def begin(self) -> None:
        """Note that something moves again: whatever it is, it's looked for at once."""
        self._turn = -1
        self._pause_until = MonoSeconds(0.0)
        self._has_finders = False

    def decode(self, pixels: Pixels, at: MonoSeconds) -> tuple[Decoded, Look]:
        """Return what is read in the frame taken ``at``, and the look that was taken at it."""
        self._joiner.forget_old(at)
        is_alert, is_pausing = at < self._alert_until, at < self._pause_until
        part = self._next_part()
        look = self._cascade.begin(
            pixels,
            self._expected if is_alert else (),
            # Far codes are looked for every second time only.
            finest_level=0 if is_alert or self._has_finders or self._round % 2 == 0 else 1,
        )
        if is_pausing and part is Part.GRID and not self._has_finders:
            part = Part.FIRST
        look.take(part)
        if not is_pausing and (is_alert or look.is_code_like or look.is_promising):
            self._take_all(look)
            if look.is_code_like or not is_alert:
                self._note(look, at)
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
        return decoded, look

    def _next_part(self) -> Part:
        if self._was_read:
            return Part.FIRST  # it's still there
        self._turn += 1
        self._round, turn = divmod(self._turn, len(_TURNS))
        return _TURNS[turn]

    def _take_all(self, look: Look) -> None:
        """Take what isn't taken yet, of some frames only without the slow steps."""
        self._full_looks += 1
        for part in Part:
            if part is not Part.SLOW or self._full_looks % SLOW_EVERY == 1:
                look.take(part)

    def _note(self, look: Look, at: MonoSeconds) -> None:
        """Stay alert for what looks like a code, for a while; then let it be for another while."""
        most = VAIN_LOOKS if look.is_certain else DOUBTFUL_LOOKS if look.is_code_like else 1
        if look.is_code_like:
            self._alert_until = MonoSeconds(at + ALERT_S)
        if not look.is_read and self._full_looks >= most:
            self._full_looks = 0
            self._has_finders = look.is_code_like  # why it isn't read will still be looked for
            self._pause_until = MonoSeconds(at + PAUSE_S)
            self._alert_until = at

    def _join(self, decoded: Decoded, at: MonoSeconds) -> Decoded:
        began_s = time.thread_time()
        codes: dict[str, Code] = {}
        for answers in decoded.answers:
            levels = self._joiner.add(answers.levels, answers.grid.fit, at)
            texts = () if levels is None else self._cascade.decode_modules(levels)
            codes |= {text: Code(text, answers.grid.corners) for text in texts}
        if codes:
            self._joiner.forget()
        cpu_ms = decoded.cpu_ms + (time.thread_time() - began_s) * 1_000
        if not codes:
            return replace(decoded, cpu_ms=cpu_ms)
        return replace(decoded, codes=tuple(codes.values()), decoder=BY_JOINING, cpu_ms=cpu_ms)
