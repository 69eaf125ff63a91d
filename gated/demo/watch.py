"""Watches a demo while it is played: what is recorded, what waits, whose plug somebody pulls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from gated.clock import Clock
from gated.demo.gauge import Gauge
from gated.demo.plugboard import Plugboard
from gated.demo.pulls import HELP_KEYS, KEYS, Pull, help_lines, keys_in_a_line, steps_of
from gated.demo.screen import Screen
from gated.keyboard import Keyboard
from gated.ledger.reader import LedgerReader
from gated.processes import Children
from gated.simulation.play import Player
from gated.uplink.backoff import MAX_DELAY_S

log = logging.getLogger(__name__)

SETTLE_WITHIN_S = 30.0
SETTLE_AFTER_OUTAGE_S = MAX_DELAY_S + SETTLE_WITHIN_S
"""The longer the broker was away, the later the uplink tries again."""
POLL_S = 0.2


class Watch:
    """Works in one thread, the one that starts and stops the children.

    Args:
        reader: of the gate's ledger.
        pulls: what is pulled by itself, and when.
    """

    def __init__(  # noqa: PLR0913 - wiring: each is a different part of the demo
        self,
        reader: LedgerReader,
        player: Player,
        *,
        children: Children,
        plugboard: Plugboard,
        keyboard: Keyboard,
        screen: Screen,
        clock: Clock,
        pulls: Iterable[Pull],
    ) -> None:
        self._reader = reader
        self._player = player
        self._children = children
        self._plugboard = plugboard
        self._keyboard = keyboard
        self._screen = screen
        self._clock = clock
        self._steps = steps_of(pulls)
        self._gauge = Gauge(screen)
        self._seen = 0

    def say_keys(self) -> None:
        """Say which keys there are, if there is a keyboard."""
        if self._keyboard.is_there:
            self._screen.say(f"keys 按键      {keys_in_a_line()}")

    def follow(self, stop: threading.Event) -> None:
        """Show everything until the last act is over, or ``stop``."""
        started_s = self._clock.monotonic_s()
        while not stop.is_set() and not self._player.played.is_finished:
            self._take_keys()
            elapsed_s = self._clock.monotonic_s() - started_s
            while self._steps and self._steps[0].at_s <= elapsed_s:
                step = self._steps.pop(0)
                self._plugboard.switch(step.plug, is_out=step.is_out)
            self._look()
            stop.wait(POLL_S)

    def settle(self, hurry: threading.Event) -> None:
        """Plug everything in; wait until all works and is acknowledged, too long, or ``hurry``."""
        for step in self._steps:
            if step.is_out:
                self._screen.say(f"{step.plug}@{step.at_s:g}: the last person had gone before")
        if self._plugboard.out:
            self._screen.say("over: everything is plugged in again  演完，全部插回")
        self._plugboard.plug_in_all()
        if self._plugboard.outages and self._reader.backlog() > 0:
            self._screen.say("waiting until all is delivered (or Ctrl-C)  等待全部送达")
        within_s = SETTLE_AFTER_OUTAGE_S if self._plugboard.outages else SETTLE_WITHIN_S
        deadline_s = self._clock.monotonic_s() + within_s
        while self._clock.monotonic_s() < deadline_s and not hurry.is_set():
            if self._look() == 0 and self._plugboard.is_well:
                return
            hurry.wait(POLL_S)
        self._screen.keep("")
        if not hurry.is_set():
            log.error("the collector has not acknowledged everything in %g s", within_s)
        elif (left := self._reader.backlog()) > 0:
            self._screen.say(
                f"not waited for: {left} events are in the gate alone  {left} 条未送达"
            )

    def _look(self) -> int:
        """Keep everything running, show what is new; return the backlog."""
        self._children.poll()
        self._plugboard.poll()
        self._player.is_dark = self._plugboard.is_dark
        for event in self._reader.after(self._seen, 500):
            self._screen.show(event, self._player.played.stagings)
            self._seen = event.seq
        backlog = self._reader.backlog()
        self._gauge.show(backlog, self._plugboard.out)
        return backlog

    def _take_keys(self) -> None:
        for key in self._keyboard.read():
            if key in KEYS:
                self._plugboard.toggle(KEYS[key])
            elif key in HELP_KEYS:
                for line in help_lines():
                    self._screen.say(line)
