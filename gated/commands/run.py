"""``gated run``: the gate's three processes as supervised children."""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gated.clock import Clock

log = logging.getLogger(__name__)

HELP = "run a whole gate (controller, scanner, uplink) where no systemd does it"

CHECKED_WITHIN_S = 30.0
"""Longer than any device of a working gate needs; what hangs then must not keep the gate shut."""
_LOOK_EVERY_S = 0.1


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
    clock = SystemClock()
    children = Children(clock)
    gate_children(children, args.config, args.stage)
    stop, reload = threading.Event(), threading.Event()
    on_signals(stop, reload)
    try:
        if args.stage is None:
            say_what_is_missing(args.config, clock, stop)
        return children.run(stop, reload)
    finally:
        children.stop()


def say_what_is_missing(config: Path, clock: Clock, stop: threading.Event) -> None:
    """Log each device that is missing and how to mend it; the gate starts all the same.

    Raises: ConfigError: what would end the start, all of it together.
    """
    from gated.commands.probe_output import parse_check, runs, starts_all_the_same
    from gated.config.load import refuse
    from gated.probe.findings import State
    from gated.probe.words import complaint, scanner_runs
    from gated.texts import cli_language, say

    language = cli_language()
    document = _probe(config, clock, stop)
    if document is None:
        return
    found = parse_check(document)
    if found.held_by is not None:
        log.warning("%s", say(runs(found.held_by), language))
    if found.scanner is not None:
        log.warning("%s", say(scanner_runs(found.scanner), language))
    missing = [device for device in found.devices if device.state is not State.OK]
    for device in missing:
        log.warning("%s", complaint(device, language))
    for doubt in found.start.doubts:
        log.warning("%s", doubt)
    refused = [f"{d.name}: {d.detail}" for d in missing if d.state is State.REFUSED]
    faults = (*refused, *found.start.faults)
    if faults:
        refuse(faults, str(config))
    if missing:
        log.warning("%s", say(starts_all_the_same(), language))
    elif found.held_by is None:
        log.info("%d devices are there", len(found.devices))


def _probe(config: Path, clock: Clock, stop: threading.Event) -> dict[str, Any] | None:
    """Return what ``gated probe`` finds, or None if it did not come to an end.

    A process of its own: what a camera's libraries load or leave behind ends with it, and one that
    hangs can be killed.
    """
    command = [sys.executable, "-m", "gated", "probe", "--start", "--json", "--config", str(config)]
    deadline_s = clock.monotonic_s() + CHECKED_WITHIN_S
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            while not stop.is_set() and clock.monotonic_s() < deadline_s:
                try:
                    output, _ = process.communicate(timeout=_LOOK_EVERY_S)
                except subprocess.TimeoutExpired:
                    continue
                document = _parse(output)
                if document is None:
                    log.warning("the devices could not be checked (exit %d)", process.returncode)
                return document
        finally:
            process.kill()
    if not stop.is_set():
        log.warning("the devices were not checked within %g s", CHECKED_WITHIN_S)
    return None


def _parse(output: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(output)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
