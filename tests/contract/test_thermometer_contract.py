"""The contract of every thermometer driver, over its chip model on the simulated bus.

A driver without a chip model of the same name fails here.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest
from pydantic import BaseModel

import gated.sensors
from gated.clock import FakeClock
from gated.errors import BusError, ChecksumError, DeviceNotFound, SensorFault
from gated.sensors.port import Thermometer, ThermometerDriver
from gated.sensors.registry import driver_names, load_driver
from gated.simulation.bus import ChipModel, Fault, SimulatedBus
from tests.sensor_contracts import ThermometerContract, options_elsewhere

REQUIRED_OPTIONS: dict[str, dict[str, object]] = {"mlx90614": {"variant": "DCI"}}
"""What a driver's options cannot do without."""

THERMOMETERS = [n for n in driver_names() if isinstance(load_driver(n), ThermometerDriver)]
VOID = (BusError, ChecksumError, SensorFault)


class Bench:
    """One driver and its chip on a bus of their own, looking at ``temperature_c``."""

    def __init__(self, name: str) -> None:
        self.clock = FakeClock()
        self.bus = SimulatedBus()
        self.temperature_c = 30.0
        self.model = self._model(name)
        self.address = self.model.address
        chip = self.model.build(self.clock, lambda _: self.temperature_c, 11)
        self.bus.attach(self.address, chip)
        driver = load_driver(name)
        assert isinstance(driver, ThermometerDriver)
        raw = REQUIRED_OPTIONS.get(name, {})
        self.options: BaseModel = driver.options.model_validate(raw)
        self.thermometer: Thermometer = driver.make(
            self.bus, self.options, self.clock, self.clock.advance
        )
        elsewhere = options_elsewhere(driver, raw, {self.address})
        self.absent: Thermometer = driver.make(self.bus, elsewhere, self.clock, self.clock.advance)

    @property
    def sensor(self) -> Thermometer:
        return self.thermometer

    @staticmethod
    def _model(name: str) -> ChipModel:
        module = importlib.import_module(f"gated.simulation.chips.{name}")
        model: object = module.MODEL
        assert isinstance(model, ChipModel)
        return model

    def settle(self) -> None:
        self.clock.advance(max(5.0, self.thermometer.traits.settle_s))

    def messages_of_a_read(self) -> int:
        before = len(self.bus.transcript)
        self.thermometer.read()
        return len(self.bus.transcript) - before


@pytest.fixture(params=THERMOMETERS)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def test_there_are_thermometers() -> None:
    assert "mlx90614" in THERMOMETERS


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


class TestOnTheSimulatedBus(ThermometerContract):
    """What a real one keeps to as well."""


def test_making_a_device_does_not_touch_the_bus(bench: Bench) -> None:
    assert bench.thermometer.chip_id == ""
    assert not bench.bus.transcript


@pytest.mark.parametrize("temperature_c", [34.0, 37.3, 22.0, 0.0, -20.0, 100.0])
def test_it_reads_what_is_in_view(bench: Bench, temperature_c: float) -> None:
    with bench.thermometer as thermometer:
        bench.temperature_c = temperature_c
        bench.settle()
        sample = thermometer.read()
    assert sample.object_c == pytest.approx(temperature_c, abs=6 * thermometer.traits.noise_c)
    assert -40 < sample.die_c < 125


def test_nothing_is_smoothed_and_nothing_is_kept(bench: Bench) -> None:
    with bench.thermometer as thermometer:
        bench.temperature_c = 22.0
        bench.settle()
        thermometer.read()
        bench.temperature_c = 38.0
        bench.settle()
        assert thermometer.read().object_c == pytest.approx(38.0, abs=1.0)


@pytest.mark.parametrize("temperature_c", [-120.0, 500.0])
def test_what_the_chip_cannot_measure_is_no_number_beyond_its_range(
    bench: Bench, temperature_c: float
) -> None:
    with bench.thermometer as thermometer:
        bench.temperature_c = temperature_c
        bench.settle()
        try:
            sample = thermometer.read()
        except SensorFault:
            return
        assert -100 < sample.object_c < 400


def test_one_read_is_a_bounded_number_of_messages_each_time(bench: Bench) -> None:
    with bench.thermometer:
        counts = {bench.messages_of_a_read() for _ in range(5)}
    assert len(counts) == 1
    assert counts.pop() <= 8


@pytest.mark.parametrize(("fault", "number"), [(Fault.NACK, 121), (Fault.TIMEOUT, 110)])
def test_a_failing_bus_is_a_bus_error_with_its_errno(
    bench: Bench, fault: Fault, number: int
) -> None:
    with bench.thermometer as thermometer:
        bench.bus.inject(bench.address, fault)
        with pytest.raises(BusError) as raised:
            thermometer.read()
    assert raised.value.errno == number
    assert raised.value.device


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.BAD_CHECK, ChecksumError),
        (Fault.ALL_ONES, VOID),
        (Fault.ALL_ZEROS, VOID),
        (Fault.ERROR_FLAG, SensorFault),
        (Fault.ASLEEP, VOID),
    ],
)
def test_bad_bytes_are_an_error_and_never_a_number(
    bench: Bench, fault: Fault, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    with bench.thermometer as thermometer:
        thermometer.read()
        bench.bus.inject(bench.address, fault)
        for _ in range(3):
            with pytest.raises(error):
                thermometer.read()


def test_a_fault_is_not_retried_inside_the_driver(bench: Bench) -> None:
    with bench.thermometer as thermometer:
        bench.bus.inject(bench.address, Fault.NACK, messages=1)
        with pytest.raises(BusError):
            thermometer.read()
        thermometer.read()


def test_a_fault_in_any_message_of_a_read_voids_the_sample(bench: Bench) -> None:
    with bench.thermometer as thermometer:
        for good in range(bench.messages_of_a_read()):
            bench.settle()
            sabotage(bench, after=good)
            with pytest.raises(ChecksumError):
                thermometer.read()
            bench.bus.clear(bench.address)


def sabotage(bench: Bench, after: int) -> None:
    """Let the message after the next ``after`` ones carry a flipped bit."""
    chip = bench.bus._chips[bench.address]
    ask, left = chip.transfer, [after]

    def transfer(address: int, written: bytes, count: int, /) -> bytes:
        answer = ask(address, written, count)
        left[0] -= 1
        return answer if left[0] >= 0 else answer[:-1] + bytes((answer[-1] ^ 0x80,))

    class Sabotaged:
        fault: Fault | None = None

        def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
            return transfer(address, written, count)

    bench.bus.attach(bench.address, Sabotaged())


@pytest.mark.parametrize("fault", [Fault.NACK, Fault.TIMEOUT, Fault.ASLEEP])
def test_no_answer_at_open_is_device_not_found(bench: Bench, fault: Fault) -> None:
    bench.bus.inject(bench.address, fault)
    with pytest.raises(DeviceNotFound):
        bench.thermometer.open()
    assert bench.thermometer.chip_id == ""


@pytest.mark.parametrize("fault", [Fault.BAD_CHECK, Fault.ALL_ONES, Fault.ALL_ZEROS])
def test_a_wrong_answer_at_open_opens_nothing(bench: Bench, fault: Fault) -> None:
    bench.bus.inject(bench.address, fault)
    with pytest.raises((DeviceNotFound, ChecksumError)):
        bench.thermometer.open()
    with pytest.raises(DeviceNotFound):
        bench.thermometer.read()


def test_it_opens_after_a_failed_attempt(bench: Bench) -> None:
    bench.bus.inject(bench.address, Fault.NACK)
    with pytest.raises(DeviceNotFound):
        bench.thermometer.open()
    bench.bus.clear(bench.address)
    bench.thermometer.open()
    bench.thermometer.read()
