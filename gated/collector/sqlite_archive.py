"""The collector's archive in its SQLite file."""

from __future__ import annotations

from pathlib import Path

from gated.collector.sql_archive import SqlArchive
from gated.collector.sqlite_reader import SqliteQueries
from gated.collector.sqlite_schema import open_for_reading


class SqliteArchive(SqlArchive):
    """Implements ``archive.Archive``. Raises: StorageError: the file cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(SqliteQueries(open_for_reading(path)))
