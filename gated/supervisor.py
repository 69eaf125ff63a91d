"""A process's threads: made in one place, named, watched, stopped in two phases.

The one broad ``except`` of the code base stands here: a worker that dies of something unexpected
is logged with its traceback and takes the process down with exit 70, so that the service manager
sees it and starts afresh from a known state. A worker that stops beating stops the watchdog.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from gated.clock import Clock
from gated.errors import ExitCode, GatedError
from gated.signals import heed_signals

log = logging.getLogger(__name__)

HEARTBEAT_STALE_S = 5.0
"""A worker beats at least once a second; five missed beats are a hang."""
STOP_GRACE_S = 5.0
"""How long all workers together may take to end after they were asked to."""

PARENT_VARIABLE = "GATED_PARENT_PID"
"""Set by ``gated run``: whoever was started by it ends when it is gone, however it went."""

Work = Callable[[threading.Event, Callable[[], None]], None]
"""``run(stop, beat)``: call ``beat`` at least once a second, return soon after ``stop`` is set."""


def sd_notify(*lines: str) -> bool:
    """Tell systemd ``lines`` (sd_notify(3)). Return False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            notify.connect(address)
            notify.sendall("\n".join(lines).encode())
    except OSError as exc:
        log.warning("cannot reach the service manager: %s", exc.strerror)
        return False
    return True


MAX_STATUS_CHARACTERS = 1_000
"""systemd drops a message of more than 4,096 bytes unread; a Chinese character takes three."""


def tell_status(text: str) -> None:
    """Let ``systemctl status`` show ``text``, in one line."""
    sd_notify(f"STATUS={' '.join(text.split())[:MAX_STATUS_CHARACTERS]}")


@dataclass
class Worker:
    """One named thread and the time of its last sign of life."""

    name: str
    work: Work
    last_beat_s: float = 0.0
    failure: ExitCode | None = None
    thread: threading.Thread | None = field(default=None, repr=False)


class Supervisor:
    """Runs a process's workers until one fails or a signal asks to stop.

    Args:
        name: the process's name, in log lines.
        clock: for heartbeats.
        on_reload: called in the main thread for SIGHUP.
        status: one line for people, which the service manager shows; asked for once a second.
        each_second: called in the main thread about once a second; it must not take seconds.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        on_reload: Callable[[], None] | None = None,
        status: Callable[[], str] | None = None,
        each_second: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._clock = clock
        self._on_reload = on_reload
        self._status = status
        self._each_second = each_second
        self._told_status = ""
        self._workers: list[Worker] = []
        self._told_stale: list[str] = []
        self._reload = threading.Event()
        self._wake = threading.Event()
        self.stop = threading.Event()

    def add(self, name: str, work: Work) -> None:
        """Register a worker. Its thread starts in ``run``."""
        self._workers.append(Worker(name, work))

    def request_stop(self) -> None:
        """Ask every worker to end. May be called from any thread."""
        self.stop.set()
        self._wake.set()

    def request_reload(self) -> None:
        """Do in the main thread what SIGHUP does. May be called from any thread."""
        self._reload.set()
        self._wake.set()

    def run(self) -> int:
        """Start every worker, watch them; return the process's exit code once all have ended."""
        if threading.current_thread() is threading.main_thread():
            self._take_signals()
        for worker in self._workers:
            self._start(worker)
        sd_notify("READY=1")
        while not self.stop.is_set():
            self._wake.wait(timeout=1.0)
            self._wake.clear()
            if self._reload.is_set() and self._on_reload is not None:
                self._reload.clear()
                self._on_reload()
            if self._each_second is not None:
                self._each_second()
            if _is_orphan():
                log.error("%s: whoever started it is gone; ending", self._name)
                self.request_stop()
            if not self._stale_workers():
                sd_notify("WATCHDOG=1")
            self._tell_status()
        sd_notify("STOPPING=1")
        return self._end()

    def _tell_status(self) -> None:
        status = self._status() if self._status is not None else ""
        if status != self._told_status:
            self._told_status = status
            tell_status(status)

    def _take_signals(self) -> None:
        actions = {signal.SIGTERM: self.request_stop, signal.SIGINT: self.request_stop}
        if self._on_reload is not None:
            actions[signal.SIGHUP] = self.request_reload
        heed_signals(actions)
        if sys.__stderr__ is not None:
            faulthandler.register(signal.SIGUSR1, all_threads=True)

    def _start(self, worker: Worker) -> None:
        worker.last_beat_s = self._clock.monotonic_s()
        worker.thread = threading.Thread(target=self._guard, args=(worker,), name=worker.name)
        worker.thread.daemon = True  # a thread stuck in a driver must not keep a dying process
        worker.thread.start()

    def _guard(self, worker: Worker) -> None:
        def beat() -> None:
            worker.last_beat_s = self._clock.monotonic_s()

        try:
            worker.work(self.stop, beat)
        except GatedError as exc:
            log.error("%s: %s cannot go on: %s", self._name, worker.name, exc)
            worker.failure = exc.exit_code
        except Exception:  # the one worker guard: log, then end the whole process
            log.exception("%s: %s died", self._name, worker.name)
            worker.failure = ExitCode.INTERNAL
        finally:
            if not self.stop.is_set() and worker.failure is None:
                log.error("%s: %s ended although nobody asked it to", self._name, worker.name)
                worker.failure = ExitCode.INTERNAL
            self.request_stop()

    def _stale_workers(self) -> list[str]:
        now_s = self._clock.monotonic_s()
        stale = [w.name for w in self._workers if now_s - w.last_beat_s > HEARTBEAT_STALE_S]
        if stale and stale != self._told_stale:
            log.error("%s: no sign of life from %s", self._name, ", ".join(stale))
        self._told_stale = stale
        return stale

    def _end(self) -> int:
        deadline_s = self._clock.monotonic_s() + STOP_GRACE_S
        for worker in self._workers:
            if worker.thread is not None:
                worker.thread.join(max(0.0, deadline_s - self._clock.monotonic_s()))
        stuck = [w.name for w in self._workers if w.thread is not None and w.thread.is_alive()]
        if stuck:
            log.error("%s: did not end in %g s: %s", self._name, STOP_GRACE_S, ", ".join(stuck))
        failures = [w.failure for w in self._workers if w.failure is not None]
        if failures:
            return int(failures[0])
        return int(ExitCode.INTERNAL if stuck else ExitCode.OK)


def _is_orphan() -> bool:
    parent = os.environ.get(PARENT_VARIABLE)
    return parent is not None and parent != str(os.getppid())
