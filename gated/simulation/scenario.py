"""What the scenario plays: kinds of people, what they carry, and which outcomes each may have.

Pure and seeded. The expected sets are written down here before anything is played; the player only
compares.
"""

from __future__ import annotations

import enum
import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gated.simulation.approach import Person
from gated.simulation.office import Office
from gated.vocabulary import Outcome, ReleaseResult

STOP_M = 0.30
STOP_SPREAD_M = 0.03
SKIN_SPREAD_C = 0.12
"""Of one person's forehead against the average rule. The real spread is larger: this scenario shows
the gate's logic, not how well foreheads tell a fever (docs/safety-and-privacy.md)."""
CHILD_M = (1.05, 1.30)
ADULT_M = (1.55, 1.85)
CHILD_SHARE = 0.6


class Kind(enum.StrEnum):
    HEALTHY = "healthy, valid pass"
    FEVERISH = "feverish"
    GUARD_BAND = "within the guard band"
    TOO_COLD = "too cold to judge"
    EXPIRED = "expired pass"
    FORGED = "forged pass"
    LISTED = "person on the list"
    NO_CODE = "no code at all"
    PAIR = "adult with child"
    WALK_THROUGH = "walking through"
    RELEASE = "released by staff"
    PICTURE = "a picture held up"


@dataclass(frozen=True, slots=True)
class Role:
    """One person of an act."""

    person: Person
    shows: str | Path | None  # a code's text, a picture, or nothing
    expected: frozenset[Outcome]
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Act:
    """Who comes up to the gate together, and what staff then do."""

    kind: Kind
    roles: tuple[Role, ...]
    release: ReleaseResult | None = None
    contact_c: float | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """How one person of a kind is made."""

    expected: frozenset[Outcome]
    is_child: bool | None = False  # None: either
    body_c: tuple[float, float] = (36.3, 36.8)
    skin_error_c: float | None = None  # None: drawn for each person
    issue: Callable[[Office], str] | None = None  # None: carries nothing


def _one(*outcomes: Outcome) -> frozenset[Outcome]:
    return frozenset(outcomes)


_FEVER_C = (38.4, 39.3)
_PARTS: Mapping[Kind, tuple[_Part, ...]] = {
    Kind.HEALTHY: (_Part(_one(Outcome.GRANTED), None, issue=Office.student),),
    Kind.FEVERISH: (_Part(_one(Outcome.SEE_STAFF), True, _FEVER_C, issue=Office.student),),
    Kind.GUARD_BAND: (
        # The mean of two readings decides, so either is right.
        _Part(_one(Outcome.GRANTED, Outcome.SEE_STAFF), True, (37.3, 37.45), 0.0, Office.student),
    ),
    Kind.TOO_COLD: (_Part(_one(Outcome.SEE_STAFF), skin_error_c=-3.0, issue=Office.staff),),
    Kind.EXPIRED: (_Part(_one(Outcome.DENIED), issue=Office.expired),),
    Kind.FORGED: (_Part(_one(Outcome.DENIED), issue=Office.forged),),
    Kind.LISTED: (_Part(_one(Outcome.SEE_STAFF), True, issue=Office.listed),),
    Kind.NO_CODE: (_Part(_one(Outcome.SEE_STAFF)),),
    Kind.PAIR: (
        _Part(_one(Outcome.GRANTED), True, issue=Office.student),
        _Part(_one(Outcome.SCREENED_ONLY), issue=Office.escort),
    ),
    Kind.WALK_THROUGH: (_Part(_one(Outcome.ABANDONED)),),
    Kind.RELEASE: (_Part(_one(Outcome.SEE_STAFF), True, (38.4, 38.9), issue=Office.student),),
}
_CONTACT_C = 36.8
"""What staff's contact thermometer says of the person who is released."""


@dataclass
class Scenario:
    """An endless queue of acts, the same for the same seed.

    Args:
        office: issues their passes.
        seed: of everything else.
        pictures: if there are any, every act holds one of these up, in turn.
    """

    office: Office
    seed: int
    pictures: Sequence[Path] = ()

    def acts(self, visits: int | None) -> Iterator[Act]:
        """Yield acts with ``visits`` persons in all, or for ever."""
        rng = random.Random(self.seed)  # noqa: S311 - a scenario, seeded so that it repeats
        order = _round(rng, 0)
        pictures = itertools.cycle(self.pictures)
        left = math.inf if visits is None else visits
        while left > 0:
            if self.pictures:
                act = hold_up(next(pictures), rng)
            else:
                if not order:
                    order = _round(rng, len(_PARTS))  # after one of each, mostly ordinary people
                kind = order.pop()
                # The last place is not enough for two.
                act = self._act(Kind.HEALTHY if kind is Kind.PAIR and left == 1 else kind, rng)
            left -= len(act.roles)
            yield act

    def _act(self, kind: Kind, rng: random.Random) -> Act:
        roles = tuple(self._role(part, kind, rng) for part in _PARTS[kind])
        if kind is Kind.RELEASE:
            return Act(kind, roles, ReleaseResult.CLEARED, _CONTACT_C)
        return Act(kind, roles)

    def _role(self, part: _Part, kind: Kind, rng: random.Random) -> Role:
        is_child = rng.random() < CHILD_SHARE if part.is_child is None else part.is_child
        return Role(
            person=_person(part, rng, is_child=is_child),
            shows=part.issue(self.office) if part.issue is not None else None,
            expected=part.expected,
            stops=kind is not Kind.WALK_THROUGH,
        )


def hold_up(picture: Path, rng: random.Random) -> Act:
    """Return a healthy person who holds up ``picture``, whatever can be read there."""
    part = _Part(_one(Outcome.GRANTED, Outcome.DENIED, Outcome.SEE_STAFF))
    person = _person(part, rng, is_child=False)
    return Act(Kind.PICTURE, (Role(person, picture, part.expected),))


def _round(rng: random.Random, healthy: int) -> list[Kind]:
    """Return the next kinds, last first: a healthy one, then one of each and ``healthy`` more."""
    kinds: list[Kind] = [kind for kind in _PARTS if kind is not Kind.HEALTHY]
    kinds.extend([Kind.HEALTHY] * healthy)
    rng.shuffle(kinds)
    return [*kinds, Kind.HEALTHY]


def _person(part: _Part, rng: random.Random, *, is_child: bool) -> Person:
    error_c = max(-0.3, min(0.3, rng.gauss(0.0, SKIN_SPREAD_C)))
    return Person(
        body_c=rng.uniform(*part.body_c),
        stature_m=rng.uniform(*(CHILD_M if is_child else ADULT_M)),
        skin_error_c=error_c if part.skin_error_c is None else part.skin_error_c,
        stop_m=max(0.22, rng.gauss(STOP_M, STOP_SPREAD_M)),
    )
