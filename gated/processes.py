"""Child processes kept running, where no systemd does it: for ``gated run`` and ``gated demo``.

A child says READY and WATCHDOG over sd_notify(3), as it does to systemd. One that dies is started
again after a pause that grows; one that stops beating is killed first. Exit 78 (configuration) is
final: starting again would not mend the file.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gated.clock import Clock
from gated.errors import ExitCode
from gated.signals import heed_signals
from gated.supervisor import PARENT_VARIABLE

log = logging.getLogger(__name__)

POLL_S = 0.2
WATCHDOG_S = 10.0
START_S = 60.0
"""How long a child may take to its READY, from when on the watchdog counts, as with systemd."""
RESTART_FIRST_S = 1.0
RESTART_MAX_S = 30.0
STEADY_AFTER_S = 60.0
"""A child that ran this long starts again with the shortest pause."""
STOP_WITHIN_S = 8.0
TAKES_RELOAD = frozenset({"controller"})
"""All live keys are the controller's, whatever their section."""


@dataclass
class Child:
    """One command and its process."""

    name: str
    arguments: tuple[str, ...]  # of gated
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    is_ready: bool = False
    beat_s: float = 0.0
    started_s: float = 0.0
    restart_at_s: float = 0.0
    pause_s: float = RESTART_FIRST_S
    starts: int = 0
    is_unplugged: bool = False


class Children:
    """Starts, watches and stops a fixed set of children. Used by one thread.

    Args:
        clock: for pauses and watchdogs.
        environment: added to this process's own.
        command: what a child's arguments are put after.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        environment: dict[str, str] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "gated"),
    ) -> None:
        self._clock = clock
        self._command = tuple(command)
        self._environment = {**os.environ, **(environment or {})}
        self._folder = tempfile.TemporaryDirectory(prefix="gated-")
        self._children: list[Child] = []
        self._notify: dict[str, socket.socket] = {}

    def add(self, name: str, *arguments: str) -> None:
        """Register ``gated ARGUMENTS`` as a child. It starts with the next ``poll``."""
        self._children.append(Child(name, arguments))
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        notify.bind(str(self._socket_path(name)))
        notify.setblocking(False)
        self._notify[name] = notify

    def wait_ready(self, within_s: float, *, stop: threading.Event | None = None) -> bool:
        """Start what is not running and return whether every child said READY in time."""
        deadline_s = self._clock.monotonic_s() + within_s
        pause = stop if stop is not None else threading.Event()
        while self._clock.monotonic_s() < deadline_s and not pause.is_set():
            if self.poll() is not None:
                return False
            if all(child.process is not None and child.is_ready for child in self._children):
                return True
            pause.wait(POLL_S)
        return False

    def poll(self) -> ExitCode | None:
        """Start, restart or kill what needs it. Return CONFIG when a child cannot ever run."""
        now_s = self._clock.monotonic_s()
        for child in self._children:
            self._hear(child, now_s)
            if child.process is None:
                if now_s >= child.restart_at_s and not child.is_unplugged:
                    self._start(child, now_s)
                continue
            code = child.process.poll()
            if code == ExitCode.CONFIG:
                return ExitCode.CONFIG
            if code is not None:
                self._died(child, code, now_s)
            elif now_s - child.beat_s > (limit_s := WATCHDOG_S if child.is_ready else START_S):
                log.error("%s: no sign of life for %g s, killed", child.name, limit_s)
                child.process.kill()
        return None

    def run(self, stop: threading.Event, reload: threading.Event) -> int:
        """Keep every child running until ``stop``; return the exit code. Heeds ``reload``."""
        while not stop.is_set():
            if reload.is_set():
                reload.clear()
                self.reload()
            code = self.poll()
            if code is not None:
                return int(code)
            stop.wait(POLL_S)
        return int(ExitCode.OK)

    def reload(self) -> None:
        """Tell the children that take a reload to read their file again: the others would die."""
        for child in self._children:
            if child.name in TAKES_RELOAD and child.process is not None:
                child.process.send_signal(signal.SIGHUP)

    def process_id(self, name: str) -> int | None:
        """Return the process id of a running child."""
        process = next((child.process for child in self._children if child.name == name), None)
        return None if process is None else process.pid

    def is_ready(self, name: str) -> bool:
        """Return whether this child runs and has said READY."""
        child = self._named(name)
        return child.process is not None and child.is_ready

    def unplug(self, name: str) -> None:
        """Kill this child, as a power cut would, and leave it dead until ``plug_in``."""
        child = self._named(name)
        child.is_unplugged = True
        if child.process is not None:
            child.process.kill()
            child.process.wait()
            child.process, child.is_ready = None, False

    def plug_in(self, name: str) -> None:
        """Let this child, if it was unplugged, start with the next ``poll``."""
        child = self._named(name)
        if child.is_unplugged:
            child.is_unplugged = False
            child.restart_at_s, child.pause_s = 0.0, RESTART_FIRST_S

    def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """End every child, the last started first; kill what does not end in time."""
        for child in reversed(self._children):
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline_s = self._clock.monotonic_s() + within_s
        for child in reversed(self._children):
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, deadline_s - self._clock.monotonic_s()))
            except subprocess.TimeoutExpired:
                log.error("%s did not end in %g s, killed", child.name, within_s)
                child.process.kill()
                child.process.wait()
            child.process = None
        for notify in self._notify.values():
            notify.close()
        self._folder.cleanup()

    def _named(self, name: str) -> Child:
        return next(child for child in self._children if child.name == name)

    def _socket_path(self, name: str) -> Path:
        return Path(self._folder.name) / f"{name}.notify"

    def _start(self, child: Child, now_s: float) -> None:
        environment = {
            **self._environment,
            "NOTIFY_SOCKET": str(self._socket_path(child.name)),
            PARENT_VARIABLE: str(os.getpid()),
        }
        child.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*self._command, *child.arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; we end them in order
        )
        child.is_ready = False
        child.started_s = child.beat_s = now_s
        child.starts += 1

    def _hear(self, child: Child, now_s: float) -> None:
        while True:
            try:
                lines = self._notify[child.name].recv(4_096).decode(errors="replace").split("\n")
            except BlockingIOError:
                return
            child.beat_s = now_s
            child.is_ready = child.is_ready or "READY=1" in lines

    def _died(self, child: Child, code: int, now_s: float) -> None:
        if now_s - child.started_s >= STEADY_AFTER_S:
            child.pause_s = RESTART_FIRST_S
        log.error("%s ended with %d; again in %g s", child.name, code, child.pause_s)
        child.process, child.is_ready = None, False
        child.restart_at_s = now_s + child.pause_s
        child.pause_s = min(2 * child.pause_s, RESTART_MAX_S)


def on_signals(stop: threading.Event, reload: threading.Event | None = None) -> None:
    """Let SIGTERM and SIGINT set ``stop``, and SIGHUP ``reload``. For the main thread."""
    actions = {signal.SIGTERM: stop.set, signal.SIGINT: stop.set}
    if reload is not None:
        actions[signal.SIGHUP] = reload.set
    heed_signals(actions)


def gate_children(children: Children, config: Path, stage: Path | None) -> None:
    """Register the gate's three processes. ``stage``: the folder of a simulation, if any."""
    common = ("--config", str(config))
    on_stage = () if stage is None else ("--stage", str(stage))
    children.add("controller", "controller", *common, *on_stage)
    children.add("scanner", "scanner", *common, *on_stage)
    children.add("uplink", "uplink", *common)
