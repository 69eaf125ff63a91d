"""From code and temperature being there to the relay, through the real processes.

    python benchmarks/latency.py [--visits N] [--json]

In half of the visits the code comes last: its time counts from the capture of the first frame that
shows it (so the scanner's waiting for that frame and its decoding are in it). In the other half the
temperature comes last, and counts from the reading. The end is the guard's command to the relay, as
the other end of the wire sees it for codes, as the guard says itself for the controller's part.

Mark: median of (total - fsync in the same commit) at most 30 ms.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Spread, print_figures, surroundings
from gated.vocabulary import Prompt
from tests.gate_processes import CLOCK, wait_for
from tests.gate_rig import StagedGate, staged_gate

MARK_MS = 30.0
RELAY_LINE = re.compile(r"relay visit=(\w+) ready_to_relay_ms=([\d.]+) fsync_ms=([\d.]+)")


def last_relay_line(gate: StagedGate, count: int) -> tuple[float, float]:
    """Return (ready to relay, fsync) in ms of the ``count``-th opening, from the log."""
    wait_for(lambda: len(RELAY_LINE.findall(gate.log())) >= count, "the log", log=gate.log)
    _, ready_ms, fsync_ms = RELAY_LINE.findall(gate.log())[count - 1]
    return float(ready_ms), float(fsync_ms)


def pass_through(gate: StagedGate) -> None:
    """Let whoever is at the open gate through, without a look at the ledger."""
    stage, since_s = gate.stage, CLOCK.monotonic_s()
    stage.hold_up(None)
    gate.walk_through()
    wait_for(lambda: stage.has_shown(Prompt.READY, since_s), "an empty lane", log=gate.log)


def measure(visits: int) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {
        name: []
        for name in (
            "code last: frame to relay, ms",
            "  of it frame to sighting, ms",
            "  fsync in the same commit, ms",
            "  without fsync, ms",
            "  controller's part without fsync, ms",
            "temperature last: reading to relay, ms",
            "  fsync in its commit, ms",
            "  without its fsync, ms",
        )
    }
    total, sighted, fsync, rest, own, warm, warm_fsync, warm_rest = figures.values()
    with (
        tempfile.TemporaryDirectory(prefix="gated-") as folder,
        staged_gate(Path(folder) / "g", environment={"GATED_LOG": "debug"}) as gate,
    ):
        stage = gate.stage
        gate.start()
        gate.let_one_pass()
        for count in range(2, visits + 2):
            openings, since_s, code = stage.openings, CLOCK.monotonic_s(), gate.office.student()
            is_code_last = count % 2 == 0
            if is_code_last:
                stage.stand()
                wait_for(lambda at=since_s: stage.has_shown(Prompt.SHOW_CODE, at), "a question")  # type: ignore[misc]  # bound now
                stage.hold_up(code)
            else:
                stage.hold_up(code)
                wait_for(lambda at=since_s: stage.has_shown(Prompt.COME_CLOSER, at), "an answer")  # type: ignore[misc]  # bound now
                stage.stand()
            wait_for(lambda n=openings: stage.openings > n, "the relay", log=gate.log)  # type: ignore[misc]  # bound now
            opened_s = stage.opened_at_s()
            ready_ms, fsync_ms = last_relay_line(gate, count)
            if is_code_last:
                shown, taken_s = stage.first_frame()
                assert shown == code
                total.append((opened_s - taken_s) * 1_000)
                sighted.append(total[-1] - ready_ms)
                fsync.append(fsync_ms)
                rest.append(total[-1] - fsync_ms)
                own.append(ready_ms - fsync_ms)
            else:
                warm.append(ready_ms)
                warm_fsync.append(fsync_ms)
                warm_rest.append(ready_ms - fsync_ms)
            pass_through(gate)
        assert gate.stop() == 0
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures = measure(args.visits)
    spreads = {name: Spread.of(values) for name, values in figures.items()}
    slowest = max(spreads["  without fsync, ms"].median, spreads["  without its fsync, ms"].median)
    rows: dict[str, object] = dict(spreads)
    rows["latency.median_ms"] = f"{slowest:.1f} (mark: at most {MARK_MS:g})"
    if args.json:
        rows["latency.median_ms"] = slowest
    beside = "one gate under gated run, its stage, no broker, no collector"
    print_figures(rows, surroundings(beside), as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
