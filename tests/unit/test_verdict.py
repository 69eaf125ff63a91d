"""The demo's judge: whatever did not go as the scenario expects is one line, and can't hide."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gated.contents import AlarmName
from gated.credentials.keys import load_private_key, make_key_pair
from gated.simulation.actors import Staging
from gated.simulation.acts import Act, Kind
from gated.simulation.office import Office
from gated.simulation.people import FIRST, NEEDS_PLATFORM, NEEDS_SERIAL
from gated.simulation.scenario import Scenario
from gated.simulation.verdict import OPENS, Recorded, find_unexpected
from gated.vocabulary import Outcome, PassageResult, Prompt, Reason, ReleaseResult

PLAYED = tuple(kind for kind in Kind if kind is not Kind.PICTURE)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    folder = tmp_path_factory.mktemp("office")
    make_key_pair(folder, "office")
    key = load_private_key(folder / "office.key.pem")
    return Office(key, key, datetime(2026, 11, 26, tzinfo=UTC), seed=1)


def act_of(kind: Kind, office: Office) -> Act:
    return next(Scenario(office, 1, kinds=[kind]).acts(None))


def played(act: Act, number: int = 0) -> tuple[Staging, Recorded, int]:
    """Return ``act`` as it should go: the prompts, the records, the relay's pulses."""
    staging, recorded = Staging(act, 0.0, "card", 1), Recorded()
    group = f"group-{number}" if len(act.roles) > 1 else None
    for index, role in enumerate(act.roles):
        visit_id = f"{number:011x}{index}"
        expected = role.expected
        outcome = min(expected.outcomes)
        staging.heard[visit_id] = list(expected.heard)
        recorded.visits[visit_id] = {
            "reasons": [],
            "prompt": expected.prompt or Prompt.GO,
            "group_id": group,
            **expected.record,
            "outcome": outcome,
        }
        result = act.help.result if act.help is not None else None
        opens = outcome is Outcome.GRANTED or result in OPENS
        usual = (PassageResult.PASSED,) if opens else ()
        passages = usual if expected.passages is None else expected.passages
        if passages:
            recorded.passages[visit_id] = list(passages)
        if act.help is not None:
            recorded.releases[visit_id] = act.help.result
            recorded.claims[visit_id] = list(act.help.steps)
    recorded.alarms.update(act.alarms)
    return staging, recorded, recorded.openings


@pytest.mark.parametrize("kind", PLAYED)
def test_what_goes_as_expected_is_not_mentioned(kind: Kind, office: Office) -> None:
    staging, recorded, pulses = played(act_of(kind, office))
    assert find_unexpected([staging], recorded, pulses) == []


def spoil_outcome(recorded: Recorded, visit_id: str, _staging: Staging) -> None:
    body = dict(recorded.visits[visit_id], outcome=Outcome.ABANDONED, reasons=[Reason.NO_READING])
    recorded.visits[visit_id] = body


def spoil_prompt(recorded: Recorded, visit_id: str, _staging: Staging) -> None:
    recorded.visits[visit_id] = dict(recorded.visits[visit_id], prompt=Prompt.OUT_OF_ORDER)


def spoil_passage(recorded: Recorded, visit_id: str, _staging: Staging) -> None:
    recorded.passages[visit_id] = [PassageResult.UNKNOWN]


def lose_visit(recorded: Recorded, visit_id: str, _staging: Staging) -> None:
    del recorded.visits[visit_id]


def add_stray(recorded: Recorded, visit_id: str, _staging: Staging) -> None:
    recorded.visits["f" * 12] = recorded.visits[visit_id]


def add_alarm(recorded: Recorded, _visit_id: str, _staging: Staging) -> None:
    recorded.alarms[AlarmName.HELD_OPEN] += 1


SPOILS: tuple[Callable[[Recorded, str, Staging], None], ...] = (
    spoil_outcome,
    spoil_prompt,
    spoil_passage,
    lose_visit,
    add_stray,
    add_alarm,
)


@pytest.mark.parametrize(("kind", "spoil"), list(itertools.product(FIRST, SPOILS)))
def test_each_thing_that_goes_wrong_is_said(
    kind: Kind, spoil: Callable[[Recorded, str, Staging], None], office: Office
) -> None:
    staging, recorded, pulses = played(act_of(kind, office))
    spoil(recorded, staging.visit_ids[0], staging)
    assert find_unexpected([staging], recorded, pulses)


@pytest.mark.parametrize("kind", [Kind.FAR_PAPER, Kind.SUN, Kind.NO_CODE])
def test_a_hint_that_was_never_shown_is_said(kind: Kind, office: Office) -> None:
    staging, recorded, pulses = played(act_of(kind, office))
    staging.heard[staging.visit_ids[0]] = []
    (line,) = find_unexpected([staging], recorded, pulses)
    assert "was never shown" in line


def test_two_who_came_together_are_one_group(office: Office) -> None:
    staging, recorded, pulses = played(act_of(Kind.PAIR, office))
    for visit_id in staging.visit_ids:
        recorded.visits[visit_id] = dict(recorded.visits[visit_id], group_id=None)
    assert find_unexpected([staging], recorded, pulses) == ["adult with child: not one group"]


def test_a_release_that_ended_otherwise_or_left_out_a_step_is_said(office: Office) -> None:
    staging, recorded, pulses = played(act_of(Kind.RELEASE, office))
    visit_id = staging.visit_ids[0]
    recorded.releases[visit_id] = ReleaseResult.OVERRIDE
    recorded.claims[visit_id] = []
    lines = find_unexpected([staging], recorded, pulses)
    assert [line.partition(": ")[2].split()[0] for line in lines] == ["override", "steps"]


def test_a_relay_that_moved_once_too_often_is_said(office: Office) -> None:
    staging, recorded, pulses = played(act_of(Kind.HEALTHY, office))
    assert find_unexpected([staging], recorded, pulses + 1) == [
        "the relay moved 2 times for 1 openings"
    ]


def test_the_first_twelve_persons_are_everybody_of_the_visitors_table(office: Office) -> None:
    acts = list(Scenario(office, 7).acts(12))
    assert [act.kind for act in acts] == list(FIRST)
    assert sum(len(act.roles) for act in acts) == 12
    table = {Kind.HEALTHY, Kind.FAR_PAPER, Kind.SUN, Kind.PAIR, Kind.RELEASE, Kind.NO_CODE}
    assert table | {Kind.WHEELCHAIR} <= {act.kind for act in acts}


def test_after_the_first_ones_everybody_comes_and_the_same_seed_brings_the_same(
    office: Office,
) -> None:
    kinds = [act.kind for act in itertools.islice(Scenario(office, 3).acts(None), 80)]
    assert set(kinds) == set(PLAYED) - NEEDS_SERIAL - NEEDS_PLATFORM
    with_all = Scenario(office, 3, has_serial=True, has_platform=True).acts(None)
    assert {act.kind for act in itertools.islice(with_all, 80)} == set(PLAYED)
    again = [act.kind for act in itertools.islice(Scenario(office, 3).acts(None), 80)]
    assert kinds == again
