"""One contract for every output line: de-energised first and last, one owner, no silent failure.

The real one runs where ``GATED_TEST_GPIO`` says "CHIP-LABEL LINE VALUE-FILE": a line that nothing
is wired to, and the file in which its level can be read (gpio-sim's ``…/sim_gpio0/value``, say).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gated.actuators.gpio import GpioLine
from gated.actuators.line import OutputLine, SocketLine
from gated.errors import ActuationError
from tests.relay_wire import Wire

GPIO = os.environ.get("GATED_TEST_GPIO", "")


@dataclass
class Adapter:
    """How to take a line, and how to see its level from outside."""

    take: Callable[[], OutputLine]
    level: Callable[[], bool]


def socket_adapter() -> Iterator[Adapter]:
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:
        wire = Wire(Path(folder) / "outputs.sock")
        levels = [False]

        def level() -> bool:
            levels.extend(wire.levels())
            return levels[-1]

        yield Adapter(lambda: SocketLine("relay", wire.path), level)
        wire.close()


def gpio_adapter() -> Iterator[Adapter]:
    if not list(Path("/dev").glob("gpiochip*")):
        pytest.skip("no gpiochip on this machine")
    if not GPIO:
        pytest.skip("GATED_TEST_GPIO does not name a line that may be driven")
    label, line, value_file = GPIO.split()
    yield Adapter(
        lambda: GpioLine("relay", line, label, active_low=False),
        lambda: Path(value_file).read_text(encoding="ascii").strip() == "1",
    )


ADAPTERS = {"SocketLine": socket_adapter, "GpioLine": gpio_adapter}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> Iterator[Adapter]:
    yield from ADAPTERS[request.param]()


def test_every_output_line_of_the_package_is_under_contract() -> None:
    folder = Path(__file__).parents[2] / "gated" / "actuators"
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    lines = set(re.findall(r"^class (\w+Line)\b", text, re.MULTILINE))
    assert lines - {"OutputLine", "AbsentLine"} == set(ADAPTERS)


def test_a_line_starts_de_energised(adapter: Adapter) -> None:
    line = adapter.take()
    assert not adapter.level()
    line.close()


def test_a_line_has_the_level_that_it_was_given(adapter: Adapter) -> None:
    line = adapter.take()
    for energised in (True, True, False, True):
        line.set(energised=energised)
        assert adapter.level() is energised
    line.close()


def test_closing_de_energises_and_twice_is_once(adapter: Adapter) -> None:
    line = adapter.take()
    line.set(energised=True)
    line.close()
    assert not adapter.level()
    line.close()


def test_a_closed_line_cannot_be_driven(adapter: Adapter) -> None:
    line = adapter.take()
    line.close()
    with pytest.raises(ActuationError):
        line.set(energised=True)
    assert not adapter.level()


def test_a_line_has_one_owner_and_may_be_taken_again_after_it(adapter: Adapter) -> None:
    first = adapter.take()
    first.set(energised=True)
    with pytest.raises(ActuationError):
        adapter.take()
    assert adapter.level(), "the refused one disturbed the owner"
    first.close()
    second = adapter.take()
    assert not adapter.level()
    second.close()


def test_a_simulated_wire_with_nobody_at_its_end_cannot_be_energised(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:
        line = SocketLine("relay", Path(folder) / "nobody.sock")
        with pytest.raises(ActuationError, match="nothing there"):
            line.set(energised=True)
        line.set(energised=False)  # what is not there cannot be left on
        line.close()


def test_a_path_too_long_for_a_socket_is_not_taken_for_another_owner() -> None:
    with pytest.raises(ActuationError, match="too long"):
        SocketLine("relay", Path("/" + "x" * 200))


def test_a_chip_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ActuationError, match=r'no chip "no-such-\*" with a line GPIO17'):
        GpioLine("relay", "GPIO17", "no-such-*", active_low=False)
