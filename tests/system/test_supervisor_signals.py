"""Signals to a supervised process, and the loss of whoever started it: real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gated.errors import ExitCode
from gated.supervisor import PARENT_VARIABLE

SIGNALLED = """
import threading
from gated.clock import SystemClock
from gated.supervisor import Supervisor

def work(stop, beat):
    while not stop.wait(0.02):
        beat()

supervisor = Supervisor("test", SystemClock(), on_reload=lambda: print("reloaded", flush=True))
supervisor.add("worker", work)
print("started", flush=True)
raise SystemExit(supervisor.run())
"""


class Process:
    """The supervisor in a process of its own, with a service manager that listens."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.bind(str(folder / "notify"))
        self._listener.settimeout(20.0)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SIGNALLED],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), **environment},
            text=True,
        )

    def heard(self) -> str:
        return self._listener.recv(4_096).decode()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._listener.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:
        processes = list[Process]()

        def start_one(**environment: str) -> Process:
            processes.append(Process(Path(folder), **environment))
            return processes[-1]

        yield start_one
        for process in processes:
            process.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_order(
    number: signal.Signals, start: Callable[..., Process]
) -> None:
    running = start()
    assert running.heard() == "READY=1"
    running.process.send_signal(number)
    assert running.process.wait(20) == ExitCode.OK


def test_sighup_reloads_and_nothing_ends(start: Callable[..., Process]) -> None:
    running = start()
    assert running.heard() == "READY=1"
    assert running.line() == "started"
    for _ in range(2):
        running.process.send_signal(signal.SIGHUP)
        assert running.line() == "reloaded"
    assert running.process.poll() is None


def test_sigusr1_shows_what_every_thread_does(start: Callable[..., Process]) -> None:
    running = start()
    assert running.heard() == "READY=1"
    running.process.send_signal(signal.SIGUSR1)
    assert running.heard() == "WATCHDOG=1"
    running.process.send_signal(signal.SIGTERM)
    _, shown = running.process.communicate(timeout=20)
    assert "in work" in shown
    assert "in run" in shown


def test_a_process_whose_starter_has_gone_ends(start: Callable[..., Process]) -> None:
    running = start(**{PARENT_VARIABLE: "1"})  # which is not who started it
    assert running.process.wait(20) == ExitCode.OK
