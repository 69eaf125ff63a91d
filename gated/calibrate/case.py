"""One thermometer of a configuration as ``gated calibrate`` has it: its calibrations, its site."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from gated.clock import Clock, FakeClock
from gated.config import GateConfig, ThermometerSettings
from gated.controller.rules import compensation_rules
from gated.errors import GatedError
from gated.facts.login import who
from gated.sensors.calibration import FOLDER, Calibration, CalibrationFolder
from gated.sensors.port import Traits
from gated.sensors.registry import load_thermometer_driver
from gated.sensors.site import SiteOffset
from gated.simulation.bus import SimulatedBus

FACTORY_VERSION = 0
"""Stands for a thermometer as it left the factory, which no file describes."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thermometer and its calibrations."""

    config: GateConfig
    settings: ThermometerSettings
    folder: CalibrationFolder
    traits: Traits
    versions: tuple[int, ...] = ()
    newest: Calibration | None = None  # None: none yet, or one that cannot be read:
    trouble: str = ""  # … and why

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def next_version(self) -> int:
        return self.versions[-1] + 1 if self.versions else 1

    def site(self, calibration: Calibration | None) -> SiteOffset:
        """Return the way from skin to body with ``calibration`` in force."""
        return compensation_rules(self.config, self.settings, calibration).site_offset(self.traits)

    def in_force(self) -> Calibration | None:
        """Return the newest calibration, None: as made. Raises: GatedError: it cannot be read."""
        if self.trouble:
            raise GatedError(self.trouble)
        return self.newest

    def load(self, version: int) -> Calibration:
        """Return one version. Raises: GatedError: there is none, or it cannot be read."""
        found = self.folder.load(self.name, version)
        if found is None:
            there = ", ".join(map(str, self.versions)) or "none (没有)"
            raise GatedError(f"{self.name} has no calibration {version}; there are: {there}")
        return found

    def draft(self, base: Calibration | None, chip_id: str, clock: Clock) -> Calibration:
        """Return the next version: what ``base`` says, of this chip, made now by whoever asks."""
        at = clock.now().astimezone(ZoneInfo(self.config.gate.timezone))
        head = {
            "thermometer": self.name,
            "version": self.next_version,
            "chip_id": chip_id,
            "made_at": at.isoformat(timespec="seconds"),
            "made_by": who(),
            "note": "",
        }
        if base is None:
            return Calibration.model_validate(head)
        return base.model_copy(update=head)

    def site_stands_alone(self) -> bool:
        """Return whether the site offset in force owes nothing to the chip's own error.

        One that was fitted while the chip was as it left the factory took over that chip's error,
        and is wrong as soon as the error is corrected, or leaves with its chip.
        """
        source = self.newest
        if source is None or source.site_a_c is None:
            return True
        for version in reversed(self.versions[:-1]):
            older = None
            with contextlib.suppress(GatedError):
                older = self.folder.load(self.name, version)
            if older is None or _site_of(older) != _site_of(source):
                break
            source = older
        return bool(source.points)


def _site_of(calibration: Calibration) -> tuple[object, ...]:
    return calibration.site_a_c, calibration.site_b, calibration.agreement


def cases(config: GateConfig) -> list[Case]:
    """Return every thermometer of the configuration. Raises: ConfigError: a driver's keys."""
    return [_case(config, settings) for settings in config.temperature.thermometers]


def case_of(config: GateConfig, name: str) -> Case:
    """Return the thermometer ``name``. Raises: GatedError: the configuration has none."""
    for settings in config.temperature.thermometers:
        if settings.name == name:
            return _case(config, settings)
    names = ", ".join(settings.name for settings in config.temperature.thermometers)
    raise GatedError(
        f"no thermometer {name!r} in the configuration; there are: {names} (没有此测温头)"
    )


def _case(config: GateConfig, settings: ThermometerSettings) -> Case:
    folder = CalibrationFolder(config.paths.state / FOLDER)
    case = Case(config, settings, folder, _traits(settings))
    try:
        case = replace(case, versions=tuple(folder.versions(settings.name)))
        return replace(case, newest=folder.load(settings.name))
    except GatedError as exc:
        return replace(case, trouble=str(exc))


def _traits(settings: ThermometerSettings) -> Traits:
    """Return what the variant is like; no device is opened for it."""
    driver = load_thermometer_driver(settings.driver)
    options = driver.read_options(settings.options, settings.name)
    return driver.make(SimulatedBus(), options, FakeClock(), lambda _: None).traits
