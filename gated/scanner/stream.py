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
"""After so many in a row, it's no code or a hopeless one, and all that we have is a waste."""
VAIN_PAUSE_S: Final = 2.0
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
        self._rest_until = MonoSeconds(0.0)
        self._expected: tuple[Corners, ...] = ()

    def decode(self, pixels: Pixels, at: MonoSeconds) -> tuple[Decoded, Look]:
        """Return what is read in the frame taken ``at``, and the look that was taken at it."""
        part = self._next_part()
        is_alert = at < self._alert_until
        look = self._cascade.begin(
            pixels,
            self._expected if is_alert else (),
            # Far codes are looked for every second time only.
            finest_level=0 if is_alert or self._round % 2 == 0 else 1,
        )
        look.take(part)
        is_alert = is_alert or look.is_code_like
        if (is_alert or look.is_promising) and at >= self._rest_until:
            self._take_all(look, at)
        if look.is_code_like:
            self._alert_until = MonoSeconds(at + ALERT_S)
        decoded = look.result()
        self._was_read = look.is_read
        if decoded.answers:
            self._expected = tuple(answers.grid.corners for answers in decoded.answers[:1])
        if look.is_read:
            self._full_looks = 0
            self._joiner.forget()
        elif decoded.answers:
            decoded = self._join(decoded, at)
        return decoded, look

    def _next_part(self) -> Part:
        if self._was_read:
            return Part.FIRST  # it's still there
        self._turn += 1
        self._round, turn = divmod(self._turn, len(_TURNS))
        return _TURNS[turn]

    def _take_all(self, look: Look, at: MonoSeconds) -> None:
        """Take what isn't taken yet, of some frames only without the slow steps."""
        self._full_looks += 1
        if self._full_looks % VAIN_LOOKS == 0:
            self._rest_until = MonoSeconds(at + VAIN_PAUSE_S)
        for part in Part:
            if part is not Part.SLOW or self._full_looks % SLOW_EVERY == 1:
                look.take(part)

    def _join(self, decoded: Decoded, at: MonoSeconds) -> Decoded:
        began_s = time.thread_time()
        codes: list[Code] = []
        for answers in decoded.answers:
            levels = self._joiner.add(answers.levels, answers.grid.fit, at)
            texts = () if levels is None else self._cascade.decode_modules(levels)
            codes += [Code(text, answers.grid.corners) for text in texts]
        if codes:
            self._full_looks = 0
            self._joiner.forget()
        cpu_ms = decoded.cpu_ms + (time.thread_time() - began_s) * 1_000
        if not codes:
            return replace(decoded, cpu_ms=cpu_ms)
        return replace(decoded, codes=tuple(codes), decoder=BY_JOINING, cpu_ms=cpu_ms)
