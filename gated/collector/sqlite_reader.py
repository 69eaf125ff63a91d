"""The collector's store in one SQLite file: the reading side."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gated.collector.sql_reader import Row, SqlReader
from gated.collector.sqlite_schema import open_for_reading, translated

_READING = "the records cannot be read"


class SqliteQueries:
    """Implements ``sql_reader.Queries`` on an open connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with translated(_READING):
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with translated(_READING):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


class SqliteReader(SqlReader):
    """Implements ``store.Reader``. Raises: StorageError: the file cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(SqliteQueries(open_for_reading(path)))
