"""The TMP117 driver: decoding against published vectors, and what it puts on the wire."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gated.clock import FakeClock
from gated.errors import DeviceNotFound, SensorFault
from gated.sensors.tmp117 import DRIVER, Options, Tmp117, decode
from gated.simulation.bus import Fault, SimulatedBus
from gated.simulation.chips.tmp117 import Tmp117Model

ADDRESS = 0x48


class Rig:
    """One chip and its driver on a bus of their own."""

    def __init__(self) -> None:
        self.clock, self.bus = FakeClock(), SimulatedBus()
        self.air_c = 21.5
        self.chip = Tmp117Model(self.clock, lambda _: self.air_c, seed=1)
        self.bus.attach(ADDRESS, self.chip)
        self.sensor = Tmp117(self.bus, Options(), self.clock, self.clock.advance)


@pytest.mark.parametrize(
    ("word", "expected_c"),
    [
        ("0C 80", 25.0),  # datasheet, table 7-1, here and below
        ("F3 80", -25.0),
        ("00 01", 0.0078125),
        ("FF FF", -0.0078125),
        ("00 00", 0.0),
        ("32 00", 100.0),
        ("4B 00", 150.0),
        ("E4 80", -55.0),
        ("12 A6", 37.296875),  # the two neighbours of 37.3
        ("12 A7", 37.3046875),
    ],
)
def test_published_results_decode(word: str, expected_c: float) -> None:
    assert decode(bytes.fromhex(word)) == expected_c


@pytest.mark.parametrize("word", ["80 00", "7F FF", "4B 01", "E4 7F", "80 01"])
def test_what_the_chip_cannot_measure_is_a_fault(word: str) -> None:
    with pytest.raises(SensorFault):
        decode(bytes.fromhex(word))


def test_no_data_yet_is_said_as_such() -> None:
    with pytest.raises(SensorFault, match="no temperature yet"):
        decode(bytes.fromhex("80 00"))


def test_open_and_read_put_exactly_these_messages_on_the_wire() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        assert sensor.chip_id == "1e570a114b2c"
        sample = sensor.read()
    assert [m.written.hex() for m in rig.bus.transcript] == [
        "0f", "05", "06", "08", "010e20", "01", "00"
    ]  # fmt: skip
    assert sample.ambient_c == pytest.approx(21.5, abs=0.02)
    assert sample.humidity_percent is None
    assert sample.taken_at == rig.clock.monotonic_s() == 1_000.125


def test_every_read_converts_anew_however_soon_it_comes() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        for air_c in (21.5, -10.0, 35.0):
            rig.air_c = air_c
            assert sensor.read().ambient_c == pytest.approx(air_c, abs=0.02)


def test_a_conversion_that_takes_longer_is_waited_for_but_not_for_ever() -> None:
    rig = Rig()
    slow = Tmp117(rig.bus, Options(), rig.clock, lambda s: rig.clock.advance(0.7 * s))
    with slow as sensor:
        assert sensor.read().ambient_c == pytest.approx(21.5, abs=0.02)
    rig.bus.inject(ADDRESS, Fault.HALTED)
    with rig.sensor as sensor, pytest.raises(SensorFault, match="no conversion ends"):
        sensor.read()
    assert rig.clock.elapsed_s < 1_001.0


def test_a_chip_whose_result_is_not_there_yet_is_a_fault() -> None:
    rig = Rig()
    rig.bus.inject(ADDRESS, Fault.ERROR_FLAG)
    with rig.sensor as sensor, pytest.raises(SensorFault, match="no temperature yet"):
        sensor.read()


@pytest.mark.parametrize("fault", [Fault.ALL_ONES, Fault.ALL_ZEROS])
def test_a_held_line_shows_another_configuration(fault: Fault) -> None:
    rig = Rig()
    with rig.sensor as sensor:
        rig.bus.inject(ADDRESS, fault)
        with pytest.raises(SensorFault, match="configuration is not as written"):
            sensor.read()


def test_a_later_revision_is_a_tmp117_and_another_chip_is_not_nor_is_it_written_to() -> None:
    rig = Rig()
    rig.chip.device_id = 0x2117  # TMP119
    with rig.sensor as sensor:
        assert sensor.chip_id != ""
    for device_id in (0x1116, 0x0000, 0xFFFF, 0x8583):  # TMP116, lines held, an ADS1115
        rig.chip.device_id = device_id
        with pytest.raises(DeviceNotFound, match=f"answers .0x{device_id:04X}., but not a TMP117"):
            rig.sensor.open()
        assert rig.sensor.chip_id == ""
    assert all(len(m.written) == 1 for m in rig.bus.transcript)


@pytest.mark.parametrize("identity", [0, 0xFFFF_FFFF_FFFF])
def test_a_chip_without_an_identity_is_refused(identity: int) -> None:
    rig = Rig()
    rig.bus.attach(ADDRESS, Tmp117Model(rig.clock, lambda _: 21.5, seed=1, identity=identity))
    with pytest.raises(DeviceNotFound, match="not a TMP117"):
        rig.sensor.open()


def test_a_chip_that_was_reset_goes_on_with_the_next_read() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        sensor.read()
        rig.bus.attach(ADDRESS, Tmp117Model(rig.clock, lambda _: 30.0, seed=2))
        assert sensor.read().ambient_c == pytest.approx(30.0, abs=0.02)


def test_after_power_on_it_converts_every_second_by_itself() -> None:
    rig = Rig()
    config = bytes((0x01,))
    assert rig.bus.write_then_read(ADDRESS, b"\x00", 2).hex() == "8000"
    rig.clock.advance(0.125)
    assert rig.bus.write_then_read(ADDRESS, config, 2).hex() == "2220"
    assert rig.bus.write_then_read(ADDRESS, config, 2).hex() == "0220", "cleared by the read"
    rig.clock.advance(0.9)
    assert rig.bus.write_then_read(ADDRESS, config, 2).hex() == "0220"
    rig.clock.advance(0.1)
    assert rig.bus.write_then_read(ADDRESS, config, 2).hex() == "2220"


@pytest.mark.parametrize("address", [0x47, 0x4C])
def test_an_address_that_no_pin_gives_is_refused(address: int) -> None:
    with pytest.raises(ValidationError):
        DRIVER.options.model_validate({"address": address})
    assert not DRIVER.has_checksum
