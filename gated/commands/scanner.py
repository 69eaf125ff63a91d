"""``gated scanner``: the process that reads codes, by camera or serial line, and tells them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gated.clock import Clock
    from gated.config import ScannerSettings
    from gated.config.serial_scanner import SerialScannerSettings
    from gated.scanner.frames import FrameSource

HELP = "run the scanner process: started by systemd or by gated run 扫码进程"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="gated.toml")
    parser.add_argument(
        "--stage",
        type=Path,
        metavar="DIR",
        help="take the scenario's devices that play in DIR, instead of the camera and the scanners",
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    from gated.clock import SystemClock
    from gated.config import default_file, load_gate
    from gated.logs import start_logging
    from gated.scanner.main import main

    start_logging("scanner")
    config = load_gate(args.config or default_file())
    clock = SystemClock()
    camera = camera_of(config.scanner, args.stage, clock)
    serial = serial_scanners_of(config.scanner, args.stage)
    return main(config, camera, serial=serial, clock=clock)


def serial_scanners_of(
    settings: ScannerSettings, stage: Path | None
) -> tuple[SerialScannerSettings, ...]:
    """Return the serial scanners, or the scenario's in their place."""
    if stage is None:
        return settings.serial
    from gated.simulation.serial_devices import serial_on_stage

    return tuple(
        scanner.model_copy(update={"device": str(serial_on_stage(stage, scanner.name))})
        for scanner in settings.serial
    )


def camera_of(settings: ScannerSettings, stage: Path | None, clock: Clock) -> FrameSource | None:
    """Return the camera, or None on a gate whose scanners are serial ones.

    Raises: ConfigError: neither is configured.
    """
    from gated.config import Camera

    if settings.camera is Camera.NONE and settings.serial:
        return None
    if stage is None:
        from gated.scanner.sources import make_source

        return make_source(settings, clock)
    from gated.scanner.sources.shared import SharedFrames
    from gated.simulation.stage import FRAME_FILE

    return SharedFrames(stage / FRAME_FILE, clock)
