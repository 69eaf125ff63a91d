"""Everything that is wired to this machine, found without a configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gated.clock import Clock
from gated.probe import cameras, i2c, plugged
from gated.probe.findings import (
    CameraFound,
    CardFound,
    ChipFound,
    I2CFound,
    Machine,
    SerialFound,
)
from gated.probe.gpio_chips import list_chips
from gated.sensors.port import Pause
from gated.sensors.smbus2_bus import Smbus2Bus


@dataclass(frozen=True, slots=True)
class Sources:
    """Where one looks: the machine itself, or a test's picture of one."""

    list_buses: Callable[[], Sequence[i2c.Bus]] = i2c.list_buses
    open_bus: i2c.OpenBus = Smbus2Bus
    list_chips: Callable[[], Sequence[ChipFound]] = list_chips
    list_cameras: Callable[[], Sequence[CameraFound]] = cameras.list_cameras
    list_serial: Callable[[], Sequence[SerialFound]] = plugged.list_serial
    list_cards: Callable[[], Sequence[CardFound]] = plugged.list_cards


def survey(
    sources: Sources, clock: Clock, pause: Pause, tell: i2c.Tell, *, held_by: int | None
) -> Machine:
    """Return what is there.

    Args:
        sources: where to look.
        clock: for the chips' drivers.
        pause: waits, between two messages on a bus.
        tell: what is being asked now.
        held_by: the process of a controller that runs here. Its buses are then named only: traffic
            on them would disturb its thermometers.
    """
    buses = sources.list_buses()
    return Machine(
        i2c=tuple(
            I2CFound(bus.path, bus.name)
            if held_by is not None
            else i2c.scan(bus, sources.open_bus, clock, pause, tell)
            for bus in buses
        ),
        gpio=tuple(sources.list_chips()),
        cameras=tuple(sources.list_cameras()),
        serial=tuple(sources.list_serial()),
        sound=tuple(sources.list_cards()),
        held_by=held_by,
    )
