"""The MLX90614 driver: every known pitfall, and what it puts on the wire.

Its vectors are in ``test_mlx90614_vectors.py``.
"""

from __future__ import annotations

import errno
import logging
import math
import statistics

import pytest

from gated.clock import FakeClock
from gated.errors import BusError, ChecksumError, DeviceNotFound, SensorFault
from gated.sensors.bus import bus_error
from gated.sensors.mlx90614 import (
    FIRST_DATA_S,
    RAM_OBJECT,
    Mlx90614,
    Options,
    checked,
    decode,
)
from gated.sensors.port import Pause
from gated.simulation.bus import Fault, Message, SimulatedBus
from gated.simulation.chips.mlx90614 import (
    CELL_CONFIG,
    CELL_EMISSIVITY,
    CELL_PWM,
    CONFIG_FACTORY,
    FAST_POLL_C,
    FLAG_EEPROM_DEAD,
    WARM_UP_C,
    Mlx90614Model,
    Unit,
    with_physics,
)
from gated.simulation.chips.sht3x import Sht3xModel

ADDRESS = 0x5A
QUIET_S = 5.0


class Rig:
    """One chip and its driver on a bus of their own."""

    def __init__(self, unit: Unit | None = None, view_c: float = 34.0, die_c: float = 25.0) -> None:
        self.clock = FakeClock()
        self.bus = SimulatedBus()
        self.view_c, self.die_c = view_c, die_c
        self.die_rise_c_per_s = 0.0
        self.chip = Mlx90614Model(
            self.clock,
            lambda _: self.view_c,
            die=lambda t: self.die_c + self.die_rise_c_per_s * (t - 1_000.0),
            unit=unit or Unit(noise_c=0.0),
            seed=3,
        )
        self.bus.attach(ADDRESS, self.chip)
        self.sensor = self.driver()

    def driver(self, pause: Pause | None = None, **options: object) -> Mlx90614:
        chosen = Options.model_validate({"variant": "DCI", **options})
        return Mlx90614(self.bus, chosen, self.clock, pause or self.clock.advance)

    def object_c(self, quiet_s: float = QUIET_S) -> float:
        self.clock.advance(quiet_s)
        return self.sensor.read().object_c


@pytest.fixture
def rig() -> Rig:
    return Rig()


# --- the wire ------------------------------------------------------------------------------------


def test_open_and_read_put_exactly_these_messages_on_the_wire() -> None:
    rig = Rig(view_c=28.01, die_c=23.19)
    pauses: list[float] = []
    thermometer = rig.driver(pause=pauses.append)
    thermometer.open()
    sample = thermometer.read()
    assert list(rig.bus.transcript) == [
        Message(ADDRESS, bytes.fromhex(written), bytes.fromhex(read))
        for written, read in [
            ("3C", "34 12 F6"),
            ("3D", "78 56 9C"),
            ("3E", "BC 9A 75"),
            ("3F", "F0 DE 1F"),
            ("24", "FF FF D6"),
            ("25", "B4 9F 2B"),
            ("22", "01 02 9D"),
            ("F0", "10 00 30"),
            ("07", "D2 3A 30"),
            ("06", "E1 39 E9"),
        ]
    ]
    assert thermometer.chip_id == "123456789abcdef0"
    assert sample.object_c == pytest.approx(28.01)
    assert sample.die_c == pytest.approx(23.19)
    assert sample.taken_at == rig.clock.monotonic_s()
    assert len(pauses) == 9, "back-to-back reads are answered with NACKs"
    assert all(pause_s >= 0.001 for pause_s in pauses)


def test_every_message_is_a_read_so_the_eeprom_is_never_written_and_the_chip_never_put_to_sleep(
    rig: Rig,
) -> None:
    with rig.sensor:
        rig.object_c()
    assert {len(m.written) for m in rig.bus.transcript} == {1}
    assert all(len(m.read) == 3 for m in rig.bus.transcript)
    assert b"\xff" not in {m.written for m in rig.bus.transcript}


def test_command_and_answer_are_one_message_because_a_stop_between_gives_all_ones(rig: Rig) -> None:
    rig.bus.write(ADDRESS, bytes((RAM_OBJECT,)))
    with pytest.raises(ChecksumError):
        checked(ADDRESS, RAM_OBJECT, rig.bus.read(ADDRESS, 3))


# --- pitfalls ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.ALL_ONES, ChecksumError),  # 1037.55 °C of other drivers
        (Fault.ALL_ZEROS, ChecksumError),  # −273.15 °C
        (Fault.BAD_CHECK, ChecksumError),
        (Fault.ERROR_FLAG, SensorFault),
        (Fault.NACK, BusError),
        (Fault.TIMEOUT, BusError),
        (Fault.ASLEEP, BusError),
        (Fault.PWM, BusError),
    ],
)
def test_what_goes_wrong_on_the_wire_is_told_and_not_retried_by_the_driver(
    rig: Rig, fault: Fault, error: type[Exception]
) -> None:
    with rig.sensor:
        rig.object_c()
        rig.bus.inject(ADDRESS, fault)
        before = len(rig.bus.transcript)
        with pytest.raises(error):
            rig.sensor.read()
        assert len(rig.bus.transcript) == before + 1
        rig.bus.clear(ADDRESS)
        assert rig.object_c() == pytest.approx(34.0, abs=0.011)


@pytest.mark.parametrize("fault", [Fault.ASLEEP, Fault.PWM])
def test_a_silent_chip_s_message_says_what_else_it_may_be_and_what_to_do(
    rig: Rig, fault: Fault
) -> None:
    rig.bus.inject(ADDRESS, fault)
    with pytest.raises(
        DeviceNotFound, match="if it is asleep, switch its power off and on; if it is in PWM mode"
    ):
        rig.sensor.open()


class Refusing(SimulatedBus):
    """An adapter that refuses with one errno."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def read_word_with_pec(self, address: int, command: int) -> bytes:
        raise bus_error(OSError(self._number, "refused"), f"simulated/0x{address:02X}")


def test_a_chip_that_a_kernel_driver_holds_is_told_as_such() -> None:
    clock = FakeClock()
    sensor = Mlx90614(Refusing(errno.EBUSY), Options(variant="DCI"), clock, clock.advance)
    with pytest.raises(DeviceNotFound, match="a kernel driver holds this chip: unload it"):
        sensor.open()


def test_an_adapter_that_checks_the_pec_itself_says_ebadmsg() -> None:
    clock = FakeClock()
    sensor = Mlx90614(Refusing(errno.EBADMSG), Options(variant="DCI"), clock, clock.advance)
    with pytest.raises(ChecksumError):
        sensor.open()


def test_a_pec_that_is_never_right_opens_nothing_even_if_the_values_agree(rig: Rig) -> None:
    rig.bus.inject(ADDRESS, Fault.BAD_CHECK)
    for _ in range(20):
        with pytest.raises(ChecksumError):
            rig.sensor.open()


@pytest.mark.parametrize(
    ("cell", "value", "said"),
    [
        (CELL_EMISSIVITY, round(0.98 * 0xFFFF), "sets the emissivity to 0.980"),
        (CELL_EMISSIVITY, 0x0000, "sets the emissivity to 0.000"),  # erased, never written again
        (CELL_CONFIG, CONFIG_FACTORY | 0x0040, "two zones, which variant DCI has not"),
        (CELL_PWM, 0x0203, "PWM mode, silent, at its next power-on"),
    ],
)
def test_a_chip_whose_eeprom_was_written_is_refused_with_what_is_wrong(
    rig: Rig, cell: int, value: int, said: str
) -> None:
    rig.chip.eeprom[cell] = value
    with pytest.raises(DeviceNotFound, match=said):
        rig.sensor.open()
    assert rig.sensor.chip_id == ""
    with pytest.raises(DeviceNotFound, match="is not open"):
        rig.sensor.read()


def test_an_emissivity_in_the_eeprom_would_be_counted_twice() -> None:
    rig = Rig(view_c=34.5, die_c=22.0)
    rig.chip.eeprom[CELL_EMISSIVITY] = round(0.98 * 0xFFFF)
    answer = rig.bus.read_word_with_pec(ADDRESS, RAM_OBJECT)
    assert decode(answer[:2], RAM_OBJECT) == pytest.approx(34.5 + 0.24, abs=0.02)


def test_of_a_chip_with_two_zones_the_first_is_read() -> None:
    rig = Rig(Unit(variant="BBA", noise_c=0.0))
    with rig.driver(variant="BBA"):
        pass
    with pytest.raises(DeviceNotFound, match="two zones, which variant BAA has not"):
        rig.driver(variant="BAA").open()
    assert {m.written[0] for m in rig.bus.transcript}.isdisjoint({0x05, 0x08})


def test_a_filter_that_is_not_the_factory_s_is_noted(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gated.sensors.mlx90614")
    with rig.sensor:
        assert not caplog.records
    rig.chip.eeprom[CELL_CONFIG] = CONFIG_FACTORY & ~0x0300
    with rig.sensor:
        assert [r.message for r in caplog.records] == [
            "simulated/0x5A: its filter (0x9CB4) is not the factory's"
        ]


def test_a_dead_eeprom_is_refused(rig: Rig) -> None:
    rig.chip.flags |= FLAG_EEPROM_DEAD
    with pytest.raises(DeviceNotFound, match="its EEPROM is dead"):
        rig.sensor.open()


def test_a_chip_that_keeps_its_flags_from_linux_is_opened_all_the_same(rig: Rig) -> None:
    ask = rig.chip.transfer

    class Shy:
        fault: Fault | None = None

        def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
            # What comes of a read that the chip has begun to answer before the repeated start.
            return b"\x00\x30\xff" if written == b"\xf0" else ask(address, written, count)

    rig.bus.attach(ADDRESS, Shy())
    with rig.sensor as sensor:
        assert sensor.chip_id == "123456789abcdef0"


def test_a_chip_that_still_starts_is_given_the_time_for_its_first_data() -> None:
    rig = Rig(Unit(noise_c=0.0, powered_at_s=1_000.0))
    with rig.sensor as sensor:
        assert rig.clock.monotonic_s() >= 1_000.0 + FIRST_DATA_S
        assert sensor.read().object_c == pytest.approx(34.0, abs=0.011)


def test_a_chip_without_data_yet_reads_as_zero_kelvin_which_is_a_fault() -> None:
    rig = Rig(Unit(noise_c=0.0, powered_at_s=1_000.0))
    with rig.driver(pause=lambda _: None) as sensor, pytest.raises(SensorFault):
        sensor.read()


@pytest.mark.parametrize("identity", [0, 0xFFFF_FFFF_FFFF_FFFF])
def test_a_chip_without_an_identity_is_another_chip(identity: int) -> None:
    with pytest.raises(DeviceNotFound, match="not an MLX90614"):
        Rig(Unit(chip_id=identity)).sensor.open()


def test_a_chip_may_have_another_address(rig: Rig) -> None:
    rig.bus.attach(0x5C, rig.chip)
    with rig.driver(address=0x5C) as sensor:
        assert sensor.read().object_c == pytest.approx(34.0, abs=0.011)
    assert {m.address for m in rig.bus.transcript} == {0x5C}


# --- physics that the chip model has and the traits speak of -----------------------------------


@pytest.mark.parametrize("supply_v", [2.8, 3.0, 3.3])
def test_the_supply_moves_both_readings_as_the_traits_say(supply_v: float) -> None:
    rig = Rig(Unit(noise_c=0.0, supply_v=lambda _: supply_v))
    sensor = rig.driver(supply_v=supply_v)
    with sensor:
        sample = sensor.read()
    error_c = sensor.traits.supply_error_c
    assert error_c == pytest.approx(0.6 * (supply_v - 3.0))
    assert sample.object_c - error_c == pytest.approx(34.0, abs=0.011)
    assert sample.die_c - error_c == pytest.approx(25.0, abs=0.011)


def test_a_supply_that_wanders_takes_the_readings_with_it() -> None:
    rig = Rig(Unit(noise_c=0.0, supply_v=lambda t: 3.0 + (t - 1_000.0) / 100.0))
    with rig.sensor:
        first_c = rig.object_c(10.0)
        assert rig.object_c(50.0) - first_c == pytest.approx(0.3, abs=0.025)


@pytest.mark.parametrize("optics", ["A", "C", "F", "H", "I", "K"])
def test_a_bus_left_quiet_for_the_settling_time_costs_nothing_and_fast_polling_does(
    optics: str,
) -> None:
    variant = f"DC{optics}"
    unit = with_physics(Unit(variant=variant, noise_c=0.0))
    rig = Rig(unit)
    rig.sensor = rig.driver(variant=variant)
    settle_s = rig.sensor.traits.settle_s
    with rig.sensor:
        assert rig.object_c(settle_s) == pytest.approx(34.0, abs=0.011)
        polled_c = [rig.object_c(0.01) for _ in range(5)]
    assert statistics.fmean(polled_c) == pytest.approx(34.0 + FAST_POLL_C[optics], abs=0.06)


def test_another_chip_s_traffic_on_the_same_bus_disturbs_as_well() -> None:
    rig = Rig(with_physics(Unit(noise_c=0.0)))
    rig.bus.attach(0x44, Sht3xModel(rig.clock, lambda _: 22.0, seed=1))
    with rig.sensor:
        assert rig.object_c(0.65) == pytest.approx(34.0, abs=0.011)
        rig.clock.advance(0.64)
        rig.bus.write(0x44, bytes((0x24, 0x00)))
        assert rig.object_c(0.01) > 34.4


def test_a_package_that_warms_reads_too_hot_until_it_has_one_temperature() -> None:
    rig = Rig(with_physics(Unit(noise_c=0.0)))
    with rig.sensor:
        assert rig.object_c(60.0) == pytest.approx(34.0, abs=0.011)
        rig.die_rise_c_per_s = 1.0 / 60.0
        assert rig.object_c(60.0) == pytest.approx(34.3, abs=0.011)
        rig.die_rise_c_per_s = 0.0
        assert rig.object_c(60.0) == pytest.approx(34.0, abs=0.011)


def test_the_first_minutes_after_power_on_read_too_cold() -> None:
    rig = Rig(with_physics(Unit(noise_c=0.0, powered_at_s=1_000.0)))
    with rig.sensor:
        assert rig.object_c(1.0) == pytest.approx(34.0 - WARM_UP_C, abs=0.03)
        assert rig.object_c(299.0) == pytest.approx(34.0 - WARM_UP_C / math.e, abs=0.03)
        assert rig.object_c(3_000.0) == pytest.approx(34.0, abs=0.011)
