"""A read-only view of ``ledger.db`` for the uplink and the commands: short read transactions."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple

from gated.errors import StorageError
from gated.ledger.files import DATABASE_ERRORS, connect_reader, translated
from gated.ledger.retention import hash_of, read_anchor, read_meta
from gated.ledger.schema import READABLE_SCHEMAS, SCHEMA_VERSION
from gated.ledger.shared_uses import Taken, newest_own, own_after, taken
from gated.uses import SharedUse
from gated.wire import PersonLink, parse_json

_SCAN_ROWS = 500
"""Rows of one read transaction: a long one would keep the writer from emptying its ``-wal``."""
_SELECT = (
    "SELECT event.seq, kind, visit_id, outcome, at_ms, hash, body, holder_ref, salt"
    " FROM event LEFT JOIN link USING (seq)"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose ledger this is; ``epoch`` changes with every new file."""

    site: str
    gate: str
    epoch: str


class Anchor(NamedTuple):
    """The newest event that was collected: the chain verifies from here."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Bounds:
    """The events that are kept: ``oldest_seq`` to ``newest_seq``; none if oldest is the greater."""

    oldest_seq: int
    newest_seq: int
    anchor: Anchor


class StoredEvent(NamedTuple):
    """One event as it was recorded. ``body`` is verbatim."""

    seq: int
    epoch: str
    kind: str
    visit_id: str | None
    outcome: str | None
    body: bytes
    hash: bytes
    link: PersonLink | None

    @property
    def at(self) -> str:
        """The member ``at`` of the body, "" where it was damaged."""
        with contextlib.suppress(ValueError):
            at = parse_json(self.body).get("at")
            return at if isinstance(at, str) else ""
        return ""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: empty and None mean all. Times are aware; ``until`` is exclusive."""

    kinds: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    visit_id: str | None = None
    follow_up: str | None = None
    after_seq: int = 0
    limit: int | None = None
    newest_first: bool = False


class LedgerReader:
    """Reads one ledger. Follows the writer to a new file when ``has_changed`` is asked.

    Raises: StorageError: there is no ledger at ``path``, or not one that this gated reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db, self._inode = _connect(path)
        self._seen: tuple[int, int] | None = None
        self._epoch = self.identity().epoch

    def has_changed(self) -> bool:
        """Return whether anything was committed since the last call; the first call says yes.

        After a new epoch has begun, this call moves over to its file; ``identity`` then differs.
        """
        with contextlib.suppress(StorageError):  # between two files there is none for a moment
            if _inode(self.path) != self._inode:
                db, inode = _connect(self.path)
                self._db.close()
                self._db, self._inode = db, inode
                self._epoch = self.identity().epoch
        with translated("read", self.path):
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
        now = (self._inode, int(version))
        is_new = now != self._seen
        self._seen = now
        return is_new

    def identity(self) -> Identity:
        """Return whose ledger this is. Raises: StorageError."""
        with self._reading() as db:
            return Identity(read_meta(db, "site"), read_meta(db, "gate"), read_meta(db, "epoch"))

    def bounds(self) -> Bounds:
        """Return which events are kept. Raises: StorageError."""
        with self._reading() as db:
            anchor = Anchor(*read_anchor(db))
            row = db.execute("SELECT min(seq) FROM event").fetchone()
            return Bounds(row[0] if row[0] is not None else anchor.seq + 1, _newest(db), anchor)

    def after(self, seq: int, limit: int) -> list[StoredEvent]:
        """Return at most ``limit`` events with a greater seq, in order. Raises: StorageError."""
        with self._reading() as db:
            rows = db.execute(
                f"{_SELECT} WHERE event.seq > ? ORDER BY event.seq LIMIT ?", (seq, limit)
            ).fetchall()
            return [self._event(row) for row in rows]

    def hash_of(self, seq: int) -> bytes | None:
        """Return h(seq), 32 bytes, or None if neither the event nor the anchor is there."""
        with self._reading() as db:
            return hash_of(db, seq)

    def newest_time(self) -> datetime | None:
        """Return the time of the newest event whose clock could be believed. Raises: StorageError.

        Those of a start with an unknown clock are passed over: they would take the floor away.
        """
        with self._reading() as db:
            row = db.execute(
                "SELECT at_ms FROM event WHERE is_timed ORDER BY seq DESC LIMIT 1"
            ).fetchone()
        return None if row is None else datetime.fromtimestamp(row[0] / 1_000, UTC)

    def acked_upto(self) -> int:
        """Return the newest seq up to which the collector has proved to hold everything."""
        with self._reading() as db:
            return int(read_meta(db, "acked_upto") or 0)

    def backlog(self) -> int:
        """Return how many events are not acked yet."""
        with self._reading() as db:
            return max(0, _newest(db) - int(read_meta(db, "acked_upto") or 0))

    def newest_use(self) -> int:
        """Return the number of the newest change among our uses of passes; 0 before the first."""
        with self._reading() as db:
            return newest_own(db)

    def uses_after(self, after: int, limit: int) -> list[tuple[int, SharedUse]]:
        """Return at most ``limit`` of those changes with a greater number, in order."""
        with self._reading() as db:
            return own_after(db, after, limit)

    def uses_taken(self) -> Taken | None:
        """Return up to where the controller has taken over what other gates told."""
        with self._reading() as db:
            return taken(db)

    def setting(self, key: str) -> str | None:
        """Return the value that the controller saved under ``key``, or None."""
        with self._reading() as db:
            row = db.execute("SELECT v FROM setting WHERE k = ?", (key,)).fetchone()
            return str(row[0]) if row else None

    def events(self, wanted: EventFilter) -> Iterator[StoredEvent]:
        """Yield the events that ``wanted`` describes. Raises: StorageError."""
        clauses, values = _where(wanted)
        last = 2**63 - 1 if wanted.newest_first else -1
        comparison, order = ("<", "DESC") if wanted.newest_first else (">", "ASC")
        left = wanted.limit if wanted.limit is not None else 2**62
        while left > 0:
            with self._reading() as db:
                rows = db.execute(
                    f"{_SELECT} WHERE event.seq {comparison} ? {clauses}"
                    f" ORDER BY event.seq {order} LIMIT ?",
                    (last, *values, min(left, _SCAN_ROWS)),
                ).fetchall()
            for row in rows:
                yield self._event(row)
            if len(rows) < min(left, _SCAN_ROWS):
                return
            last, left = rows[-1][0], left - len(rows)

    def counts(self, day: date, tz: tzinfo) -> Mapping[tuple[str, str], int]:
        """Return how many events of each (kind, outcome) ``day`` has; drills left out."""
        since = datetime.combine(day, time(), tz)
        until = datetime.combine(day + timedelta(days=1), time(), tz)
        with self._reading() as db:
            rows = db.execute(
                "SELECT kind, coalesce(outcome, ''), count(*) FROM event"
                " WHERE NOT drill AND at_ms >= ? AND at_ms < ? GROUP BY 1, 2",
                (_milliseconds(since), _milliseconds(until)),
            ).fetchall()
        return {(str(kind), str(outcome)): int(count) for kind, outcome, count in rows}

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction: everything in it is of one moment."""
        with translated("read", self.path):
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _event(
        self,
        row: tuple[int, str, str | None, str | None, int, bytes, bytes, str | None, str | None],
    ) -> StoredEvent:
        seq, kind, visit_id, outcome, _, digest, body, holder_ref, salt = row
        link = None if holder_ref is None or salt is None else PersonLink(holder_ref, salt)
        return StoredEvent(seq, self._epoch, kind, visit_id, outcome, body, digest, link)


def _connect(path: Path) -> tuple[sqlite3.Connection, int]:
    with translated("read", path):
        if not path.exists():
            raise StorageError(
                f"there is no ledger at {path}; the controller makes it when it starts"
            )
        inode = _inode(path)
        db = connect_reader(path)
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
        except DATABASE_ERRORS:
            db.close()
            raise
    if version not in READABLE_SCHEMAS:
        db.close()
        what = "is not ready yet" if version == 0 else f"has schema {version}"
        raise StorageError(f"{path} {what}; this gated reads schema {SCHEMA_VERSION}")
    return db, inode


def _inode(path: Path) -> int:
    with translated("read", path):
        return path.stat().st_ino


def _newest(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return int(row[0]) if row else 0


def _milliseconds(when: datetime) -> int:
    return round(when.timestamp() * 1_000)


def _where(wanted: EventFilter) -> tuple[str, list[str | int]]:
    clauses: list[str] = []
    values: list[str | int] = []
    for column, among in (("kind", wanted.kinds), ("outcome", wanted.outcomes)):
        if among:
            clauses.append(f"AND {column} IN ({', '.join('?' for _ in among)})")
            values.extend(sorted(among))
    for clause, when in (("AND at_ms >= ?", wanted.since), ("AND at_ms < ?", wanted.until)):
        if when is not None:
            clauses.append(clause)
            values.append(_milliseconds(when))
    if wanted.after_seq > 0:
        clauses.append("AND event.seq > ?")
        values.append(wanted.after_seq)
    if wanted.visit_id is not None:
        clauses.append("AND visit_id = ?")
        values.append(wanted.visit_id)
    if wanted.follow_up is not None:
        # A damaged body is no JSON, and must not end the search.
        clauses.append(
            "AND CASE WHEN json_valid(CAST(body AS TEXT))"
            " THEN json_extract(CAST(body AS TEXT), '$.follow_up') = ? END"
        )
        values.append(wanted.follow_up)
    return " ".join(clauses), values
