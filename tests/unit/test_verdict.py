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
from gated.simulation.outages import AFTERMATH_S, Outage
from gated.simulation.people import FIRST, NEEDS_PLATFORM, NEEDS_SERIAL
from gated.simulation.scenario import Scenario
from gated.simulation.verdict import OPENS, Recorded, find_amiss
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
    recorded.alarms += [(alarm, 0.0) for alarm in act.alarms]
    return staging, recorded, recorded.openings(recorded.visits)


@pytest.mark.parametrize("kind", PLAYED)
def test_what_goes_as_expected_is_not_mentioned(kind: Kind, office: Office) -> None:
    staging, recorded, pulses = played(act_of(kind, office))
    assert find_amiss([staging], recorded, pulses).unexpected == []


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
    recorded.alarms.append((AlarmName.HELD_OPEN, 0.0))


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
    assert find_amiss([staging], recorded, pulses).unexpected


@pytest.mark.parametrize("kind", [Kind.FAR_PAPER, Kind.SUN, Kind.NO_CODE])
def test_a_hint_that_was_never_shown_is_said(kind: Kind, office: Office) -> None:
    staging, recorded, pulses = played(act_of(kind, office))
    staging.heard[staging.visit_ids[0]] = []
    (line,) = find_amiss([staging], recorded, pulses).unexpected
    assert "was never shown" in line


def test_two_who_came_together_are_one_group(office: Office) -> None:
    staging, recorded, pulses = played(act_of(Kind.PAIR, office))
    for visit_id in staging.visit_ids:
        recorded.visits[visit_id] = dict(recorded.visits[visit_id], group_id=None)
    assert find_amiss([staging], recorded, pulses).unexpected == ["adult with child: not one group"]


def test_a_release_that_ended_otherwise_or_left_out_a_step_is_said(office: Office) -> None:
    staging, recorded, pulses = played(act_of(Kind.RELEASE, office))
    visit_id = staging.visit_ids[0]
    recorded.releases[visit_id] = ReleaseResult.OVERRIDE
    recorded.claims[visit_id] = []
    lines = find_amiss([staging], recorded, pulses).unexpected
    assert [line.partition(": ")[2].split()[0] for line in lines] == ["override", "steps"]


def test_a_relay_that_moved_once_too_often_is_said(office: Office) -> None:
    staging, recorded, pulses = played(act_of(Kind.HEALTHY, office))
    assert find_amiss([staging], recorded, pulses + 1).unexpected == [
        "the relay moved 2 times for 1 openings"
    ]


# --- while a plug was out on purpose --------------------------------------------------------------

AT_ONCE = 10.0


def outage(*kinds: Kind, from_s: float = 1.0, until_s: float = 5.0) -> Outage:
    """Return one that can disturb ``kinds``; without them any."""
    return Outage("controller", frozenset(kinds) or None, from_s, until_s)


@pytest.mark.parametrize("spoil", [spoil_outcome, spoil_prompt, spoil_passage, lose_visit])
def test_what_a_pulled_plug_spoils_is_disturbed_and_not_unexpected(
    spoil: Callable[[Recorded, str, Staging], None], office: Office
) -> None:
    staging, recorded, pulses = played(act_of(Kind.PAIR, office))
    staging.ended_at_s = AT_ONCE
    spoil(recorded, staging.visit_ids[0], staging)
    pulses = min(pulses, recorded.openings(recorded.visits))
    found = find_amiss([staging], recorded, pulses, [outage()])
    assert found.unexpected == []
    assert [line.partition(":")[0] for line in found.disturbed] == [
        "adult with child, controller out"
    ]
    assert found.disturbed_persons == 2


def test_who_met_an_outage_and_was_served_all_the_same_is_not_disturbed(office: Office) -> None:
    staging, recorded, pulses = played(act_of(Kind.HEALTHY, office))
    found = find_amiss([staging], recorded, pulses, [outage()])
    assert (found.unexpected, found.disturbed, found.disturbed_persons) == ([], [], 0)


@pytest.mark.parametrize(
    "other",
    [
        outage(from_s=AT_ONCE + 0.1, until_s=AT_ONCE + 5.0),  # began when all was over
        outage(from_s=-5.0, until_s=-0.1),  # had ended before
        outage(Kind.PROVINCIAL),  # of something that this act does not need
    ],
)
def test_an_outage_excuses_nobody_whom_it_did_not_meet(other: Outage, office: Office) -> None:
    staging, recorded, pulses = played(act_of(Kind.HEALTHY, office))
    staging.ended_at_s = AT_ONCE
    spoil_outcome(recorded, staging.visit_ids[0], staging)
    found = find_amiss([staging], recorded, pulses, [other])
    assert found.unexpected
    assert not found.disturbed


def test_an_act_that_goes_on_from_another_is_disturbed_by_what_was_out_since_then(
    office: Office,
) -> None:
    first, recorded, pulses = played(act_of(Kind.PROVINCIAL, office))
    second, more, more_pulses = played(act_of(Kind.PLATFORM_AWAY, office), 1)
    first.ended_at_s, second.starts_at_s = 2.0, 20.0
    recorded.visits |= more.visits
    recorded.passages |= more.passages
    spoil_prompt(recorded, second.visit_ids[0], second)
    between = outage(Kind.PLATFORM_AWAY, from_s=3.0, until_s=4.0)
    found = find_amiss([first, second], recorded, pulses + more_pulses, [between])
    assert (found.unexpected, found.disturbed_persons) == ([], 1)


def test_a_relay_that_moves_for_nobody_is_never_excused_and_one_that_did_not_may_be(
    office: Office,
) -> None:
    staging, recorded, pulses = played(act_of(Kind.HEALTHY, office))
    spoil_passage(recorded, staging.visit_ids[0], staging)
    for moved, lines in ((pulses + 1, 1), (pulses, 0), (pulses - 1, 0), (pulses - 2, 1)):
        assert len(find_amiss([staging], recorded, moved, [outage()]).unexpected) == lines


def test_alarms_of_an_outage_and_its_aftermath_are_excused_and_later_ones_are_not(
    office: Office,
) -> None:
    staging, recorded, pulses = played(act_of(Kind.HEALTHY, office))
    staging.ended_at_s = -1.0
    scanner = outage()
    recorded.alarms = [(AlarmName.SCANNER_LOST, 4.0)]
    recorded.alarms.append((AlarmName.SCANNER_RETURNED, 5.0 + AFTERMATH_S))
    assert find_amiss([staging], recorded, pulses, [scanner]).unexpected == []
    assert find_amiss([staging], recorded, pulses).unexpected
    recorded.alarms.append((AlarmName.SCANNER_LOST, 5.1 + AFTERMATH_S))
    assert find_amiss([staging], recorded, pulses, [scanner]).unexpected == [
        "alarms 1 scanner_lost instead of none"
    ]


def test_a_visit_that_is_nobodys_is_said_whatever_was_out(office: Office) -> None:
    staging, recorded, pulses = played(act_of(Kind.NO_CODE, office))
    add_stray(recorded, staging.visit_ids[0], staging)
    assert find_amiss([staging], recorded, pulses, [outage()]).unexpected == [
        "visit ffffffffffff: nobody's"
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
