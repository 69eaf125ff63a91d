"""Memory and idle CPU of one gate's processes: controller with its relay guard, scanner, uplink.

    python benchmarks/footprint.py [--visits N] [--idle-s S] [--json]

Memory is the proportional set size after some visits have been made and delivered. Collector and
stage map some of the same libraries, which flatters the processes here; so the sum is also given as
if the gate were alone: all memory of its own, and each file's pages once.
CPU is counted while nobody is there and the camera delivers ten frames a second.

Marks: together at most 180 MB, at most 5 % of one core. ``gated run``, in whose place a Pi has
systemd, stands beside and is not in the sums.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import print_figures, surroundings
from benchmarks.figures.processes import cpu_s, pss_mb
from gated.simulation.broker import DemoBroker, free_port
from tests.gate_processes import CLOCK, running_centre
from tests.gate_rig import StagedGate, staged_gate

MARK_MB = 180.0
MARK_PERCENT = 5.0
PROCESSES = ("controller", "relay_guard", "scanner", "uplink")
SETTLES_S = 3.0


def alone_mb(pids: Iterable[int]) -> float:
    """Return the memory of ``pids`` together as if nobody else mapped their files."""
    own_kb = 0
    of_file_kb: Counter[str] = Counter()
    for pid in pids:
        resident_kb: Counter[str] = Counter()
        file = ""
        for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
            words = line.split()
            if not words[0].endswith(":"):
                file = words[-1] if words[-1].startswith("/") else ""
            elif words[0] == "Rss:":
                resident_kb[file] += int(words[1])
            elif words[0] == "Anonymous:":
                own_kb += int(words[1])
                resident_kb[file] -= int(words[1])
        of_file_kb |= resident_kb  # the larger of the two, for each file
    return (own_kb + of_file_kb.total()) / 1_024


def running(gate: StagedGate) -> dict[str, int]:
    assert gate.process is not None
    pids = {name: gate.pid(name) for name in PROCESSES}
    found = {name: pid for name, pid in pids.items() if pid is not None}
    assert len(found) == len(PROCESSES), f"not all run: {pids}"
    return {**found, "gated run (beside)": gate.process.pid}


def idle_percent(pids: Mapping[str, int], idle_s: float) -> dict[str, float]:
    """Return each process's CPU over ``idle_s``, in % of one core."""
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    started_s = CLOCK.monotonic_s()
    threading.Event().wait(idle_s)
    took_s = CLOCK.monotonic_s() - started_s
    return {name: (cpu_s(pid) - before[name]) / took_s * 100 for name, pid in pids.items()}


@dataclass(frozen=True, slots=True)
class Footprint:
    """By process, and the gate's sum as if it were alone."""

    pss_mb: dict[str, float]
    idle_percent: dict[str, float]
    alone_mb: float


def measure(visits: int, idle_s: float) -> Footprint:
    with tempfile.TemporaryDirectory(prefix="gated-") as name:
        folder = Path(name)
        with (
            DemoBroker(free_port(), folder) as broker,
            running_centre(folder, broker.url),
            staged_gate(folder / "g", broker=broker.url, changes={'"DAA"': '"DCI"'}) as gate,
        ):
            gate.start()
            for _ in range(visits):
                gate.let_one_pass()
            gate.wait_delivered()
            threading.Event().wait(SETTLES_S)
            pids = running(gate)
            cpu = idle_percent(pids, idle_s)
            memory = {name: pss_mb(pid) for name, pid in pids.items()}
            alone = alone_mb(pids[name] for name in PROCESSES)
            assert gate.stop() == 0
    return Footprint(memory, cpu, alone)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, default=10)
    parser.add_argument("--idle-s", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measure(args.visits, args.idle_s)
    pss = round(sum(found.pss_mb[name] for name in PROCESSES), 1)
    alone = round(found.alone_mb, 1)
    percent = round(sum(found.idle_percent[name] for name in PROCESSES), 2)
    rows: dict[str, object]
    if args.json:
        rows = {
            name: {"pss_mb": round(mb, 1), "idle_percent": round(found.idle_percent[name], 2)}
            for name, mb in found.pss_mb.items()
        }
        rows |= {"footprint.pss_mb": pss, "footprint.alone_mb": alone}
        rows |= {"footprint.idle_percent": percent}
    else:
        rows = {
            name: f"{mb:7.1f} MB {found.idle_percent[name]:6.2f} %"
            for name, mb in found.pss_mb.items()
        }
        rows["footprint.pss_mb"] = f"{pss} (mark: at most {MARK_MB:g})"
        rows["footprint.alone_mb"] = f"{alone} (same mark)"
        rows["footprint.idle_percent"] = f"{percent} (mark: at most {MARK_PERCENT:g})"
    beside = "the stage with its camera at 10 Hz, iotcore, a collector"
    print_figures(rows, surroundings(beside), as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
