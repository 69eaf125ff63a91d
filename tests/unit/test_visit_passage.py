"""Hand in hand, one after the other, through the gate or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.contents import AlarmName, PassageContent, VisitContent
from gated.messages import Credential, EnergiseRelay, MeasureAgain, ShowPrompt
from gated.policy import Rules
from gated.visit.state import Command, Commit, PassbackReset, Phase
from gated.vocabulary import Check, Mode, Outcome, PassageResult, Prompt, Reason
from tests.lane_rig import (
    ESCORT,
    IDS,
    PAIR,
    PUPIL,
    LaneRig,
    alarm_commit,
    granted,
    lane_with,
    passage_commit,
    visit_commit,
)
from tests.policy_cases import card

FACE = ShowPrompt(Prompt.FACE, IDS[0])
READY = ShowPrompt(Prompt.READY)
OPEN = [EnergiseRelay(IDS[0], 0.5), ShowPrompt(Prompt.GO, IDS[0])]


# --- hand in hand --------------------------------------------------------------------------------


def test_parent_and_child_are_two_visits_of_one_group_and_only_the_child_goes_in() -> None:
    rig = LaneRig(PAIR)
    assert rig.arrive("child") == [FACE]
    assert rig.arrive("adult") == []  # the prompt stands already
    rig.measure(36.6, "child")
    rig.measure(36.7, "adult")
    assert rig.show(ESCORT) == [
        visit_commit(
            1,
            Outcome.SCREENED_ONLY,
            Prompt.THANK_YOU_WAIT_OUTSIDE,
            Reason.ESCORT,
            readings_c=(36.7,),
            credential=ESCORT,
            thermometer="adult",
            group_id=IDS[0],
        )
    ]
    assert rig.show(PUPIL) == [visit_commit(0, thermometer="child", group_id=IDS[0])]
    assert rig.commit_visit(1) == [ShowPrompt(Prompt.THANK_YOU_WAIT_OUTSIDE, IDS[1])]
    assert rig.commit_visit(0) == OPEN
    assert rig.leave("adult") == []
    assert not rig.has(1)


def test_a_pupils_code_belongs_to_the_lower_face() -> None:
    rig = LaneRig(PAIR)
    rig.arrive("adult")
    rig.arrive("child")
    rig.measure(36.7, "adult")
    rig.measure(36.6, "child")
    assert rig.show(PUPIL) == [visit_commit(1, thermometer="child", group_id=IDS[0])]


def test_an_escorts_code_shown_first_waits_for_the_higher_face() -> None:
    rig = LaneRig(PAIR)
    rig.show(ESCORT)
    rig.arrive("child")
    assert rig.visit(0).thermometer is None
    rig.arrive("adult")
    assert rig.visit(0).thermometer == "adult"


def test_an_escort_who_stays_is_asked_to_leave_no_longer_than_a_passage() -> None:
    rig = LaneRig(PAIR)
    rig.arrive("adult")
    rig.measure(36.7, "adult")
    rig.show(ESCORT)
    rig.commit_visit()
    assert rig.visit().phase is Phase.LEAVING
    assert rig.wait(5.0) == [READY]
    assert rig.state.visits == ()


def test_an_escort_who_has_gone_already_is_forgotten() -> None:
    rig = LaneRig(PAIR)
    rig.arrive("adult")
    rig.measure(36.7, "adult")
    rig.show(ESCORT)
    rig.leave("adult")
    rig.commit_visit()
    assert rig.state.visits == ()


# --- passing, and the next -----------------------------------------------------------------------


def test_the_next_person_is_measured_meanwhile_and_waits_for_the_lane() -> None:
    rig = granted(LaneRig())
    rig.leave()
    rig.now += 0.5
    assert rig.arrive() == [ShowPrompt(Prompt.FACE, IDS[1])]
    rig.measure()
    other = card(holder="k1:other")
    assert rig.show(other) == [ShowPrompt(Prompt.ONE_MOMENT, IDS[1])]
    rig.now += 1.0
    assert rig.pass_through() == [
        passage_commit(0, PassageResult.PASSED, 1_500),
        visit_commit(1, credential=other, took_ms=1_000),
    ]
    assert rig.commit_visit(1) == [EnergiseRelay(IDS[1], 0.5), ShowPrompt(Prompt.GO, IDS[1])]


def test_the_next_person_waits_while_the_one_before_is_not_yet_durable() -> None:
    rig = LaneRig(PAIR)
    rig.arrive("child")
    rig.measure(36.6, "child")
    rig.show(PUPIL)
    rig.arrive("adult")
    rig.measure(36.6, "adult")
    assert rig.show(card(holder="k1:other")) == [ShowPrompt(Prompt.ONE_MOMENT, IDS[1])]


def test_the_third_is_served_when_the_second_is_not_let_in_after_all() -> None:
    rig = granted(LaneRig(replace(PAIR, thermometers=("main", "second", "third"))))
    rig.leave()
    second, third = card(holder="k1:second"), card(holder="k1:third")
    on_duty = replace(third, is_on_duty=True)
    for thermometer, credential in (("second", second), ("third", on_duty)):
        rig.arrive(thermometer)
        rig.measure(36.6, thermometer)
        rig.show(credential)
    rig.request(Mode.CLOSED)
    refused, let_in = rig.pass_through()[-2:]
    assert refused == visit_commit(
        1,
        Outcome.DENIED,
        Prompt.CLOSED,
        Reason.CLOSED,
        credential=second,
        thermometer="second",
        group_id=IDS[1],
    )
    assert let_in == visit_commit(2, credential=on_duty, thermometer="third", group_id=IDS[1])


def test_the_third_waits_while_the_second_is_served() -> None:
    rig = granted(LaneRig(replace(PAIR, thermometers=("main", "second", "third"))))
    rig.leave()
    for thermometer in ("second", "third"):
        rig.arrive(thermometer)
        rig.measure(36.6, thermometer)
        rig.show(card(holder=f"k1:{thermometer}"))
    commits = [c.tag for c in rig.pass_through() if isinstance(c, Commit)]
    assert commits == [f"passage/{IDS[0]}", f"visit/{IDS[1]}"]
    assert rig.visit(2).is_waiting_for_lane


def test_who_waits_for_the_lane_and_goes_is_abandoned() -> None:
    rig = granted(LaneRig())
    rig.leave()
    rig.arrive()
    rig.measure()
    rig.show(card(holder="k1:other"))
    rig.leave()
    commits = [c for c in rig.wait(2.0) if isinstance(c, Commit)]
    assert commits == [
        visit_commit(
            1,
            Outcome.ABANDONED,
            Prompt.READY,
            Reason.WALKED_AWAY,
            credential=card(holder="k1:other"),
            took_ms=2_000,
        )
    ]


def test_one_late_tick_that_frees_the_lane_decides_the_waiting_visit_once() -> None:
    rig = granted(LaneRig())
    rig.leave()
    rig.arrive()
    rig.measure()
    rig.show(card(holder="k1:other"))
    rig.leave()
    rig.now += 60.0
    commits = [c for c in rig.wait(0.0) if isinstance(c, Commit)]
    assert [c.tag for c in commits] == [f"visit/{IDS[1]}", f"passage/{IDS[0]}"]


def test_somebody_still_there_after_a_passage_is_the_next() -> None:
    rig = granted(LaneRig())
    rig.now += 1.0
    assert rig.pass_through() == [
        passage_commit(0, PassageResult.PASSED, 1_000),
        MeasureAgain("main"),
        ShowPrompt(Prompt.FACE, IDS[1]),
    ]
    assert rig.visit(1).readings == ()


def test_who_went_through_and_is_seen_a_moment_longer_is_no_visit_of_their_own() -> None:
    rig = granted(LaneRig())
    rig.pass_through()
    assert rig.has(1)
    rig.now += 1.0
    assert rig.leave() == [ShowPrompt(Prompt.READY)]
    assert rig.state.visits == ()
    assert rig.wait(60.0) == []


def test_who_steps_up_right_behind_and_leaves_later_is_a_visit() -> None:
    rig = granted(LaneRig())
    rig.pass_through()
    rig.now += 1.7
    rig.leave()
    assert rig.has(1)
    (commit,) = [c for c in rig.wait(5.0) if isinstance(c, Commit)]
    assert isinstance(commit.content, VisitContent)
    assert commit.content.outcome is Outcome.ABANDONED


def test_nobody_passed_ends_the_opening_and_gives_the_use_back() -> None:
    rig = granted(LaneRig())
    rig.leave()
    uses = {ref: use.count for ref, use in rig.state.uses.items()}
    assert uses == {PUPIL.pass_ref: 1}
    assert rig.wait(5.0) == [passage_commit(0, PassageResult.NOBODY_PASSED, 5_000), READY]
    assert {ref: use.count for ref, use in rig.state.uses.items()} == {PUPIL.pass_ref: 0}


def test_without_a_passage_sensor_nobody_knows_how_it_ended() -> None:
    rig = granted(LaneRig(lane_with(has_passage_sensor=False)))
    rig.leave()
    assert rig.wait(5.0) == [passage_commit(0, PassageResult.UNKNOWN, 5_000), READY]
    assert {ref: use.count for ref, use in rig.state.uses.items()} == {PUPIL.pass_ref: 1}


# --- a slow disk ---------------------------------------------------------------------------------


def decided(rig: LaneRig, credential: Credential = PUPIL) -> LaneRig:
    """Bring the first visitor to the decision that lets them in; it is not yet durable."""
    rig.arrive()
    rig.measure()
    rig.show(credential)
    return rig


def not_opened(number: int, took_ms: int) -> Commit:
    result, why = PassageResult.NOBODY_PASSED, Reason.WALKED_AWAY
    return passage_commit(number, result, took_ms, why)


def test_a_decision_that_is_durable_late_does_not_open_for_who_stands_there_by_then() -> None:
    rig = decided(LaneRig())
    rig.now += 3.0
    rig.leave()
    rig.arrive()
    assert rig.commit_visit() == [not_opened(0, 3_000)]
    assert rig.state.uses[PUPIL.pass_ref or ""].count == 0
    assert rig.commit_visit() == []
    rig.measure()
    assert rig.show(PUPIL) == [visit_commit(1)]


def test_who_was_waiting_behind_somebody_who_left_is_served() -> None:
    rig = decided(LaneRig(replace(PAIR, thermometers=("main", "adult"))))
    other = card(holder="k1:other")
    rig.arrive("adult")
    rig.measure(36.6, "adult")
    rig.show(other)
    rig.now += 3.0
    rig.leave()
    assert rig.commit_visit() == [
        not_opened(0, 3_000),
        visit_commit(1, credential=other, thermometer="adult", took_ms=3_000),
    ]


def test_a_decision_that_is_durable_late_opens_for_who_has_waited() -> None:
    rig = decided(LaneRig())
    rig.now += 15.0
    assert rig.commit_visit() == OPEN


def test_who_bends_to_the_code_reader_meanwhile_is_let_in() -> None:
    rig = decided(LaneRig())
    rig.leave()
    rig.now += 2.0
    assert rig.commit_visit() == OPEN


def test_a_thermometer_that_is_lost_does_not_say_that_they_have_waited() -> None:
    rig = decided(LaneRig())
    rig.device("main", works=False)
    rig.now += 3.0
    assert not_opened(0, 3_000) in rig.commit_visit()


@pytest.mark.parametrize(("late_s", "opens"), [(10.0, True), (10.1, False)])
def test_where_nobody_is_felt_a_decision_counts_as_long_as_a_code(
    late_s: float, *, opens: bool
) -> None:
    rig = LaneRig(lane_with(Rules(check_temperature=Check.OFF)))
    rig.show(PUPIL)
    rig.now += late_s
    assert (EnergiseRelay(IDS[0], 0.5) in rig.commit_visit()) is opens


def test_a_single_use_pass_opens_once_and_again_only_if_nobody_passed() -> None:
    once = card(max_uses=1)

    def entry(number: int) -> list[Command]:
        rig.arrive()
        rig.measure()
        commands = rig.show(once)
        rig.commit_visit(number)
        rig.leave()
        return commands

    rig = LaneRig()
    assert entry(0) == [visit_commit(0, credential=once)]
    rig.wait(5.0)
    assert entry(1) == [visit_commit(1, credential=once)]
    rig.pass_through()
    assert entry(2) == [
        visit_commit(
            2,
            Outcome.DENIED,
            Prompt.SHOW_ANOTHER_CODE,
            Reason.USED_UP,
            noted=(Reason.PASSBACK,),
            credential=once,
        )
    ]


def test_the_same_pass_twice_the_same_way_is_noted_until_the_daily_reset() -> None:
    rig = granted(LaneRig())
    rig.leave()
    rig.pass_through()
    rig.arrive()
    rig.measure()
    assert rig.show(PUPIL) == [visit_commit(1, noted=(Reason.PASSBACK,))]
    rig.commit_visit(1)
    rig.leave()
    rig.pass_through()
    assert rig.send(PassbackReset(rig.at)) == []
    rig.arrive()
    rig.measure()
    assert rig.show(PUPIL) == [visit_commit(2)]


def test_a_use_given_back_is_still_from_before_the_reset() -> None:
    rig = granted(LaneRig())
    rig.leave()
    rig.pass_through()
    rig.send(PassbackReset(rig.at))
    rig.arrive()
    rig.measure()
    rig.show(PUPIL)
    rig.commit_visit(1)
    rig.leave()
    rig.wait(5.0)
    rig.arrive()
    rig.measure()
    assert rig.show(PUPIL) == [visit_commit(2)]


def test_a_passage_that_nobody_opened_is_forced() -> None:
    content = PassageContent(visit_id=None, result=PassageResult.FORCED)
    assert LaneRig().pass_through() == [
        Commit(tag="passage/none", content=content),
        alarm_commit(AlarmName.PASSAGE_FORCED),
    ]
