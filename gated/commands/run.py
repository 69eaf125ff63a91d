"""``gated run``: the gate's three processes as supervised children."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

HELP = "run a whole gate (controller, scanner, uplink) where no systemd does it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="gated.toml")
    parser.add_argument(
        "--stage",
        type=Path,
        metavar="DIR",
        help="use the simulated devices of the scenario that plays in DIR, instead of real ones",
    )


def run(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.config.load import load_gate
    from gated.logs import start_logging
    from gated.processes import Children, gate_children, on_signals

    start_logging("run")
    load_gate(args.config)  # every error at once, before anything starts
    children = Children(SystemClock())
    gate_children(children, args.config, args.stage)
    stop = threading.Event()
    on_signals(stop, children.reload)
    try:
        return children.run(stop)
    finally:
        children.stop()
