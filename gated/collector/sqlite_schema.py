"""The tables of the collector's SQLite file, and how it is opened. See docs/collector.md."""

from __future__ import annotations

import base64
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gated.collector import sqlite_time, sqlite_uses
from gated.errors import StorageError

BUSY_TIMEOUT_MS = 5_000
APPLICATION_ID = 0x67_61_74_63
""""gatc" in the file's header, so that no other database is taken for ours."""

_TABLES = """
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival, never used twice
  site            TEXT NOT NULL,
  gate            TEXT NOT NULL,
  epoch           TEXT NOT NULL,
  seq             INTEGER NOT NULL,
  kind            TEXT NOT NULL,
  received_at_ms  INTEGER NOT NULL,
  body            BLOB,             -- NULL: unreadable, see quarantine
  body_sha        BLOB NOT NULL,    -- SHA-256 of the body, or of the raw message if unreadable
  prev            BLOB,             -- what the gate says that h(seq - 1) begins with
  chain           BLOB,             -- h(seq); NULL beyond a hole
  at_ms           INTEGER,
  at              TEXT,
  time_quality    TEXT,
  boot            INTEGER,
  mode            TEXT,
  drill           INTEGER,
  visit_id        TEXT,
  direction       TEXT,
  outcome         TEXT,
  reason          TEXT,
  would_have      TEXT,
  body_c          REAL,
  threshold_c     REAL,
  attempt         INTEGER,
  holder_category TEXT,
  holder_group    TEXT,
  result          TEXT,
  alarm           TEXT,
  device          TEXT,
  UNIQUE (site, gate, epoch, seq)
) STRICT;
CREATE INDEX record_at ON record (at_ms);
CREATE INDEX record_undated ON record (site, gate, epoch, seq) WHERE time_quality = 'unknown';

CREATE TABLE link (                 -- the deletable opening of a body's holder_commitment
  site          TEXT NOT NULL,
  gate          TEXT NOT NULL,
  epoch         TEXT NOT NULL,
  seq           INTEGER NOT NULL,
  holder_ref    TEXT NOT NULL,
  salt          TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  PRIMARY KEY (site, gate, epoch, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_expiry ON link (expires_at_ms);

CREATE TABLE quarantine (
  id             INTEGER PRIMARY KEY,
  problem        TEXT NOT NULL,
  site           TEXT NOT NULL,
  gate           TEXT NOT NULL,
  epoch          TEXT NOT NULL,      -- '' if it could not be placed
  seq            INTEGER NOT NULL,   -- 0 if it could not be placed
  topic          TEXT NOT NULL,
  body           BLOB,               -- erased with the person links; its hash stays
  body_sha       BLOB NOT NULL,
  error          TEXT NOT NULL,
  received_at_ms INTEGER NOT NULL,
  resolved       INTEGER NOT NULL DEFAULT 0,
  UNIQUE (problem, site, gate, epoch, seq, body_sha)  -- a resend is not a second problem
) STRICT;

CREATE TABLE progress (
  site              TEXT NOT NULL,
  gate              TEXT NOT NULL,
  epoch             TEXT NOT NULL,
  upto              INTEGER NOT NULL,
  hash              BLOB NOT NULL,
  highest           INTEGER NOT NULL,
  first_received_ms INTEGER NOT NULL,
  PRIMARY KEY (site, gate, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE lost (                 -- the gate no longer has these, and we never got them
  site        TEXT NOT NULL,
  gate        TEXT NOT NULL,
  epoch       TEXT NOT NULL,
  first_seq   INTEGER NOT NULL,
  last_seq    INTEGER NOT NULL,
  noted_at_ms INTEGER NOT NULL,
  PRIMARY KEY (site, gate, epoch, first_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE gate (
  site             TEXT NOT NULL,
  gate             TEXT NOT NULL,
  state            TEXT,             -- JSON of the last birth
  online           INTEGER NOT NULL DEFAULT 0,
  session          INTEGER,
  session_since_ms INTEGER,
  state_at_ms      INTEGER,
  last_seen_ms     INTEGER NOT NULL,
  PRIMARY KEY (site, gate)
) STRICT, WITHOUT ROWID;
"""

_MIGRATIONS = (
    _TABLES,
    sqlite_uses.TABLES,
    sqlite_time.COLUMNS + sqlite_time.FILL + sqlite_time.VIEWS,
    sqlite_time.FOLLOW_UPS,
)
"""What makes version n of version n - 1, in one transaction each; a new file starts at 0."""
SCHEMA_VERSION = len(_MIGRATIONS)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise StorageError, beginning with ``doing``, for whatever SQLite raises inside."""
    try:
        yield
    except sqlite3.Error as exc:
        raise StorageError(f"{doing}: {exc}") from exc


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Return a connection in WAL mode that syncs at every commit; the tables exist.

    Raises: StorageError: cannot be opened, is no database of ours, or of a newer version.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except (sqlite3.Error, StorageError):
            connection.close()
            raise
    except sqlite3.Error as exc:
        raise StorageError(f"{path} cannot be opened: {exc}") from exc
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    is_ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    is_empty = connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()[0] == 0
    if not (is_ours or is_empty):
        raise StorageError(f"{path} is another program's database: name another file")
    if version > SCHEMA_VERSION:
        raise StorageError(f"{path} was written by a newer gated (schema {version}): update gated")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    connection.execute("PRAGMA synchronous = FULL")
    # Read back: a file system without shared memory silently stays in another mode.
    full = 2
    if mode != "wal" or connection.execute("PRAGMA synchronous").fetchone()[0] != full:
        raise StorageError(f"{path} is on a file system that cannot commit safely (no WAL)")
    connection.execute("PRAGMA secure_delete = ON")
    while _migrate_once(connection):
        pass


def _migrate_once(connection: sqlite3.Connection) -> bool:
    """Take the file one version further; return whether it was behind."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read inside: another process may have been at it.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version >= SCHEMA_VERSION:
            return False
        _run(connection, _MIGRATIONS[version])
        if version == 0:
            _name(connection)
        connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return True


def _name(connection: sqlite3.Connection) -> None:
    """Give a new file its collector epoch, and say that it is ours."""
    epoch = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?)", [("collector_epoch", epoch), ("session", "0")]
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _run(connection: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            connection.execute(statement)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot write. Raises: StorageError: no such file, or not ours."""
    if not path.is_file():
        raise StorageError(f"{path} does not exist: start `gated collector run` first")
    try:
        # Not mode=ro: the reader of a WAL file must be able to make the shared-memory file.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA query_only = ON")
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise StorageError(f"{path} is no collector's database")
        except (sqlite3.Error, StorageError):
            connection.close()
            raise
    except sqlite3.Error as exc:
        raise StorageError(f"{path} cannot be read: {exc}") from exc
    return connection
