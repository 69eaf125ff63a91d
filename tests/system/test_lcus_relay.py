"""The relay's guard before a serial board, which keeps its relay on whoever dies: it falls."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gated.actuators.relay import Relay
from gated.actuators.relay_guard import ENDS_BEFORE_S
from gated.errors import ActuationError
from gated.simulation.serial_devices import LcusBoard
from tests.relay_wire import children_of, has_ended, lcus_board, start_parent

FALLS_WITHIN_S = 1.0
"""It takes milliseconds; the machine may be busy with other tests."""
VISIT = "7f3a91c2e05b"
LONG = "pulse 5000 ab"


def spec(board: LcusBoard, channel: int = 1) -> str:
    return f"lcus:{channel}:{board.path}"


@pytest.fixture
def board() -> Iterator[LcusBoard]:
    with lcus_board() as board:
        yield board


@pytest.fixture
def relay(board: LcusBoard) -> Iterator[Relay]:
    relay = Relay(spec(board))
    relay.open()
    yield relay
    relay.close()


def guard_and_watcher(relay: Relay) -> tuple[int, int]:
    assert relay._guard is not None
    (watcher,) = children_of(relay._guard.pid)
    return relay._guard.pid, watcher


def states(board: LcusBoard) -> list[bool]:
    return [change.energised for change in board.changes()]


def energised_parent(board: LcusBoard, command: str) -> tuple[subprocess.Popen[bytes], int, int]:
    """Return a controller that has just opened the gate, its guard, and the guard's watcher."""
    parent = start_parent(spec(board), command)
    assert board.wait_for(energised=True)
    (guard,) = children_of(parent.pid)
    (watcher,) = children_of(guard)
    return parent, guard, watcher


def test_a_pulse_energises_and_ends_by_itself(board: LcusBoard, relay: Relay) -> None:
    relay.pulse(VISIT, 0.2)
    assert board.is_energised()
    assert board.wait_for(energised=False)
    on, off = board.changes()
    assert 0.2 - 2 * ENDS_BEFORE_S <= off.at - on.at < 0.2 + FALLS_WITHIN_S
    assert relay.is_alive()


def test_a_device_path_with_colons_and_another_channel_are_understood() -> None:
    with lcus_board(channels=8) as board:
        assert ":" in str(board.path)
        relay = Relay(spec(board, 8))
        relay.open()
        relay.pulse(VISIT, 0.1)
        assert board.wait_for(energised=False, channel=8)
        relay.close()
        assert [(change.channel, change.energised) for change in board.changes()] == [
            (8, True),
            (8, False),
        ]


def test_closing_de_energises_ends_both_processes_and_frees_the_board(
    board: LcusBoard, relay: Relay
) -> None:
    guard, watcher = guard_and_watcher(relay)
    relay.pulse(VISIT, 5.0)
    relay.close()
    assert states(board) == [True, False]
    assert has_ended(guard)
    assert has_ended(watcher)
    relay.open()
    assert relay.is_alive()


def test_a_killed_controller_cannot_hold_the_gate_open(board: LcusBoard) -> None:
    parent, guard, watcher = energised_parent(board, LONG)
    parent.kill()
    parent.communicate()
    assert board.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    assert has_ended(guard)
    assert has_ended(watcher)


def test_a_killed_guard_cannot_hold_the_gate_open(board: LcusBoard) -> None:
    parent, guard, watcher = energised_parent(board, LONG)
    os.kill(guard, signal.SIGKILL)
    assert board.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    assert has_ended(watcher)
    parent.kill()
    parent.communicate()


def test_a_hung_controller_cannot_hold_the_gate_open(board: LcusBoard) -> None:
    parent, _, _ = energised_parent(board, "pulse 300 ab")
    parent.send_signal(signal.SIGSTOP)
    assert board.wait_for(energised=False, within_s=0.3 + FALLS_WITHIN_S)
    parent.kill()
    parent.communicate()


def test_a_kill_of_the_guards_whole_group_spares_its_watcher(board: LcusBoard) -> None:
    parent, guard, _ = energised_parent(board, LONG)
    os.killpg(guard, signal.SIGKILL)
    assert board.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    parent.kill()
    parent.communicate()


def test_a_stop_of_the_service_that_reaches_every_process_de_energises(board: LcusBoard) -> None:
    parent, guard, watcher = energised_parent(board, LONG)
    for pid in (watcher, guard, parent.pid):
        os.kill(pid, signal.SIGTERM)
    assert board.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    assert has_ended(guard)
    assert has_ended(watcher)
    parent.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_guard_does_not_go_on_without_its_watcher(
    number: signal.Signals, board: LcusBoard, relay: Relay
) -> None:
    guard, watcher = guard_and_watcher(relay)
    relay.pulse(VISIT, 5.0)
    os.kill(watcher, number)
    assert board.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    assert has_ended(guard)
    assert not relay.is_alive()
    assert relay.fault == "the relay's guard has died"


def test_a_hung_guard_is_killed_before_its_pulse_is_over(board: LcusBoard, relay: Relay) -> None:
    guard, _ = guard_and_watcher(relay)
    relay.pulse(VISIT, 0.3)
    os.kill(guard, signal.SIGSTOP)
    assert has_ended(guard)
    assert board.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    assert not relay.is_alive()


def test_when_both_are_killed_at_once_the_next_guard_de_energises(
    board: LcusBoard, relay: Relay
) -> None:
    guard, watcher = guard_and_watcher(relay)
    relay.pulse(VISIT, 5.0)
    for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped, neither sees the other go
        os.kill(guard, number)
        os.kill(watcher, number)
    assert has_ended(guard)
    assert has_ended(watcher)
    assert board.is_energised(), "the board forgot its relay, a real one would not"
    relay.open()
    assert not board.is_energised()


def test_a_board_that_is_pulled_out_ends_the_guard_with_a_reason_and_may_come_back(
    board: LcusBoard, relay: Relay
) -> None:
    guard, watcher = guard_and_watcher(relay)
    relay.pulse(VISIT, 5.0)
    board.pull_out()
    assert has_ended(guard)
    assert has_ended(watcher)
    assert relay.fileno() is not None
    assert not relay.is_alive()
    assert "lost: unplugged" in relay.fault
    with pytest.raises(ActuationError, match="plug it in"):
        relay.open()
    board.plug_in()
    relay.open()
    relay.pulse(VISIT, 0.1)
    assert board.wait_for(energised=True) or states(board)[-2:] == [True, False]


def test_that_a_board_has_been_pulled_out_is_said_once(board: LcusBoard) -> None:
    guard = subprocess.Popen(
        [sys.executable, "-E", "-s", "-m", "gated.actuators.relay_guard", spec(board)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with guard:
        assert guard.stdout is not None
        assert guard.stderr is not None
        assert guard.stdout.readline() == b"ready\n"
        board.pull_out()
        answers, errors = guard.stdout.read(), guard.stderr.read()
    assert answers.startswith(b"error ")
    assert answers.endswith(b"is lost: unplugged\n")
    assert errors == b""


def test_a_board_that_has_another_owner_is_refused_and_not_disturbed(
    board: LcusBoard, relay: Relay
) -> None:
    relay.pulse(VISIT, 5.0)
    with pytest.raises(ActuationError, match="another process holds it"):
        Relay(spec(board)).open()
    assert states(board) == [True]


@pytest.mark.parametrize("spec", ["lcus:", "lcus:1", "lcus:1:", "lcus:x:/dev/a", "lcus:9:/dev/a"])
def test_a_line_that_cannot_be_one_is_said(spec: str) -> None:
    relay = Relay(spec)
    with pytest.raises(ActuationError):
        relay.open()
    assert not relay.is_alive()


def test_at_no_moment_can_a_kill_leave_the_relay_energised() -> None:
    rng, rounds, at_once = random.Random(20261126), 4, 5
    pause = threading.Event()
    for _ in range(rounds):
        with ExitStack() as stack:
            boards = [stack.enter_context(lcus_board()) for _ in range(at_once)]
            parents = [start_parent(spec(board), LONG) for board in boards]
            for parent, board in zip(parents, boards, strict=True):
                if rng.random() < 0.7:  # the others are killed while they still start
                    assert board.wait_for(energised=True)
                    pause.wait(rng.uniform(0.0, 0.05))
                guards = children_of(parent.pid)
                if guards and rng.random() < 0.5:
                    os.kill(guards[0], signal.SIGKILL)
                parent.kill()
                parent.communicate()
            for board in boards:
                assert board.wait_for(energised=False, within_s=FALLS_WITHIN_S)
            pause.wait(0.2)  # a guard whose parent was killed that early may still be starting
            assert [board.is_energised() for board in boards] == [False] * at_once
