"""Compares what the gate recorded with what the scenario expected of it. Pure."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gated.contents import AlarmName
from gated.simulation.actors import PATIENCE_S, Staging
from gated.simulation.acts import Role
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
    alarms: Counter[AlarmName] = field(default_factory=Counter)

    def outcome(self, visit_id: str) -> Outcome:
        return Outcome(str(self.visits[visit_id]["outcome"]))

    @property
    def openings(self) -> int:
        """How often the gate should have opened."""
        granted = sum(self.outcome(visit_id) is Outcome.GRANTED for visit_id in self.visits)
        return granted + sum(result in OPENS for result in self.releases.values())


def find_unexpected(
    stagings: Sequence[Staging], recorded: Recorded, relay_pulses: int
) -> list[str]:
    """Return one line for each act that did not end as expected, and for each stray record."""
    lines: list[str] = []
    claimed: Counter[str] = Counter()
    alarms: Counter[AlarmName] = Counter()
    for staging in stagings:
        claimed.update(staging.visit_ids)
        alarms.update(staging.act.alarms)
        lines.extend(f"{staging.act.kind}: {fault}" for fault in _faults(staging, recorded))
    lines.extend(f"visit {v}: nobody's" for v in recorded.visits if v not in claimed)
    seen = {alarm: recorded.alarms[alarm] for alarm in GATE_ALARMS if recorded.alarms[alarm]}
    if seen != dict(alarms):
        lines.append(f"alarms {_words(seen)} instead of {_words(alarms)}")
    if relay_pulses != recorded.openings:
        lines.append(f"the relay moved {relay_pulses} times for {recorded.openings} openings")
    return lines


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
