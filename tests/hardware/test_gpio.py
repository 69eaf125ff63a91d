"""The same rules on a real GPIO chip (``pytest --hw``), gpio-sim's among them.

``GATED_TEST_GPIO`` says "CHIP-LABEL LINE VALUE-FILE": a line that nothing is wired to, and the file
in which its level can be read (gpio-sim's ``…/sim_gpio17/value``, say). ``GATED_TEST_GPIO_LOOP``
says "CHIP-LABEL LINE LINE": two lines that are joined by a wire, or, on gpio-sim,
"CHIP-LABEL LINE PULL-FILE": a line, and the file that drives it.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from gated.actuators.gpio import GpioLine
from gated.actuators.gpio_inputs import GpioInputs, InputWire
from gated.actuators.inputs import CONTACT, PASSAGE, InputEvent
from gated.clock import SystemClock
from gated.errors import ActuationError
from gated.messages import GateMoved, PassageSensed
from tests.contract import test_output_line_contract as contract
from tests.relay_kills import HANGS, LONG_S, SHORT_S, FileEnd, play_all
from tests.relay_wire import LineAdapter

GPIO = os.environ.get("GATED_TEST_GPIO", "")
LOOP = os.environ.get("GATED_TEST_GPIO_LOOP", "")
ROUNDS = 200
DEBOUNCE_MS = 20

pytestmark = [pytest.mark.hw, pytest.mark.timeout(600)]

test_a_line_starts_de_energised = contract.test_a_line_starts_de_energised
test_a_line_has_the_level_that_it_was_given = contract.test_a_line_has_the_level_that_it_was_given
test_closing_de_energises_and_twice_is_once = contract.test_closing_de_energises_and_twice_is_once
test_a_closed_line_can_neither_be_driven_nor_checked = (
    contract.test_a_closed_line_can_neither_be_driven_nor_checked
)
test_a_line_has_one_owner_and_may_be_taken_again_after_it = (
    contract.test_a_line_has_one_owner_and_may_be_taken_again_after_it
)


@pytest.fixture
def chip_line() -> tuple[str, str]:
    """Return the label of the chip and the name of the line that may be driven."""
    if not GPIO:
        pytest.skip("GATED_TEST_GPIO does not name a line that may be driven")
    label, line, _ = GPIO.split()
    return label, line


@pytest.fixture
def adapter(chip_line: tuple[str, str]) -> LineAdapter:
    label, line = chip_line
    value_file = Path(GPIO.split()[2])
    return LineAdapter(
        lambda: GpioLine("relay", line, label, active_low=False),
        lambda: value_file.read_text(encoding="ascii").strip() == "1",
    )


def test_what_is_wrong_with_a_real_line_is_said(chip_line: tuple[str, str]) -> None:
    label, line = chip_line
    taken = GpioLine("relay", line, label, active_low=False)
    with pytest.raises(ActuationError, match=r"held by gated relay; is gated running twice\?"):
        GpioLine("lamp go", line, label, active_low=False)
    taken.close()
    with pytest.raises(ActuationError, match=f'has no line "{line}O"; did you mean {line}'):
        GpioLine("relay", f"{line}O", label, active_low=False)
    with pytest.raises(ActuationError, match=f'no GPIO chip has the label "no-such", .*"{label}"'):
        GpioLine("relay", line, "no-such", active_low=False)


def test_whoever_is_killed_or_hangs_at_whatever_moment_the_real_line_falls(
    chip_line: tuple[str, str],
) -> None:
    falls = play_all(ROUNDS, seed=20261123, at_once=1, make_end=lambda: nullcontext(FileEnd(GPIO)))
    assert len(falls) == ROUNDS
    for fall in falls:
        limit_s = 2 * SHORT_S + 1.0 if fall.plan.harm in HANGS else LONG_S
        assert fall.energised_s < limit_s, fall


# --- inputs --------------------------------------------------------------------------------------


@pytest.fixture
def drive() -> Iterator[Callable[[bool], None]]:
    """Give the hand that makes (True) or breaks the contact at the input line."""
    if not LOOP:
        pytest.skip("GATED_TEST_GPIO_LOOP does not name an input line and what drives it")
    label, _, driver = LOOP.split()
    if driver.startswith("/"):
        file = Path(driver)
        yield lambda is_made: void(file.write_text("pull-down" if is_made else "pull-up"))
        return
    line = GpioLine("hand", driver, label, active_low=True)
    yield lambda is_made: line.set(energised=is_made)
    line.close()


def void(_: object) -> None:
    """Drop what nobody needs."""


def opened(name: str) -> GpioInputs:
    label, line, _ = LOOP.split()
    wires = {name: InputWire(line, active_low=True, debounce_ms=DEBOUNCE_MS)}
    inputs = GpioInputs(wires, label, SystemClock())
    inputs.open()
    return inputs


def next_event(inputs: GpioInputs) -> InputEvent:
    assert select.select([inputs], [], [], 5.0)[0], "nothing came"
    [event] = inputs.read()
    return event


def test_a_real_contact_is_told_at_first_and_at_both_edges(drive: Callable[[bool], None]) -> None:
    drive(False)
    inputs = opened(CONTACT)
    [first] = inputs.read()
    assert isinstance(first, GateMoved)
    for is_made in (True, False, True):
        drive(is_made)
        event = next_event(inputs)
        assert isinstance(event, GateMoved)
        assert event.is_shut is is_made
    assert inputs.read() == []
    inputs.close()


def test_a_real_pulse_is_told_once(drive: Callable[[bool], None]) -> None:
    drive(False)
    inputs = opened(PASSAGE)
    assert inputs.read() == []
    for _ in range(3):
        drive(True)
        assert isinstance(next_event(inputs), PassageSensed)
        drive(False)
        assert not select.select([inputs], [], [], 3 * DEBOUNCE_MS / 1_000)[0]
    inputs.close()
