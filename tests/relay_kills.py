"""Controllers and relay guards, killed and stopped at random moments, and what the line did.

Each round is a real controller's actuator worker with a real guard, both processes of their own.
The observer is at the line's other end and its clock is the only one that counts. The controllers
are forked from one process that has loaded everything: what is random is when they die, not how
long Python takes to start.
"""

from __future__ import annotations

import contextlib
import enum
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from gated.simulation.stage import OUTPUTS_SOCKET, LineChanged, StageOutputs
from tests.relay_wire import children_of

LONG_S = 5.0
"""A pulse that no fall can be mistaken for: the guard allows none longer."""
SHORT_S = 0.3
RISES_WITHIN_S = 30.0
FALLS_WITHIN_S = 4.0  # less than LONG_S: so the fall is not the pulse's own end
GONE_WITHIN_S = 20.0


class Harm(enum.Enum):
    """What is done to whom."""

    KILL_CONTROLLER = "controller killed"
    END_CONTROLLER = "controller terminated"
    STARTING_CONTROLLER = "controller killed while it starts"
    STOP_CONTROLLER = "controller hangs"
    KILL_GUARD = "guard killed"
    END_GUARD = "guard terminated"
    STOP_GUARD = "guard hangs"

    @property
    def signal(self) -> signal.Signals:
        if self in HANGS:
            return signal.SIGSTOP
        return signal.SIGTERM if self in {Harm.END_CONTROLLER, Harm.END_GUARD} else signal.SIGKILL

    @property
    def hits_guard(self) -> bool:
        return self in {Harm.KILL_GUARD, Harm.END_GUARD, Harm.STOP_GUARD}


HANGS = frozenset({Harm.STOP_CONTROLLER, Harm.STOP_GUARD})
SHARES = {
    Harm.KILL_CONTROLLER: 30,
    Harm.END_CONTROLLER: 10,
    Harm.STARTING_CONTROLLER: 15,
    Harm.STOP_CONTROLLER: 10,
    Harm.KILL_GUARD: 15,
    Harm.END_GUARD: 10,
    Harm.STOP_GUARD: 10,
}
"""How often each happens, in %."""


@dataclass(frozen=True, slots=True)
class Plan:
    harm: Harm
    pulse_s: float
    after_s: float  # from the rise, or (STARTING_CONTROLLER) from the start

    @classmethod
    def draw(cls, rng: random.Random) -> Plan:
        harm = rng.choices(list(SHARES), list(SHARES.values()))[0]
        if harm in HANGS:
            return cls(harm, SHORT_S, rng.uniform(0.0, SHORT_S))
        return cls(harm, LONG_S, rng.uniform(0.0, 0.2))


@dataclass(frozen=True, slots=True)
class Fall:
    """What came of one round. Both times in s; 0 where the line never rose."""

    plan: Plan
    took_s: float  # from the harm to the fall
    energised_s: float


class FarEnd(Protocol):
    """The other end of one output line, and who may take it."""

    spec: str

    def wait_for(self, *, energised: bool, within_s: float) -> float | None:
        """Return when the line got this level, in s of CLOCK_MONOTONIC; None: it did not."""


class SocketEnd:
    """The other end of a simulated line."""

    def __init__(self, stage: Path) -> None:
        self.spec = f"socket:{stage / OUTPUTS_SOCKET}"
        self._outputs = StageOutputs(stage)

    def wait_for(self, *, energised: bool, within_s: float) -> float | None:
        until_s = time.monotonic() + within_s
        while (left_s := until_s - time.monotonic()) > 0:
            change = self._outputs.read(left_s)
            at_s = time.monotonic()
            if isinstance(change, LineChanged) and change.is_energised is energised:
                return at_s
        return None

    def close(self) -> None:
        self._outputs.close()


@contextlib.contextmanager
def socket_end() -> Iterator[FarEnd]:
    with TemporaryDirectory(prefix="gated-") as folder:
        end = SocketEnd(Path(folder))
        try:
            yield end
        finally:
            end.close()


class FileEnd:
    """The other end of a real line, by a file that shows its level (gpio-sim's ``value``).

    Args:
        text: "CHIP-LABEL LINE VALUE-FILE", as GATED_TEST_GPIO has it.
    """

    LOOK_EVERY_S = 0.0005

    def __init__(self, text: str) -> None:
        label, line, value_file = text.split()
        self.spec = f"gpio:{label}:{line}:high"
        self._value_file = Path(value_file)
        self._pause = threading.Event()

    def wait_for(self, *, energised: bool, within_s: float) -> float | None:
        until_s = time.monotonic() + within_s
        while (now_s := time.monotonic()) < until_s:
            if (self._value_file.read_text(encoding="ascii").strip() == "1") is energised:
                return now_s
            self._pause.wait(self.LOOK_EVERY_S)
        return None


_CONTROLLERS = """
import os, queue, signal, sys, threading
from gated.actuators.line import AbsentLine
from gated.actuators.relay import Relay
from gated.actuators.worker import ActuatorWorker, Outputs
from gated.clock import SystemClock
from gated.messages import EnergiseRelay

def control(spec, pulse_s, leash):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(leash, os.O_WRONLY), 2)  # the guard inherits it: it ends when both are gone
    actions = queue.Queue()
    actions.put(EnergiseRelay("7f3a91c2e05b", pulse_s))
    outputs = Outputs(Relay(spec), {}, AbsentLine, AbsentLine)
    worker = ActuatorWorker(outputs, actions, SystemClock(), lambda _: None)
    worker.run(threading.Event(), lambda: None)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
for line in sys.stdin:
    spec, pulse_s, leash = line.rstrip("\\n").split("\\t")
    pid = os.fork()
    if pid == 0:
        try:
            control(spec, float(pulse_s), leash)
        finally:
            os._exit(1)
    print(pid, flush=True)
"""


class Controllers:
    """Starts controllers that pulse their relay once and then wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-E", "-s", "-c", _CONTROLLERS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, spec: str, pulse_s: float, leash: Path) -> int:
        """Return the controller's pid. The FIFO ``leash`` ends when it and its guard are gone."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with self._lock:
            process.stdin.write(f"{spec}\t{pulse_s}\t{leash}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


def play(plan: Plan, controllers: Controllers, end: FarEnd) -> Fall:
    """Play one round. Raises: AssertionError: the line did not rise, or did not fall."""
    with TemporaryDirectory(prefix="gated-") as folder:
        leash = Path(folder) / "leash"
        os.mkfifo(leash)
        reading = os.open(leash, os.O_RDONLY | os.O_NONBLOCK)
        controller = controllers.start(end.spec, plan.pulse_s, leash)
        try:
            if plan.harm is Harm.STARTING_CONTROLLER:
                return _kill_while_starting(plan, controller, end, reading)
            rose_s = end.wait_for(energised=True, within_s=RISES_WITHIN_S)
            assert rose_s is not None, f"{plan}: the line did not rise"
            victim = children_of(controller)[0] if plan.harm.hits_guard else controller
            threading.Event().wait(plan.after_s)
            harmed_s = time.monotonic()
            os.kill(victim, plan.harm.signal)
            fell_s = end.wait_for(energised=False, within_s=FALLS_WITHIN_S)
            assert fell_s is not None, f"{plan}: the line did not fall"
            return Fall(plan, max(0.0, fell_s - harmed_s), fell_s - rose_s)
        finally:
            _end(controller, reading)


def _kill_while_starting(plan: Plan, controller: int, end: FarEnd, leash: int) -> Fall:
    """Kill a controller that may or may not have opened by then; its guard sees to the rest."""
    threading.Event().wait(plan.after_s)
    harmed_s = time.monotonic()
    os.kill(controller, signal.SIGKILL)
    rose_s = None
    while not _is_over(leash):
        rose_s = rose_s or end.wait_for(energised=True, within_s=0.01)
    rose_s = rose_s or end.wait_for(energised=True, within_s=0.01)
    if rose_s is None:
        return Fall(plan, 0.0, 0.0)
    fell_s = end.wait_for(energised=False, within_s=FALLS_WITHIN_S)
    assert fell_s is not None, f"{plan}: the line did not fall"
    return Fall(plan, max(0.0, fell_s - harmed_s), fell_s - rose_s)


def _is_over(leash: int) -> bool:
    """Return whether nobody holds the leash any more. What was said on it is not wanted."""
    try:
        return os.read(leash, 65_536) == b""
    except BlockingIOError:
        return False


def _end(controller: int, leash: int) -> None:
    """End the round's processes; a guard that was stopped cannot end by itself."""
    with contextlib.suppress(ProcessLookupError):
        guards = children_of(controller)
        os.kill(controller, signal.SIGKILL)
        for guard in guards:
            os.kill(guard, signal.SIGCONT)
    until_s = time.monotonic() + GONE_WITHIN_S
    while not _is_over(leash) and time.monotonic() < until_s:
        threading.Event().wait(0.005)
    os.close(leash)


def play_all(
    rounds: int,
    *,
    seed: int,
    at_once: int,
    make_end: Callable[[], AbstractContextManager[FarEnd]] = socket_end,
) -> list[Fall]:
    """Play so many rounds, ``at_once`` of them side by side, each with a line of its own."""
    rng = random.Random(seed)
    controllers = Controllers()

    def play_one(plan: Plan) -> Fall:
        with make_end() as end:
            return play(plan, controllers, end)

    try:
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(play_one, [Plan.draw(rng) for _ in range(rounds)]))
    finally:
        controllers.close()
