"""Compares what the gate recorded with what the scenario expected of it. Pure."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gated.contents import AlarmName
from gated.simulation.actors import PATIENCE_S, Staging
from gated.simulation.acts import Role
from gated.simulation.outages import AFTERMATH_S, Outage, disturber_of
from gated.vocabulary import ClaimStep, Outcome, PassageResult, ReleaseResult

GATE_ALARMS = frozenset(
    {
        AlarmName.HELD_OPEN,
        AlarmName.GATE_SHUT_AGAIN,
        AlarmName.PASSAGE_FORCED,
        AlarmName.DEVICE_LOST,
        AlarmName.DEVICE_RETURNED,
        AlarmName.SCANNER_LOST,
        AlarmName.SCANNER_RETURNED,
    }
)
"""Those that an act expects or must not cause; the others follow from a visit's own record."""
OPENS = frozenset({ReleaseResult.CLEARED, ReleaseResult.OVERRIDE})
ANSWERS = frozenset({ClaimStep.BUTTON})
"""The button also answers the call: recorded, and nothing that an act waits for."""


@dataclass
class Recorded:
    """What stands in the gate's ledger, by visit where it belongs to one."""

    visits: dict[str, Mapping[str, object]] = field(default_factory=dict)
    passages: dict[str | None, list[PassageResult]] = field(default_factory=dict)
    releases: dict[str, ReleaseResult] = field(default_factory=dict)
    claims: dict[str | None, list[ClaimStep]] = field(default_factory=dict)
    alarms: list[tuple[AlarmName, float]] = field(default_factory=list)  # each with its time

    def outcome(self, visit_id: str) -> Outcome:
        return Outcome(str(self.visits[visit_id]["outcome"]))

    def openings(self, visit_ids: Iterable[str]) -> int:
        """Return how often the gate should have opened for these visits."""
        granted = sum(self.outcome(v) is Outcome.GRANTED for v in visit_ids if v in self.visits)
        return granted + sum(self.releases.get(v) in OPENS for v in visit_ids)


@dataclass
class Findings:
    """What went otherwise than the scenario expects."""

    unexpected: list[str] = field(default_factory=list)  # a line each
    disturbed: list[str] = field(default_factory=list)  # a line for each act, with what was out
    disturbed_persons: int = 0


def find_amiss(
    stagings: Sequence[Staging],
    recorded: Recorded,
    relay_pulses: int,
    outages: Sequence[Outage] = (),
) -> Findings:
    """Return what is amiss with each act, and each stray record.

    An act that went wrong while something it needs was out on purpose is disturbed. What no outage
    excuses: a relay that moves without a recorded opening, and a visit that is nobody's.
    """
    found = Findings()
    claimed: set[str] = set()
    alarms: Counter[AlarmName] = Counter()
    unheard_openings = 0
    touched: list[Staging] = []
    for number, staging in enumerate(stagings):
        claimed.update(staging.visit_ids)
        faults = list(_faults(staging, recorded))
        outage = disturber_of(number, stagings, outages)
        if outage is None:
            alarms.update(staging.act.alarms)
            found.unexpected.extend(f"{staging.act.kind}: {fault}" for fault in faults)
            continue
        touched.append(staging)
        if faults:
            found.disturbed.append(f"{staging.act.kind}, {outage.what} out: {'; '.join(faults)}")
            found.disturbed_persons += len(staging.act.roles)
            unheard_openings += recorded.openings(staging.visit_ids)
    found.unexpected += [f"visit {v}: nobody's" for v in recorded.visits if v not in claimed]
    seen = Counter(
        alarm
        for alarm, at_s in recorded.alarms
        if alarm in GATE_ALARMS and not _is_excused(at_s, touched, outages)
    )
    if seen != alarms:
        found.unexpected.append(f"alarms {_words(seen)} instead of {_words(alarms)}")
    openings = recorded.openings(recorded.visits)
    if not openings - unheard_openings <= relay_pulses <= openings:
        found.unexpected.append(f"the relay moved {relay_pulses} times for {openings} openings")
    return found


def _is_excused(at_s: float, touched: Sequence[Staging], outages: Sequence[Outage]) -> bool:
    """Return whether an alarm at this moment belongs to an outage, or to an act that met one."""
    acts = any(s.starts_at_s <= at_s <= s.ended_at_s + AFTERMATH_S for s in touched)
    return acts or any(outage.is_at(at_s) for outage in outages)


def _words(alarms: Mapping[AlarmName, int]) -> str:
    return ", ".join(f"{count} {alarm}" for alarm, count in sorted(alarms.items())) or "none"


def _faults(staging: Staging, recorded: Recorded) -> Iterator[str]:
    visit_ids = [v for v in staging.visit_ids if v in recorded.visits]
    roles = staging.act.roles
    if len(visit_ids) != len(roles):
        yield f"{len(visit_ids)} visits for {len(roles)} persons"
        return
    pairings = [zip(order, roles, strict=True) for order in itertools.permutations(visit_ids)]
    found = [
        [
            fault
            for visit_id, role in pairs
            for fault in role_faults(visit_id, role, staging, recorded)
        ]
        for pairs in pairings
    ]
    yield from min(found, key=len)
    if len(roles) > 1 and len({recorded.visits[v]["group_id"] for v in visit_ids} - {None}) != 1:
        yield "not one group"
    if staging.act.help is not None:
        yield from _help_faults(staging, visit_ids[0], recorded)


def role_faults(visit_id: str, role: Role, staging: Staging, recorded: Recorded) -> Iterator[str]:
    """Yield what one visit's records and prompts have that the role does not expect."""
    body, expected = recorded.visits[visit_id], role.expected
    outcome = recorded.outcome(visit_id)
    if outcome not in expected.outcomes:
        yield f"outcome {outcome}, {body['reasons']}"
    if expected.prompt is not None and body["prompt"] != expected.prompt:
        yield f"prompt {body['prompt']} instead of {expected.prompt}"
    for name, value in expected.record.items():
        if body.get(name) != value:
            yield f"{name} is {body.get(name)!r} instead of {value!r}"
    for prompt in expected.heard - set(staging.heard[visit_id]):
        yield f"{prompt} was never shown"
    passages = expected.passages
    if passages is None:
        opens = outcome is Outcome.GRANTED or recorded.releases.get(visit_id) in OPENS
        passages = (PassageResult.PASSED,) if opens else ()
    if tuple(recorded.passages.get(visit_id, ())) != passages:
        yield f"passages {recorded.passages.get(visit_id, [])} instead of {list(passages)}"


def _help_faults(staging: Staging, visit_id: str, recorded: Recorded) -> Iterator[str]:
    help_ = staging.act.help
    if help_ is None:
        return
    result = recorded.releases.get(visit_id)
    if result is not help_.result:
        yield f"{result or 'no release'} instead of {help_.result} within {PATIENCE_S:g} s"
    steps = tuple(s for s in recorded.claims.get(visit_id, ()) if s not in ANSWERS)
    if steps != help_.steps:
        yield f"steps of staff: {list(steps)} instead of {list(help_.steps)}"
