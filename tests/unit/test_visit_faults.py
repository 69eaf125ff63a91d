"""What fails while people stand at the gate: the disk, a device, the clock, the process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.clock import TimeQuality
from gated.contents import AlarmContent, AlarmName, ClockContent, PassageContent, VisitContent
from gated.judgement import TemperatureRules
from gated.messages import (
    CallStaff,
    Credential,
    EnergiseRelay,
    MeasureAgain,
    Reading,
    ReadingTaken,
    ShowPrompt,
)
from gated.policy import Rules
from gated.visit.state import ClockChanged, Commit, Restarted, SettingsChanged
from gated.vocabulary import Mode, Outcome, PassageResult, Prompt, Reason, Verdict, WhenNotJudged
from tests.lane_rig import (
    IDS,
    LANE,
    PAIR,
    PUPIL,
    TEACHER,
    LaneRig,
    granted,
    lane_with,
    passage_commit,
    visit_commit,
)
from tests.policy_cases import card


def device_alarm(alarm: AlarmName, device: str, detail: str = "") -> Commit:
    content = AlarmContent(alarm=alarm, device=device, detail=detail)
    return Commit(tag=f"alarm/{alarm}", content=content)


# --- the disk ------------------------------------------------------------------------------------


def unrecorded_alarm(count: int) -> Commit:
    detail = f"{count} events could not be recorded; nobody was let in"
    return Commit("alarm/ledger_full", AlarmContent(alarm=AlarmName.LEDGER_FULL, detail=detail))


def test_a_decision_that_cannot_be_recorded_opens_nothing_and_calls_staff() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.show(PUPIL)
    commands = rig.fail(f"visit/{IDS[0]}")
    assert commands[0] == CallStaff(IDS[0], Reason.STORAGE_FAILED)
    assert commands[-1] == ShowPrompt(Prompt.OUT_OF_ORDER, IDS[0])
    assert (rig.state.visits, rig.state.uses) == ((), {})
    assert rig.commit_visit() == [unrecorded_alarm(1)]


def test_whoever_waits_for_the_lane_is_served_when_the_one_before_cannot_be_recorded() -> None:
    rig = LaneRig(PAIR)
    rig.arrive("child")
    rig.measure(36.6, "child")
    rig.show(PUPIL)
    rig.arrive("adult")
    rig.measure(36.6, "adult")
    other = card(holder="k1:other")
    rig.show(other)
    commands = rig.fail(f"visit/{IDS[0]}")
    assert visit_commit(1, credential=other, thermometer="adult") in commands


@pytest.mark.parametrize("tag", ["passage/none", "alarm/staff_called", "clock", "record", "mode/7"])
def test_a_failure_that_concerns_no_decision_changes_nothing(tag: str) -> None:
    rig = LaneRig()
    rig.arrive()
    before = rig.state
    assert rig.fail(tag) == []
    assert rig.commit(tag) == [unrecorded_alarm(1)]
    assert rig.state == before


def test_what_could_not_be_recorded_is_told_once_the_ledger_takes_events_again() -> None:
    rig = LaneRig()
    rig.fail("clock")
    rig.fail("record")
    assert rig.commit("record") == [unrecorded_alarm(2)]
    assert rig.commit("record") == []


def test_a_passage_that_cannot_be_recorded_does_not_disturb_the_next() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.show(PUPIL)
    rig.commit_visit()
    assert rig.fail(f"passage/{IDS[0]}") == []
    assert rig.has(0)


# --- devices -------------------------------------------------------------------------------------


def test_a_lost_thermometer_is_said_and_recorded_once() -> None:
    rig = LaneRig()
    lost = [
        device_alarm(AlarmName.DEVICE_LOST, "main", "no answer"),
        ShowPrompt(Prompt.OUT_OF_ORDER),
    ]
    assert rig.device("main", works=False, reason="no answer") == lost
    assert rig.device("main", works=False, reason="no answer") == []
    back = [device_alarm(AlarmName.DEVICE_RETURNED, "main"), ShowPrompt(Prompt.READY)]
    assert rig.device("main", works=True) == back
    assert rig.device("main", works=True) == []


def test_one_of_two_thermometers_lost_leaves_the_gate_in_order() -> None:
    rig = LaneRig(PAIR)
    assert rig.device("child", works=False) == [device_alarm(AlarmName.DEVICE_LOST, "child")]
    assert rig.state.prompt is Prompt.READY


def test_a_lost_scanner_has_an_alarm_of_its_own() -> None:
    rig = LaneRig()
    lost = device_alarm(AlarmName.SCANNER_LOST, "scanner", "camera stuck")
    assert rig.device("scanner", works=False, reason="camera stuck") == [lost]
    back = device_alarm(AlarmName.SCANNER_RETURNED, "scanner")
    assert rig.device("scanner", works=True) == [back]


def test_a_reason_of_any_length_fits_the_record() -> None:
    commands = LaneRig().device("buzzer", works=False, reason="x" * 1_000)
    assert commands == [device_alarm(AlarmName.DEVICE_LOST, "buzzer", "x" * 200)]


def test_a_thermometer_lost_while_somebody_stands_there_ends_with_staff() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show(PUPIL)
    rig.device("main", works=False, reason="no answer")
    commits = [command for command in rig.wait(15.0) if isinstance(command, Commit)]
    assert commits == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.SENSOR_LOST,
            readings_c=(),
            took_ms=15_000,
            hints=(Prompt.STAND_STILL,),
        )
    ]


def test_a_code_at_a_gate_without_any_thermometer_says_why_it_is_not_judged() -> None:
    rig = LaneRig()
    rig.device("main", works=False)
    rig.show(PUPIL)
    commits = [command for command in rig.wait(10.0) if isinstance(command, Commit)]
    assert commits == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.SENSOR_LOST,
            readings_c=(),
            thermometer=None,
            took_ms=10_000,
            hints=(Prompt.COME_CLOSER,),
        )
    ]


def not_vouched_for(
    number: int = 0,
    readings_c: tuple[float, ...] = (36.6,),
    *,
    credential: Credential = PUPIL,
    took_ms: int = 0,
) -> Commit:
    """Return the commit of a visit whose thermometer was lost after these readings."""
    return visit_commit(
        number,
        Outcome.SEE_STAFF,
        Prompt.WAIT_STAFF,
        Reason.SENSOR_LOST,
        readings_c=readings_c,
        credential=credential,
        attempt=len(readings_c) + 1,
        body_c=None,
        verdict=Verdict.NOT_JUDGED,
        took_ms=took_ms,
    )


def waiting_for_the_lane() -> tuple[LaneRig, Credential]:
    """Somebody is measured and has shown a code, while somebody else is passing."""
    rig = granted(LaneRig())
    rig.leave()
    rig.arrive()
    rig.measure()
    other = card(holder="k1:other")
    rig.show(other)
    return rig, other


def test_what_a_thermometer_measured_before_it_was_lost_opens_for_nobody_else() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.device("main", works=False, reason="no answer")
    rig.now += 12.0  # they go, and somebody else comes: no thermometer tells
    assert rig.show(PUPIL) == [not_vouched_for(took_ms=12_000)]


def test_who_waits_for_the_lane_when_the_thermometer_is_lost_is_not_let_in_afterwards() -> None:
    rig, other = waiting_for_the_lane()
    rig.device("main", works=False)
    assert not_vouched_for(1, credential=other) in rig.pass_through()


def test_a_lost_thermometer_does_not_let_in_who_was_measured_near_the_threshold() -> None:
    admits = TemperatureRules(when_not_judged=WhenNotJudged.ADMIT_AND_LIST)
    rig = LaneRig(lane_with(Rules(temperature=admits)))
    rig.arrive()
    rig.measure(37.4)
    rig.measure(36.8)
    rig.device("main", works=False)
    assert rig.show(PUPIL) == [not_vouched_for(readings_c=(37.4, 36.8))]


def test_a_fever_stays_one_when_the_thermometer_is_lost() -> None:
    admits = TemperatureRules(when_not_judged=WhenNotJudged.ADMIT_AND_LIST)
    rig = LaneRig(lane_with(Rules(temperature=admits)), mode=Mode.OBSERVE)
    rig.arrive()
    rig.measure(38.5)
    rig.device("main", works=False)
    rig.request(Mode.NORMAL)
    rig.commit("mode/1")
    (commit, _) = rig.show(PUPIL)
    assert isinstance(commit, Commit)
    assert isinstance(commit.content, VisitContent)
    assert commit.content.reasons == (Reason.TEMPERATURE_HIGH,)


def test_one_of_two_thermometers_lost_leaves_who_stands_before_the_other() -> None:
    rig = LaneRig(PAIR)
    rig.arrive("adult")
    rig.measure(36.6, "adult")
    rig.device("child", works=False)
    assert rig.show(PUPIL) == [visit_commit(thermometer="adult")]


def back_again(rig: LaneRig) -> None:
    """The thermometer works again and feels somebody, whom it measures anew."""
    rig.now += 1.0
    rig.device("main", works=True)
    rig.leave()  # across the gap it vouches for nobody
    rig.now += 0.5
    rig.arrive()
    rig.measure()


def test_a_thermometer_that_is_back_measures_whoever_stands_there_anew() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.device("main", works=False)
    back_again(rig)
    assert rig.show(PUPIL) == [visit_commit(1)]


def test_who_waited_for_the_lane_is_measured_anew_and_goes_on_without_another_code() -> None:
    rig, other = waiting_for_the_lane()
    rig.device("main", works=False)
    back_again(rig)
    assert visit_commit(1, credential=other, took_ms=1_500) in rig.pass_through()


def test_who_showed_a_code_to_a_lost_thermometer_may_show_it_again() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.device("main", works=False)
    rig.show(PUPIL)
    rig.commit_visit()
    back_again(rig)
    assert rig.show(PUPIL) == [visit_commit(1)]
    assert EnergiseRelay(IDS[1], 0.5) in rig.commit_visit(1)


def test_values_beside_the_temperature_that_are_no_numbers_are_left_out_of_the_record() -> None:
    rig = LaneRig()
    rig.arrive()
    strange = Reading(
        "main",
        rig.at,
        36.6,
        skin_c=float("nan"),
        ambient_c=float("inf"),
        distance_m=float("-inf"),
        spread_c=float("nan"),
    )
    rig.send(ReadingTaken(strange, rig.at))
    assert rig.show(PUPIL) == [visit_commit()]


# --- the clock, the settings, the process --------------------------------------------------------


def test_a_change_of_the_clock_is_recorded_and_counts_from_then_on() -> None:
    rig = LaneRig()
    event = ClockChanged(TimeQuality.UNKNOWN, rig.at, step_ms=-3_600_000)
    content = ClockContent(to_quality=TimeQuality.UNKNOWN, step_ms=-3_600_000)
    assert rig.send(event) == [Commit(tag="clock", content=content)]
    rig.arrive()
    rig.measure()
    assert rig.show(PUPIL) == [visit_commit(noted=(Reason.CLOCK_UNKNOWN,))]


@pytest.mark.parametrize(
    ("code_made_s", "outcome", "reasons", "noted"),
    [
        (1_764_000_000, Outcome.DENIED, (Reason.CLOCK_UNKNOWN,), ()),
        (None, Outcome.GRANTED, (), (Reason.CLOCK_UNKNOWN,)),
    ],
)
def test_a_code_that_was_checked_without_a_clock_stays_so_once_the_clock_is_set(
    code_made_s: int | None,
    outcome: Outcome,
    reasons: tuple[Reason, ...],
    noted: tuple[Reason, ...],
) -> None:
    rig = LaneRig()
    rig.send(ClockChanged(TimeQuality.UNKNOWN, rig.at))
    rig.arrive()
    rig.show(replace(PUPIL, code_made_s=code_made_s, time_quality=TimeQuality.UNKNOWN))
    rig.send(ClockChanged(TimeQuality.TRUSTED, rig.at))
    (commit,) = rig.measure()
    assert isinstance(commit, Commit)
    assert isinstance(commit.content, VisitContent)
    decided = commit.content
    assert (decided.outcome, decided.reasons, decided.noted) == (outcome, reasons, noted)


def test_changed_settings_hold_for_the_next_decision() -> None:
    rig = LaneRig()
    rig.arrive()
    rules = Rules(temperature=TemperatureRules(fever_threshold_c=36.4))
    assert rig.send(SettingsChanged(lane_with(rules), rig.at)) == []
    again = ShowPrompt(Prompt.MEASURE_AGAIN, IDS[0])
    assert rig.measure(36.6) == [MeasureAgain("main"), again]  # inside the new band


def test_visits_that_a_restart_left_open_end_unknown() -> None:
    rig = LaneRig()
    assert rig.send(Restarted((IDS[5], IDS[6]), rig.at)) == [
        Commit(
            tag=f"passage/{visit_id}",
            content=PassageContent(
                visit_id=visit_id, result=PassageResult.UNKNOWN, reason=Reason.RESTART
            ),
            closes_visit=visit_id,
        )
        for visit_id in (IDS[5], IDS[6])
    ]


def test_a_lane_at_rest_wants_no_tick() -> None:
    rig = LaneRig(replace(LANE))
    assert rig.deadline is None
    assert rig.wait(3_600.0) == []


# --- the relay -----------------------------------------------------------------------------------


def test_a_gate_that_cannot_open_says_so_to_whoever_was_told_to_go_and_calls_staff() -> None:
    rig = granted(LaneRig())
    lost = device_alarm(AlarmName.DEVICE_LOST, "relay", "no answer")
    assert rig.device("relay", works=False, reason="no answer") == [
        lost,
        CallStaff(IDS[0], None),
        ShowPrompt(Prompt.OUT_OF_ORDER),
    ]
    rig.leave()
    rig.wait(5.0)
    assert rig.state.prompt is Prompt.OUT_OF_ORDER
    back = device_alarm(AlarmName.DEVICE_RETURNED, "relay")
    assert rig.device("relay", works=True) == [back, ShowPrompt(Prompt.READY)]


def test_with_the_relay_lost_nobody_is_told_to_go_and_no_use_is_used_up() -> None:
    once = card(max_uses=1)
    rig = LaneRig()
    rig.device("relay", works=False)
    rig.arrive()
    rig.measure()
    assert rig.show(once) == [visit_commit(credential=once)]
    assert rig.commit_visit() == [
        passage_commit(0, PassageResult.NOBODY_PASSED, 0),
        ShowPrompt(Prompt.OUT_OF_ORDER),
        CallStaff(IDS[0], None),
    ]
    rig.device("relay", works=True)
    rig.leave()
    rig.arrive()
    rig.measure()
    assert rig.show(once) == [visit_commit(1, credential=once)]
    assert EnergiseRelay(IDS[1], 0.5) in rig.commit_visit(1)


def test_whoever_was_measured_meanwhile_is_not_told_to_go_on_at_a_gate_that_cannot_open() -> None:
    rig = LaneRig(PAIR)
    rig.device("relay", works=False)
    rig.arrive("child")
    rig.measure(36.6, "child")
    rig.show(PUPIL)
    rig.arrive("adult")
    assert rig.commit_visit()[-2:] == [
        CallStaff(IDS[0], None),
        ShowPrompt(Prompt.OUT_OF_ORDER, IDS[0]),
    ]


def test_whom_staff_release_while_the_relay_is_lost_is_not_told_to_go() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure(38.2)
    rig.commit_visit()
    rig.show(TEACHER)
    rig.press()
    rig.device("relay", works=False)
    commands = rig.commit(f"release/{IDS[0]}")
    assert commands[0] == passage_commit(0, PassageResult.NOBODY_PASSED, 0)
    assert not any(isinstance(command, EnergiseRelay) for command in commands)
    assert rig.state.prompt is Prompt.OUT_OF_ORDER
