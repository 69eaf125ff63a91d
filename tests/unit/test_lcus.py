"""The LCUS board's frames, and the line that speaks them, before a simulated board."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from gated.actuators.lcus import LcusLine, relay_frame
from gated.errors import ActuationError
from gated.simulation.serial_devices import LcusBoard
from tests.relay_wire import LineAdapter, lcus_adapter, lcus_board


@pytest.fixture
def board() -> Iterator[LcusBoard]:
    with lcus_board(channels=2) as board:
        yield board


@pytest.fixture
def adapter() -> Iterator[LineAdapter]:
    yield from lcus_adapter()


@pytest.mark.parametrize(
    ("channel", "energised", "frame"),
    [
        (1, True, "a00101a2"),
        (1, False, "a00100a1"),
        (2, True, "a00201a3"),
        (3, False, "a00300a3"),
        (8, True, "a00801a9"),
        (8, False, "a00800a8"),
    ],
)
def test_a_frame_is_what_the_boards_description_prints(
    channel: int, energised: bool, frame: str
) -> None:
    assert relay_frame(channel, energised=energised).hex() == frame


def test_taking_a_line_de_energises_a_relay_that_somebody_left_on(board: LcusBoard) -> None:
    first = LcusLine("relay", 1, str(board.path))
    first.set(energised=True)
    first._port.close()  # as if its owner were killed
    assert board.is_energised(1)
    second = LcusLine("relay", 1, str(board.path))
    assert not board.is_energised(1)
    second.close()


def test_only_its_own_relay_moves(board: LcusBoard) -> None:
    line = LcusLine("relay", 2, str(board.path))
    line.set(energised=True)
    line.close()
    assert [(change.channel, change.energised) for change in board.changes()] == [
        (2, True),
        (2, False),
    ]


def test_the_adapter_shows_the_levels(adapter: LineAdapter) -> None:
    line = adapter.take()
    levels = [adapter.level()]
    for energised in (True, True, False, True):
        line.set(energised=energised)
        levels.append(adapter.level())
    line.close()
    assert [*levels, adapter.level()] == [False, True, True, False, True, False]


def test_a_second_owner_is_refused_and_does_not_disturb_the_first(board: LcusBoard) -> None:
    line = LcusLine("relay", 1, str(board.path))
    line.set(energised=True)
    with pytest.raises(ActuationError, match="another process holds it"):
        LcusLine("relay", 1, str(board.path))
    assert board.is_energised(1)
    line.close()


def test_a_board_that_is_pulled_out_is_noticed_by_looking_and_by_driving(board: LcusBoard) -> None:
    line = LcusLine("relay", 1, str(board.path))
    line.check()
    board.pull_out()
    with pytest.raises(ActuationError, match="lost: unplugged"):
        line.check()
    with pytest.raises(ActuationError, match="lost"):
        line.set(energised=True)
    with pytest.raises(ActuationError):
        line.close()
    line.close()  # twice is once


def test_what_a_board_says_is_taken_and_means_nothing(board: LcusBoard) -> None:
    line = LcusLine("relay", 1, str(board.path))
    assert board._ends is not None
    os.write(board._ends[0], b"CH1: ON \r\n")
    line.check()
    line.set(energised=True)
    assert board.is_energised(1)
    line.close()


@pytest.mark.parametrize("channel", [0, 9, -1])
def test_a_relay_that_no_board_has_is_refused(channel: int, board: LcusBoard) -> None:
    with pytest.raises(ActuationError, match="no relay"):
        LcusLine("relay", channel, str(board.path))


def test_a_closed_line_has_no_descriptor(board: LcusBoard) -> None:
    line = LcusLine("relay", 1, str(board.path))
    line.close()
    for use in (line.fileno, line.check):
        with pytest.raises(ActuationError, match="not open"):
            use()


def test_the_simulated_board_ignores_what_is_no_frame_and_finds_the_next(board: LcusBoard) -> None:
    line = LcusLine("relay", 1, str(board.path))
    for noise in (
        b"AT\r\n",  # a modem manager that probes
        bytes.fromhex("a00101a3"),  # a wrong sum
        bytes.fromhex("a00901aa"),  # no such relay
        bytes.fromhex("a00102a3"),  # no such state
        bytes.fromhex("a0a0"),
    ):
        line._port.write(noise)
        assert board.changes() == []
    line._port.write(relay_frame(1, energised=True))
    assert board.is_energised(1)
    line.close()
