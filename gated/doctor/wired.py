"""The devices: of a running gate by its status, else each opened once by ``gated.probe``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gated.config import GateConfig
from gated.controller.sensors import AMBIENT
from gated.doctor.findings import Finding, Text, error, ok, same, unknown, warning
from gated.errors import ConfigError, DeviceError
from gated.facts.advice import advice
from gated.facts.running import ControllerStatus
from gated.probe.bounded import bounded
from gated.probe.check import Bench, check_devices, settings_of
from gated.probe.findings import Answer, Checked, Kind, State
from gated.probe.i2c import Bus, list_buses, scan
from gated.probe.words import scanner_runs, title, where
from gated.scanner.sighting import CAMERA
from gated.sensors.calibration import FOLDER, CalibrationFolder
from gated.texts import Language, device_lost

SUBJECT, CALIBRATION = "device_{}", "calibration_{}"
LOWEST_AIR_C, HIGHEST_AIR_C = -30.0, 60.0
"""Where a gate stands. What a chip takes its surroundings for, beyond this, is a fault."""
MOST_APART_C = 15.0
"""A thermometer's chip is a little warmer than the air; so much more is the sun, or a heater."""
DARK_PERCENT = 2.0
SCAN_WITHIN_S = 15.0
_OK = "ok"
_ON_A_BUS = frozenset({Kind.THERMOMETER, Kind.AMBIENT, Kind.DISTANCE})
LANGUAGES: tuple[Language, Language] = ("zh-Hans", "en")


# --- a running gate ------------------------------------------------------------------------------


def told_by_gate(running: ControllerStatus, config: GateConfig) -> Iterator[Finding]:
    """Yield how a running gate finds its devices, which are left alone."""
    serial = [scanner.name for scanner in config.scanner.serial]
    for name, state in running.devices.items():
        chip = running.chips.get(name, "")
        of_chip = f" (chip {chip})" if chip else ""
        subject = SUBJECT.format(name)
        if state == _OK:
            yield ok(
                subject,
                says=(
                    f"{name} 正常{of_chip}，主控运行中",
                    f"{name} works{of_chip}, the controller says",
                ),
            )
        else:
            says = device_lost(name, running.why.get(name, ""))
            yield error(subject, says=says, mend=advice(name, serial))
    yield from look_at_calibrations(config, running.chips)


# --- a gate that does not run --------------------------------------------------------------------


def look_at_devices(bench: Bench) -> Iterator[Finding]:
    """Yield how each device of the configuration is. Each has its own limit of time."""
    checked = check_devices(bench, _quiet)
    for device in checked:
        if device.state is State.OK:
            yield from _judged(device, checked)
        else:
            mend = _elsewhere(device, bench) if device.state is State.MISSING else None
            says = device_lost(device.name, device.detail)
            yield error(SUBJECT.format(device.name), says=says, mend=mend or where(device))
    if bench.scanner is not None:
        yield unknown(SUBJECT.format(CAMERA), says=scanner_runs(bench.scanner))
    chips = {d.name: d.chip_id for d in checked if d.kind is Kind.THERMOMETER and d.chip_id}
    yield from look_at_calibrations(bench.config, chips)


def _quiet(_what: str) -> None:
    """What is asked now is told by whoever runs the checks."""


def _judged(device: Checked, every: Sequence[Checked]) -> Iterator[Finding]:
    """Yield how a device is that answers."""
    subject = SUBJECT.format(device.name)
    doubt = implausible(device, every)
    if doubt is not None:
        zh, en = (f"{title(device, language)}: {device.reading}" for language in LANGUAGES)
        yield warning(subject, says=(zh, en), mend=doubt)
        return
    zh, en = (
        f"{title(device, language)}" + (f": {device.reading}" if device.reading else "")
        for language in LANGUAGES
    )
    yield ok(subject, says=(zh, en))


def implausible(device: Checked, every: Sequence[Checked]) -> Text | None:
    """Return what to look after if a device cannot be right about what it shows. Pure."""
    if device.brightness_percent is not None and device.brightness_percent < DARK_PERCENT:
        return (
            "画面全黑：取下镜头盖，开灯",
            "it sees nothing: take the cap off its lens, switch the light on",
        )
    if device.air_c is None:
        return None
    if not LOWEST_AIR_C <= device.air_c <= HIGHEST_AIR_C:
        return (
            f"不合理（{LOWEST_AIR_C:g} 至 {HIGHEST_AIR_C:g} °C 之外）：检查供电，或更换",
            (
                f"that cannot be (not within {LOWEST_AIR_C:g} to {HIGHEST_AIR_C:g} °C): check its "
                "supply, or replace it"
            ),
        )
    air_c = next((d.air_c for d in every if d.name == AMBIENT and d.air_c is not None), None)
    is_spot = device.kind is Kind.THERMOMETER
    if is_spot and air_c is not None and abs(device.air_c - air_c) > MOST_APART_C:
        return (
            f"与气温相差 {abs(device.air_c - air_c):.0f} °C：日晒、发热，或气温计坏了",
            (
                f"{abs(device.air_c - air_c):.0f} °C from the air's temperature: sun or a heater "
                "on it, or the air's thermometer is wrong"
            ),
        )
    return None


# --- chips and their calibrations ----------------------------------------------------------------


def look_at_calibrations(config: GateConfig, chips: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether each thermometer's calibration was made with the chip that is there.

    Args:
        config: of the gate.
        chips: thermometer → the identity of its chip now.
    """
    folder = CalibrationFolder(config.paths.state / FOLDER)
    for name, chip_id in chips.items():
        subject = CALIBRATION.format(name)
        try:
            calibration = folder.load(name)
        except ConfigError as exc:
            yield error(subject, says=same(str(exc)))
            continue
        if calibration is None:
            yield ok(subject, says=(f"{name} 按出厂标定", f"{name} is as it left the factory"))
        elif calibration.chip_id == chip_id:
            yield ok(
                subject,
                says=(f"{calibration.name} 属于此芯片", f"{calibration.name} is of this chip"),
            )
        else:
            yield error(
                subject,
                says=(
                    f"{calibration.name} 属于芯片 {calibration.chip_id}，现为 {chip_id}：无人能测",
                    (
                        f"{calibration.name} is of another chip, {calibration.chip_id}; this is "
                        f"{chip_id}: nobody is judged"
                    ),
                ),
                mend=same(f"gated calibrate confirm {name}"),
            )


# --- a chip at another address -------------------------------------------------------------------


def _elsewhere(device: Checked, bench: Bench) -> Text | None:
    """Return where else on its bus such a chip answers, if it does."""
    settings = settings_of(device.key, bench.config)
    if device.kind not in _ON_A_BUS or settings is None:
        return None
    bus = next((b for b in list_buses() if b.path == settings.bus), Bus(settings.bus, "", ()))
    try:
        found = bounded(
            lambda: scan(bus, bench.devices.open_bus, bench.clock, bench.pause, _quiet),
            SCAN_WITHIN_S,
            settings.bus,
        )
    except DeviceError:
        return None  # the device's own complaint stands
    return _at_another_address(device.key, settings.driver, found.answers)


def _at_another_address(key: str, driver: str, answers: Sequence[Answer]) -> Text | None:
    """Return what the bus has: the wanted chip elsewhere, or something that no driver knows."""
    sure = [f"0x{a.address:02X}" for a in answers if a.driver == driver]
    if sure:
        where = ", ".join(sure)
        return (
            f"{where} 处有 {driver} 应答：把 {key} 的 address 改成它",
            f"{driver} answers at {where}: write that as address of {key}",
        )
    strange = [f"0x{a.address:02X}" for a in answers if not a.driver]
    if strange:
        where = ", ".join(strange)
        return (
            f"{where} 处有未知应答：若是 {driver}，把 {key} 的 address 改成它",
            f"something answers at {where}: if it is the {driver}, write that as address of {key}",
        )
    return None
