"""The MLX90632 driver: what it puts on the wire, and what it makes of the answers.

Its formulas are in ``test_mlx90632_formulas.py``.
"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gated.clock import FakeClock
from gated.errors import ChecksumError, DeviceNotFound, SensorFault
from gated.sensors.mlx90632 import CONTROL, DRIVER, STATUS, Mlx90632, Options
from gated.sensors.mlx90632_formulas import CONSTANT_WORDS
from gated.simulation.bus import Fault, SimulatedBus
from gated.simulation.chips.mlx90632 import BROWN_OUT, CHIP_ID, Mlx90632Model

ADDRESS = 0x3A


class Rig:
    """One chip and its driver on a bus of their own."""

    def __init__(self, version: int = 0x0105, rate: int = 2, **options: object) -> None:
        self.clock, self.bus = FakeClock(), SimulatedBus()
        self.view_c = 34.0
        self.chip = Mlx90632Model(
            self.clock, lambda _: self.view_c, seed=5, version=version, rate=rate, noise_c=0.0
        )
        self.bus.attach(ADDRESS, self.chip)
        self.sensor = Mlx90632(
            self.bus, Options.model_validate(options), self.clock, self.clock.advance
        )

    def written(self) -> list[str]:
        return [m.written.hex() for m in self.bus.transcript if not m.read]

    def object_c(self) -> float:
        self.clock.advance(self.sensor.traits.settle_s)
        return self.sensor.read().object_c


def test_open_resets_sets_the_mode_and_writes_nothing_else() -> None:
    rig = Rig()
    with rig.sensor:
        assert rig.sensor.chip_id == f"{CHIP_ID:012x}"
        assert rig.written() == ["30050006", "30010000", "30010006", "3fff0100"]
    assert all(not 0x2400 <= int(w[:4], 16) < 0x2500 for w in rig.written()), "EEPROM"


def test_a_reading_is_taken_once_and_its_flag_is_cleared() -> None:
    rig = Rig()
    with rig.sensor:
        rig.clock.advance(0.5)
        before = len(rig.bus.transcript)
        sample = rig.sensor.read()
        assert sample.object_c == pytest.approx(34.0, abs=0.02)
        assert sample.die_c == pytest.approx(25.0, abs=0.02)
        asked = [m.written.hex() for m in list(rig.bus.transcript)[before:]]
    assert asked == [
        "3fff", "4003", "4004", "4006", "4007", "4005", "4008", "3fff", "3fff0104"
    ]  # fmt: skip


def test_the_position_in_the_table_alternates_and_both_are_read() -> None:
    rig = Rig()
    with rig.sensor:
        rig.object_c()
        positions = set()
        for _ in range(4):
            rig.object_c()
            positions.add(rig.chip.status >> 2 & 0x1F)
    assert positions == {1, 2}


def test_a_second_read_waits_for_a_new_measurement_and_never_shows_the_earlier_one() -> None:
    rig = Rig()
    with rig.sensor:
        rig.object_c()
        rig.view_c = 38.0
        began_s = rig.clock.elapsed_s
        assert rig.sensor.read().object_c == pytest.approx(36.0, abs=0.1)
        assert 0.0 < rig.clock.elapsed_s - began_s <= 0.5 + 0.02
        assert rig.object_c() == pytest.approx(38.0, abs=0.02)


def test_what_a_reading_shows_of_a_change_is_half_after_one_period() -> None:
    rig = Rig()
    with rig.sensor:
        rig.object_c()
        rig.view_c = 38.0
        assert rig.object_c() == pytest.approx(36.0, abs=0.1)
        assert rig.object_c() == pytest.approx(38.0, abs=0.02)


@pytest.mark.parametrize("fault", [Fault.HALTED])
def test_a_chip_that_measures_no_more_is_a_fault_within_a_second(fault: Fault) -> None:
    rig = Rig()
    with rig.sensor:
        rig.object_c()
        rig.bus.inject(ADDRESS, fault)
        began_s = rig.clock.elapsed_s
        with pytest.raises(SensorFault, match="no new measurement"):
            rig.sensor.read()
        assert rig.clock.elapsed_s - began_s < 1.3
        rig.bus.clear(ADDRESS)


def test_a_chip_that_restarts_by_itself_is_void_until_it_is_opened_anew() -> None:
    rig = Rig()
    with rig.sensor:
        rig.object_c()
        rig.chip.restart()
        for _ in range(3):
            with pytest.raises(SensorFault, match="restarted by itself: check its supply"):
                rig.object_c()
    with rig.sensor:
        assert rig.object_c() == pytest.approx(34.0, abs=0.02)


def test_a_chip_that_does_not_keep_the_brown_out_bit_works_without_that_check() -> None:
    rig = Rig()
    ask = rig.chip.transfer

    class Forgetful:
        fault: Fault | None = None

        def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
            answer = ask(address, written, count)
            if written == STATUS.to_bytes(2):
                return (int.from_bytes(answer) & ~BROWN_OUT).to_bytes(2)
            return answer

    rig.bus.attach(ADDRESS, Forgetful())
    with rig.sensor:
        assert rig.object_c() == pytest.approx(34.0, abs=0.02)


def test_a_reading_that_is_overtaken_by_the_next_measurement_is_void() -> None:
    rig = Rig()
    ask = rig.chip.transfer

    class Slow:
        fault: Fault | None = None

        def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
            if written == b"\x40\x05":
                rig.clock.advance(0.5)
            return ask(address, written, count)

    with rig.sensor:
        rig.object_c()
        rig.bus.attach(ADDRESS, Slow())
        with pytest.raises(SensorFault, match="measured anew while it was read"):
            rig.object_c()


def test_constants_that_read_differently_each_time_open_nothing() -> None:
    rig = Rig()
    ask, asked = rig.chip.transfer, [0]

    class Flipping:
        fault: Fault | None = None

        def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
            answer = ask(address, written, count)
            asked[0] += 1
            return answer if asked[0] != 20 else bytes((answer[0] ^ 0x10, *answer[1:]))

    rig.bus.attach(ADDRESS, Flipping())
    with pytest.raises(ChecksumError, match="reads differently each time"):
        rig.sensor.open()
    assert rig.sensor.chip_id == ""


# --- identity, mode, pace ------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0x0105, 0x0505, 0x8505])
def test_medical_parts_are_taken_for_medical_ones(version: int) -> None:
    with Rig(version).sensor as sensor:
        assert sensor.chip_id != ""


@pytest.mark.parametrize("version", [0x0205, 0x0305])
def test_other_parts_must_be_named(version: int) -> None:
    with pytest.raises(DeviceNotFound, match=r"no medical part .* variant = consumer"):
        Rig(version).sensor.open()
    with Rig(version, variant="consumer").sensor as sensor:
        assert sensor.chip_id != ""


@pytest.mark.parametrize("version", [0x0103, 0x0000, 0xFFFF])
def test_another_chip_is_not_an_mlx90632_and_is_never_written_to(version: int) -> None:
    rig = Rig(version)
    with pytest.raises(DeviceNotFound, match="something answers, but not an MLX90632"):
        rig.sensor.open()
    assert rig.written() == []


def test_a_chip_without_an_identity_is_refused() -> None:
    rig = Rig()
    for cell in (0x2405, 0x2406, 0x2407):
        rig.chip.eeprom[cell] = 0xFFFF
    with pytest.raises(DeviceNotFound, match="something answers"):
        rig.sensor.open()


def test_a_chip_without_a_calibration_is_refused() -> None:
    rig = Rig()
    rig.chip.eeprom[0x2481] = 0
    with pytest.raises(DeviceNotFound, match="no calibration"):
        rig.sensor.open()


def test_the_extended_range_needs_an_eeprom_that_offers_it() -> None:
    with pytest.raises(DeviceNotFound, match="has no extended range"):
        Rig(0x0105, mode="extended").sensor.open()


@pytest.mark.parametrize("rate", [2, 3, 7])
def test_the_extended_range_reads_whole_tables_only(rate: int) -> None:
    rig = Rig(0x8505, rate, mode="extended")
    with rig.sensor:
        assert rig.chip.control & 0x01F6 == 0x0116
        for view_c in (34.0, 150.0, 0.0):
            rig.view_c = view_c
            rig.object_c()
            assert rig.object_c() == pytest.approx(view_c, abs=0.1)
            assert rig.chip.status >> 2 & 0x1F == 19


def test_a_restart_would_bring_back_the_medical_mode_which_is_seen_by_its_positions() -> None:
    rig = Rig(0x8505, mode="extended")
    with rig.sensor:
        rig.object_c()
        rig.chip.restart()
        rig.chip.status |= BROWN_OUT  # as if that had told nothing
        with pytest.raises(SensorFault, match="no new measurement"):
            rig.object_c()


@pytest.mark.parametrize(("rate", "hz"), [(2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 64)])
def test_the_pace_is_the_eeprom_s(rate: int, hz: int) -> None:
    rig = Rig(rate=rate)
    with rig.sensor as sensor:
        assert sensor.traits.settle_s == 1 / hz
        assert sensor.traits.noise_c == pytest.approx(0.1 * (hz / 2) ** 0.5)
        assert rig.object_c() == pytest.approx(34.0, abs=0.02)


def test_a_pace_that_is_not_the_one_asked_for_is_refused() -> None:
    with pytest.raises(DeviceNotFound, match="its EEPROM says 2 Hz, not 8 Hz"):
        Rig(refresh_hz=8).sensor.open()


@pytest.mark.parametrize(("rate", "said"), [(0, "0.5 Hz"), (1, "1 Hz")])
def test_a_pace_at_which_a_worker_would_be_missed_is_refused(rate: int, said: str) -> None:
    with pytest.raises(DeviceNotFound, match=f"its EEPROM says {said}: set it to 2 Hz or more"):
        Rig(rate=rate).sensor.open()


def test_its_traits_say_that_it_is_for_close_range() -> None:
    traits = Rig().sensor.traits
    assert (traits.fov_deg, traits.settle_s, traits.is_presence_only) == (50.0, 0.5, False)
    assert Rig(0x8505, mode="extended").sensor.traits.settle_s == 1.5
    assert not DRIVER.has_checksum


@pytest.mark.parametrize(
    "raw", [{"address": 0x39}, {"variant": "best"}, {"mode": "burst"}, {"refresh_hz": 1}, {"x": 1}]
)
def test_what_is_not_one_of_its_keys_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DRIVER.options.model_validate(raw)


def test_control_is_written_halted_before_the_eeprom_is_read() -> None:
    rig = Rig()
    with rig.sensor:
        asked = [int.from_bytes(m.written[:2]) for m in rig.bus.transcript]
    first = next(i for i, m in enumerate(rig.bus.transcript) if not m.read and asked[i] == CONTROL)
    assert all(i > first for i, address in enumerate(asked) if address in CONSTANT_WORDS)
