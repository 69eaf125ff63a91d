"""The SHT3x driver: decoding against published vectors, and what it puts on the wire."""

from __future__ import annotations

import errno

import pytest

from gated.clock import FakeClock
from gated.errors import BusError, ChecksumError, SensorFault
from gated.sensors.crc import sensirion_crc
from gated.sensors.sht3x import Options, Sht3x, decode, words
from gated.simulation.bus import SimulatedBus
from gated.simulation.chips.sht3x import Sht3xModel

ADDRESS = 0x44


def frame(temperature: int, humidity: int) -> bytes:
    parts = (temperature.to_bytes(2), humidity.to_bytes(2))
    return b"".join(part + bytes((sensirion_crc(part),)) for part in parts)


def test_the_published_raw_value_is_25_degrees() -> None:
    ambient_c, humidity_percent = decode(bytes.fromhex("66 66 93 80 00 A2"))
    assert ambient_c == pytest.approx(25.0)
    assert humidity_percent == pytest.approx(50.0, abs=0.01)


def test_words_carry_the_crc_of_the_datasheet() -> None:
    assert words(bytes.fromhex("BE EF 92 BE EF 92")) == (0xBEEF, 0xBEEF)


@pytest.mark.parametrize(
    ("raw_temperature", "expected_c"),
    [(0x0751, -40.0), (0x41D4, 0.0), (0x2492, -20.0), (0xF8AE, 125.0)],
)
def test_cold_and_hot_air_decode(raw_temperature: int, expected_c: float) -> None:
    assert decode(frame(raw_temperature, 0))[0] == pytest.approx(expected_c, abs=0.002)


@pytest.mark.parametrize("raw_temperature", [0x0000, 0x0750, 0xF8B0, 0xFFFF])
def test_air_that_the_chip_cannot_measure_is_a_fault(raw_temperature: int) -> None:
    with pytest.raises(SensorFault):
        decode(frame(raw_temperature, 0x8000))


@pytest.mark.parametrize(
    "answer", ["66 66 94 80 00 A2", "00 00 00 00 00 00", "FF FF FF FF FF FF", "66 66 93", ""]
)
def test_a_wrong_crc_or_length_is_a_checksum_error(answer: str) -> None:
    with pytest.raises(ChecksumError):
        decode(bytes.fromhex(answer))


def test_it_measures_without_clock_stretching_and_waits_long_enough() -> None:
    clock, bus = FakeClock(), SimulatedBus()
    bus.attach(ADDRESS, Sht3xModel(clock, lambda _: 21.5, humidity=lambda _: 40.0, seed=1))
    pauses: list[float] = []

    def pause(for_s: float) -> None:
        pauses.append(for_s)
        clock.advance(for_s)

    with Sht3x(bus, Options(), clock, pause) as sensor:
        assert sensor.chip_id == "0b5c29e1"
        sample = sensor.read()
    assert sample.ambient_c == pytest.approx(21.5, abs=0.3)
    assert sample.humidity_percent == pytest.approx(40.0, abs=1.0)
    assert [m.written.hex() for m in bus.transcript] == ["3682", "", "2400", ""]
    assert pauses[-1] == 0.015


def test_a_read_before_the_chip_is_ready_is_not_acknowledged() -> None:
    clock, bus = FakeClock(), SimulatedBus()
    bus.attach(ADDRESS, Sht3xModel(clock, lambda _: 21.5, seed=1))
    sensor = Sht3x(bus, Options(), clock, lambda _: None)
    sensor.open()
    with pytest.raises(BusError) as raised:
        sensor.read()
    assert raised.value.errno == errno.EREMOTEIO
