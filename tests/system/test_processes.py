"""Children kept running: restarts with growing pauses, the watchdog, the end. Tiny real ones."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.errors import ExitCode
from gated.processes import (
    RESTART_FIRST_S,
    RESTART_MAX_S,
    START_S,
    STEADY_AFTER_S,
    WATCHDOG_S,
    gate_children,
)
from tests.nursery import Nursery, a_nursery


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with a_nursery() as nursery:
        yield nursery


def test_children_are_started_and_ready_once_all_have_said_so(nursery: Nursery) -> None:
    nursery.add("one", "wait")
    nursery.add("two", "wait")
    assert nursery.children.process_id("one") is None
    assert nursery.children.wait_ready(10.0)
    assert nursery.children.process_id("one") != nursery.children.process_id("two")
    assert nursery.children.process_id("nobody") is None


def test_a_child_that_never_says_ready_is_waited_for_only_so_long(nursery: Nursery) -> None:
    nursery.add("mute", "mute")
    moving = threading.Event()

    def move_the_clock() -> None:
        while not moving.wait(0.01):
            nursery.clock.advance(1.0)

    mover = threading.Thread(target=move_the_clock)
    mover.start()
    assert not nursery.children.wait_ready(10.0)
    moving.set()
    mover.join()


def test_waiting_for_ready_ends_when_asked_to_stop(nursery: Nursery) -> None:
    nursery.add("mute", "mute")
    stop = threading.Event()
    stop.set()
    assert not nursery.children.wait_ready(10.0, stop=stop)


def test_a_dead_child_is_not_ready_even_if_it_said_so_last_thing(nursery: Nursery) -> None:
    nursery.add("hasty", "ready-and-exit")
    child = nursery.child()
    nursery.poll_until(lambda: child.starts == 1 and child.process is None)
    nursery.children._hear(child, nursery.clock.monotonic_s())
    child.is_ready = True  # as if its last word had been heard only now
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    assert not nursery.children.wait_ready(10.0, stop=stop)


def test_a_child_that_dies_is_started_again_after_pauses_that_grow(nursery: Nursery) -> None:
    nursery.add("poorly", "exit", "1")
    child, pauses = nursery.child(), list[float]()
    for start in range(1, 8):
        nursery.poll_until(lambda: child.starts == start and child.process is None)  # noqa: B023
        pause_s = child.restart_at_s - nursery.clock.monotonic_s()
        pauses.append(pause_s)
        nursery.clock.advance(pause_s - 0.01)
        nursery.children.poll()
        assert child.process is None, "before the pause was over"
        nursery.clock.advance(0.02)
    assert pauses == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, RESTART_MAX_S, RESTART_MAX_S])


def test_a_child_that_ran_long_starts_again_with_the_shortest_pause(nursery: Nursery) -> None:
    nursery.add("steady", "wait")
    assert nursery.children.wait_ready(10.0)
    child = nursery.child()
    child.pause_s = 16.0
    nursery.clock.advance(STEADY_AFTER_S)
    assert child.process is not None
    child.process.kill()
    child.process.wait()
    nursery.children.poll()
    assert child.restart_at_s == nursery.clock.monotonic_s() + RESTART_FIRST_S


def test_a_wrong_configuration_is_final(nursery: Nursery) -> None:
    nursery.add("well", "wait")
    nursery.add("misconfigured", "exit", "78")
    assert nursery.children.run(threading.Event(), threading.Event()) == ExitCode.CONFIG


def test_a_wrong_configuration_ends_the_wait_for_ready(nursery: Nursery) -> None:
    nursery.add("misconfigured", "exit", "78")
    assert not nursery.children.wait_ready(60.0)


def test_running_ends_when_asked_to(nursery: Nursery) -> None:
    nursery.add("well", "wait")
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    assert nursery.children.run(stop, threading.Event()) == ExitCode.OK


@pytest.mark.parametrize(("what", "limit_s"), [("wait", WATCHDOG_S), ("mute", START_S)])
def test_a_child_without_a_sign_of_life_is_killed_and_started_again(
    what: str, limit_s: float, nursery: Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    nursery.add("hung", what)
    child = nursery.child()
    nursery.poll_until(lambda: child.is_ready or (what == "mute" and child.starts == 1))
    nursery.clock.advance(limit_s)
    nursery.children.poll()
    assert "no sign of life" not in caplog.text
    nursery.clock.advance(0.1)
    with caplog.at_level(logging.ERROR):
        nursery.poll_until(lambda: child.process is None)
    assert f"hung: no sign of life for {limit_s:g} s, killed" in caplog.text
    assert f"hung ended with {-signal.SIGKILL}" in caplog.text
    nursery.clock.advance(RESTART_FIRST_S)
    nursery.poll_until(lambda: child.starts == 2)


def test_a_reload_reaches_the_controller_alone_and_its_word_is_a_sign_of_life(
    nursery: Nursery,
) -> None:
    nursery.add("controller", "wait")
    nursery.add("scanner", "wait")
    assert nursery.children.wait_ready(10.0)
    controller, scanner = nursery.child(0), nursery.child(1)
    nursery.clock.advance(WATCHDOG_S)
    nursery.children.reload()  # it says "reloaded", and ends with 5
    nursery.poll_until(lambda: controller.process is None)
    assert controller.beat_s == nursery.clock.monotonic_s()
    assert scanner.process is not None
    assert scanner.process.poll() is None


def test_a_child_has_its_environment(nursery: Nursery, tmp_path: Path) -> None:
    nursery.add("writer", "write", str(tmp_path / "colour"))
    assert nursery.children.wait_ready(10.0)
    assert (tmp_path / "colour").read_text(encoding="ascii") == "green"


def test_an_unplugged_child_is_killed_and_stays_dead_until_it_is_plugged_in(
    nursery: Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    nursery.add("stubborn", "stubborn")
    nursery.add("other", "wait")
    assert nursery.children.wait_ready(10.0)
    child, pid = nursery.child(), nursery.children.process_id("stubborn")
    nursery.children.unplug("stubborn")
    assert not nursery.children.is_ready("stubborn")
    nursery.clock.advance(1.0)
    nursery.children.poll()
    nursery.children.unplug("stubborn")  # once more changes nothing
    assert child.starts == 1
    assert child.process is None
    assert nursery.children.is_ready("other")
    assert caplog.text == ""

    nursery.children.plug_in("stubborn")
    nursery.children.plug_in("other")  # was never out
    nursery.poll_until(lambda: nursery.children.is_ready("stubborn"))
    assert nursery.children.process_id("stubborn") != pid
    assert nursery.child(1).starts == 1


def test_stopping_ends_every_child_and_kills_the_one_that_will_not(
    nursery: Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    nursery.add("obedient", "wait")
    nursery.add("stubborn", "stubborn")
    nursery.add("never started", "wait")
    assert nursery.children.wait_ready(10.0)
    processes = [child.process for child in nursery.children._children[:2]]
    nursery.children.stop(within_s=0.2)
    assert [process and process.returncode for process in processes] == [
        -signal.SIGTERM,
        -signal.SIGKILL,
    ]
    assert "stubborn did not end in 0.2 s, killed" in caplog.text
    assert "obedient did not end" not in caplog.text


def test_a_gate_is_three_processes_and_only_two_of_them_may_be_on_stage(nursery: Nursery) -> None:
    gate_children(nursery.children, Path("/etc/gated/gated.toml"), Path("/stage"))
    config = ("--config", "/etc/gated/gated.toml")
    assert [(child.name, child.arguments) for child in nursery.children._children] == [
        ("controller", ("controller", *config, "--stage", "/stage")),
        ("scanner", ("scanner", *config, "--stage", "/stage")),
        ("uplink", ("uplink", *config)),
    ]
