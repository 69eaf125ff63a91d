"""The contract of every ambient driver, over its chip model on the simulated bus."""

from __future__ import annotations

import importlib

import pytest

from gated.clock import FakeClock
from gated.errors import BusError, ChecksumError, DeviceNotFound, SensorFault
from gated.sensors.port import AmbientDriver, AmbientSensor
from gated.sensors.registry import driver_names, load_driver
from gated.simulation.bus import ChipModel, Fault, SimulatedBus
from tests.sensor_contracts import AmbientContract, options_elsewhere

AMBIENT_SENSORS = [n for n in driver_names() if isinstance(load_driver(n), AmbientDriver)]
VOID = (BusError, ChecksumError, SensorFault)


class Bench:
    """One driver and its chip on a bus of their own, in air of ``temperature_c``."""

    def __init__(self, name: str) -> None:
        self.clock = FakeClock()
        self.bus = SimulatedBus()
        self.temperature_c = 22.0
        model: object = importlib.import_module(f"gated.simulation.chips.{name}").MODEL
        assert isinstance(model, ChipModel)
        self.address = model.address
        chip = model.build(self.clock, lambda _: self.temperature_c, 11)
        self.bus.attach(self.address, chip)
        driver = load_driver(name)
        assert isinstance(driver, AmbientDriver)
        options = driver.options.model_validate({})
        self.sensor: AmbientSensor = driver.make(self.bus, options, self.clock, self.clock.advance)
        elsewhere = options_elsewhere(driver, {}, {self.address})
        self.absent: AmbientSensor = driver.make(
            self.bus, elsewhere, self.clock, self.clock.advance
        )

    def settle(self) -> None:
        """Air needs no quiet bus."""


@pytest.fixture(params=AMBIENT_SENSORS)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def test_there_are_ambient_sensors() -> None:
    assert "sht3x" in AMBIENT_SENSORS


class TestOnTheSimulatedBus(AmbientContract):
    """What a real one keeps to as well."""


def test_making_a_device_does_not_touch_the_bus(bench: Bench) -> None:
    assert bench.sensor.chip_id == ""
    assert not bench.bus.transcript


@pytest.mark.parametrize("temperature_c", [-30.0, -0.5, 0.0, 22.0, 45.0])
def test_it_reads_the_air(bench: Bench, temperature_c: float) -> None:
    bench.temperature_c = temperature_c
    with bench.sensor as sensor:
        sample = sensor.read()
    assert sample.ambient_c == pytest.approx(temperature_c, abs=0.3)
    assert sample.humidity_percent is None or 0 <= sample.humidity_percent <= 100
    assert sample.taken_at == bench.clock.monotonic_s()


def test_nothing_is_kept_from_one_read_to_the_next(bench: Bench) -> None:
    with bench.sensor as sensor:
        sensor.read()
        bench.temperature_c = 35.0
        assert sensor.read().ambient_c == pytest.approx(35.0, abs=0.3)


def test_air_that_the_chip_cannot_measure_is_a_fault(bench: Bench) -> None:
    with bench.sensor as sensor:
        bench.temperature_c = 300.0
        with pytest.raises(SensorFault):
            sensor.read()


@pytest.mark.parametrize(("fault", "number"), [(Fault.NACK, 121), (Fault.TIMEOUT, 110)])
def test_a_failing_bus_is_a_bus_error_with_its_errno(
    bench: Bench, fault: Fault, number: int
) -> None:
    with bench.sensor as sensor:
        bench.bus.inject(bench.address, fault)
        with pytest.raises(BusError) as raised:
            sensor.read()
    assert raised.value.errno == number


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.BAD_CHECK, ChecksumError),
        (Fault.ALL_ONES, VOID),
        (Fault.ALL_ZEROS, VOID),
        (Fault.ASLEEP, VOID),
    ],
)
def test_bad_bytes_are_an_error_and_never_a_number(
    bench: Bench, fault: Fault, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    with bench.sensor as sensor:
        sensor.read()
        bench.bus.inject(bench.address, fault)
        for _ in range(3):
            with pytest.raises(error):
                sensor.read()


def test_it_reads_again_after_a_passing_fault(bench: Bench) -> None:
    with bench.sensor as sensor:
        bench.bus.inject(bench.address, Fault.NACK, messages=1)
        with pytest.raises(BusError):
            sensor.read()
        sensor.read()


@pytest.mark.parametrize("fault", [Fault.NACK, Fault.TIMEOUT, Fault.ASLEEP])
def test_no_answer_at_open_is_device_not_found(bench: Bench, fault: Fault) -> None:
    bench.bus.inject(bench.address, fault)
    with pytest.raises(DeviceNotFound):
        bench.sensor.open()


@pytest.mark.parametrize("fault", [Fault.BAD_CHECK, Fault.ALL_ONES, Fault.ALL_ZEROS])
def test_a_wrong_answer_at_open_opens_nothing(bench: Bench, fault: Fault) -> None:
    bench.bus.inject(bench.address, fault)
    with pytest.raises((DeviceNotFound, ChecksumError)):
        bench.sensor.open()
    with pytest.raises(DeviceNotFound):
        bench.sensor.read()
