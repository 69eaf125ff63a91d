"""What a Raspberry Pi's firmware and kernel say of pins and power. Pure.

Pins at power-on: [BCM2711 ARM Peripherals, 5.3, table of alternative functions, column "Pull"], the
same on every Pi with 40 pins. ``config.txt``: [raspberrypi/documentation, config_txt, "gpio" and
"Conditional filters"]. Throttling: [raspberrypi/documentation, os, "get_throttled"].
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

LAST_PULLED_UP = 8
"""GPIO0 to GPIO8 are pulled up from power-on until somebody takes them, the others down."""

_LINE = re.compile(r"GPIO(\d+)")
_SECTION = re.compile(r"\[(.+)\]")
_SET = re.compile(r"gpio\s*=\s*([\d,\s-]+)=\s*([\w,\s]+)")
_MODEL_SECTION = re.compile(r"pi(\d)\+?")
_MODEL_NUMBER = re.compile(r"Raspberry Pi (?:Compute Module )?(\d)")

NOW, SINCE_START = 0, 16
"""The first bit of what is so now, and of what was so once since the Pi was started."""
UNDER_VOLTAGE = 0
_TROUBLES: tuple[tuple[str, str], ...] = (
    ("欠压", "under-voltage"),
    ("处理器降频", "its clock is capped"),
    ("处理器限速", "it is throttled"),
    ("过热限速", "it is too warm and slows down"),
)
"""Of bit 0 on, and again of bit 16 on."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """What the firmware says of power and heat."""

    value: int

    @property
    def is_under_voltage(self) -> bool:
        return bool(self.value >> UNDER_VOLTAGE & 1)

    def troubles(self, first_bit: int) -> tuple[tuple[str, str], ...]:
        """Return what is so ``NOW``, or was ``SINCE_START``, in Chinese and English."""
        return tuple(
            text for bit, text in enumerate(_TROUBLES) if self.value >> (first_bit + bit) & 1
        )


def parse_throttled(text: str) -> Throttled | None:
    """Return what ``throttled=0x50005`` (vcgencmd) or ``50005`` (sysfs) means; None: nothing."""
    digits = text.strip().removeprefix("throttled=").removeprefix("0x")
    try:
        return Throttled(int(digits, 16))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class BootState:
    """One line from the firmware's start until gated takes it."""

    is_pulled_up: bool
    drive: bool | None = None  # by config.txt: high, low, or not at all

    @property
    def is_high(self) -> bool:
        return self.is_pulled_up if self.drive is None else self.drive


def gpio_number(line: str) -> int | None:
    """Return 17 of ``GPIO17``; None: no line of a Raspberry Pi's header."""
    match = _LINE.fullmatch(line)
    return None if match is None else int(match[1])


def boot_state(number: int, config_txt: str, model: str) -> BootState:
    """Return how a line stands while the Pi ``model`` starts with ``config_txt``."""
    state = BootState(is_pulled_up=number <= LAST_PULLED_UP)
    for numbers, attributes in _gpio_lines(config_txt, model):
        if number not in numbers:
            continue
        for attribute in attributes:
            match attribute:
                case "ip":
                    state = replace(state, drive=None)
                case "dh" | "dl":
                    state = replace(state, drive=attribute == "dh")
                case "pu" | "pd" | "pn" | "np":
                    state = replace(state, is_pulled_up=attribute == "pu")
    return state


def _gpio_lines(config_txt: str, model: str) -> Iterator[tuple[frozenset[int], tuple[str, ...]]]:
    """Yield (line numbers, attributes) of each ``gpio=`` that holds for ``model``."""
    is_ours = True
    for raw in config_txt.splitlines():
        text = raw.partition("#")[0].strip()
        if (section := _SECTION.fullmatch(text)) is not None:
            is_ours = _holds(section[1].lower(), model)
        elif is_ours and (found := _SET.fullmatch(text)) is not None:
            attributes = tuple(part.strip().lower() for part in found[2].split(","))
            yield frozenset(_numbers(found[1])), attributes


def _holds(section: str, model: str) -> bool:
    """Return whether what stands below ``[section]`` is for this Pi; one we do not know is not."""
    wanted, ours = _MODEL_SECTION.fullmatch(section), _MODEL_NUMBER.match(model)
    return section == "all" or (wanted is not None and ours is not None and wanted[1] == ours[1])


def _numbers(text: str) -> Iterator[int]:
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        if first.isdecimal() and (last.isdecimal() or not dash):
            yield from range(int(first), int(last or first) + 1)
