"""Every store of the collector, for tests: opened, asked by SQL, opened again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gated.collector.postgres_reader import PostgresReader
from gated.collector.postgres_store import PostgresStore
from gated.collector.sqlite_reader import SqliteReader
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Reader, Store
from tests import postgres
from tests.postgres import PostgresServer


class DatabaseUnderTest(Protocol):
    """One database, new and empty; everything that it opens is closed with ``close``."""

    def store(self, *, keep_person_days: int = 14) -> Store: ...

    def reader(self) -> Reader: ...

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Return what ``sql`` finds, over a connection of its own."""

    def change(self, sql: str) -> None:
        """Run ``sql`` as somebody who meddles with the tables."""

    def close(self) -> None: ...


class SqliteDatabase:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: list[Store | Reader] = []

    def store(self, *, keep_person_days: int = 14) -> Store:
        store = SqliteStore(self.path, keep_person_days=keep_person_days)
        self._opened.append(store)
        return store

    def reader(self) -> Reader:
        reader = SqliteReader(self.path)
        self._opened.append(reader)
        return reader

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def change(self, sql: str) -> None:
        connection = sqlite3.connect(self.path)
        connection.executescript(sql)
        connection.close()

    def close(self) -> None:
        for opened in self._opened:
            opened.close()


class PostgresDatabase:
    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.address = server.new_database()
        self._opened: list[Store | Reader] = []

    def store(self, *, keep_person_days: int = 14) -> Store:
        store = PostgresStore(self.address, keep_person_days=keep_person_days)
        self._opened.append(store)
        return store

    def reader(self) -> Reader:
        reader = PostgresReader(self.address)
        self._opened.append(reader)
        return reader

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return postgres.rows(self.address, sql)

    def change(self, sql: str) -> None:
        with self.address.connect() as connection:
            connection.execute(sql)

    def close(self) -> None:
        for opened in self._opened:
            opened.close()
        self._server.give_back(self.address)


LAYOUTS = ("By order of arrival:", "By gate:")
"""The words above the block of each way to partition in docs/fleet.md."""


class PartitionedDatabase(PostgresDatabase):
    """Tables as docs/fleet.md partitions them.

    Args:
        layout: one of LAYOUTS.
    """

    def __init__(self, server: PostgresServer, layout: str) -> None:
        super().__init__(server)
        PostgresStore(self.address, keep_person_days=14).close()
        self.change(partitioning(layout))


def partitioning(layout: str) -> str:
    """Return the SQL of docs/fleet.md that partitions ``record``."""
    page = (Path(__file__).parents[1] / "docs/fleet.md").read_text(encoding="utf-8")
    section = page.split("## Partitioned PostgreSQL", 1)[1]
    parts = (section, section.split(layout, 1)[1], section.split("Then, for both:", 1)[1])
    return "\n".join(part.split("```sql", 1)[1].split("```", 1)[0] for part in parts)


NewDatabase = Callable[[], DatabaseUnderTest]
