"""The contract of every distance driver, over its chip model on the simulated bus."""

from __future__ import annotations

import math

import pytest

from gated.sensors.port import DistanceDriver, DistanceSensor
from tests.sensor_contracts import DistanceContract
from tests.sensor_faults import FaultyBusContract, SimulatedBench, cases_of

DISTANCE_SENSORS = cases_of(DistanceDriver)

Bench = SimulatedBench[DistanceSensor]


@pytest.fixture(params=DISTANCE_SENSORS)
def bench(request: pytest.FixtureRequest) -> Bench:
    return SimulatedBench(request.param, DistanceDriver, 0.30)


def test_there_are_distance_sensors() -> None:
    assert "vl53l1x" in DISTANCE_SENSORS


class TestOnTheSimulatedBus(DistanceContract):
    """What a real one keeps to as well."""


class TestWithFaults(FaultyBusContract):
    """What cannot be asked of a real one."""


@pytest.mark.parametrize("distance_m", [0.10, 0.25, 0.35, 0.60, 1.00])
def test_it_reads_how_far_away_the_nearest_thing_is(bench: Bench, distance_m: float) -> None:
    bench.shown = distance_m
    with bench.sensor as sensor:
        assert sensor.read().distance_m == pytest.approx(distance_m, abs=0.02)


@pytest.mark.parametrize("distance_m", [9.0, math.inf, math.nan])
def test_nothing_in_range_is_none_and_no_fault(bench: Bench, distance_m: float) -> None:
    with bench.sensor as sensor:
        sensor.read()
        bench.shown = distance_m
        assert sensor.read().distance_m is None


def test_a_read_is_never_an_earlier_measurement(bench: Bench) -> None:
    with bench.sensor as sensor:
        for distance_m in (0.30, 1.00, 0.50, 0.20):
            bench.shown = distance_m
            assert sensor.read().distance_m == pytest.approx(distance_m, abs=0.02)
            bench.settle()  # measurements that nobody asks for
