"""``gated uplink``: the process that hands the gate's records to the broker."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "run the uplink: sends the ledger's records until the collector has them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("/etc/gated/gated.toml"),
        metavar="FILE",
        help="the gate's configuration (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    from gated.config.load import load_gate
    from gated.logs import start_logging
    from gated.uplink.main import main

    config = load_gate(args.config)
    start_logging("uplink")
    return main(config)
