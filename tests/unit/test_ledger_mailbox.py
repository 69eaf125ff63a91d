from __future__ import annotations

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
    assert (reader.has_changed(), reader.latest_ack(), reader.commands_after(0)) == (
        False,
        None,
        [],
    )
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


def test_commands_come_in_order_and_only_the_last_thousand_are_kept(path: Path) -> None:
    mailbox = Mailbox(path, FakeClock())
    ids = [mailbox.put_command(b"%d" % n) for n in range(1_004)]
    reader = MailboxReader(path)
    kept = reader.commands_after(0)
    assert [command.payload for command in kept] == [b"%d" % n for n in range(4, 1_004)]
    assert [command.id for command in reader.commands_after(ids[-2])] == [ids[-1]]
    reader.close()
    mailbox.close()


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
