"""Which decoder looks at which view of a picture, in which order.

Measured order (137 published photos, 560 rendered coloured codes): each step adds reads that the
ones before it missed, and the cheap ones come first. The slow steps cost more than all others
together, so a stream takes them only where they promise something.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from gated.scanner.decoders import Decoder
from gated.scanner.picture import (
    Pixels,
    darkest_channel,
    enlarge,
    sharpen,
    shrink,
    to_grey,
)

FULL_LONG_SIDE_PX = 1280
"""Half of it costs zxing 5 points of 100; more than it gains nothing."""
HALF_LONG_SIDE_PX = 640
MAX_CPU_MS = 400.0
"""No further step begins once a picture has cost this much. A Pi 4 needs about 5 x our 25 ms."""


class Views:
    """The views of one picture, each made when it's first asked for."""

    def __init__(self, pixels: Pixels) -> None:
        self._full = shrink(pixels, FULL_LONG_SIDE_PX)

    @cached_property
    def darkest(self) -> Pixels:
        return darkest_channel(self._full)

    @cached_property
    def grey(self) -> Pixels:
        return to_grey(self._full)

    @cached_property
    def half(self) -> Pixels:
        return shrink(self.darkest, HALF_LONG_SIDE_PX)

    @cached_property
    def half_sharp(self) -> Pixels:
        return sharpen(self.half)

    @cached_property
    def double(self) -> Pixels:
        return enlarge(self.darkest, 2.0)


@dataclass(frozen=True, slots=True)
class Step:
    view: Callable[[Views], Pixels]
    decoder: Decoder
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was read from one picture.

    Attributes:
        texts: every different text in view; two or more are ambiguous to a gate.
        decoder: the name of the decoder that read them, None if nothing was read.
        cpu_ms: the CPU time it took, views included.
        unreadable: codes whose contents aren't text.
        is_code_like: a code was found that couldn't be read.
    """

    texts: tuple[str, ...]
    decoder: str | None
    cpu_ms: float
    unreadable: int = 0
    is_code_like: bool = False


def plan_steps(decoders: Sequence[Decoder]) -> tuple[Step, ...]:
    """Return the steps that ``decoders`` can take: the fast ones, then the slow tail."""
    by_name = {decoder.name: decoder for decoder in decoders}
    steps: list[Step] = []
    if (zxing := by_name.get("zxing")) is not None:
        steps += [
            Step(lambda views: views.darkest, zxing),
            # Strong JPEG and YUV frames store colour at half resolution: grey is sharper there.
            Step(lambda views: views.grey, zxing),
            Step(lambda views: views.half, zxing),
            Step(lambda views: views.half_sharp, zxing),
            Step(lambda views: views.double, zxing, is_slow=True),
        ]
    if (zbar := by_name.get("pyzbar")) is not None:
        steps.append(Step(lambda views: views.half, zbar, is_slow=zxing is not None))
        if zxing is None:
            steps.append(Step(lambda views: views.darkest, zbar, is_slow=True))
    return tuple(steps)


class Cascade:
    """Takes one step after another until one has read something.

    Args:
        decoders: as ``load_decoders`` gives them.
        max_cpu_ms: no further step begins once this much CPU time is spent on one picture.
    """

    def __init__(self, decoders: Sequence[Decoder], *, max_cpu_ms: float = MAX_CPU_MS) -> None:
        self._steps = plan_steps(decoders)
        self._max_cpu_s = max_cpu_ms / 1_000

    def decode_picture(self, pixels: Pixels) -> Decoded:
        """Return what the whole cascade reads in a single picture."""
        return self.decode_frame(pixels, with_slow_steps=True)

    def decode_frame(self, pixels: Pixels, *, with_slow_steps: bool) -> Decoded:
        """Return what is read in one frame of a stream.

        A code that only the fast steps could not read asks for the slow ones by itself.
        """
        began_s = time.thread_time()
        views = Views(pixels)
        taken: list[tuple[Decoder, Pixels]] = []
        unreadable = 0
        is_code_like = False
        for step in self._steps:
            if step.is_slow and not (with_slow_steps or is_code_like):
                continue
            if time.thread_time() - began_s > self._max_cpu_s:
                break
            view = step.view(views)
            if any(decoder is step.decoder and seen is view for decoder, seen in taken):
                continue  # a small or grey picture: this view is one that was looked at already
            taken.append((step.decoder, view))
            reading = step.decoder.read(view)
            unreadable = max(unreadable, reading.unreadable)
            is_code_like = is_code_like or reading.is_code_like
            if reading.texts:
                cpu_ms = (time.thread_time() - began_s) * 1_000
                return Decoded(reading.texts, step.decoder.name, cpu_ms, unreadable, is_code_like)
        cpu_ms = (time.thread_time() - began_s) * 1_000
        return Decoded((), None, cpu_ms, unreadable, is_code_like)
