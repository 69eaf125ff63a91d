"""Finds a driver by its file name: the package is the registry, there is no second list."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import re

import gated.sensors
from gated.errors import ConfigError
from gated.sensors.port import AmbientDriver, DistanceDriver, ThermometerDriver

AnyDriver = ThermometerDriver | AmbientDriver | DistanceDriver
ENTRY_POINT_GROUP = "gated.sensors"
"""Out-of-tree drivers: an entry point of this group that names a ``Driver``."""
NAME = re.compile(r"[a-z0-9_]+")


def driver_names() -> tuple[str, ...]:
    """Return the names of the drivers in this package, sorted. Imports every one of them."""
    modules = (info.name for info in pkgutil.iter_modules(gated.sensors.__path__))
    return tuple(
        sorted(
            name
            for name in modules
            if hasattr(importlib.import_module(f"{gated.sensors.__name__}.{name}"), "DRIVER")
        )
    )


def load_driver(name: str) -> AnyDriver:
    """Return the driver ``name``. Raises: ConfigError: names the module that failed, and why."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"driver {name!r}: small letters, digits and _ only")
    module_name = f"{gated.sensors.__name__}.{name}"
    try:
        found: object = getattr(importlib.import_module(module_name), "DRIVER", None)
    except ModuleNotFoundError as exc:
        if exc.name != module_name:
            raise ConfigError(f"driver {name}: {module_name} needs {exc.name}") from exc
        found = _load_entry_point(name)
    if not isinstance(found, AnyDriver):
        raise ConfigError(
            f"driver {name!r} is not known: neither {module_name} nor an entry point of group "
            f"{ENTRY_POINT_GROUP} offers it. There are: {', '.join(driver_names())}"
        )
    return found


def load_thermometer_driver(name: str) -> ThermometerDriver:
    """Return the thermometer driver ``name``. Raises: ConfigError: also if it drives another."""
    driver = load_driver(name)
    if not isinstance(driver, ThermometerDriver):
        raise ConfigError(f"driver {name!r} is not a thermometer's")
    return driver


def load_ambient_driver(name: str) -> AmbientDriver:
    """Return the ambient driver ``name``. Raises: ConfigError: also if it drives another."""
    driver = load_driver(name)
    if not isinstance(driver, AmbientDriver):
        raise ConfigError(f"driver {name!r} is not an ambient sensor's")
    return driver


def load_distance_driver(name: str) -> DistanceDriver:
    """Return the distance driver ``name``. Raises: ConfigError: also if it drives another."""
    driver = load_driver(name)
    if not isinstance(driver, DistanceDriver):
        raise ConfigError(f"driver {name!r} is not a distance sensor's")
    return driver


def _load_entry_point(name: str) -> object:
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP, name=name):
        try:
            return entry_point.load()
        except (ImportError, AttributeError) as exc:
            raise ConfigError(
                f"driver {name}: {entry_point.value} cannot be loaded: {exc}"
            ) from exc
    return None
