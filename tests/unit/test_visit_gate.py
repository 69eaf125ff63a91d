"""What the gate's contact says: passed, held open, forced; and hints to whoever shows a code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.contents import AlarmName, PassageContent
from gated.messages import EnergiseRelay, ShowPrompt
from gated.visit.state import Commit
from gated.vocabulary import Outcome, PassageResult, Prompt, Reason, UnreadCause
from tests.lane_rig import (
    IDS,
    LANE,
    PUPIL,
    LaneRig,
    alarm_commit,
    granted,
    passage_commit,
    visit_commit,
)
from tests.policy_cases import card

WITH_CONTACT = replace(LANE, has_contact=True)
CONTACT_ONLY = replace(LANE, has_contact=True, has_passage_sensor=False)
ONCE = card(holder="k1:other", max_uses=1)
READY, SHUT_GATE = ShowPrompt(Prompt.READY), ShowPrompt(Prompt.SHUT_GATE)
FORCED = Commit("passage/none", PassageContent(visit_id=None, result=PassageResult.FORCED))
FORCED_ALARM = alarm_commit(AlarmName.PASSAGE_FORCED, detail="gate contact")


def shut_gate(lane: object = WITH_CONTACT) -> LaneRig:
    rig = LaneRig(lane)  # type: ignore[arg-type]  # a Lane
    assert rig.gate(is_shut=True) == []
    return rig


def held_open(number: int | None) -> list[Commit]:
    visit_id = None if number is None else IDS[number]
    content = PassageContent(visit_id=visit_id, result=PassageResult.HELD_OPEN)
    return [
        Commit(f"held_open/{visit_id or 'none'}", content),
        alarm_commit(AlarmName.HELD_OPEN, number),
    ]


# --- a passage -----------------------------------------------------------------------------------


def test_a_gate_that_is_opened_passed_and_shut_is_no_alarm() -> None:
    rig = granted(shut_gate())
    assert rig.gate(is_shut=False) == []
    rig.leave()
    assert rig.pass_through() == [passage_commit(0, PassageResult.PASSED, 0), READY]
    rig.wait(3.0)
    assert rig.gate(is_shut=True) == []
    assert rig.wait(60.0) == []


def test_without_a_light_barrier_shutting_the_gate_ends_the_passage() -> None:
    rig = granted(shut_gate(CONTACT_ONLY))
    rig.leave()
    rig.gate(is_shut=False)
    rig.now += 2.0
    assert rig.gate(is_shut=True) == [passage_commit(0, PassageResult.PASSED, 2_000), READY]


@pytest.mark.parametrize(
    ("opens", "result"), [(True, PassageResult.PASSED), (False, PassageResult.NOBODY_PASSED)]
)
def test_without_a_light_barrier_the_contact_says_what_came_of_it(
    opens: bool, result: PassageResult
) -> None:
    rig = granted(shut_gate(CONTACT_ONLY))
    rig.leave()
    if opens:
        rig.gate(is_shut=False)
    assert rig.wait(5.0)[0] == passage_commit(0, result, 5_000)
    assert (rig.state.uses[PUPIL.pass_ref or ""].count == 1) is opens


@pytest.mark.parametrize("lane", [CONTACT_ONLY, LANE])
@pytest.mark.parametrize("is_lost_before", [True, False])
def test_without_inputs_nobody_knows_who_went_through_and_the_pass_stays_used(
    lane: object, *, is_lost_before: bool
) -> None:
    rig = shut_gate(lane)
    if is_lost_before:
        rig.device("inputs", works=False)
    granted(rig)
    if not is_lost_before:
        rig.device("inputs", works=False)
        rig.device("inputs", works=True)
    rig.leave()
    assert passage_commit(0, PassageResult.UNKNOWN, 5_000) in rig.wait(5.0)
    assert rig.state.uses[PUPIL.pass_ref or ""].count == 1


def next_at_an_open_gate() -> LaneRig:
    """Bring a second visitor, whose pass holds once, to the opening of a gate still open."""
    rig = granted(shut_gate(CONTACT_ONLY))
    rig.leave()
    rig.gate(is_shut=False)
    rig.arrive()
    rig.measure()
    rig.show(ONCE)
    assert rig.wait(5.0)[0] == passage_commit(0, PassageResult.PASSED, 5_000)
    assert EnergiseRelay(IDS[1], 0.5) in rig.commit_visit(1)
    rig.leave()
    return rig


@pytest.mark.parametrize("shuts", [True, False])
def test_who_is_let_in_at_a_gate_that_stands_open_may_have_passed(*, shuts: bool) -> None:
    rig = next_at_an_open_gate()
    if shuts:
        assert rig.gate(is_shut=True) == []  # behind the first one, perhaps
    assert passage_commit(1, PassageResult.UNKNOWN, 10_000) in rig.wait(5.0)
    assert rig.state.uses[ONCE.pass_ref or ""].count == 1


def test_who_opens_a_gate_that_stood_open_and_was_shut_has_passed() -> None:
    rig = next_at_an_open_gate()
    rig.gate(is_shut=True)
    rig.gate(is_shut=False)
    assert passage_commit(1, PassageResult.PASSED, 5_000) in rig.gate(is_shut=True)


# --- held open -----------------------------------------------------------------------------------


def test_a_gate_left_open_is_told_once_and_again_when_it_is_shut() -> None:
    rig = granted(shut_gate())
    rig.gate(is_shut=False)
    rig.leave()
    rig.pass_through()
    assert rig.wait(9.9) == []
    assert rig.wait(0.1) == [*held_open(0), SHUT_GATE]
    assert rig.wait(600.0) == []
    shut_again = alarm_commit(AlarmName.GATE_SHUT_AGAIN, 0)
    assert rig.gate(is_shut=True) == [shut_again, READY]


def test_who_takes_long_to_pass_holds_nothing_open() -> None:
    rig = LaneRig(WITH_CONTACT)
    rig.gate(is_shut=True)
    rig.arrive()
    rig.measure()
    rig.show(replace(PUPIL, is_slow=True))
    rig.commit_visit()
    rig.gate(is_shut=False)
    rig.leave()
    assert rig.wait(14.0) == []
    rig.pass_through()
    assert rig.wait(9.9) == []
    assert rig.wait(0.1) == [*held_open(0), SHUT_GATE]


def test_a_gate_found_open_at_the_start_is_not_forced_but_should_be_shut() -> None:
    rig = LaneRig(WITH_CONTACT)
    assert rig.gate(is_shut=False) == []
    assert rig.wait(10.0) == [*held_open(None), SHUT_GATE]


def test_with_the_gate_standing_open_the_next_visitor_is_served_as_ever() -> None:
    rig = LaneRig(WITH_CONTACT)
    rig.gate(is_shut=False)
    rig.wait(10.0)
    assert rig.arrive() == [ShowPrompt(Prompt.FACE, IDS[0])]
    rig.measure()
    assert rig.show() == [visit_commit()]


# --- forced --------------------------------------------------------------------------------------


def test_a_gate_opened_without_an_opening_is_forced_and_told_once() -> None:
    rig = shut_gate()
    assert rig.gate(is_shut=False) == [FORCED, FORCED_ALARM]
    # whoever goes through it is recorded; the alarm is out already
    assert rig.pass_through() == [FORCED]
    assert rig.gate(is_shut=True) == []
    assert rig.gate(is_shut=False) == [FORCED, FORCED_ALARM]


# --- codes that are not read ---------------------------------------------------------------------


def waits_for_code() -> LaneRig:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    return rig


@pytest.mark.parametrize(
    ("cause", "prompt"),
    [
        (UnreadCause.TOO_SMALL, Prompt.HOLD_CLOSER),
        (UnreadCause.TOO_LARGE, Prompt.HOLD_FURTHER),
        (UnreadCause.TOO_DARK, Prompt.BRIGHTER_SCREEN),
        (UnreadCause.GLARE, Prompt.TURN_FROM_GLARE),
        (UnreadCause.BLURRED, Prompt.HOLD_STILL),
    ],
)
def test_a_code_that_is_not_read_says_what_to_do_and_the_record_says_why(
    cause: UnreadCause, prompt: Prompt
) -> None:
    rig = waits_for_code()
    assert rig.unread(cause) == [ShowPrompt(prompt, IDS[0])]
    assert rig.show() == [visit_commit(hints=(prompt,), unread_cause=cause)]


def test_a_new_cause_is_progress_and_the_same_again_is_not() -> None:
    rig = waits_for_code()
    rig.wait(2.0)
    rig.unread(UnreadCause.TOO_SMALL)
    assert rig.wait(2.9) == []
    spoken = ShowPrompt(Prompt.HOLD_CLOSER, IDS[0], is_spoken=True)
    assert rig.wait(0.1) == [spoken]
    assert rig.unread(UnreadCause.TOO_SMALL) == []
    commits = rig.wait(12.0)
    assert commits == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.NO_CREDENTIAL,
            credential=None,
            took_ms=17_000,
            hints=(Prompt.HOLD_CLOSER,),
            unread_cause=UnreadCause.TOO_SMALL,
        )
    ]


def test_who_alternates_between_two_causes_is_sent_to_staff_all_the_same() -> None:
    rig = waits_for_code()
    for cause in (UnreadCause.GLARE, UnreadCause.BLURRED) * 10:
        rig.wait(1.0)
        rig.unread(cause)
    assert rig.visit().phase.value == "committing"


def test_a_hint_for_the_code_does_not_wait_for_the_face() -> None:
    rig = LaneRig()
    rig.arrive()
    assert rig.unread(UnreadCause.TOO_DARK) == [ShowPrompt(Prompt.BRIGHTER_SCREEN, IDS[0])]
    assert rig.measure() == []  # the code is still what is missing
    assert rig.wait(2.9) == []
    assert rig.wait(0.1) == [ShowPrompt(Prompt.BRIGHTER_SCREEN, IDS[0], is_spoken=True)]


def test_a_face_that_is_not_measured_meanwhile_has_its_own_hint() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.unread(UnreadCause.TOO_DARK)
    assert rig.wait(3.0) == [ShowPrompt(Prompt.STAND_STILL, IDS[0], is_spoken=True)]


def test_a_code_like_thing_before_an_empty_lane_is_nobodys() -> None:
    assert LaneRig().unread(UnreadCause.TOO_DARK) == []
