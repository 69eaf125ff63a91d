"""``gated doctor --walk``: a technician at the gate tries everything once, and is guided."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gated.errors import ExitCode, GatedError

if TYPE_CHECKING:
    from gated.clock import Clock
    from gated.commands.walk_output import About
    from gated.config import GateConfig
    from gated.texts import Language
    from gated.walk.guide import Walked
    from gated.walk.terminal import RealTerminal

_SIGNALLED = 128


def walk(args: argparse.Namespace) -> int:
    """Guide through every step. Return the exit code.

    Raises: ConfigError; Busy, DeviceError: a process of the gate runs; GatedError: no terminal.
    """
    from gated.clock import SystemClock
    from gated.config.load import default_file, load_gate
    from gated.facts.alone import alone
    from gated.keyboard import Keyboard
    from gated.texts import cli_language
    from gated.walk.terminal import RealTerminal

    file = args.config or default_file()
    config = load_gate(file)
    clock = SystemClock()
    beside = sys.stderr if args.json else sys.stdout
    keyboard = Keyboard(beside)
    _refuse(args.report, has_terminal=keyboard.is_there)
    zone = ZoneInfo(config.gate.timezone)
    began = clock.now().astimezone(zone)
    terminal = RealTerminal(keyboard, beside)
    with alone(config.paths, clock), _no_scanner(config), keyboard:
        terminal.take_signals()
        walked = _guide(config, args.stage, clock, terminal, cli_language())
    about = _about(config, file, began, clock.now().astimezone(zone))
    return _tell(args, about, walked, cli_language())


def _refuse(report: Path | None, *, has_terminal: bool) -> None:
    if not has_terminal:
        raise GatedError(
            "--walk asks somebody who stands at the gate: start it on a terminal (请在终端中运行)"
        )
    if report is not None and (report.exists() or not report.parent.is_dir()):
        raise GatedError(f"--report {report}: name a new file in a folder that is there")


@contextlib.contextmanager
def _no_scanner(config: GateConfig) -> Iterator[None]:
    """Keep the scanner's process off camera and serial lines, where there are any.

    Raises: DeviceError: it runs.
    """
    from gated.config import Camera
    from gated.scanner.lock import only_scanner_of

    if config.scanner.camera is Camera.NONE and not config.scanner.serial:
        yield
        return
    with only_scanner_of(config.paths.run):
        yield


def _guide(
    config: GateConfig,
    stage: Path | None,
    clock: Clock,
    terminal: RealTerminal,
    language: Language,
) -> Walked:
    from gated.commands.scanner import camera_of, serial_scanners_of
    from gated.devices import real_devices, simulated_devices
    from gated.probe.check import Bench
    from gated.walk.guide import Guide
    from gated.walk.steps import plan
    from gated.walk.trials import Kit, trial_of

    make = real_devices if stage is None else partial(simulated_devices, stage)
    kit = Kit(
        bench=Bench(config, make(config, clock), clock, threading.Event().wait),
        make_camera=partial(camera_of, config.scanner, stage, clock),
        serial=serial_scanners_of(config.scanner, stage),
    )
    return Guide(config, partial(trial_of, kit), terminal, language).walk(plan(config))


def _about(config: GateConfig, file: Path, began: datetime, ended: datetime) -> About:
    from gated.commands.walk_output import About
    from gated.doctor.host import CannotLook, Host

    try:
        machine = Host().pi_model()
    except CannotLook:
        machine = None
    return About(
        site=config.gate.site,
        gate=config.gate.name,
        began=began,
        ended=ended,
        machine=machine or platform.machine(),
        config_file=str(file),
        config_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )


def _tell(args: argparse.Namespace, about: About, walked: Walked, language: Language) -> int:
    """Show what came of it, keep the record that was asked for, return the exit code."""
    from gated.commands.walk_output import START_AGAIN, as_json, record, table
    from gated.durable import write_new_private_file
    from gated.texts import say
    from gated.walk.course import is_passed

    passed = is_passed(walked.results, is_strict=args.strict)
    if args.report is not None:  # first: the terminal may be gone
        text = record(about, walked.results, is_passed=passed)
        write_new_private_file(args.report, text.encode())
    try:
        if args.json:
            found = as_json(about, walked.results, is_passed=passed)
            print(json.dumps(found, ensure_ascii=False, indent=2), flush=True)
        else:
            print("", *table(walked.results, language), sep="\n", flush=True)
            print(say(START_AGAIN, language), flush=True)
    except OSError:  # it is gone; the interpreter's last flush must not fail on it, too
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    if walked.ended_by:
        return _SIGNALLED + walked.ended_by
    return int(ExitCode.OK if passed else ExitCode.FAILED)
