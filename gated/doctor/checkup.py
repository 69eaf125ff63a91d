"""All checks, one after the other: each within its time, none kept from its answer by another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gated.actuators.gpio import Gpio
from gated.clock import Clock
from gated.config import GateConfig
from gated.config.doubts import Optics, warnings
from gated.doctor import (
    board,
    centre,
    libraries,
    nodes,
    services,
    storage,
    wall_clock,
    wired,
)
from gated.doctor.findings import Area, Finding, error, ok, same, unknown, warning
from gated.doctor.host import CannotLook, Host
from gated.errors import GatedError
from gated.facts.running import ControllerStatus
from gated.facts.status import GateStatus
from gated.probe.bounded import Overdue, bounded
from gated.probe.check import Bench
from gated.probe.start import look_at_start

CONFIGURATION, START, DEVICES = "configuration", "start", "devices"
WITHIN_S = 20.0
"""For a check without a limit of its own: programs that are asked end within 5 s each."""
DEVICES_WITHIN_S = 120.0
"""The sum of what each device may take is more only where everything hangs."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration, or everything that is wrong with it."""

    file: Path
    config: GateConfig | None
    faults: tuple[str, ...] = ()
    optics: dict[str, Optics] | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate on this machine: its status, and its devices where they may be opened."""

    status: GateStatus
    bench: Bench | None  # None: a controller holds the devices, or nobody knows
    gpio: Gpio | None = None  # None: this machine's

    @property
    def running(self) -> ControllerStatus | None:
        controller = self.status.controller
        return controller if isinstance(controller, ControllerStatus) else None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at."""

    area: Area
    subject: str
    look: Callable[[], Iterable[Finding]]
    within_s: float = WITHIN_S


def examine(check: Check) -> tuple[Finding, ...]:
    """Return what ``check`` finds. Whatever goes wrong meanwhile is a finding, too."""
    try:
        return bounded(partial(_looked, check), check.within_s, check.subject)
    except Overdue as exc:
        says = (f"{check.subject}: {check.within_s:g} 秒内没有结果", f"{check.subject}: {exc}")
        return (unknown(check.subject, says=says),)
    except GatedError as exc:
        return (unknown(check.subject, says=same(str(exc))),)
    except CancelledError:  # a defect of ours: its thread has printed the traceback
        says = (
            f"{check.subject}: gated 自身出错，请上报上面的内容",
            f"{check.subject}: a defect of gated; please report what stands above",
        )
        return (unknown(check.subject, says=says),)


def _looked(check: Check) -> tuple[Finding, ...]:
    """Return what ``check`` finds. Raises: GatedError: it could not look."""
    try:
        return tuple(check.look())
    except GatedError:  # some of ours are an OSError as well
        raise
    except OSError as exc:  # most often a folder that this account may not enter
        raise CannotLook(f"{exc.filename}: {exc.strerror}; use sudo (请用 sudo)") from exc


def examine_all(checks: Iterable[Check], tell: Tell) -> list[tuple[Area, Finding]]:
    """Return everything that is found, by area. ``tell`` hears what is looked at now."""
    found: list[tuple[Area, Finding]] = []
    for check in checks:
        tell(check.subject)
        found += [(check.area, finding) for finding in examine(check)]
    order = list(Area)
    return sorted(found, key=lambda one: order.index(one[0]))


def checks_of(loaded: Loaded, gate: Gate | None, host: Host, clock: Clock) -> Iterator[Check]:
    """Yield every check that this machine allows.

    Args:
        loaded: the configuration. Without one, what needs none is checked all the same.
        gate: None: there is no configuration.
        host: the machine.
        clock: its clocks.
    """
    config = loaded.config
    yield Check(Area.CONFIGURATION, CONFIGURATION, partial(_configuration, loaded))
    told = None if gate is None or gate.running is None else gate.running.time_quality
    if config is not None and gate is not None:
        yield Check(Area.CONFIGURATION, START, partial(_start, config))
        yield from _of_gate(config, gate, host, clock)
    yield Check(Area.BOARD, board.STRICT, partial(board.look_at_strict_gpiod, host))
    yield Check(Area.BOARD, board.POWER, partial(board.look_at_power, host))
    look_at_clock = partial(wall_clock.look_at_clock, config, host, clock, told)
    yield Check(Area.TIME, wall_clock.CLOCK, look_at_clock)
    yield Check(Area.TIME, wall_clock.BATTERY, partial(wall_clock.look_at_battery, host))
    yield Check(Area.SERVICES, services.WATCHDOG, partial(services.look_at_watchdog, host))
    yield Check(
        Area.SERVICES,
        "units",
        partial(services.look_at_units, host),
        services.UNITS_WITHIN_S,
    )
    yield Check(Area.SERVICES, "sandboxes", partial(services.look_at_sandboxes, host))
    yield Check(
        Area.LIBRARIES,
        "libraries",
        partial(libraries.look_at_libraries, config),
        libraries.WITHIN_S + WITHIN_S,
    )


def _of_gate(config: GateConfig, gate: Gate, host: Host, clock: Clock) -> Iterator[Check]:
    """Yield the checks that need to know which gate this is."""
    if gate.running is not None:
        told = partial(wired.told_by_gate, gate.running, config)
        yield Check(Area.DEVICES, DEVICES, told)
    elif gate.bench is not None:
        devices = partial(wired.look_at_devices, gate.bench)
        yield Check(Area.DEVICES, DEVICES, devices, DEVICES_WITHIN_S)
    else:
        yield Check(Area.DEVICES, DEVICES, partial(_left_alone, gate.status))
    yield Check(Area.DEVICES, nodes.PERMISSIONS, partial(nodes.look_at_permissions, config))
    controller = partial(services.look_at_controller, gate.status)
    yield Check(Area.SERVICES, services.CONTROLLER, controller)
    yield Check(Area.BOARD, board.CHIP, partial(board.look_at_chip, config, gate.gpio))
    yield Check(Area.BOARD, board.BOOT_PINS, partial(board.look_at_boot_pins, config, host))
    yield Check(Area.STORAGE, storage.STATE, partial(storage.look_at_state, config, host))
    yield Check(Area.STORAGE, storage.DISK, partial(storage.look_at_disk, config))
    yield Check(Area.STORAGE, storage.BALLAST, partial(storage.look_at_ballast, config))
    look_at_broker = partial(centre.look_at_broker, config)
    yield Check(Area.CENTRE, centre.BROKER, look_at_broker, centre.BROKER_WITHIN_S)
    certificates = partial(centre.look_at_certificates, config, clock)
    yield Check(Area.CENTRE, centre.CERTIFICATES, certificates)
    yield Check(Area.CENTRE, centre.ACK, partial(centre.look_at_acks, gate.status))


def _configuration(loaded: Loaded) -> Iterator[Finding]:
    for fault in loaded.faults:
        yield error(CONFIGURATION, says=same(fault))
    if loaded.config is None:
        return
    if not loaded.faults:
        yield ok(CONFIGURATION, says=(f"{loaded.file} 可用", f"{loaded.file} can be used"))
    for doubt in warnings(loaded.config, loaded.optics):
        yield warning(CONFIGURATION, says=same(doubt))


def _start(config: GateConfig) -> Iterator[Finding]:
    if not nodes.may_judge(os.geteuid(), nodes.services_user()):
        yield unknown(
            START,
            says=(
                f"密钥和文件夹属于用户 {nodes.USER}：请用 sudo",
                f"keys and folders belong to the user {nodes.USER}: use sudo",
            ),
        )
        return
    start = look_at_start(config)
    for fault in start.faults:
        yield error(START, says=same(fault))
    for doubt in start.doubts:
        yield warning(START, says=same(doubt))
    if not start.faults and not start.doubts:
        yield ok(
            START,
            says=(
                "密钥、名单、证书和文件夹齐备",
                "keys, lists, certificates and folders of a start are all there",
            ),
        )


def _left_alone(status: GateStatus) -> Iterator[Finding]:
    why = status.trouble[0] if status.trouble else "the controller hangs"
    yield unknown(
        DEVICES,
        says=(
            f"{why}；闸机可能在运行，不动它的设备",
            f"{why}: a gate that may be running is not disturbed",
        ),
    )
