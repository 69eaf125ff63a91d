"""``scanner.serial``: which keys go together."""

from __future__ import annotations

import pytest

from gated.config import parse_gate
from gated.config.serial_scanner import SerialProtocol, Trigger
from tests.config_texts import refusal, with_keys


def serial(keys: str) -> str:
    """Return a configuration with one serial scanner that has ``keys``."""
    return with_keys("scanner", f'serial = [{{ name = "low", device = "/dev/ttyS0"{keys} }}]')


def test_a_scanner_reads_lines_and_by_itself_unless_told_otherwise() -> None:
    (scanner,) = parse_gate(serial(""), "gated.toml").scanner.serial
    assert (scanner.protocol, scanner.trigger) == (SerialProtocol.LINE, Trigger.CONTINUOUS)


@pytest.mark.parametrize(
    "keys",
    [
        ', protocol = "length"',
        ', protocol = "gm65"',
        ', protocol = "gm65", trigger = "induction"',
        ', protocol = "gm65", trigger = "command", retrigger_s = 2.0',
        ', trigger = "command", trigger_on = "16 54 0D"',
        ', protocol = "length", trigger = "command", trigger_on = "16 54 0d", trigger_off = "1B"',
    ],
)
def test_these_go_together(keys: str) -> None:
    assert parse_gate(serial(keys), "gated.toml").scanner.serial


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (', trigger = "induction"', 'needs protocol "gm65"'),
        (', trigger = "command"', "needs trigger_on"),
        (', trigger_on = "16 54 0D"', "go with trigger"),
        (', trigger_off = "16 55 0D"', "go with trigger"),
        (', protocol = "gm65", trigger = "command", trigger_on = "16"', "go with trigger"),
        (', trigger = "command", trigger_on = "SYN T"', "trigger_on"),
        (', trigger = "command", trigger_on = "16 5"', "trigger_on"),
        (', trigger = "command", trigger_on = ""', "trigger_on"),
        (', protocol = "gm66"', "protocol"),
        (", retrigger_s = 0.1", "retrigger_s"),
    ],
)
def test_these_do_not(keys: str, reason: str) -> None:
    lines = refusal(serial(keys))
    assert any(reason in line for line in lines), lines
