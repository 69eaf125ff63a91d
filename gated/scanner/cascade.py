"""Which decoder looks at which view of a picture, in which order.

The order is measured (benchmarks/scanning.py): each step adds reads that the ones before it missed,
and the cheap ones come first. What no decoder reads is taken apart module by module (grid.py), if
something in view looks like a code. A stream spreads this over its frames (stream.py).
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from gated.scanner.decoders import ZBAR, ZXING, Code, Decoder
from gated.scanner.grid import CERTAIN_FIT, Grid, draw_modules
from gated.scanner.picture import (
    Pixels,
)
from gated.scanner.regions import Corners, Levels
from gated.scanner.views import Views

MAX_CPU_MS: Final = 400.0
"""No further step begins once a picture has cost this much. A Pi 4 needs about 5 x our 40 ms."""
BY_GRID: Final = "grid"


class Part(enum.Enum):
    """What is done with a picture at one go."""

    FIRST = enum.auto()
    SECOND = enum.auto()
    GRID = enum.auto()  # look for codes, and take them apart
    SLOW = enum.auto()


@dataclass(frozen=True, slots=True)
class Step:
    view: Callable[[Views], Pixels]
    decoder: Decoder
    part: Part


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """A code that was taken apart and couldn't be read: where it is, and what its modules are.

    Attributes:
        grid: in px of the picture.
        levels: rows x columns, above 0 light, below 0 dark; nearer 0 where less can be told.
    """

    grid: Grid
    levels: Levels


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was read from one picture.

    Attributes:
        codes: every different one in view; two or more are ambiguous to a gate.
        decoder: the name of the decoder that read them, None if nothing was read.
        cpu_ms: the CPU time it took, views included.
        unreadable: codes whose contents aren't text.
        answers: what can be told of such codes.
    """

    codes: tuple[Code, ...]
    decoder: str | None
    cpu_ms: float
    unreadable: int = 0
    answers: tuple[Answers, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(code.text for code in self.codes)


def plan_steps(decoders: Sequence[Decoder]) -> tuple[Step, ...]:
    """Return the steps that ``decoders`` can take."""
    by_name = {decoder.name: decoder for decoder in decoders}
    steps: list[Step] = []
    if (zxing := by_name.get(ZXING)) is not None:
        steps += [
            # Four codes of five are read here, in a third of the time that the next step takes.
            Step(lambda views: views.half, zxing, Part.FIRST),
            Step(lambda views: views.darkest, zxing, Part.FIRST),
            # Strong JPEG and YUV frames store colour at half resolution: grey is sharper there.
            Step(lambda views: views.grey, zxing, Part.SECOND),
            Step(lambda views: views.half_sharp, zxing, Part.SECOND),
        ]
    if (zbar := by_name.get(ZBAR)) is not None:
        steps.append(Step(lambda views: views.half, zbar, Part.SLOW if zxing else Part.FIRST))
        if zxing is None:
            steps.append(Step(lambda views: views.darkest, zbar, Part.SLOW))
    return tuple(steps)


class Cascade:
    """Takes one step after another until one has read something.

    Args:
        decoders: as ``load_decoders`` gives them.
        max_cpu_ms: no further step begins once this much CPU time is spent on one picture.
    """

    def __init__(self, decoders: Sequence[Decoder], *, max_cpu_ms: float = MAX_CPU_MS) -> None:
        self._reader = next(iter(decoders), None)
        self._steps = plan_steps(decoders)
        self._max_cpu_s = max_cpu_ms / 1_000

    def decode_picture(self, pixels: Pixels) -> Decoded:
        """Return what the whole cascade reads in a single picture."""
        look = self.begin(pixels)
        for part in Part:
            look.take(part)
        return look.result()

    def begin(self, pixels: Pixels, expected: Sequence[Corners] = ()) -> Look:
        """Return a look at ``pixels`` of which nothing is taken yet.

        Args:
            pixels: of the picture.
            expected: corners where a code may be, for one was about there just now.
        """
        views = Views(pixels)
        return Look(views, self._steps, self._reader, self._max_cpu_s, expected)

    def decode_modules(self, levels: Levels) -> tuple[str, ...]:
        """Return the texts of a code whose modules are known: above 0 light, below 0 dark."""
        return () if self._reader is None else self._reader.read(draw_modules(levels)).texts


class Look:
    """One picture, of which one part after another is taken, until something is read.

    Args:
        views: of the picture.
        steps: of all parts.
        reader: reads codes that were taken apart and drawn anew.
        max_cpu_s: as for ``Cascade``.
        expected: as for ``Cascade.begin``.
    """

    def __init__(
        self,
        views: Views,
        steps: Sequence[Step],
        reader: Decoder | None,
        max_cpu_s: float,
        expected: Sequence[Corners],
    ) -> None:
        self.views = views
        self._steps = steps
        self._reader = reader
        self._max_cpu_s = max_cpu_s
        self._began_s = self._cpu_s = 0.0
        self._taken: list[tuple[Decoder, Pixels]] = []
        self._codes: tuple[Code, ...] = ()
        self._decoder: str | None = None
        self._unreadable = 0
        self._answers: list[Answers] = []
        self._expected = expected
        self._suspects: list[Corners] = []
        self._is_searching = self._has_certain_grid = False
        self._parts: set[Part] = set()

    @property
    def is_found(self) -> bool:
        """Whether the search has found a code, beyond doubt."""
        is_found = self._is_searching and self.views.search.is_code_found
        return is_found or self._has_certain_grid

    @property
    def is_thorough(self) -> bool:
        """Whether codes were looked for all over, and none is read."""
        is_done = self._is_searching and self.views.search.is_over
        return (Part.GRID in self._parts or is_done) and not self.is_read

    @property
    def is_read(self) -> bool:
        return bool(self._codes)

    def search_on(self, bits: int) -> None:
        """Look for codes, so many bits further, if there are as many: ``Search.advance``."""
        search = self.views.search
        self._is_searching = True
        for _ in range(bits):
            search.advance()

    def check_suspicion(self) -> None:
        """Look closer at what a decoder suspects, if it does; ``is_found`` says what came of it."""
        if self.is_read or not self._suspects:
            return
        self._is_searching = True
        for corners in self._scaled_for_search(self._suspects[-1:]):
            self.views.search.suspect(corners)
        self._suspects.clear()

    def _scaled_for_search(self, squares: Sequence[Corners]) -> list[Corners]:
        scale = np.float32(self.views.scale_of(self.views.darkest))
        return [corners / scale for corners in squares]

    def take(self, part: Part) -> None:
        """Take ``part``, unless it's taken, something is read already, or the time is up."""
        if part in self._parts:
            return
        self._parts.add(part)
        self._began_s = time.thread_time()
        if part is Part.GRID:
            self._take_grids()
        else:
            self._take_steps(part)
        self._cpu_s += time.thread_time() - self._began_s

    def result(self) -> Decoded:
        return Decoded(
            self._codes,
            self._decoder,
            self._cpu_s * 1_000,
            self._unreadable,
            tuple(self._answers),
        )

    def _is_over(self) -> bool:
        spent_s = self._cpu_s + time.thread_time() - self._began_s
        return bool(self._codes) or spent_s > self._max_cpu_s

    def _take_steps(self, part: Part) -> None:
        for step in self._steps:
            if step.part is not part:
                continue
            if self._is_over():
                return
            view = step.view(self.views)
            if any(decoder is step.decoder and seen is view for decoder, seen in self._taken):
                continue  # a small or grey picture: this view is one that was looked at already
            self._taken.append((step.decoder, view))
            reading = step.decoder.read(view)
            self._unreadable = max(self._unreadable, reading.unreadable)
            scale = self.views.scale_of(view)
            self._suspects += [corners * np.float32(scale) for corners in reading.suspects]
            self._codes = tuple(code.scaled(scale) for code in reading.codes)
            self._decoder = step.decoder.name if reading.codes else None

    def _take_grids(self) -> None:
        if self._is_over() or self._reader is None:
            return
        self.check_suspicion()
        self._is_searching = True
        search, scale = self.views.search, self.views.scale_of(self.views.darkest)
        for grid in search.find_grids(self._scaled_for_search(self._expected)):
            self._has_certain_grid = self._has_certain_grid or grid.fit >= CERTAIN_FIT
            answers = []
            for levels in search.read_grid(grid):
                reading = self._reader.read(draw_modules(levels))
                if reading.codes:
                    code = Code(reading.codes[0].text, grid.corners).scaled(scale)
                    self._codes, self._decoder = (code,), BY_GRID
                    return
                answers.append(levels)
            # The first are better under a reflex, the last in noise.
            mean = np.asarray(np.mean(answers, axis=0), np.float32)
            self._answers.append(Answers(grid.scaled(scale), mean))
            if self._is_over():
                return
