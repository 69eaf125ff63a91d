"""Whoever stands too far away is asked to come closer: no number, no attempt spent, no progress."""

from __future__ import annotations

from dataclasses import replace

from gated.contents import VisitContent
from gated.judgement import TemperatureRules
from gated.messages import DriftNoticed, MeasureAgain, ShowPrompt
from gated.policy import Rules
from gated.visit.state import Command, Commit
from gated.vocabulary import Mode, Outcome, Prompt, Reason, WhenNotJudged
from tests.lane_rig import IDS, LANE, PUPIL, LaneRig

COME_CLOSER = ShowPrompt(Prompt.COME_CLOSER, IDS[0])
FAR = Reason.OUT_OF_DISTANCE


def decided(commands: list[Command]) -> VisitContent:
    """Return what the one visit among ``commands`` says."""
    commits = [c.content for c in commands if isinstance(c, Commit)]
    (content,) = (c for c in commits if isinstance(c, VisitContent))
    return content


def test_who_stands_too_far_away_is_asked_to_come_closer_and_then_measured_once() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.now += 1.0
    assert rig.measure(None, refusal=FAR) == [COME_CLOSER]
    rig.now += 1.0
    assert rig.measure(None, refusal=FAR) == []  # said already
    rig.now += 1.0
    assert rig.measure(36.6) == [ShowPrompt(Prompt.SHOW_CODE, IDS[0])]
    content = decided(rig.show(PUPIL))
    assert (content.outcome, content.attempt, content.readings_c) == (Outcome.GRANTED, 1, (36.6,))
    assert content.hints == (Prompt.COME_CLOSER,)


def test_a_code_does_not_decide_for_somebody_too_far_away() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure(None, refusal=FAR)
    rig.now += 1.0
    assert rig.show(PUPIL) == []
    assert rig.visit().is_present
    rig.now += 1.0
    assert decided(rig.measure(36.6)).outcome is Outcome.GRANTED


def test_being_told_is_progress_once_and_standing_on_is_none() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.show(PUPIL)
    for _ in range(15):
        rig.wait(1.0)
        rig.measure(None, refusal=FAR)
        assert rig.visit().decision is None
    content = decided(rig.wait(1.0))
    assert (content.outcome, content.reason) == (Outcome.SEE_STAFF, FAR)
    assert content.body_c is None


def test_standing_back_is_no_way_around_the_thermometer_where_the_unmeasured_are_admitted() -> None:
    temperature = TemperatureRules(when_not_judged=WhenNotJudged.ADMIT_AND_LIST)
    rig = LaneRig(replace(LANE, rules=Rules(temperature=temperature)))
    rig.arrive()
    rig.measure(None, refusal=FAR)
    rig.show(PUPIL)
    content = decided(rig.wait(20.0))
    assert (content.outcome, content.reason) == (Outcome.SEE_STAFF, FAR)
    assert content.prompt is Prompt.WAIT_STAFF


def test_observing_opens_on_the_pass_alone_also_for_somebody_too_far_away() -> None:
    rig = LaneRig(mode=Mode.OBSERVE)
    rig.arrive()
    rig.measure(None, refusal=FAR)
    rig.show(PUPIL)
    content = decided(rig.wait(20.0))
    assert (content.outcome, content.would_have) == (Outcome.GRANTED, Outcome.SEE_STAFF)


def test_stepping_back_after_a_first_reading_keeps_that_reading() -> None:
    rig = LaneRig()
    rig.arrive()
    assert MeasureAgain("main") in rig.measure(37.25)
    rig.now += 1.0
    assert rig.measure(None, refusal=FAR) == [COME_CLOSER]
    rig.now += 1.0
    rig.measure(37.30)
    content = decided(rig.show(PUPIL))
    assert content.readings_c == (37.25, 37.3)
    assert content.outcome is Outcome.GRANTED


def test_somebody_not_yet_felt_as_a_person_is_asked_for_as_long_as_they_stand_there() -> None:
    rig = LaneRig()
    assert rig.measure(None, refusal=FAR) == [ShowPrompt(Prompt.COME_CLOSER)]
    rig.now += 1.0
    assert rig.measure(None, refusal=FAR) == []
    assert rig.wait(1.9) == []
    assert rig.wait(0.2) == [ShowPrompt(Prompt.READY)]
    assert rig.deadline is None


def test_a_gate_that_is_closed_asks_nobody_to_come_closer() -> None:
    rig = LaneRig(mode=Mode.CLOSED)
    rig.state = replace(rig.state, prompt=Prompt.CLOSED, prompt_mode=Mode.CLOSED)
    assert rig.measure(None, refusal=FAR) == []


def test_drift_is_an_alarm_that_names_the_thermometer() -> None:
    rig = LaneRig()
    (commit,) = rig.send(DriftNoticed("main", True, "people -0.70 °C", rig.at))
    assert isinstance(commit, Commit)
    assert commit.content.members() == {
        "alarm": "thermometer_drifting",
        "visit_id": None,
        "device": "main",
        "detail": "people -0.70 °C",
    }
