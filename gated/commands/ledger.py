"""``gated ledger``: look into the record of events, rescue it, or delete from it."""

from __future__ import annotations

import argparse
import sys
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gated.errors import ConfigError, ExitCode, StorageError
from gated.vocabulary import TO_MEASURE

if TYPE_CHECKING:
    from gated.ledger.reader import EventFilter, LedgerReader

HELP = "list, show, verify, export, salvage, purge recorded events 查看、校验、导出、抢救、清除"
_LIMIT = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="a table, newest last 列表")
    _add_place(listing)
    _add_selection(listing)
    listing.add_argument(
        "--limit", type=int, default=_LIMIT, metavar="N", help=f"the newest N ({_LIMIT}; 0: all)"
    )
    listing.add_argument("--json", action="store_true", help="one object per line, for programs")

    show = actions.add_parser("show", help="everything about one event or one visit 单条详情")
    show.add_argument("which", metavar="SEQ|VISIT_ID", help="as `gated ledger list` names it")
    _add_place(show)

    verify = actions.add_parser("verify", help="recompute the hash chain 校验")
    _add_place(verify)

    export = actions.add_parser("export", help="for spreadsheets and programs 导出")
    _add_place(export)
    _add_selection(export)
    export.add_argument(
        "--format",
        choices=("jsonl", "csv"),
        default="jsonl",
        help="one object per line (default), or a table",
    )
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    export.add_argument(
        "--with-links",
        action="store_true",
        help="also the pseudonyms that link a record to a person 含个人关联",
    )

    from gated.commands import ledger_purge, ledger_salvage

    salvage = actions.add_parser("salvage", help="read what can be read of a damaged one 抢救")
    ledger_salvage.add_arguments(salvage)

    purge = actions.add_parser("purge", help="delete for good; the gate is stopped 清除")
    _add_place(purge)
    ledger_purge.add_arguments(purge)


def _add_place(parser: argparse.ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )
    place.add_argument("--ledger", type=Path, metavar="FILE", help="a ledger.db, also an old one")


def _add_selection(parser: argparse.ArgumentParser) -> None:
    day = parser.add_mutually_exclusive_group()
    day.add_argument("--today", action="store_true", help="by the gate's time zone 今天")
    day.add_argument(
        "--day", type=date.fromisoformat, metavar="YYYY-MM-DD", help="that day alone; default: all"
    )
    parser.add_argument(
        "--kind",
        type=_words,
        default=frozenset(),
        metavar="visit,alarm,…",
        help="these kinds of events alone; default: all",
    )
    parser.add_argument(
        "--outcome",
        type=_words,
        default=frozenset(),
        metavar="see_staff,denied,…",
        help="these outcomes alone; default: all",
    )
    parser.add_argument(
        "--to-measure",
        action="store_true",
        help="who ended without a judged temperature, to be measured by hand 须补测的人",
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


def run(args: argparse.Namespace) -> int:
    from gated.commands import ledger_purge, ledger_salvage
    from gated.ledger.reader import LedgerReader

    if args.action == "salvage":
        return ledger_salvage.run(args)
    path, zone = _place(args)
    if args.action == "purge":
        return ledger_purge.run(args, path, zone)
    reader = LedgerReader(path)
    try:
        if args.action == "list":
            return _list(reader, _selection(args, zone, args.limit), as_json=args.json)
        if args.action == "show":
            return _show(reader, args.which)
        if args.action == "verify":
            return _verify(reader)
        return _export(reader, _selection(args, zone, 0), args)
    finally:
        reader.close()


def _place(args: argparse.Namespace) -> tuple[Path, tzinfo | None]:
    """Return the ledger's path and the gate's time zone; None is this machine's own."""
    if args.ledger is not None:
        return args.ledger, None
    from gated.config.load import default_file, load_gate

    config = load_gate(args.config or default_file())
    return config.paths.state / "ledger.db", ZoneInfo(config.gate.timezone)


def _selection(args: argparse.Namespace, zone: tzinfo | None, limit: int) -> EventFilter:
    from gated.clock import SystemClock
    from gated.ledger.reader import EventFilter

    if limit < 0:
        raise ConfigError("--limit must be 0 (all) or more")
    day = SystemClock().now().astimezone(zone).date() if args.today else args.day
    since = until = None
    if day is not None:
        since = _midnight(day, zone)
        until = _midnight(day + timedelta(days=1), zone)
    return EventFilter(
        kinds=args.kind,
        outcomes=args.outcome,
        follow_up=TO_MEASURE if args.to_measure else None,
        since=since,
        until=until,
        limit=limit or None,
        newest_first=limit > 0,
    )


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    midnight = datetime.combine(day, time())
    return midnight.astimezone() if zone is None else midnight.replace(tzinfo=zone)


def _list(reader: LedgerReader, wanted: EventFilter, *, as_json: bool) -> int:
    from gated.commands.ledger_output import table, with_delivery

    acked = reader.acked_upto()
    events = list(reader.events(wanted))
    if wanted.newest_first:
        events.reverse()
    if as_json:
        for event in events:
            print(with_delivery(event, is_acked=event.seq <= acked))
        return ExitCode.OK
    for line in table(events, acked):
        print(line)
    return ExitCode.OK


def _show(reader: LedgerReader, which: str) -> int:
    from gated.commands.ledger_output import details
    from gated.ledger.reader import EventFilter

    events = []
    if which.isascii() and which.isdigit() and int(which) < 2**63:
        events = [event for event in reader.after(int(which) - 1, 1) if event.seq == int(which)]
    if not events:
        events = list(reader.events(EventFilter(visit_id=which)))
    if not events:
        print(f"gated: no event {which} in {reader.path}", file=sys.stderr)
        return ExitCode.FAILED
    acked = reader.acked_upto()
    print("\n\n".join(details(event, is_acked=event.seq <= acked) for event in events))
    return ExitCode.OK


def _verify(reader: LedgerReader) -> int:
    from gated.ledger.verify import verify_chain

    report = verify_chain(reader)
    identity = reader.identity()
    if report.ok:
        first = reader.bounds().anchor.seq + 1
        print(
            f"ok: {report.checked} events of {identity.gate}, epoch {identity.epoch},"
            f" from {first} on, are as they were recorded"
        )
        return ExitCode.OK
    print(
        f"event {report.first_bad_seq} of epoch {identity.epoch} is not as it was recorded:"
        f" {report.reason}. {report.checked} events before it are sound."
        " Keep the file and see docs/ledger.md"
    )
    return ExitCode.FAILED


def _export(reader: LedgerReader, wanted: EventFilter, args: argparse.Namespace) -> int:
    from gated.commands.ledger_output import export_csv, export_jsonl

    export = export_csv if args.format == "csv" else export_jsonl
    events = reader.events(wanted)
    if args.out is None:
        export(events, sys.stdout.buffer, with_links=args.with_links)
        return ExitCode.OK
    try:
        with args.out.open("wb") as file:
            count = export(events, file, with_links=args.with_links)
    except OSError as exc:
        raise StorageError(f"cannot write {args.out}: {exc.strerror}") from exc
    print(f"{count} events in {args.out}", file=sys.stderr)
    return ExitCode.OK
