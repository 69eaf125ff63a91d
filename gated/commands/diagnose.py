"""``gated diagnose``: makes at the gate what ``gated command diagnose`` fetches from afar."""

from __future__ import annotations

import argparse
from pathlib import Path

from gated.errors import ExitCode

HELP = "gather what helps to find a fault, without names and keys 收集诊断信息"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a new zip file 新的 zip 文件"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )


def run(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.config.load import default_file
    from gated.config.overlay import load_in_force
    from gated.controller.diagnostics import make_bundle
    from gated.durable import write_new_private_file

    in_force = load_in_force(args.config or default_file())
    data = make_bundle(in_force.config, SystemClock(), None)
    write_new_private_file(args.out, data)
    print(f"{args.out}: {len(data)} bytes, see about.txt in it (诊断信息已写入)")
    return int(ExitCode.OK)
