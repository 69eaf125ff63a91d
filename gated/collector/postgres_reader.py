"""The collector's store in PostgreSQL: the reading side."""

from __future__ import annotations

from gated.collector.postgres_connection import PostgresAddress, PostgresQueries, open_for_reading
from gated.collector.sql_reader import SqlReader


class PostgresReader(SqlReader):
    """Implements ``store.Reader``. Raises: StorageError: the database cannot be read."""

    def __init__(self, address: PostgresAddress) -> None:
        super().__init__(PostgresQueries(open_for_reading(address)))
