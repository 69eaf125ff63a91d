from __future__ import annotations

import dataclasses
import itertools
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.contents import PassageContent
from gated.errors import StorageError
from gated.ledger.drafts import Refused
from gated.ledger.reader import LedgerReader
from gated.ledger.writer import AckOutcome, Ledger, Stored
from gated.received import parse_record
from gated.units import MonoSeconds
from gated.vocabulary import Direction, PassageResult
from gated.wire import GENESIS, Draft, PassUse, chain_hash
from tests.ledger_drafts import ack, fill, link, open_ledger, passage, stamp, stored, visit


def commits(path: Path) -> int:
    """Return the number of transactions in the -wal: frames that carry a database size."""
    wal = Path(f"{path}-wal").read_bytes()
    frame = 24 + int.from_bytes(wal[8:12], "big")
    return sum(any(wal[at + 4 : at + 8]) for at in range(32, len(wal), frame))


def test_a_new_file_gets_an_epoch_and_numbers_from_one(tmp_path: Path) -> None:
    opened = open_ledger(tmp_path / "ledger.db")
    assert (opened.how, opened.previous_epoch) == ("new", None)
    first, second = stored(opened.ledger.append([visit("a"), visit("b")]))
    record = parse_record(first.body)
    assert (first.seq, second.seq) == (1, 2)
    assert (record.epoch, record.seq, record.prev) == (opened.ledger.epoch, 1, "0" * 16)
    assert first.hash == chain_hash(GENESIS, 1, first.body)
    assert second.hash == chain_hash(first.hash, 2, second.body)
    opened.ledger.close()


def test_the_file_is_wal_and_synced_in_full_and_deletes_securely(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    pragmas = {
        name: ledger._db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
    }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
    }
    ledger.close()


def test_what_waits_together_is_one_transaction(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    before = commits(path)
    ledger.append([visit(f"v{n}", person=link()) for n in range(40)], settings={"mode": "closed"})
    assert commits(path) == before + 1
    ledger.close()


def test_a_draft_that_is_too_large_is_refused_alone(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    first, second, third = ledger.append([visit("a"), visit("b", group="x" * 17_000), visit("c")])
    assert isinstance(first, Stored)
    assert isinstance(second, Refused)
    assert "16384" in second.reason
    assert isinstance(third, Stored)
    assert (first.seq, third.seq) == (1, 2)
    assert third.hash == chain_hash(first.hash, 2, third.body)
    ledger.close()


@pytest.mark.parametrize("bad", ["lone surrogate", "no offset", "use without a visit"])
def test_what_can_never_be_recorded_is_refused_and_not_raised(tmp_path: Path, bad: str) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    good = visit("a")
    draft = {
        "lone surrogate": visit("a", use=PassUse("\ud800", Direction.IN)),
        "no offset": visit("a", when=dataclasses.replace(stamp(), at="2026-11-23T07:41:08")),
        "use without a visit": Draft(
            PassageContent(visit_id=None, result=PassageResult.FORCED),
            stamp(),
            use=PassUse("p", Direction.IN),
        ),
    }[bad]
    refused, taken = ledger.append([draft, good])
    assert isinstance(refused, Refused)
    assert isinstance(taken, Stored)
    assert taken.seq == 1
    ledger.close()


def test_settings_are_saved_with_the_event_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    ledger.append([visit("a")], settings={"mode": "closed"})
    ledger.append([visit("b", group="x" * 17_000)], settings={"mode": "observe"})
    assert ledger.setting("mode") == "closed"
    ledger.save_setting("command_counter", "7")
    ledger.close()
    again = open_ledger(path).ledger
    assert (again.setting("mode"), again.setting("command_counter")) == ("closed", "7")
    assert again.setting("nothing") is None
    again.close()


def test_numbers_are_never_given_twice_even_when_every_event_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    clock = FakeClock()
    ledger = open_ledger(path, clock).ledger
    last = fill(ledger, 5)[-1]
    assert ledger.apply_ack(ack(ledger, 5, last.hash)) is AckOutcome.ADVANCED
    assert ledger.collect(0) == 5
    assert fill(ledger, 1)[0].seq == 6
    ledger.apply_ack(ack(ledger, 6, ledger._tail.hash))
    assert ledger.collect(0) == 1
    ledger.close()
    opened = open_ledger(path, clock)
    assert opened.how == "opened"
    following = fill(opened.ledger, 1)[0]
    assert following.seq == 7
    opened.ledger.close()


def test_a_restart_in_the_same_boot_keeps_its_number_and_another_boot_gets_the_next(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    numbers = []
    for boot_id in ("one", "one", "two", "one"):
        ledger = open_ledger(path, boot_id=boot_id).ledger
        numbers.append(ledger.boot)
        ledger.close()
    assert numbers == [1, 1, 2, 1]


def test_the_boot_is_the_kernels_own_unless_given(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    opened = Ledger.open(path, site="s", gate="g", clock=FakeClock(), software="0")
    opened.ledger.close()
    db = sqlite3.connect(path)
    (boot_id,) = db.execute("SELECT boot_id FROM boot").fetchone()
    db.close()
    assert boot_id == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def test_a_second_writer_is_refused_in_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    with pytest.raises(StorageError, match="another gated controller runs"):
        open_ledger(path)
    assert fill(ledger, 1)[0].seq == 1
    ledger.close()
    open_ledger(path).ledger.close()


def test_a_missing_folder_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist; make it"):
        open_ledger(tmp_path / "nowhere" / "ledger.db")


def test_open_visits_are_those_without_a_passage_outcome_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    ledger.append([visit("z"), visit("b"), visit("a"), passage("b")])
    assert ledger.open_visits() == ["z", "a"]
    ledger.close()
    again = open_ledger(path).ledger
    again.append([passage("z", PassageResult.UNKNOWN)])
    assert again.open_visits() == ["a"]
    again.close()


def test_a_use_is_counted_and_given_back_only_by_nobody_passed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    morning = datetime(2026, 11, 23, 7, tzinfo=UTC)
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    ledger.append([visit("a", use=PassUse("p", Direction.IN), when=stamp(morning)), passage("a")])
    assert ledger.uses() == {"p": (1, Direction.IN, morning, None)}
    ledger.append([visit("b", use=PassUse("p", Direction.OUT), when=stamp(noon))])
    assert ledger.uses() == {"p": (2, Direction.OUT, noon, None)}
    ledger.append([passage("b", PassageResult.NOBODY_PASSED)])
    assert ledger.uses() == {"p": (1, Direction.IN, morning, None)}
    ledger.append([passage("a", PassageResult.NOBODY_PASSED)])
    assert ledger.uses() == {"p": (1, Direction.IN, morning, None)}, (
        "a closed visit gives nothing back"
    )
    ledger.close()


def test_the_only_use_given_back_leaves_nothing_behind(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    ledger.append([visit("a", use=PassUse("p", Direction.IN))])
    ledger.append([passage("a", PassageResult.NOBODY_PASSED)])
    assert ledger.uses() == {}
    ledger.close()


def test_a_visit_uses_a_pass_once(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    ledger.append([visit("a", use=PassUse("p", Direction.IN))] * 2)
    assert ledger.uses()["p"].uses == 1
    ledger.close()


def test_a_failed_transaction_leaves_neither_events_nor_settings(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    fill(ledger, 3)
    ledger._db.execute(
        "CREATE TEMP TRIGGER fail BEFORE INSERT ON setting BEGIN SELECT raise(FAIL, 'x'); END"
    )
    with pytest.raises(StorageError):
        ledger.append([visit("lost"), visit("lost too")], settings={"mode": "closed"})
    ledger._db.execute("DROP TRIGGER fail")
    assert (ledger.newest_seq, ledger.setting("mode")) == (3, None)
    assert fill(ledger, 1)[0].seq == 4
    reader = LedgerReader(path)
    assert [event.visit_id for event in reader.after(0, 10)] == ["v1", "v2", "v3", "v4"]
    reader.close()
    ledger.close()


def test_commit_time_is_that_of_the_commit_alone(tmp_path: Path) -> None:
    class CountingClock(FakeClock):
        def __init__(self) -> None:
            super().__init__()
            self.readings = itertools.count()

        def monotonic_s(self) -> MonoSeconds:
            return MonoSeconds(next(self.readings))

    ledger = open_ledger(tmp_path / "ledger.db", CountingClock()).ledger
    answers = stored(ledger.append([visit("a"), visit("b")]))
    assert [answer.commit_ms for answer in answers] == [1000.0, 1000.0]
    ledger.close()
