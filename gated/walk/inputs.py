"""Trials of what the gate feels: light barrier, contact, buttons, keys."""

from __future__ import annotations

import select
import threading
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from gated.actuators.inputs import CONTACT, LEVELS, PASSAGE, InputEvent, InputSource
from gated.messages import ButtonPressed, GateMoved, PassageSensed
from gated.walk.course import Evidence, Text
from gated.walk.steps import Step, button_name
from gated.walk.trial import Show, Trial

LOOK_EVERY_S = 0.2


def input_trial(step: Step, source: InputSource) -> Trial:
    """Return what shows everything that is felt, and remembers what was felt of ``step``."""
    return partial(_feel, step.name, source)


def _feel(name: str, source: InputSource, show: Show, stop: threading.Event) -> Evidence:
    felt = Felt(name)
    with closing(source):
        source.open()
        while not stop.is_set():
            for event in source.read():
                if felt.take(event):
                    show.line(said(event))
            select.select([source.fileno()], [], [], LOOK_EVERY_S)
    return Evidence(doubt=felt.doubt())


def named(event: InputEvent) -> tuple[str, bool]:
    """Return the key below [inputs] that ``event`` is of, and whether it is on; a pulse is on."""
    if isinstance(event, PassageSensed):
        return PASSAGE, True
    if isinstance(event, GateMoved):
        return CONTACT, event.is_shut
    if isinstance(event, ButtonPressed):
        return button_name(event.button), True
    return event.key.value, event.is_on


def said(event: InputEvent) -> Text:
    """Return what was felt, in words."""
    name, is_on = named(event)
    if name == CONTACT:
        state = ("关着", "shut") if is_on else ("打开", "open")
    elif name in LEVELS:
        state = ("转到位", "turned") if is_on else ("不在位", "not turned")
    else:
        state = ("感应到", "felt")
    return f"  {name}：{state[0]}", f"  {name}: {state[1]}"


@dataclass(slots=True)
class Felt:
    """What was felt while one input was tried. Pure."""

    name: str
    states: set[bool] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)  # whose level was told: the first is no change

    def take(self, event: InputEvent) -> bool:
        """Note ``event``; return whether it says anything of what is being tried."""
        name, is_on = named(event)
        is_first = name in LEVELS and name not in self.told
        self.told.add(name)
        if name == self.name:
            self.states.add(is_on)
        elif not is_first:
            self.others.add(name)
        return name == self.name or not is_first

    def doubt(self) -> Text | None:
        """Return why it is hard to believe that this input works."""
        wanted = {True, False} if self.name in LEVELS else {True}
        if not self.states >= wanted:
            return "没有感应到变化", "no change of it was felt"
        if self.others:
            names = ", ".join(sorted(self.others))
            return (
                f"还感应到 {names}：两根线接反了？",
                f"{names} was felt as well: are two wires exchanged?",
            )
        return None
