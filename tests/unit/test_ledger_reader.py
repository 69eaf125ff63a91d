from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gated.clock import TimeQuality
from gated.errors import StorageError
from gated.ledger.purge import Purge
from gated.ledger.reader import EventFilter, LedgerReader
from gated.vocabulary import Outcome, Reason
from tests.ledger_drafts import ack, fill, link, open_ledger, passage, stamp, visit

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_a_reader_sees_each_commit_and_says_when_there_was_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    reader = LedgerReader(path)
    assert [reader.has_changed(), reader.has_changed()] == [True, False]
    ledger.append([visit("a", person=link())])
    assert reader.has_changed()
    (event,) = reader.after(0, 10)
    assert (event.seq, event.kind, event.visit_id, event.link) == (1, "visit", "a", link())
    assert (event.epoch, event.at) == (ledger.epoch, "2026-11-23T08:00:00.000+08:00")
    assert reader.after(1, 10) == []
    assert not reader.has_changed()
    reader.close()
    ledger.close()


def test_the_newest_time_is_of_the_newest_event_whose_clock_could_be_believed(
    tmp_path: Path,
) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    reader = LedgerReader(tmp_path / "ledger.db")
    assert reader.newest_time() is None
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    ledger.append([visit("a", when=stamp(noon - timedelta(hours=1)))])
    ledger.append([visit("b", when=stamp(noon, TimeQuality.HOLDOVER))])
    start_at_1970 = stamp(datetime(1970, 1, 1, tzinfo=UTC), TimeQuality.UNKNOWN)
    ledger.append([visit("c", when=start_at_1970)])
    assert reader.newest_time() == noon
    reader.close()
    ledger.close()


def test_once_everything_is_purged_no_clock_that_was_ahead_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    ledger.append([visit("a", when=stamp(datetime(2030, 1, 1, tzinfo=UTC)))])
    ledger.close()
    with Purge.opened(path) as purge:
        purge.delete_events(purge.everything())
    ledger = open_ledger(path).ledger
    reader = LedgerReader(path)
    assert reader.newest_time() is None
    reader.close()
    ledger.close()


def test_identity_bounds_and_backlog_of_an_empty_ledger(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    reader = LedgerReader(tmp_path / "ledger.db")
    identity = reader.identity()
    assert (identity.site, identity.gate, identity.epoch) == (
        "lixin-primary",
        "east-1",
        ledger.epoch,
    )
    bounds = reader.bounds()
    assert (bounds.oldest_seq, bounds.newest_seq, bounds.anchor) == (1, 0, (0, bytes(32)))
    assert (reader.backlog(), reader.acked_upto(), reader.hash_of(0)) == (0, 0, bytes(32))
    reader.close()
    ledger.close()


def test_a_reader_follows_the_writer_into_a_new_epoch(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    fill(ledger, 3)
    reader = LedgerReader(path)
    reader.has_changed()
    before = reader.identity().epoch
    ledger.fork("a test")
    assert reader.after(0, 1)[0].epoch == before, "until it looks, it reads one epoch throughout"
    assert reader.has_changed()
    assert reader.identity().epoch == ledger.epoch != before
    assert reader.bounds().newest_seq == 0
    reader.close()
    ledger.close()


def test_a_reader_without_a_ledger_says_who_makes_it(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the controller makes it"):
        LedgerReader(tmp_path / "ledger.db")


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    reader = LedgerReader(tmp_path / "ledger.db")
    with pytest.raises(StorageError, match="readonly"), reader._reading() as db:
        db.execute("DELETE FROM event")
    reader.close()
    ledger.close()


def test_events_are_filtered_by_kind_outcome_visit_and_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    monday = datetime(2026, 11, 23, 0, 30, tzinfo=SHANGHAI)
    ledger.append(
        [
            visit("a", when=stamp(monday - timedelta(hours=1))),
            visit("b", when=stamp(monday)),
            passage("b", when=stamp(monday)),
            visit("c", outcome=Outcome.SEE_STAFF, reason=Reason.COLD_FACE, when=stamp(monday)),
            visit("d", outcome=Outcome.DENIED, reason=Reason.EXPIRED, when=stamp(monday)),
        ]
    )
    reader = LedgerReader(path)

    def seqs(wanted: EventFilter) -> list[int]:
        return [event.seq for event in reader.events(wanted)]

    assert seqs(EventFilter()) == [1, 2, 3, 4, 5]
    assert seqs(EventFilter(newest_first=True, limit=2)) == [5, 4]
    assert seqs(EventFilter(kinds=frozenset({"passage"}))) == [3]
    assert seqs(EventFilter(outcomes=frozenset({"see_staff", "denied"}))) == [4, 5]
    assert seqs(EventFilter(visit_id="b")) == [2, 3]
    assert seqs(EventFilter(after_seq=3, newest_first=True)) == [5, 4]
    assert seqs(EventFilter(since=monday)) == [2, 3, 4, 5]
    assert seqs(EventFilter(until=monday)) == [1]
    assert reader.counts(date(2026, 11, 23), SHANGHAI) == {
        ("visit", "granted"): 1,
        ("visit", "see_staff"): 1,
        ("visit", "denied"): 1,
        ("passage", "passed"): 1,
    }
    assert reader.counts(date(2026, 11, 23), UTC) == {}
    reader.close()
    ledger.close()


def test_long_answers_come_in_order_across_transactions(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    fill(ledger, 1_203)
    reader = LedgerReader(path)
    assert [event.seq for event in reader.events(EventFilter())] == list(range(1, 1_204))
    newest = reader.events(EventFilter(newest_first=True, limit=700))
    assert [event.seq for event in newest] == list(range(1_203, 503, -1))
    reader.close()
    ledger.close()


READ_AS = """
import os, sys
from pathlib import Path
from gated.ledger.reader import LedgerReader
user = int(sys.argv[2])
if user:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
print(LedgerReader(Path(sys.argv[1])).bounds().newest_seq)
"""

WRITE_AND_DIE = """
import sys
from pathlib import Path
from tests.ledger_drafts import fill, open_ledger
fill(open_ledger(Path(sys.argv[1])).ledger, 7)
print("ready", flush=True)
sys.stdin.read()
"""

NOBODY = 65_534
ROOT = Path(__file__).parents[2]


def read_as(path: Path, user: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", READ_AS, str(path), str(user)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.stdout.strip() or done.stderr


@pytest.fixture
def foreign_user(tmp_path: Path) -> int:
    """A user who may read the folder but not write in it, where the test may become one."""
    if os.geteuid() != 0:
        return 0
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)
    return NOBODY


def test_another_user_reads_after_a_clean_close(tmp_path: Path, foreign_user: int) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    fill(ledger, 7)
    ledger.close()
    assert Path(f"{path}-wal").exists()
    assert Path(f"{path}-shm").exists()
    assert read_as(path, foreign_user) == "7"
    assert open_ledger(path).how == "opened"


def test_another_user_reads_while_it_is_written_and_checkpointed(
    tmp_path: Path, foreign_user: int
) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    fill(ledger, 7)
    assert read_as(path, foreign_user) == "7"
    ledger.checkpoint()
    assert read_as(path, foreign_user) == "7"
    fill(ledger, 1)
    ledger.scrub()
    assert read_as(path, foreign_user) == "8"
    ledger.close()


def test_another_user_reads_after_the_writer_was_killed(tmp_path: Path, foreign_user: int) -> None:
    path = tmp_path / "ledger.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_DIE, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        writer.send_signal(signal.SIGKILL)
    assert read_as(path, foreign_user) == "7"


def test_a_reader_never_keeps_the_writer_waiting(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    fill(ledger, 3)
    reader = LedgerReader(path)
    with reader._reading() as db:
        assert db.execute("SELECT count(*) FROM event").fetchone() == (3,)
        last = fill(ledger, 4)[-1]
        ledger.apply_ack(ack(ledger, 7, last.hash))
        assert ledger.collect(0) == 7
        ledger.checkpoint()
        assert db.execute("SELECT count(*) FROM event").fetchone() == (3,), "one moment, throughout"
    assert reader.backlog() == 0
    reader.close()
    ledger.close()


def test_a_reader_that_follows_a_busy_writer_gets_everything_once_in_order(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    reader = LedgerReader(path)
    done = threading.Event()

    def write() -> None:
        for n in range(120):
            ledger.append([visit(f"{n}-{k}", person=link()) for k in range(3)])
            if n % 9 == 8:
                ledger.checkpoint()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    while not done.is_set() or reader.bounds().newest_seq > len(seen):
        if reader.has_changed() or done.is_set():
            seen += [event.seq for event in reader.after(seen[-1] if seen else 0, 50)]
    writer.join(10)
    assert seen == list(range(1, 361))
    reader.close()
    ledger.close()
