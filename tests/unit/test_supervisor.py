"""A process's threads: started, watched, ended; what the service manager hears of it."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from gated.clock import FakeClock
from gated.errors import ConfigError, ExitCode, StorageError
from gated.supervisor import HEARTBEAT_STALE_S, PARENT_VARIABLE, Supervisor, sd_notify


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Return what a service manager has heard so far."""
    monkeypatch.delenv(PARENT_VARIABLE, raising=False)
    with (
        tempfile.TemporaryDirectory(prefix="gated-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
    ):
        listener.bind(f"{folder}/notify")
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")

        def heard() -> list[str]:
            lines = []
            while True:
                try:
                    lines.append(listener.recv(4_096).decode())
                except BlockingIOError:
                    return lines

        yield heard


def run_apart(supervisor: Supervisor) -> tuple[threading.Thread, list[int]]:
    """Run ``supervisor`` in a thread of its own: signals stay as they are."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(supervisor.run()), daemon=True)
    thread.start()
    return thread, codes


def finish(thread: threading.Thread) -> None:
    thread.join(20.0)
    assert not thread.is_alive()


def obedient(stop: threading.Event, beat: Callable[[], None]) -> None:
    while not stop.wait(0.01):
        beat()


def raising(exc: BaseException) -> Callable[[threading.Event, Callable[[], None]], None]:
    def work(stop: threading.Event, beat: Callable[[], None]) -> None:
        raise exc

    return work


def test_workers_run_until_they_are_asked_to_end(manager: Callable[[], list[str]]) -> None:
    supervisor, names = Supervisor("controller", FakeClock()), list[str]()
    for name in ("inputs", "ledger"):

        def work(stop: threading.Event, beat: Callable[[], None]) -> None:
            names.append(threading.current_thread().name)
            obedient(stop, beat)

        supervisor.add(name, work)
    thread, codes = run_apart(supervisor)
    while len(names) < 2:
        assert thread.is_alive()
    supervisor.request_stop()
    finish(thread)
    assert (codes, sorted(names)) == ([ExitCode.OK], ["inputs", "ledger"])
    heard = manager()
    assert (heard[0], heard[-1]) == ("READY=1", "STOPPING=1")


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StorageError("no space"), ExitCode.IO),
        (ConfigError("no key"), ExitCode.CONFIG),
        (ZeroDivisionError("a defect"), ExitCode.INTERNAL),
    ],
)
def test_a_worker_that_fails_ends_the_process_with_its_code(
    failure: Exception, code: ExitCode, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = Supervisor("controller", FakeClock())
    supervisor.add("decider", obedient)
    supervisor.add("ledger", raising(failure))
    with caplog.at_level(logging.ERROR):
        thread, codes = run_apart(supervisor)
        finish(thread)
    assert codes == [code]
    (record,) = caplog.records
    assert "ledger" in record.getMessage()
    assert bool(record.exc_info) is (code is ExitCode.INTERNAL)  # a traceback only for a defect


def test_a_worker_that_ends_unasked_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor("controller", FakeClock())
    supervisor.add("inputs", lambda stop, beat: None)
    thread, codes = run_apart(supervisor)
    finish(thread)
    assert codes == [ExitCode.INTERNAL]
    assert "inputs ended although nobody asked it to" in caplog.text


def test_the_first_failure_is_the_exit_code() -> None:
    supervisor = Supervisor("controller", FakeClock())
    supervisor.add("ledger", raising(StorageError("no space")))

    def fails_later(stop: threading.Event, beat: Callable[[], None]) -> None:
        stop.wait(10.0)
        raise ConfigError("too late")

    supervisor.add("inputs", fails_later)
    thread, codes = run_apart(supervisor)
    finish(thread)
    assert codes == [ExitCode.IO]


def test_the_watchdog_is_fed_only_while_every_worker_beats(
    manager: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    clock, hangs = FakeClock(), threading.Event()
    supervisor = Supervisor("controller", clock)

    def sometimes_hangs(stop: threading.Event, beat: Callable[[], None]) -> None:
        while not stop.wait(0.01):
            if not hangs.is_set():
                beat()

    supervisor.add("thermometer", sometimes_hangs)
    supervisor.add("decider", obedient)
    thread, codes = run_apart(supervisor)
    supervisor._wake.set()  # a look at once, instead of within a second
    fed = list[str]()
    while "WATCHDOG=1" not in fed:
        fed += manager()
    hangs.set()
    pause, deadline_s = threading.Event(), time.monotonic() + 10.0

    def look_until_missed(times: int) -> None:
        while caplog.text.count("no sign of life from thermometer") < times:
            assert time.monotonic() < deadline_s
            clock.advance(HEARTBEAT_STALE_S + 0.1)
            supervisor._wake.set()
            pause.wait(0.01)

    look_until_missed(2)
    manager()  # what it was told until then
    look_until_missed(5)
    assert manager() == []
    supervisor.request_stop()
    finish(thread)
    assert codes == [ExitCode.OK]


def test_how_it_is_doing_is_told_once_for_each_change(manager: Callable[[], list[str]]) -> None:
    states = iter(["normal", "normal", "closed"])
    asked = threading.Event()

    def status() -> str:
        state = next(states, None)
        if state is None:
            asked.set()
        return state or "closed"

    supervisor = Supervisor("controller", FakeClock(), status=status)
    supervisor.add("inputs", obedient)
    thread, _ = run_apart(supervisor)
    while not asked.is_set():
        supervisor._wake.set()  # the second that it would wait
    supervisor.request_stop()
    finish(thread)
    told = [line for line in manager() if line.startswith("STATUS=")]
    assert told == ["STATUS=normal", "STATUS=closed"]


def test_a_worker_that_does_not_end_is_named_and_left_behind(
    manager: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    clock, release = FakeClock(), threading.Event()
    supervisor = Supervisor("controller", clock)

    def passes_the_time(stop: threading.Event, beat: Callable[[], None]) -> None:
        stop.wait(10.0)
        while "STOPPING=1" not in manager():
            beat()
        release.wait(0.05)
        clock.advance(60.0)  # nobody waits for the real five seconds

    def stuck(stop: threading.Event, beat: Callable[[], None]) -> None:
        release.wait(20.0)

    supervisor.add("inputs", passes_the_time)
    supervisor.add("camera", stuck)
    thread, codes = run_apart(supervisor)
    supervisor.request_stop()
    finish(thread)
    release.set()
    assert codes == [ExitCode.INTERNAL]
    assert "did not end in 5 s: camera" in caplog.text


# --- sd_notify -----------------------------------------------------------------------------------


def test_nobody_is_told_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not sd_notify("READY=1")


def test_a_service_manager_that_cannot_be_reached_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent/notify")
    assert not sd_notify("READY=1")
    assert "cannot reach the service manager" in caplog.text


def test_an_abstract_address_begins_with_an_at_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"gated-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert sd_notify("STATUS=well", "READY=1")
        assert listener.recv(4_096) == b"STATUS=well\nREADY=1"
