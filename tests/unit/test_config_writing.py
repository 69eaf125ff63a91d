"""The commented file that is written for a technician says what was asked for, and nothing else."""

from __future__ import annotations

import tomllib

import pytest

from gated.config import parse_gate
from gated.config.gate import GateConfig
from gated.config.reference import example
from gated.config.writing import commented
from tests.config_texts import MINIMAL, with_keys

TEXTS = {
    "minimal": MINIMAL,
    "example": example(GateConfig),
    "other values": with_keys("visit", "hold_s = 7.0", 'initial_mode = "observe"'),
    "optional keys": with_keys("uplink", 'user = "east # 1"', 'password_file = "/etc/gated/p"'),
    "a text with a quote": with_keys("gate", 'zone = "yard"', 'timezone = "Asia/Urumqi"'),
    "tables": MINIMAL + '[inputs.contact]\nline = "GPIO12"\n',
    "two thermometers": example(GateConfig).replace("37.3 ", "38.1 "),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_written_loads_to_what_was_asked_for(name: str) -> None:
    written = commented(tomllib.loads(TEXTS[name]))
    assert parse_gate(written, "written") == parse_gate(TEXTS[name], "asked")


@pytest.mark.parametrize("name", TEXTS)
def test_every_explanation_of_the_example_stays(name: str) -> None:
    written = commented(tomllib.loads(TEXTS[name]))
    remarks = [
        line.rpartition(" # ")[2] for line in example(GateConfig).splitlines() if "#" in line
    ]
    assert [remark for remark in remarks if remark not in written] == []


def test_a_wish_of_the_example_is_switched_off_where_nobody_has_it() -> None:
    lines = commented(tomllib.loads(MINIMAL)).splitlines()
    assert any(line.startswith("# ambient = {") for line in lines)
    assert any(line.startswith("# password_file = ") for line in lines)
    assert any(line.startswith("fever_threshold_c = 37.3 ") for line in lines)
