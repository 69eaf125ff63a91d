"""``gated scanner``: the process that looks through the camera and tells the controller."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

HELP = "run the scanner process: started by systemd or by gated run 扫码进程"

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""Read by the libraries when they're loaded: idle pools of threads only cost memory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="gated.toml")
    parser.add_argument(
        "--stage",
        type=Path,
        metavar="DIR",
        help="take the frames of the scenario that plays in DIR, instead of the camera's",
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    from gated.clock import SystemClock
    from gated.config import default_file, load_gate
    from gated.logs import start_logging
    from gated.scanner.main import main
    from gated.scanner.sources import make_source
    from gated.scanner.sources.shared import SharedFrames
    from gated.simulation.stage import FRAME_FILE

    start_logging("scanner")
    config = load_gate(args.config or default_file())
    clock = SystemClock()
    source = (
        make_source(config.scanner, clock)
        if args.stage is None
        else SharedFrames(args.stage / FRAME_FILE, clock)
    )
    return main(config, source, clock=clock)
