"""How long the relay stays energised after somebody died or hung, at random moments.

    python benchmarks/relay.py [--rounds N] [--at-once N] [--seed N] [--json]

Each round is a controller's actuator worker and its guard, both real processes; one of them is
killed, terminated or stopped, and the observer at the line's other end says when it fell. The line
is a simulated one; where GATED_TEST_GPIO names a real one ("CHIP-LABEL LINE VALUE-FILE", see
tests/hardware/test_gpio.py), that one is measured too, one round after the other.

Marks: de-energised at most 100 ms after a death; after a controller's hang at most the pulse. A
guard that hangs is killed by the controller shortly after the pulse should have ended.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Spread, print_figures, surroundings
from tests.relay_kills import HANGS, SHORT_S, Fall, FileEnd, Harm, play_all

MARK_MS = 100.0


def rows_of(name: str, falls: list[Fall]) -> dict[str, object]:
    rows: dict[str, object] = {}
    for harm in Harm:
        of_one_kind = [fall for fall in falls if fall.plan.harm is harm and fall.energised_s > 0]
        if not of_one_kind:
            continue
        if harm in HANGS:
            # What is over the pulse, since a hang within it may use it up.
            over = [max(0.0, fall.energised_s - SHORT_S) * 1_000 for fall in of_one_kind]
            rows[f"{name}: {harm.value}: energised beyond its pulse, ms"] = Spread.of(over)
        else:
            took = [fall.took_s * 1_000 for fall in of_one_kind]
            rows[f"{name}: {harm.value}: to the fall, ms"] = Spread.of(took)
    deaths_ms = [fall.took_s * 1_000 for fall in falls if fall.plan.harm not in HANGS]
    rows[f"{name}: death to the fall, longest of {len(deaths_ms)}, ms"] = round(max(deaths_ms), 1)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=1, help="side by side, simulated line only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    falls = play_all(args.rounds, seed=args.seed, at_once=args.at_once)
    rows = rows_of("simulated line", falls)
    gpio = os.environ.get("GATED_TEST_GPIO")
    if gpio:
        real = play_all(
            args.rounds, seed=args.seed, at_once=1, make_end=lambda: nullcontext(FileEnd(gpio))
        )
        rows |= rows_of("real line", real)
    longest_ms = max(value for value in rows.values() if isinstance(value, float))
    rows["relay.death_max_ms"] = (
        longest_ms if args.json else f"{longest_ms} (mark: at most {MARK_MS:g})"
    )
    beside = f"{args.at_once} controller(s) and guard(s) at once; nothing else of gated"
    print_figures(rows, surroundings(beside), as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
