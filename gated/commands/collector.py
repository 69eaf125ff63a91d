"""``gated collector``: the centre that stores the gates' records, reports and shows a page."""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ExitCode, GatedError

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
    report.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="default: today")
    report.add_argument("--json", action="store_true", help="for programs")
    report.add_argument("--lang", choices=("zh", "en"), default="zh", help="default: zh 语言")

    gates = actions.add_parser("gates", help="every gate: what is stored, what is missing 闸机")
    _add_source(gates)
    gates.add_argument("--json", action="store_true", help="for programs")
    gates.add_argument("--lang", choices=("zh", "en"), default="zh", help="default: zh 语言")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"collector.toml (default: {DEFAULT_FILE})"
    )
    parser.add_argument("--database", type=Path, metavar="FILE", help="instead of the file's")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError("write a day like 2026-11-23") from exc


def run(args: argparse.Namespace) -> int:
    if args.action == "run":
        return _run(args)
    return _report(args) if args.action == "report" else _gates(args)


def _run(args: argparse.Namespace) -> int:
    from gated.collector.main import main
    from gated.logs import start_logging

    settings = _settings(args)
    start_logging("collector")
    return main(settings)


def _report(args: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from gated.clock import SystemClock
    from gated.collector.render import report_json, report_text
    from gated.collector.report import daily_report
    from gated.collector.sqlite_reader import SqliteReader

    database, timezone = _source(args)
    zone = ZoneInfo(timezone)
    now = SystemClock().now()
    today = now.astimezone(zone).date()
    day = today if args.day is None else args.day
    if day > today:
        raise GatedError(f"{day} has not begun: there is nothing to report yet")
    reader = SqliteReader(database)
    try:
        report = daily_report(reader, day, zone, now)
    finally:
        reader.close()
    if args.json:
        print(json.dumps(report_json(report), ensure_ascii=False, indent=2))
    else:
        print(report_text(report, args.lang, zone))
    return int(ExitCode.OK)


def _gates(args: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from gated.collector.render import gate_json, gates_text
    from gated.collector.sqlite_reader import SqliteReader

    database, timezone = _source(args)
    reader = SqliteReader(database)
    try:
        with reader.snapshot():
            gates = reader.gates()
            chains = {gate.lane: reader.chains(gate.lane) for gate in gates}
    finally:
        reader.close()
    if args.json:
        found = [gate_json(gate, chains[gate.lane]) for gate in gates]
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print(gates_text(gates, chains, args.lang, ZoneInfo(timezone)))
    return int(ExitCode.OK)


def _source(args: argparse.Namespace) -> tuple[Path, str]:
    """Return (database, time zone): of the file, or of the command line alone."""
    from gated.config.load import load_collector

    if args.config is None and args.database is not None:
        return args.database, DEFAULT_TIMEZONE
    settings = load_collector(args.config or DEFAULT_FILE).collector
    return args.database or settings.database, settings.timezone


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
