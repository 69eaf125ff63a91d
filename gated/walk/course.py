"""How a walk goes on after each key, and what comes of it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gated.walk.steps import ASKED_FIRST, Step

Text = tuple[str, str]
"""Simplified Chinese, English."""


class Mark(enum.StrEnum):
    """What came of one step."""

    WORKS = "works"
    FAILS = "fails"
    SKIPPED = "skipped"  # also what was not reached
    NOT_CONFIGURED = "not_configured"


class Phase(enum.Enum):
    """How far one step has come."""

    ANNOUNCED = enum.auto()  # it was said what is about to happen, and nothing has
    TRIED = enum.auto()  # it happens, or has happened: does it work?
    BROKEN = enum.auto()  # its device cannot be had


class Move(enum.Enum):
    """What is to be done next."""

    TRY = enum.auto()
    WORKS = enum.auto()
    FAILS = enum.auto()
    SKIP = enum.auto()
    AGAIN = enum.auto()  # announce it again
    STOP = enum.auto()  # the walk ends here
    NOTHING = enum.auto()  # no key of ours


ENTER = "\n"
_ALWAYS = {"s": Move.SKIP, "q": Move.STOP}
_KEYS: Mapping[Phase, Mapping[str, Move]] = {
    Phase.ANNOUNCED: {ENTER: Move.TRY, "y": Move.TRY},
    Phase.TRIED: {"y": Move.WORKS, "n": Move.FAILS, "r": Move.AGAIN},
    Phase.BROKEN: {ENTER: Move.FAILS, "n": Move.FAILS, "r": Move.AGAIN},
}


def react(step: Step, phase: Phase, key: str) -> Move:
    """Return what ``key`` means now. What moves is begun by a plain yes, not by any Enter."""
    if phase is Phase.ANNOUNCED and step.what in ASKED_FIRST and key == ENTER:
        return Move.NOTHING
    return {**_ALWAYS, **_KEYS[phase]}.get(key.lower(), Move.NOTHING)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the machine itself saw while a step was tried."""

    doubt: Text | None = None  # why "works" is hard to believe
    facts: Mapping[str, str] = field(default_factory=dict)  # name → value, nothing of a person's


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one step, and what the machine saw."""

    step: Step
    mark: Mark
    evidence: Evidence = field(default_factory=Evidence)
    trouble: str = ""  # what its adapter says is missing

    @property
    def is_doubtful(self) -> bool:
        """Whether somebody said that it works, and the machine saw nothing of it."""
        return self.mark is Mark.WORKS and self.evidence.doubt is not None


def unreached(steps: Sequence[Step], done: Sequence[Result]) -> tuple[Result, ...]:
    """Return the results of a whole walk that ended after ``done``."""
    left = (
        Result(step, Mark.SKIPPED if step.is_configured else Mark.NOT_CONFIGURED)
        for step in steps[len(done) :]
    )
    return (*done, *left)


def is_passed(results: Sequence[Result], *, is_strict: bool) -> bool:
    """Return whether everything that is configured works; if strict, beyond the machine's doubt."""
    marks = {result.mark for result in results}
    is_well = not marks & {Mark.FAILS, Mark.SKIPPED}
    return is_well and not (is_strict and any(result.is_doubtful for result in results))
