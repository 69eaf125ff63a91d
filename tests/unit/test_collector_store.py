from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gated.collector.sqlite_reader import SqliteReader
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Problem
from gated.errors import StorageError
from gated.wire import PersonLink
from tests.collector_gate import LedgerOfGate, ms, visit

LINK = PersonLink(holder_ref="k4:9c41f07be2d85a13", salt="c2FsdHNhbHRzYWx0c2E")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path, keep_person_days=14)
    yield store
    store.close()


@pytest.fixture
def gate() -> LedgerOfGate:
    return LedgerOfGate()


def test_a_deleted_person_link_is_in_no_byte_of_the_files(
    gate: LedgerOfGate, path: Path, tmp_path: Path
) -> None:
    store = SqliteStore(path, keep_person_days=14)
    store.ingest([gate.write(visit(), link=LINK).arrival()])

    def found() -> bool:
        return any(LINK.salt.encode() in file.read_bytes() for file in tmp_path.iterdir())

    assert found()
    store.delete_expired(ms(gate.at + timedelta(days=15)))
    assert not found()
    store.close()


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_deleted_person_link_that_a_reader_kept_in_the_log_goes_once_nobody_reads(
    gate: LedgerOfGate, path: Path, is_restarted: bool
) -> None:
    store, log = SqliteStore(path, keep_person_days=14), path.with_name("records.db-wal")
    store._connection.execute("PRAGMA busy_timeout = 0")
    store.ingest([gate.write(visit(), link=LINK).arrival()])
    reader = SqliteReader(path)
    with reader.snapshot():
        reader.last_id()
        assert store.delete_expired(ms(gate.at + timedelta(days=15))) == 1
        assert LINK.salt.encode() in log.read_bytes()
    if is_restarted:  # the reader's connection keeps the log
        store.close()
        store = SqliteStore(path, keep_person_days=14)
    assert store.delete_expired(ms(gate.at + timedelta(days=15, hours=1))) == 0
    assert LINK.salt.encode() not in log.read_bytes()
    reader.close()
    store.close()


def test_another_programs_database_is_not_touched(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(StorageError, match="another program"):
        SqliteStore(path, keep_person_days=14)


def test_a_database_of_a_newer_version_is_not_touched(path: Path, store: SqliteStore) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="newer gated"):
        SqliteStore(path, keep_person_days=14)


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"not a database, however long it may be" * 100)
    with pytest.raises(StorageError, match=r"records\.db"):
        SqliteStore(path, keep_person_days=14)


def test_every_problem_has_a_word_of_its_own() -> None:
    assert len({problem.value for problem in Problem}) == len(Problem)
