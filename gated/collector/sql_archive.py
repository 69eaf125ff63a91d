"""The archive of every store that speaks SQL."""

from __future__ import annotations

from collections.abc import Iterator

from gated.collector.archive import LastAlarm, QuarantineRow, StoredRecord, Wanted
from gated.collector.sql_reader import Queries
from gated.collector.store import ChainKey, Lane, Problem

_PAGE = 500
"""Rows of one reading: a long one would keep the store from emptying its log."""
_WHEN = "CASE WHEN time_quality = 'unknown' THEN received_at_ms ELSE at_ms END"


class SqlArchive:
    """Implements ``archive.Archive``."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def close(self) -> None:
        self._queries.close()

    def records(self, wanted: Wanted) -> Iterator[StoredRecord]:
        clauses, values = _where(wanted)
        after = 0
        while True:
            rows = self._queries.rows(
                "SELECT id, site, gate, epoch, seq, kind, received_at_ms, body FROM record"  # noqa: S608  our own words
                f" WHERE id > ? AND body IS NOT NULL {clauses} ORDER BY id LIMIT ?",
                (after, *values, _PAGE),
            )
            for id_, site, gate, epoch, seq, kind, received_at_ms, body in rows:
                chain = ChainKey(site, gate, epoch)
                yield StoredRecord(id_, chain, seq, kind, received_at_ms, body)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def last_alarms(self) -> list[LastAlarm]:
        rows = self._queries.rows(
            """
            SELECT site, gate, alarm, device, at, first_received_ms, seq FROM (
              SELECT r.site, r.gate, r.alarm, r.device, r.at, p.first_received_ms, r.seq,
                     ROW_NUMBER() OVER (
                       PARTITION BY r.site, r.gate, r.alarm, coalesce(r.device, '')
                       ORDER BY p.first_received_ms DESC, r.seq DESC) AS n
              FROM record AS r JOIN progress AS p USING (site, gate, epoch)
              WHERE r.kind = 'alarm' AND NOT r.drill)
            AS ranked WHERE n = 1 ORDER BY site, gate, alarm, device
            """
        )
        return [
            LastAlarm(Lane(site, gate), alarm, device, at, (first_ms, seq))
            for site, gate, alarm, device, at, first_ms, seq in rows
        ]

    def quarantine(self) -> list[QuarantineRow]:
        rows = self._queries.rows(
            "SELECT id, problem, site, gate, epoch, seq, topic, body, error, received_at_ms"
            " FROM quarantine WHERE NOT resolved ORDER BY id"
        )
        return [
            QuarantineRow(row[0], Problem(row[1]), ChainKey(*row[2:5]), *row[5:]) for row in rows
        ]

    def newest_received_ms(self) -> int | None:
        rows = self._queries.rows("SELECT received_at_ms FROM record ORDER BY id DESC LIMIT 1")
        return int(rows[0][0]) if rows else None


def _where(wanted: Wanted) -> tuple[str, list[str | int]]:
    clauses: list[str] = []
    values: list[str | int] = []
    for clause, bound_ms in ((f"{_WHEN} >= ?", wanted.from_ms), (f"{_WHEN} < ?", wanted.to_ms)):
        if bound_ms is not None:
            clauses.append(f"AND {clause}")
            values.append(bound_ms)
    if wanted.lane is not None:
        clauses.append("AND site = ? AND gate = ?")
        values += [wanted.lane.site, wanted.lane.gate]
    if wanted.kinds:
        clauses.append(f"AND kind IN ({', '.join('?' * len(wanted.kinds))})")
        values += sorted(wanted.kinds)
    return " ".join(clauses), values
