"""From the first sign of somebody to the passage: events in, whole lists of commands out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.contents import AlarmName, PassageContent
from gated.messages import (
    CallStaff,
    Check,
    EnergiseRelay,
    MeasureAgain,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ShowPrompt,
    Verdict,
)
from gated.policy import Rules
from gated.visit.state import Command, Commit, PassbackReset, Phase, Visit
from tests.lane_rig import (
    ESCORT,
    EXPIRED,
    IDS,
    LANE,
    PAIR,
    PUPIL,
    LaneRig,
    alarm_commit,
    lane_with,
    passage_commit,
    visit_commit,
)
from tests.policy_cases import POSTER, TWO_CODES, card

FACE = ShowPrompt(Prompt.FACE, IDS[0])
SHOW_CODE = ShowPrompt(Prompt.SHOW_CODE, IDS[0])
READY = ShowPrompt(Prompt.READY)
OPEN = [EnergiseRelay(IDS[0], 0.5), ShowPrompt(Prompt.GO, IDS[0])]


def granted(rig: LaneRig) -> LaneRig:
    """Bring the first visitor to the point where the relay has just been commanded."""
    rig.arrive()
    rig.measure()
    rig.show()
    assert rig.commit_visit() == OPEN
    return rig


# --- a healthy pupil -----------------------------------------------------------------------------


def test_a_healthy_pupil_is_measured_recorded_let_through_and_recorded_again() -> None:
    rig = LaneRig()
    assert rig.arrive() == [FACE]
    rig.now += 1.2
    assert rig.measure(36.6) == [SHOW_CODE]
    rig.now += 0.8
    assert rig.show(PUPIL) == [visit_commit(took_ms=2_000)]
    assert rig.visit().phase is Phase.COMMITTING
    rig.now += 0.01
    assert rig.commit_visit() == OPEN
    rig.now += 1.0
    assert rig.leave() == []
    rig.now += 1.0
    assert rig.pass_through() == [passage_commit(0, PassageResult.PASSED, 4_010), READY]
    assert (rig.state.visits, rig.deadline) == ((), None)


def test_a_code_shown_before_the_face_waits_for_the_face() -> None:
    rig = LaneRig()
    assert rig.show(PUPIL) == [ShowPrompt(Prompt.COME_CLOSER, IDS[0])]
    rig.now += 1.0
    assert rig.arrive() == [FACE]
    rig.now += 1.0
    assert rig.measure(36.6) == [visit_commit(took_ms=2_000)]
    assert rig.commit_visit() == OPEN


def test_a_code_that_nobody_follows_calls_staff_after_ten_seconds() -> None:
    rig = LaneRig()
    rig.show(PUPIL)
    assert rig.wait(9.9) == [ShowPrompt(Prompt.COME_CLOSER, IDS[0], is_spoken=True)]
    assert rig.wait(0.1) == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.NO_READING,
            readings_c=(),
            thermometer=None,
            took_ms=10_000,
        )
    ]


def test_nothing_opens_before_the_answer_of_the_ledger() -> None:
    rig = LaneRig()
    commands = [*rig.arrive(), *rig.measure(), *rig.show(), *rig.wait(60.0), *rig.pass_through()]
    assert not [command for command in commands if isinstance(command, EnergiseRelay)]


def test_the_same_answer_twice_opens_once() -> None:
    rig = granted(LaneRig())
    assert rig.commit_visit() == []
    rig.pass_through()
    assert rig.commit_visit() == []


def test_a_visit_that_has_opened_never_opens_again_whatever_its_phase() -> None:
    rig = granted(LaneRig())
    visit = replace(rig.visit(), phase=Phase.COMMITTING)
    rig.state = replace(rig.state, visits=(visit,))
    assert rig.commit_visit() == []


def test_a_slow_visitor_has_longer_to_pass() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.show(card(is_slow=True))
    rig.commit_visit()
    assert rig.deadline == rig.now + 15.0


def test_a_relay_pulse_is_as_long_as_the_site_says() -> None:
    lane = lane_with(timing=replace(LANE.timing, pulse_s=0.8))
    rig = LaneRig(lane)
    rig.arrive()
    rig.measure()
    rig.show()
    assert rig.commit_visit()[0] == EnergiseRelay(IDS[0], 0.8)


# --- measuring again -----------------------------------------------------------------------------


def test_a_reading_in_the_band_is_taken_again_and_the_mean_decides() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show()
    again = ShowPrompt(Prompt.MEASURE_AGAIN, IDS[0])
    assert rig.measure(37.5) == [MeasureAgain("main"), again]
    assert rig.wait(1.0) == []
    assert rig.measure(36.9) == [visit_commit(readings_c=(37.5, 36.9), body_c=37.2, took_ms=1_000)]


def test_a_second_reading_that_confirms_sends_to_staff_with_an_alarm() -> None:
    rig = LaneRig()
    rig.arrive()
    assert rig.measure(37.4)[0] == MeasureAgain("main")
    assert rig.measure(37.3) == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.TEMPERATURE_HIGH,
            Reason.NO_CREDENTIAL,
            readings_c=(37.4, 37.3),
            verdict=Verdict.HIGH,
            body_c=37.35,
            credential=None,
        ),
        alarm_commit(AlarmName.TEMPERATURE_HIGH, 0),
    ]


def test_a_second_reading_that_fails_sends_to_staff() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show()
    rig.measure(37.4)
    assert rig.measure(None, refusal=Reason.SPREAD_TOO_LARGE) == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.SPREAD_TOO_LARGE,
            readings_c=(37.4,),
            attempt=2,
            verdict=Verdict.NOT_JUDGED,
            body_c=None,
        )
    ]


def test_a_second_reading_that_never_comes_sends_to_staff() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show()
    rig.measure(37.4)
    assert rig.wait(15.0) == [
        ShowPrompt(Prompt.MEASURE_AGAIN, IDS[0], is_spoken=True),
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.NO_READING,
            readings_c=(37.4,),
            verdict=Verdict.RECHECK,
            took_ms=15_000,
        ),
    ]


# --- a fever -------------------------------------------------------------------------------------


def test_a_high_fever_is_sent_to_staff_at_once_without_waiting_for_a_code() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.now += 1.0
    assert rig.measure(38.2) == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.TEMPERATURE_HIGH,
            Reason.NO_CREDENTIAL,
            readings_c=(38.2,),
            verdict=Verdict.HIGH,
            credential=None,
            took_ms=1_000,
        ),
        alarm_commit(AlarmName.TEMPERATURE_HIGH, 0),
    ]
    assert rig.commit_visit() == [
        CallStaff(IDS[0], Reason.TEMPERATURE_HIGH),
        ShowPrompt(Prompt.WAIT_STAFF, IDS[0]),
    ]
    assert rig.visit().phase is Phase.WAITING_STAFF


def test_a_reading_that_is_too_old_counts_as_none() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show()
    assert rig.measure(36.6, age_s=2.1) == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.STALE_READING,
            readings_c=(),
            attempt=1,
        )
    ]


def test_a_reading_of_another_thermometer_is_nobodys() -> None:
    rig = LaneRig()
    rig.arrive()
    assert rig.measure(38.5, "elsewhere") == []
    assert rig.visit().readings == ()


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
    assert rig.measure() == [visit_commit()]


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


# --- checks that are soft or off -----------------------------------------------------------------


def test_without_a_temperature_check_the_code_alone_decides() -> None:
    rig = LaneRig(lane_with(Rules(check_temperature=Check.OFF)))
    assert rig.show(PUPIL) == [visit_commit(readings_c=(), thermometer=None)]


def test_without_a_credential_check_the_face_alone_decides() -> None:
    rig = LaneRig(lane_with(Rules(check_credential=Check.OFF)))
    rig.arrive()
    assert rig.measure() == [visit_commit(credential=None)]
    assert rig.commit_visit() == OPEN
    assert rig.state.uses == {}


@pytest.mark.parametrize("body_c", [36.6, 38.5])
def test_a_soft_temperature_check_waits_for_the_code(body_c: float) -> None:
    rig = LaneRig(lane_with(Rules(check_temperature=Check.SOFT)))
    rig.arrive()
    assert rig.measure(body_c) == [SHOW_CODE]
