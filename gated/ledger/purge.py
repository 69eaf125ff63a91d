"""Deleting on request: a person's links, or old events, so that no byte of them is left.

Only while no controller runs: it owns the file, and its chain's end stands in its memory.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gated.errors import LedgerCorrupt, StorageError
from gated.ledger.files import WriterLock, close_leaving_wal, connect_writer, translated
from gated.ledger.retention import hash_of, in_transaction, read_anchor, read_meta
from gated.ledger.schema import SCHEMA_VERSION

_SEARCH_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Doomed:
    """What a purge would delete."""

    upto: int  # every event up to here; 0: none
    events: int
    unacked: int
    links: int


class Purge:
    """The one writer of a ledger whose controller is stopped. Make it with ``opened``."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path) -> Iterator[Purge]:
        """Give the ledger at ``path``.

        Raises: StorageError: there is none, a controller runs, or another gated wrote it.
        """
        if not path.exists():
            raise StorageError(f"there is no ledger at {path}")
        lock = WriterLock(path, "gated controller")
        try:
            with translated("open", path):
                db = connect_writer(path, synchronous="FULL")
                try:
                    (version,) = db.execute("PRAGMA user_version").fetchone()
                    if version != SCHEMA_VERSION:
                        raise StorageError(
                            f"{path} has schema {version}: start this version's controller once"
                        )
                    yield cls(path, db)
                finally:
                    close_leaving_wal(db, path)
        finally:
            lock.release()

    # --- what would go ------------------------------------------------------------------------

    def of_person(self, holder_ref: str) -> Doomed:
        """Return what leads to the person with this pseudonym: links, and no event."""
        with translated("read", self._path):
            row = self._db.execute("SELECT count(*) FROM link WHERE holder_ref = ?", (holder_ref,))
            return Doomed(0, 0, 0, int(row.fetchone()[0]))

    def before(self, moment: datetime, now: datetime) -> Doomed:
        """Return the oldest events that are certainly from before ``moment``.

        In the order of seq, as retention counts: an event is old if it, or one that came after it,
        says so with a clock that was known. One that is stamped later than ``now`` says nothing.
        """
        with translated("read", self._path):
            row = self._db.execute(
                "SELECT coalesce(max(seq), 0) FROM event WHERE is_timed AND at_ms < ?1 AND seq <"
                " coalesce((SELECT min(seq) FROM event"
                " WHERE is_timed AND at_ms >= ?1 AND at_ms <= ?2), 1 << 62)",
                (_milliseconds(moment), _milliseconds(now)),
            ).fetchone()
        return self._upto(int(row[0]))

    def everything(self) -> Doomed:
        """Return all events."""
        with translated("read", self._path):
            row = self._db.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
        return self._upto(int(row[0]))

    def _upto(self, upto: int) -> Doomed:
        with translated("read", self._path):
            acked = int(read_meta(self._db, "acked_upto") or 0)
            events, unacked = self._db.execute(
                "SELECT count(*), coalesce(sum(seq > ?), 0) FROM event WHERE seq <= ?",
                (acked, upto),
            ).fetchone()
            links = self._db.execute("SELECT count(*) FROM link WHERE seq <= ?", (upto,)).fetchone()
        return Doomed(upto if events else 0, int(events), int(unacked), int(links[0]))

    # --- deleting -----------------------------------------------------------------------------

    def delete_person(self, holder_ref: str) -> None:
        """Delete a person's links. The events stay, and the chain verifies."""
        self._delete(
            lambda: self._db.execute("DELETE FROM link WHERE holder_ref = ?", (holder_ref,))
        )

    def delete_events(self, doomed: Doomed) -> None:
        """Delete the events of ``doomed`` with their links, and all that names their visits."""
        upto = doomed.upto
        with translated("read", self._path):
            digest, anchor_seq = hash_of(self._db, upto), read_anchor(self._db)[0]
            acked = int(read_meta(self._db, "acked_upto") or 0)
        if upto <= anchor_seq:
            return
        if digest is None:
            raise LedgerCorrupt(f"{self._path} has no event {upto}: see gated ledger verify")
        meta = {
            "anchor_seq": str(upto),
            "anchor_hash": digest.hex(),
            "acked_upto": str(max(acked, upto)),  # what is gone cannot wait to be sent
        }

        def delete() -> None:
            db = self._db
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
            visits = "(SELECT visit_id FROM event WHERE seq <= ?1 AND visit_id IS NOT NULL)"
            for table in ("open_visit", "open_use"):
                db.execute(f"DELETE FROM {table} WHERE visit_id IN {visits}", (upto,))  # noqa: S608
            # The uses themselves stay, or a pass for one use would open again.
            db.execute(f"UPDATE own_use SET visit_id = '' WHERE visit_id IN {visits}", (upto,))  # noqa: S608
            db.execute("DELETE FROM event WHERE seq <= ?", (upto,))

        self._delete(delete)

    def _delete(self, work: Callable[[], object]) -> None:
        """Do ``work`` in one transaction, then take what it deleted out of the log as well.

        ``secure_delete`` overwrites in the file, but the log still holds the pages as they were.

        Raises: StorageError: a reader keeps the log; the deletion is done, its bytes are not gone.
        """
        with translated("purge", self._path):
            in_transaction(self._db, work)
            (is_busy, _, _) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise StorageError(
                f"deleted, but {self._path}-wal still holds it because somebody reads it:"
                " stop gated-uplink and purge once more"
            )


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)


def files_with(needle: bytes, folder: Path) -> list[Path]:
    """Return the files of ``folder`` in which ``needle`` still stands. Raises: StorageError."""
    found = []
    with translated("search", folder):
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            with path.open("rb") as file:
                kept = b""
                while chunk := file.read(_SEARCH_BYTES):
                    if needle in kept + chunk:
                        found.append(path)
                        break
                    kept = chunk[-len(needle) :]
    return found
