"""The same rules on real serial devices, for whoever sits at the bench (``pytest --hw -s``).

``GATED_TEST_SERIAL`` names a scanner's stable path, ``GATED_TEST_SERIAL_PROTOCOL`` its protocol if
that isn't ``line``, ``GATED_TEST_SERIAL_TRIGGER`` its trigger if that isn't ``continuous``; the
tests ask for a code to be scanned, and for the plug to be pulled. ``GATED_TEST_LCUS`` names a relay
board that nothing is wired to: it clicks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from gated.actuators.lcus import LcusLine
from gated.actuators.relay import Relay
from gated.config.serial_scanner import SerialProtocol, Trigger
from gated.errors import ActuationError
from tests.contract import test_serial_scanner_contract as contract
from tests.contract.test_serial_scanner_contract import Bench, rig

SCANNER = os.environ.get("GATED_TEST_SERIAL", "")
PROTOCOL = SerialProtocol(os.environ.get("GATED_TEST_SERIAL_PROTOCOL", "line"))
TRIGGER = Trigger(os.environ.get("GATED_TEST_SERIAL_TRIGGER", "continuous"))
BOARD = os.environ.get("GATED_TEST_LCUS", "")
MINUTES_FOR_A_HAND_S = 300

pytestmark = [pytest.mark.hw, pytest.mark.timeout(MINUTES_FOR_A_HAND_S)]
__all__ = ["rig"]

test_a_scanner_that_is_there_is_well_and_names_itself = (
    contract.test_a_scanner_that_is_there_is_well_and_names_itself
)
test_a_code_is_told_once_with_its_text = contract.test_a_code_is_told_once_with_its_text
test_a_code_repeated_within_the_hold_off_is_one_presentation = (
    contract.test_a_code_repeated_within_the_hold_off_is_one_presentation
)
test_a_scanner_pulled_out_is_lost_and_works_again_by_itself_when_plugged_in = (
    contract.test_a_scanner_pulled_out_is_lost_and_works_again_by_itself_when_plugged_in
)
test_a_scanner_has_one_owner = contract.test_a_scanner_has_one_owner
test_a_scanner_that_another_process_holds_says_so = (
    contract.test_a_scanner_that_another_process_holds_says_so
)


def ask(what: str) -> bool:
    input(f"\n{what}, then press Enter: ")
    return True


@pytest.fixture
def bench() -> Bench:
    if not SCANNER:
        pytest.skip("GATED_TEST_SERIAL does not name a serial scanner")
    return Bench(
        SCANNER,
        lambda: ask(f'scan a code of the text "{contract.TEXT}"'),
        lambda: ask("pull the scanner out"),
        lambda: ask("plug the scanner in again"),
        {"protocol": PROTOCOL, "trigger": TRIGGER},
    )


@pytest.fixture
def board() -> Iterator[str]:
    if not BOARD:
        pytest.skip("GATED_TEST_LCUS does not name a relay board that may be driven")
    yield BOARD
    LcusLine("relay", 1, BOARD).close()


def test_a_board_has_one_owner_and_takes_every_command(board: str) -> None:
    line = LcusLine("relay", 1, board)
    with pytest.raises(ActuationError, match="another process holds it"):
        LcusLine("relay", 1, board)
    for energised in (True, False, True):
        line.set(energised=energised)
    line.close()
    line.close()


def test_a_board_pulses_behind_its_guard(board: str) -> None:
    relay = Relay(f"lcus:1:{board}")
    relay.open()
    relay.pulse("7f3a91c2e05b", 0.3)
    assert relay.is_alive()
    relay.close()
