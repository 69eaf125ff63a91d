"""The demo's plugs: what pulling each does to the real parts, and when each was out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gated.clock import Clock
from gated.demo.pulls import DARKENS, WORDS, Plug, key_of
from gated.demo.screen import Screen
from gated.processes import Children
from gated.simulation.acts import Kind
from gated.simulation.outages import Outage
from gated.simulation.people import NEEDS_PLATFORM

RECOVERS_WITHIN_S = 3.0
"""From READY: devices are found, what was open is closed in the ledger, and the thermometers have
learned what the empty place looks like."""

_PROCESSES: Mapping[Plug, frozenset[str]] = {
    Plug.NETWORK: frozenset(),
    Plug.BROKER: frozenset(),
    Plug.COLLECTOR: frozenset({"collector"}),
    Plug.UPLINK: frozenset({"uplink"}),
    Plug.SCANNER: frozenset({"scanner"}),
    Plug.CONTROLLER: frozenset({"controller"}),
    Plug.POWER: frozenset({"controller", "scanner", "uplink"}),
}
_NONE: frozenset[Kind] = frozenset()
_DISTURBS: Mapping[Plug, frozenset[Kind] | None] = {
    Plug.NETWORK: _NONE,  # the gate decides by itself
    Plug.BROKER: _NONE,
    Plug.COLLECTOR: _NONE,
    Plug.UPLINK: NEEDS_PLATFORM,  # it asks the platform
    Plug.SCANNER: None,
    Plug.CONTROLLER: None,
    Plug.POWER: None,
}


class Cable(Protocol):
    """The network's plug."""

    def pull(self) -> None: ...

    def plug_in(self) -> None: ...


class Machine(Protocol):
    """The broker. ``start`` after ``stop`` listens on the same port."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Plugboard:
    """Pulls plugs and plugs them in again. Used by one thread, which polls the children, too.

    ``outages`` tells when each was out: until its processes were ready again and had recovered.
    """

    def __init__(
        self, cable: Cable, broker: Machine, children: Children, clock: Clock, screen: Screen
    ) -> None:
        self._cable = cable
        self._broker = broker
        self._children = children
        self._clock = clock
        self._screen = screen
        self._out: dict[Plug, Outage] = {}
        self._returning: dict[Plug, Outage] = {}
        self.outages: list[Outage] = []

    @property
    def out(self) -> tuple[Plug, ...]:
        """The plugs that are out, in the order in which they were pulled."""
        return tuple(self._out)

    @property
    def is_dark(self) -> bool:
        """Whether the gate does nothing, or has not yet seen its empty place again."""
        now_s = self._clock.monotonic_s()
        return any(o.what in DARKENS and o.until_s > now_s for o in self.outages)

    @property
    def is_well(self) -> bool:
        """Whether everything is plugged in and has recovered."""
        now_s = self._clock.monotonic_s()
        return all(outage.until_s <= now_s for outage in self.outages)

    def toggle(self, plug: Plug) -> None:
        self.switch(plug, is_out=plug not in self._out)

    def switch(self, plug: Plug, *, is_out: bool) -> None:
        """Pull ``plug`` or plug it in again; nothing if it is so already."""
        if is_out == (plug in self._out):
            return
        if is_out:
            self._pull(plug)
        else:
            self._plug_in(plug)

    def plug_in_all(self) -> None:
        for plug in self.out:
            self._plug_in(plug)

    def poll(self) -> None:
        """Note what has recovered."""
        for plug, outage in tuple(self._returning.items()):
            if all(self._children.is_ready(name) for name in _PROCESSES[plug]):
                outage.until_s = self._clock.monotonic_s() + RECOVERS_WITHIN_S
                del self._returning[plug]

    def _pull(self, plug: Plug) -> None:
        zh, en = WORDS[plug].out
        self._screen.say(f"▼ {plug}: {en}  {zh} ({key_of(plug)})")
        outage = self._returning.pop(plug, None)
        if outage is None:
            outage = Outage(plug, _DISTURBS[plug], self._clock.monotonic_s())
            self.outages.append(outage)
        self._out[plug] = outage
        if plug is Plug.NETWORK:
            self._cable.pull()
        elif plug is Plug.BROKER:
            self._broker.stop()
        self._set_processes()

    def _plug_in(self, plug: Plug) -> None:
        self._screen.say(f"▲ {plug}: plugged in again  {WORDS[plug].name_zh}：已插回")
        self._returning[plug] = self._out.pop(plug)
        if plug is Plug.NETWORK:
            self._cable.plug_in()
        elif plug is Plug.BROKER:
            self._broker.start()
        self._set_processes()

    def _set_processes(self) -> None:
        """Let live and dead be who should: one process may hang on two plugs."""
        dead = frozenset[str]().union(*(_PROCESSES[plug] for plug in self._out))
        for name in frozenset[str]().union(*_PROCESSES.values()):
            if name in dead:
                self._children.unplug(name)
            else:
                self._children.plug_in(name)
