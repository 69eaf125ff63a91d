"""``gated pass lamp-card``: the card shows what the gate plays and says, and nothing else."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest

from gated.actuators.signals import SIGNALS, Lamp, Signal
from gated.cli import main
from gated.commands import lamp_drawing
from gated.commands.lamp_card import VISITOR_PROMPTS, CardFacts, facts_of, lamp_card
from gated.commands.lamp_drawing import LAMP_NAMES, draw_beeps
from gated.texts import PROMPTS
from gated.visit.state import CLAIM_S
from gated.vocabulary import Prompt
from tests.config_texts import MINIMAL, with_keys

DOCS = Path(__file__).resolve().parents[2] / "docs"
ALL_OUTPUTS = (
    'lamps = { go = "GPIO22", wait = "GPIO23", code = "GPIO24", observe = "GPIO26" }',
    'buzzer = { line = "GPIO25" }',
    'call_staff = { line = "GPIO27", repeat_s = 90.0 }',
)


@dataclass(frozen=True)
class Row:
    """What one row of a card shows."""

    lit: frozenset[str]
    blinking: frozenset[str]
    beeps: int
    texts: tuple[str, ...]


def rows(html: str, page: str) -> list[Row]:
    (section,) = re.findall(rf'<section class="page {page}">(.+?)</section>', html, re.DOTALL)
    found = []
    for row in re.findall(r"<tr><td>(.+?)</tr>", section, re.DOTALL):
        lamps = re.findall(r'class="lamp (\w+)" data-lamp="(\w+)"', row)
        texts = re.findall(r'<div class="said">(.+?)</div>', row)
        found.append(
            Row(
                frozenset(name for state, name in lamps if state != "off"),
                frozenset(name for state, name in lamps if state == "blinks"),
                row.count("<rect"),
                tuple(unescape(text) for said in texts for text in re.findall(r">(.+?)</p>", said)),
            )
        )
    return found


def row_of(prompts: list[Prompt], signal: Signal) -> Row:
    texts = tuple(text for prompt in prompts for text in PROMPTS[prompt])
    return Row(
        frozenset(map(str, signal.lamps)),
        frozenset(map(str, signal.blinks)),
        len(signal.beeps_s[::2]),
        texts,
    )


def config(folder: Path, text: str) -> Path:
    path = folder / "gated.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_staff_card_is_the_table_that_the_gate_plays_and_the_texts_that_it_says() -> None:
    alike: dict[Signal, list[Prompt]] = {}
    for prompt, signal in SIGNALS.items():
        alike.setdefault(signal, []).append(prompt)
    expected = [row_of(prompts, signal) for signal, prompts in alike.items()]
    shown = rows(lamp_card(CardFacts(), SIGNALS), "staff")
    assert shown[: len(expected)] == expected
    assert sum(len(row.texts) // 2 for row in expected) == len(Prompt)


def test_the_visitors_card_has_few_rows_and_each_is_the_gates_own() -> None:
    expected = [row_of([prompt], SIGNALS[prompt]) for prompt in VISITOR_PROMPTS]
    assert rows(lamp_card(CardFacts(), SIGNALS), "visitors") == expected
    assert len(expected) <= 8


def test_prompts_that_look_and_sound_the_same_share_a_row() -> None:
    signals = {**SIGNALS, Prompt.CLOSED: SIGNALS[Prompt.OUT_OF_ORDER]}
    shown = rows(lamp_card(CardFacts(), signals), "staff")
    both = row_of([Prompt.CLOSED, Prompt.OUT_OF_ORDER], SIGNALS[Prompt.OUT_OF_ORDER])
    assert both in shown


def test_mode_observe_has_rows_of_its_own() -> None:
    *_, by_lamp, by_winking = rows(lamp_card(CardFacts(), SIGNALS), "staff")
    assert (sorted(by_lamp.lit), sorted(by_lamp.blinking)) == (["observe"], [])
    assert "试运行" in by_lamp.texts[0]
    assert (sorted(by_winking.lit), sorted(by_winking.blinking)) == (["wait"], ["wait"])


def test_a_gate_that_names_its_outputs_gets_a_card_of_these_alone(tmp_path: Path) -> None:
    path = config(tmp_path, with_keys("outputs", *ALL_OUTPUTS))
    facts = facts_of(path)
    assert facts == CardFacts(name="lixin-primary / east-1", repeat_s=90.0, claim_s=CLAIM_S)
    html = lamp_card(facts, SIGNALS)
    assert "lixin-primary / east-1" in html
    assert "It rings again every 90 s" in html
    assert rows(html, "staff")[-1].lit == {"observe"}  # and no winking wait lamp


def test_a_gate_without_buzzer_and_observe_lamp_gets_neither_on_its_card(tmp_path: Path) -> None:
    lamps = 'lamps = { go = "GPIO22", wait = "GPIO23", code = "GPIO24" }'
    html = lamp_card(facts_of(config(tmp_path, with_keys("outputs", lamps))), SIGNALS)
    assert {row.beeps for row in rows(html, "staff")} == {0}
    assert 'data-lamp="observe"' not in html
    assert rows(html, "staff")[-1].blinking == {"wait"}


def test_a_gate_without_lamps_gets_a_card_without_lamps(tmp_path: Path) -> None:
    html = lamp_card(facts_of(config(tmp_path, MINIMAL)), SIGNALS)
    assert 'data-lamp="go"' not in html
    assert 'data-lamp="code"' not in html


def test_everything_that_a_signal_has_is_drawn() -> None:
    # whoever gives signals something new draws it on the card
    assert {field.name for field in dataclasses.fields(Signal)} == {"lamps", "beeps_s", "blinks"}


def test_every_lamp_has_a_name_and_a_shape_of_its_own_besides_its_colour() -> None:
    assert list(LAMP_NAMES) == list(Lamp)
    outlines = [outline for outline, _ in lamp_drawing._SHAPES.values()]
    assert set(lamp_drawing._SHAPES) == set(Lamp)
    assert len(set(outlines)) == len(outlines)


@pytest.mark.parametrize(
    ("beeps_s", "words"),
    [
        ((), []),
        ((0.08,), ["短", "short"]),
        ((0.5,), ["长", "long"]),
        ((0.08, 0.12, 0.08), ["短 ×2", "short ×2"]),
        ((0.08, 0.12, 0.3), ["短、长", "short, long"]),
    ],
)
def test_beeps_are_drawn_as_bars_and_said_in_words(
    beeps_s: tuple[float, ...], words: list[str]
) -> None:
    drawn = draw_beeps(beeps_s)
    assert re.findall(r">([^<>]+)</p>", drawn) == words
    assert drawn.count("<rect") == len(beeps_s[::2])


def test_a_longer_beep_is_a_longer_bar() -> None:
    short, long = (
        float(width)
        for beep_s in (0.08, 0.5)
        for width in re.findall(r'<rect x="0.0" width="([\d.]+)"', draw_beeps((beep_s,)))
    )
    assert long > 3 * short


def test_the_notes_are_in_both_languages_and_say_the_gates_times(tmp_path: Path) -> None:
    path = config(tmp_path, with_keys("visit", "hint_after_s = 4.0", "staff_after_s = 21.0"))
    html = lamp_card(facts_of(path), SIGNALS)
    for text in ("4 秒后", "for 4 s", "21 秒没有进展", "After 21 s", f"within {CLAIM_S:g} s"):
        assert text in html


def test_the_command_writes_the_cards_and_says_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "card.html"
    assert main(["pass", "lamp-card", "--out", str(path)]) == 0
    assert path.read_text(encoding="utf-8") == lamp_card(CardFacts(claim_s=CLAIM_S), SIGNALS)
    assert "next         print it at 100 %" in capsys.readouterr().out


def test_a_configuration_that_cannot_be_used_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, card = config(tmp_path, "[gate"), tmp_path / "card.html"
    assert main(["pass", "lamp-card", "--config", str(path), "--out", str(card)]) == 78
    assert "gated.toml" in capsys.readouterr().err
    assert not card.exists()


def test_the_card_in_the_pages_is_the_one_that_the_command_writes() -> None:
    made = lamp_card(facts_of(None), SIGNALS)
    assert (DOCS / "lamp-card.html").read_text(encoding="utf-8") == made, (
        "gated pass lamp-card --out docs/lamp-card.html"
    )
