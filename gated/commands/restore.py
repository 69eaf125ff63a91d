"""``gated restore``: a backup's configuration, with the identity of this gate."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gated.commands.setup import add_target_arguments, write_and_report

HELP = "put a backup's configuration on this machine, as a gate of its own 恢复配置"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="what gated backup wrote 备份文件")
    parser.add_argument("--gate", metavar="NAME", help="the name of this gate; asked for if absent")
    parser.add_argument("--site", metavar="SITE", help="another site than the backup's")
    parser.add_argument(
        "--site-key",
        type=Path,
        metavar="FILE",
        help="the site's key; default: the one here",
    )
    parser.add_argument(
        "--mqtt-password", type=Path, metavar="FILE", help="file with the MQTT password"
    )
    add_target_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from gated.calibrate.dialog import Dialog
    from gated.config.load import default_file
    from gated.setup.backup import read_backup
    from gated.setup.plan import plan, with_key
    from gated.texts import cli_language

    dialog = Dialog(sys.stdin, sys.stdout, sys.stderr, cli_language())
    wishes = read_backup(args.file)
    name = args.gate or dialog.ask(("本机的闸机名称：", "this gate's name:"), "--gate NAME")
    tables = with_key(wishes.tables, "gate", "name", name)
    if args.site is not None:
        tables = with_key(tables, "gate", "site", args.site)
    wishes = replace(
        wishes,
        tables=tables,
        site_key=_secret(args.site_key),
        mqtt_password=_secret(args.mqtt_password),
    )
    planned = plan(wishes, args.config or default_file(), str(args.file))
    return write_and_report(planned, dialog, replaces=args.replace)


def _secret(path: Path | None) -> str | None:
    from gated.setup.file import read_beside

    # Not read_secret: on a stick every file is open to everybody.
    return None if path is None else read_beside(path).decode("utf-8", "replace")
