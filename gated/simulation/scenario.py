"""What the scenario plays: kinds of people, what they carry, and how each must end.

Pure and seeded. What is expected is written down here before anything is played; it is compared in
``gated.simulation.verdict``.
"""

from __future__ import annotations

import enum
import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gated.contents import AlarmName
from gated.simulation.approach import Person
from gated.simulation.camera import Held
from gated.simulation.office import Office
from gated.simulation.screens import Hold, Shown
from gated.vocabulary import (
    ClaimStep,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
    UnreadCause,
)

STOP_M = 0.30
STOP_SPREAD_M = 0.03
SKIN_SPREAD_C = 0.12
"""Of one person's forehead against the average rule. The real spread is larger: this scenario shows
the gate's logic, not how well foreheads tell a fever (docs/safety-and-privacy.md)."""
CHILD_M = (1.05, 1.30)
ADULT_M = (1.55, 1.85)
SEATED_M = (1.30, 1.40)
"""In a wheelchair: the head is at 115 to 135 cm."""
CHILD_SHARE = 0.6
PASSES_AFTER_S = 1.0
"""From seeing the go lamp to the light barrier."""
FAR, NEAR = Hold(code_px=62.0), Hold()
DIM = Hold(brightness=0.035, veil_levels=60.0)


class Kind(enum.StrEnum):
    HEALTHY = "healthy, valid pass"
    FAR_PAPER = "grandmother, paper pass held too far"
    SUN = "teacher in the sun, dim phone"
    PAIR = "adult with child"
    RELEASE = "feverish, cleared by staff"
    NO_CODE = "no code at all"
    WHEELCHAIR = "in a wheelchair"
    LISTED = "person on the list"
    EXPIRED = "expired pass"
    FORGED = "forged pass"
    ISOLATED = "feverish, kept apart by staff"
    GUARD_BAND = "within the guard band"
    TOO_COLD = "too cold to judge"
    WALK_THROUGH = "walking through"
    KEY = "no code, let in by key and button"
    TURNS_BACK = "granted, turns back"
    LEAVES_OPEN = "leaves the gate open"
    FORCES = "forces the gate"
    CLOSED = "comes while the key says closed"
    OBSERVED = "feverish, while only observing"
    PICTURE = "a picture held up"


@dataclass(frozen=True, slots=True)
class Expected:
    """How one person's visit must end."""

    outcomes: frozenset[Outcome]
    prompt: Prompt | None = None  # of the record; None: whichever the outcome has
    heard: frozenset[Prompt] = frozenset()  # on the way
    record: Mapping[str, object] = field(default_factory=dict)  # members of the visit's record
    passages: tuple[PassageResult, ...] | None = None  # None: as the outcome has it


@dataclass(frozen=True, slots=True)
class Role:
    """One person of an act."""

    person: Person
    shows: Held | None  # a code's text, how it is held, a picture, or nothing
    expected: Expected
    stops: bool = True
    mends: Mapping[Prompt, Shown] = field(default_factory=dict)  # what they show once told
    passes_after_s: float | None = PASSES_AFTER_S  # None: turns back
    is_at_serial: bool = False  # shows the code to the low serial reader


@dataclass(frozen=True, slots=True)
class Help:
    """What staff do for whoever was sent to them."""

    result: ReleaseResult
    contact_c: float | None = None  # None: the value sheet is not shown
    is_by_key: bool = False  # the key switch in place of the card

    @property
    def steps(self) -> tuple[ClaimStep, ...]:
        """What is recorded on the way."""
        card = ClaimStep.KEY if self.is_by_key else ClaimStep.CARD
        return (card,) if self.contact_c is None else (card, ClaimStep.VALUE)


@dataclass(frozen=True, slots=True)
class Act:
    """Who comes up to the gate together, and what happens around them."""

    kind: Kind
    roles: tuple[Role, ...]
    help: Help | None = None
    alarms: frozenset[AlarmName] = frozenset()  # about the gate itself, with these people
    mode: Mode | None = None  # asked for before they come, and normal again after them
    is_by_key: bool = False  # the key switch sets the mode, not the command line
    is_sunny: bool = False
    leaves_open: bool = False
    forces: bool = False

    @property
    def is_alone(self) -> bool:
        """Whether nobody else may be before the gate meanwhile."""
        return self.mode is not None or self.is_sunny or self.leaves_open or self.forces


@dataclass(frozen=True, slots=True)
class _Part:
    """How one person of a kind is made."""

    expected: Expected
    is_child: bool | None = False  # None: either
    stature_m: tuple[float, float] | None = None  # None: a child's or an adult's
    body_c: tuple[float, float] = (36.3, 36.8)
    skin_error_c: float | None = None  # None: drawn for each person
    issue: Callable[[Office], str] | None = None  # None: carries nothing
    hold: Hold | None = None  # None: an ordinary phone
    is_paper: bool = False
    mends: Prompt | None = None  # the prompt at which they hold it well
    stops: bool = True
    passes_after_s: float | None = PASSES_AFTER_S


def _ends(*outcomes: Outcome, prompt: Prompt | None = None, **record: object) -> Expected:
    return Expected(frozenset(outcomes), prompt, record=record)


_GRANTED = Outcome.GRANTED
_STAFF = _ends(Outcome.SEE_STAFF, prompt=Prompt.WAIT_STAFF)
_FEVER_C = (38.4, 39.3)
_FEVERISH = _Part(_STAFF, True, body_c=_FEVER_C, issue=Office.student)
_PARTS: Mapping[Kind, tuple[_Part, ...]] = {
    Kind.HEALTHY: (_Part(_ends(_GRANTED, prompt=Prompt.GO), None, issue=Office.student),),
    Kind.FAR_PAPER: (
        _Part(
            Expected(
                frozenset({_GRANTED}),
                Prompt.GO,
                heard=frozenset({Prompt.HOLD_CLOSER}),
                record={"unread_cause": UnreadCause.TOO_SMALL, "hints": [Prompt.HOLD_CLOSER]},
            ),
            issue=Office.visitor,
            hold=FAR,
            is_paper=True,
            mends=Prompt.HOLD_CLOSER,
        ),
    ),
    Kind.SUN: (
        _Part(
            Expected(
                frozenset({Outcome.SEE_STAFF}),
                Prompt.AGAIN_LATER,
                heard=frozenset({Prompt.BRIGHTER_SCREEN}),
                record={
                    "unread_cause": UnreadCause.TOO_DARK,
                    "attempt": 2,
                    "noted": [Reason.SUNLIT],
                },
            ),
            body_c=(36.6, 36.6),
            skin_error_c=1.1,
            issue=Office.staff,
            hold=DIM,
            mends=Prompt.BRIGHTER_SCREEN,
        ),
    ),
    Kind.PAIR: (
        _Part(_ends(_GRANTED, prompt=Prompt.GO, thermometer="child"), True, issue=Office.student),
        _Part(
            _ends(Outcome.SCREENED_ONLY, prompt=Prompt.THANK_YOU_WAIT_OUTSIDE, thermometer="adult"),
            issue=Office.escort,
        ),
    ),
    Kind.RELEASE: (_FEVERISH,),
    Kind.NO_CODE: (
        _Part(
            Expected(
                frozenset({Outcome.SEE_STAFF}),
                Prompt.WAIT_STAFF,
                heard=frozenset({Prompt.SHOW_CODE}),
                record={"reason": Reason.NO_CREDENTIAL},
            )
        ),
    ),
    Kind.WHEELCHAIR: (
        _Part(
            _ends(_GRANTED, prompt=Prompt.GO, thermometer="child"),
            stature_m=SEATED_M,
            issue=Office.slow,
            passes_after_s=6.5,  # more than hold_s, less than hold_slow_s
        ),
    ),
    Kind.LISTED: (_Part(_STAFF, True, issue=Office.listed),),
    Kind.EXPIRED: (
        _Part(
            _ends(Outcome.DENIED, prompt=Prompt.SHOW_ANOTHER_CODE, reason=Reason.EXPIRED),
            issue=Office.expired,
        ),
    ),
    Kind.FORGED: (
        _Part(
            _ends(Outcome.DENIED, prompt=Prompt.SHOW_ANOTHER_CODE, reason=Reason.BAD_SIGNATURE),
            issue=Office.forged,
        ),
    ),
    Kind.ISOLATED: (_FEVERISH,),
    Kind.GUARD_BAND: (
        # The mean of two readings decides, so either is right.
        _Part(
            _ends(_GRANTED, Outcome.SEE_STAFF),
            True,
            body_c=(37.3, 37.45),
            skin_error_c=0.0,
            issue=Office.student,
        ),
    ),
    Kind.TOO_COLD: (
        _Part(
            _ends(Outcome.SEE_STAFF, prompt=Prompt.AGAIN_LATER, reason=Reason.COLD_FACE),
            skin_error_c=-3.0,
            issue=Office.staff,
        ),
    ),
    Kind.WALK_THROUGH: (_Part(_ends(Outcome.ABANDONED), stops=False),),
    Kind.KEY: (_Part(_STAFF),),
    Kind.TURNS_BACK: (
        _Part(
            Expected(frozenset({_GRANTED}), passages=(PassageResult.NOBODY_PASSED,)),
            issue=Office.visitor,
            passes_after_s=None,
        ),
    ),
    Kind.LEAVES_OPEN: (
        _Part(
            Expected(
                frozenset({_GRANTED}), passages=(PassageResult.PASSED, PassageResult.HELD_OPEN)
            ),
            issue=Office.student,
            is_child=True,
        ),
    ),
    Kind.FORCES: (_Part(_ends(Outcome.ABANDONED), stops=False),),
    Kind.CLOSED: (
        _Part(
            _ends(Outcome.DENIED, prompt=Prompt.CLOSED, reason=Reason.CLOSED, mode=Mode.CLOSED),
            True,
            issue=Office.student,
        ),
    ),
    Kind.OBSERVED: (
        _Part(
            _ends(_GRANTED, would_have=Outcome.SEE_STAFF, mode=Mode.OBSERVE),
            True,
            body_c=_FEVER_C,
            issue=Office.student,
        ),
    ),
}
_AROUND: Mapping[Kind, Mapping[str, object]] = {
    Kind.SUN: {"is_sunny": True},
    Kind.RELEASE: {"help": Help(ReleaseResult.CLEARED, 36.8)},
    Kind.ISOLATED: {"help": Help(ReleaseResult.ISOLATED, 38.2)},
    Kind.KEY: {"help": Help(ReleaseResult.OVERRIDE, is_by_key=True)},
    Kind.LEAVES_OPEN: {
        "leaves_open": True,
        "alarms": frozenset({AlarmName.HELD_OPEN, AlarmName.GATE_SHUT_AGAIN}),
    },
    Kind.FORCES: {"forces": True, "alarms": frozenset({AlarmName.PASSAGE_FORCED})},
    Kind.CLOSED: {"mode": Mode.CLOSED, "is_by_key": True},
    Kind.OBSERVED: {"mode": Mode.OBSERVE},
}
FIRST = tuple(_PARTS)[:11]
"""Those whom everybody should see first: twelve persons, in this order."""


@dataclass
class Scenario:
    """An endless queue of acts, the same for the same seed.

    Args:
        office: issues their passes.
        seed: of everything else.
        pictures: if there are any, every act holds one of these up, in turn.
        has_serial: whether children show their codes to a low serial reader.
        kinds: only these, in turn, in place of the whole programme.
    """

    office: Office
    seed: int
    pictures: Sequence[Path] = ()
    has_serial: bool = False
    kinds: Sequence[Kind] = ()

    def acts(self, visits: int | None) -> Iterator[Act]:
        """Yield acts with ``visits`` persons in all, or for ever."""
        rng = random.Random(self.seed)  # noqa: S311 - a scenario, seeded so that it repeats
        kinds = itertools.cycle(self.kinds) if self.kinds else _programme(rng)
        pictures = itertools.cycle(self.pictures)
        left = math.inf if visits is None else visits
        while left > 0:
            if self.pictures:
                act = hold_up(next(pictures), rng)
            else:
                kind = next(kinds)
                # The last place is not enough for two.
                act = self._act(Kind.HEALTHY if len(_PARTS[kind]) > left else kind, rng)
            left -= len(act.roles)
            yield act

    def _act(self, kind: Kind, rng: random.Random) -> Act:
        roles = tuple(self._role(part, rng) for part in _PARTS[kind])
        return Act(kind, roles, **_AROUND.get(kind, {}))  # type: ignore[arg-type]  # as named there

    def _role(self, part: _Part, rng: random.Random) -> Role:
        is_child = rng.random() < CHILD_SHARE if part.is_child is None else part.is_child
        text = part.issue(self.office) if part.issue is not None else None
        mends: dict[Prompt, Shown] = {}
        shows: str | Shown | None = text
        if text is not None and part.hold is not None:
            shows = Shown(text, part.is_paper, part.hold)
            if part.mends is not None:
                mends = {part.mends: Shown(text, part.is_paper, NEAR)}
        return Role(
            person=_person(part, rng, is_child=is_child),
            shows=shows,
            expected=part.expected,
            stops=part.stops,
            mends=mends,
            passes_after_s=part.passes_after_s,
            is_at_serial=self.has_serial and is_child and part.is_child is None,
        )


def hold_up(picture: Path, rng: random.Random) -> Act:
    """Return a healthy person who holds up ``picture``, whatever can be read there."""
    part = _Part(_ends(_GRANTED, Outcome.DENIED, Outcome.SEE_STAFF))
    person = _person(part, rng, is_child=False)
    return Act(Kind.PICTURE, (Role(person, picture, part.expected),))


def _programme(rng: random.Random) -> Iterator[Kind]:
    """Yield the first ones in their order, then everybody else, then mostly ordinary people."""
    yield from FIRST
    others = [kind for kind in _PARTS if kind not in FIRST]
    while True:
        kinds = [*others, *[Kind.HEALTHY] * len(others)]
        rng.shuffle(kinds)
        yield from kinds
        others = list(_PARTS)


def _person(part: _Part, rng: random.Random, *, is_child: bool) -> Person:
    error_c = max(-0.3, min(0.3, rng.gauss(0.0, SKIN_SPREAD_C)))
    stature_m = part.stature_m or (CHILD_M if is_child else ADULT_M)
    return Person(
        body_c=rng.uniform(*part.body_c),
        stature_m=rng.uniform(*stature_m),
        skin_error_c=error_c if part.skin_error_c is None else part.skin_error_c,
        stop_m=max(0.22, rng.gauss(STOP_M, STOP_SPREAD_M)),
    )
