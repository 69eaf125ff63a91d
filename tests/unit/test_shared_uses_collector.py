from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.collector.sqlite_store import SqliteStore
from tests.told_uses import DAY_MS, NOW_MS, SITE, tell, use

GOLDEN = Path(__file__).parent.parent / "golden/collector"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "records.db", keep_person_days=14)
    yield store
    store.close()


def test_deleted_uses_are_not_left_in_the_file(store: SqliteStore, tmp_path: Path) -> None:
    tell(store, use(1, pass_ref="k1:0123456789abcdef"))
    store.delete_expired(NOW_MS + 15 * DAY_MS)
    for file in tmp_path.iterdir():
        assert b"k1:0123456789abcdef" not in file.read_bytes(), file.name


def test_a_file_of_the_version_before_gets_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript((GOLDEN / "schema-2.sql").read_text(encoding="utf-8"))
    db.execute("DROP TABLE pass_use")
    db.execute("DROP TABLE uses_stored")
    db.execute("PRAGMA user_version = 1")
    (epoch,) = db.execute("SELECT value FROM meta WHERE key = 'collector_epoch'").fetchone()
    db.close()
    again = SqliteStore(path, keep_person_days=14)
    assert again.collector_epoch == epoch
    assert tell(again, use(1)).sites_with_new_uses == {SITE}
    (chain,) = again.current_chains()
    assert again.progress([chain])[0].upto == 10
    again.close()
