"""Recognising a SQLite file that was put back from a backup, so that the gates send again.

What was stored after the backup was made is gone, and the gates hold an ack for it. They go back to
what this store acknowledges only if they hear that it is another one: a new collector epoch. An old
file does not know that it is old, so a witness beside it remembers its newest session and record;
and the database's inode tells whether both were brought here together. A renewal that was not
needed costs the gates one list of uses, and no record.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import sqlite3
from pathlib import Path
from typing import NamedTuple

from gated.errors import StorageError

_DIGITS = 20


class Newest(NamedTuple):
    """How far a database is: its last session, and the ``id`` of its last record."""

    session: int
    record: int

    def is_beyond(self, other: Newest) -> bool:
        """Return whether anything here is missing in ``other``."""
        return self.session > other.session or self.record > other.record


def new_collector_epoch() -> str:
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def read_newest(connection: sqlite3.Connection) -> Newest:
    """Return how far the database is. Raises: sqlite3.Error."""
    (session,) = connection.execute("SELECT value FROM meta WHERE key = 'session'").fetchone()
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()
    return Newest(int(session), int(row[0]) if row else 0)


class Witness:
    """A file beside the database at ``path`` that says how far it was. Written after each commit.

    Not synced: after a power cut it may lag behind, which proves nothing and harms nothing.

    Raises: StorageError: the file cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self._database = path
        witness = path.with_name(f"{path.name}.newest")
        self._is_missing = not witness.exists()
        try:
            self._descriptor = os.open(witness, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as exc:
            raise StorageError(f"{witness} cannot be opened: {exc.strerror}") from exc

    def note(self, newest: Newest) -> None:
        """Remember that ``newest`` is committed. On a full disk the next commit makes up for it."""
        line = f"{newest.session:{_DIGITS}d} {newest.record:{_DIGITS}d}\n"
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, line.encode(), 0)

    def recognise(self, connection: sqlite3.Connection) -> str:
        """Return the database's collector epoch: a new one if it was restored.

        Call it inside a transaction. Raises: StorageError; sqlite3.Error.
        """
        meta: dict[str, str] = dict(connection.execute("SELECT key, value FROM meta"))
        newest, noted, inode = read_newest(connection), self._read(), self._inode()
        epoch = meta["collector_epoch"]
        # Without an inode it is new, or of a gated that noted nothing: then nothing can be missing.
        is_moved = meta.get("inode", inode) != inode
        is_alone = self._is_missing and "inode" in meta and newest.session > 0
        if is_moved or is_alone or (noted is not None and noted.is_beyond(newest)):
            epoch = new_collector_epoch()
            # Above every session that was ever announced, or a gate takes our birth for an old one.
            session = max(newest.session, noted.session if noted is not None else 0)
            connection.executemany(
                "UPDATE meta SET value = ? WHERE key = ?",
                [(epoch, "collector_epoch"), (str(session), "session")],
            )
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('inode', ?)", (inode,))
        return epoch

    def _inode(self) -> str:
        try:
            return str(self._database.stat().st_ino)
        except OSError as exc:
            raise StorageError(f"{self._database} cannot be looked at: {exc.strerror}") from exc

    def _read(self) -> Newest | None:
        """Return what was noted last; None without it."""
        try:
            words = os.pread(self._descriptor, 2 * _DIGITS + 2, 0).decode("ascii").split()
        except (OSError, UnicodeDecodeError):
            return None
        numbers = [int(word) for word in words if word.isdigit()]
        return Newest(*numbers) if len(numbers) == len(words) == len(Newest._fields) else None

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
