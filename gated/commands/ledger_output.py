"""How ``gated ledger`` shows events: a table, one event in full, JSON Lines, CSV."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from gated.contents import CONTENT_OF_KIND
from gated.errors import WireError
from gated.ledger.reader import StoredEvent
from gated.received import Record
from gated.spreadsheets import cell_text
from gated.wire import join_link, parse_json

_COLUMNS = ("seq", "time", "kind", "visit", "outcome", "reason", "°C", "category", "")
_WAITING = "↑"
_LINK_MEMBERS = ("holder_ref", "salt")


def _members(event: StoredEvent) -> dict[str, Any]:
    """Return the body's members; none for a body that was damaged: ``verify`` names it."""
    try:
        return parse_json(event.body)
    except WireError:
        return {}


def printable(text: str) -> str:
    """Return ``text`` without what could steer a terminal (a damaged file may hold anything)."""
    return "".join("�" if unicodedata.category(c)[0] == "C" else c for c in text)


def _cells(event: StoredEvent, *, is_acked: bool) -> tuple[str, ...]:
    body = _members(event)
    body_c = body.get("body_c")
    outcome = event.outcome or body.get("to_mode") or body.get("to_quality") or ""
    cells = (
        str(event.seq),
        event.at[:19].replace("T", " "),
        event.kind,
        event.visit_id or "",
        str(outcome),
        str(body.get("reason") or body.get("device") or ""),
        f"{body_c:.2f}" if isinstance(body_c, float | int) else "",
        str(body.get("holder_category") or ""),
        "" if is_acked else _WAITING,
    )
    return tuple(printable(cell) for cell in cells)


def table(events: Sequence[StoredEvent], acked: int) -> Iterator[str]:
    """Yield the lines of a table, and what its mark means where it is used."""
    if not events:
        yield "no such events"
        return
    rows = [_COLUMNS, *(_cells(event, is_acked=event.seq <= acked) for event in events)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS))]
    for row in rows:
        cells = (
            cell.rjust(width) if n in (0, 6) else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
    waiting = sum(event.seq > acked for event in events)
    if waiting:
        yield f"{_WAITING} {waiting} not yet acknowledged by the collector"


def details(event: StoredEvent, *, is_acked: bool) -> str:
    """Return every member of one event, one a line, and what stands beside the body."""
    body: dict[str, Any] = _members(event) or {"body": "damaged: see gated ledger verify"}
    beside = {
        "hash": event.hash.hex(),
        "delivered": "yes" if is_acked else "not yet acknowledged by the collector",
        "person link": "kept" if event.link is not None else "none, or deleted",
    }
    lines = [
        f"{name:22s} {printable(json.dumps(value, ensure_ascii=False)).strip(chr(34))}"
        for name, value in {**body, **beside}.items()
        if value not in (None, [], "")
    ]
    return "\n".join(lines)


def with_delivery(event: StoredEvent, *, is_acked: bool) -> str:
    """Return the body as one JSON line, with ``acked`` beside its members."""
    return json.dumps({**_members(event), "acked": is_acked}, ensure_ascii=False)


def export_jsonl(events: Iterable[StoredEvent], out: BinaryIO, *, with_links: bool) -> int:
    """Write the bodies verbatim, one a line; return how many. Links only if asked for."""
    count = 0
    for event in events:
        out.write(join_link(event.body, event.link if with_links else None) + b"\n")
        count += 1
    return count


def csv_columns(*, with_links: bool) -> list[str]:
    """Return the columns of the CSV export: the records' head, then every kind's members."""
    head = [name for name in Record.model_fields if name != "prev"]
    names = dict.fromkeys(head)
    for content in CONTENT_OF_KIND.values():
        names.update(dict.fromkeys(content.model_fields))
    return [*names, "prev", *(_LINK_MEMBERS if with_links else ())]


def export_csv(events: Iterable[StoredEvent], out: BinaryIO, *, with_links: bool) -> int:
    """Write a CSV file (RFC 4180, UTF-8 with a mark for spreadsheets); return how many rows."""
    columns = csv_columns(with_links=with_links)
    text = io.TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(columns)
    count = 0
    for event in events:
        body = _members(event)
        if with_links and event.link is not None:
            body |= {"holder_ref": event.link.holder_ref, "salt": event.link.salt}
        writer.writerow([csv_cell(body.get(name)) for name in columns])
        count += 1
    text.detach()
    return count


def csv_cell(value: object) -> str | int | float:
    """Return a member's value as a cell: numbers as they are, texts that no spreadsheet runs."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, list):
        value = " ".join(str(item) for item in value)
    elif isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    return cell_text(str(value))
