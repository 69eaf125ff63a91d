"""One contract for every source of inputs: nothing twice, nothing lost, the present level first.

Every source runs over a model of its wires that ships with the package. The same sentences run on a
real GPIO chip in ``tests/hardware/test_gpio.py``.
"""

from __future__ import annotations

import re
import select
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gated.actuators.gpio_inputs import GpioInputs, InputWire
from gated.actuators.inputs import CONTACT, PASSAGE, InputEvent, InputSource, SocketInputs
from gated.clock import FakeClock
from gated.errors import DeviceError
from gated.messages import ButtonPressed, GateMoved, KeyTurned, PassageSensed
from gated.simulation.gpiochip import SimulatedChip, SimulatedGpiod
from gated.simulation.stage import INPUTS_SOCKET, StageInputs
from gated.units import MonoSeconds
from gated.vocabulary import Button, Key

AT = MonoSeconds(0.0)
LINES = {
    PASSAGE: "GPIO5",
    CONTACT: "GPIO6",
    Button.ATTENDANT.value: "GPIO13",
    Button.CALL.value: "GPIO19",
    Key.RELEASE.value: "GPIO20",
    Key.MODE.value: "GPIO21",
}
AT_FIRST = [
    GateMoved(True, AT),
    KeyTurned(Key.MODE, False, AT),
    KeyTurned(Key.RELEASE, False, AT),
]


@dataclass
class Bench:
    """A source of all six inputs, gate shut and keys off, and the hand on its wires."""

    source: InputSource
    press: Callable[[str], None]
    set_level: Callable[[str, bool], None]
    close: Callable[[], None]

    def read(self) -> list[InputEvent]:
        """Return what came, in order; when is the clock's business."""
        return [replace(event, at=AT) for event in self.source.read()]


def socket_bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:
        stage = Path(folder)
        hand = StageInputs(stage)

        def press(name: str) -> None:
            hand.press(name)

        def set_level(name: str, is_on: bool) -> None:
            hand.set_level(name, on=is_on)

        source = SocketInputs(stage / INPUTS_SOCKET, LINES, FakeClock())
        yield Bench(source, press, set_level, hand.close)


def gpio_bench(*, active_low: bool = True, debounce_ms: int = 50) -> Iterator[Bench]:
    clock = FakeClock()
    chip = SimulatedChip("pinctrl-bcm2711", ("", *LINES.values()), clock)
    wires = {name: InputWire(line, active_low, debounce_ms) for name, line in LINES.items()}

    def set_level(name: str, is_on: bool) -> None:
        # A contact that is made pulls to the other side than the bias does.
        chip.drive(LINES[name], (not active_low) if is_on else None)
        clock.advance(0.1)
        chip.feel()

    def press(name: str) -> None:
        set_level(name, True)
        set_level(name, False)

    set_level(CONTACT, True)
    source = GpioInputs(wires, "pinctrl-*", clock, gpio=SimulatedGpiod(chip).gpio())
    yield Bench(source, press, set_level, lambda: None)


BENCHES: dict[str, Callable[[], Iterator[Bench]]] = {
    "GpioInputs": gpio_bench,
    "GpioInputs, to the supply": lambda: gpio_bench(active_low=False),
    "GpioInputs, not debounced": lambda: gpio_bench(debounce_ms=0),
    "SocketInputs": socket_bench,
}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    for bench in BENCHES[request.param]():
        yield bench
        bench.source.close()
        bench.close()


def test_every_source_of_inputs_in_the_package_is_under_contract() -> None:
    folder = Path(__file__).parents[2] / "gated" / "actuators"
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    sources = set(re.findall(r"^class (\w+Inputs)\b", text, re.MULTILINE))
    assert sources == {name.partition(",")[0] for name in BENCHES}


# --- the contract: tests/hardware runs these too --------------------------------------------------


def test_the_present_levels_are_told_once_at_first(bench: Bench) -> None:
    bench.source.open()
    assert bench.read() == AT_FIRST
    assert bench.read() == []


def test_a_pulse_is_told_once_at_its_beginning(bench: Bench) -> None:
    bench.source.open()
    bench.read()
    for name in (PASSAGE, "attendant", "call", PASSAGE):
        bench.press(name)
    assert bench.read() == [
        PassageSensed(AT),
        ButtonPressed(Button.ATTENDANT, AT),
        ButtonPressed(Button.CALL, AT),
        PassageSensed(AT),
    ]
    assert bench.read() == []


def test_a_level_is_told_at_both_of_its_edges(bench: Bench) -> None:
    bench.source.open()
    bench.read()
    bench.set_level(CONTACT, False)
    bench.set_level("key_mode", True)
    bench.set_level("key_release", True)
    bench.set_level(CONTACT, True)
    bench.set_level("key_mode", False)
    assert bench.read() == [
        GateMoved(False, AT),
        KeyTurned(Key.MODE, True, AT),
        KeyTurned(Key.RELEASE, True, AT),
        GateMoved(True, AT),
        KeyTurned(Key.MODE, False, AT),
    ]


def test_a_level_that_stays_is_not_told_again(bench: Bench) -> None:
    bench.source.open()
    bench.read()
    bench.set_level(CONTACT, True)
    bench.set_level("key_mode", False)
    assert bench.read() == []


def test_what_happens_wakes_whoever_waits(bench: Bench) -> None:
    bench.source.open()
    bench.read()
    assert select.select([bench.source], [], [], 0.0)[0] == []
    bench.press(PASSAGE)
    assert select.select([bench.source], [], [], 5.0)[0] == [bench.source]
    bench.read()
    assert select.select([bench.source], [], [], 0.0)[0] == []


def test_a_source_that_is_not_open_says_so(bench: Bench) -> None:
    for _ in range(2):
        with pytest.raises(DeviceError, match="not open"):
            bench.source.read()
        with pytest.raises(DeviceError, match="not open"):
            bench.source.fileno()
        bench.source.open()
        bench.source.close()
        bench.source.close()


def test_what_was_changed_while_it_was_closed_is_told_when_it_is_open_again(bench: Bench) -> None:
    bench.source.open()
    bench.read()
    bench.source.close()
    bench.set_level(CONTACT, False)
    bench.set_level("key_mode", True)
    bench.source.open()
    assert bench.read() == [
        GateMoved(False, AT),
        KeyTurned(Key.MODE, True, AT),
        KeyTurned(Key.RELEASE, False, AT),
    ]


def test_opened_twice_it_is_one_source(bench: Bench) -> None:
    bench.source.open()
    bench.source.open()
    assert bench.read() == AT_FIRST
    bench.press("call")
    assert bench.read() == [ButtonPressed(Button.CALL, AT)]
