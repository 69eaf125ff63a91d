"""What the drivers say of their own keys in the configuration, before any hardware is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from gated.clock import SystemClock
from gated.config import GateConfig
from gated.config.doubts import Optics
from gated.config.faults import explain
from gated.config.load import refuse
from gated.config.sensors import DriverSettings
from gated.errors import BusError, ConfigError
from gated.sensors import registry
from gated.sensors.registry import AnyDriver
from gated.vocabulary import Site


def refuse_driver_keys(config: GateConfig, file: Path) -> None:
    """Raise ConfigError with everything that a driver refuses, as ``gated config check`` does."""
    faults, _ = ask_drivers(config)
    if faults:
        refuse(faults, str(file))


def ask_drivers(config: GateConfig) -> tuple[tuple[str, ...], dict[str, Optics]]:
    """Return (what the drivers refuse, what they say of each thermometer)."""
    faults: list[str] = []
    optics: dict[str, Optics] = {}
    settings = config.temperature
    for thermometer in settings.thermometers:
        where = f"temperature.thermometers[{thermometer.name}]"
        try:
            driver = registry.load_thermometer_driver(thermometer.driver)
            options = driver.options.model_validate(thermometer.options)
            traits = driver.make(_NoBus(), options, SystemClock(), lambda _: None).traits
            optics[thermometer.name] = Optics(
                traits.fov_deg,
                traits.is_presence_only,
                finds_faces=traits.site is not Site.FOREHEAD_SPOT,
            )
        except (ConfigError, ValueError) as exc:
            faults += _driver_faults(where, thermometer, exc)
        if thermometer.distance is not None:
            load = registry.load_distance_driver
            faults += _ask_driver(f"{where}.distance", thermometer.distance, load)
    for key, air in (("ambient", settings.ambient), ("reference", settings.reference)):
        if air is not None:
            faults += _ask_driver(f"temperature.{key}", air, registry.load_ambient_driver)
    return tuple(faults), optics


def _ask_driver(
    where: str, device: DriverSettings, load: Callable[[str], AnyDriver]
) -> Iterator[str]:
    """Yield what is wrong with one device's own keys."""
    try:
        load(device.driver).options.model_validate(device.options)
    except (ConfigError, ValueError) as exc:
        yield from _driver_faults(where, device, exc)


def _driver_faults(
    where: str, device: DriverSettings, exc: ConfigError | ValueError
) -> Iterator[str]:
    if isinstance(exc, ValidationError):
        options = registry.load_driver(device.driver).options
        yield from (f"{where}.{line}" for line in explain(exc, options, device.options))
    else:
        yield f"{where} : {exc}"


class _NoBus:
    """Stands where a bus would: making a device touches no hardware."""

    name = "no bus"

    def _refuse(self, *_asked: object) -> NoReturn:
        raise BusError("no hardware is asked")

    read_word_with_pec = write_then_read = write = read = _refuse

    def close(self) -> None:
        """Nothing to let go of."""
