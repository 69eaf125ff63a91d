"""Which lamp and which beep each prompt has. Pure; the worker plays it, the docs print it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from gated.vocabulary import Prompt


class Lamp(enum.StrEnum):
    GO = "go"
    WAIT = "wait"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Signal:
    """One prompt as light and sound. ``beeps_s`` alternates sound and silence, in s."""

    lamps: frozenset[Lamp]
    beeps_s: tuple[float, ...] = ()


_SHORT = (0.08,)
_TWO_SHORT = (0.08, 0.12, 0.08)
_LONG = (0.5,)

SIGNALS: Mapping[Prompt, Signal] = {
    Prompt.READY: Signal(frozenset()),
    Prompt.FACE: Signal(frozenset({Lamp.WAIT})),
    Prompt.COME_CLOSER: Signal(frozenset({Lamp.WAIT})),
    Prompt.STAND_STILL: Signal(frozenset({Lamp.WAIT})),
    Prompt.MEASURE_AGAIN: Signal(frozenset({Lamp.WAIT}), _TWO_SHORT),
    Prompt.ONE_MOMENT: Signal(frozenset({Lamp.WAIT})),
    Prompt.AGAIN_LATER: Signal(frozenset({Lamp.WAIT}), _TWO_SHORT),
    Prompt.SHOW_CODE: Signal(frozenset({Lamp.CODE})),
    Prompt.HOLD_CLOSER: Signal(frozenset({Lamp.CODE}), _SHORT),
    Prompt.HOLD_FURTHER: Signal(frozenset({Lamp.CODE}), _SHORT),
    Prompt.BRIGHTER_SCREEN: Signal(frozenset({Lamp.CODE}), _SHORT),
    Prompt.TURN_FROM_GLARE: Signal(frozenset({Lamp.CODE}), _SHORT),
    Prompt.HOLD_STILL: Signal(frozenset({Lamp.CODE}), _SHORT),
    Prompt.ONE_CODE_ONLY: Signal(frozenset({Lamp.CODE}), _TWO_SHORT),
    Prompt.SHOW_ANOTHER_CODE: Signal(frozenset({Lamp.CODE}), _TWO_SHORT),
    Prompt.GO: Signal(frozenset({Lamp.GO}), _SHORT),
    # Everything that somebody else must sort out looks and sounds the same.
    Prompt.THANK_YOU_WAIT_OUTSIDE: Signal(frozenset({Lamp.WAIT}), _SHORT),
    Prompt.WAIT_STAFF: Signal(frozenset({Lamp.WAIT}), _LONG),
    Prompt.STAFF_CARD_FIRST: Signal(frozenset({Lamp.CODE}), _TWO_SHORT),
    Prompt.STAFF_PRESS_BUTTON: Signal(frozenset({Lamp.WAIT, Lamp.CODE}), _SHORT),
    Prompt.SHUT_GATE: Signal(frozenset({Lamp.WAIT, Lamp.CODE}), _TWO_SHORT),
    Prompt.CLOSED: Signal(frozenset({Lamp.WAIT, Lamp.CODE})),
    Prompt.OUT_OF_ORDER: Signal(frozenset({Lamp.WAIT, Lamp.CODE}), _LONG),
}
