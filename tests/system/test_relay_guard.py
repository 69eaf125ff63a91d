"""The relay's guard as a real process: whatever happens to anybody, the line falls."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gated.actuators.line import AbsentLine
from gated.actuators.relay import Relay
from gated.actuators.relay_guard import ENDS_BEFORE_S, MAX_PULSE_MS, guard
from gated.actuators.worker import REOPEN_AFTER_S, Action, ActuatorWorker, Outputs
from gated.clock import FakeClock, SystemClock
from gated.errors import ActuationError, ExitCode
from gated.messages import DeviceChanged, EnergiseRelay
from tests.relay_kills import HANGS, LONG_S, SHORT_S, Harm, play_all, socket_end
from tests.relay_wire import Wire, children_of, has_ended, start_parent, wire

FALLS_WITHIN_S = 1.0
"""After the controller's end. It takes milliseconds; the machine may be busy with other tests."""
VISIT = "7f3a91c2e05b"
ROUNDS = 200


@pytest.fixture
def far_end() -> Iterator[Wire]:
    with wire() as far_end:
        yield far_end


@pytest.fixture
def relay(far_end: Wire) -> Iterator[Relay]:
    relay = Relay(far_end.spec)
    relay.open()
    yield relay
    relay.close()


def guard_pid(relay: Relay) -> int:
    assert relay._guard is not None
    return relay._guard.pid


# --- the pulse -----------------------------------------------------------------------------------


def test_a_line_is_taken_de_energised(relay: Relay, far_end: Wire) -> None:
    assert far_end.levels() == [False]
    assert relay.is_alive()


def test_a_pulse_ends_by_itself_just_before_what_was_asked(relay: Relay, far_end: Wire) -> None:
    before_ns = time.monotonic_ns()
    at_ns = relay.pulse(VISIT, 0.2)
    assert before_ns <= at_ns <= time.monotonic_ns()
    assert far_end.wait_for(energised=True).pid == guard_pid(relay)
    far_end.wait_for(energised=False)
    lasted_s = (time.monotonic_ns() - at_ns) / 1e9
    assert 0.2 - ENDS_BEFORE_S <= lasted_s < 0.2 + FALLS_WITHIN_S


def test_one_pulse_after_the_other_is_confirmed_each_for_its_own_visit(
    relay: Relay, far_end: Wire
) -> None:
    for number in range(3):
        relay.pulse(f"{number:012x}", 0.1)
        far_end.wait_for(energised=True)
        far_end.wait_for(energised=False)
    assert relay.is_alive()


def test_no_pulse_is_longer_than_the_guard_allows(relay: Relay, far_end: Wire) -> None:
    relay.pulse(VISIT, 3_600.0)
    far_end.wait_for(energised=True)
    relay.close()
    assert relay._guard is None
    assert MAX_PULSE_MS <= 5_000
    far_end.wait_for(energised=False, within_s=FALLS_WITHIN_S)


def test_closing_during_a_pulse_de_energises(relay: Relay, far_end: Wire) -> None:
    relay.pulse(VISIT, 5.0)
    pid = guard_pid(relay)
    relay.close()
    far_end.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    assert has_ended(pid)
    relay.close()  # twice is once


def test_a_second_owner_is_refused_and_says_why(relay: Relay, far_end: Wire) -> None:
    second = Relay(far_end.spec)
    with pytest.raises(ActuationError, match="line relay has another owner"):
        second.open()
    assert not second.is_alive()
    assert relay.is_alive()


@pytest.mark.parametrize("spec", ["", "ftp:nowhere", "socket:" + "x" * 200])
def test_a_line_that_cannot_be_taken_is_said(spec: str) -> None:
    relay = Relay(spec)
    with pytest.raises(ActuationError):
        relay.open()
    assert not relay.is_alive()


def test_without_a_guard_there_is_no_pulse(far_end: Wire) -> None:
    relay = Relay(far_end.spec)
    with pytest.raises(ActuationError, match="not running"):
        relay.pulse(VISIT, 0.1)


# --- the guard's own end -------------------------------------------------------------------------


def test_a_dead_guard_is_noticed_when_a_pulse_is_asked_for(relay: Relay, far_end: Wire) -> None:
    pid = guard_pid(relay)
    os.kill(pid, signal.SIGKILL)
    assert has_ended(pid)
    with pytest.raises(ActuationError):
        relay.pulse(VISIT, 0.1)
    assert not relay.is_alive()
    relay.open()
    relay.pulse(VISIT, 0.1)
    far_end.wait_for(energised=True)


def test_a_guard_that_hangs_is_ended_and_the_pulse_counts_as_failed(
    relay: Relay, far_end: Wire
) -> None:
    pid = guard_pid(relay)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ActuationError, match="did not confirm"):
        relay.pulse(VISIT, 0.1)
    assert has_ended(pid)
    assert True not in far_end.levels()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGABRT])
def test_a_guard_that_is_told_to_end_de_energises_first(
    number: signal.Signals, relay: Relay, far_end: Wire
) -> None:
    relay.pulse(VISIT, 5.0)
    far_end.wait_for(energised=True)
    os.kill(guard_pid(relay), number)
    far_end.wait_for(energised=False, within_s=FALLS_WITHIN_S)


def test_ctrl_c_is_not_the_guards_business(relay: Relay) -> None:
    os.kill(guard_pid(relay), signal.SIGINT)
    relay.pulse(VISIT, 0.1)
    assert relay.is_alive()


def test_a_guard_whose_line_has_gone_ends_before_anybody_needs_it() -> None:
    class Gone(AbsentLine):
        def check(self) -> None:
            raise ActuationError("relay: the chip has gone", device="relay")

    commands, answers = os.pipe(), os.pipe()
    try:
        with pytest.raises(ActuationError, match="the chip has gone"):
            guard(Gone(), commands[0], answers[1])
    finally:
        for end in (*commands, *answers):
            os.close(end)


# --- what is said to the guard -------------------------------------------------------------------


def start_guard(spec: str) -> subprocess.Popen[bytes]:
    guard = subprocess.Popen(
        [sys.executable, "-E", "-s", "-m", "gated.actuators.relay_guard", spec],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert guard.stdout is not None
    assert guard.stdout.readline() == b"ready\n"
    return guard


GARBAGE = [
    b"\n",
    b"open sesame\n",
    b"pulse\n",
    b"pulse 100\n",
    b"pulse 0 ab\n",
    b"pulse 99 ab\n",
    b"pulse -5 ab\n",
    b"pulse 5001 ab\n",
    b"pulse 99999999999999999999 ab\n",
    b"pulse 100 XYZ\n",
    b"pulse 100 ab cd\n",
    b" pulse 100 ab\n",
    b"pulse 100 ab\r\n",
    b"PULSE 100 ab\n",
    b"\xff\xfe\x00\n",
    "pulse １００ ab\n".encode(),
]


def test_garbage_ends_the_guard_and_never_energises() -> None:
    with ExitStack() as stack:
        ends = [stack.enter_context(wire()) for _ in GARBAGE]
        guards = [start_guard(far_end.spec) for far_end in ends]
        for guard, text in zip(guards, GARBAGE, strict=True):
            guard.stdin.write(text)  # type: ignore[union-attr]  # it is a pipe
        codes = [guard.wait(10) for guard in guards]
        for guard in guards:
            guard.communicate()
        assert codes == [ExitCode.OK] * len(GARBAGE)
        assert [far_end.levels() for far_end in ends] == [[False, False]] * len(GARBAGE)


def test_garbage_during_a_pulse_ends_it(far_end: Wire) -> None:
    guard = start_guard(far_end.spec)
    assert guard.stdin is not None
    guard.stdin.write(b"pulse 5000 ab\n")
    far_end.wait_for(energised=True)
    guard.stdin.write(b"hold\n")
    far_end.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    assert guard.wait(10) == ExitCode.OK
    guard.communicate()


def test_a_command_that_comes_in_pieces_is_one_command(far_end: Wire) -> None:
    guard = start_guard(far_end.spec)
    assert guard.stdin is not None
    assert guard.stdout is not None
    for piece in (b"pul", b"se 10", b"0 ab", b"\n"):
        guard.stdin.write(piece)
    assert guard.stdout.readline().startswith(b"on ab ")
    assert guard.stdout.readline().startswith(b"off ab ")
    guard.communicate()
    assert far_end.levels() == [False, True, False, False]


def test_half_a_command_at_end_of_file_opens_nothing(far_end: Wire) -> None:
    guard = start_guard(far_end.spec)
    guard.communicate(b"pulse 100 ab", timeout=10)
    assert far_end.levels() == [False, False]


def test_a_controller_that_no_longer_listens_ends_the_pulse(far_end: Wire) -> None:
    guard = start_guard(far_end.spec)
    assert guard.stdin is not None
    assert guard.stdout is not None
    guard.stdout.close()
    guard.stdin.write(b"pulse 5000 ab\n")
    far_end.wait_for(energised=True)
    far_end.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    guard.wait(10)
    guard.stdin.close()


# --- the controller's end ------------------------------------------------------------------------


def test_a_killed_controller_cannot_hold_the_gate_open(far_end: Wire) -> None:
    parent = start_parent(far_end.spec, "pulse 5000 ab")
    guard = far_end.wait_for(energised=True).pid
    parent.kill()
    parent.communicate()
    far_end.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    assert has_ended(guard)


def test_a_hung_controller_cannot_hold_the_gate_open(far_end: Wire) -> None:
    parent = start_parent(far_end.spec, "pulse 300 ab")
    far_end.wait_for(energised=True)
    parent.send_signal(signal.SIGSTOP)
    far_end.wait_for(energised=False, within_s=0.3 + FALLS_WITHIN_S)
    parent.kill()
    parent.communicate()


def test_both_hung_at_once_cannot_hold_it_open_either() -> None:
    with socket_end() as end:
        parent = start_parent(end.spec, "pulse 300 ab")
        assert end.wait_for(energised=True, within_s=10.0) is not None
        (guard,) = children_of(parent.pid)
        parent.send_signal(signal.SIGSTOP)
        os.kill(guard, signal.SIGSTOP)
        assert end.wait_for(energised=False, within_s=FALLS_WITHIN_S) is not None
        assert has_ended(guard)
        parent.kill()
        parent.communicate()


def test_whoever_is_killed_or_hangs_at_whatever_moment_the_line_falls() -> None:
    falls = play_all(ROUNDS, seed=20261123, at_once=6)
    by_harm = {harm: [fall for fall in falls if fall.plan.harm is harm] for harm in Harm}
    assert len(falls) == ROUNDS
    assert all(len(of_one_kind) >= ROUNDS / 25 for of_one_kind in by_harm.values())
    for fall in falls:
        # A dead one's line falls long before its pulse would have ended; a hung one's pulse ends.
        limit_s = SHORT_S + FALLS_WITHIN_S if fall.plan.harm in HANGS else LONG_S
        assert fall.energised_s < limit_s, fall


def test_the_fall_of_a_dead_owners_wire_is_seen_without_anybody_telling_it() -> None:
    with socket_end() as end:
        guard = start_guard(end.spec)
        assert guard.stdin is not None
        guard.stdin.write(b"pulse 5000 ab\n")
        assert end.wait_for(energised=True, within_s=10.0) is not None
        guard.kill()
        assert end.wait_for(energised=False, within_s=FALLS_WITHIN_S) is not None
        guard.communicate()


# --- the worker ----------------------------------------------------------------------------------


def outputs(relay: Relay) -> Outputs:
    return Outputs(relay=relay, lamps={}, buzzer=AbsentLine, bell=AbsentLine)


def test_the_worker_says_that_the_relay_failed_once_and_opens_it_again(far_end: Wire) -> None:
    clock, relay, told = FakeClock(), Relay(far_end.spec), list[DeviceChanged]()
    worker = ActuatorWorker(outputs(relay), queue.Queue(), clock, told.append)
    worker._open_relay()
    pid = guard_pid(relay)
    os.kill(pid, signal.SIGKILL)
    assert has_ended(pid)
    for _ in range(2):
        worker._perform(EnergiseRelay(VISIT, 0.1))
    worker._replace_guard()
    assert not relay.is_alive(), "before the pause was over"
    clock.advance(REOPEN_AFTER_S)
    worker._replace_guard()
    assert [(change.device, change.is_working) for change in told] == [
        ("relay", False),
        ("relay", True),
    ]
    far_end.levels()
    worker._perform(EnergiseRelay(VISIT, 0.1))
    far_end.wait_for(energised=True)
    worker._close()
    assert not relay.is_alive()


def test_a_relay_that_cannot_be_had_says_why_and_how_to_mend_it() -> None:
    told = list[DeviceChanged]()
    relay = Relay("gpio:no-such-chip-*:GPIO17:high")
    worker = ActuatorWorker(outputs(relay), queue.Queue(), FakeClock(), told.append)
    worker._open_relay()
    assert [(change.device, change.is_working) for change in told] == [("relay", False)]
    assert re.search(r"no GPIO chip|may not be opened|gpiod", told[0].reason), told[0].reason


def test_the_worker_replaces_a_guard_that_died_and_ends_de_energised(far_end: Wire) -> None:
    relay, told = Relay(far_end.spec), queue.Queue[DeviceChanged]()
    actions: queue.Queue[Action] = queue.Queue()
    worker = ActuatorWorker(outputs(relay), actions, SystemClock(), told.put)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop, lambda: None))
    thread.start()
    far_end.wait_for(energised=False)
    actions.put(EnergiseRelay(VISIT, 5.0))
    guard = far_end.wait_for(energised=True).pid
    os.kill(guard, signal.SIGKILL)  # in the middle of a pulse: nobody lowers the line now
    taken_over = far_end.wait_for(energised=False)
    assert taken_over.pid != guard
    assert [told.get(timeout=10).is_working for _ in range(2)] == [False, True]
    actions.put(EnergiseRelay(VISIT, 5.0))
    far_end.wait_for(energised=True)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    far_end.wait_for(energised=False, within_s=FALLS_WITHIN_S)
