"""``gated collector take-in`` and ``requeue``: records that did not come in the usual way."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gated.errors import ConfigError, ExitCode, StorageError, WireError

if TYPE_CHECKING:
    from gated.collector.archive import QuarantineRow
    from gated.collector.databases import Database
    from gated.collector.store import Arrival, Store

_BATCH = 500
_MAX_LINE_BYTES = 20_480
"""A body and its link: more is no record."""


def take_in(files: list[Path], store: Store, now_ms: int) -> int:
    """Store what ``gated ledger salvage`` or ``export`` wrote; return FAILED if anything is odd."""
    stored = duplicates = quarantined = refused = 0
    for path in files:
        try:
            with path.open("rb") as file:
                batch: list[Arrival] = []
                for arrival in _arrivals(file, now_ms):
                    if arrival is None:
                        refused += 1
                        continue
                    batch.append(arrival)
                    if len(batch) == _BATCH:
                        result = store.ingest(batch)
                        stored, duplicates = stored + result.stored, duplicates + result.duplicates
                        quarantined += result.quarantined
                        batch = []
                result = store.ingest(batch)
                stored, duplicates = stored + result.stored, duplicates + result.duplicates
                quarantined += result.quarantined
        except OSError as exc:
            raise StorageError(f"cannot read {path}: {exc.strerror}") from exc
    print(
        f"stored 新存: {stored} · there already 已有: {duplicates}"
        f" · quarantine 隔离: {quarantined} · no record 非记录: {refused}"
    )
    return int(ExitCode.FAILED if quarantined or refused else ExitCode.OK)


def _arrivals(file: BinaryIO, now_ms: int) -> Iterator[Arrival | None]:
    """Yield each line as the message that it would have been; None for one that is no record."""
    from gated.collector.store import Arrival
    from gated.received import parse_record
    from gated.wire import GateTopics, is_name, split_link

    while line := file.readline(_MAX_LINE_BYTES + 1):
        payload = line.rstrip(b"\r\n")
        if not payload:
            continue
        try:
            if len(line) > _MAX_LINE_BYTES and not line.endswith(b"\n"):
                raise WireError("too long")
            record = parse_record(split_link(payload)[0])
            if not (is_name(record.site) and is_name(record.gate)):
                raise WireError("no gate's name")
        except WireError:
            yield None
            continue
        topic = GateTopics(record.site, record.gate).record(record.kind)
        yield Arrival(topic, payload, now_ms, record.epoch, record.seq)


def show_quarantine(rows: list[QuarantineRow], *, as_json: bool) -> int:
    """Print what stands in the quarantine, without the bytes: they may hold anything."""
    from gated.commands.ledger_output import printable

    if as_json:
        print(
            json.dumps(
                [
                    {
                        "id": row.id,
                        "problem": row.problem.value,
                        "site": row.chain.site,
                        "gate": row.chain.gate,
                        "epoch": row.chain.epoch or None,
                        "seq": row.seq or None,
                        "error": row.error,
                        "bytes": None if row.body is None else len(row.body),
                        "received_at_ms": row.received_at_ms,
                    }
                    for row in rows
                ],
                ensure_ascii=False,
                indent=2,
            )
        )
        return int(ExitCode.OK)
    for row in rows:
        place = f"{row.chain.site}/{row.chain.gate} {row.chain.epoch or '?'} {row.seq or '?'}"
        print(printable(f"{row.id}  {row.problem}  {place}  {row.error}"))
    if not rows:
        print("the quarantine is empty 隔离区为空")
    return int(ExitCode.OK)


def requeue(
    args: argparse.Namespace, rows: list[QuarantineRow], database: Database, keep_person_days: int
) -> int:
    """Try the quarantine again; return FAILED if anything is left in it."""
    if args.list:
        return show_quarantine(rows, as_json=args.json)
    unknown = set(args.settle) - {row.id for row in rows}
    if unknown:
        numbers = ", ".join(map(str, sorted(unknown)))
        raise ConfigError(f"--settle: nothing unsettled is called {numbers}; see --list")
    done = database.requeue(rows, keep_person_days=keep_person_days, settle=tuple(args.settle))
    if args.json:
        facts = {
            "read": done.read,
            "settled": len(args.settle),
            "still_unreadable": done.still_unreadable,
            "erased": done.erased,
            "left": done.left,
        }
        print(json.dumps(facts))
    else:
        print(
            f"read now 已读出: {done.read} · settled 已确认: {len(args.settle)}"
            f" · still unreadable 仍无法读取: {done.still_unreadable}"
            f" · erased 已清除: {done.erased}"
            f" · for people to look at 需人工查看: {done.left}"
        )
    is_left = done.still_unreadable or done.erased or done.left
    if is_left and not args.json:
        print("see them with --list; --settle ID says that one was looked at", file=sys.stderr)
    return int(ExitCode.FAILED if is_left else ExitCode.OK)
