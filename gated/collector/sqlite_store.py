"""The collector's store in one SQLite file: the writing side."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gated.collector import sqlite_uses
from gated.collector.batch import Batch, read_batch
from gated.collector.intake import DAY_MS
from gated.collector.sql_links import FIND_LONGER, SHORTEN
from gated.collector.sql_reader import read_progress
from gated.collector.sqlite_batch import SqliteTables
from gated.collector.sqlite_reader import SqliteQueries
from gated.collector.sqlite_restored import Witness, read_newest
from gated.collector.sqlite_schema import open_for_writing, translated
from gated.collector.store import Arrival, ChainKey, IngestResult, Progress, UsesPage
from gated.errors import StorageError


class SqliteStore:
    """Implements ``store.Store``. One thread owns it.

    Args:
        path: the database file; made if it is not there.
        keep_person_days: how long a person link may be kept; 0 keeps none.

    Raises: StorageError: the file cannot be used.
    """

    def __init__(self, path: Path, *, keep_person_days: int) -> None:
        self._keep_days = keep_person_days
        self._has_dirty_wal = True  # for all we know: a process before us may have been stopped
        self._connection = open_for_writing(path)
        try:
            self._witness = Witness(path)
            with self._transaction() as connection:
                self._epoch = self._witness.recognise(connection)
                self._shorten_links(connection)
            self._witness.note(read_newest(self._connection))
        except StorageError:
            self._connection.close()
            raise

    @property
    def collector_epoch(self) -> str:
        return self._epoch

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what is done inside, or nothing. Raises: StorageError."""
        connection = self._connection
        with translated("cannot store"):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:  # also when the commit itself failed
                    connection.execute("ROLLBACK")

    def _shorten_links(self, connection: sqlite3.Connection) -> None:
        keep_ms = self._keep_days * DAY_MS
        if connection.execute(FIND_LONGER, (keep_ms,)).fetchone():
            connection.execute(SHORTEN, (keep_ms, keep_ms))

    def ingest(self, batch: Sequence[Arrival]) -> IngestResult:
        read = read_batch(batch)
        with self._transaction() as connection:
            tables = SqliteTables(connection)
            result = Batch(tables, keep_person_days=self._keep_days).ingest(read)
            newest = read_newest(connection)
        self._witness.note(newest)
        return result

    def progress(self, chains: Sequence[ChainKey]) -> list[Progress]:
        queries = SqliteQueries(self._connection)
        return [read_progress(queries, chain) for chain in chains]

    def current_chains(self) -> list[ChainKey]:
        with translated("cannot read the progress"):
            rows = self._connection.execute(
                """
                SELECT site, gate, coalesce(
                  json_extract(state, '$.epoch'),
                  (SELECT epoch FROM progress AS p WHERE p.site = g.site AND p.gate = g.gate
                   ORDER BY first_received_ms DESC LIMIT 1))
                FROM gate AS g ORDER BY site, gate
                """
            )
            return [ChainKey(*row) for row in rows if row[2] is not None]

    def next_session(self) -> int:
        with self._transaction() as connection:
            connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'session'")
            newest = read_newest(connection)
        self._witness.note(newest)
        return newest.session

    def newest_use(self) -> int:
        with translated("cannot read the uses of passes"):
            return sqlite_uses.newest(self._connection)

    def uses_page(self, site: str, after: int) -> UsesPage:
        with translated("cannot read the uses of passes"):
            return sqlite_uses.page(self._connection, site, after)

    def uses_stored(self, ledgers: Sequence[ChainKey]) -> list[int]:
        with translated("cannot read the uses of passes"):
            return [sqlite_uses.stored(self._connection, key.lane, key.epoch) for key in ledgers]

    def delete_expired(self, now_ms: int) -> int:
        with self._transaction() as connection:
            deleted = connection.execute("DELETE FROM link WHERE expires_at_ms <= ?", (now_ms,))
            count = deleted.rowcount
            # A message that could not be read may hold a link that could not be split off.
            oldest_ms = now_ms - self._keep_days * DAY_MS
            erased = connection.execute(
                "UPDATE quarantine SET body = NULL WHERE body IS NOT NULL AND received_at_ms <= ?",
                (oldest_ms,),
            )
            count += erased.rowcount
            count += sqlite_uses.delete_expired(connection, oldest_ms)
        self._has_dirty_wal = self._has_dirty_wal or count > 0
        if self._has_dirty_wal:
            self._has_dirty_wal = not self._scrub()
        return count

    def _scrub(self) -> bool:
        """Empty the ``-wal``; return whether it is, which a reader can prevent.

        secure_delete overwrites in the file, but the log still holds the old pages.
        """
        with translated("cannot empty the log"):
            (is_busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy

    def close(self) -> None:
        self._connection.close()
        self._witness.close()
