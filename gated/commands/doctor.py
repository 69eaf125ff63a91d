"""``gated doctor``: what is wrong with this gate and its machine, and how to mend it."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ConfigError, GatedError

if TYPE_CHECKING:
    from gated.clock import Clock
    from gated.doctor.checkup import Gate, Loaded

HELP = "what is wrong with this gate and its machine, and how to mend it 体检"
EPILOG = """\
One line for each check: ok, ! wrong, ~ doubtful, ? could not be looked at. Nothing is moved and
nothing is published; the devices of a running gate are left alone, its status says how they are.
Use sudo: what this account may not see is not known.
Exit code: 0 nothing is wrong, 1 something is.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 also for what is doubtful or not known"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--walk",
        action="store_true",
        help="try everything once, with somebody at the gate who answers 逐项试动，现场有人应答",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="with --walk: keep what came of it in a new file, without names 验收记录",
    )
    parser.add_argument(
        "--stage",
        type=Path,
        metavar="DIR",
        help="with --walk: the simulated devices of the scenario that plays in DIR",
    )


def run(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.commands.doctor_output import as_json, exit_code, lines
    from gated.commands.probe import Progress
    from gated.commands.walk import walk
    from gated.config.load import default_file
    from gated.doctor.checkup import checks_of, examine_all
    from gated.doctor.host import Host
    from gated.texts import cli_language

    if args.walk:
        return walk(args)
    if args.report is not None or args.stage is not None:
        raise GatedError("--report and --stage belong to --walk: gated doctor --walk --report FILE")
    clock = SystemClock()
    loaded = load(args.config or default_file())
    gate = _gate(loaded, clock)
    found = examine_all(checks_of(loaded, gate, Host(), clock), Progress(clock, sys.stderr))
    if args.json:
        print(json.dumps(as_json(found), ensure_ascii=False, indent=2))
    else:
        print("\n".join(lines(found, cli_language())))
    return int(exit_code(found, is_strict=args.strict))


def load(path: Path) -> Loaded:
    """Return the gate's configuration at ``path``, or what is wrong with it. Never raises."""
    from gated.config.gate import GateConfig
    from gated.config.load import parse_toml, read_text, validate
    from gated.controller.driver_keys import ask_drivers
    from gated.doctor.checkup import Loaded

    try:
        found = validate(GateConfig, parse_toml(read_text(path), str(path)))
    except ConfigError as exc:
        return Loaded(path, None, (str(exc),))
    if isinstance(found, tuple):
        return Loaded(path, None, tuple(f"{path}: {fault}" for fault in found))
    faults, optics = ask_drivers(found)
    return Loaded(path, found, tuple(f"{path}: {fault}" for fault in faults), optics)


def _gate(loaded: Loaded, clock: Clock) -> Gate | None:
    """Return the gate of a configuration, its devices only if nobody else may hold them."""
    from gated.commands.probe import running_controller
    from gated.commands.status import gather
    from gated.devices import real_devices
    from gated.doctor.checkup import Gate
    from gated.probe.check import Bench
    from gated.scanner.lock import holder_of

    config = loaded.config
    if config is None:
        return None
    status = gather(config, loaded.file, clock)
    try:
        is_free = running_controller(config.paths.run, clock) is None
        scanner = holder_of(config.paths.run)
    except GatedError:  # it cannot be seen by this account
        return Gate(status, None)
    if not is_free:
        return Gate(status, None)
    wait = threading.Event().wait
    return Gate(status, Bench(config, real_devices(config, clock), clock, wait, scanner=scanner))
