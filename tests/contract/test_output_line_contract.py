"""One contract for every output line: de-energised first and last, one owner, no silent failure.

Every line runs over a model of its device that ships with the package. The same sentences run on a
real GPIO chip in ``tests/hardware/test_gpio.py``.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gated.actuators.gpio import GpioLine
from gated.actuators.line import AbsentLine, SocketLine
from gated.clock import FakeClock
from gated.errors import ActuationError
from gated.simulation.gpiochip import SimulatedChip, SimulatedGpiod, WhenReleased
from tests.relay_wire import LineAdapter, lcus_adapter, wire


def socket_adapter() -> Iterator[LineAdapter]:
    with wire() as far_end:
        levels = [False]

        def level() -> bool:
            levels.extend(far_end.levels())
            return levels[-1]

        yield LineAdapter(lambda: SocketLine("relay", far_end.path), level)


def gpio_adapter() -> Iterator[LineAdapter]:
    # The kernel that keeps what a dead process drove: closing must do better than that.
    chip = SimulatedChip(
        "pinctrl-bcm2711",
        ("GPIO16", "GPIO17"),
        FakeClock(),
        when_released=WhenReleased.PERSISTS,
    )
    gpio = SimulatedGpiod(chip).gpio()
    yield LineAdapter(
        lambda: GpioLine("relay", "GPIO17", "pinctrl-*", active_low=False, gpio=gpio),
        lambda: chip.wire("GPIO17").level,
    )


ADAPTERS: dict[str, Callable[[], Iterator[LineAdapter]]] = {
    "GpioLine": gpio_adapter,
    "LcusLine": lcus_adapter,
    "SocketLine": socket_adapter,
}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> Iterator[LineAdapter]:
    yield from ADAPTERS[request.param]()


def test_every_output_line_of_the_package_is_under_contract() -> None:
    folder = Path(__file__).parents[2] / "gated" / "actuators"
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    lines = set(re.findall(r"^class (\w+Line)\b", text, re.MULTILINE))
    assert lines - {"OutputLine", "AbsentLine"} == set(ADAPTERS)


# --- the contract: tests/hardware runs these too --------------------------------------------------


def test_a_line_starts_de_energised(adapter: LineAdapter) -> None:
    line = adapter.take()
    assert not adapter.level()
    line.close()


def test_a_line_has_the_level_that_it_was_given(adapter: LineAdapter) -> None:
    line = adapter.take()
    for energised in (True, True, False, True):
        line.set(energised=energised)
        line.check()
        assert adapter.level() is energised
    line.close()


def test_closing_de_energises_and_twice_is_once(adapter: LineAdapter) -> None:
    line = adapter.take()
    line.set(energised=True)
    line.close()
    assert not adapter.level()
    line.close()


def test_a_closed_line_can_neither_be_driven_nor_checked(adapter: LineAdapter) -> None:
    line = adapter.take()
    line.close()
    with pytest.raises(ActuationError):
        line.set(energised=True)
    with pytest.raises(ActuationError):
        line.check()
    assert not adapter.level()


def test_a_line_has_one_owner_and_may_be_taken_again_after_it(adapter: LineAdapter) -> None:
    first = adapter.take()
    first.set(energised=True)
    with pytest.raises(ActuationError):
        adapter.take()
    assert adapter.level(), "the refused one disturbed the owner"
    first.close()
    second = adapter.take()
    assert not adapter.level()
    second.close()


# --- what is particular to simulated and absent wires ---------------------------------------------


def test_a_simulated_wire_with_nobody_at_its_end_cannot_be_energised() -> None:
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:
        line = SocketLine("relay", Path(folder) / "nobody.sock")
        with pytest.raises(ActuationError, match="nothing there"):
            line.set(energised=True)
        line.set(energised=False)  # what is not there cannot be left on
        line.close()


def test_a_path_too_long_for_a_socket_is_not_taken_for_another_owner() -> None:
    with pytest.raises(ActuationError, match="too long"):
        SocketLine("relay", Path("/" + "x" * 200))


def test_an_output_that_is_not_wired_takes_everything() -> None:
    line = AbsentLine()
    line.set(energised=True)
    line.check()
    line.close()
    line.close()
