"""What people show, and what follows when it is not good, double, or nothing at all."""

from __future__ import annotations

from dataclasses import replace

from gated.contents import AlarmName
from gated.judgement import TemperatureRules
from gated.messages import CallStaff, EnergiseRelay, MeasureAgain, ShowPrompt
from gated.policy import Rules
from gated.visit.state import Commit, Phase, Visit
from gated.vocabulary import Outcome, Prompt, Reason, WhenNotJudged
from tests.lane_rig import (
    EXPIRED,
    IDS,
    PUPIL,
    LaneRig,
    alarm_commit,
    lane_with,
    visit_commit,
)
from tests.policy_cases import POSTER, TWO_CODES

FACE = ShowPrompt(Prompt.FACE, IDS[0])
READY = ShowPrompt(Prompt.READY)


# --- a code that is not good, two codes, no code -------------------------------------------------


def test_a_denied_code_may_be_followed_by_another_and_the_face_is_measured_anew() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    assert rig.show(EXPIRED) == [
        visit_commit(
            0,
            Outcome.DENIED,
            Prompt.SHOW_ANOTHER_CODE,
            Reason.EXPIRED,
            credential=EXPIRED,
        )
    ]
    assert rig.commit_visit() == [ShowPrompt(Prompt.SHOW_ANOTHER_CODE, IDS[0])]
    rig.now += 2.0
    assert rig.show(PUPIL) == [MeasureAgain("main"), ShowPrompt(Prompt.FACE, IDS[1])]
    rig.now += 1.0
    assert rig.measure() == [visit_commit(1, took_ms=1_000)]
    assert rig.commit_visit(1)[0] == EnergiseRelay(IDS[1], 0.5)
    assert not rig.has(0)


def test_a_denied_visitor_without_another_code_is_helped_by_staff() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.show(EXPIRED)
    rig.commit_visit()
    assert rig.wait(15.0) == [
        CallStaff(IDS[0], Reason.EXPIRED),
        alarm_commit(AlarmName.STAFF_CALLED, 0),
        ShowPrompt(Prompt.WAIT_STAFF, IDS[0]),
    ]


def test_a_denied_visitor_who_goes_is_forgotten() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.show(EXPIRED)
    rig.commit_visit()
    assert rig.leave() == [READY]
    assert rig.state.visits == ()


def test_a_denied_visitor_who_has_gone_before_the_answer_is_forgotten() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.show(EXPIRED)
    assert rig.leave() == [READY]
    assert rig.commit_visit() == []
    assert rig.state.visits == ()


def test_the_next_in_the_place_of_a_denied_visitor_begins_anew() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.show(EXPIRED)
    rig.commit_visit()
    assert rig.arrive() == [ShowPrompt(Prompt.FACE, IDS[1])]
    assert [visit.visit_id for visit in rig.state.visits] == [IDS[1]]


def test_a_refused_code_that_no_face_came_with_is_followed_by_a_new_visit() -> None:
    rig = LaneRig()
    refused = Visit(IDS[19], rig.at, rig.at, phase=Phase.REFUSED)
    rig.state = replace(rig.state, visits=(refused,))
    assert rig.show(PUPIL) == [ShowPrompt(Prompt.COME_CLOSER, IDS[0])]


def test_five_refusals_in_a_row_raise_an_alarm_once() -> None:
    rig = LaneRig()
    alarms = []
    for number in range(6):
        rig.arrive()
        rig.measure()
        commits = [c for c in rig.show(EXPIRED) if isinstance(c, Commit)]
        alarms += [(number, c) for c in commits if c.tag.startswith("alarm/")]
        rig.commit_visit(number)
        rig.leave()
    assert alarms == [(4, alarm_commit(AlarmName.CODE_REFUSED_REPEATEDLY, 4))]


def test_two_codes_at_once_are_refused_and_one_is_asked_for() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    assert rig.show(TWO_CODES) == [
        visit_commit(
            0,
            Outcome.DENIED,
            Prompt.ONE_CODE_ONLY,
            Reason.AMBIGUOUS,
            credential=TWO_CODES,
        )
    ]
    assert rig.commit_visit() == [ShowPrompt(Prompt.ONE_CODE_ONLY, IDS[0])]


def test_two_codes_before_an_empty_lane_begin_no_visit() -> None:
    rig = LaneRig()
    assert rig.show(TWO_CODES) == [ShowPrompt(Prompt.ONE_CODE_ONLY)]
    assert rig.state.visits == ()


def test_two_codes_while_the_face_is_still_measured_ask_for_one_at_once() -> None:
    rig = LaneRig()
    rig.arrive()
    assert rig.show(TWO_CODES) == [ShowPrompt(Prompt.ONE_CODE_ONLY, IDS[0])]
    assert rig.show(PUPIL) == [FACE]
    assert rig.measure() == [visit_commit(hints=(Prompt.ONE_CODE_ONLY,))]


def test_a_poster_behind_an_empty_lane_begins_no_visit() -> None:
    rig = LaneRig()
    assert rig.show(POSTER) == []
    assert rig.state.visits == ()


def test_without_progress_a_hint_is_spoken_and_then_staff_is_called() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    assert rig.wait(2.9) == []
    assert rig.wait(0.1) == [ShowPrompt(Prompt.SHOW_CODE, IDS[0], is_spoken=True)]
    assert rig.wait(11.9) == []
    assert rig.wait(0.1) == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.NO_CREDENTIAL,
            credential=None,
            took_ms=15_000,
            hints=(Prompt.SHOW_CODE,),
        )
    ]
    assert rig.commit_visit() == [
        CallStaff(IDS[0], Reason.NO_CREDENTIAL),
        ShowPrompt(Prompt.WAIT_STAFF, IDS[0]),
    ]


def test_time_counts_from_the_last_progress_not_from_the_beginning() -> None:
    rig = LaneRig()
    rig.arrive()
    assert rig.wait(14.0) == [ShowPrompt(Prompt.STAND_STILL, IDS[0], is_spoken=True)]
    rig.measure()
    assert [c for c in rig.wait(14.9) if isinstance(c, Commit)] == []


def test_a_code_shown_while_still_waiting_for_staff_begins_a_new_visit() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.wait(15.0)
    rig.commit_visit()
    assert rig.show(PUPIL) == [MeasureAgain("main"), ShowPrompt(Prompt.FACE, IDS[1])]
    assert rig.measure() == [visit_commit(1)]


# --- walking away --------------------------------------------------------------------------------


def test_walking_away_without_a_code_is_recorded_as_abandoned_after_a_grace() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.now += 1.0
    assert rig.leave() == []
    assert rig.wait(1.9) == []
    assert rig.wait(0.1) == [
        visit_commit(
            0,
            Outcome.ABANDONED,
            Prompt.READY,
            Reason.NO_CREDENTIAL,
            Reason.WALKED_AWAY,
            credential=None,
            took_ms=3_000,
        )
    ]
    assert rig.commit_visit() == [READY]
    assert rig.state.visits == ()


def test_a_code_shown_and_gone_unmeasured_is_abandoned_and_uses_no_pass() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show(PUPIL)
    rig.leave()
    assert rig.wait(2.0) == [
        visit_commit(
            0,
            Outcome.ABANDONED,
            Prompt.READY,
            Reason.NO_READING,
            Reason.WALKED_AWAY,
            readings_c=(),
            took_ms=2_000,
        )
    ]


def test_bending_to_the_code_reader_is_not_walking_away() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.leave()
    rig.wait(1.0)
    assert rig.show(PUPIL) == [visit_commit(took_ms=1_000)]


def test_who_comes_back_within_the_grace_is_measured_anew() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show(PUPIL)
    rig.measure(37.4)
    rig.leave()
    rig.wait(1.0)
    rig.arrive()
    assert rig.visit().readings == ()
    assert rig.measure(36.6) == [visit_commit(took_ms=1_000)]


def test_a_code_shown_before_its_owner_is_felt_outlives_whoever_stood_there() -> None:
    rig = LaneRig()
    rig.arrive()  # who goes again, without anything
    rig.leave()
    rig.wait(1.9)
    rig.show(PUPIL)
    assert not any(isinstance(command, Commit) for command in rig.wait(0.5))
    rig.arrive()
    assert rig.measure() == [visit_commit(took_ms=2_400)]


def test_a_code_does_not_lengthen_the_grace_of_a_reading() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure(37.2)  # asks for a second one
    rig.leave()
    rig.wait(1.9)
    rig.show(PUPIL)
    commits = [command.tag for command in rig.wait(0.1) if isinstance(command, Commit)]
    assert commits == [f"visit/{IDS[0]}"]


def test_who_comes_after_somebody_without_a_code_is_the_next() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.leave()
    rig.wait(1.0)
    assert rig.arrive() == [
        visit_commit(
            0,
            Outcome.ABANDONED,
            Prompt.READY,
            Reason.NO_CREDENTIAL,
            Reason.WALKED_AWAY,
            credential=None,
            took_ms=1_000,
        ),
        ShowPrompt(Prompt.FACE, IDS[1]),
    ]


def test_a_code_without_anybody_before_the_sensor_never_opens() -> None:
    temperature = TemperatureRules(when_not_judged=WhenNotJudged.ADMIT_AND_LIST)
    rig = LaneRig(lane_with(Rules(temperature=temperature)))
    rig.show(PUPIL)
    rig.wait(10.0)
    decision = rig.visit().decision
    assert decision is not None
    assert (decision.outcome, decision.reason) == (Outcome.SEE_STAFF, Reason.NO_READING)
