"""The uplink under a backlog: CPU beside bare paho, memory, and what accepting feels of it.

    python benchmarks/uplink.py [--records N] [--rounds N] [--million] [--folder DIR] [--json]

- **drain**: the real ``gated uplink`` sends a backlog through mosquitto to a stand-in that acks;
  before each, a bare loop of paho's publishes from memory with the same window: the bodies alone,
  then the same packets, with the two user properties. Ratios are of neighbours.
- **accepts**: a ledger's thread records 20 visits a second; how long each takes while the uplink
  has nothing to do, and while it drains the backlog, in turn.
- **memory** (--million): the most that was resident of the uplink with one record and with a
  million, drained to the end, and of a ledger's writer beside each. Ten minutes and 2 GB of disk.

Ledgers are made in DIR once and kept; by default in a temporary folder here.
Marks stand beside the figures. Broker and stand-in share the machine with what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Spread, print_figures, surroundings
from benchmarks.figures.processes import cpu_s, peak_mb, pss_mb
from benchmarks.uplinks.stage import BROKER, StandIn, be_elsewhere, fill, uplink
from tests.brokers import Mosquitto
from tests.gate_processes import CLOCK

RECORDS = 100_000
MILLION = 1_000_000
A_SECOND = 20.0
PATIENCE_S = 1_800.0
SETTLES_S = 3.0
ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def broker() -> Iterator[int]:
    """Run a mosquitto of its own; give its port."""
    with tempfile.TemporaryDirectory() as name:
        mosquitto = Mosquitto(Path(name), options=BROKER)
        mosquitto.start()
        be_elsewhere(mosquitto.pid)
        try:
            yield mosquitto.port
        finally:
            mosquitto.stop()


def worker(*words: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.uplinks.workers", *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


# --- drain ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drain:
    """One round: bare paho twice, then the uplink."""

    paho_cpu_us: float
    paho_per_s: float
    packets_cpu_us: float  # bare paho with the uplink's user properties
    cpu_us: float
    per_s: float  # from the CONNACK on
    first_live_s: float

    @property
    def cpu_ratio(self) -> float:
        return self.paho_cpu_us / self.cpu_us

    @property
    def packets_ratio(self) -> float:
        return self.packets_cpu_us / self.cpu_us

    @property
    def wall_ratio(self) -> float:
        return self.per_s / self.paho_per_s


def publish_bare(folder: Path, records: int, what: str) -> dict[str, float]:
    with broker() as port, StandIn(port, folder, records) as collector:
        bare = worker("paho", folder, port, records, what)
        told: dict[str, float] = json.loads(bare.communicate(timeout=PATIENCE_S)[0])
        collector.wait(PATIENCE_S)
    return told


def drain_once(folder: Path, records: int) -> Drain:
    bare = {what: publish_bare(folder, records, what) for what in ("bodies", "packets")}
    with (
        broker() as port,
        StandIn(port, folder, records) as collector,
        uplink(folder, port) as process,
    ):
        before_s = cpu_s(process.pid)
        collector.wait(PATIENCE_S)
        took_cpu_s = cpu_s(process.pid) - before_s
        took_s = collector.done_at - process.connected_at
        live_s = collector.live_at - process.connected_at
        assert collector.upto == collector.received == records, "not each once, in order"
    return Drain(
        bare["bodies"]["cpu_s"] / records * 1e6,
        records / bare["bodies"]["wall_s"],
        bare["packets"]["cpu_s"] / records * 1e6,
        took_cpu_s / records * 1e6,
        records / took_s,
        live_s,
    )


def measure_drains(folder: Path, records: int, rounds: int) -> dict[str, object]:
    drains = [drain_once(folder, records) for _ in range(rounds)]

    def median(name: str) -> float:
        return round(statistics.median(float(getattr(drain, name)) for drain in drains), 2)

    return {
        "drain.paho_bodies_cpu_us": median("paho_cpu_us"),
        "drain.paho_packets_cpu_us": median("packets_cpu_us"),
        "drain.cpu_us": median("cpu_us"),
        "drain.cpu_ratio": median("cpu_ratio"),
        "drain.cpu_ratio_same_packets": median("packets_ratio"),
        "drain.wall_ratio": median("wall_ratio"),
        "drain.paho_records_per_s": median("paho_per_s"),
        "drain.records_per_s": median("per_s"),
        "drain.first_live_s": round(max(drain.first_live_s for drain in drains), 3),
    }


Span = tuple[float, float]

# --- accepts --------------------------------------------------------------------------------------


def measure_accepts(folder: Path, records: int, rounds: int, idle_s: float) -> dict[str, object]:
    """Return how long accepting takes beside an idle uplink and beside one that drains.

    And how long a bare append and fdatasync takes, at the same pace, on the same disk, meanwhile.
    """
    idle: list[Span] = []
    draining: list[Span] = []
    workers = {what: worker(what, folder, A_SECOND) for what in ("records", "appends")}
    for each in workers.values():
        assert each.stdout is not None
        assert each.stdout.readline() == b"ready\n"
    for _ in range(rounds):
        with (
            broker() as port,
            StandIn(port, folder, records) as collector,
            uplink(folder, port) as process,
        ):
            collector.wait(PATIENCE_S)
            draining.append((process.connected_at, collector.done_at))
            threading.Event().wait(SETTLES_S)
            began_at = CLOCK.monotonic_s()
            threading.Event().wait(idle_s)
            idle.append((began_at, CLOCK.monotonic_s()))
    found: dict[str, object] = {}
    for what, name in (("records", "accepts."), ("appends", "accepts.bare_")):
        took = json.loads(workers[what].communicate(timeout=PATIENCE_S)[0])["took"]
        at_rest, busy = spread_within(took, idle), spread_within(took, draining)
        found[f"{name}idle_ms"], found[f"{name}draining_ms"] = at_rest, busy
        found[f"{name}p99_ratio"] = round(busy.p99 / at_rest.p99, 2)
    return found


def spread_within(took: Iterable[Span], spans: Sequence[Span]) -> Spread:
    """Return the spread of those of ``took``, (begin, ms), that began within one of ``spans``."""
    return Spread.of([ms for at, ms in took if any(begin <= at < end for begin, end in spans)])


# --- memory ---------------------------------------------------------------------------------------


def measure_memory(folder: Path, count: int) -> dict[str, float]:
    """Return MB of the uplink after it has drained ``count`` records, and of a ledger's writer."""
    with (
        broker() as port,
        StandIn(port, folder, count) as collector,
        uplink(folder, port) as process,
    ):
        collector.wait(PATIENCE_S)
        threading.Event().wait(SETTLES_S)
        found = {"uplink_peak_mb": peak_mb(process.pid), "uplink_pss_mb": pss_mb(process.pid)}
    recorder = worker("records", folder, A_SECOND)
    assert recorder.stdout is not None
    assert recorder.stdout.readline() == b"ready\n"
    threading.Event().wait(SETTLES_S)
    found["writer_peak_mb"] = peak_mb(recorder.pid)
    recorder.communicate(timeout=PATIENCE_S)
    return found


def compare_memory(folder: Path) -> dict[str, object]:
    rows: dict[str, object] = {}
    grown: dict[str, float] = {}
    for count in (1, MILLION):
        fill(folder / str(count), count)
        found = measure_memory(folder / str(count), count)
        for name, mb in found.items():
            rows[f"memory.{count}.{name}"] = round(mb, 1)
            grown[name] = round(mb - grown.get(name, 0.0), 1)
    rows |= {f"memory.grown.{name}": mb for name, mb in grown.items()}
    return rows


MARKS = {
    "drain.cpu_ratio": "at least 0.85",
    "drain.cpu_ratio_same_packets": "the same",
    "drain.records_per_s": "at least 1000",
    "drain.first_live_s": "at most 2",
    "accepts.p99_ratio": "at most 2",
    "memory.grown.uplink_peak_mb": "within 5",
    "memory.grown.uplink_pss_mb": "within 5",
    "memory.grown.writer_peak_mb": "within 5",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle-s", type=float, default=15.0)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the ledgers are made once, and kept")
    parser.add_argument("--only", choices=("drain", "accepts", "memory"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows: dict[str, object] = {}
    with contextlib.ExitStack() as stack:
        folder = args.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir=Path.cwd()))
        )
        folder = folder.resolve()
        if args.only in (None, "drain"):
            backlog = folder / str(args.records)
            fill(backlog, args.records)
            rows |= measure_drains(backlog, args.records, args.rounds)
        if args.only in (None, "accepts"):
            backlog = folder / f"accepts-{args.records}"  # it grows
            fill(backlog, args.records)
            rows |= measure_accepts(backlog, args.records, args.rounds, args.idle_s)
        if args.million or args.only == "memory":
            rows |= compare_memory(folder)
    if not args.json:
        rows = {
            name: f"{value} (mark: {MARKS[name]})" if name in MARKS else value
            for name, value in rows.items()
        }
    print_figures(rows, surroundings("mosquitto, the stand-in collector"), as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
