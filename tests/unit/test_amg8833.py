"""The AMG8833 driver: decoding against the datasheet's vectors, and what it leaves alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gated.clock import FakeClock
from gated.errors import BusError, DeviceNotFound, SensorFault
from gated.sensors.amg8833 import DRIVER, Amg8833, Options, decode, pixel_c, thermistor_c
from gated.simulation.bus import DeviceModel, Fault, SimulatedBus
from gated.simulation.chips.amg8833 import FRAME_RATE, POWER, Amg8833Model

ADDRESS = 0x69
AT_25_C = bytes.fromhex("90 01")


def picture(*hot: int, rest: int = 0x050) -> bytes:
    raw = [rest, *hot, *[rest] * (63 - len(hot))]
    return b"".join(word.to_bytes(2, "little") for word in raw)


class Rig:
    """One chip and its driver on a bus of their own."""

    def __init__(self, chip: DeviceModel | None = None) -> None:
        self.clock, self.bus = FakeClock(), SimulatedBus()
        self.view_c = 34.0
        self.chip = Amg8833Model(self.clock, lambda _: self.view_c, seed=7)
        self.bus.attach(ADDRESS, chip or self.chip)
        self.sensor = Amg8833(self.bus, Options(), self.clock)

    def written(self) -> list[str]:
        return [m.written.hex() for m in self.bus.transcript if len(m.written) > 1]


@pytest.mark.parametrize(
    ("raw", "expected_c"),
    [
        (0x1F4, 125.0),
        (0x064, 25.0),
        (0x001, 0.25),
        (0x000, 0.0),
        (0xFFF, -0.25),
        (0xF9C, -25.0),
        (0xF24, -55.0),
        (0xF064, 25.0),  # the upper four bits mean nothing
    ],
)
def test_published_pixels_decode(raw: int, expected_c: float) -> None:
    assert pixel_c(raw) == expected_c


@pytest.mark.parametrize(
    ("raw", "expected_c"),
    [
        (0x7FF, 127.9375),
        (0x190, 25.0),
        (0x004, 0.25),
        (0x000, 0.0),
        (0x804, -0.25),
        (0xBBB, -59.6875),
        (0xF190, 25.0 - 50.0),  # bit 11 is the sign, above it is nothing
    ],
)
def test_published_thermistors_decode(raw: int, expected_c: float) -> None:
    assert thermistor_c(raw) == (expected_c if raw < 0x1000 else 25.0)


def test_the_hottest_four_pixels_are_what_is_read() -> None:
    hottest_c, die_c = decode(picture(0x08C, 0x08D, 0x08E, 0x08F), AT_25_C)
    assert hottest_c == pytest.approx((35.0 + 35.25 + 35.5 + 35.75) / 4)
    assert die_c == 25.0
    assert decode(picture(0x08C, rest=0xFFF), AT_25_C)[0] == pytest.approx((35.0 - 0.75) / 4)


@pytest.mark.parametrize(
    ("pixels", "thermistor"),
    [
        (picture(rest=0x000), "00 00"),  # lines held low
        (picture(rest=0xFFFF), "FF FF"),  # and high
        (picture(0x1A5, 0x1A5, 0x1A5, 0x1A5), "90 01"),  # 105.25 °C
        (picture(0xF24, rest=0xF25), "90 01"),
        (picture(0x08C), "FF 07"),  # 127.9 °C of its own
        (picture(0x08C), "BB 0B"),
        (b"", "90 01"),
    ],
)
def test_what_the_chip_cannot_measure_is_a_fault(pixels: bytes, thermistor: str) -> None:
    with pytest.raises(SensorFault):
        decode(pixels, bytes.fromhex(thermistor))


def test_open_and_read_put_exactly_these_messages_on_the_wire_and_write_nothing() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        assert sensor.chip_id == "69"
        sample = sensor.read()
    assert [(m.written.hex(), len(m.read)) for m in rig.bus.transcript] == [
        ("00", 1), ("02", 1), ("03", 1), ("80", 128), ("0e", 2), ("80", 128), ("0e", 2), ("04", 1)
    ]  # fmt: skip
    assert sample.object_c == pytest.approx(34.0, abs=0.6)
    assert sample.die_c == 25.0
    assert sample.taken_at == rig.clock.monotonic_s()


def test_a_new_frame_comes_ten_times_a_second() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        first = sensor.read().object_c
        rig.view_c = 38.0
        assert sensor.read().object_c == first
        rig.clock.advance(0.1)
        assert sensor.read().object_c == pytest.approx(38.0, abs=0.6)


def test_an_overflow_voids_the_sample_and_is_cleared() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        rig.bus.inject(ADDRESS, Fault.ERROR_FLAG)
        with pytest.raises(SensorFault, match=r"overflow .status 0x04."):
            sensor.read()
        rig.bus.clear(ADDRESS)
        sensor.read()
    assert rig.written() == ["050c"]


def test_before_it_talks_nobody_answers() -> None:
    rig = Rig()
    rig.bus.attach(ADDRESS, Amg8833Model(rig.clock, lambda _: 34.0, seed=7, powered_at_s=1_000.0))
    with pytest.raises(DeviceNotFound, match="no AMG8833 answers"):
        rig.sensor.open()
    rig.clock.advance(0.05)
    with rig.sensor as sensor:
        sensor.read()


@pytest.mark.parametrize(("register", "value"), [(POWER, 0x10), (POWER, 0x20), (FRAME_RATE, 1)])
def test_a_chip_in_another_mode_is_left_alone_and_what_to_do_is_said(
    register: int, value: int
) -> None:
    rig = Rig()
    rig.chip.memory[register] = value
    with pytest.raises(DeviceNotFound, match="switch its power off and on if it is one"):
        rig.sensor.open()
    assert rig.written() == []


class ClockChip:
    """A DS3231 at register level: it counts its registers round, and each byte may be anything."""

    fault: Fault | None = None

    def __init__(self, registers: str) -> None:
        self._registers = bytes.fromhex(registers)

    def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
        assert len(written) == 1, "this would set the time"
        size = len(self._registers)
        return bytes(self._registers[(written[0] + n) % size] for n in range(count))


@pytest.mark.parametrize(
    "registers",
    [
        "45 59 23 02 14 11 26 00 00 00 00 00 00 00 1C 88 00 19 40",
        "00 00 00 00 01 01 00 00 00 00 00 00 00 00 1C 08 00 19 40",  # just after midnight
        "00 00 00 00 00 00 00 00",  # a DS1307 that has never been set
        "00 FF 00 00 FF FF FF FF",
    ],
)
def test_a_clock_chip_at_the_same_address_is_told_apart_and_never_written_to(
    registers: str,
) -> None:
    rig = Rig(ClockChip(registers))
    with pytest.raises(DeviceNotFound, match="something answers"):
        rig.sensor.open()


def test_a_bus_error_in_a_read_keeps_its_errno() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        rig.bus.detach(ADDRESS)
        with pytest.raises(BusError) as raised:
            sensor.read()
    assert raised.value.errno == 121


def test_it_tells_presence_only() -> None:
    traits = Rig().sensor.traits
    assert traits.is_presence_only
    assert (traits.fov_deg, traits.settle_s, traits.noise_c) == (7.5, 0.1, 0.16)
    assert not DRIVER.has_checksum


@pytest.mark.parametrize("address", [0x67, 0x6A])
def test_an_address_that_no_pin_gives_is_refused(address: int) -> None:
    with pytest.raises(ValidationError):
        DRIVER.options.model_validate({"address": address})
