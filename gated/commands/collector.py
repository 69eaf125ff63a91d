"""``gated collector``: the centre that stores the gates' records, reports and shows a page."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gated.errors import ExitCode, GatedError
from gated.texts import cli_language

if TYPE_CHECKING:
    from gated.collector.databases import Database
    from gated.config import CollectorConfig

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
    _add_form(report)

    for name, text in (
        ("gates", "every gate: what is stored, what is missing 闸机"),
        ("status", "one screen: gates, backlog, quarantine, open alarms 总览"),
        ("gaps", "what is missing, by number and by time 缺口"),
    ):
        shown = actions.add_parser(name, help=text)
        _add_source(shown)
        _add_form(shown)

    from gated.commands import collector_claim, collector_export

    export = actions.add_parser("export", help="records for spreadsheets and programs 导出")
    _add_source(export)
    export.add_argument(
        "--from", dest="first", type=_day, metavar="YYYY-MM-DD", help="default: all"
    )
    export.add_argument("--to", dest="last", type=_day, metavar="YYYY-MM-DD", help="this day too")
    collector_export.add_arguments(export)

    take_in = actions.add_parser("take-in", help="store what was salvaged 收入抢救的记录")
    _add_source(take_in)
    take_in.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of JSON Lines")

    claim = actions.add_parser("claim", help="one-time codes for new gates 新闸机认领")
    for each in collector_claim.add_arguments(claim):
        each.add_argument(
            "--config", type=Path, metavar="FILE", help=f"collector.toml (default: {DEFAULT_FILE})"
        )

    requeue = actions.add_parser("requeue", help="try the quarantine again 重试隔离区")
    _add_source(requeue)
    requeue.add_argument("--list", action="store_true", help="only show what is in it")
    requeue.add_argument(
        "--settle",
        type=int,
        action="append",
        default=[],
        metavar="ID",
        help="somebody has looked at this one: it counts no longer 已人工确认",
    )
    requeue.add_argument("--json", action="store_true", help="for programs")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"collector.toml (default: {DEFAULT_FILE})"
    )
    parser.add_argument(
        "--database", metavar="FILE|postgresql://…", help="instead of the configuration's"
    )


def _add_form(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--lang",
        choices=("zh", "en"),
        default="en" if cli_language() == "en" else "zh",
        help="default: the terminal's 语言",
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError("write a day like 2026-11-23") from exc


def run(args: argparse.Namespace) -> int:
    actions = {
        "run": _run,
        "report": _report,
        "gates": _gates,
        "status": _status,
        "gaps": _gaps,
        "export": _export,
        "take-in": _take_in,
        "requeue": _requeue,
        "claim": _claim,
    }
    return actions[args.action](args)


def _run(args: argparse.Namespace) -> int:
    from gated.collector.main import main
    from gated.logs import start_logging

    config = _config(args)
    start_logging("collector")
    return main(config)


def _report(args: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from gated.clock import SystemClock
    from gated.collector.render import report_json, report_text
    from gated.collector.report import daily_report

    database, timezone = _source(args)
    zone = ZoneInfo(timezone)
    now = SystemClock().now()
    today = now.astimezone(zone).date()
    day = today if args.day is None else args.day
    if day > today:
        raise GatedError(f"{day} has not begun: there is nothing to report yet")
    reader = database.reader()
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

    database, timezone = _source(args)
    reader = database.reader()
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


def _status(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.commands.collector_status import status

    database, _ = _source(args)
    with closing(database.reader()) as reader, closing(database.archive()) as archive:
        return status(args, reader, archive, database.alarms_waiting(), SystemClock().now())


def _gaps(args: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from gated.commands.collector_status import gaps

    database, timezone = _source(args)
    with closing(database.reader()) as reader:
        return gaps(args, reader, ZoneInfo(timezone))


def _export(args: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from gated.commands.collector_export import run as export

    database, timezone = _source(args)
    with closing(database.archive()) as archive:
        return export(args, archive, ZoneInfo(timezone))


def _take_in(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.commands.collector_intake import take_in

    database, _ = _source(args)
    now_ms = round(SystemClock().now().timestamp() * 1_000)
    keep_days = _keep_person_days(args)
    with closing(database.store(keep_person_days=keep_days)) as store:
        return take_in(args.files, store, now_ms)


def _requeue(args: argparse.Namespace) -> int:
    from gated.commands.collector_intake import requeue

    database, _ = _source(args)
    with closing(database.archive()) as archive:
        rows = archive.quarantine()
    return requeue(args, rows, database, _keep_person_days(args))


def _claim(args: argparse.Namespace) -> int:
    from gated.commands.collector_claim import run as claim
    from gated.config.load import load_collector

    return claim(args, load_collector(args.config or DEFAULT_FILE))


def _keep_person_days(args: argparse.Namespace) -> int:
    """Return how long person links are kept; 0 where no configuration says so."""
    from gated.config.load import load_collector

    if args.config is None and args.database is not None:
        return 0
    return load_collector(args.config or DEFAULT_FILE).collector.keep_person_days


def _source(args: argparse.Namespace) -> tuple[Database, str]:
    """Return (database, time zone): of the file, or of the command line alone."""
    from gated.collector.databases import database_at
    from gated.config.load import load_collector

    if args.config is None and args.database is not None:
        return database_at(args.database), DEFAULT_TIMEZONE
    settings = load_collector(args.config or DEFAULT_FILE).collector
    if args.database is not None:
        return database_at(args.database), settings.timezone
    return database_at(settings.database, settings.database_password_file), settings.timezone


def _config(args: argparse.Namespace) -> CollectorConfig:
    """Return the file's configuration with what the command line says instead.

    Without a file, --database and --broker are enough: that is what a demo needs.
    """
    from gated.config.collector import CollectorConfig
    from gated.config.load import load_collector, refuse, validate

    said = {
        key: value
        for key in ("database", "broker", "listen", "name")
        if (value := getattr(args, key, None)) is not None
    }
    tables: dict[str, Any] = {}
    if args.config is not None or not {"database", "broker"} <= said.keys():
        tables = load_collector(args.config or DEFAULT_FILE).model_dump(exclude_unset=True)
    collector = {"name": "collector"} | tables.get("collector", {}) | said
    found = validate(CollectorConfig, tables | {"collector": collector})
    return refuse(found, "the command line") if isinstance(found, tuple) else found
