"""The walk's own logic: what there is to try, what a key means, what comes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gated.config import GateConfig, parse_gate
from gated.config.devices import VoiceSettings
from gated.vocabulary import Site
from gated.walk.course import (
    ENTER,
    Evidence,
    Mark,
    Move,
    Phase,
    Result,
    is_passed,
    react,
    unreached,
)
from gated.walk.sensors import expected_c
from gated.walk.steps import ASKED_FIRST, Step, What, plan
from gated.walk.words import MENDS, QUESTIONS, announce, keys, mends
from tests.config_texts import MINIMAL

ROOT = Path(__file__).resolve().parents[2]
DEMO = (ROOT / "config" / "demo.toml").read_text(encoding="utf-8")
RELAY = Step(What.RELAY, "relay", "outputs.relay", "gpio GPIO17")
LAMP = Step(What.LAMP, "lamp go", "outputs.lamps.go", "gpio GPIO22")
DOUBT = ("没有感应到变化", "no change of it was felt")


@pytest.fixture
def config() -> GateConfig:
    return parse_gate(DEMO, "config/demo.toml")


# --- what there is to try -------------------------------------------------------------------------


def test_everything_that_is_wired_has_a_step_and_what_is_not_is_said_to_be(
    config: GateConfig,
) -> None:
    steps = plan(config)
    assert len({step.id for step in steps}) == len(steps)
    wired = {step.key for step in steps if step.is_configured}
    lines = {key.removesuffix(".line") for key in (*config.outputs.lines(), *config.inputs.lines())}
    assert lines <= wired
    assert {"temperature.ambient", "scanner.camera", "scanner.serial[low]"} <= wired
    assert {s.id for s in steps if not s.is_configured} == {"voice", "reference"}
    least = plan(parse_gate(MINIMAL, "the least"))
    assert {s.id for s in least if s.is_configured} == {
        "relay", "child", "child warmth", "scanner", "way_out",
    }  # fmt: skip
    assert {s.what for s in least} == set(What)


def test_a_relay_board_is_named_by_its_path_and_channel() -> None:
    board = 'relay = { driver = "lcus", device = "/dev/serial/by-id/usb-relay", channel = 2 }'
    steps = plan(parse_gate(MINIMAL.replace('relay = { line = "GPIO17" }', board), "x"))
    assert steps[0].wire == "lcus /dev/serial/by-id/usb-relay 2"


# --- what is said ---------------------------------------------------------------------------------


def test_every_step_is_announced_asked_about_and_has_mends_in_both_languages(
    config: GateConfig,
) -> None:
    spoken = config.model_copy(
        update={"outputs": config.outputs.model_copy(update={"voice": parse_voice()})}
    )
    for step in plan(spoken):
        for zh, en in (announce(step, spoken), QUESTIONS[step.what], *mends(step)):
            assert zh
            assert zh != en
            assert en.isascii() or set(en) & set("°–“”Ωµ") or "请" in en, en  # what the voice says
            assert "{" not in zh + en
        for phase in Phase:
            assert "q " in keys(step, phase)[1]


def parse_voice() -> VoiceSettings:
    text = MINIMAL.replace("[outputs]", '[outputs]\nvoice = { driver = "alsa" }')
    return parse_gate(text, "x").outputs.voice


def test_the_gate_is_told_to_open_and_for_how_long(config: GateConfig) -> None:
    zh, en = announce(RELAY, config)
    assert "0.5 秒" in zh
    assert "the gate will open for 0.5 s" in en


def test_the_page_has_every_mend() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    missing = [en for texts in MENDS.values() for _, en in texts if en not in page]
    assert missing == []
    assert [zh for texts in MENDS.values() for zh, _ in texts if zh not in page] == []


# --- what a key means -----------------------------------------------------------------------------


def test_what_moves_is_begun_by_a_plain_yes_only() -> None:
    assert RELAY.what in ASKED_FIRST
    begins = {key for key in (ENTER, *map(chr, range(32, 127))) if _move(RELAY, key) is Move.TRY}
    assert begins == {"y", "Y"}
    assert _move(LAMP, ENTER) is Move.TRY


def _move(step: Step, key: str) -> Move:
    return react(step, Phase.ANNOUNCED, key)


@pytest.mark.parametrize(
    ("phase", "key", "move"),
    [
        (Phase.TRIED, "y", Move.WORKS),
        (Phase.TRIED, "n", Move.FAILS),
        (Phase.TRIED, "r", Move.AGAIN),
        (Phase.TRIED, "S", Move.SKIP),
        (Phase.TRIED, "q", Move.STOP),
        (Phase.TRIED, ENTER, Move.NOTHING),  # no answer is no yes
        (Phase.BROKEN, "y", Move.NOTHING),  # what cannot be had does not work, whoever says so
        (Phase.BROKEN, "n", Move.FAILS),
        (Phase.BROKEN, ENTER, Move.FAILS),
        (Phase.BROKEN, "r", Move.AGAIN),
        (Phase.ANNOUNCED, "n", Move.NOTHING),
        (Phase.ANNOUNCED, "s", Move.SKIP),
        (Phase.ANNOUNCED, "", Move.NOTHING),
    ],
)
def test_a_key_means_what_is_said(phase: Phase, key: str, move: Move) -> None:
    assert react(LAMP, phase, key) is move


# --- what comes of it -----------------------------------------------------------------------------

WORKS = Result(LAMP, Mark.WORKS)


def test_a_walk_is_passed_only_if_all_that_is_configured_works() -> None:
    absent = Result(replace(LAMP, wire=""), Mark.NOT_CONFIGURED)
    assert is_passed((WORKS, absent), is_strict=True)
    for mark in (Mark.FAILS, Mark.SKIPPED):
        assert not is_passed((WORKS, Result(LAMP, mark)), is_strict=False)


def test_a_yes_of_which_the_machine_saw_nothing_counts_unless_it_is_strict() -> None:
    doubtful = Result(LAMP, Mark.WORKS, Evidence(DOUBT))
    assert doubtful.is_doubtful
    assert is_passed((WORKS, doubtful), is_strict=False)
    assert not is_passed((WORKS, doubtful), is_strict=True)
    assert not Result(LAMP, Mark.FAILS, Evidence(DOUBT)).is_doubtful


def test_what_was_not_reached_is_skipped_and_not_configured_stays_so() -> None:
    steps = (LAMP, RELAY, replace(LAMP, wire=""))
    results = unreached(steps, (WORKS,))
    assert [result.mark for result in results] == [
        Mark.WORKS, Mark.SKIPPED, Mark.NOT_CONFIGURED,
    ]  # fmt: skip
    assert [result.step for result in results] == list(steps)


# --- what a face should read ----------------------------------------------------------------------


@pytest.mark.parametrize("site", Site)
@pytest.mark.parametrize("air_c", [10.0, 22.0, 32.0])
def test_a_face_is_expected_between_the_air_and_the_body(site: Site, air_c: float) -> None:
    low_c, high_c = expected_c(site, air_c)
    assert 27.0 < low_c < high_c < 40.0
    every_low_c, every_high_c = expected_c(site, None)
    assert every_low_c <= low_c
    assert high_c <= every_high_c
