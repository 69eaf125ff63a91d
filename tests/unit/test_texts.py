"""What people read: complete in both languages, and never says what somebody is suspected of."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

import pytest

from gated.actuators.signals import SIGNALS, Lamp
from gated.policy import CALLS_STAFF
from gated.texts import (
    LANGUAGES,
    MODES,
    OUTCOMES,
    PROMPTS,
    REASONS,
    RELEASES,
    Language,
    cli_language,
    say,
)
from gated.vocabulary import Mode, Outcome, Prompt, Reason, ReleaseResult

ALL_TEXTS = (
    (Prompt, PROMPTS),
    (Outcome, OUTCOMES),
    (Reason, REASONS),
    (Mode, MODES),
    (ReleaseResult, RELEASES),
)
EVERY_PAIR = [pair for _, texts in ALL_TEXTS for pair in texts.values()]
CHINESE = "\u4e00-\u9fff"
BRANDING = re.compile(
    "infect|confirmed|suspect|sick|fever|感染|确诊|疑似|病|发烧|发热", re.IGNORECASE
)


@pytest.mark.parametrize(
    ("words", "texts"), ALL_TEXTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_every_word_has_its_texts(
    words: type[enum.StrEnum], texts: Mapping[enum.StrEnum, tuple[str, str]]
) -> None:
    assert set(texts) == set(words)


def test_both_texts_are_there_each_in_its_own_script() -> None:
    for chinese, english in EVERY_PAIR:
        assert re.search(f"[{CHINESE}]", chinese), chinese
        assert english.strip() == english != ""
        assert english.isascii(), english


def test_no_text_brands_anybody() -> None:
    assert [pair for pair in EVERY_PAIR if BRANDING.search(" ".join(pair))] == []


def test_chinese_has_its_own_punctuation() -> None:
    western = re.compile(f"[{CHINESE}][,;:!?()]|[,;:!?()][{CHINESE}]")
    assert [chinese for chinese, _ in EVERY_PAIR if western.search(chinese)] == []


def test_no_two_prompts_sound_alike() -> None:
    for language in range(len(LANGUAGES)):
        texts = [pair[language] for pair in PROMPTS.values()]
        assert len(set(texts)) == len(texts)


def test_whoever_must_be_looked_after_hears_the_one_neutral_prompt() -> None:
    words = " ".join(PROMPTS[Prompt.WAIT_STAFF])
    for reason in CALLS_STAFF:
        assert not any(text in words for text in REASONS[reason])


def test_every_prompt_has_a_signal() -> None:
    assert set(SIGNALS) == set(Prompt)


def test_only_go_lights_the_go_lamp() -> None:
    assert [prompt for prompt, signal in SIGNALS.items() if Lamp.GO in signal.lamps] == [Prompt.GO]


def test_every_beep_is_heard_and_ends() -> None:
    for signal in SIGNALS.values():
        assert all(length_s > 0 for length_s in signal.beeps_s)
        assert len(signal.beeps_s) % 2 == 1 or not signal.beeps_s
        assert sum(signal.beeps_s) <= 1.0


def test_a_closed_gate_promises_no_day_in_either_language() -> None:
    assert not set("今明日天") & set(say(PROMPTS[Prompt.CLOSED], "zh-Hans"))
    assert "day" not in say(PROMPTS[Prompt.CLOSED], "en")


def test_say_picks_the_language() -> None:
    assert say(("好", "good"), "zh-Hans") == "好"
    assert say(("好", "good"), "en") == "good"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh-Hans"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LC_ALL": "zh_CN.UTF-8", "LANG": "C"}, "zh-Hans"),
        ({"GATED_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"GATED_LANG": "zh-Hans", "LC_ALL": "C"}, "zh-Hans"),
        ({"GATED_LANG": "ZH"}, "zh-Hans"),
    ],
)
def test_a_terminal_is_spoken_to_in_its_own_language(
    environment: dict[str, str], language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GATED_LANG", "LC_ALL", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cli_language() == language
