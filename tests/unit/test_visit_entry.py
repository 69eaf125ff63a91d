"""From the first sign of somebody to the relay: events in, whole lists of commands out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.contents import AlarmName
from gated.messages import CallStaff, EnergiseRelay, MeasureAgain, ShowPrompt
from gated.policy import Rules
from gated.visit.state import Phase
from gated.vocabulary import Check, Outcome, PassageResult, Prompt, Reason, Verdict
from tests.lane_rig import (
    IDS,
    LANE,
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
SHOW_CODE = ShowPrompt(Prompt.SHOW_CODE, IDS[0])
READY = ShowPrompt(Prompt.READY)
OPEN = [EnergiseRelay(IDS[0], 0.5), ShowPrompt(Prompt.GO, IDS[0])]


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
            hints=(Prompt.COME_CLOSER,),
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


def test_who_moved_is_measured_once_more_before_anybody_is_called() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show()
    assert rig.measure(None, refusal=Reason.SPREAD_TOO_LARGE) == [
        MeasureAgain("main"),
        ShowPrompt(Prompt.MEASURE_AGAIN, IDS[0]),
    ]
    assert rig.measure(36.6) == [visit_commit(attempt=2)]


def test_who_moves_again_is_told_to_rest_and_staff_is_called() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show()
    rig.measure(None, refusal=Reason.SPREAD_TOO_LARGE)
    (commit,) = rig.measure(None, refusal=Reason.SPREAD_TOO_LARGE)
    assert commit == visit_commit(
        0,
        Outcome.SEE_STAFF,
        Prompt.AGAIN_LATER,
        Reason.SPREAD_TOO_LARGE,
        readings_c=(),
        attempt=2,
    )


def test_who_moved_and_left_is_not_measured_again() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show()
    rig.leave()
    assert rig.measure(None, refusal=Reason.SPREAD_TOO_LARGE)[0] == visit_commit(
        0,
        Outcome.SEE_STAFF,
        Prompt.AGAIN_LATER,
        Reason.SPREAD_TOO_LARGE,
        readings_c=(),
        attempt=1,
    )


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
            hints=(Prompt.MEASURE_AGAIN,),
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
