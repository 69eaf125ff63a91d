"""``gated demo``: the whole system at work on simulated devices."""

from __future__ import annotations

import argparse
from pathlib import Path

from gated.demo.pulls import PULL_EXAMPLE, Plug, Pull, parse_pulls

HELP = "show the whole system at work: a queue of people, three processes, broker, collector, page"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--visits", type=_count, metavar="N", help="end after N persons (default: go on for ever)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="another queue of people (default: 1)"
    )
    parser.add_argument(
        "--frames",
        type=Path,
        metavar="DIR",
        help="everybody holds up one of the pictures in DIR, real photos for example",
    )
    parser.add_argument(
        "--office",
        type=Path,
        metavar="DIR",
        help="equip the gate by the office in DIR (gated pass office init), too: its cards open "
        "here, each once a day; show them with --frames",
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=Path("demo-state"),
        metavar="DIR",
        help="where ledger, configuration and keys are left to look at (default: %(default)s)",
    )
    parser.add_argument(
        "--array",
        action="store_true",
        help="measure with thermal arrays in place of spot thermometers 阵列测温",
    )
    parser.add_argument(
        "--pull",
        type=_pulls,
        default=(),
        metavar="PLUG@SECOND:SECONDS,…",
        help=f"pull plugs by themselves: {PULL_EXAMPLE} pulls the collector at second 5 for 20 s, "
        f"the network at second 30 for 8 s; without :SECONDS to the end. Plugs: {', '.join(Plug)}. "
        "In a terminal there is a key for each 到时自动拔插头；在终端里可按键",
    )
    parser.add_argument("--page-port", type=int, default=8080, metavar="PORT", help="of the page")


def run(args: argparse.Namespace) -> int:
    from gated.demo.main import Demo
    from gated.logs import start_logging

    start_logging("demo", default="warning")
    return Demo(
        folder=args.state,
        visits=args.visits,
        seed=args.seed,
        frames=args.frames,
        office=args.office,
        page_port=args.page_port,
        is_array=args.array,
        pulls=args.pull,
    ).run()


def _pulls(text: str) -> tuple[Pull, ...]:
    try:
        return parse_pulls(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count
