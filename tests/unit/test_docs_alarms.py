"""docs/alarms.md: every code that the software can raise has its row, and says who does what."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from gated.collector.overview import ENDED_BY
from gated.contents import AlarmName
from gated.controller.sensors import AMBIENT, PLATE, distance_name
from gated.facts import advice
from gated.judgement import Judgement
from gated.messages import Credential
from gated.policy import (
    NOT_JUDGED_REASONS,
    REASON_OF_STATUS,
    Context,
    Rules,
    decide,
)
from gated.texts import CLAIM_STEPS, PASSAGES, REASONS, RELEASES, UNREAD_CAUSES, Pair
from gated.visit.step import HINT_OF_CAUSE
from gated.vocabulary import (
    ClaimStep,
    CredentialStatus,
    HolderCategory,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
    TemperatureFlag,
    UnreadCause,
    Verdict,
)
from tests.pages import spans, table

PAGE = (Path(__file__).resolve().parents[2] / "docs/alarms.md").read_text(encoding="utf-8")
SEES, DO, WHO = "the visitor sees 来访者看到", "do 处理", "who 谁"
WORDS_OF_WHO = {"staff", "technician", "office"}

ALARMS = table(PAGE, "alarm", "means 含义", SEES, DO, WHO)
DEVICES = table(PAGE, "device 设备", "what no longer works 影响", SEES, DO, WHO)
PROMPTS = table(PAGE, "prompt", "when 何时", "what staff do 老师怎么做", WHO)
REASON_ROWS = table(PAGE, "reason", "中文", "English", SEES, DO, WHO)
MARKS = table(PAGE, "mark 标记", "means 含义", DO, WHO)
CAUSES = table(PAGE, "cause", "中文", "English", DO, WHO)
RESULTS = table(PAGE, "result", "中文", "English", DO, WHO)
ALL = [*ALARMS, *DEVICES, *PROMPTS, *REASON_ROWS, *MARKS, *CAUSES, *RESULTS]


def codes(rows: list[dict[str, str]]) -> list[str]:
    return [spans(next(iter(row.values())))[0] for row in rows]


def words(rows: list[dict[str, str]]) -> dict[str, Pair]:
    texts = [(row["中文"], row["English"]) for row in rows]
    return dict(zip(codes(rows), texts, strict=True))


@pytest.mark.parametrize(
    ("rows", "vocabulary"),
    [
        (ALARMS, list(AlarmName)),
        (PROMPTS, list(Prompt)),
        (REASON_ROWS, list(Reason)),  # from the most to the least severe
        (MARKS, list(TemperatureFlag)),
        (CAUSES, list(UnreadCause)),
        (RESULTS, [*PassageResult, *ReleaseResult, *ClaimStep]),
    ],
    ids=["alarms", "prompts", "reasons", "marks", "causes", "results"],
)
def test_every_code_has_one_row(rows: list[dict[str, str]], vocabulary: Iterable[str]) -> None:
    assert codes(rows) == [str(word) for word in vocabulary]


def test_every_device_that_can_be_lost_has_its_row() -> None:
    named = {word for row in DEVICES for word in spans(row["device 设备"])}
    lamps = {f"{advice.LAMP}{name}" for name in ("go", "wait", "code", "observe")}
    assert set(advice._BY_NAME) | lamps | {AMBIENT, PLATE, distance_name("NAME")} == named
    assert "a thermometer's name" in PAGE
    assert "a serial scanner's name" in PAGE


def test_every_row_is_whole_and_says_who() -> None:
    for row in ALL:
        assert all(row.values()), row
        who = spans(row[WHO])
        assert who, row
        assert set(who) <= WORDS_OF_WHO, row


def test_the_words_of_reasons_causes_and_results_are_those_of_the_gate() -> None:
    assert words(REASON_ROWS) == {str(reason): pair for reason, pair in REASONS.items()}
    assert words(CAUSES) == {str(cause): pair for cause, pair in UNREAD_CAUSES.items()}
    said = words(RESULTS)
    for results in (PASSAGES, RELEASES, CLAIM_STEPS):
        assert {str(result): said[str(result)] for result in results} == {
            str(result): pair for result, pair in results.items()
        }


def test_an_alarm_that_ends_another_stands_on_the_page_with_it() -> None:
    assert set(ENDED_BY) | set(ENDED_BY.values()) <= set(codes(ALARMS))


def test_what_a_visitor_sees_is_a_prompt() -> None:
    settings = {"max_drift_c", "verifier.when_unreachable", "hard"}
    for row in [*ALARMS, *DEVICES, *REASON_ROWS]:
        assert set(spans(row[SEES])) <= set(Prompt) | settings, row


def test_no_word_on_the_page_says_what_somebody_is_suspected_of() -> None:
    for word in ("infect", "diseas", "virus", "感染", "病毒", "疑似"):
        assert word not in PAGE.lower()


# --- what the visitor sees is what the policy says -----------------------------------------------

NORMAL = Judgement(Verdict.NORMAL, (), 36.6)
PASS = Credential(CredentialStatus.VALID, "GP1", "p1", category=HolderCategory.STUDENT)
SEEN = {code: spans(row[SEES]) for code, row in zip(codes(REASON_ROWS), REASON_ROWS, strict=True)}


@pytest.mark.parametrize("status", list(REASON_OF_STATUS))
def test_a_code_that_is_refused_shows_the_prompt_of_its_row(status: CredentialStatus) -> None:
    credential = Credential(status, "GP1", "p1", category=HolderCategory.STUDENT)
    rules = Rules(sends_unverified_to_staff=True)  # as the configuration has it by default
    decision = decide(NORMAL, credential, Context(), rules)
    assert decision.outcome in {Outcome.DENIED, Outcome.SEE_STAFF}
    assert SEEN[str(REASON_OF_STATUS[status])][0] == decision.prompt


@pytest.mark.parametrize("reason", sorted(NOT_JUDGED_REASONS))
def test_a_reading_that_is_not_judged_shows_the_prompt_of_its_row(reason: Reason) -> None:
    decision = decide(Judgement(Verdict.NOT_JUDGED, (reason,)), PASS, Context(), Rules())
    assert decision.outcome is Outcome.SEE_STAFF
    assert decision.prompt in SEEN[str(reason)]


def test_the_other_outcomes_show_the_prompts_of_their_rows() -> None:
    high = Judgement(Verdict.HIGH, (Reason.TEMPERATURE_HIGH,), 38.5)
    sunlit = Judgement(Verdict.HIGH, (Reason.TEMPERATURE_HIGH,), 38.5, is_sunlit=True)
    shown = {
        Reason.TEMPERATURE_HIGH: [
            decide(high, PASS, Context(), Rules()).prompt,
            decide(sunlit, PASS, Context(), Rules()).prompt,
        ],
        Reason.CLOSED: [decide(NORMAL, PASS, Context(mode=Mode.CLOSED), Rules()).prompt],
        Reason.NO_CREDENTIAL: [decide(NORMAL, None, Context(), Rules()).prompt],
        Reason.WALKED_AWAY: [decide(NORMAL, None, Context(is_anybody_there=False), Rules()).prompt],
    }
    assert {reason: SEEN[str(reason)] for reason in shown} == shown


def test_a_hint_of_the_page_is_the_scanners() -> None:
    assert set(HINT_OF_CAUSE) == set(UnreadCause)
    assert set(HINT_OF_CAUSE.values()) <= set(codes(PROMPTS))
