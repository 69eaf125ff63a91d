"""Where past visits come from: a gate's ledger, or the collector's database. Both read only.

Bodies are streamed: however long the record, little of it is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol

from gated.collector.sqlite_schema import APPLICATION_ID, open_for_reading, translated
from gated.contents import Kind
from gated.errors import WireError
from gated.ledger.reader import EventFilter, LedgerReader
from gated.tuning.visits import PastVisit, parse_visit

ROWS_AT_ONCE = 500
MOST_LOOKED_AT = 1_000
"""Visits that are looked at for the newest one: drills and damaged ones may stand after it."""
_A_DAY, _ZONES = timedelta(days=1), timedelta(hours=14)
"""No place's clock is further from UTC than this (it is UTC+14 in Kiribati)."""
_READING = "the records cannot be read"
_APPLICATION_ID_AT, _HEADER_BYTES = 68, 72
"""Where a database says whose it is (sqlite.org/fileformat.html, section 1.3)."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days at the gate, the first and the last included; None: no limit."""

    first: date | None = None
    last: date | None = None

    def has(self, day: str | None) -> bool:
        """Return whether ``day`` (YYYY-MM-DD) lies in it; one that is not known lies in all."""
        if day is None:
            return self.is_all
        is_late_enough = self.first is None or day >= self.first.isoformat()
        return is_late_enough and (self.last is None or day <= self.last.isoformat())

    @property
    def is_all(self) -> bool:
        return self.first is None and self.last is None

    def since(self) -> datetime | None:
        """Return a time before which no record of the period lies, in whatever time zone."""
        if self.first is None or self.first.year == date.min.year:  # no datetime is earlier
            return None
        return _utc(self.first) - _ZONES

    def until(self) -> datetime | None:
        """Return a time from which on no record of the period lies."""
        if self.last is None or self.last.year == date.max.year:
            return None
        return _utc(self.last) + _A_DAY + _ZONES


def _utc(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class Source(Protocol):
    """Where bodies of records come from, in the order in which they were recorded or came in."""

    where: str
    """The file."""

    def lanes(self) -> list[tuple[str, str]]:
        """Return site and gate of every gate whose records are wanted. Raises: StorageError."""
        ...

    def bodies(self, kind: Kind, period: Period, *, newest_first: bool = False) -> Iterator[bytes]:
        """Yield the bodies of one kind in ``period`` and around it. Raises: StorageError."""
        ...

    def close(self) -> None: ...


class LedgerSource:
    """A gate's ledger. Raises: StorageError: there is none at ``path``."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._reader = LedgerReader(path)

    def lanes(self) -> list[tuple[str, str]]:
        identity = self._reader.identity()
        return [(identity.site, identity.gate)]

    def bodies(self, kind: Kind, period: Period, *, newest_first: bool = False) -> Iterator[bytes]:
        wanted = EventFilter(
            kinds=frozenset({kind.value}),
            since=period.since(),
            until=period.until(),
            newest_first=newest_first,
        )
        for event in self._reader.events(wanted):
            yield event.body

    def close(self) -> None:
        self._reader.close()


class DatabaseSource:
    """A collector's database: of all its gates, or of those of one site or of one name.

    Raises: StorageError: there is none at ``path``.
    """

    def __init__(self, path: Path, site: str | None = None, gate: str | None = None) -> None:
        self.where = str(path)
        self._site, self._gate = site, gate
        self._connection = open_for_reading(path)

    def lanes(self) -> list[tuple[str, str]]:
        return [lane for lane in self.all_lanes() if self._wants(*lane)]

    def all_lanes(self) -> list[tuple[str, str]]:
        """Return site and gate of every gate that the collector has heard of."""
        with translated(_READING):
            rows = self._connection.execute("SELECT site, gate FROM gate ORDER BY site, gate")
            return [(str(site), str(gate)) for site, gate in rows]

    def _wants(self, site: str, gate: str) -> bool:
        return self._site in {None, site} and self._gate in {None, gate}

    def bodies(self, kind: Kind, period: Period, *, newest_first: bool = False) -> Iterator[bytes]:
        # One short read after the other: a long one would hold up the collector's own store.
        last = 2**63 - 1 if newest_first else -1
        comparison, order = ("<", "DESC") if newest_first else (">", "ASC")
        clauses, values = self._where(period)
        sql = (
            f"SELECT id, body FROM record WHERE id {comparison} ? AND kind = ?"  # noqa: S608 - our own words
            f" AND body IS NOT NULL {clauses} ORDER BY id {order} LIMIT ?"
        )
        while True:
            with translated(_READING):
                rows = self._rows(sql, (last, kind.value, *values, ROWS_AT_ONCE))
            for _, body in rows:
                yield body
            if len(rows) < ROWS_AT_ONCE:
                return
            last = rows[-1][0]

    def _rows(self, sql: str, values: tuple[object, ...]) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = self._connection.execute(sql, values).fetchall()
        return found

    def _where(self, period: Period) -> tuple[str, tuple[object, ...]]:
        limits: list[tuple[str, object]] = [
            ("AND site = ?", self._site),
            ("AND gate = ?", self._gate),
            ("AND at_ms >= ?", _milliseconds(period.since())),
            ("AND at_ms < ?", _milliseconds(period.until())),
        ]
        given = [(clause, value) for clause, value in limits if value is not None]
        return " ".join(clause for clause, _ in given), tuple(value for _, value in given)

    def close(self) -> None:
        self._connection.close()


def is_collectors(path: Path) -> bool:
    """Return whether the file at ``path`` is a collector's database, by its header alone."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError:
        return False
    return header[_APPLICATION_ID_AT:] == APPLICATION_ID.to_bytes(4, "big")


def _milliseconds(when: datetime | None) -> int | None:
    return None if when is None else round(when.timestamp() * 1_000)


def newest_visit(source: Source) -> PastVisit | None:
    """Return the newest visit that is no drill and can be read; None: there is none."""
    for looked_at, body in enumerate(source.bodies(Kind.VISIT, Period(), newest_first=True)):
        if looked_at >= MOST_LOOKED_AT:
            break
        try:
            visit = parse_visit(body)
        except WireError:
            continue
        if not visit.is_drill and visit.day is not None:
            return visit
    return None
