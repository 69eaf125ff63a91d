"""The contract of every thermometer driver, over its chip model on the simulated bus.

A driver without a chip model of the same name fails here.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

import gated.sensors
from gated.errors import SensorFault
from gated.sensors.port import Thermometer, ThermometerDriver
from gated.sensors.registry import driver_names, load_driver
from tests.sensor_contracts import ThermometerContract
from tests.sensor_faults import FaultyBusContract, SimulatedBench, cases_of

THERMOMETERS = cases_of(ThermometerDriver)

Bench = SimulatedBench[Thermometer]


@pytest.fixture(params=THERMOMETERS)
def bench(request: pytest.FixtureRequest) -> Bench:
    return SimulatedBench(request.param, ThermometerDriver, 30.0)


def test_there_are_thermometers() -> None:
    assert {"mlx90614", "mlx90632", "amg8833"} <= set(THERMOMETERS)


@pytest.mark.parametrize("name", driver_names())
def test_every_driver_has_a_chip_model_and_a_line_in_the_documentation(name: str) -> None:
    assert importlib.util.find_spec(f"gated.simulation.chips.{name}") is not None
    docs = Path(__file__).parents[2] / "docs" / "drivers.md"
    assert f"`{name}`" in docs.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", driver_names())
def test_every_driver_says_in_its_docstring_what_it_drives(name: str) -> None:
    module = importlib.import_module(f"{gated.sensors.__name__}.{name}")
    doc = inspect.getdoc(module) or ""
    for word in ("datasheet", "address", "kHz", "°C", "±"):
        assert word.lower() in doc.lower()


@pytest.mark.parametrize("name", driver_names())
def test_every_driver_without_a_checksum_says_so(name: str) -> None:
    doc = inspect.getdoc(importlib.import_module(f"{gated.sensors.__name__}.{name}")) or ""
    assert load_driver(name).has_checksum != ("no checksum" in doc.lower())


def test_those_that_cannot_judge_anybody_say_so() -> None:
    assert [
        name
        for name in THERMOMETERS
        if SimulatedBench(name, ThermometerDriver, 30.0).sensor.traits.is_presence_only
    ] == ["amg8833"]


class TestOnTheSimulatedBus(ThermometerContract):
    """What a real one keeps to as well."""


class TestWithFaults(FaultyBusContract):
    """What cannot be asked of a real one."""


@pytest.mark.parametrize("temperature_c", [34.0, 37.3, 22.0, 0.0, -20.0, 100.0])
def test_it_reads_what_is_in_view(bench: Bench, temperature_c: float) -> None:
    with bench.sensor as thermometer:
        bench.shown = temperature_c
        bench.settle()
        sample = thermometer.read()
    assert sample.object_c == pytest.approx(temperature_c, abs=6 * thermometer.traits.noise_c)
    assert -40 < sample.die_c < 125


def test_nothing_is_smoothed_and_nothing_is_kept(bench: Bench) -> None:
    with bench.sensor as thermometer:
        bench.shown = 22.0
        bench.settle()
        thermometer.read()
        bench.shown = 38.0
        bench.settle()
        assert thermometer.read().object_c == pytest.approx(38.0, abs=1.0)


@pytest.mark.parametrize("temperature_c", [-120.0, 500.0])
def test_what_the_chip_cannot_measure_is_no_number_beyond_its_range(
    bench: Bench, temperature_c: float
) -> None:
    with bench.sensor as thermometer:
        bench.shown = temperature_c
        bench.settle()
        try:
            sample = thermometer.read()
        except SensorFault:
            return
        assert -100 < sample.object_c < 400
