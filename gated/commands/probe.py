"""``gated probe``: what is wired to this machine, and whether it is what the configuration says."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gated.errors import ConfigError, ExitCode, GatedError, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gated.clock import Clock
    from gated.config import GateConfig, ScannerSettings
    from gated.probe.findings import FrameSeen
    from gated.texts import Language

HELP = "list what is wired to this machine, check it, try one output 查看与检查设备"
EPILOG = """\
without options    lists buses and chips, GPIO lines, cameras, serial devices, sound cards 列出设备
--config FILE      checks each device that the configuration names, one line each 逐个检查
--line go --toggle switches one output of the configuration on and off again 试一个输出

Nothing is moved except by --toggle. The devices of a process of the gate that runs are left alone.
Exit code: 0 all is there, 1 something is missing (it says what), 69 a controller or scanner that
runs has devices, 78 the configuration cannot be used.
"""
SHOWN_AFTER_S = 0.7
"""What takes no longer than a moment needs no word about it."""
SHOWN_EVERY_S = 1.0
TOGGLE_S = 0.5
PICTURES = (".png", ".jpg")
_RUN = Path("/run/gated")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="check the devices that this gated.toml names"
    )
    parser.add_argument(
        "--start",
        action="store_true",
        help="with --config: also the keys, lists and secrets that a start needs",
    )
    parser.add_argument(
        "--frame",
        nargs="?",
        const="",
        metavar="DEVICE",
        help="take one frame from each camera, or from DEVICE: its size, its brightness, whether a "
        "code is read (not what it says) 拍一帧",
    )
    parser.add_argument(
        "--save",
        type=Path,
        metavar="FILE",
        help="with --frame: keep the picture in a new file, .png or .jpg; it may show people",
    )
    parser.add_argument(
        "--line",
        metavar="NAME",
        help="an output: go, wait, code, observe, buzzer, call_staff, relay",
    )
    parser.add_argument("--toggle", action="store_true", help="switch that output on, once 试一下")
    parser.add_argument(
        "--for",
        dest="for_s",
        type=float,
        default=TOGGLE_S,
        metavar="SECONDS",
        help="how long it stays on (default: %(default)g)",
    )
    parser.add_argument(
        "--yes", action="store_true", help="do not ask before the relay opens the gate"
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.config.load import default_file, load_gate

    _refuse_what_does_not_fit(args)
    clock = SystemClock()
    tell = Progress(clock, sys.stderr)
    if args.line is not None:
        return _toggle(args, load_gate(args.config or default_file()), clock)
    if args.config is not None:
        return _check(args, load_gate(args.config), clock, tell)
    return _survey(args, clock, tell)


def _refuse_what_does_not_fit(args: argparse.Namespace) -> None:
    if args.toggle != (args.line is not None):
        raise GatedError("--line and --toggle belong together: gated probe --line go --toggle")
    if args.start and (args.config is None or args.line is not None):
        raise GatedError("--start belongs to --config: gated probe --start --config FILE")
    if args.save is not None and args.frame is None:
        raise GatedError("--save keeps the picture of --frame: give both")
    if args.save is not None and args.save.suffix.lower() not in PICTURES:
        raise GatedError(f"--save {args.save}: end the name in {' or '.join(PICTURES)}")


class Progress:
    """Says on ``stream`` what is being waited for, once that takes longer than a moment."""

    def __init__(self, clock: Clock, stream: TextIO) -> None:
        self._clock = clock
        self._stream = stream
        self._due_s = clock.monotonic_s() + SHOWN_AFTER_S

    def __call__(self, what: str) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._due_s:
            self._due_s = now_s + SHOWN_EVERY_S
            print(f"gated: … {what}", file=self._stream, flush=True)


# --- without a configuration ---------------------------------------------------------------------


def _survey(args: argparse.Namespace, clock: Clock, tell: Callable[[str], None]) -> int:
    from dataclasses import asdict, replace

    from gated.commands.probe_output import machine_code, machine_lines
    from gated.probe.cameras import settings_for
    from gated.probe.machine import Sources, survey
    from gated.texts import cli_language

    held_by = running_controller(_run_folder(), clock)
    machine = survey(Sources(), clock, threading.Event().wait, tell, held_by=held_by)
    if args.frame is not None and held_by is None:
        chosen = [c for c in machine.cameras if args.frame in {"", c.device, c.source}]
        if not chosen and args.frame:
            raise GatedError(f"no camera {args.frame}: gated probe lists what there is")
        settings = [settings_for(camera) for camera in chosen]
        machine = replace(machine, frames=tuple(_frames(settings, args.save, clock, tell)))
    if args.json:
        print(json.dumps(asdict(machine), ensure_ascii=False, indent=2))
    else:
        print("\n".join(machine_lines(machine, cli_language())))
    return int(machine_code(machine))


def _frames(
    cameras: Sequence[ScannerSettings],
    save: Path | None,
    clock: Clock,
    tell: Callable[[str], None],
) -> list[FrameSeen]:
    from gated.errors import DeviceError
    from gated.probe.cameras import look
    from gated.probe.findings import FrameSeen

    if save is not None and len(cameras) > 1:
        raise GatedError("--save keeps one picture: say which camera, --frame DEVICE")
    frames = []
    for settings in cameras:
        tell(settings.device)
        try:
            frames.append(look(settings, clock, save, decode=True))
        except DeviceError as exc:
            frames.append(FrameSeen(settings.device, problem=str(exc)))
    return frames


def _run_folder() -> Path:
    """Return where a gate on this machine would say that it runs."""
    from gated.config.load import default_file, load_gate

    try:
        return load_gate(default_file()).paths.run
    except ConfigError:  # none yet, or one that no controller could have started with
        return _RUN


def running_controller(run_folder: Path, clock: Clock) -> int | None:
    """Return the process id of the controller that runs here. Raises: GatedError: who knows."""
    from gated.facts.running import ControllerStatus, read_running

    try:
        status = read_running(run_folder, clock)
    except StorageError as exc:
        raise GatedError(f"{exc}; use sudo: a gate that may be running is not disturbed") from exc
    if not isinstance(status, ControllerStatus) or not Path(f"/proc/{status.pid}").exists():
        return None  # killed a moment ago, perhaps
    return status.pid


# --- against a configuration ---------------------------------------------------------------------


def _check(
    args: argparse.Namespace, config: GateConfig, clock: Clock, tell: Callable[[str], None]
) -> int:
    from dataclasses import asdict

    from gated.commands.probe_output import CheckResult, check_code, check_lines
    from gated.devices import real_devices
    from gated.probe.check import Bench, check_devices
    from gated.probe.findings import StartFindings
    from gated.probe.start import look_at_start
    from gated.scanner.lock import holder_of
    from gated.texts import cli_language

    held_by = running_controller(config.paths.run, clock)
    start = look_at_start(config) if args.start else StartFindings()
    result = CheckResult(held_by=held_by, start=start)
    if held_by is None:
        scanner, wait = holder_of(config.paths.run), threading.Event().wait
        bench = Bench(config, real_devices(config, clock), clock, wait, scanner=scanner)
        devices = tuple(check_devices(bench, tell))
        cameras = [] if args.frame is None or scanner is not None else [config.scanner]
        frames = tuple(_frames(cameras, args.save, clock, tell))
        result = CheckResult(devices, frames, start, scanner=scanner)
    if args.json:
        print(json.dumps(asdict(result), ensure_ascii=False, indent=2))
    else:
        print("\n".join(check_lines(result, cli_language())))
    return int(check_code(result))


class _Held(GatedError):
    exit_code = ExitCode.UNAVAILABLE


# --- one output ----------------------------------------------------------------------------------


def _toggle(args: argparse.Namespace, config: GateConfig, clock: Clock) -> int:
    from gated.commands.probe_output import runs, toggled
    from gated.devices import real_devices
    from gated.probe.toggle import RELAY, toggle
    from gated.texts import cli_language, say

    language = cli_language()
    held_by = running_controller(config.paths.run, clock)
    if held_by is not None:
        raise _Held(say(runs(held_by), language))
    if args.line == RELAY and not args.yes:
        confirm(language, sys.stdin, sys.stderr)
    # A dead process's line may stay as it was (raspberrypi/linux #6117): end by letting go.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    toggle(args.line, config, real_devices(config, clock), args.for_s, threading.Event().wait)
    if args.json:
        print(json.dumps({"line": args.line, "on_s": args.for_s}))
    else:
        print(say(toggled(args.line, args.for_s), language))
    return int(ExitCode.OK)


def confirm(language: Language, answers: TextIO, questions: TextIO) -> None:
    """Ask whether the gate may open. Raises: GatedError: it may not, or there is nobody to ask."""
    from gated.texts import say

    opens = say(("这会打开闸门", "this opens the gate"), language)
    if not answers.isatty():
        sure = say(("若确定，请加 --yes", "if that is meant, add --yes"), language)
        raise GatedError(f"{opens}; {sure}")
    print(f"{opens}. yes / no? ", end="", file=questions, flush=True)
    if answers.readline().strip().lower() not in {"y", "yes", "是"}:
        raise GatedError(say(("未打开", "it stays shut"), language))
