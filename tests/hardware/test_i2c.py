"""The contracts of all sensors over a real bus (``pytest --hw``).

``GATED_TEST_I2C`` names what is wired, several separated by ``;``, each as "BUS DRIVER KEY=VALUE…",
the keys being the driver's own in the configuration:

    GATED_TEST_I2C="/dev/i2c-1 mlx90614 variant=DCI; /dev/i2c-1 sht3x address=0x44"

Nothing is written to a chip but its driver's questions and settings, no EEPROM of any. The address
that must stay silent is the lowest one that the driver allows and that is not named here; a driver
of one address is not asked for that.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Generic

import pytest

from gated.clock import SystemClock
from gated.errors import BusError, DeviceNotFound
from gated.sensors.port import (
    AmbientDriver,
    AmbientSensor,
    DistanceDriver,
    DistanceSensor,
    Driver,
    Thermometer,
    ThermometerDriver,
)
from gated.sensors.registry import load_driver
from gated.sensors.smbus2_bus import Smbus2Bus
from tests.sensor_contracts import (
    AmbientContract,
    DeviceT,
    DistanceContract,
    ThermometerContract,
    options_elsewhere,
)

pytestmark = pytest.mark.hw

SETTLE_S = 0.2
"""Between two reads of a chip that asks for nothing."""


@dataclass(frozen=True)
class Wired:
    """One device as GATED_TEST_I2C names it."""

    bus: str
    driver: str
    raw: dict[str, object]

    @classmethod
    def parse(cls, words: str) -> Wired:
        bus, driver, *pairs = words.split()
        keys = dict(pair.split("=", 1) for pair in pairs)
        return cls(bus, driver, {key: _number(value) for key, value in keys.items()})

    @property
    def address(self) -> object:
        return getattr(load_driver(self.driver).options.model_validate(self.raw), "address", None)


def _number(value: str) -> object:
    try:
        return int(value, 0)
    except ValueError:
        return value  # of a model, which turns a fraction's text into a number by itself


WIRED = [
    Wired.parse(words) for words in os.environ.get("GATED_TEST_I2C", "").split(";") if words.strip()
]


def of_kind(kind: type[Driver[DeviceT]]) -> list[Wired | None]:
    """Return what is wired of a kind; a None, which is skipped, if nothing is."""
    return [w for w in WIRED if isinstance(load_driver(w.driver), kind)] or [None]


def name(wired: Wired | None) -> str:
    return "none" if wired is None else f"{wired.driver}@{wired.bus}"


class Bench(Generic[DeviceT]):
    """A device on its real bus."""

    def __init__(self, wired: Wired, bus: Smbus2Bus, driver: Driver[DeviceT]) -> None:
        self.clock = SystemClock()
        self._pause = threading.Event().wait
        taken = frozenset(other.address for other in WIRED if other.bus == wired.bus)
        there = driver.options.model_validate(wired.raw)
        elsewhere = options_elsewhere(driver, wired.raw, taken)
        self.sensor: DeviceT = driver.make(bus, there, self.clock, self._pause)
        self.absent: DeviceT | None = (
            None if elsewhere is None else driver.make(bus, elsewhere, self.clock, self._pause)
        )

    def settle(self) -> None:
        traits = getattr(self.sensor, "traits", None)
        self._pause(SETTLE_S if traits is None else traits.settle_s)


def required(wired: Wired | None) -> Wired:
    if wired is None:
        pytest.skip("GATED_TEST_I2C names none: /dev/i2c-1 mlx90614 variant=DCI")
    return wired


class TestRealThermometer(ThermometerContract):
    @pytest.fixture(params=of_kind(ThermometerDriver), ids=name)
    def bench(self, request: pytest.FixtureRequest) -> Iterator[Bench[Thermometer]]:
        wired = required(request.param)
        driver = load_driver(wired.driver)
        assert isinstance(driver, ThermometerDriver)
        with closing(Smbus2Bus(wired.bus)) as bus:
            yield Bench(wired, bus, driver)


class TestRealAmbientSensor(AmbientContract):
    @pytest.fixture(params=of_kind(AmbientDriver), ids=name)
    def bench(self, request: pytest.FixtureRequest) -> Iterator[Bench[AmbientSensor]]:
        wired = required(request.param)
        driver = load_driver(wired.driver)
        assert isinstance(driver, AmbientDriver)
        with closing(Smbus2Bus(wired.bus)) as bus:
            yield Bench(wired, bus, driver)


class TestRealDistanceSensor(DistanceContract):
    @pytest.fixture(params=of_kind(DistanceDriver), ids=name)
    def bench(self, request: pytest.FixtureRequest) -> Iterator[Bench[DistanceSensor]]:
        wired = required(request.param)
        driver = load_driver(wired.driver)
        assert isinstance(driver, DistanceDriver)
        with closing(Smbus2Bus(wired.bus)) as bus:
            yield Bench(wired, bus, driver)


@pytest.fixture
def bus_path() -> str:
    if not WIRED:
        pytest.skip("GATED_TEST_I2C names no bus")
    return WIRED[0].bus


def test_a_bus_that_is_not_there_is_not_found_and_how_to_switch_it_on_is_said(
    bus_path: str,
) -> None:
    with pytest.raises(DeviceNotFound, match="is missing: switch I2C on"):
        Smbus2Bus(f"{bus_path}99")


def test_a_closed_bus_answers_with_an_error_and_closes_twice(bus_path: str) -> None:
    bus = Smbus2Bus(bus_path)
    bus.close()
    bus.close()
    with pytest.raises(BusError, match="the bus is closed"):
        bus.read(0x5A, 1)
