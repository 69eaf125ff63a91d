"""One output of the configuration, switched on once and off again: for whoever wires a gate."""

from __future__ import annotations

from contextlib import closing

from gated.actuators.line import OpenLine
from gated.actuators.relay import Relay
from gated.actuators.relay_guard import MAX_PULSE_MS
from gated.config import GateConfig
from gated.controller.ports import Devices
from gated.errors import GatedError
from gated.sensors.port import Pause

MAX_TOGGLE_S = 10.0
MAX_RELAY_S = MAX_PULSE_MS / 1_000
RELAY = "relay"
_NO_VISIT = "0"


def line_names(config: GateConfig) -> tuple[str, ...]:
    """Return the names of the outputs that ``config`` wires."""
    outputs = config.outputs
    lamps = () if outputs.lamps is None else tuple(outputs.lamps.model_dump(exclude_none=True))
    others = tuple(name for name in ("buzzer", "call_staff") if getattr(outputs, name) is not None)
    return (RELAY, *lamps, *others)


def toggle(name: str, config: GateConfig, devices: Devices, for_s: float, pause: Pause) -> None:
    """Energise the output ``name`` for ``for_s`` seconds; it is let go in any case.

    Raises: GatedError: no such output, or too long. ActuationError: it cannot be driven.
    """
    names = line_names(config)
    if name not in names:
        raise GatedError(f"no output {name!r} in the configuration; there are: {', '.join(names)}")
    most_s = MAX_RELAY_S if name == RELAY else MAX_TOGGLE_S
    if not 0 < for_s <= most_s:
        raise GatedError(f"--for must be above 0 and at most {most_s:g} s for {name}")
    outputs = devices.outputs
    if name == RELAY:
        _pulse(outputs.relay, for_s, pause)
        return
    others = {"buzzer": outputs.buzzer, "call_staff": outputs.bell}
    lines = {lamp.value: line for lamp, line in outputs.lamps.items()} | others
    _energise(lines[name], for_s, pause)


def _pulse(relay: Relay, for_s: float, pause: Pause) -> None:
    with closing(relay):
        relay.open()
        relay.pulse(_NO_VISIT, for_s)
        pause(for_s)  # closing it earlier would end the pulse


def _energise(open_line: OpenLine, for_s: float, pause: Pause) -> None:
    with closing(open_line()) as line:
        line.set(energised=True)
        pause(for_s)
