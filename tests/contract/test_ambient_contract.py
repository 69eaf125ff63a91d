"""The contract of every ambient driver, over its chip model on the simulated bus."""

from __future__ import annotations

import pytest

from gated.errors import SensorFault
from gated.sensors.port import AmbientDriver, AmbientSensor
from tests.sensor_contracts import AmbientContract
from tests.sensor_faults import FaultyBusContract, SimulatedBench, cases_of

AMBIENT_SENSORS = cases_of(AmbientDriver)

Bench = SimulatedBench[AmbientSensor]


@pytest.fixture(params=AMBIENT_SENSORS)
def bench(request: pytest.FixtureRequest) -> Bench:
    return SimulatedBench(request.param, AmbientDriver, 22.0)


def test_there_are_ambient_sensors() -> None:
    assert {"sht3x", "tmp117"} <= set(AMBIENT_SENSORS)


class TestOnTheSimulatedBus(AmbientContract):
    """What a real one keeps to as well."""


class TestWithFaults(FaultyBusContract):
    """What cannot be asked of a real one."""


@pytest.mark.parametrize("temperature_c", [-30.0, -0.5, 0.0, 22.0, 45.0])
def test_it_reads_the_air(bench: Bench, temperature_c: float) -> None:
    bench.shown = temperature_c
    with bench.sensor as sensor:
        sample = sensor.read()
    assert sample.ambient_c == pytest.approx(temperature_c, abs=0.3)
    assert sample.humidity_percent is None or 0 <= sample.humidity_percent <= 100
    assert sample.taken_at == bench.clock.monotonic_s()


def test_nothing_is_kept_from_one_read_to_the_next(bench: Bench) -> None:
    with bench.sensor as sensor:
        sensor.read()
        bench.shown = 35.0
        assert sensor.read().ambient_c == pytest.approx(35.0, abs=0.3)


def test_air_that_the_chip_cannot_measure_is_a_fault(bench: Bench) -> None:
    with bench.sensor as sensor:
        bench.shown = 300.0
        with pytest.raises(SensorFault):
            sensor.read()
