"""``gated setup``: a new gate's configuration and keys: asked for, from a file, or claimed."""

from __future__ import annotations

import argparse
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ExitCode

if TYPE_CHECKING:
    from gated.calibrate.dialog import Dialog
    from gated.claim_codes import Offer
    from gated.setup.claim import Claimant
    from gated.setup.plan import Plan

HELP = "set up a gate: by questions, by a file, or by a code of the centre 设置闸机"
EPILOG = """\
without options    asks, checks each answer, writes /etc/gated/gated.toml 逐项询问
--file FILE        takes the answers from a file; docs/setup.md shows one 从文件读取
--claim CODE       takes everything from the centre, which made the one-time code 凭认领码
--claim-by-camera  the same, with the code's picture held before the camera 摄像头读取认领码
--boot             from gated-setup.toml on the boot partition; the service gated-setup does so at
                   each start 从启动分区读取

Nothing is written unless all of it is right, and nothing that is there is lost.
"""
SHOWN_WITHIN_S = 180.0
ANSWERED_WITHIN_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--file", type=Path, metavar="FILE", help="the answers 设置文件")
    source.add_argument("--claim", metavar="CODE", help="one-time code of the centre 认领码")
    source.add_argument(
        "--claim-by-camera", action="store_true", help="its picture, before the camera 摄像头"
    )
    source.add_argument(
        "--boot",
        nargs="*",
        type=Path,
        metavar="DIR",
        help="look there for gated-setup.toml; default: /boot/firmware, /boot",
    )
    claim = parser.add_argument_group("for a claim 认领")
    claim.add_argument("--broker", metavar="URL", help="where the centre is: mqtts://HOST:PORT")
    claim.add_argument("--ca", type=Path, metavar="FILE", help="believe these CAs' broker alone")
    claim.add_argument("--gate", metavar="SITE/GATE", help="refuse a code for another gate")
    claim.add_argument(
        "--backup",
        type=Path,
        metavar="FILE",
        help="this backup's configuration in place of the centre's 用备份的配置",
    )
    claim.add_argument("--camera", default="auto", help="as scanner.camera; default: auto")
    claim.add_argument("--device", metavar="PATH", help="as scanner.device")
    add_target_arguments(parser)


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which configuration is written, and whether one may be there."""
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
        return _from_file(args, config_file, dialog)
    if args.claim is not None or args.claim_by_camera:
        return _claim(args, config_file, dialog)
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


def _from_file(args: argparse.Namespace, config_file: Path, dialog: Dialog) -> int:
    from gated.setup.claim import wishes_of_file
    from gated.setup.file import read_setup_file
    from gated.setup.plan import plan

    setup = read_setup_file(args.file)
    replaces = args.replace or setup.settings.replace
    wishes = wishes_of_file(setup, _claimant(args, dialog), config_file, replaces=replaces)
    return write_and_report(plan(wishes, config_file, str(args.file)), dialog, replaces=replaces)


def _claim(args: argparse.Namespace, config_file: Path, dialog: Dialog) -> int:
    from gated.setup.backup import read_backup, with_backup
    from gated.setup.claim import offer_of
    from gated.setup.plan import plan, with_key
    from gated.setup.writing import refuse_to_replace

    if not args.replace:
        refuse_to_replace(config_file)  # before the code is used up
    backup = None if args.backup is None else read_backup(args.backup)
    if backup is not None:  # what is wrong with it is said before the code is used up
        named = with_key(backup.tables, "gate", "name", "rehearsal")
        plan(replace(backup, tables=named), config_file, str(args.backup))
    offer = _show_to_camera(args, dialog) if args.claim is None else offer_of(args.claim)
    wishes = _claimant(args, dialog).claim(offer)
    if backup is not None:
        wishes = with_backup(wishes, backup)
    planned = plan(wishes, config_file, "the centre's configuration (中心的配置)")
    return write_and_report(planned, dialog, replaces=args.replace)


def _claimant(args: argparse.Namespace, dialog: Dialog) -> Claimant:
    from gated.clock import SystemClock
    from gated.setup.claim import Claimant

    return Claimant(
        SystemClock(),
        ANSWERED_WITHIN_S,
        dialog.note,
        threading.Event().wait,
        broker=args.broker,
        ca=args.ca,
        gate=args.gate,
    )


def _show_to_camera(args: argparse.Namespace, dialog: Dialog) -> Offer:
    from gated.clock import SystemClock
    from gated.config import ScannerSettings
    from gated.config.load import refuse, validate
    from gated.setup.claim_camera import read_offer

    wanted = {"camera": args.camera} | ({} if args.device is None else {"device": args.device})
    settings = validate(ScannerSettings, wanted)
    if isinstance(settings, tuple):
        refuse(settings, "--camera")
    dialog.note(
        (
            "请把认领码放到摄像头前 (约 15 厘米)",
            "hold the code's picture before the camera, at about 15 cm",
        )
    )
    offer = read_offer(settings, SystemClock(), SHOWN_WITHIN_S)
    dialog.note((f"已读取认领码 {offer.code.id}…", f"read the code {offer.code.id}…"))
    return offer


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
    code, lines = boot.apply(SystemClock(), dialog.note)
    for line in lines:
        dialog.tell(line)
    return int(code)
