from __future__ import annotations

import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.errors import StorageError
from gated.ledger.mailbox import Mailbox, MailboxReader
from gated.wire import Ack

ACK = Ack(
    collector="centre", collector_epoch="first", epoch="a" * 16, upto=7, hash="0" * 64, at="now"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "uplink.db"


def test_the_newest_ack_reaches_the_controller(path: Path) -> None:
    reader = MailboxReader(path)
    assert (reader.has_changed(), reader.latest_ack()) == (False, None)
    mailbox = Mailbox(path, FakeClock())
    assert reader.has_changed()
    assert reader.latest_ack() is None
    mailbox.store_ack(ACK)
    mailbox.store_ack(ACK.model_copy(update={"upto": 9, "have": ((11, 14),)}))
    assert [reader.has_changed(), reader.has_changed()] == [True, False]
    latest = reader.latest_ack()
    assert latest is not None
    assert (latest.upto, latest.have) == (9, ((11, 14),))
    reader.close()
    mailbox.close()


def test_a_closed_mailbox_can_still_be_read(path: Path) -> None:
    mailbox = Mailbox(path, FakeClock())
    mailbox.store_ack(ACK)
    mailbox.close()
    reader = MailboxReader(path)
    assert reader.latest_ack() == ACK
    reader.close()
    assert Path(f"{path}-wal").exists()


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_older_version_keeps_what_it_says(path: Path, version: int) -> None:
    mailbox = Mailbox(path, FakeClock())
    mailbox.store_ack(ACK)
    mailbox.save_cursor("a" * 16, 12)
    mailbox.save_session(2**40)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE command (id INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB)")
        if version == 1:
            for table in ("shared_use", "uses_known", "inbox"):
                db.execute(f"DROP TABLE {table}")
        db.execute(f"PRAGMA user_version = {version}")
    mailbox.close()
    reader = MailboxReader(path)
    assert reader.latest_ack() is None  # not before the uplink has seen to it
    again = Mailbox(path, FakeClock())
    assert again.was_set_aside is None
    assert reader.latest_ack() == ACK
    assert again.cursor() == ("a" * 16, 12)
    assert again.last_session() == 2**40
    assert again.known_uses("a" * 16) == {}
    tables = {name for (name,) in again._db.execute("SELECT name FROM sqlite_schema")}
    assert "command" not in tables
    reader.close()
    again.close()


def test_sessions_only_grow_through_restarts_and_through_the_loss_of_the_file(path: Path) -> None:
    clock = FakeClock()
    numbers = []
    for loses_file in (False, False, True, False):
        mailbox = Mailbox(path, clock)
        for _ in range(2):
            numbers.append(mailbox.last_session() + 1)
            mailbox.save_session(numbers[-1])
        mailbox.close()
        clock.advance(timedelta(minutes=1).total_seconds())
        if loses_file:
            path.write_bytes(b"broken" * 100)
    assert numbers == sorted(set(numbers))
    mailbox = Mailbox(path, clock)
    mailbox.save_session(2**40)
    assert mailbox.last_session() == 2**40
    mailbox.close()


def test_the_cursor_is_remembered(path: Path) -> None:
    mailbox = Mailbox(path, FakeClock())
    assert mailbox.cursor() is None
    mailbox.save_cursor("a" * 16, 12)
    mailbox.save_cursor("a" * 16, 15)
    mailbox.close()
    again = Mailbox(path, FakeClock())
    assert again.cursor() == ("a" * 16, 15)
    again.close()


def test_a_corrupt_mailbox_is_set_aside_and_the_reader_follows(path: Path) -> None:
    first = Mailbox(path, FakeClock())
    first.store_ack(ACK)
    first.close()
    reader = MailboxReader(path)
    assert reader.latest_ack() == ACK
    Path(f"{path}-wal").unlink()
    Path(f"{path}-shm").unlink()
    path.write_bytes(b"broken" * 1_000)
    second = Mailbox(path, FakeClock())
    assert second.was_set_aside is not None
    assert second.was_set_aside.name == "uplink-20261123.corrupt.db"
    assert reader.has_changed()
    assert reader.latest_ack() is None
    second.store_ack(ACK)
    assert reader.latest_ack() == ACK
    reader.close()
    second.close()


def test_a_second_uplink_is_refused(path: Path) -> None:
    mailbox = Mailbox(path, FakeClock())
    with pytest.raises(StorageError, match="another gated uplink runs"):
        Mailbox(path, FakeClock())
    mailbox.close()
    mailbox.close()


def test_a_file_that_is_broken_while_it_is_read_is_an_error_of_ours(path: Path) -> None:
    reader = MailboxReader(path)
    path.write_bytes(b"broken" * 1_000)
    with pytest.raises(StorageError):
        reader.latest_ack()
    path.unlink()
    assert reader.latest_ack() is None
    reader.close()
