"""What every sensor keeps to, on the simulated bus as on a real one: what needs no faults made.

What needs some is in ``tests/sensor_faults.py``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol, TypeVar

import pytest
from pydantic import BaseModel, ValidationError

from gated.clock import Clock
from gated.errors import DeviceNotFound
from gated.sensors.port import AmbientSensor, Device, DistanceSensor, Driver, Thermometer
from gated.vocabulary import Site

FIRST_ADDRESS, LAST_ADDRESS = 0x08, 0x77
READ_WITHIN_S = 1.0
"""A worker beats at least once a second."""

Readable = Thermometer | AmbientSensor | DistanceSensor
DeviceT = TypeVar("DeviceT", bound=Device)
DeviceT_co = TypeVar("DeviceT_co", bound=Device, covariant=True)


class SensorBench(Protocol[DeviceT_co]):
    """One device, not yet open, and one of the same driver at an address where nobody answers."""

    @property
    def sensor(self) -> DeviceT_co: ...

    @property
    def absent(self) -> DeviceT_co | None:
        """None: the driver has one address, and there is no bus without its chip."""

    @property
    def clock(self) -> Clock: ...

    def settle(self) -> None:
        """Leave the bus quiet for as long as the device wants before a read."""


def addresses_of(driver: Driver[DeviceT], raw: Mapping[str, object]) -> Iterator[int]:
    """Yield the addresses that the driver's options allow."""
    for address in range(FIRST_ADDRESS, LAST_ADDRESS + 1):
        try:
            driver.options.model_validate({**raw, "address": address})
        except ValidationError:
            continue
        yield address


def options_elsewhere(
    driver: Driver[DeviceT], raw: Mapping[str, object], taken: Collection[object]
) -> BaseModel | None:
    """Return ``raw`` as options for the first allowed address that is not ``taken``, or None."""
    for address in addresses_of(driver, raw):
        if address not in taken:
            return driver.options.model_validate({**raw, "address": address})
    return None


class SensorContract:
    """A subclass gives the fixture ``bench``."""

    def test_open_identifies_the_chip(self, bench: SensorBench[Device]) -> None:
        assert bench.sensor.chip_id == ""
        with bench.sensor as sensor:
            assert sensor.chip_id
            assert set(sensor.chip_id) <= set("0123456789abcdef")

    def test_a_sample_carries_the_time_of_its_reading(self, bench: SensorBench[Readable]) -> None:
        with bench.sensor:
            bench.settle()
            before_s = bench.clock.monotonic_s()
            first = bench.sensor.read()
            after_s = bench.clock.monotonic_s()
            bench.settle()
            second = bench.sensor.read()
        assert before_s <= first.taken_at <= after_s <= second.taken_at

    def test_a_read_ends_before_its_worker_would_be_missed(
        self, bench: SensorBench[Readable]
    ) -> None:
        with bench.sensor:
            for _ in range(5):
                bench.settle()
                for _ in range(2):  # also at once after another
                    began_s = bench.clock.monotonic_s()
                    bench.sensor.read()
                    assert bench.clock.monotonic_s() - began_s < READ_WITHIN_S

    def test_close_twice_is_one_close(self, bench: SensorBench[Device]) -> None:
        bench.sensor.open()
        bench.sensor.close()
        bench.sensor.close()
        assert bench.sensor.chip_id == ""

    def test_a_read_before_open_or_after_close_is_refused(
        self, bench: SensorBench[Readable]
    ) -> None:
        with pytest.raises(DeviceNotFound, match="is not open"):
            bench.sensor.read()
        bench.sensor.open()
        bench.sensor.close()
        with pytest.raises(DeviceNotFound, match="is not open"):
            bench.sensor.read()

    def test_closing_the_device_leaves_the_bus_open(self, bench: SensorBench[Readable]) -> None:
        with bench.sensor:
            chip_id = bench.sensor.chip_id
        with bench.sensor:
            assert bench.sensor.chip_id == chip_id
            bench.settle()
            bench.sensor.read()

    def test_where_nobody_answers_the_device_is_not_found_and_what_to_check_is_said(
        self, bench: SensorBench[Device]
    ) -> None:
        if bench.absent is None:
            pytest.skip("it can be at one address only")
        with pytest.raises(DeviceNotFound, match=r"/0x.* answers: check its wires and supply"):
            bench.absent.open()
        assert bench.absent.chip_id == ""
        with bench.sensor:
            assert bench.sensor.chip_id, "the one that is there was disturbed"


class ThermometerContract(SensorContract):
    def test_traits_are_known_before_the_device_is_open(
        self, bench: SensorBench[Thermometer]
    ) -> None:
        traits = bench.sensor.traits
        assert 0 < traits.fov_deg <= 180
        assert 0 < traits.settle_s < 5
        assert 0 < traits.noise_c < 2
        assert math.isfinite(traits.supply_error_c)
        assert traits.site in Site

    def test_what_it_reads_can_be_true(self, bench: SensorBench[Thermometer]) -> None:
        with bench.sensor:
            for _ in range(3):
                bench.settle()
                sample = bench.sensor.read()
                assert -70 < sample.object_c < 120
                assert -20 < sample.die_c < 70


class AmbientContract(SensorContract):
    def test_what_it_reads_can_be_true(self, bench: SensorBench[AmbientSensor]) -> None:
        with bench.sensor:
            for _ in range(3):
                sample = bench.sensor.read()
                assert -30 < sample.ambient_c < 60
                assert sample.humidity_percent is None or 0 <= sample.humidity_percent <= 100


class DistanceContract(SensorContract):
    def test_what_it_reads_can_be_true(self, bench: SensorBench[DistanceSensor]) -> None:
        with bench.sensor:
            for _ in range(3):
                distance_m = bench.sensor.read().distance_m
                assert distance_m is None or 0 <= distance_m < 5
