"""``gated controller``: the process that decides."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gated.config import GateConfig

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
    from gated.controller.crashes import SAFE_AFTER, counted
    from gated.controller.driver_keys import refuse_driver_keys
    from gated.devices import real_devices, simulated_devices
    from gated.logs import start_logging

    start_logging("controller")
    clock = SystemClock()
    make = real_devices if args.stage is None else partial(simulated_devices, args.stage)

    def load() -> GateConfig:
        in_force = load_in_force(args.config)
        if in_force.problem:
            logging.getLogger(__name__).error("%s", in_force.problem)
        return in_force.config

    def start(crashes: int) -> int:
        if crashes >= SAFE_AFTER:
            from gated.controller.safe_mode import run_safe_mode

            return run_safe_mode(crashes, load, make, clock)
        from gated.controller.main import Controller

        config = load()
        refuse_driver_keys(config, args.config)
        return Controller(config, args.config, make, clock).run()

    return counted(start, clock)
