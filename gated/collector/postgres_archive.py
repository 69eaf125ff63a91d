"""The collector's archive in its PostgreSQL."""

from __future__ import annotations

from gated.collector.postgres_connection import PostgresAddress, PostgresQueries, open_for_reading
from gated.collector.sql_archive import SqlArchive


class PostgresArchive(SqlArchive):
    """Implements ``archive.Archive``. Raises: StorageError: the database cannot be read."""

    def __init__(self, address: PostgresAddress) -> None:
        super().__init__(PostgresQueries(open_for_reading(address)))
