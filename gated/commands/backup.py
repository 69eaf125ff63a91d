"""``gated backup``: this gate's configuration without its identity, for the next machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from gated.errors import ExitCode

HELP = "this gate's configuration, without its identity, in one file 备份配置"
EPILOG = """\
In it: gated.toml without name and credentials, public keys, CAs, calibrations, own recordings.
Not in it: keys, passwords, certificates, ledger, lists of persons. See docs/setup.md.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file, such as gate.zip")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="of a gate whose card is mounted there, such as /media/old 挂载的旧卡",
    )


def run(args: argparse.Namespace) -> int:
    from gated.config.load import default_file
    from gated.durable import write_new_private_file
    from gated.setup.backup import make_backup

    backup = make_backup(args.config or default_file(), args.root)
    write_new_private_file(args.file, backup.data)
    print(f"written 已写入 {args.file}: {len(backup.names)} files 个文件, {len(backup.data):,} B")
    for path in backup.left_out:
        print(f"not in it 不含: {path}")
    return int(ExitCode.OK)
