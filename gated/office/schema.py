"""``register.db``: its tables, how it is made and opened.

One file without side files (a rollback journal, not a WAL): whoever copies it has a whole copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gated.durable import write_new_private_file
from gated.errors import StorageError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x67_61_74_6F
""""gato" in the file's header, so that no other database is taken for ours."""
BUSY_TIMEOUT_MS = 5_000

_TABLES = """
CREATE TABLE fact (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE holder (
  pseudonym TEXT PRIMARY KEY,
  name      TEXT NOT NULL,
  category  TEXT NOT NULL,
  grp       TEXT,
  detail    TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX holder_name ON holder (name);

CREATE TABLE pass (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,  -- printed on the card, never used twice
  pseudonym   TEXT NOT NULL REFERENCES holder,
  kind        TEXT NOT NULL,
  cti         BLOB NOT NULL UNIQUE,
  claims      BLOB NOT NULL,   -- as in the code, unsigned: the key makes the same text of it again
  key_id      BLOB NOT NULL,
  begins_s    INTEGER NOT NULL,  -- the same as in the claims, for whoever looks into the file
  ends_s      INTEGER NOT NULL,
  issued_s    INTEGER NOT NULL,
  revoked_s   INTEGER,
  revoked_why TEXT,
  replaced_by INTEGER REFERENCES pass,
  CHECK ((revoked_s IS NULL) = (revoked_why IS NULL))
) STRICT;
CREATE INDEX pass_holder ON pass (pseudonym);
"""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise StorageError, beginning with ``doing``, for whatever SQLite raises inside."""
    try:
        yield
    except sqlite3.Error as exc:
        raise StorageError(f"{doing}: {exc} (登记册出错)") from exc


def open_database(path: Path) -> sqlite3.Connection:
    """Return a connection that syncs at every commit; a file that is not there yet is made (0600).

    Raises: StorageError: not ours, of a newer version, or unusable.
    """
    if not path.exists():
        write_new_private_file(path, b"")
    with translated(f"register {path}"):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            _prepare(connection, path)
        except (sqlite3.Error, StorageError):
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    is_ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    is_empty = connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()[0] == 0
    if not (is_ours or is_empty):
        raise StorageError(f"{path} is another program's database (不是登记册)")
    if connection.execute("PRAGMA user_version").fetchone()[0] > SCHEMA_VERSION:
        raise StorageError(f"{path} was written by a newer gated: update gated (请升级 gated)")
    # EXTRA: the journal's name is gone from the folder, durably, before a commit returns.
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in _TABLES.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
