"""The devices as ``gated calibrate`` has them: alone with a thermometer, or what a gate says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from gated.clock import Clock
from gated.config import PathSettings, ThermometerSettings
from gated.config.sensors import DriverSettings
from gated.facts.alone import STOP, Busy, alone, running_gate
from gated.sensors.bus import I2CBus
from gated.sensors.port import Device, Driver, Pause
from gated.sensors.registry import load_thermometer_driver

DeviceT = TypeVar("DeviceT", bound=Device)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a device is opened with."""

    open_bus: Callable[[str], I2CBus]
    clock: Clock
    pause: Pause

    @contextmanager
    def opened(
        self, driver: Driver[DeviceT], settings: DriverSettings, name: str
    ) -> Iterator[DeviceT]:
        """Give the device, open. Raises: ConfigError; DeviceError: it is not there."""
        options = driver.read_options(settings.options, name)
        with (
            closing(self.open_bus(settings.bus)) as bus,
            driver.make(bus, options, self.clock, self.pause) as device,
        ):
            yield device


def present_chip(settings: ThermometerSettings, paths: PathSettings, bench: Bench) -> str:
    """Return the identity of the chip that is soldered in now: the gate says it, or the chip.

    Raises: Busy: the gate runs and does not say it; DeviceError: no chip answers.
    """
    gate = running_gate(paths, bench.clock)
    if gate is None:
        with (
            alone(paths, bench.clock),
            bench.opened(
                load_thermometer_driver(settings.driver), settings, settings.name
            ) as thermometer,
        ):
            return thermometer.chip_id
    if settings.name not in gate.chips:
        raise Busy(
            f"the gate runs (process {gate.pid}) and has not found the chip of {settings.name}: "
            f"see gated status, or {STOP}"
        )
    return gate.chips[settings.name]
