"""The simulated bus and its chips obey the rules of the real ones."""

from __future__ import annotations

import errno
import statistics

import pytest

from gated.clock import FakeClock
from gated.errors import BusError
from gated.sensors.crc import pec
from gated.sensors.mlx90614 import Options
from gated.simulation.bus import Fault, Message, SimulatedBus
from gated.simulation.chips.mlx90614 import MODEL, Mlx90614Model, Unit
from gated.simulation.chips.sht3x import Sht3xModel

ADDRESS = 0x5A
OBJECT = 0x07


def chip_on_bus(clock: FakeClock, unit: Unit, temperature_c: float = 34.0) -> SimulatedBus:
    bus = SimulatedBus()
    bus.attach(ADDRESS, Mlx90614Model(clock, lambda _: temperature_c, unit=unit, seed=3))
    return bus


def object_c(bus: SimulatedBus) -> float:
    answer = bus.read_word_with_pec(ADDRESS, OBJECT)
    assert pec(bytes((0xB4, OBJECT, 0xB5)) + answer[:2]) == answer[2]
    return int.from_bytes(answer[:2], "little") * 0.02 - 273.15


def test_a_message_to_nobody_is_errno_121() -> None:
    bus = SimulatedBus()
    with pytest.raises(BusError) as raised:
        bus.read_word_with_pec(ADDRESS, OBJECT)
    assert raised.value.errno == errno.EREMOTEIO == 121
    assert list(bus.transcript) == [Message(ADDRESS, b"\x07", b"", 121)]


@pytest.mark.parametrize("address", [0x00, 0x07, 0x78, 0xB4])
def test_a_reserved_or_8_bit_address_is_refused(address: int) -> None:
    with pytest.raises(BusError) as raised:
        SimulatedBus().read(address, 1)
    assert raised.value.errno == errno.EINVAL


def test_a_closed_bus_takes_no_message_and_closes_twice() -> None:
    bus = chip_on_bus(FakeClock(), Unit())
    bus.close()
    bus.close()
    with pytest.raises(BusError) as raised:
        bus.read(ADDRESS, 3)
    assert raised.value.errno == errno.EBADF
    assert object_c(bus.open()) == pytest.approx(34.0, abs=1.0)


def test_closing_one_opening_leaves_the_others_open() -> None:
    bus = chip_on_bus(FakeClock(), Unit())
    mine, yours = bus.open(), bus.open()
    mine.close()
    assert object_c(yours) == pytest.approx(34.0, abs=1.0)
    assert len(bus.transcript) == 1


def test_a_stop_between_command_and_read_gives_all_ones() -> None:
    bus = chip_on_bus(FakeClock(), Unit())
    bus.write(ADDRESS, bytes((OBJECT,)))
    assert bus.read(ADDRESS, 3) == b"\xff\xff\xff"


def test_a_register_that_is_not_there_is_not_acknowledged() -> None:
    with pytest.raises(BusError):
        chip_on_bus(FakeClock(), Unit()).read_word_with_pec(ADDRESS, 0x1E)


def test_a_fault_of_so_many_messages_passes() -> None:
    bus = chip_on_bus(FakeClock(), Unit())
    bus.inject(ADDRESS, Fault.TIMEOUT, messages=2)
    for _ in range(2):
        with pytest.raises(BusError) as raised:
            object_c(bus)
        assert raised.value.errno == errno.ETIMEDOUT == 110
    object_c(bus)


def test_a_chip_asleep_answers_nothing_until_woken() -> None:
    bus = chip_on_bus(FakeClock(), Unit())
    bus.inject(ADDRESS, Fault.ASLEEP)
    with pytest.raises(BusError):
        object_c(bus)
    bus.clear(ADDRESS)
    object_c(bus)


def test_a_stuck_chip_repeats_its_last_value_with_a_right_pec() -> None:
    clock = FakeClock()
    bus = chip_on_bus(clock, Unit())
    before = object_c(bus)
    bus.inject(ADDRESS, Fault.STUCK)
    for _ in range(20):
        clock.advance(0.65)
        assert object_c(bus) == before


def test_the_noise_has_the_size_of_the_variant() -> None:
    for variant, noise_c in (("DCI", 0.10), ("DCC", 0.18), ("DAA", 0.05)):
        clock = FakeClock()
        bus = chip_on_bus(clock, Unit(variant=variant))
        values_c = []
        for _ in range(2_000):
            clock.advance(0.1)
            values_c.append(object_c(bus))
        assert statistics.stdev(values_c) == pytest.approx(noise_c, rel=0.08)


def test_readings_come_in_steps_of_a_fiftieth_of_a_kelvin() -> None:
    clock = FakeClock()
    bus = chip_on_bus(clock, Unit())
    for _ in range(50):
        clock.advance(0.65)
        steps = (object_c(bus) + 273.15) / 0.02
        assert steps == pytest.approx(round(steps), abs=1e-6)


def test_a_step_of_heat_is_seen_by_63_percent_after_one_tau() -> None:
    clock = FakeClock()
    changes_s = clock.monotonic_s() + 1.0
    bus = SimulatedBus()
    unit = Unit(noise_c=0.0)
    chip = Mlx90614Model(clock, lambda t: 32.0 if t > changes_s else 22.0, unit=unit, seed=0)
    bus.attach(ADDRESS, chip)
    assert object_c(bus) == pytest.approx(22.0, abs=0.02)
    clock.advance(1.0)
    object_c(bus)
    clock.advance(0.15)
    assert object_c(bus) == pytest.approx(22.0 + 10.0 * 0.632, abs=0.1)
    clock.advance(1.5)
    assert object_c(bus) == pytest.approx(32.0, abs=0.03)


def test_a_unit_differs_by_offset_gain_and_supply() -> None:
    for unit, expected_c in [
        (Unit(offset_c=0.2, noise_c=0.0), 34.2),
        (Unit(gain=1.003, noise_c=0.0), 34.102),
        (Unit(supply_v=3.3, noise_c=0.0), 34.18),
    ]:
        assert object_c(chip_on_bus(FakeClock(), unit)) == pytest.approx(expected_c, abs=0.011)


def test_a_chip_is_the_specimen_that_its_driver_s_options_describe() -> None:
    clock, bus = FakeClock(), SimulatedBus()
    options = Options(variant="DCI", supply_v=3.3)
    bus.attach(ADDRESS, MODEL.build(clock, lambda _: 34.0, 1, options))
    values_c = []
    for _ in range(200):
        clock.advance(0.65)
        values_c.append(object_c(bus))
    assert statistics.fmean(values_c) == pytest.approx(34.18, abs=0.03)


def test_two_chips_of_one_seed_agree_and_of_two_seeds_do_not() -> None:
    def series(seed: int) -> list[int]:
        clock = FakeClock()
        chip = Mlx90614Model(clock, lambda _: 34.0, unit=Unit(), seed=seed)
        return [chip.transfer(ADDRESS, bytes((OBJECT,)), 3)[0] for _ in range(20)]

    assert series(1) == series(1)
    assert series(1) != series(2)


def test_an_sht3x_answers_once_for_each_command() -> None:
    clock, bus = FakeClock(), SimulatedBus()
    bus.attach(0x44, Sht3xModel(clock, lambda _: 22.0, seed=0))
    bus.write(0x44, bytes((0x24, 0x00)))
    clock.advance(0.015)
    assert len(bus.read(0x44, 6)) == 6
    with pytest.raises(BusError):
        bus.read(0x44, 6)


def test_an_sht3x_knows_no_stretching_command_here() -> None:
    bus = SimulatedBus()
    bus.attach(0x44, Sht3xModel(FakeClock(), lambda _: 22.0, seed=0))
    with pytest.raises(BusError):
        bus.write(0x44, bytes((0x2C, 0x06)))
