"""How many gates one collector carries: N simulated gates, the real broker, the real collector.

    python -m benchmarks.fleet --gates 1000 --rate 500 [--seconds 30] [--store sqlite|postgres]
                               [--ingesters K] [--outage S] [--of collector|broker] [--json]

Each gate is an MQTT session of its own with its own chain of records; it keeps a record until the
collector's own ack, tells its state and its uses of passes, and sends again as the uplink does.
Rates are of all gates together, two records a visit. At the end the store is compared with what was
recorded: exit code 1 if a record is lost, doubled or different. Read the CPU figures first: gates,
broker and collector share this machine.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from benchmarks.figures import Spread, print_figures, surroundings
from benchmarks.swarm.centre import Centre, running_centre
from benchmarks.swarm.gate import CLOCK, Recorded
from benchmarks.swarm.publishers import PASSAGE_AFTER_S, Begin, End, Mark, Order, Report, start
from gated.simulation.broker import HOST
from gated.units import MonoSeconds

PROGRESS_EVERY_S = 3.0
POLL_S = 0.05
CONNECT_S = 300.0
END_S = 60.0
RECORDS_A_VISIT = 2
SPARE_DESCRIPTORS = 100


class Fleet:
    """The gates, in their processes, and what they have told so far."""

    def __init__(self, centre: Centre, gates: int, publishers: int, seed: int) -> None:
        self._centre = centre
        address = (HOST, centre.broker.port)
        bounds = [gates * n // publishers for n in range(publishers + 1)]
        self._pipes = [start(range(first, end), address, seed) for first, end in pairwise(bounds)]
        self._newest: dict[Pipe, Report] = {}
        self._began_s = self._told_at = CLOCK.monotonic_s()
        self._told: Counter[str] = Counter()
        self._told_cpu_s = 0.0
        self.counts: Counter[str] = Counter()
        self.latencies_ms: list[float] = []

    def order(self, order: Order) -> None:
        for pipe in self._pipes:
            pipe.send(order)

    def listen(self) -> None:
        """Take what the gates have told, and print how far it is now and then."""
        for pipe in self._pipes:
            while pipe.poll():
                report = pipe.recv()
                self._newest[pipe] = report
                self.counts += report.counts
                self.latencies_ms += report.latencies_ms
        now = CLOCK.monotonic_s()
        if now - self._told_at >= PROGRESS_EVERY_S:
            self._progress(now)

    @property
    def connected(self) -> int:
        return sum(report.connected for report in self._newest.values())

    @property
    def held(self) -> int:
        return sum(report.held for report in self._newest.values())

    @property
    def marked(self) -> int:
        return sum(report.marked for report in self._newest.values())

    def _progress(self, now: MonoSeconds) -> None:
        over_s = now - self._told_at
        cpu_s = self._centre.collector_cpu_s()
        made, acked = (
            (self.counts[name] - self._told[name]) / over_s for name in ("made", "acked")
        )
        print(
            f"{now - self._began_s:5.0f} s  {self.connected:6,} gates  made {made:7,.0f}/s  "
            f"acked {acked:7,.0f}/s  held {self.held:8,}  "
            f"collector {(cpu_s - self._told_cpu_s) / over_s:4.0%} of a core",
            file=sys.stderr,
            flush=True,
        )
        self._told, self._told_at, self._told_cpu_s = self.counts.copy(), now, cpu_s

    def wait(self, is_so: Callable[[], bool], within_s: float) -> float | None:
        """Listen until ``is_so``; return after how many seconds, or None: it did not come true."""
        pause = threading.Event()
        began_s = CLOCK.monotonic_s()
        while not is_so():
            if CLOCK.monotonic_s() - began_s > within_s:
                return None
            pause.wait(POLL_S)
            self.listen()
        return CLOCK.monotonic_s() - began_s

    def run_for(self, seconds: float) -> None:
        """Listen for ``seconds``."""
        until = CLOCK.monotonic_s() + seconds
        self.wait(lambda: CLOCK.monotonic_s() >= until, seconds + END_S)

    def end(self) -> list[Recorded]:
        """Stop all gates; return what each recorded."""
        self.order(End())
        recorded: list[Recorded] = []
        for pipe in self._pipes:
            said = pipe.recv()
            while isinstance(said, Report):
                said = pipe.recv()
            recorded += said
        return recorded


@dataclass
class Used:
    """CPU time used by each part since it was made."""

    centre: Centre
    _before: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._before = self._now()

    def _now(self) -> tuple[float, ...]:
        centre = self.centre
        return (centre.collector_cpu_s(), centre.server_cpu_s(), centre.broker_cpu_s())

    def us_each(self, count: int) -> tuple[float, ...]:
        """Return the µs of collector, database server and broker for each of ``count``."""
        pairs = zip(self._now(), self._before, strict=True)
        return tuple(round((now - before) / max(1, count) * 1e6, 1) for now, before in pairs)


def measure(args: argparse.Namespace, centre: Centre) -> dict[str, object]:
    """Return the figures of one run."""
    centre.start_collectors()
    fleet = Fleet(centre, args.gates, args.publishers, args.seed)
    used = Used(centre)
    connected_s = fleet.wait(lambda: fleet.connected == args.gates, CONNECT_S)
    known_s = fleet.wait(lambda: fleet.counts["known"] == args.gates, CONNECT_S)
    if connected_s is None or known_s is None:
        raise SystemExit(f"{fleet.connected} connected, {fleet.counts['known']} acknowledged")
    found: dict[str, object] = {
        "gates.connected": fleet.connected,
        "gates.all_connected_s": round(connected_s, 1),
        "gates.all_births_acked_s": round(connected_s + known_s, 1),
        "gates.collector_cpu_us_a_birth": used.us_each(args.gates)[0],
    }
    fleet.latencies_ms.clear()
    before, used = fleet.counts.copy(), Used(centre)
    fleet.order(Begin(args.rate / RECORDS_A_VISIT / args.publishers, args.seconds))
    if args.outage:
        fleet.run_for(args.seconds / 3)
        steady = Spread.of(fleet.latencies_ms or [0.0])
        found |= go_through_outage(args, centre, fleet)
        fleet.run_for(max(0.0, args.seconds * 2 / 3 - args.outage))
    else:
        fleet.run_for(args.seconds)
        steady = Spread.of(fleet.latencies_ms or [0.0])
    during = fleet.counts - before
    page_ms = centre.gates_page_ms()
    ended_s = CLOCK.monotonic_s()
    fleet.run_for(2 * PASSAGE_AFTER_S)  # the last visitors walk on
    is_drained = fleet.wait(lambda: fleet.held == 0, args.patience) is not None
    drained_s = CLOCK.monotonic_s() - ended_s
    after = fleet.counts - before
    collector_us, server_us, broker_us = used.us_each(after["acked"])
    recorded = fleet.end()
    memory_mb = centre.collector_mb()
    centre.end_collectors()
    verdict = centre.compare(recorded)
    return found | {
        "records.made_per_s": round(during["made"] / args.seconds, 1),
        "records.acked_per_s": round(during["acked"] / args.seconds, 1),
        "records.behind_at_the_end": during["made"] - during["acked"],
        "records.all_acked_after_s": round(drained_s, 1) if is_drained else None,
        "records.sent_again": after["sent again"],
        "latency_ms.publish_to_ack": steady,
        "acks_a_record": round(after["acks"] / max(1, after["acked"]), 2),
        "states_a_record": round(after["states"] / max(1, after["acked"]), 2),
        "cpu_us_a_record.collector": collector_us,
        "cpu_us_a_record.database_server": server_us,
        "cpu_us_a_record.broker": broker_us,
        "memory_mb.largest_collector": round(memory_mb, 1),
        "page.all_gates_ms": round(page_ms),
        **{f"store.{name}": value for name, value in asdict(verdict).items()},
        "store.bytes_a_record": round(centre.bytes_stored() / max(1, verdict.stored)),
        "store.gaps_finds_something": centre.is_anything_missing(),
    }


def go_through_outage(args: argparse.Namespace, centre: Centre, fleet: Fleet) -> dict[str, object]:
    """Kill collector or broker for a while; return what was held and how fast it was taken."""
    if args.of == "broker":
        centre.broker.kill()
    else:
        centre.kill_collectors()
    fleet.run_for(args.outage)
    fleet.order(Mark())
    before = fleet.counts["acked"]
    held = fleet.held
    if args.of == "broker":
        centre.broker.start()
    else:
        centre.start_collectors()
    fleet.run_for(2.0)  # until each process has counted what was marked
    drained_s = fleet.wait(lambda: fleet.marked == 0, args.patience)
    acked = fleet.counts["acked"] - before
    return {
        "outage.held": held,
        "outage.drained_after_s": None if drained_s is None else round(2.0 + drained_s, 1),
        "outage.acked_meanwhile": acked,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--gates", type=int, default=100, help="how many gates (default: %(default)s)")
    add(
        "--rate",
        type=float,
        default=50.0,
        help="records a second of all gates together, two a visit (default: %(default)s)",
    )
    add("--seconds", type=float, default=30.0, help="how long people come (default: %(default)s)")
    add("--store", choices=("sqlite", "postgres"), default="sqlite", help="(default: %(default)s)")
    add(
        "--ingesters",
        type=int,
        default=1,
        help="collector processes; more than one need --store postgres (default: %(default)s)",
    )
    add("--outage", type=float, default=0.0, help="kill --of for so many seconds after a third")
    add("--of", choices=("collector", "broker"), default="collector", help="(default: %(default)s)")
    add(
        "--publishers",
        type=int,
        default=1,
        help="processes that the gates are dealt to (default: %(default)s)",
    )
    add("--patience", type=float, default=300.0, help="most seconds to wait for the last acks")
    add("--seed", type=int, default=1, help="of everything random (default: %(default)s)")
    add("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if args.ingesters > 1 and args.store != "postgres":
        parser.error("SQLite takes one ingester: give --store postgres")
    if not 1 <= args.publishers <= args.gates:
        parser.error("--publishers: from 1 to the number of gates")
    return args


def raise_descriptor_limit(wanted: int) -> None:
    """Let this process and those that it starts hold a socket for each gate."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise SystemExit(f"{wanted} open files are needed, {hard} are allowed: ulimit -Hn")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    args = parse()
    raise_descriptor_limit(args.gates + SPARE_DESCRIPTORS)
    with (
        tempfile.TemporaryDirectory(prefix="gated-") as place,
        running_centre(Path(place), args.store, args.ingesters) as centre,
    ):
        found = measure(args, centre)
    beside = f"{args.gates} gates in {args.publishers} process(es), mosquitto, {args.store}"
    print_figures(found, surroundings(beside), as_json=args.json)
    is_whole = not any(
        found[f"store.{name}"] for name in ("lost", "duplicated", "chains_that_differ")
    )
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
