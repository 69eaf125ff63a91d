"""A process full of simulated gates: one thread, one selector, as many sessions as gates."""

from __future__ import annotations

import heapq
import multiprocessing
import random
import selectors
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection as Pipe

from benchmarks.swarm.gate import CLOCK, Gate, Recorded, Tally
from gated.units import MonoSeconds

PASSAGE_AFTER_S = 2.0
"""From the decision to the end of the passage: two records a visit."""
TICK_EVERY_S = 2.0
"""Each gate is looked at this often: pings, its state, patience that ends."""
REPORT_EVERY_S = 0.5
DUE_AT_ONCE = 50
"""Then whoever has something to read is served again."""
DIAL_EVERY_S = 0.001
MAX_WAIT_S = 0.1
MAX_BEHIND_S = 1.0


@dataclass(frozen=True, slots=True)
class Begin:
    """Let people come for ``seconds``: ``visits_per_s`` at all gates of the process together."""

    visits_per_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Mark:
    """Count from now on how much of what is held now is still held."""


@dataclass(frozen=True, slots=True)
class End:
    """Say goodbye at all gates and tell what they recorded."""


Order = Begin | Mark | End


@dataclass(frozen=True, slots=True)
class Report:
    """What happened since the last one, and what is."""

    connected: int
    held: int  # records that the collector has not acknowledged
    marked: int  # of those that there were at the last ``Mark``
    counts: Counter[str]
    latencies_ms: list[float]


Said = Report | list[Recorded]


class Swarm:
    """The loop of one process."""

    def __init__(self, numbers: range, broker: tuple[str, int], seed: int, pipe: Pipe) -> None:
        self._rng = random.Random(f"{seed} {numbers.start}")
        self._tally = Tally()
        self._gates = [Gate(n, broker, self._rng, self._tally) for n in numbers]
        self._pipe = pipe
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Callable[[MonoSeconds], None]]] = []
        self._order = count()
        self._descriptors: dict[Gate, int] = {}
        self._marked: dict[Gate, int] = {}
        self._visits_per_s = 0.0
        self._visits_until = self._visit_at = 0.0
        self._is_ended = False

    def run(self) -> None:
        """Connect all gates at once, and serve them until ``End``."""
        now = CLOCK.monotonic_s()
        for n, gate in enumerate(self._gates):
            self._at(now + n * DIAL_EVERY_S, self._dialler(gate))
            self._at(now + self._rng.uniform(0, TICK_EVERY_S), self._ticker(gate))
        self._report(now)
        while not self._is_ended:
            wait_s = max(0.0, self._due[0][0] - CLOCK.monotonic_s())
            for key, _ in self._selector.select(min(wait_s, MAX_WAIT_S)):
                self._serve(key.data, CLOCK.monotonic_s())
            now = CLOCK.monotonic_s()
            for _ in range(DUE_AT_ONCE):
                if self._due[0][0] > now:
                    break
                heapq.heappop(self._due)[2](now)
            if self._pipe.poll():
                self._obey(self._pipe.recv(), now)

    def _at(self, when_s: float, what: Callable[[MonoSeconds], None]) -> None:
        heapq.heappush(self._due, (when_s, next(self._order), what))

    # --- connections ----------------------------------------------------------------------------

    def _serve(self, gate: Gate, now: MonoSeconds) -> None:
        descriptor = self._descriptors[gate]
        if not gate.serve(now):
            # At once: the descriptor is closed, and the next connection may get the same.
            self._selector.unregister(descriptor)
            del self._descriptors[gate]
            self._at(now + gate.pause_s(), self._dialler(gate))

    def _dialler(self, gate: Gate) -> Callable[[MonoSeconds], None]:
        def dial(now: MonoSeconds) -> None:
            descriptor = gate.dial()
            if descriptor is None:
                self._at(now + gate.pause_s(), dial)
                return
            self._descriptors[gate] = descriptor
            self._selector.register(descriptor, selectors.EVENT_READ, gate)
            self._serve(gate, now)  # writes CONNECT

        return dial

    def _ticker(self, gate: Gate) -> Callable[[MonoSeconds], None]:
        def tick(now: MonoSeconds) -> None:
            if gate in self._descriptors:
                self._serve(gate, now)
            self._at(now + TICK_EVERY_S, tick)

        return tick

    # --- people ---------------------------------------------------------------------------------

    def _visit(self, now: MonoSeconds) -> None:
        if now >= self._visits_until:
            return
        gate = self._rng.choice(self._gates)
        visit_id = gate.record_visit(now)
        self._at(now + PASSAGE_AFTER_S, lambda later: gate.record_passage(visit_id, later))
        self._plan_visit(now)

    def _plan_visit(self, now: MonoSeconds) -> None:
        # Who is far behind makes fewer, and the report says so, instead of a flood later.
        self._visit_at = max(self._visit_at, now - MAX_BEHIND_S)
        self._visit_at += self._rng.expovariate(self._visits_per_s)
        self._at(self._visit_at, self._visit)

    # --- orders ---------------------------------------------------------------------------------

    def _obey(self, order: Order, now: MonoSeconds) -> None:
        match order:
            case Begin():
                self._visits_per_s = order.visits_per_s
                self._visits_until = now + order.seconds
                self._plan_visit(now)
            case Mark():
                self._marked = {gate: gate.seq for gate in self._gates}
            case End():
                for gate in self._gates:
                    gate.close()
                self._pipe.send([gate.recorded() for gate in self._gates])
                self._is_ended = True

    def _report(self, now: MonoSeconds) -> None:
        report = Report(
            connected=sum(gate.is_connected for gate in self._gates),
            held=sum(len(gate.held) for gate in self._gates),
            marked=sum(gate.held_upto(seq) for gate, seq in self._marked.items()),
            counts=self._tally.counts.copy(),
            latencies_ms=self._tally.latencies_ms.copy(),
        )
        self._tally.counts.clear()
        self._tally.latencies_ms.clear()
        self._pipe.send(report)
        self._at(now + REPORT_EVERY_S, self._report)


def start(numbers: range, broker: tuple[str, int], seed: int) -> Pipe:
    """Start a process with the gates ``numbers``; return our end of its pipe."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(numbers, broker, seed, theirs), daemon=True)
    process.start()
    theirs.close()
    return ours


def _run(numbers: range, broker: tuple[str, int], seed: int, pipe: Pipe) -> None:
    Swarm(numbers, broker, seed, pipe).run()
