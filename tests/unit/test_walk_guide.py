"""The guide before a terminal that plays its part: what is said when, begun, and let go again."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from gated.config import GateConfig, parse_gate
from gated.errors import DeviceNotFound
from gated.messages import ButtonPressed, GateMoved, KeyTurned, PassageSensed
from gated.units import MonoSeconds
from gated.vocabulary import Button, Key
from gated.walk.course import Evidence, Mark
from gated.walk.eyes import SHOWN_CHARACTERS, shortened
from gated.walk.guide import Guide, Walked
from gated.walk.inputs import Felt, said
from gated.walk.steps import Step, What
from gated.walk.terminal import Ended, cut
from gated.walk.trial import Running, Show, Trial
from tests.config_texts import MINIMAL

RELAY = Step(What.RELAY, "relay", "outputs.relay", "gpio GPIO17")
LAMP = Step(What.LAMP, "lamp go", "outputs.lamps.go", "gpio GPIO22")
NO_BUZZER = Step(What.BUZZER, "buzzer", "outputs.buzzer")
DOUBT = ("没有", "nothing was seen")
AT = MonoSeconds(1.0)
PATIENCE_S = 10.0


class Bench:
    """Outputs that note what is done to them, and a terminal whose keys were chosen before.

    A key of None is a moment in which nothing is pressed; Ended stands for a signal.
    """

    def __init__(self, keys: Iterable[str | Ended | None]) -> None:
        self.keys = list(keys)
        self.told: list[str] = []
        self.happened: list[str] = []
        self.is_on = False

    # --- the terminal -------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.told += text.split("\n")

    live = line

    def key(self, within_s: float) -> str:
        key = self.keys.pop(0) if self.keys else ""
        if isinstance(key, Ended):
            raise key
        if not self.keys and not key:
            raise AssertionError(f"nobody answers any more: {self.told}")
        return key or ""

    def forget_keys(self) -> None:
        """Nothing was typed before it was asked for."""

    # --- the outputs --------------------------------------------------------------------------

    def lamp(self, show: Show, stop: threading.Event) -> Evidence:
        self.happened.append(f"on after: {self.told[-1]}")
        self.is_on = True
        try:
            assert stop.wait(PATIENCE_S)
        finally:
            self.is_on = False
        return Evidence()


@pytest.fixture
def config() -> GateConfig:
    return parse_gate(MINIMAL, "test")


def walk(config: GateConfig, bench: Bench, trial: Trial, *steps: Step) -> Walked:
    return Guide(config, lambda _: trial, bench, "en").walk(steps)


def test_nothing_happens_before_it_was_told_and_wanted(config: GateConfig) -> None:
    bench = Bench([None, "x", "\n", "y"])
    walked = walk(config, bench, bench.lamp, LAMP)
    assert [result.mark for result in walked.results] == [Mark.WORKS]
    assert len(bench.happened) == 1
    assert "Enter begin" in bench.happened[0]
    assert not bench.is_on


def test_no_key_but_yes_opens_the_gate(config: GateConfig) -> None:
    bench = Bench(["\n", " ", "n", "r", "s"])
    walked = walk(config, bench, bench.lamp, RELAY)
    assert [result.mark for result in walked.results] == [Mark.SKIPPED]
    assert bench.happened == []
    assert any("the gate will open for 0.5 s" in line for line in bench.told)


def test_again_announces_again(config: GateConfig) -> None:
    bench = Bench(["\n", "r", "\n", "n"])
    walked = walk(config, bench, bench.lamp, LAMP)
    assert [result.mark for result in walked.results] == [Mark.FAILS]
    assert len(bench.happened) == 2
    assert sum("will light up" in line for line in bench.told) == 2
    assert any("two wires exchanged" in line for line in bench.told), "what mends it"


def test_what_is_not_configured_is_passed_over_and_counted_as_such(config: GateConfig) -> None:
    bench = Bench(["\n", "y"])
    walked = walk(config, bench, bench.lamp, NO_BUZZER, LAMP)
    assert [result.mark for result in walked.results] == [Mark.NOT_CONFIGURED, Mark.WORKS]
    assert "1/1 lamp go (gpio GPIO22)" in bench.told


def test_q_ends_it_and_the_rest_counts_as_skipped(config: GateConfig) -> None:
    bench = Bench(["\n", "y", "q"])
    walked = walk(config, bench, bench.lamp, LAMP, RELAY)
    assert [result.mark for result in walked.results] == [Mark.WORKS, Mark.SKIPPED]
    assert walked.ended_by == 0


def test_a_signal_in_the_middle_lets_go_before_the_walk_ends(config: GateConfig) -> None:
    bench = Bench(["\n", None, Ended(2)])
    walked = walk(config, bench, bench.lamp, LAMP, RELAY)
    assert not bench.is_on
    assert [result.mark for result in walked.results] == [Mark.SKIPPED, Mark.SKIPPED]
    assert walked.ended_by == 2


def test_a_device_that_cannot_be_had_does_not_work_whatever_is_pressed(config: GateConfig) -> None:
    def absent(_show: Show, _stop: threading.Event) -> Evidence:
        raise DeviceNotFound("GPIO22 has another owner", device="lamp go")

    bench = Bench(["\n", "y", "y", "y", "n"])
    walked = walk(config, bench, absent, LAMP)
    (result,) = walked.results
    assert (result.mark, result.trouble) == (Mark.FAILS, "GPIO22 has another owner")
    assert "  ! GPIO22 has another owner" in bench.told


def test_a_defect_is_said_to_be_one_and_is_no_yes(
    config: GateConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def broken(_show: Show, _stop: threading.Event) -> Evidence:
        raise KeyError("ours")

    bench = Bench(["\n", "y", "n"])
    (result,) = walk(config, bench, broken, LAMP).results
    assert result.mark is Mark.FAILS
    assert "a defect of gated" in result.trouble


def test_a_yes_of_which_the_machine_saw_nothing_is_doubted_aloud(config: GateConfig) -> None:
    def blind(_show: Show, stop: threading.Event) -> Evidence:
        stop.wait(PATIENCE_S)
        return Evidence(DOUBT)

    bench = Bench(["\n", "y"])
    (result,) = walk(config, bench, blind, LAMP).results
    assert result.is_doubtful
    assert "  ~ yet nothing was seen" in bench.told


def test_what_a_trial_shows_is_passed_on_of_live_lines_the_last() -> None:
    done = threading.Event()

    def reads(show: Show, _stop: threading.Event) -> Evidence:
        for value in range(3):
            show.live((str(value), str(value)))
        show.line(("码", "a code"))
        done.set()
        return Evidence()

    running = Running(reads, "x")
    assert done.wait(PATIENCE_S)
    running.close()
    assert [line.text[1] for line in running.show.take()] == ["2", "a code"]
    assert list(running.show.take()) == []


# --- what is felt ---------------------------------------------------------------------------------


def test_a_button_must_be_felt_and_alone() -> None:
    felt = Felt("call_button")
    assert not felt.take(GateMoved(is_shut=True, at=AT)), "its level at first is no news"
    assert felt.doubt() == ("没有感应到变化", "no change of it was felt")
    assert felt.take(ButtonPressed(Button.CALL, AT))
    assert felt.doubt() is None
    assert felt.take(ButtonPressed(Button.ATTENDANT, AT))
    doubt = felt.doubt()
    assert doubt is not None
    assert "attendant_button was felt as well: are two wires exchanged?" in doubt[1]


def test_a_contact_must_be_seen_both_ways() -> None:
    felt = Felt("contact")
    felt.take(GateMoved(is_shut=True, at=AT))
    assert felt.doubt() is not None
    felt.take(GateMoved(is_shut=False, at=AT))
    assert felt.doubt() is None


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (PassageSensed(AT), "  passage: felt"),
        (GateMoved(is_shut=False, at=AT), "  contact: open"),
        (ButtonPressed(Button.ATTENDANT, AT), "  attendant_button: felt"),
        (KeyTurned(Key.MODE, is_on=True, at=AT), "  key_mode: turned"),
    ],
)
def test_what_is_felt_is_named_as_the_configuration_names_it(
    event: PassageSensed | GateMoved | ButtonPressed | KeyTurned, words: str
) -> None:
    assert said(event)[1] == words


# --- what is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("36.5 °C", 20, "36.5 °C"),
        ("36.5 °C", 4, "36.5"),
        ("读数 36", 5, "读数 "),
        ("读数", 3, "读"),
    ],
)
def test_a_live_line_stays_on_its_line(text: str, columns: int, shown: str) -> None:
    assert cut(text, columns) == shown


def test_a_codes_text_is_short_and_moves_no_cursor() -> None:
    assert shortened("GATED") == "GATED"
    assert shortened("\x1b[2Jx") == "�[2Jx"
    assert shortened("a" * 100) == "a" * SHOWN_CHARACTERS + "…"
