"""The pages for whoever builds and serves a gate: their pins and words are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gated.config import GateConfig
from gated.config.keys import catalogue
from gated.contents import AlarmName, Kind, ReleaseContent, VisitContent
from gated.credentials.value_sheet import HIGHEST_C, LOWEST_C
from gated.judgement import SUNLIT_RISE_C
from gated.sensors.mlx90614 import FOV_DEG
from gated.visit.state import CLAIM_S, Timing
from gated.vocabulary import (
    Check,
    ClaimStep,
    CodeColour,
    HolderCategory,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
    UnreadCause,
    Verdict,
    WhenNotJudged,
)
from tests.header import CONSOLE_LINES, HEADER_PIN, I2C_LINES, example_config, example_lines

DOCS = Path(__file__).resolve().parents[2] / "docs"
VISITORS, WIRING, PARTS = (
    (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("visitors", "wiring", "parts")
)


def rows(text: str, *header: str) -> list[list[str]]:
    lines = text.splitlines()
    start = lines.index(f"| {' | '.join(header)} |") + 2
    body = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        body.append([cell.strip() for cell in line.strip("|").split("|")])
    return body


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


PINS = {
    spans(key)[0]: (int(line.removeprefix("GPIO")), int(pin))
    for _, key, line, pin, _ in rows(WIRING, "what 用途", "key", "line", "pin", "wire")
}


# --- wiring --------------------------------------------------------------------------------------


def test_the_pins_of_the_page_are_those_of_the_example_configuration() -> None:
    assert {key: line for key, (line, _) in PINS.items()} == example_lines()


def test_no_line_of_the_example_is_a_wire_of_its_buses_or_of_the_console() -> None:
    # /dev/i2c-3 has its clock on GPIO5 (Pi 4) or its data on GPIO6 (Pi 5)
    taken = {key for key, line in example_lines().items() if line in I2C_LINES | CONSOLE_LINES}
    assert taken == set()


def test_every_pin_of_the_page_is_where_the_header_has_it() -> None:
    assert {key: HEADER_PIN[line] for key, (line, _) in PINS.items()} == {
        key: pin for key, (_, pin) in PINS.items()
    }


def test_the_relay_sits_where_the_firmware_pulls_down() -> None:
    assert 16 <= PINS["outputs.relay"][0] <= 27
    assert "gpio=17=op,dl" in WIRING
    assert "dtparam=strict_gpiod" in WIRING


def test_the_lines_of_each_bus_are_where_the_header_has_them() -> None:
    header = ("bus", "Pi 4", "its lines (data, clock)", "Pi 5", "its lines")
    buses = rows(WIRING, *header)
    config = example_config()
    ambient = config.temperature.ambient
    assert ambient is not None
    thermometers = config.temperature.thermometers
    beside = {t.distance.bus for t in thermometers if t.distance is not None}
    wanted = {*(t.bus for t in thermometers), *beside, ambient.bus}
    assert {spans(bus)[0] for bus, *_ in buses} == wanted
    for _, _, pi4, _, pi5 in buses:
        for cell in (pi4, pi5):
            lines, _, pins = cell.partition(": pins ")
            numbers = [int(number) for number in re.findall(r"GPIO(\d+)", lines)]
            assert [HEADER_PIN[number] for number in numbers] == [
                int(pin) for pin in pins.split(", ")
            ]
            assert set(numbers) <= I2C_LINES


def test_the_picture_has_every_pin_of_the_page_and_the_way_out_apart() -> None:
    picture = (DOCS / "wiring.svg").read_text(encoding="utf-8")
    for key, (line, pin) in PINS.items():
        assert f">GPIO{line} · {pin}<" in picture, key
    assert "never through the Pi 绝不经过树莓派" in picture
    assert "prefers-color-scheme: dark" in picture


# --- visitors ------------------------------------------------------------------------------------

WORDS = {
    str(word)
    for words in (
        AlarmName, Check, ClaimStep, CodeColour, HolderCategory, Kind, Mode, Outcome,
        PassageResult, Prompt, Reason, ReleaseResult, UnreadCause, Verdict, WhenNotJudged,
    )
    for word in words
} | {*VisitContent.model_fields, *ReleaseContent.model_fields}  # fmt: skip
OTHER_WORDS = {"child", "slow", "to_measure", "key_switch"}
"""A thermometer's name, a claim, a follow-up, a value of released_by."""
KEYS = {key.path for key in catalogue(GateConfig)}


def test_every_word_on_the_visitors_page_is_the_codes() -> None:
    said = [word for word in spans(VISITORS) if not word.startswith(("gated ", "--"))]
    unknown = {word for word in said if word not in WORDS | OTHER_WORDS}
    assert {word for word in unknown if word not in KEYS} == set()


def test_every_prompt_every_outcome_and_every_step_of_staff_has_its_place() -> None:
    said = set(spans(VISITORS))
    assert set(Prompt) - said == set()
    assert set(Outcome) - said == set()
    assert set(ClaimStep) - said == set()
    assert set(ReleaseResult) - said == set()
    assert set(Mode) - said == set()


def test_the_times_on_the_visitors_page_are_the_defaults() -> None:
    timing = Timing()
    for key, value in (
        ("hint_after_s", timing.hint_after_s),
        ("staff_after_s", timing.staff_after_s),
        ("hold_slow_s", timing.hold_slow_s),
        ("held_open_after_s", timing.held_open_after_s),
    ):
        assert re.search(rf"`visit\.{key}`[^.;]*\({value:g} s\)", VISITORS), key
    assert f"within {CLAIM_S:g} s" in VISITORS
    assert f"{timing.release_within_s / 60:g} minutes" in VISITORS
    assert f"{SUNLIT_RISE_C:g} °C or more above" in VISITORS
    assert f"({LOWEST_C:.1f}–{HIGHEST_C:.1f} °C)" in VISITORS


@pytest.mark.parametrize("heading", re.findall(r"^## (.+)$", VISITORS, flags=re.MULTILINE))
def test_every_section_has_a_chinese_summary(heading: str) -> None:
    section = VISITORS.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    assert section.count("中文摘要：") == 1


def test_every_section_is_found_from_the_top_of_the_page() -> None:
    top = VISITORS.partition("\n## ")[0]
    headings = re.findall(r"^## (.+)$", VISITORS, flags=re.MULTILINE)
    linked = re.findall(r"\]\(#([^)]+)\)", top)
    anchors = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]
    unlinked = set(anchors) - set(linked)
    assert unlinked <= {"the-rhythm-节奏", "out-of-order-设备故障"}


# --- parts ---------------------------------------------------------------------------------------


def test_the_parts_name_the_optics_that_the_driver_knows() -> None:
    assert FOV_DEG["I"] == 5.0
    assert FOV_DEG["H"] == 12.0
    assert FOV_DEG["A"] == 90.0
    assert "**DCI** (5°)" in PARTS
    assert "`DCH` (12°)" in PARTS
    assert "(**90°**)" in PARTS


def test_everything_that_is_not_to_be_bought_has_its_reason_and_its_source() -> None:
    for row in rows(PARTS, "part 元件", "why not", "what happens", "source 来源"):
        assert all(row), row
