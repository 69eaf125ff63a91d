"""GPIO lines and inputs on simulated chips: what is wrong is said, with the way to mend it."""

from __future__ import annotations

import dataclasses
import inspect
import select
import sys
from collections.abc import Callable

import pytest

from gated.actuators.gpio import Gpio, GpioLine
from gated.actuators.gpio_inputs import GpioInputs, InputWire
from gated.actuators.inputs import PASSAGE
from gated.clock import FakeClock
from gated.errors import ActuationError, DeviceError, DeviceLost
from gated.messages import ButtonPressed, GateMoved, PassageSensed
from gated.simulation import gpiochip, gpiod_values
from gated.simulation.gpiochip import EVENTS_A_LINE, SimulatedChip, SimulatedGpiod, WhenReleased
from gated.vocabulary import Button

HEADER = tuple(f"GPIO{number}" for number in range(28))


class Machine:
    """A Pi with its header, and what is done to it."""

    def __init__(
        self, *others: SimulatedChip, when_released: WhenReleased = WhenReleased.INPUT
    ) -> None:
        self.clock = FakeClock()
        self.header = SimulatedChip(
            "pinctrl-bcm2711", HEADER, self.clock, when_released=when_released
        )
        self.gpio = SimulatedGpiod(*others, self.header).gpio()

    def line(
        self, line: str = "GPIO17", chip: str = "pinctrl-*", *, active_low: bool = False
    ) -> GpioLine:
        return GpioLine("lamp go", line, chip, active_low=active_low, gpio=self.gpio)

    def inputs(self, **wires: str) -> GpioInputs:
        lines = {name: InputWire(line, True, 50) for name, line in wires.items()}
        return GpioInputs(lines, "pinctrl-*", self.clock, gpio=self.gpio)

    def make(self, line: str, *, is_made: bool = True) -> None:
        """Make or break a contact to ground, and let it settle."""
        self.header.drive(line, False if is_made else None)
        self.clock.advance(0.1)
        self.header.feel()


def refusal(take: Callable[[], object], error: type[DeviceError] = ActuationError) -> str:
    with pytest.raises(error) as caught:
        take()
    return str(caught.value)


# --- what cannot be had --------------------------------------------------------------------------


def test_a_machine_without_a_chip_is_told_what_to_do() -> None:
    gpio = SimulatedGpiod().gpio()
    assert refusal(lambda: GpioLine("relay", "GPIO17", "*", active_low=False, gpio=gpio)) == (
        "this machine has no GPIO chip (no /dev/gpiochip*): connect one, or try the simulation, "
        "gated demo"
    )


def test_a_chip_that_may_not_be_opened_is_a_matter_of_the_group() -> None:
    closed = SimulatedChip("pinctrl-bcm2711", HEADER, FakeClock(), may_open=False)
    gpio = SimulatedGpiod(closed).gpio()
    assert refusal(lambda: GpioLine("relay", "GPIO17", "*", active_low=False, gpio=gpio)) == (
        "/dev/gpiochip0 may not be opened by this user: add it to the group gpio"
    )


def test_a_chip_of_another_label_is_named_with_those_that_are_there() -> None:
    machine = Machine(SimulatedChip("mcp23017", ("",) * 16, FakeClock()))
    assert refusal(lambda: machine.line(chip="pinctrl-rp1")) == (
        'no GPIO chip has the label "pinctrl-rp1", found: "mcp23017", "pinctrl-bcm2711"; '
        "correct outputs.chip"
    )


def test_a_wrong_line_is_named_with_those_that_are_like_it() -> None:
    machine = Machine()
    said = refusal(lambda: machine.line("GPI017"))
    assert said.startswith('chip pinctrl-bcm2711 has no line "GPI017"; did you mean GPIO17')
    assert refusal(lambda: machine.line("RELAY_IN")) == (
        'chip pinctrl-bcm2711 has no line "RELAY_IN"; gpioinfo lists those that it has'
    )


def test_the_line_is_looked_for_on_every_chip_of_the_label() -> None:
    first = SimulatedChip("pinctrl-rp1", ("ID_SDA",), FakeClock())
    line = Machine(first).line()
    line.check()
    line.close()


def test_a_busy_line_is_named_with_its_holder() -> None:
    machine = Machine()
    machine.header.hold("GPIO17", "gpio-keys")
    assert refusal(machine.line) == (
        "GPIO17 of chip pinctrl-bcm2711 is held by gpio-keys; end it, or use another"
    )
    machine.header.let_go("GPIO17")
    machine.line().close()


def test_a_line_that_another_gated_holds_is_said_to_be_so() -> None:
    machine = Machine()
    line = machine.line()
    assert refusal(machine.line) == (
        "GPIO17 of chip pinctrl-bcm2711 is held by gated lamp go; is gated running twice?"
    )
    line.close()


def test_a_line_that_the_chip_does_not_give_is_perhaps_the_wrong_one() -> None:
    chip = SimulatedChip("pinctrl-rp1", ("GPIO2",), FakeClock(), refused=frozenset({"GPIO2"}))
    gpio = SimulatedGpiod(chip).gpio()
    assert refusal(lambda: GpioLine("relay", "GPIO2", "*", active_low=False, gpio=gpio)) == (
        "chip pinctrl-rp1 does not give GPIO2: Invalid argument; is it the right line?"
    )


def test_a_chip_that_goes_while_it_is_looked_for_is_no_chip() -> None:
    gpio = Gpio(SimulatedGpiod(), lambda: ["/dev/gpiochip0"])
    assert "this machine has no GPIO chip" in refusal(
        lambda: GpioLine("relay", "GPIO17", "*", active_low=False, gpio=gpio)
    )


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    said = refusal(lambda: GpioLine("relay", "GPIO17", "*", active_low=False, gpio=Gpio()))
    assert said.startswith("the Python package gpiod (2.2 or newer) is not installed")


def test_inputs_say_the_same_under_their_own_name() -> None:
    machine = Machine()
    inputs = machine.inputs(passage="GPIO5", contact="GPI06")
    with pytest.raises(DeviceError, match='has no line "GPI06"; did you mean GPIO6') as caught:
        inputs.open()
    assert caught.value.device == "inputs"
    machine.header.hold("GPIO5", "w1")
    assert "GPIO5 of chip pinctrl-bcm2711 is held by w1" in refusal(
        machine.inputs(passage="GPIO5").open, DeviceError
    )


# --- what becomes of a line ----------------------------------------------------------------------


@pytest.mark.parametrize("when_released", WhenReleased)
def test_a_closed_line_is_low_whatever_the_kernel_keeps(when_released: WhenReleased) -> None:
    machine = Machine(when_released=when_released)
    line = machine.line()
    line.set(energised=True)
    line.close()
    assert not machine.header.wire("GPIO17").level


def test_an_active_low_line_is_high_while_it_is_not_energised() -> None:
    machine = Machine()
    line, wire = machine.line(active_low=True), machine.header.wire("GPIO17")
    levels = [wire.level]
    for energised in (True, False):
        line.set(energised=energised)
        levels.append(wire.level)
    assert levels == [True, False, True]
    line.close()


def test_a_chip_that_is_pulled_out_is_noticed_and_can_be_taken_when_it_is_back() -> None:
    machine = Machine()
    line = machine.line()
    machine.header.pull_out()
    said = "line GPIO17 cannot be reached: No such device"
    assert refusal(line.check) == said
    assert refusal(lambda: line.set(energised=True)) == said
    assert refusal(line.close) == said
    line.close()
    assert "this machine has no GPIO chip" in refusal(machine.line)
    machine.header.put_back()
    again = machine.line()
    again.set(energised=True)
    assert machine.header.wire("GPIO17").level
    again.close()


# --- inputs --------------------------------------------------------------------------------------


def test_bounce_is_no_event_and_a_contact_is_one() -> None:
    machine = Machine()
    inputs = machine.inputs(passage="GPIO5")
    inputs.open()
    for is_made in (True, False, True, False):
        machine.header.drive("GPIO5", False if is_made else None)
        machine.clock.advance(0.02)
        machine.header.feel()
    assert inputs.read() == []
    machine.header.drive("GPIO5", False)
    machine.clock.advance(0.04)
    assert inputs.read() == []
    machine.clock.advance(0.02)
    assert inputs.read() == [PassageSensed(machine.clock.monotonic_s())]
    inputs.close()


def test_a_chip_that_goes_wakes_the_reader_and_the_inputs_open_again_when_it_is_back() -> None:
    machine = Machine()
    inputs = machine.inputs(passage="GPIO5", contact="GPIO6")
    inputs.open()
    inputs.read()
    machine.header.pull_out()
    assert select.select([inputs], [], [], 5.0)[0] == [inputs]
    for _ in range(2):
        with pytest.raises(DeviceLost, match="the inputs' chip is gone: No such device") as caught:
            inputs.read()
        assert caught.value.device == "inputs"
    inputs.close()
    assert "no GPIO chip" in refusal(inputs.open, DeviceError)
    machine.header.put_back()
    machine.make("GPIO6")
    inputs.open()
    assert inputs.read() == [GateMoved(True, machine.clock.monotonic_s())]
    machine.make("GPIO5")
    assert inputs.read() == [PassageSensed(machine.clock.monotonic_s())]
    inputs.close()


def test_a_chip_that_goes_is_noticed_without_any_level_to_look_at() -> None:
    machine = Machine()
    inputs = machine.inputs(call="GPIO19")
    inputs.open()
    machine.make("GPIO19")
    machine.header.pull_out()
    with pytest.raises(DeviceLost):
        inputs.read()
    inputs.close()


def test_edges_that_the_kernel_had_no_room_for_do_not_leave_a_wrong_level() -> None:
    machine = Machine()
    inputs = machine.inputs(contact="GPIO6", attendant="GPIO13")
    inputs.open()
    machine.make("GPIO6")
    for _ in range(2 * EVENTS_A_LINE):  # a button that is pressed while nobody reads
        machine.make("GPIO13")
        machine.make("GPIO13", is_made=False)
    at = machine.clock.monotonic_s()
    assert inputs.read() == [
        *[ButtonPressed(Button.ATTENDANT, at)] * 2 * EVENTS_A_LINE,
        GateMoved(True, at),
    ]
    inputs.close()


def test_a_contact_whose_wire_is_cut_is_an_open_gate() -> None:
    machine = Machine()
    inputs = machine.inputs(contact="GPIO6")
    machine.make("GPIO6")
    inputs.open()
    machine.make("GPIO6", is_made=False)
    assert [event.is_shut for event in inputs.read() if isinstance(event, GateMoved)] == [False]
    inputs.close()


# --- the simulation itself -----------------------------------------------------------------------


def test_an_output_that_nobody_closed_stays_on_only_where_the_kernel_keeps_it() -> None:
    left = {}
    for when_released in WhenReleased:
        machine = Machine(when_released=when_released)
        line = machine.line()
        line.set(energised=True)
        assert line._request is not None
        line._request.release()  # as the kernel does for a dead process
        left[when_released] = machine.header.wire("GPIO17").level
    assert left == {WhenReleased.INPUT: False, WhenReleased.PERSISTS: True}


def test_a_closed_chip_and_a_released_request_are_not_used() -> None:
    machine = Machine()
    library = machine.gpio.load()
    with library.Chip("/dev/gpiochip0") as chip:
        request = chip.request_lines({("GPIO1", 2): None}, consumer="test")
    assert request.offsets == [1, 2]
    with pytest.raises(gpiod_values.ChipClosedError):
        chip.get_info()
    with pytest.raises(PermissionError):
        request.set_value("GPIO1", gpiod_values.Value.ACTIVE)  # it is no output
    request.release()
    request.release()
    with pytest.raises(gpiod_values.RequestReleasedError):
        request.get_values()


def test_the_simulation_has_the_names_and_values_of_libgpiod() -> None:
    gpiod = pytest.importorskip("gpiod")
    for kind in ("Value", "Direction", "Bias", "Edge"):
        ours, theirs = getattr(gpiod_values, kind), getattr(gpiod.line, kind)
        assert list(ours.__members__) == list(theirs.__members__)
    assert list(gpiod_values.EdgeEvent.Type.__members__) == list(gpiod.EdgeEvent.Type.__members__)
    for kind in ("LineSettings", "ChipInfo", "LineInfo", "EdgeEvent"):
        ours, theirs = getattr(gpiod_values, kind), getattr(gpiod, kind)
        assert {f.name for f in dataclasses.fields(ours)} <= {
            f.name for f in dataclasses.fields(theirs)
        }
    for kind in ("Chip", "LineRequest"):
        ours, theirs = getattr(gpiochip, kind), getattr(gpiod, kind)
        own = {"hang_up", "feel", "wires"}  # the chip's side of it
        for name in {n for n in vars(ours) if not n.startswith("_")} - own:
            assert hasattr(theirs, name), name
            if inspect.isfunction(getattr(ours, name)):
                parameters = inspect.signature(getattr(theirs, name)).parameters
                assert inspect.signature(getattr(ours, name)).parameters.keys() <= parameters.keys()


def test_only_one_program_at_a_time_is_told_of_an_edge() -> None:
    machine = Machine()
    inputs = machine.inputs(**{PASSAGE: "GPIO5"})
    inputs.open()
    assert "held by gated inputs" in refusal(machine.inputs(passage="GPIO5").open, DeviceError)
    inputs.close()
