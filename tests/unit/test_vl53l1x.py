"""The VL53L1X driver: its result's meaning, ST's settings, and what it puts on the wire."""

from __future__ import annotations

import hashlib
import inspect
import math

import pytest
from pydantic import ValidationError

from gated.clock import FakeClock
from gated.errors import BusError, DeviceNotFound, SensorFault
from gated.sensors import vl53l1x_registers as reg
from gated.sensors.vl53l1x import DRIVER, Options, Vl53l1x, decode
from gated.simulation.bus import Fault, Message, NotAcknowledged, SimulatedBus
from gated.simulation.chips.vl53l1x import CENTRE, MS_PER_CYCLE, Vl53l1xModel

ADDRESS = 0x29


def result(status: int, distance_mm: int) -> bytes:
    return bytes((status, *[0] * 12)) + (distance_mm & 0xFFFF).to_bytes(2) + bytes(2)


class Rig:
    """One chip and its driver on a bus of their own."""

    def __init__(self, powered_at_s: float = -math.inf, **options: object) -> None:
        self.clock, self.bus = FakeClock(), SimulatedBus()
        self.distance_m = 0.30
        self.chip = Vl53l1xModel(
            self.clock, lambda _: self.distance_m, seed=9, powered_at_s=powered_at_s
        )
        self.bus.attach(ADDRESS, self.chip)
        self.sensor = Vl53l1x(
            self.bus, Options.model_validate(options), self.clock, self.clock.advance
        )

    def word(self, register: int, size: int = 2) -> int:
        return int.from_bytes(self.chip.memory[register : register + size])

    def writes(self) -> list[str]:
        return [m.written.hex() for m in self.bus.transcript if not m.read]


# --- what a result means -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "distance_mm", "expected_m"),
    [
        (9, 300, 0.3),
        (9, 1_301, 1.301),
        (9, 4_000, 4.0),
        (0xE9, 300, 0.3),  # the upper three bits are the thresholds'
        (9, 0, 0.0),
        (9, -12, 0.0),  # at the window
        *[(status, 300, None) for status in (4, 5, 6, 7, 8, 12, 13)],
    ],
)
def test_a_result_is_a_distance_or_nothing_there(
    status: int, distance_mm: int, expected_m: float | None
) -> None:
    distance_m = decode(result(status, distance_mm))
    assert distance_m == (None if expected_m is None else pytest.approx(expected_m))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (1, "laser continuity"),
        (2, "laser watchdog"),
        (3, "no reference"),
        (10, "underflow"),
        (11, "overflow"),
        (14, "too few reference"),
        (17, "reference cells"),
        (18, "first sample"),
        (19, "not checked for wrapping"),
        (22, "two targets merged"),
        *[(status, "none that is known") for status in (0, 15, 16, 20, 21, 23, 31)],
    ],
)
def test_a_chip_that_failed_is_a_fault_with_what_it_says(status: int, said: str) -> None:
    with pytest.raises(SensorFault, match=f"range status {status}: .*{said}"):
        decode(result(status, 300))


@pytest.mark.parametrize(
    "block",
    [result(9, 4_501), result(9, -51), result(9, 0x7FFF), b"\x00" * 17, b"\xff" * 17, b""],
)
def test_what_cannot_be_is_a_fault(block: bytes) -> None:
    with pytest.raises(SensorFault):
        decode(block)


# --- ST's settings -------------------------------------------------------------------------------


def test_the_default_block_is_st_s_byte_by_byte_with_its_licence_beside_it() -> None:
    assert len(reg.DEFAULTS) == 0x87 - 0x2D + 1 == 91
    assert hashlib.sha256(reg.DEFAULTS).hexdigest()[:16] == "112658eedbbaf339"
    known = {
        0x30: 0x01, 0x31: 0x02, 0x46: 0x20, 0x4B: 0x0A, 0x4C: 0x21, 0x54: 0xC8, 0x57: 0x38,
        0x58: 0xFF, 0x5E: 0x01, 0x5F: 0xCC, 0x62: 0xF1, 0x64: 0x01, 0x65: 0x68, 0x67: 0x80,
        0x69: 0xB8, 0x6E: 0x0F, 0x6F: 0x89, 0x78: 0x0F, 0x7A: 0x0E, 0x7F: 0xC7, 0x80: 0xFF,
        0x81: 0x9B, 0x85: 0x01, 0x86: 0x00, 0x87: 0x00,
    }  # fmt: skip
    assert {a: reg.DEFAULTS[a - reg.DEFAULTS_FROM] for a in known} == known
    licence = inspect.getdoc(reg) or ""
    assert "Copyright (c) 2017, STMicroelectronics" in licence
    assert "Redistributions of source code must retain the above copyright notice" in licence


def test_open_sets_it_up_in_st_s_order() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        assert sensor.chip_id == "eacc10"
        assert [m.written.hex() for m in list(rig.bus.transcript)[:3]] == ["c0", "010f", "00e5"]
        assert rig.writes() == [
            "002d" + reg.DEFAULTS.hex(),
            "008601", "008740", "008601", "008700", "000809", "000b00",  # one sample, then stop
            "004b14", "006007", "006305", "006938", "00780705", "007a0606",  # the short mode
            "005e00d6", "0061006e",  # 33 ms
            f"006c{int(0x2B5 * 50 * 1.075):08x}",  # every 50 ms
            "007fc7", "0080ff",  # all cells
            "008601", "008740", "008601",
        ]  # fmt: skip
    assert rig.writes()[-1] == "008700", "stopped when it is closed"


def test_the_default_measures_every_50_ms_for_33_in_the_short_mode() -> None:
    rig = Rig()
    with rig.sensor:
        assert rig.word(reg.PERIOD, 4) * MS_PER_CYCLE == pytest.approx(50.0, abs=0.01)
        assert (rig.word(reg.TIMEOUT_A), rig.word(reg.TIMEOUT_B)) == (0x00D6, 0x006E)


@pytest.mark.parametrize("mode", ["short", "long"])
@pytest.mark.parametrize("budget_ms", [20, 33, 50, 100, 200])
def test_each_mode_and_budget_measures_and_a_read_is_bounded(mode: str, budget_ms: int) -> None:
    rig = Rig(mode=mode, timing_budget_ms=budget_ms, period_ms=budget_ms + 10)
    with rig.sensor as sensor:
        for _ in range(3):
            began_s, before = rig.clock.elapsed_s, len(rig.bus.transcript)
            assert sensor.read().distance_m == pytest.approx(0.3, abs=0.02)
            assert rig.clock.elapsed_s - began_s < (2 * budget_ms + 30) / 1_000
            assert len(rig.bus.transcript) - before < 50


def test_the_long_mode_sees_further() -> None:
    for mode, seen in (("short", False), ("long", True)):
        rig = Rig(mode=mode, timing_budget_ms=100, period_ms=100)
        rig.distance_m = 2.5
        with rig.sensor as sensor:
            assert (sensor.read().distance_m is not None) is seen


@pytest.mark.parametrize(
    ("width", "height", "centre", "size"),
    [(16, 16, 199, 0xFF), (4, 4, CENTRE, 0x33), (8, 10, CENTRE, 0x97), (4, 16, 199, 0xF3)],
)
def test_a_region_of_interest_is_about_the_part_s_own_centre_where_it_has_room(
    width: int, height: int, centre: int, size: int
) -> None:
    rig = Rig(roi_width=width, roi_height=height)
    with rig.sensor:
        assert rig.chip.memory[reg.ROI_CENTRE] == centre
        assert rig.chip.memory[reg.ROI_SIZE] == size


# --- reading -------------------------------------------------------------------------------------


def test_a_read_clears_waits_and_takes_the_result_in_one_message() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        before = len(rig.bus.transcript)
        sample = sensor.read()
        messages = list(rig.bus.transcript)[before:]
    assert messages[0] == Message(ADDRESS, bytes.fromhex("008601"), b"")
    assert {m.written.hex() for m in messages[1:-1]} == {"0031"}
    assert (messages[-1].written.hex(), len(messages[-1].read)) == ("0089", 17)
    assert sample.taken_at == rig.clock.monotonic_s()


def test_a_read_never_shows_an_earlier_distance() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        sensor.read()
        rig.clock.advance(1.0)  # a measurement of before lies ready
        rig.distance_m = 1.0
        assert sensor.read().distance_m == pytest.approx(1.0, abs=0.02)
        rig.distance_m = math.inf
        assert sensor.read().distance_m is None
        rig.distance_m = 0.01  # a finger on the window
        assert sensor.read().distance_m is None


def test_an_offset_is_added_but_nothing_is_nearer_than_the_window() -> None:
    for offset_mm, expected_m in ((25, 0.325), (-25, 0.275)):
        with Rig(offset_mm=offset_mm).sensor as sensor:
            assert sensor.read().distance_m == pytest.approx(expected_m, abs=0.015)
    rig = Rig(offset_mm=-100)
    rig.distance_m = 0.05
    with rig.sensor as sensor:
        assert sensor.read().distance_m == 0.0


def test_the_line_s_polarity_is_the_chip_s() -> None:
    rig = Rig()
    ask = rig.chip.transfer

    class ActiveLow:
        fault: Fault | None = None

        def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
            if written[:2] == b"\x00\x2d":  # as if its defaults were the other way round
                rig.chip.memory[reg.GPIO_POLARITY] = 0x11
                return ask(address, written[:5] + b"\x11" + written[6:], count)
            return ask(address, written, count)

    rig.bus.attach(ADDRESS, ActiveLow())
    with rig.sensor as sensor:
        assert sensor.read().distance_m == pytest.approx(0.3, abs=0.02)


def test_a_chip_that_measures_no_more_is_a_fault_in_bounded_time() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        rig.bus.inject(ADDRESS, Fault.HALTED)
        began_s = rig.clock.elapsed_s
        with pytest.raises(SensorFault, match="has no new measurement"):
            sensor.read()
        assert rig.clock.elapsed_s - began_s < 0.3
    with pytest.raises(DeviceNotFound, match="does not measure: switch its power off and on"):
        rig.sensor.open()


def test_a_laser_that_fails_is_a_fault() -> None:
    rig = Rig()
    with rig.sensor as sensor:
        rig.bus.inject(ADDRESS, Fault.ERROR_FLAG)
        with pytest.raises(SensorFault, match=r"simulated/0x29: range status 2: laser watchdog"):
            sensor.read()


def test_closing_on_a_bus_that_fails_is_a_close() -> None:
    rig = Rig()
    rig.sensor.open()
    rig.bus.detach(ADDRESS)
    with pytest.raises(BusError):
        rig.sensor.read()
    rig.sensor.close()
    assert rig.sensor.chip_id == ""


# --- identity ------------------------------------------------------------------------------------


def test_a_chip_that_still_boots_is_waited_for() -> None:
    rig = Rig(powered_at_s=1_000.0)
    with rig.sensor as sensor:
        assert sensor.read().distance_m is not None


def test_a_chip_that_does_not_start_is_told() -> None:
    with pytest.raises(DeviceNotFound, match="does not start: switch its power off and on"):
        Rig(powered_at_s=9_999.0).sensor.open()


def test_a_chip_without_a_clock_is_told() -> None:
    rig = Rig()
    rig.chip.memory[reg.OSCILLATOR : reg.OSCILLATOR + 2] = bytes(2)
    with pytest.raises(DeviceNotFound, match="has no clock"):
        rig.sensor.open()


@pytest.mark.parametrize("identity", [b"\xeb\xaa\x10", b"\x00\x00\x00", b"\xff\xff\xff"])
def test_another_chip_is_named_and_never_written_to(identity: bytes) -> None:
    rig = Rig()
    rig.chip.memory[reg.MODEL_ID : reg.MODEL_ID + 3] = identity
    with pytest.raises(DeviceNotFound, match=r"something answers .* but not a VL53L1X"):
        rig.sensor.open()
    assert rig.writes() == []


def test_a_vl53l0x_is_told_before_a_question_would_write_to_it() -> None:
    class Vl53l0x:
        """8-bit registers: a second byte is a value."""

        fault: Fault | None = None

        def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
            assert len(written) == 1, f"{written.hex()} writes to a register"
            return (b"\xee" if written == b"\xc0" else b"\x00") * count

    rig = Rig()
    rig.bus.attach(ADDRESS, Vl53l0x())
    with pytest.raises(DeviceNotFound, match="a VL53L0X answers"):
        rig.sensor.open()


def test_nobody_there_is_told() -> None:
    class Deaf:
        fault: Fault | None = None

        def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
            raise NotAcknowledged

    rig = Rig()
    rig.bus.attach(ADDRESS, Deaf())
    with pytest.raises(DeviceNotFound, match="no VL53L1X answers: check its wires and supply"):
        rig.sensor.open()


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        {"address": 0x30},
        {"mode": "medium"},
        {"timing_budget_ms": 40},
        {"mode": "long", "timing_budget_ms": 15},
        {"timing_budget_ms": 100, "period_ms": 99},
        {"period_ms": 251},
        {"roi_width": 3},
        {"roi_height": 17},
        {"offset_mm": 101},
        {"xtalk": 1},
    ],
)
def test_what_the_chip_cannot_do_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DRIVER.options.model_validate(raw)


def test_the_shortest_budget_is_for_the_short_mode() -> None:
    with Rig(timing_budget_ms=15, period_ms=15).sensor as sensor:
        assert sensor.read().distance_m == pytest.approx(0.3, abs=0.02)
    assert not DRIVER.has_checksum
