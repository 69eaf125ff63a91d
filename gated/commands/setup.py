"""``gated setup``: a new gate's configuration, keys and credentials, asked for or from a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ExitCode

if TYPE_CHECKING:
    from gated.calibrate.dialog import Dialog
    from gated.setup.plan import Plan

HELP = "set up a gate: by questions, or by a file 设置闸机"
EPILOG = """\
without options  asks, checks each answer, writes /etc/gated/gated.toml 逐项询问
--file FILE      takes the answers from a file; docs/setup.md shows one 从文件读取
--boot           the same, from gated-setup.toml on the boot partition; the service
                 gated-setup does so at each start 从启动分区读取

Nothing is written unless all of it is right, and nothing that is there is lost.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--file", type=Path, metavar="FILE", help="the answers 设置文件")
    source.add_argument(
        "--boot",
        nargs="*",
        type=Path,
        metavar="DIR",
        help="look there for gated-setup.toml; default: /boot/firmware, /boot",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="what to write; default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace a configuration that is there, and keep it beside the new one 替换",
    )


def run(args: argparse.Namespace) -> int:
    from gated.calibrate.dialog import Dialog
    from gated.config.load import default_file
    from gated.texts import cli_language

    config_file = args.config or default_file()
    dialog = Dialog(sys.stdin, sys.stdout, sys.stderr, cli_language())
    if args.boot is not None:
        return _from_boot_partition(args, config_file, dialog)
    if args.file is not None:
        from gated.setup.file import read_setup_file
        from gated.setup.plan import plan

        setup = read_setup_file(args.file)
        planned = plan(setup.wishes, config_file, str(args.file))
        return write_and_report(planned, dialog, replaces=args.replace or setup.settings.replace)
    return _ask(config_file, dialog, replaces=args.replace)


def _ask(config_file: Path, dialog: Dialog, *, replaces: bool) -> int:
    from gated.setup.plan import plan
    from gated.setup.questions import ask
    from gated.setup.writing import refuse_to_replace

    if not replaces:
        refuse_to_replace(config_file)  # said before the questions, not after them
    planned = plan(ask(dialog), config_file, "answers (回答)")
    for file in planned.files:
        dialog.note((f"将写入 {file.path}", f"will be written: {file.path}"))
    dialog.confirm(("写入？", "write it?"), is_sure=False)
    return write_and_report(planned, dialog, replaces=replaces)


def write_and_report(planned: Plan, dialog: Dialog, *, replaces: bool) -> int:
    """Write what was planned; say what was written, and what to do next."""
    from gated.clock import SystemClock
    from gated.setup.report import next_steps, what_was_done
    from gated.setup.writing import write

    done = write(planned, SystemClock().now(), replaces=replaces)
    for line in (*what_was_done(planned, done), *next_steps(planned)):
        dialog.tell(line)
    return int(ExitCode.OK)


def _from_boot_partition(args: argparse.Namespace, config_file: Path, dialog: Dialog) -> int:
    from gated.clock import SystemClock
    from gated.setup.boot import BOOT_FOLDERS, BootSetup

    boot = BootSetup(config_file, folders=args.boot or BOOT_FOLDERS)
    code, lines = boot.apply(SystemClock().now())
    for line in lines:
        dialog.tell(line)
    return int(code)
