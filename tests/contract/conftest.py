"""What a contract is held against."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, postgres_server
from tests.stores import (
    LAYOUTS,
    DatabaseUnderTest,
    NewDatabase,
    PartitionedDatabase,
    PostgresDatabase,
    SqliteDatabase,
)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL for all tests of this process; each takes databases of its own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDatabase]:
    """A function that makes an empty database of one kind."""
    with contextlib.ExitStack() as made:

        def new() -> DatabaseUnderTest:
            database: DatabaseUnderTest
            if request.param == "postgres":
                database = PostgresDatabase(request.getfixturevalue("server"))
            elif request.param in LAYOUTS:  # only where a module asks for them: they are slow
                server = request.getfixturevalue("server")
                database = PartitionedDatabase(server, request.param)
            else:
                database = SqliteDatabase(tmp_path / f"{len(list(tmp_path.iterdir()))}.db")
            made.callback(database.close)
            return database

        yield new
