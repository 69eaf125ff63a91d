"""``uplink.db``: what the uplink tells the controller, and what it must remember itself.

The uplink writes, the controller reads. Losing the file costs resends and nothing else, so a sync
for each commit is not needed, and a corrupt file is set aside and made new.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from gated.clock import Clock
from gated.errors import LedgerCorrupt, StorageError
from gated.ledger import uses_inbox
from gated.ledger.files import (
    DATABASE_ERRORS,
    WriterLock,
    check_folder,
    close_leaving_wal,
    connect_reader,
    connect_writer,
    set_aside,
    translated,
)
from gated.ledger.shared_uses import Taken, Told
from gated.ledger.uses_inbox import Known
from gated.uses import UseAt
from gated.wire import Ack

SCHEMA_VERSION = 3
TOOK_MS = "took_ms"
_ONE = "one INTEGER PRIMARY KEY CHECK (one = 1)"
_TABLES = (
    f"CREATE TABLE ack ({_ONE}, ack TEXT NOT NULL) STRICT",
    f"CREATE TABLE cursor ({_ONE}, epoch TEXT NOT NULL, sent INTEGER NOT NULL) STRICT",
    f"CREATE TABLE session ({_ONE}, n INTEGER NOT NULL) STRICT",
)


class Mailbox:
    """The writer of ``uplink.db``. One thread at a time.

    Raises: StorageError: no folder, no permission, or another uplink runs.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        check_folder(path)
        self.path = path
        self._clock = clock
        self._lock = WriterLock(path, "gated uplink")
        self.was_set_aside: Path | None = None
        try:
            self._db = self._open()
        except StorageError:
            self._lock.release()
            raise

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except LedgerCorrupt:
            self.was_set_aside = set_aside(self.path, f"{self._clock.now():%Y%m%d}", "corrupt")
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        with translated("open", self.path):
            db = connect_writer(self.path, synchronous="NORMAL")
            try:
                self._prepare(db)
            except (*DATABASE_ERRORS, StorageError):
                db.close()
                raise
            return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if version == 0 and tables == 0:
            db.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                db.execute(statement)
            uses_inbox.prepare(db)
            # A collector ignores a birth with a lower session than the last one it saw, so a new
            # file starts far above what an old one has counted to.
            db.execute("INSERT INTO session VALUES (1, ?)", (int(self._clock.now().timestamp()),))
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            db.execute("COMMIT")
            return
        if version in {1, 2}:
            db.execute("BEGIN IMMEDIATE")
            if version == 1:
                uses_inbox.prepare(db)
            db.execute("DROP TABLE command")  # they come as datagrams
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            db.execute("COMMIT")
            version = SCHEMA_VERSION
        (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if version != SCHEMA_VERSION or answer != "ok":
            raise LedgerCorrupt(f"{self.path}: schema {version}, quick_check: {answer}")

    def store_ack(self, ack: Ack, took_ms: int | None = None) -> None:
        """Remember the newest ack for the controller. Raises: StorageError.

        ``took_ms``: from the commit of its newest record to its arrival; None: not known. Nobody
        decides by it: it stands beside the ack's own members for whoever looks after the gate.
        """
        stored = ack.model_dump() | ({} if took_ms is None else {TOOK_MS: took_ms})
        self._write("INSERT OR REPLACE INTO ack VALUES (1, ?)", json.dumps(stored))

    def save_cursor(self, epoch: str, sent: int) -> None:
        """Remember what was sent: a hint; losing it only sends again. Raises: StorageError."""
        self._write("INSERT OR REPLACE INTO cursor VALUES (1, ?, ?)", epoch, sent)

    def cursor(self) -> tuple[str, int] | None:
        """Return (epoch, sent), or None before the first. Raises: StorageError."""
        with translated("read", self.path):
            row = self._db.execute("SELECT epoch, sent FROM cursor").fetchone()
        return (str(row[0]), int(row[1])) if row else None

    def put_uses(
        self, uses: Iterable[UseAt], *, collector: str, known: Known, ledger_epoch: str
    ) -> int | None:
        """Store what other gates told; return how many say something new.

        None: too much waits for the controller already. Raises: StorageError.
        """
        with translated("write", self.path):
            return uses_inbox.put(
                self._db, uses, collector=collector, known=known, ledger_epoch=ledger_epoch
            )

    def known_uses(self, ledger_epoch: str) -> Mapping[str, Known]:
        """Return by collector how far its list of uses is known. Raises: StorageError."""
        with translated("read", self.path):
            return uses_inbox.known(self._db, ledger_epoch)

    def drop_uses(self, taken: Taken) -> None:
        """Delete what the controller has taken over. Raises: StorageError."""
        with translated("write", self.path):
            uses_inbox.drop(self._db, taken)

    def save_session(self, n: int) -> None:
        """Set the session number, durably. Raises: StorageError."""
        self._write("INSERT OR REPLACE INTO session VALUES (1, ?)", n)
        self._write("PRAGMA wal_checkpoint(PASSIVE)")  # syncs, which a commit here does not

    def last_session(self) -> int:
        """Return the number of the newest connection. Raises: StorageError."""
        with translated("read", self.path):
            row = self._db.execute("SELECT n FROM session").fetchone()
        return int(row[0]) if row else int(self._clock.now().timestamp())

    def close(self) -> None:
        """Close the file, leaving ``-wal`` and ``-shm`` for the controller. Idempotent."""
        close_leaving_wal(self._db, self.path)
        self._lock.release()

    def _write(self, statement: str, *values: str | int) -> None:
        with translated("write", self.path):
            self._db.execute(statement, values)


class MailboxReader:
    """The controller's view of ``uplink.db``. The file may come later, or be made new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._inode = -1
        self._seen: tuple[int, int] | None = None

    def has_changed(self) -> bool:
        """Return whether the uplink wrote since the last call."""
        with self._reading() as db:
            if db is None:
                return False
            (version,) = db.execute("PRAGMA data_version").fetchone()
            now = (self._inode, int(version))
        is_new = now != self._seen
        self._seen = now
        return is_new

    def latest_ack(self) -> Ack | None:
        """Return the newest ack; None without one, or one unreadable. Raises: StorageError."""
        with self._reading() as db:
            row = db.execute("SELECT ack FROM ack").fetchone() if db is not None else None
        if row is None:
            return None
        try:
            return Ack.model_validate_json(row[0])
        except ValidationError:
            return None

    def latest_took_ms(self) -> int | None:
        """Return how long the newest ack took; None: nobody knows. Raises: StorageError."""
        with self._reading() as db:
            row = db.execute("SELECT ack FROM ack").fetchone() if db is not None else None
        try:
            stored = {} if row is None else json.loads(row[0])
        except ValueError:
            return None
        match stored:
            case {"took_ms": int(took_ms)} if took_ms >= 0:
                return took_ms
            case _:
                return None

    def uses_after(self, taken: Taken | None, limit: int) -> Told | None:
        """Return what other gates told behind ``taken``, or None. Raises: StorageError."""
        with self._reading() as db:
            return None if db is None else uses_inbox.take(db, taken, limit)

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Give the current file's connection, or None while there is no file with tables."""
        try:
            with translated("read", self.path):
                self._follow()
                yield self._db
        except LedgerCorrupt as exc:  # the uplink's file: our own ledger is none the worse
            self.close()
            raise StorageError(str(exc)) from exc
        except StorageError:
            self.close()  # the next call opens it afresh
            raise

    def _follow(self) -> None:
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            self.close()
            return
        if self._db is not None and inode == self._inode:
            return
        self.close()
        db = connect_reader(self.path)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            db.close()
            return
        self._db, self._inode = db, inode
