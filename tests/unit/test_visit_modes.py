"""How the gate is run: normal, closed, observe, drill; and when a change takes effect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.contents import AlarmName, ModeContent
from gated.messages import EnergiseRelay, ShowPrompt
from gated.visit.state import Commit, ModeRequested
from gated.vocabulary import HolderCategory, Mode, Outcome, Prompt, Reason, Verdict
from tests.lane_rig import IDS, PUPIL, LaneRig, alarm_commit, visit_commit
from tests.policy_cases import card


def mode_commit(
    number: int, mode: Mode, *, drill: bool = False, by: str = "office", until: str | None = None
) -> Commit:
    return Commit(
        tag=f"mode/{number}",
        content=ModeContent(to_mode=mode, to_drill=drill, expires_at=until, by=by),
        settings=(
            ("mode", mode.value),
            ("drill", "1" if drill else "0"),
            ("mode_expires_at", until or ""),
            ("mode_by", by),
        ),
    )


# --- when a change takes effect ------------------------------------------------------------------


def test_a_mode_takes_effect_only_once_it_is_durable() -> None:
    rig = LaneRig()
    assert rig.request(Mode.OBSERVE) == [mode_commit(1, Mode.OBSERVE)]
    assert rig.is_in(Mode.NORMAL)
    # the prompt is the same, the lamp of observing is not
    assert rig.commit("mode/1") == [ShowPrompt(Prompt.READY, mode=Mode.OBSERVE)]
    assert rig.is_in(Mode.OBSERVE)
    assert rig.state.mode_by == "office"


def test_closing_takes_effect_at_once() -> None:
    rig = LaneRig()
    assert rig.request(Mode.CLOSED) == [mode_commit(1, Mode.CLOSED)]
    assert rig.is_in(Mode.CLOSED)
    assert rig.commit("mode/1") == [ShowPrompt(Prompt.CLOSED, mode=Mode.CLOSED)]


def test_a_mode_that_cannot_be_recorded_does_not_take_effect() -> None:
    rig = LaneRig()
    rig.request(Mode.OBSERVE)
    rig.fail("mode/1")
    rig.commit("mode/1")
    assert rig.is_in(Mode.NORMAL)


def test_a_closure_that_cannot_be_recorded_stays_closed() -> None:
    rig = LaneRig(mode=Mode.OBSERVE)
    rig.request(Mode.CLOSED)
    rig.fail("mode/1")
    assert rig.is_in(Mode.CLOSED)


def test_the_answer_to_an_older_request_does_not_bring_a_newer_one_into_effect() -> None:
    rig = LaneRig(mode=Mode.CLOSED)
    rig.request(Mode.NORMAL)
    rig.request(Mode.OBSERVE)
    rig.commit("mode/1")
    assert rig.is_in(Mode.CLOSED)
    rig.fail("mode/2")
    assert rig.is_in(Mode.CLOSED)


def test_the_answer_to_an_older_request_does_not_open_what_was_closed_since() -> None:
    rig = LaneRig()
    rig.request(Mode.OBSERVE)
    rig.request(Mode.CLOSED)
    rig.commit("mode/1")
    assert rig.is_in(Mode.CLOSED)
    rig.commit("mode/2")
    assert rig.is_in(Mode.CLOSED)


def test_a_mode_with_an_end_returns_to_normal_then() -> None:
    rig = LaneRig()
    until = "2026-11-23T09:00:00.000+08:00"
    request = ModeRequested(Mode.OBSERVE, True, "office", rig.at, 60.0, until)
    assert rig.send(request) == [mode_commit(1, Mode.OBSERVE, drill=True, until=until)]
    rig.commit("mode/1")
    assert rig.deadline == rig.now + 60.0
    assert rig.wait(60.0) == [mode_commit(2, Mode.NORMAL, by="expiry")]
    assert rig.is_in(Mode.OBSERVE, drill=True)
    rig.commit("mode/2")
    assert rig.is_in(Mode.NORMAL)
    assert rig.deadline is None


def test_an_end_that_cannot_be_recorded_is_tried_again() -> None:
    rig = LaneRig()
    rig.request(Mode.OBSERVE, for_s=60.0)
    rig.commit("mode/1")
    rig.wait(60.0)
    rig.fail("mode/2")
    assert rig.wait(10.0) == [mode_commit(3, Mode.NORMAL, by="expiry")]
    rig.commit("mode/3")
    assert rig.is_in(Mode.NORMAL)


def test_the_end_of_an_older_mode_does_not_undo_a_closure() -> None:
    rig = LaneRig()
    rig.request(Mode.OBSERVE, for_s=60.0)
    rig.commit("mode/1")
    rig.wait(59.0)
    rig.request(Mode.CLOSED)
    assert rig.wait(60.0) == []
    rig.commit("mode/2")
    assert rig.wait(600.0) == []
    assert rig.is_in(Mode.CLOSED)


def test_the_end_of_an_older_mode_does_not_undo_a_closure_that_cannot_be_recorded() -> None:
    rig = LaneRig()
    rig.request(Mode.OBSERVE, for_s=60.0)
    rig.commit("mode/1")
    rig.request(Mode.CLOSED)
    rig.fail("mode/2")
    assert rig.wait(600.0) == []
    assert rig.is_in(Mode.CLOSED)


def test_the_end_of_an_older_mode_waits_for_a_request_on_its_way() -> None:
    rig = LaneRig()
    rig.request(Mode.OBSERVE, for_s=60.0)
    rig.commit("mode/1")
    rig.wait(59.0)
    rig.request(Mode.OBSERVE, for_s=600.0)
    assert rig.wait(5.0) == []
    rig.commit("mode/2")
    assert rig.deadline == rig.now - 5.0 + 600.0


def test_a_drill_is_a_flag_beside_the_mode() -> None:
    rig = LaneRig()
    rig.request(Mode.NORMAL, drill=True)
    rig.commit("mode/1")
    assert rig.is_in(Mode.NORMAL, drill=True)


# --- closed --------------------------------------------------------------------------------------


def test_closed_says_so_to_whoever_comes() -> None:
    rig = LaneRig(mode=Mode.CLOSED)
    assert rig.arrive() == [ShowPrompt(Prompt.CLOSED, IDS[0], mode=Mode.CLOSED)]


def test_closed_denies_a_pupil() -> None:
    rig = LaneRig(mode=Mode.CLOSED)
    rig.arrive()
    rig.measure()
    assert rig.show(PUPIL) == [visit_commit(0, Outcome.DENIED, Prompt.CLOSED, Reason.CLOSED)]
    assert rig.commit_visit() == []  # the prompt stands already


def test_closed_lets_duty_staff_in_after_measuring() -> None:
    rig = LaneRig(mode=Mode.CLOSED)
    duty = card(category=HolderCategory.DUTY)
    rig.arrive()
    rig.show(duty)
    assert rig.measure() == [visit_commit(credential=duty)]
    assert rig.commit_visit()[0] == EnergiseRelay(IDS[0], 0.5)


def test_who_waits_for_the_lane_when_the_gate_closes_is_denied() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.show(card(holder="k1:first"))
    rig.commit_visit()
    rig.leave()
    rig.arrive()
    rig.measure()
    rig.show(PUPIL)
    rig.request(Mode.CLOSED)
    commands = rig.pass_through()
    assert commands[-1] == visit_commit(1, Outcome.DENIED, Prompt.CLOSED, Reason.CLOSED)


# --- observe -------------------------------------------------------------------------------------


def test_observe_opens_for_a_healthy_visitor() -> None:
    rig = LaneRig(mode=Mode.OBSERVE)
    rig.arrive()
    rig.measure()
    assert rig.show(PUPIL) == [visit_commit(would_have=Outcome.GRANTED)]


def test_observe_waits_for_the_code_of_a_feverish_visitor_and_opens() -> None:
    rig = LaneRig(mode=Mode.OBSERVE)
    rig.arrive()
    assert rig.measure(38.2) == [ShowPrompt(Prompt.SHOW_CODE, IDS[0], mode=Mode.OBSERVE)]
    assert rig.show(PUPIL) == [
        visit_commit(
            readings_c=(38.2,),
            verdict=Verdict.HIGH,
            noted=(Reason.TEMPERATURE_HIGH,),
            would_have=Outcome.SEE_STAFF,
        ),
        alarm_commit(AlarmName.TEMPERATURE_HIGH, 0),
    ]
    assert rig.commit_visit()[0] == EnergiseRelay(IDS[0], 0.5)


def test_observe_does_not_wait_long_for_a_reading_that_does_not_come() -> None:
    rig = LaneRig(mode=Mode.OBSERVE)
    rig.arrive()
    assert rig.show(PUPIL) == []
    assert rig.wait(3.0) == [
        ShowPrompt(Prompt.STAND_STILL, IDS[0], is_spoken=True, mode=Mode.OBSERVE),
        visit_commit(
            readings_c=(),
            noted=(Reason.NO_READING,),
            would_have=Outcome.SEE_STAFF,
            took_ms=3_000,
            hints=(Prompt.STAND_STILL,),
        ),
    ]


def test_observe_still_refuses_a_code_that_does_not_hold() -> None:
    rig = LaneRig(mode=Mode.OBSERVE)
    listed = replace(PUPIL, is_listed=True)
    rig.arrive()
    rig.measure()
    assert rig.show(listed) == [
        visit_commit(
            0, Outcome.SEE_STAFF, Prompt.WAIT_STAFF, Reason.LISTED_PERSON, credential=listed
        ),
        alarm_commit(AlarmName.LISTED_PERSON, 0),
    ]


@pytest.mark.parametrize("mode", sorted(Mode))
def test_every_mode_shows_its_own_idle_prompt(mode: Mode) -> None:
    rig = LaneRig()
    rig.request(mode)
    rig.commit("mode/1")
    assert rig.state.prompt is (Prompt.CLOSED if mode is Mode.CLOSED else Prompt.READY)
