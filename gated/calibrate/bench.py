"""The devices as ``gated calibrate`` has them: alone with a thermometer, or what a gate says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gated.clock import Clock
from gated.commands.running import ControllerStatus, read_running
from gated.config import PathSettings, ThermometerSettings
from gated.config.sensors import DriverSettings
from gated.errors import ExitCode, GatedError, StorageError
from gated.ledger.files import WriterLock
from gated.sensors.bus import I2CBus
from gated.sensors.port import Device, Driver, Pause
from gated.sensors.registry import load_thermometer_driver

DeviceT = TypeVar("DeviceT", bound=Device)


class Busy(GatedError):
    """A controller holds the devices, or nobody can tell. Printed; says what to do."""

    exit_code = ExitCode.UNAVAILABLE


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


@dataclass(frozen=True, slots=True)
class Gate:
    """The controller of this configuration, running."""

    pid: int
    chips: dict[str, str] = field(default_factory=dict)  # by thermometer, as far as they are open


def running_gate(paths: PathSettings, clock: Clock) -> Gate | None:
    """Return the controller that runs here, None if none does. Raises: Busy: nobody can tell."""
    try:
        status = read_running(paths.run, clock)
        if not isinstance(status, ControllerStatus) or not Path(f"/proc/{status.pid}").exists():
            return None  # killed a moment ago, perhaps; ``alone`` knows better
        return Gate(status.pid, status.chips)
    except StorageError as exc:
        raise Busy(f"{exc}; use sudo: a gate that may be running is not disturbed") from exc


@contextmanager
def alone(paths: PathSettings, clock: Clock) -> Iterator[None]:
    """Keep controllers off the devices: two readers on one bus disturb the measurement.

    Held by the ledger's lock, which the kernel takes from a dead process, so that one which hangs
    counts as running and one which was killed does not.

    Raises: Busy: a controller runs.
    """
    gate = running_gate(paths, clock)
    if gate is not None:
        raise Busy(f"the gate runs (process {gate.pid}) and measures with these devices; {_STOP}")
    ledger = paths.state / "ledger.db"
    if not ledger.with_name(f"{ledger.name}.lock").exists():  # never any controller here
        yield
        return
    try:
        lock = WriterLock(ledger, "gated controller")
    except StorageError as exc:
        raise Busy(f"{exc}, or use sudo; {_STOP}") from exc
    try:
        yield
    finally:
        lock.release()


_STOP = (
    "stop it: sudo systemctl stop gated.target, and afterwards start it again "
    "(先停止闸机: sudo systemctl stop gated.target)"
)


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
            f"see gated status, or {_STOP}"
        )
    return gate.chips[settings.name]
