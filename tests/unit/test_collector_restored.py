"""A collector's SQLite file that was put back from a backup has to be another store."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from gated.collector.sqlite_store import SqliteStore
from tests.collector_gate import LedgerOfGate


def run_once(path: Path, sessions: int = 1) -> str:
    """Open the store, announce ``sessions`` of them, and return the collector epoch."""
    with contextlib.closing(SqliteStore(path, keep_person_days=14)) as store:
        for _ in range(sessions):
            store.next_session()
        return store.collector_epoch


def back_up(path: Path, target: Path) -> Path:
    with (
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
    return target


def drop_log(path: Path) -> None:
    for side in ("-wal", "-shm"):
        Path(f"{path}{side}").unlink(missing_ok=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "collector.db"


def test_a_restart_is_the_same_store(path: Path) -> None:
    assert len({run_once(path, sessions) for sessions in (0, 1, 3, 0)}) == 1


@pytest.mark.parametrize("is_overwritten", [True, False])
def test_a_backup_put_back_is_another_store_once(
    path: Path, tmp_path: Path, is_overwritten: bool
) -> None:
    first = run_once(path)
    backup = back_up(path, tmp_path / "backup")
    assert run_once(path) == first
    drop_log(path)
    if not is_overwritten:
        path.unlink()
    shutil.copyfile(backup, path)
    second = run_once(path)
    assert second != first
    assert run_once(path) == second


def test_a_backup_of_the_session_that_was_at_work_is_another_store(
    path: Path, tmp_path: Path
) -> None:
    gate = LedgerOfGate()
    first, second = ([message.arrival()] for message in gate.write_visits(2))
    with contextlib.closing(SqliteStore(path, keep_person_days=14)) as store:
        store.next_session()
        store.ingest(first)
        backup = back_up(path, tmp_path / "backup")
        store.ingest(second)
        epoch = store.collector_epoch
    drop_log(path)
    shutil.copyfile(backup, path)
    with contextlib.closing(SqliteStore(path, keep_person_days=14)) as store:
        assert store.collector_epoch != epoch
        assert [progress.upto for progress in store.progress([gate.chain])] == [1]


def test_its_next_session_is_above_every_one_before(path: Path, tmp_path: Path) -> None:
    run_once(path)
    backup = back_up(path, tmp_path / "backup")
    run_once(path, 7)
    drop_log(path)
    shutil.copyfile(backup, path)
    with contextlib.closing(SqliteStore(path, keep_person_days=14)) as store:
        assert store.next_session() == 9


def test_a_folder_that_was_put_back_as_a_whole_is_another_store(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    path = tmp_path / "live" / "collector.db"
    first = run_once(path)
    shutil.copytree(tmp_path / "live", tmp_path / "backup")
    run_once(path)
    (tmp_path / "live").rename(tmp_path / "broken")
    shutil.copytree(tmp_path / "backup", tmp_path / "live")
    assert run_once(path) != first


def test_a_store_whose_witness_was_deleted_is_another_one_once(path: Path) -> None:
    first = run_once(path)
    Path(f"{path}.newest").unlink()
    second = run_once(path)
    assert second != first
    assert run_once(path) == second


def test_a_copy_without_its_witness_is_another_store(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    first = run_once(tmp_path / "old" / "collector.db")
    path = back_up(tmp_path / "old" / "collector.db", tmp_path / "collector.db")
    assert run_once(path) != first


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"-4 5", b"1e9 1", b"7", b"1 2 3"])
def test_a_witness_that_says_nothing_proves_nothing(path: Path, content: bytes) -> None:
    first = run_once(path)
    Path(f"{path}.newest").write_bytes(content)
    assert run_once(path) == first
    assert run_once(path) == first


def test_a_witness_that_lags_behind_proves_nothing(path: Path) -> None:
    first = run_once(path, 2)
    Path(f"{path}.newest").write_text("1 0\n", encoding="ascii")
    assert run_once(path) == first


def test_a_file_of_a_gated_that_noted_nothing_stays_the_same_store(path: Path) -> None:
    first = run_once(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM meta WHERE key = 'inode'")
        db.commit()
    Path(f"{path}.newest").unlink()
    assert run_once(path) == first
    assert run_once(path) == first
