"""What is tried: a temperature rule, and what is added to every reading before it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from gated.config.explain import toml_value
from gated.config.keys import catalogue
from gated.config.temperature import TemperatureSettings
from gated.judgement import TemperatureRules

T = TypeVar("T")

OFFSET_KEY = "offset_a_c"
_RULE_KEYS = (
    "fever_threshold_c",
    "fever_threshold_inclusive",
    "guard_below_c",
    "guard_above_c",
    "max_attempts",
)
"""The keys of ``[temperature]`` that can be tried: fields of ``TemperatureRules``, too."""
_DECIMALS = 3
"""m°C: what a record shows, and finer than anybody sets by hand."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to judge what was measured."""

    rules: TemperatureRules
    offset_c: float = 0.0  # added to every recorded body temperature
    cold_face_below_c: float = 34.5  # an offset can bring a reading below it

    @property
    def guard_from_c(self) -> float:
        """Return where the guard band begins."""
        return round(self.rules.fever_threshold_c - self.rules.guard_below_c, _DECIMALS)

    @property
    def guard_to_c(self) -> float:
        """Return where the guard band ends; it is not part of it."""
        return round(self.rules.fever_threshold_c + self.rules.guard_above_c, _DECIMALS)

    def at_threshold(self, threshold_c: float) -> Trial:
        """Return the same with another fever threshold."""
        return replace(self, rules=replace(self.rules, fever_threshold_c=threshold_c))


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to try. None leaves what holds today."""

    threshold_c: float | None = None
    is_inclusive: bool | None = None
    guard_below_c: float | None = None
    guard_above_c: float | None = None
    attempts: int | None = None
    offset_c: float | None = None

    def applied_to(self, today: Trial) -> Trial | None:
        """Return what would hold then; None if nothing is wished for."""
        if self == Wish():
            return None
        rules = today.rules
        return replace(
            today,
            rules=replace(
                rules,
                fever_threshold_c=_given(self.threshold_c, rules.fever_threshold_c),
                fever_threshold_inclusive=_given(
                    self.is_inclusive, rules.fever_threshold_inclusive
                ),
                guard_below_c=_given(self.guard_below_c, rules.guard_below_c),
                guard_above_c=_given(self.guard_above_c, rules.guard_above_c),
                max_attempts=_given(self.attempts, rules.max_attempts),
            ),
            offset_c=_given(self.offset_c, today.offset_c),
        )


def _given(wished: T | None, today: T) -> T:
    return today if wished is None else wished


@dataclass(frozen=True, slots=True)
class OutOfBounds:
    """A value that the configuration would refuse."""

    key: str
    value: float
    allowed: str  # with the unit


def changed_lines(today: Trial, then: Trial, offset_a_c: float | None) -> Iterator[str]:
    """Yield the TOML lines for ``[temperature]`` that turn ``today`` into ``then``.

    Args:
        today: what holds now.
        then: what is proposed.
        offset_a_c: today's a in body = skin + a - b x ambient, in °C; None: it is not known, and
            an offset has no line.
    """
    for key, value in _changed_values(today, then, offset_a_c):
        yield f"{key} = {toml_value(value)}"


def out_of_bounds(today: Trial, then: Trial, offset_a_c: float | None) -> list[OutOfBounds]:
    """Return what of ``then`` the configuration would refuse."""
    keys = {key.path: key for key in catalogue(TemperatureSettings)}
    found = []
    for name, value in _changed_values(today, then, offset_a_c):
        key = keys.get(name)
        if key is None or key.lowest is None or key.highest is None:
            continue
        if not key.lowest <= value <= key.highest:
            found.append(OutOfBounds(name, value, key.allowed()))
    return found


def _changed_values(
    today: Trial, then: Trial, offset_a_c: float | None
) -> Iterator[tuple[str, float | bool]]:
    for key in _RULE_KEYS:
        value: float | bool = getattr(then.rules, key)
        if value != getattr(today.rules, key):
            yield key, value if isinstance(value, int) else round(value, _DECIMALS)
    if then.offset_c != today.offset_c and offset_a_c is not None:
        yield OFFSET_KEY, round(offset_a_c + then.offset_c - today.offset_c, _DECIMALS)
