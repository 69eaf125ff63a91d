"""What the scenario plays: an endless queue of acts, seeded and pure.

What is expected of each is compared in ``gated.simulation.verdict``.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gated.simulation.acts import Act, Kind, Role
from gated.simulation.approach import HALF_STEP_M, Person
from gated.simulation.office import Office
from gated.simulation.people import (
    AROUND,
    FIRST,
    FOLLOWED_BY,
    NEEDS_PLATFORM,
    NEEDS_SERIAL,
    PARTS,
    Part,
    ends,
)
from gated.simulation.screens import Shown
from gated.vocabulary import Outcome, Prompt

STOP_M = 0.30
ARRAY_STOP_M = 0.45
"""Where the mark on the floor is: 30 cm before a spot of 5°, further away before an array."""
STOP_SPREAD_M, STOP_ERROR_M = 0.03, 0.05
"""How near to the mark people stop: standard deviation, and at most."""
SKIN_SPREAD_C = 0.12
"""Of one person's forehead against the average rule. The real spread is larger: this scenario shows
the gate's logic, not how well foreheads tell a fever (docs/safety-and-privacy.md)."""
CHILD_M = (1.05, 1.30)
ADULT_M = (1.55, 1.85)
CHILD_SHARE = 0.6


@dataclass
class Scenario:
    """An endless queue of acts, the same for the same seed.

    Args:
        office: issues their passes.
        seed: of everything else.
        pictures: if there are any, every act holds one of these up, in turn.
        has_serial: whether children show their codes to a low serial reader.
        has_platform: whether a provincial platform verifies codes.
        kinds: only these, in turn, in place of the whole programme.
        stop_m: how far from the thermometer they stop, on average.
    """

    office: Office
    seed: int
    pictures: Sequence[Path] = ()
    has_serial: bool = False
    has_platform: bool = False
    kinds: Sequence[Kind] = ()
    stop_m: float = STOP_M

    def acts(self, visits: int | None) -> Iterator[Act]:
        """Yield acts with ``visits`` persons in all, or for ever."""
        rng = random.Random(self.seed)  # noqa: S311 - a scenario, seeded so that it repeats
        kinds = itertools.cycle(self.kinds) if self.kinds else _programme(rng, self._missing())
        pictures = itertools.cycle(self.pictures)
        left = math.inf if visits is None else visits
        while left > 0:
            if self.pictures:
                act = hold_up(next(pictures), rng)
            else:
                kind = next(kinds)
                # The last place is not enough for two.
                act = self._act(Kind.HEALTHY if len(PARTS[kind]) > left else kind, rng)
            left -= len(act.roles)
            yield act

    def _missing(self) -> frozenset[Kind]:
        """Return who cannot come, for want of what they need."""
        without_serial = frozenset() if self.has_serial else NEEDS_SERIAL
        return without_serial | (frozenset() if self.has_platform else NEEDS_PLATFORM)

    def _act(self, kind: Kind, rng: random.Random) -> Act:
        roles = tuple(self._role(part, rng) for part in PARTS[kind])
        return Act(kind, roles, **AROUND.get(kind, {}))  # type: ignore[arg-type]  # as named there

    def _role(self, part: Part, rng: random.Random) -> Role:
        is_child = rng.random() < CHILD_SHARE if part.is_child is None else part.is_child
        text = part.issue(self.office) if part.issue is not None else None
        mends: dict[Prompt, Shown] = {}
        shows: str | Shown | None = text
        if text is not None and part.hold is not None:
            shows = Shown(text, part.is_paper, part.hold, part.colour)
            if part.mends is not None:
                mends = {part.mends: Shown(text, part.is_paper)}
        return Role(
            person=_person(part, rng, self.stop_m, is_child=is_child),
            shows=shows,
            expected=part.expected,
            stops=part.stops,
            mends=mends,
            passes_after_s=part.passes_after_s,
            holds_up_after_s=part.holds_up_after_s,
            is_at_serial=part.is_at_serial
            or (self.has_serial and is_child and part.is_child is None),
        )


def hold_up(picture: Path, rng: random.Random) -> Act:
    """Return a healthy person who holds up ``picture``, whatever can be read there."""
    part = Part(ends(Outcome.GRANTED, Outcome.DENIED, Outcome.SEE_STAFF))
    person = _person(part, rng, STOP_M, is_child=False)
    return Act(Kind.PICTURE, (Role(person, picture, part.expected),))


def _programme(rng: random.Random, missing: frozenset[Kind]) -> Iterator[Kind]:
    """Yield the first ones in their order, then everybody else, then mostly ordinary people."""
    yield from FIRST
    followers = frozenset(FOLLOWED_BY.values())
    known = [kind for kind in PARTS if kind not in missing | followers]
    others = [kind for kind in known if kind not in FIRST]
    while True:
        kinds = [*others, *[Kind.HEALTHY] * len(others)]
        rng.shuffle(kinds)
        for kind in kinds:
            yield kind
            if kind in FOLLOWED_BY:
                yield FOLLOWED_BY[kind]
        others = known


def _person(part: Part, rng: random.Random, stop_m: float, *, is_child: bool) -> Person:
    error_c = _bounded(rng, SKIN_SPREAD_C, 0.3)
    stature_m = part.stature_m or (CHILD_M if is_child else ADULT_M)
    return Person(
        body_c=rng.uniform(*part.body_c),
        stature_m=rng.uniform(*stature_m),
        skin_error_c=error_c if part.skin_error_c is None else part.skin_error_c,
        stop_m=stop_m + part.stands_back_m + _bounded(rng, STOP_SPREAD_M, STOP_ERROR_M),
        nearer_m=max(part.stands_back_m, HALF_STEP_M),
    )


def _bounded(rng: random.Random, spread: float, most: float) -> float:
    return max(-most, min(most, rng.gauss(0.0, spread)))
