"""The 40-pin header of a Raspberry Pi, and which of its lines the example configuration uses."""

from __future__ import annotations

import re
import tomllib

from gated.config import GateConfig, parse_gate
from gated.config.reference import example

HEADER_PIN = {
    0: 27, 1: 28, 2: 3, 3: 5, 4: 7, 5: 29, 6: 31, 7: 26, 8: 24, 9: 21, 10: 19, 11: 23, 12: 32,
    13: 33, 14: 8, 15: 10, 16: 36, 17: 11, 18: 12, 19: 35, 20: 38, 21: 40, 22: 15, 23: 16, 24: 18,
    25: 22, 26: 37, 27: 13,
}  # fmt: skip
"""The same on every Pi since the B+."""

POWER_PINS = {
    **dict.fromkeys((1, 17), "3.3 V"),
    **dict.fromkeys((2, 4), "5 V"),
    **dict.fromkeys((6, 9, 14, 20, 25, 30, 34, 39), "GND"),
}

I2C_LINES = frozenset(range(12))  # what I2C buses may need, the bit-banged ones of 10 and 11 too
CONSOLE_LINES = frozenset({14, 15})


def number_of(line: str) -> int:
    """Return 17 of ``GPIO17``."""
    return int(line.removeprefix("GPIO"))


def example_config() -> GateConfig:
    return parse_gate(example(GateConfig), "example")


def example_lines() -> dict[str, int]:
    """Return {key: GPIO number} of every line in the example file, those behind a # as well."""
    text = re.sub(r"^# (?=[a-z_]+ = )", "", example(GateConfig), flags=re.MULTILINE)
    raw = tomllib.loads(text)
    outputs, inputs = raw["outputs"], raw["inputs"]
    found = {
        "outputs.relay": outputs["relay"]["line"],
        "outputs.buzzer": outputs["buzzer"]["line"],
        "outputs.call_staff": outputs["call_staff"]["line"],
        **{f"outputs.lamps.{name}": line for name, line in outputs["lamps"].items()},
        **{f"inputs.{name}": wire["line"] for name, wire in inputs.items()},
    }
    return {key: number_of(line) for key, line in found.items()}


def wired_keys() -> set[str]:
    """Return the keys of ``example_lines`` that the example does not leave behind a #."""
    config = example_config()
    lines = {**config.outputs.lines(), **config.inputs.lines()}
    return {key.removesuffix(".line") for key in lines}
