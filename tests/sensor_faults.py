"""What every driver does when something goes wrong, over its chip model on the simulated bus."""

from __future__ import annotations

import contextlib
import importlib
import math
from typing import Generic, TypeVar

import pytest

from gated.clock import FakeClock
from gated.errors import BusError, ChecksumError, DeviceNotFound, SensorFault
from gated.sensors.port import AmbientSample, DistanceSample, Driver, TemperatureSample
from gated.sensors.registry import driver_names, load_driver
from gated.simulation.bus import ChipModel, DeviceModel, Fault, SimulatedBus
from tests.sensor_contracts import READ_WITHIN_S, Readable, options_elsewhere

REQUIRED_OPTIONS: dict[str, dict[str, object]] = {"mlx90614": {"variant": "DCI"}}
"""What a driver's options cannot do without."""
OTHER_OPTIONS: dict[str, dict[str, object]] = {
    "mlx90614 BAA": {"variant": "BAA"},
    "mlx90614 BCK": {"variant": "BCK"},
    "mlx90632 extended": {"mode": "extended", "refresh_hz": 4},
    "mlx90632 fast": {"variant": "consumer", "refresh_hz": 64},
    "vl53l1x long": {"mode": "long", "timing_budget_ms": 100, "period_ms": 120},
}
"""Other ways of using a driver, which keep to the same; each after the driver's name."""
MOST_MESSAGES = {
    "mlx90632": 60,  # it asks whether there is a new measurement, here and below
    "mlx90640": 400,
    "mlx90641": 400,
    "tmp117": 14,
    "vl53l1x": 20,
}
"""In one read; of every other driver: eight, and the same number each time."""
WITHOUT_NEW_DATA_FLAG = frozenset({"mlx90614", "amg8833"})
"""These chips cannot tell a measurement from the one before; sampling sees that they repeat."""
WITHOUT_ERROR_FLAG = frozenset({"sht3x"})

VOID = (BusError, ChecksumError, SensorFault)

Sample = TemperatureSample | AmbientSample | DistanceSample
ReadableT = TypeVar("ReadableT", bound=Readable)


def value_of(sample: Sample) -> float | None:
    """Return what a sample is about, in °C or m."""
    if isinstance(sample, TemperatureSample):
        return sample.object_c
    return sample.ambient_c if isinstance(sample, AmbientSample) else sample.distance_m


def cases_of(kind: type[Driver[ReadableT]]) -> list[str]:
    """Return every driver of a kind, and the other ways of using them."""
    names = [n for n in driver_names() if isinstance(load_driver(n), kind)]
    return names + [case for case in OTHER_OPTIONS if case.split()[0] in names]


class SimulatedBench(Generic[ReadableT]):
    """One driver and its chip model on a bus of their own; the chip measures ``shown``.

    ``case``: a driver's name, or one of OTHER_OPTIONS.
    """

    def __init__(self, case: str, kind: type[Driver[ReadableT]], shown: float) -> None:
        name = case.split(maxsplit=1)[0]
        driver = load_driver(name)
        assert isinstance(driver, kind)
        self.name = name
        self.driver: Driver[ReadableT] = driver
        self.clock = FakeClock()
        self.bus = SimulatedBus()
        self.shown = shown
        self.model = model_of(name)
        self.address = self.model.address
        raw = OTHER_OPTIONS.get(case, REQUIRED_OPTIONS.get(name, {}))
        options = driver.options.model_validate(raw)
        self.chip: DeviceModel = self.model.build(self.clock, lambda _: self.shown, 11, options)
        self.bus.attach(self.address, self.chip)
        self.sensor: ReadableT = driver.make(self.bus, options, self.clock, self.clock.advance)
        elsewhere = options_elsewhere(driver, raw, {self.address})
        self.absent: ReadableT | None = driver.make(
            SimulatedBus() if elsewhere is None else self.bus,
            elsewhere or options,
            self.clock,
            self.clock.advance,
        )

    def settle(self) -> None:
        traits = getattr(self.sensor, "traits", None)
        self.clock.advance(5.0 if traits is None else max(5.0, traits.settle_s))

    def read(self) -> Sample:
        """Read after settling."""
        self.settle()
        return self.sensor.read()

    def messages_of_a_read(self) -> int:
        before = len(self.bus.transcript)
        self.sensor.read()
        return len(self.bus.transcript) - before

    def sabotage(self, after: int, mask: int | None) -> None:
        """Spoil the answer after the next ``after`` messages: flip ``mask``, or None: no answer."""
        self.bus.attach(self.address, Sabotaged(self.bus, self.address, self.chip, after, mask))

    def repair(self) -> None:
        self.bus.clear(self.address)
        self.bus.attach(self.address, self.chip)


def model_of(name: str) -> ChipModel:
    model: object = importlib.import_module(f"gated.simulation.chips.{name}").MODEL
    assert isinstance(model, ChipModel)
    return model


class Sabotaged:
    """A chip of which one answer is spoilt."""

    fault: Fault | None = None

    def __init__(
        self, bus: SimulatedBus, address: int, chip: DeviceModel, after: int, mask: int | None
    ) -> None:
        self._bus, self._address, self._chip = bus, address, chip
        self._left, self._mask = after, mask

    def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
        self._left -= 1
        if self._mask is None:
            if self._left == 0:  # the next message finds nobody
                self._bus.inject(self._address, Fault.NACK, messages=1)
            return self._chip.transfer(address, written, count)
        answer = self._chip.transfer(address, written, count)
        if self._left >= 0 or not answer:
            return answer
        return answer[:-1] + bytes((answer[-1] ^ self._mask,))


class FaultyBusContract:
    """What goes wrong on the wire or in the chip is an error and never a number."""

    def test_making_a_device_does_not_touch_the_bus(self, bench: SimulatedBench[Readable]) -> None:
        assert bench.sensor.chip_id == ""
        assert not bench.bus.transcript

    def test_one_read_is_a_bounded_number_of_messages(
        self, bench: SimulatedBench[Readable]
    ) -> None:
        with bench.sensor:
            counts = [bench.messages_of_a_read() for _ in range(5)]
        assert max(counts) <= MOST_MESSAGES.get(bench.name, 8)
        assert bench.name in MOST_MESSAGES or len(set(counts)) == 1

    @pytest.mark.parametrize(("fault", "number"), [(Fault.NACK, 121), (Fault.TIMEOUT, 110)])
    def test_a_failing_bus_is_a_bus_error_with_its_errno(
        self, bench: SimulatedBench[Readable], fault: Fault, number: int
    ) -> None:
        with bench.sensor as sensor:
            bench.bus.inject(bench.address, fault)
            with pytest.raises(BusError) as raised:
                sensor.read()
            bench.repair()
        assert raised.value.errno == number
        assert raised.value.device

    @pytest.mark.parametrize("fault", [Fault.ALL_ONES, Fault.ALL_ZEROS, Fault.ASLEEP])
    def test_held_lines_and_silence_are_an_error_and_never_a_number(
        self, bench: SimulatedBench[Readable], fault: Fault
    ) -> None:
        with bench.sensor as sensor:
            bench.read()
            bench.bus.inject(bench.address, fault)
            for _ in range(3):
                began_s = bench.clock.monotonic_s()
                with pytest.raises(VOID):
                    sensor.read()
                assert bench.clock.monotonic_s() - began_s < READ_WITHIN_S
            bench.repair()

    def test_a_flipped_bit_is_a_checksum_error_where_there_is_a_checksum(
        self, bench: SimulatedBench[Readable]
    ) -> None:
        with bench.sensor as sensor:
            bench.read()
            bench.bus.inject(bench.address, Fault.BAD_CHECK)
            for _ in range(3):
                if bench.driver.has_checksum:
                    with pytest.raises(ChecksumError):
                        sensor.read()
                else:
                    read_or_none(bench)
            bench.repair()

    def test_the_chip_s_own_error_flag_is_a_fault(self, bench: SimulatedBench[Readable]) -> None:
        with bench.sensor as sensor:
            bench.read()
            bench.bus.inject(bench.address, Fault.ERROR_FLAG)
            bench.settle()
            if bench.name in WITHOUT_ERROR_FLAG:
                value = value_of(bench.read())
                assert value is None or math.isfinite(value)  # there is nothing to be flagged
                return
            for _ in range(3):
                with pytest.raises(SensorFault):
                    sensor.read()

    def test_a_chip_that_measures_no_more_is_an_error_if_it_can_tell(
        self, bench: SimulatedBench[Readable]
    ) -> None:
        with bench.sensor as sensor:
            before = value_of(bench.read())
            bench.bus.inject(bench.address, Fault.HALTED)
            if bench.name in WITHOUT_NEW_DATA_FLAG:
                assert value_of(bench.read()) == before
                return
            read_or_none(bench)  # a measurement that was done before it stopped
            for _ in range(3):
                began_s = bench.clock.monotonic_s()
                with pytest.raises(VOID):
                    sensor.read()
                assert bench.clock.monotonic_s() - began_s < READ_WITHIN_S
                bench.settle()

    def test_a_fault_is_not_retried_inside_the_driver(
        self, bench: SimulatedBench[Readable]
    ) -> None:
        with bench.sensor as sensor:
            bench.bus.inject(bench.address, Fault.NACK, messages=1)
            with pytest.raises(BusError):
                sensor.read()
            bench.read()

    def test_a_fault_in_any_message_of_a_read_voids_the_sample(
        self, bench: SimulatedBench[Readable]
    ) -> None:
        with bench.sensor as sensor:
            for good in range(1 + MOST_MESSAGES.get(bench.name, 8)):  # before the one that fails
                bench.settle()
                if good:
                    bench.sabotage(good, mask=None)
                else:
                    bench.bus.inject(bench.address, Fault.NACK, messages=1)
                before = len(bench.bus.transcript)
                try:
                    sensor.read()
                except BusError:
                    pass
                else:
                    assert len(bench.bus.transcript) - before <= good, "a fault was passed over"
                    assert good > 1
                    return
                finally:
                    bench.repair()
                bench.read()
            pytest.fail("a read has no end")

    def test_a_flipped_bit_in_any_message_of_a_read_voids_the_sample(
        self, bench: SimulatedBench[Readable]
    ) -> None:
        with bench.sensor as sensor:
            bench.settle()
            before = len(bench.bus.transcript)
            sensor.read()
            answered = [bool(m.read) for m in list(bench.bus.transcript)[before:]]
            for good, has_answer in enumerate(answered):
                if not has_answer:
                    continue
                bench.settle()
                bench.sabotage(good, mask=0x80)
                if bench.driver.has_checksum:
                    with pytest.raises(ChecksumError):
                        sensor.read()
                else:
                    read_or_none(bench)
                bench.repair()

    @pytest.mark.parametrize("fault", [Fault.NACK, Fault.TIMEOUT, Fault.ASLEEP])
    def test_no_answer_at_open_is_device_not_found(
        self, bench: SimulatedBench[Readable], fault: Fault
    ) -> None:
        bench.bus.inject(bench.address, fault)
        with pytest.raises(DeviceNotFound):
            bench.sensor.open()
        assert bench.sensor.chip_id == ""

    @pytest.mark.parametrize("fault", [Fault.BAD_CHECK, Fault.ALL_ONES, Fault.ALL_ZEROS])
    def test_a_wrong_answer_at_open_opens_nothing(
        self, bench: SimulatedBench[Readable], fault: Fault
    ) -> None:
        bench.bus.inject(bench.address, fault)
        if fault is Fault.BAD_CHECK and not bench.driver.has_checksum:
            # One flipped bit may pass; whatever comes of it is an error that workers know.
            with contextlib.suppress(DeviceNotFound, SensorFault):
                bench.sensor.open()
            return
        with pytest.raises((DeviceNotFound, ChecksumError)):
            bench.sensor.open()
        with pytest.raises(DeviceNotFound):
            bench.sensor.read()

    def test_it_opens_after_a_failed_attempt(self, bench: SimulatedBench[Readable]) -> None:
        bench.bus.inject(bench.address, Fault.NACK)
        with pytest.raises(DeviceNotFound):
            bench.sensor.open()
        bench.bus.clear(bench.address)
        bench.sensor.open()
        bench.sensor.read()


def read_or_none(bench: SimulatedBench[Readable]) -> None:
    """Read; what comes is finite, whatever it is worth, or an error of ours."""
    try:
        value = value_of(bench.sensor.read())
    except VOID:
        return
    assert value is None or math.isfinite(value)
