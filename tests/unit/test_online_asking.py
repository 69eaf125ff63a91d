"""The controller's half: each token gets one answer, in time, whatever becomes of the platform."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gated.clock import FakeClock
from gated.config.verifier import PlatformResult, TokenSettings, WhenUnreachable
from gated.controller.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, OPENS_AFTER, Breaker
from gated.controller.online import (
    GRACE_S,
    MAX_UNDER_WAY,
    SLOW_AFTER_S,
    UNCLEAR_ALARM_AFTER,
    OnlineEvent,
    OnlineRules,
    OnlineVerifier,
)
from gated.credentials.pseudonym import SiteKey
from gated.credentials.questions import (
    Answer,
    AskFailure,
    Question,
    decode_question,
    encode,
)
from gated.errors import StorageError
from gated.messages import CodeAwaited, CodeSeen, Credential, CredentialChecked, DeviceChanged
from gated.units import MonoSeconds
from gated.vocabulary import Check, CodeColour, CredentialStatus, HolderCategory, Reason

KEY = SiteKey(bytes(range(32)), "k1a2b")
RULES = OnlineRules(
    tokens=(TokenSettings(prefix="PROV", min_characters=20, max_characters=20),),
    time_out_s=2.0,
    cache_s=30.0,
    cache_max_age_s=3_600.0,
    when_unreachable=WhenUnreachable.SEE_STAFF,
    category=HolderCategory.VISITOR,
)
LAST_ANSWER = replace(RULES, when_unreachable=WhenUnreachable.LAST_ANSWER)
DEGRADED = ((Reason.DEGRADED, Check.SOFT),)


def token(number: int = 0) -> str:
    return f"PROV{number:016d}"


def seen(text: str, presentation: str = "p1") -> CodeSeen:
    return CodeSeen(text, "zxing", CodeColour.BLACK, presentation)


class Rig:
    """A verifier, the uplink it asks, and what it publishes."""

    def __init__(self, rules: OnlineRules = RULES) -> None:
        self.clock = FakeClock()
        self.questions: list[Question] = []
        self.events: list[OnlineEvent] = []
        self.is_uplink_there = True
        self._count = 0
        self.online = OnlineVerifier(
            rules, self.clock, send=self._send, publish=self.events.append, new_id=self._new_id
        )

    def _new_id(self) -> str:
        self._count += 1
        return f"{self._count:032x}"

    def _send(self, payload: bytes) -> bool:
        if self.is_uplink_there:
            self.questions.append(decode_question(payload))
        return self.is_uplink_there

    def show(self, number: int = 0, presentation: str = "p1") -> list[OnlineEvent]:
        code = seen(token(number), presentation)
        assert self.online.takes(code)
        return self._after(lambda: self.online.check(code, KEY))

    def answer(self, said: PlatformResult | AskFailure, question: int = -1) -> list[OnlineEvent]:
        asked = self.questions[question].id
        if isinstance(said, PlatformResult):
            payload = encode(Answer(id=asked, result=said))
        else:
            payload = encode(Answer(id=asked, failure=said))
        return self._after(lambda: self.online.hear(payload))

    def wait(self, seconds: float) -> list[OnlineEvent]:
        self.clock.advance(seconds)
        return self._after(self.online.watch)

    def _after(self, act: object) -> list[OnlineEvent]:
        before = len(self.events)
        act()  # type: ignore[operator]  # one of the three above
        return self.events[before:]

    def fail(self, times: int, failure: AskFailure = AskFailure.UNREACHABLE) -> list[OnlineEvent]:
        """Let the platform fail for so many different people."""
        before = len(self.events)
        for _ in range(times):
            self.show(1_000 + len(self.questions))
            self.answer(failure)
        return self.events[before:]


def checked(events: Sequence[OnlineEvent]) -> list[Credential]:
    return [event.credential for event in events if isinstance(event, CredentialChecked)]


def devices(events: Sequence[OnlineEvent]) -> list[tuple[str, bool, str]]:
    return [(e.device, e.is_working, e.reason) for e in events if isinstance(e, DeviceChanged)]


# --- asking --------------------------------------------------------------------------------------


def test_a_token_is_asked_about_with_its_deadline_and_its_visit_is_told_to_wait() -> None:
    rig = Rig()
    (awaited,) = rig.show()
    (question,) = rig.questions
    assert question.token == token()
    assert question.until_boot_ms == rig.clock.boottime_ms() + 2_000
    assert isinstance(awaited, CodeAwaited)
    assert (awaited.question, awaited.is_slow) == (question.id, False)
    assert awaited.credential.status is CredentialStatus.VERIFIER_TIME_OUT
    assert token() not in repr(awaited)


def test_its_answer_names_the_question_and_the_presentation() -> None:
    rig = Rig()
    rig.show(presentation="p7")
    rig.clock.advance(0.4)
    (event,) = rig.answer(PlatformResult.GREEN)
    assert isinstance(event, CredentialChecked)
    assert event.awaited == rig.questions[0].id
    assert event.at == rig.clock.monotonic_s()
    credential = event.credential
    assert (credential.status, credential.format) == (CredentialStatus.VALID, "online")
    assert (credential.presentation, credential.category) == ("p7", HolderCategory.VISITOR)
    assert credential.findings == ()


@pytest.mark.parametrize(
    "code",
    [
        seen("GP1:" + "A" * 16),
        seen("PROV" + "1" * 15),
        seen("prov" + "1" * 16),
        seen(""),
        CodeSeen(token(), "zxing", CodeColour.BLACK, "p1", is_ambiguous=True),
    ],
)
def test_any_other_code_is_left_to_the_offline_formats(code: CodeSeen) -> None:
    assert not Rig().online.takes(code)


def test_a_token_that_is_held_up_while_its_answer_is_on_the_way_is_not_asked_about_twice() -> None:
    rig = Rig()
    rig.show()
    assert rig.show(presentation="p2") == []
    assert len(rig.questions) == 1


def test_the_same_token_is_answered_from_memory_for_a_while_and_then_asked_about_again() -> None:
    rig = Rig()
    rig.show()
    rig.answer(PlatformResult.RED)
    rig.clock.advance(29.9)
    (event,) = rig.show(presentation="p2")
    assert isinstance(event, CredentialChecked)
    assert event.awaited is None, "nobody had to wait"
    assert event.credential.status is CredentialStatus.CODE_RED
    assert event.credential.presentation == "p2"
    assert len(rig.questions) == 1
    rig.clock.advance(0.1)
    rig.show(presentation="p3")
    assert len(rig.questions) == 2


def test_one_tokens_answer_is_never_anothers() -> None:
    rig = Rig()
    rig.show(1, "p1")
    rig.show(2, "p2")
    (second,) = checked(rig.answer(PlatformResult.RED, question=1))
    (first,) = checked(rig.answer(PlatformResult.GREEN, question=0))
    assert (first.presentation, first.status) == ("p1", CredentialStatus.VALID)
    assert (second.presentation, second.status) == ("p2", CredentialStatus.CODE_RED)
    assert first.holder_ref != second.holder_ref


# --- no answer, a late one, a false one ----------------------------------------------------------


def test_a_slow_answer_is_told_once_and_an_overdue_one_is_given_up() -> None:
    rig = Rig()
    rig.show()
    assert rig.wait(SLOW_AFTER_S - 0.01) == []
    (slow,) = rig.wait(0.02)
    assert isinstance(slow, CodeAwaited)
    assert (slow.question, slow.is_slow) == (rig.questions[0].id, True)
    assert rig.wait(0.5) == []
    (event,) = rig.wait(2.0 + GRACE_S - SLOW_AFTER_S - 0.5)
    assert isinstance(event, CredentialChecked)
    assert event.awaited == rig.questions[0].id
    assert event.credential.status is CredentialStatus.VERIFIER_TIME_OUT
    assert (event.credential.holder_ref, event.credential.pass_ref) == (None, None)


def test_a_late_answer_is_dropped_and_not_remembered() -> None:
    rig = Rig()
    rig.show()
    rig.wait(2.0 + GRACE_S)
    assert rig.answer(PlatformResult.GREEN) == []
    rig.show(presentation="p2")
    assert len(rig.questions) == 2


def test_an_answer_counts_once() -> None:
    rig = Rig()
    rig.show()
    assert len(rig.answer(PlatformResult.GREEN)) == 1
    assert rig.answer(PlatformResult.GREEN) == []


def test_an_answer_to_a_question_that_was_never_asked_opens_for_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.show()
    before = list(rig.events)
    rig.online.hear(encode(Answer(id="f" * 32, result=PlatformResult.GREEN)))
    rig.online.hear(b"green")
    rig.online.hear(b"[" * 30_000)
    assert rig.events == before
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def test_without_an_uplink_there_is_no_answer_at_once() -> None:
    rig = Rig()
    rig.is_uplink_there = False
    (credential,) = checked(rig.show())
    assert credential.status is CredentialStatus.VERIFIER_TIME_OUT


def test_an_uplink_that_cannot_be_written_to_does_not_bring_the_controller_down() -> None:
    clock, events = FakeClock(), list[OnlineEvent]()

    def refuse(_: bytes) -> bool:
        raise StorageError("cannot send: permission denied")

    online = OnlineVerifier(RULES, clock, send=refuse, publish=events.append)
    online.check(seen(token()), KEY)
    assert [c.status for c in checked(events)] == [CredentialStatus.VERIFIER_TIME_OUT]


def test_more_than_a_few_questions_at_once_are_not_asked() -> None:
    rig = Rig()
    for number in range(MAX_UNDER_WAY):
        rig.show(number)
    (credential,) = checked(rig.show(MAX_UNDER_WAY))
    assert credential.status is CredentialStatus.VERIFIER_TIME_OUT
    assert len(rig.questions) == MAX_UNDER_WAY
    assert devices(rig.events) == [], "that is nobody's failure"
    rig.answer(PlatformResult.GREEN)
    rig.show(MAX_UNDER_WAY)
    assert len(rig.questions) == MAX_UNDER_WAY + 1


# --- the last answer -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (PlatformResult.GREEN, CredentialStatus.VALID),
        (PlatformResult.RED, CredentialStatus.CODE_RED),
        (PlatformResult.EXPIRED, CredentialStatus.EXPIRED),
    ],
)
@pytest.mark.parametrize("said", [AskFailure.TLS, PlatformResult.TIME_OUT])
def test_the_last_answer_counts_where_it_is_configured_and_is_marked(
    result: PlatformResult, status: CredentialStatus, said: AskFailure | PlatformResult
) -> None:
    rig = Rig(LAST_ANSWER)
    rig.show()
    rig.answer(result)
    rig.clock.advance(3_599.0)
    rig.show()
    (credential,) = checked(rig.answer(said))
    assert (credential.status, credential.findings) == (status, DEGRADED)


def test_the_last_answer_may_be_as_old_as_configured_and_no_older() -> None:
    rig = Rig(LAST_ANSWER)
    rig.show()
    rig.answer(PlatformResult.GREEN)
    rig.clock.advance(3_600.0)
    rig.show()
    (credential,) = checked(rig.answer(AskFailure.TOO_SLOW))
    assert (credential.status, credential.findings) == (CredentialStatus.VERIFIER_TIME_OUT, ())


@pytest.mark.parametrize("when", [WhenUnreachable.SEE_STAFF, WhenUnreachable.DENY])
def test_otherwise_the_last_answer_is_nothing(when: WhenUnreachable) -> None:
    rig = Rig(replace(RULES, when_unreachable=when))
    rig.show()
    rig.answer(PlatformResult.GREEN)
    rig.clock.advance(60.0)
    rig.show()
    (credential,) = checked(rig.answer(AskFailure.TOO_SLOW))
    assert credential.status is CredentialStatus.VERIFIER_TIME_OUT


def test_what_the_platform_itself_says_is_never_talked_away_by_an_older_answer() -> None:
    rig = Rig(LAST_ANSWER)
    rig.show()
    rig.answer(PlatformResult.GREEN)
    rig.clock.advance(60.0)
    rig.show()
    (credential,) = checked(rig.answer(PlatformResult.VERIFICATION_FAILED))
    assert credential.status is CredentialStatus.VERIFICATION_FAILED


# --- a platform that is down ---------------------------------------------------------------------


def test_after_two_failures_nobody_waits_and_it_is_told_once() -> None:
    rig = Rig()
    assert devices(rig.fail(1)) == []
    assert devices(rig.fail(1, AskFailure.TLS)) == [
        ("verifier", False, "the platform's certificate or TLS is not accepted")
    ]
    for number in range(5):
        (event,) = rig.show(number)
        assert isinstance(event, CredentialChecked)
        assert event.credential.status is CredentialStatus.VERIFIER_TIME_OUT
    assert len(rig.questions) == 2


def test_one_question_after_each_pause_finds_out_whether_it_is_back() -> None:
    rig = Rig()
    rig.fail(2)
    pause_s = FIRST_PAUSE_S
    for attempt in range(6):
        asked = len(rig.questions)
        rig.clock.advance(pause_s - 0.001)
        rig.show(attempt)
        assert len(rig.questions) == asked, "too early"
        rig.clock.advance(0.001)
        rig.show(100 + attempt)
        rig.show(200 + attempt)
        assert len(rig.questions) == asked + 1, "one at a time"
        rig.answer(AskFailure.TOO_SLOW)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    assert devices(rig.events)[1:] == []


def test_the_first_answer_brings_it_back_and_that_is_told_once() -> None:
    rig = Rig()
    rig.fail(2)
    rig.clock.advance(FIRST_PAUSE_S)
    rig.show(1)
    events = rig.answer(PlatformResult.DOES_NOT_EXIST)
    assert devices(events) == [("verifier", True, "")]
    assert len(checked(events)) == 1
    rig.show(2)
    rig.show(3)
    assert len(rig.questions) == 5
    assert devices(rig.answer(PlatformResult.GREEN)) == []


@pytest.mark.parametrize("result", PlatformResult)
def test_whatever_the_platform_says_of_one_code_is_no_failure_of_its_own(
    result: PlatformResult,
) -> None:
    rig = Rig()
    for number in range(2 * OPENS_AFTER):
        rig.show(number)
        rig.answer(result)
    assert devices(rig.events) == []
    assert len(rig.questions) == 2 * OPENS_AFTER


def test_an_answer_that_nobody_understands_is_no_verification_and_shuts_nobody_out() -> None:
    rig = Rig(LAST_ANSWER)
    rig.show(0)
    rig.answer(PlatformResult.GREEN)
    rig.clock.advance(60.0)
    rig.show(0)
    (credential,) = checked(rig.answer(AskFailure.UNCLEAR))
    assert credential.status is CredentialStatus.VERIFICATION_FAILED
    for number in range(1, 20):
        rig.show(number)
        rig.answer(AskFailure.UNCLEAR)
    assert len(rig.questions) == 21, "everybody's code was asked about"


def test_answers_that_nobody_understands_are_told_once_when_they_are_many() -> None:
    rig = Rig()
    told = []
    for number in range(UNCLEAR_ALARM_AFTER + 3):
        rig.show(number)
        told.append(len(devices(rig.answer(AskFailure.UNCLEAR))))
    assert told == [*[0] * (UNCLEAR_ALARM_AFTER - 1), 1, 0, 0, 0]
    rig.show(100)
    assert devices(rig.answer(PlatformResult.GREEN)) == [("verifier", True, "")]
    for number in range(101, 100 + UNCLEAR_ALARM_AFTER):
        rig.show(number)
        assert devices(rig.answer(AskFailure.UNCLEAR)) == []


def test_a_failure_between_answers_does_not_add_up() -> None:
    rig = Rig()
    for number in range(5):
        rig.fail(1)
        rig.show(number)
        rig.answer(PlatformResult.GREEN)
    assert devices(rig.events) == []


def test_questions_that_were_under_way_when_it_failed_do_not_lengthen_the_pause() -> None:
    rig = Rig()
    for number in range(4):
        rig.show(number)
    for question in range(4):
        rig.answer(AskFailure.UNREACHABLE, question)
    rig.clock.advance(FIRST_PAUSE_S)
    rig.show(10)
    assert len(rig.questions) == 5


def test_a_breaker_that_is_shut_lets_every_question_through() -> None:
    breaker = Breaker().asked()
    assert breaker.may_ask(MonoSeconds(0.0))
    assert not breaker.is_open
    assert breaker.failed(MonoSeconds(0.0)).answered() == Breaker()


def test_showing_other_codes_first_brings_no_last_answer_back() -> None:
    rig = Rig(LAST_ANSWER)
    rig.show()
    rig.answer(PlatformResult.GREEN)
    rig.clock.advance(600.0)  # and the holder is red meanwhile
    for number in range(1, MAX_UNDER_WAY + 1):
        rig.show(number)
    (credential,) = checked(rig.show())
    assert credential.status is CredentialStatus.VERIFIER_TIME_OUT
