#!/usr/bin/env python3
"""Break everything between a gate and its collector, again and again, and count what is lost.

    scripts/faults.py [--seed S] [--runs N] [--only NAME …]    goes on from where it stopped
    scripts/faults.py --list                                   what can be broken
    scripts/faults.py --table                                  the counts so far

Run n of a fault has the seed S + n: the same seed breaks the same things after the same waits, but
the machine decides what the processes were doing just then. Everything lies in build/faults: one
line for each run in ``results.jsonl``, and under ``failed`` the files of every run that failed. The
exit status is 1 if there is any. Docs: docs/faults.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.faults.fault import Fault  # noqa: E402 the line above makes it importable
from tests.faults.matrix import FAULTS  # noqa: E402
from tests.faults.runner import Progress, Result, run_all, table  # noqa: E402

WORK = ROOT / "build" / "faults"
_NICE = 5


def main() -> int:
    args = parse_arguments()
    if args.list:
        for fault in FAULTS.values():
            print(f"{fault.name:<24}{fault.what}{lacking(fault)}")
        return 0
    faults = [FAULTS[name] for name in args.only or FAULTS]
    progress = Progress(args.work)
    if args.again:
        progress.forget_failed()
    if not args.table:
        os.nice(_NICE)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what a run has started ends with it
        can_run = [fault for fault in faults if not fault.lacks()]
        seeds = range(args.seed, args.seed + args.runs)
        for result in run_all(can_run, seeds, progress):
            print(in_words(result), flush=True)
    names = {fault.name for fault in faults}
    results = [result for result in progress.read() if result.fault in names]
    print(table(faults, results))
    failed = [f"{result.fault}-{result.seed}" for result in results if not result.is_good]
    if failed:
        print(f"failed: {', '.join(failed)}; see {progress.folder / 'failed'}")
    return 1 if failed else 0


def lacking(fault: Fault) -> str:
    reason = fault.lacks()
    return f"  (not here: {reason})" if reason else ""


def in_words(result: Result) -> str:
    what = "did not end" if result.tally is None else (
        f"{result.tally.acknowledged:>7,} acknowledged, {result.tally.lost} lost,"
        f" {result.tally.doubled} doubled, {result.tally.breaks} breaks"
    )  # fmt: skip
    mark = "" if result.is_good else "  FAILED"
    return f"{result.fault:<24} seed {result.seed:>4} {result.seconds:>6.1f} s  {what}{mark}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Break everything, count what is lost.")
    parser.add_argument("--seed", type=int, default=1, help="of the first run (default: 1)")
    parser.add_argument("--runs", type=int, default=1, help="of each fault (default: 1)")
    parser.add_argument(
        "--only", action="append", choices=FAULTS, metavar="NAME", help="one fault; repeat it"
    )
    parser.add_argument("--again", action="store_true", help="make the failed runs again")
    parser.add_argument("--list", action="store_true", help="say what can be broken")
    parser.add_argument("--table", action="store_true", help="show the counts so far")
    parser.add_argument("--work", type=Path, default=WORK, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
