"""The command line: finds a subcommand's module, runs it, turns our errors into one clear line."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from gated import __version__
from gated.errors import ExitCode, GatedError
from gated.supervisor import tell_status

COMMANDS = {
    "demo": "demo",
    "run": "run",
    "status": "status",
    "diagnose": "diagnose",
    "mode": "mode",
    "setup": "setup",
    "backup": "backup",
    "restore": "restore",
    "config": "config",
    "probe": "probe",
    "doctor": "doctor",
    "calibrate": "calibrate",
    "ledger": "ledger",
    "tune": "tune",
    "pass": "passes",
    "verify": "verify",
    "trust": "trust",
    "certificate": "certificate",
    "scan": "scan",
    "controller": "controller",
    "scanner": "scanner",
    "uplink": "uplink",
    "collector": "collector",
    "command": "command",
}
"""Subcommand → module in gated.commands, in the order in which ``--help`` shows them."""


class Command(Protocol):
    """What a module in gated.commands offers. Heavy imports stand inside ``run``."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def load_command(name: str) -> Command:
    return cast("Command", importlib.import_module(f"gated.commands.{COMMANDS[name]}"))


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser. Only the ``chosen`` subcommand's module is loaded, or all for --help."""
    parser = argparse.ArgumentParser(
        prog="gated",
        description="An unattended entry gate: measures, verifies, decides, keeps every record. "
        "无人值守校门/村口闸机:测温、验码、放行、留存记录。",
        epilog="Start with: gated demo. Each command explains itself: gated COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=f"gated {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        if chosen in COMMANDS and name != chosen:
            subparsers.add_parser(name)
            continue
        command = load_command(name)
        sub = subparsers.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)
    return parser


_OF_A_GATE = ("cv2", "numpy", "serial")
"""What the Debian package of a gate asks the distribution for, and that of a collector does not."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code (``gated.errors.ExitCode``)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    args = build_parser(chosen).parse_args(arguments)
    try:
        return load_command(args.command).run(args)
    except GatedError as exc:
        print(f"gated: {exc}", file=sys.stderr)
        tell_status(str(exc))  # a service that cannot start: the same sentence
        return int(exc.exit_code)
    except ModuleNotFoundError as exc:
        if exc.name not in _OF_A_GATE:
            raise
        print(
            f"gated: this needs {exc.name}, which a gate's machine has and a collector's need not: "
            "apt install gated, or pip install gated",
            file=sys.stderr,
        )
        return int(ExitCode.UNAVAILABLE)
    except BrokenPipeError:
        # The reader went away (`gated ledger list | head`): not an error, but nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except KeyboardInterrupt:
        return 130
