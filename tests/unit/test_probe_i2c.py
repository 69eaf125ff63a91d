"""What answers on an I2C bus: known chips are asked by their drivers, the others left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.errors import DeviceNotFound
from gated.probe.findings import Answer, I2CFound
from gated.probe.i2c import (
    EXPANDERS,
    RISKY,
    STUCK_AFTER,
    Bus,
    addresses_of,
    list_buses,
    scan,
)
from gated.sensors.port import DistanceDriver
from gated.sensors.registry import driver_names, load_driver
from gated.simulation.bus import Fault, SimulatedBus
from gated.simulation.chips.mlx90632 import Mlx90632Model
from tests.probe_gate import Plain, chip, quiet

BUS = Bus("/dev/i2c-1", "bcm2835 (i2c@7e804000)", ())


def scanned(bus: SimulatedBus, clock: FakeClock, where: Bus = BUS) -> I2CFound:
    return scan(where, lambda _: bus.open(), clock, clock.advance, quiet)


@pytest.mark.parametrize("name", driver_names())
def test_every_driver_is_found_by_its_chip_and_shows_a_reading(name: str) -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    address, model = chip(name, clock)
    bus.attach(address, model)
    assert address in addresses_of(load_driver(name).options)
    (answer,) = scanned(bus, clock).answers
    assert (answer.address, answer.driver, answer.problem) == (address, name, "")
    assert answer.chip_id != ""
    is_distance = isinstance(load_driver(name), DistanceDriver)
    assert answer.reading == "– m" if is_distance else "°C" in answer.reading


def test_a_chip_at_its_second_address_is_found_too() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    bus.attach(0x45, chip("sht3x", clock)[1])
    (answer,) = scanned(bus, clock).answers
    assert (answer.address, answer.driver) == (0x45, "sht3x")
    assert answer.reading.endswith("%RH")


def test_nothing_is_written_but_the_drivers_own_questions_and_each_address_is_asked_once() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    scanned(bus, clock, replace(BUS, in_kernel=(0x68,)))
    own = {a for name in driver_names() for a in addresses_of(load_driver(name).options)}
    assert {message.address for message in bus.transcript if message.written} == own - {0x68}
    read = [message.address for message in bus.transcript if not message.written]
    first = [a for a in EXPANDERS if a in own]
    assert read == [*first, *(a for a in range(0x08, 0x78) if a not in {*RISKY, 0x68})]


def test_a_distance_is_shown_in_metres() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    bus.attach(*chip("vl53l1x", clock, 0.3))
    (answer,) = scanned(bus, clock).answers
    assert (answer.driver, answer.reading) == ("vl53l1x", "0.300 m")


def test_every_register_that_a_driver_asks_an_unknown_chip_for_is_read_and_none_is_written() -> (
    None
):
    class Curious:
        """A chip that gives a different byte to each question, and is none of ours."""

        fault: Fault | None = None

        def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
            is_question = count > 0 or written == b"\x36\x82"  # an SHT3x's way of asking
            assert is_question, f"{written.hex()} was written to 0x{address:02X}"
            return bytes((n * 37 + sum(written) + 13) & 0xFF for n in range(count))

    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    # An array has no identity: it is known by an EEPROM that makes sense, which its tests see to.
    names = [name for name in driver_names() if not name.startswith("mlx9064")]
    own = {a for name in names for a in addresses_of(load_driver(name).options)}
    for address in own:
        bus.attach(address, Curious())
    answers = scanned(bus, clock).answers
    assert {a.address for a in answers} == own
    assert {a.driver for a in answers} == {""}
    assert all(a.problem for a in answers), "what was heard is said"


class Ads1115:
    """A converter at a TMP117's addresses: four registers, chosen by two bits."""

    fault: Fault | None = None

    def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
        assert len(written) < 2, f"{written.hex()} would change its settings"
        return b"\x80\x00"[:count]


def test_another_chip_at_a_driver_s_address_is_left_alone_and_what_it_said_is_shown() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    bus.attach(0x48, Ads1115())
    (answer,) = scanned(bus, clock).answers
    assert (answer.address, answer.driver, answer.reading) == (0x48, "", "")
    assert answer.problem == "/dev/i2c-1/0x48: something answers (0x8000), but not a TMP117"


class Expander:
    """A PCF8574A: whatever is written to it stands at its pins, and opens a door."""

    fault: Fault | None = None

    def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
        assert not written, f"{written.hex()} switched the outputs of 0x{address:02X}"
        return b"\xfe" * count


def test_an_expander_that_may_hold_a_relay_is_never_written_to() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    for address in EXPANDERS:
        bus.attach(address, Expander())
    answers = {a.address: a for a in scanned(bus, clock).answers}
    assert set(answers) == set(EXPANDERS)
    assert {a.driver for a in answers.values()} == {""}
    assert "might have switched something" in answers[0x3A].problem


def test_a_chip_that_no_gate_can_use_as_it_is_says_why() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    bus.attach(0x3A, Mlx90632Model(clock, lambda _: 30.0, seed=1, version=0x0205))
    (answer,) = scanned(bus, clock).answers
    assert (answer.address, answer.driver) == (0x3A, "")
    assert "no medical part (0x0205), so ±1 °C: variant = consumer" in answer.problem


def test_where_reading_may_lock_the_bus_only_a_driver_asks_and_nobody_on_a_main_board() -> None:
    for name, asked in (("bcm2835 (i2c@7e804000)", True), ("SMBus I801 adapter at efa0", False)):
        clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
        bus.attach(*chip("amg8833", clock))
        found = scanned(bus, clock, replace(BUS, name=name))
        messages = [m for m in bus.transcript if m.address in RISKY]
        assert bool(messages) is asked
        assert all(m.written for m in messages), "a read without a register"
        assert [a.driver for a in found.answers] == (["amg8833"] if asked else [])


def test_a_chip_of_the_kernels_is_named_and_left_alone() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    bus.attach(0x5A, chip("mlx90614", clock)[1])
    found = scanned(bus, clock, replace(BUS, in_kernel=(0x5A,)))
    assert (found.answers, found.in_kernel) == ((), ("0x5A",))
    assert 0x5A not in {message.address for message in bus.transcript}


def test_something_unknown_is_shown_as_unknown() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    bus.attach(0x29, Plain())
    assert scanned(bus, clock).answers == (Answer(0x29),)


def test_a_chip_that_answers_but_cannot_measure_says_so() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    bus.attach(0x5A, chip("mlx90614", clock)[1])
    bus.inject(0x5A, Fault.ERROR_FLAG)
    (answer,) = scanned(bus, clock).answers
    assert (answer.driver, answer.reading) == ("mlx90614", "")
    assert "error flag" in answer.problem


def test_a_bus_that_is_held_is_given_up_soon() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    for address in range(0x08, 0x78):
        bus.inject(address, Fault.TIMEOUT)
    found = scanned(bus, clock)
    own = [a for name in driver_names() for a in addresses_of(load_driver(name).options)]
    looks = [a for a in own if a in EXPANDERS]
    assert len(bus.transcript) == len(own) + len(looks) + STUCK_AFTER
    assert found.answers == ()
    assert "check SDA and SCL" in found.problem


def test_a_data_line_held_low_is_not_taken_for_a_hundred_chips() -> None:
    clock, bus = FakeClock(), SimulatedBus("/dev/i2c-1")
    for address in range(0x08, 0x78):
        bus.inject(address, Fault.ALL_ZEROS)
    found = scanned(bus, clock)
    assert found.answers == ()
    assert "SDA is held low" in found.problem


def test_a_bus_that_may_not_be_opened_is_one_sentence() -> None:
    refusal = "/dev/i2c-1 may not be opened by this user: add it to the group i2c"

    def refuse(_path: str) -> SimulatedBus:
        raise DeviceNotFound(refusal)

    found = scan(BUS, refuse, FakeClock(), lambda _: None, quiet)
    assert found == I2CFound(BUS.path, BUS.name, problem=refusal)


def test_buses_are_listed_by_number_with_their_names_and_the_kernels_chips(tmp_path: Path) -> None:
    dev, sys = tmp_path / "dev", tmp_path / "sys"
    for number in (10, 1):
        (dev / f"i2c-{number}").mkdir(parents=True)
    (dev / "i2c-x").mkdir()
    (sys / "i2c-1").mkdir(parents=True)
    (sys / "i2c-1" / "name").write_text("bcm2835 (i2c@7e804000)\n")
    (sys / "1-0068" / "driver").mkdir(parents=True)
    (sys / "1-0050").mkdir()  # declared, but without a driver
    assert list_buses(dev, sys) == [
        Bus(str(dev / "i2c-1"), "bcm2835 (i2c@7e804000)", (0x68,)),
        Bus(str(dev / "i2c-10"), "", ()),
    ]
