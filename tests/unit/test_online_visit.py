"""A code that the platform is asked about belongs to whoever showed it, until its answer comes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.contents import AlarmName, VisitContent
from gated.messages import (
    CallStaff,
    CodeAwaited,
    Credential,
    CredentialChecked,
    EnergiseRelay,
    ShowPrompt,
)
from gated.policy import Context, Rules, decide
from gated.visit.state import Command, Commit, Phase
from gated.vocabulary import (
    Check,
    CredentialStatus,
    HolderCategory,
    Outcome,
    Prompt,
    Reason,
    UnreadCause,
)
from tests.lane_rig import EXPIRED, IDS, PUPIL, TEACHER, LaneRig, alarm_commit, visit_commit
from tests.policy_cases import NORMAL

GREEN = Credential(
    CredentialStatus.VALID,
    "online",
    "p7",
    holder_ref="k1:visitor",
    pass_ref="k1:token",
    category=HolderCategory.VISITOR,
)
UNVERIFIED = replace(GREEN, status=CredentialStatus.VERIFIER_TIME_OUT, holder_ref=None)
NO_ANSWER = Credential(CredentialStatus.VERIFIER_TIME_OUT, "online", "p7")
STAFF = Rules(sends_unverified_to_staff=True)


class Rig(LaneRig):
    def ask(self, question: str = "q1", *, is_slow: bool = False) -> list[Command]:
        return self.send(CodeAwaited(question, UNVERIFIED, self.at, is_slow))

    def answer(self, credential: Credential = GREEN, question: str = "q1") -> list[Command]:
        return self.send(CredentialChecked(credential, self.at, question))


def outcome_of(commands: list[Command]) -> list[tuple[str, Outcome]]:
    return [
        (command.content.visit_id, command.content.outcome)
        for command in commands
        if isinstance(command, Commit) and isinstance(command.content, VisitContent)
    ]


def test_a_measured_visitor_with_a_green_code_goes_once_the_answer_is_there() -> None:
    rig = Rig()
    rig.arrive()
    rig.measure()
    rig.now += 1.0
    assert rig.ask() == []
    rig.now += 0.4
    assert rig.answer() == [visit_commit(0, credential=GREEN, took_ms=1_400)]
    assert EnergiseRelay(IDS[0], 0.5) in rig.commit_visit()


def test_the_measuring_goes_on_while_the_answer_is_awaited() -> None:
    rig = Rig()
    rig.arrive()
    assert rig.ask() == []
    assert rig.measure() == []
    assert rig.answer() == [visit_commit(0, credential=GREEN)]


def test_an_answer_that_comes_before_the_face_is_measured_waits_for_it() -> None:
    rig = Rig()
    rig.arrive()
    rig.ask()
    assert rig.answer() == []
    assert rig.measure() == [visit_commit(0, credential=GREEN)]


def test_one_moment_is_said_only_when_the_answer_takes_long() -> None:
    rig = Rig()
    rig.arrive()
    rig.measure()
    assert rig.state.prompt is Prompt.SHOW_CODE
    rig.ask()
    assert rig.state.prompt is Prompt.SHOW_CODE
    assert rig.ask(is_slow=True) == [ShowPrompt(Prompt.ONE_MOMENT, IDS[0])]
    assert rig.answer()[-1] == visit_commit(0, credential=GREEN)


def test_whoever_is_still_measured_is_asked_for_that_and_not_to_wait() -> None:
    rig = Rig()
    rig.arrive()
    rig.ask()
    assert rig.ask(is_slow=True) == []
    assert rig.state.prompt is Prompt.FACE
    assert rig.measure() == [ShowPrompt(Prompt.ONE_MOMENT, IDS[0])]


def test_a_code_that_is_being_verified_needs_no_hint_how_to_be_held() -> None:
    rig = Rig()
    rig.arrive()
    rig.measure()
    rig.ask()
    assert rig.unread(UnreadCause.TOO_SMALL) == []


def test_a_code_shown_before_anybody_is_there_is_theirs_who_comes_next() -> None:
    rig = Rig()
    rig.ask()
    rig.now += 0.3
    rig.arrive()
    rig.answer()
    assert rig.measure()[0] == visit_commit(0, credential=GREEN, took_ms=300)


def test_an_answer_is_not_for_whoever_stands_there_when_it_comes() -> None:
    rig = Rig()
    rig.arrive()
    rig.measure()
    rig.ask()
    rig.leave()
    assert outcome_of(rig.wait(2.5)) == [(IDS[0], Outcome.ABANDONED)]
    rig.commit_visit()
    rig.arrive()
    rig.measure()
    before = rig.visit(1)
    assert rig.answer() == []
    assert rig.visit(1) == before
    assert before.credential is None


def test_an_answer_to_an_older_question_does_not_count_for_a_newer_one() -> None:
    rig = Rig()
    rig.arrive()
    rig.measure()
    rig.ask("q1")
    rig.ask("q2")
    assert rig.answer(question="q1") == []
    assert rig.answer(replace(GREEN, status=CredentialStatus.CODE_RED), "q2") == [
        visit_commit(
            0,
            Outcome.SEE_STAFF,
            Prompt.WAIT_STAFF,
            Reason.CODE_RED,
            credential=replace(GREEN, status=CredentialStatus.CODE_RED),
        ),
        alarm_commit(AlarmName.CODE_RED_OR_YELLOW, 0),
    ]


def test_a_pass_shown_meanwhile_is_not_waited_for_and_not_replaced() -> None:
    rig = Rig()
    rig.arrive()
    rig.ask()
    rig.show(PUPIL)
    rig.answer(replace(GREEN, status=CredentialStatus.CODE_GREY))
    assert rig.measure() == [visit_commit(0)]


def test_a_newer_token_takes_the_place_of_a_code_that_was_refused() -> None:
    rig = Rig()
    rig.arrive()
    rig.show(EXPIRED)
    rig.ask()
    assert rig.measure() == [], "the expired pass decides nothing any more"
    assert rig.answer() == [visit_commit(0, credential=GREEN)]


def test_after_a_refusal_a_token_is_measured_anew() -> None:
    rig = Rig()
    rig.arrive()
    rig.measure()
    rig.show(EXPIRED)
    rig.commit_visit()
    rig.ask()
    rig.answer()
    assert rig.visit(1).phase is Phase.MEASURING
    assert outcome_of(rig.measure()) == [(IDS[1], Outcome.GRANTED)]


def test_nobody_is_sent_to_staff_for_waiting_patiently() -> None:
    rig = Rig()
    rig.arrive()
    rig.measure()
    rig.wait(14.0)
    rig.ask()
    rig.wait(2.2)
    assert rig.visit(0).phase is Phase.MEASURING
    assert rig.answer()[-1] == visit_commit(
        0, credential=GREEN, took_ms=16_200, hints=(Prompt.SHOW_CODE,)
    )


def test_a_token_held_up_by_whoever_is_going_through_begins_nothing() -> None:
    rig = Rig()
    rig.arrive()
    rig.measure()
    rig.ask()
    rig.answer()
    rig.commit_visit()
    assert rig.ask("q2") == []
    assert rig.answer(question="q2") == []
    assert [visit.visit_id for visit in rig.state.visits] == [IDS[0]]


def test_after_a_staff_card_the_answer_says_whom_staff_means() -> None:
    rig = Rig()
    red = replace(GREEN, status=CredentialStatus.CODE_RED)
    rig.arrive()
    rig.measure()
    rig.ask()
    rig.answer(red)
    rig.commit_visit()
    rig.leave()
    rig.show(TEACHER)
    rig.ask("q2")
    rig.answer(red, "q2")
    assert rig.state.claim is not None
    assert rig.state.claim.visit_id == IDS[0]
    assert len(rig.state.visits) == 1


# --- without an answer ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "outcome", "prompt"),
    [
        (Rules(), Outcome.DENIED, Prompt.SHOW_ANOTHER_CODE),
        (STAFF, Outcome.SEE_STAFF, Prompt.WAIT_STAFF),
    ],
)
def test_without_an_answer_it_is_as_configured(
    rules: Rules, outcome: Outcome, prompt: Prompt
) -> None:
    decision = decide(NORMAL, NO_ANSWER, Context(), rules)
    assert (decision.outcome, decision.prompt) == (outcome, prompt)
    assert decision.reasons == (Reason.VERIFIER_TIME_OUT,)


def test_staff_are_called_for_whom_the_platform_said_nothing_about() -> None:
    rig = Rig()
    rig.state = replace(rig.state, lane=replace(rig.state.lane, rules=STAFF))
    rig.arrive()
    rig.measure()
    rig.ask()
    rig.answer(NO_ANSWER)
    assert CallStaff(IDS[0], Reason.VERIFIER_TIME_OUT) in rig.commit_visit()


def test_an_old_answer_lets_in_and_is_noted() -> None:
    degraded = replace(GREEN, findings=((Reason.DEGRADED, Check.SOFT),))
    decision = decide(NORMAL, degraded, Context(), STAFF)
    assert (decision.outcome, decision.noted) == (Outcome.GRANTED, (Reason.DEGRADED,))


@pytest.mark.parametrize(
    "status",
    [
        CredentialStatus.CODE_GREY,
        CredentialStatus.EXPIRED,
        CredentialStatus.DOES_NOT_EXIST,
        CredentialStatus.VERIFICATION_FAILED,
    ],
)
def test_what_the_platform_refuses_is_refused_also_where_silence_is_for_staff(
    status: CredentialStatus,
) -> None:
    decision = decide(NORMAL, replace(GREEN, status=status), Context(), STAFF)
    assert decision.outcome is Outcome.DENIED
