"""Which lamp and which beep each prompt has. Pure; the worker plays it, the docs print it."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass

from gated.messages import ShowPrompt
from gated.vocabulary import Mode, Prompt


class Lamp(enum.StrEnum):
    GO = "go"
    WAIT = "wait"
    CODE = "code"
    OBSERVE = "observe"  # says how the gate is run, whatever the prompt


@dataclass(frozen=True, slots=True)
class Pattern:
    """How one output is driven over time: on, off, on, … from the moment it starts.

    Args:
        steps_s: how long each step lasts, in s; the first is "on", after the last it is off.
        every_s: the steps begin again after so long, in s. None: they are played once.
    """

    steps_s: tuple[float, ...] = ()
    every_s: float | None = None

    def is_on(self, since_s: float) -> bool:
        """Return whether the output is on ``since_s`` seconds after the start."""
        if self.every_s is not None:
            since_s %= self.every_s
        is_on = True
        for step_s in self.steps_s:
            if since_s < step_s:
                return is_on
            since_s -= step_s
            is_on = not is_on
        return False

    def next_change_s(self, since_s: float) -> float:
        """Return how long after ``since_s`` it next changes, in s; infinite: never again."""
        into_s = since_s if self.every_s is None else since_s % self.every_s
        end_s = 0.0
        for step_s in self.steps_s:
            end_s += step_s
            if into_s < end_s:
                return end_s - into_s
        return math.inf if self.every_s is None else self.every_s - into_s


OFF = Pattern()
ON = Pattern((math.inf,))
BLINK = Pattern((0.4,), every_s=0.8)
"""Calls for something. Slower than 3 Hz, for those whom flicker makes ill (WCAG 2.3.1)."""
WINK = Pattern((0.1,), every_s=2.0)
"""Says in passing how the gate is run; nobody need do anything."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One prompt as light and sound: no two prompts that ask for different things are alike.

    Args:
        lamps: which are lit.
        beeps_s: sound, silence, sound, … in s.
        blinks: which of the lit ones blink.
    """

    lamps: frozenset[Lamp]
    beeps_s: tuple[float, ...] = ()
    blinks: frozenset[Lamp] = frozenset()

    def light(self, lamp: Lamp) -> Pattern:
        """Return how ``lamp`` shows this prompt."""
        if lamp in self.blinks:
            return BLINK
        return ON if lamp in self.lamps else OFF


_SHORT = (0.08,)
_TWO_SHORT = (0.08, 0.12, 0.08)
_THREE_SHORT = (0.08, 0.12, 0.08, 0.12, 0.08)
_SHORT_LONG = (0.08, 0.12, 0.3)
_LONG = (0.5,)

_WAIT = frozenset({Lamp.WAIT})
_CODE = frozenset({Lamp.CODE})
_BOTH = _WAIT | _CODE

SIGNALS: Mapping[Prompt, Signal] = {
    Prompt.READY: Signal(frozenset()),
    Prompt.FACE: Signal(_WAIT),
    Prompt.COME_CLOSER: Signal(_WAIT, _SHORT, blinks=_WAIT),
    Prompt.STAND_STILL: Signal(_WAIT, _SHORT),
    Prompt.MEASURE_AGAIN: Signal(_WAIT, _TWO_SHORT),
    Prompt.ONE_MOMENT: Signal(_WAIT, blinks=_WAIT),
    Prompt.AGAIN_LATER: Signal(_WAIT, _TWO_SHORT, blinks=_WAIT),
    Prompt.SHOW_CODE: Signal(_CODE),
    # The code lamp blinks: what is held up there is not read, and how it is held can be mended.
    Prompt.HOLD_CLOSER: Signal(_CODE, _SHORT, blinks=_CODE),
    Prompt.HOLD_FURTHER: Signal(_CODE, _TWO_SHORT, blinks=_CODE),
    Prompt.BRIGHTER_SCREEN: Signal(_CODE, _THREE_SHORT, blinks=_CODE),
    Prompt.TURN_FROM_GLARE: Signal(_CODE, _SHORT_LONG, blinks=_CODE),
    Prompt.HOLD_STILL: Signal(_CODE, blinks=_CODE),
    # It is lit: the code was read, and another one is wanted.
    Prompt.ONE_CODE_ONLY: Signal(_CODE, _TWO_SHORT),
    Prompt.SHOW_ANOTHER_CODE: Signal(_CODE, _THREE_SHORT),
    Prompt.GO: Signal(frozenset({Lamp.GO}), _SHORT),
    Prompt.THANK_YOU_WAIT_OUTSIDE: Signal(_WAIT, _THREE_SHORT),
    # Everything that somebody else must sort out looks and sounds the same.
    Prompt.WAIT_STAFF: Signal(_WAIT, _LONG),
    Prompt.STAFF_CARD_FIRST: Signal(_BOTH, _TWO_SHORT, blinks=_CODE),
    Prompt.STAFF_PRESS_BUTTON: Signal(_BOTH, _SHORT, blinks=_WAIT),
    Prompt.SHUT_GATE: Signal(_BOTH, _TWO_SHORT, blinks=_BOTH),
    Prompt.CLOSED: Signal(_BOTH),
    Prompt.OUT_OF_ORDER: Signal(_BOTH, _LONG),
}


def light(lamp: Lamp, shown: ShowPrompt, *, has_observe_lamp: bool) -> Pattern:
    """Return how ``lamp`` shows a prompt in its mode.

    A gate that only observes has a lamp that says so; where none is wired, the wait lamp winks
    while nobody is there, since a prompt's own lights must mean the same in every mode.
    """
    is_observing = shown.mode is Mode.OBSERVE
    if lamp is Lamp.OBSERVE:
        return ON if is_observing else OFF
    is_winking = is_observing and not has_observe_lamp and shown.prompt is Prompt.READY
    if is_winking and lamp is Lamp.WAIT:
        return WINK
    return SIGNALS[shown.prompt].light(lamp)
