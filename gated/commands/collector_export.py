"""``gated collector export``: the stored records for spreadsheets and other programs."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gated.errors import ConfigError, ExitCode, GatedError, StorageError, WireError

if TYPE_CHECKING:
    from gated.collector.archive import Archive, StoredRecord, Wanted

MAX_XLSX_ROWS = 1_048_576 - 1
"""What a sheet holds, less its heading."""
_ENDINGS = {".jsonl": "jsonl", ".csv": "csv", ".xlsx": "xlsx", ".json": "cloudevents"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        type=lambda text: frozenset(filter(None, text.split(","))),
        default=frozenset(),
        metavar="visit,alarm,…",
        help="these kinds alone; default: all",
    )
    parser.add_argument("--gate", metavar="SITE/GATE", help="this gate alone; default: all")
    parser.add_argument(
        "--format",
        choices=tuple(WRITERS),
        help="default: by the ending of --out (.json is cloudevents), or jsonl",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")


def run(args: argparse.Namespace, archive: Archive, zone: tzinfo) -> int:
    """Write the records of the days ``args.first`` to ``args.last`` of ``zone``."""
    ending = "" if args.out is None else args.out.suffix.lower()
    chosen = args.format or _ENDINGS.get(ending, "jsonl")
    write, records = WRITERS[chosen], archive.records(_wanted(args, zone))
    if args.out is None:
        if chosen == "xlsx" and sys.stdout.isatty():
            raise ConfigError("xlsx is no text: name a file with --out FILE.xlsx")
        write(records, sys.stdout.buffer)
        return int(ExitCode.OK)
    try:
        with args.out.open("xb") as file:
            count = write(records, file)
    except FileExistsError as exc:
        raise GatedError(f"{args.out} exists already and stays as it is (文件已存在)") from exc
    except OSError as exc:
        raise StorageError(f"cannot write {args.out}: {exc.strerror}") from exc
    print(f"{count} records in {args.out}", file=sys.stderr)
    return int(ExitCode.OK)


def _wanted(args: argparse.Namespace, zone: tzinfo) -> Wanted:
    from gated.collector.archive import Wanted
    from gated.collector.report import bounds_ms
    from gated.collector.store import Lane

    if args.first is not None and args.last is not None and args.last < args.first:
        raise ConfigError("--to is before --from")
    lane = None
    if args.gate is not None:
        site, slash, gate = args.gate.partition("/")
        if not (site and slash and gate):
            raise ConfigError("--gate: write it like lixin-primary/east-1")
        lane = Lane(site, gate)
    return Wanted(
        from_ms=None if args.first is None else bounds_ms(args.first, zone)[0],
        to_ms=None if args.last is None else bounds_ms(args.last, zone)[1],
        lane=lane,
        kinds=args.kind,
    )


# --- the formats ---------------------------------------------------------------------------------


def write_jsonl(records: Iterable[StoredRecord], out: BinaryIO) -> int:
    """Write the bodies verbatim, one a line; return how many."""
    count = 0
    for record in records:
        out.write(record.body + b"\n")
        count += 1
    return count


def write_cloud_events(records: Iterable[StoredRecord], out: BinaryIO) -> int:
    """Write one CloudEvents batch, a JSON array with an event a line; return how many."""
    from gated.collector.cloud_events import cloud_event

    count = 0
    out.write(b"[")
    for record in records:
        event = cloud_event(record.chain, record.seq, record.kind, record.body)
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        out.write((b",\n" if count else b"\n") + text.encode())
        count += 1
    out.write(b"\n]\n")
    return count


def write_csv(records: Iterable[StoredRecord], out: BinaryIO) -> int:
    """Write a CSV file (RFC 4180, UTF-8 with a mark for spreadsheets); return how many rows."""
    from gated.commands.ledger_output import csv_columns

    columns = csv_columns(with_links=False)
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(columns)
    count = 0
    for record in records:
        writer.writerow(_cells(record, columns))
        count += 1
    text.detach()
    return count


def write_xlsx(records: Iterable[StoredRecord], out: BinaryIO) -> int:
    """Write one sheet; return how many rows. Raises: GatedError: a sheet cannot hold them."""
    try:
        import xlsxwriter
    except ImportError as exc:
        raise GatedError("xlsx needs xlsxwriter: install gated with its extra 'collector'") from exc
    from gated.commands.ledger_output import csv_columns

    columns = csv_columns(with_links=False)
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(out, options)
    sheet = book.add_worksheet("records")
    sheet.freeze_panes(1, 0)
    sheet.write_row(0, 0, columns)
    count = 0
    for record in records:
        count += 1
        if count > MAX_XLSX_ROWS:
            raise GatedError(
                f"a sheet holds {MAX_XLSX_ROWS:,} records: choose fewer days, or --format csv"
            )
        for column, cell in enumerate(_cells(record, columns)):
            if isinstance(cell, str):
                sheet.write_string(count, column, cell)
            else:
                sheet.write_number(count, column, cell)
    book.close()
    return count


def _cells(record: StoredRecord, columns: list[str]) -> list[str | int | float]:
    from gated.commands.ledger_output import csv_cell
    from gated.wire import parse_json

    try:
        body: dict[str, Any] = parse_json(record.body)
    except WireError:  # what is stored was read once; a damaged disk may say otherwise
        body = {}
    return [csv_cell(body.get(name)) for name in columns]


WRITERS: Mapping[str, Callable[[Iterable[StoredRecord], BinaryIO], int]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "xlsx": write_xlsx,
    "cloudevents": write_cloud_events,
}
