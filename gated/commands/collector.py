"""``gated collector``: the centre that stores the gates' records, reports and shows a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ExitCode

if TYPE_CHECKING:
    from gated.config import CollectorSettings

HELP = "the centre: store the gates' records, report, show a page 汇总端"
DEFAULT_FILE = Path("/etc/gated/collector.toml")
DEFAULT_TIMEZONE = "Asia/Shanghai"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    run_ = actions.add_parser("run", help="receive, store, acknowledge, show the page 运行")
    _add_source(run_)
    run_.add_argument("--broker", metavar="URL", help="instead of the file's: mqtt://HOST:PORT")
    run_.add_argument("--listen", metavar="HOST:PORT", help="instead of the file's: the page")
    run_.add_argument("--name", help="instead of the file's: the collector's name")

    report = actions.add_parser("report", help="one day's report, or the zero report 日报")
    _add_source(report)
    report.add_argument("--day", metavar="YYYY-MM-DD", help="default: today")
    report.add_argument("--json", action="store_true", help="for programs")
    report.add_argument("--lang", choices=("zh", "en"), default="zh")

    gates = actions.add_parser("gates", help="every gate: what is stored, what is missing 闸机")
    _add_source(gates)
    gates.add_argument("--json", action="store_true", help="for programs")
    gates.add_argument("--lang", choices=("zh", "en"), default="zh")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"collector.toml (default: {DEFAULT_FILE})"
    )
    parser.add_argument("--database", type=Path, metavar="FILE", help="instead of the file's")


def run(args: argparse.Namespace) -> int:
    if args.action == "run":
        return _run(args)
    return int(ExitCode.USAGE)


def _run(args: argparse.Namespace) -> int:
    from gated.collector.main import main
    from gated.logs import start_logging

    settings = _settings(args)
    start_logging("collector")
    return main(settings)


def _settings(args: argparse.Namespace) -> CollectorSettings:
    """Return the file's settings with what the command line says instead.

    Without a file, --database and --broker are enough: that is what a demo needs.
    """
    from gated.config.collector import CollectorConfig
    from gated.config.load import load_collector, refuse, validate

    said = {
        key: value
        for key in ("database", "broker", "listen", "name")
        if (value := getattr(args, key, None)) is not None
    }
    if args.config is not None or not {"database", "broker"} <= said.keys():
        config = load_collector(args.config or DEFAULT_FILE)
        said = config.collector.model_dump(exclude_unset=True) | said
    found = validate(CollectorConfig, {"collector": {"name": "collector"} | said})
    return refuse(found, "the command line") if isinstance(found, tuple) else found.collector
