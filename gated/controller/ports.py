"""The devices of one gate as the controller takes them: real ones or, all together, simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gated.actuators.inputs import InputSource
from gated.actuators.voice import Voice
from gated.actuators.worker import Outputs
from gated.clock import Clock
from gated.config import GateConfig
from gated.sensors.bus import I2CBus


@dataclass(frozen=True, slots=True)
class Devices:
    """Opened by the workers that own them. Chosen once, by the command line; never a fall-back."""

    open_bus: Callable[[str], I2CBus]  # by the configuration's name of the bus
    outputs: Outputs
    inputs: InputSource | None  # None: nothing is wired
    voice: Voice | None = None  # a worker of its own; it is the outputs' announcer, too


MakeDevices = Callable[[GateConfig, Clock], Devices]
