"""``gated controller``: the process that decides."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

HELP = "run the controller process (normally started by systemd or by gated run)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="gated.toml")
    parser.add_argument(
        "--stage",
        type=Path,
        metavar="DIR",
        help="use the simulated devices of the scenario that plays in DIR, instead of real ones",
    )


def run(args: argparse.Namespace) -> int:
    from functools import partial

    from gated.clock import SystemClock
    from gated.config.overlay import load_in_force
    from gated.controller.driver_keys import refuse_driver_keys
    from gated.controller.main import Controller
    from gated.devices import real_devices, simulated_devices
    from gated.logs import start_logging

    start_logging("controller")
    make = real_devices if args.stage is None else partial(simulated_devices, args.stage)
    in_force = load_in_force(args.config)
    if in_force.problem:
        logging.getLogger(__name__).error("%s", in_force.problem)
    refuse_driver_keys(in_force.config, args.config)
    return Controller(in_force.config, args.config, make, SystemClock()).run()
