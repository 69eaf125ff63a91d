from __future__ import annotations

import itertools
import queue
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.ledger.mailbox import Mailbox, MailboxReader
from gated.ledger.reader import LedgerReader
from gated.ledger.service import BATCH, CommitRequest, LedgerRequest, LedgerService, MailboxNudge
from gated.ledger.verify import verify_chain
from gated.ledger.writer import Ledger, Opened
from gated.messages import CommitFailed, Committed
from tests.ledger_drafts import ack, link, open_ledger, visit

DAY_S = 86_400.0


class Bench:
    """A service with everything around it, stepped by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.path = folder / "ledger.db"
        self.ledger: Ledger = open_ledger(self.path, self.clock).ledger
        self.mailbox = Mailbox(folder / "uplink.db", self.clock)
        self.requests: queue.Queue[LedgerRequest] = queue.Queue(1_000)
        self.answers: list[Committed | CommitFailed] = []
        self.nudges = 0
        self.renewed: list[Opened] = []
        self.service = LedgerService(
            self.ledger,
            self.requests,
            MailboxReader(folder / "uplink.db"),
            clock=self.clock,
            answer=self.answers.append,
            after_commit=self._nudge,
            on_renewed=self.renewed.append,
            keep_acked_s=DAY_S,
        )
        self.reader = LedgerReader(self.path)

    def _nudge(self) -> None:
        self.nudges += 1

    def put(self, *tags: str, **settings: str) -> None:
        for tag in tags:
            self.requests.put_nowait(CommitRequest(tag, visit(tag, person=link()), settings))

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.service.step(0.0)

    def seqs(self) -> dict[str, int]:
        return {answer.tag: answer.seq for answer in self.answers if isinstance(answer, Committed)}

    def close(self) -> None:
        self.reader.close()
        self.mailbox.close()
        self.ledger.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_all_that_waits_is_one_commit_and_each_gets_its_answer(bench: Bench) -> None:
    bench.put("a", "b", "c")
    bench.steps(1)
    assert bench.seqs() == {"a": 1, "b": 2, "c": 3}
    assert bench.nudges == 1


def test_a_batch_has_a_bound(bench: Bench) -> None:
    bench.put(*(f"v{n}" for n in range(BATCH + 3)))
    bench.steps(1)
    assert len(bench.answers) == BATCH
    bench.steps(1)
    assert len(bench.answers) == BATCH + 3
    assert bench.nudges == 2


def test_settings_belong_to_their_own_request(bench: Bench) -> None:
    bench.put("a")
    too_large = visit("x", group="x" * 17_000)
    bench.requests.put_nowait(CommitRequest("too large", too_large, {"mode": "observe"}))
    bench.put("b")
    bench.put("to closed", mode="closed")
    bench.steps(4)
    assert bench.seqs() == {"a": 1, "b": 2, "to closed": 3}
    (failed,) = [answer for answer in bench.answers if isinstance(answer, CommitFailed)]
    assert failed.tag == "too large"
    assert bench.ledger.setting("mode") == "closed"


def test_what_was_handed_in_before_the_stop_is_answered(bench: Bench) -> None:
    bench.put("a")
    bench.requests.put_nowait(MailboxNudge())
    bench.put("b", mode="closed")
    bench.put("c")
    stop = threading.Event()
    stop.set()
    beats: list[None] = []
    bench.service.run(stop, lambda: beats.append(None))
    assert bench.seqs() == {"a": 1, "b": 2, "c": 3}
    assert beats


def test_the_loop_beats_and_ends_soon_after_the_stop(bench: Bench) -> None:
    stop, beaten = threading.Event(), threading.Event()
    thread = threading.Thread(target=bench.service.run, args=(stop, beaten.set))
    thread.start()
    assert beaten.wait(5)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_failure_answers_everybody_and_the_next_commit_works(bench: Bench) -> None:
    bench.ledger._db.execute(
        "CREATE TEMP TRIGGER fail BEFORE INSERT ON event BEGIN SELECT raise(FAIL, 'broken'); END"
    )
    bench.put("a", "b")
    bench.steps(1)
    assert [type(answer) for answer in bench.answers] == [CommitFailed, CommitFailed]
    assert bench.nudges == 0
    bench.ledger._db.execute("DROP TRIGGER fail")
    bench.put("c")
    bench.steps(1)
    assert bench.seqs() == {"c": 1}


def test_an_ack_in_the_mailbox_is_applied_at_once_after_a_nudge(bench: Bench) -> None:
    bench.put("a", "b")
    bench.steps(2)
    digest = bench.reader.hash_of(2)
    assert digest is not None
    bench.mailbox.store_ack(ack(bench.ledger, 2, digest))
    bench.steps(5)
    assert bench.reader.backlog() == 2, "not due before a second has passed"
    bench.requests.put_nowait(MailboxNudge())
    bench.steps(1)
    assert bench.reader.backlog() == 0


def test_an_ack_in_the_mailbox_is_found_within_a_second_without_a_nudge(bench: Bench) -> None:
    bench.put("a")
    bench.steps(2)
    digest = bench.reader.hash_of(1)
    assert digest is not None
    bench.mailbox.store_ack(ack(bench.ledger, 1, digest))
    bench.clock.advance(1.0)
    bench.steps(1)
    assert bench.reader.backlog() == 0


def test_an_ack_that_could_not_be_applied_is_tried_again(bench: Bench) -> None:
    bench.put("a")
    bench.steps(2)
    digest = bench.reader.hash_of(1)
    assert digest is not None
    bench.mailbox.store_ack(ack(bench.ledger, 1, digest))
    bench.ledger._db.execute(
        "CREATE TEMP TRIGGER fail BEFORE INSERT ON meta BEGIN SELECT raise(FAIL, 'broken'); END"
    )
    bench.clock.advance(1.0)
    bench.steps(1)
    assert bench.reader.backlog() == 1
    bench.ledger._db.execute("DROP TRIGGER fail")
    bench.clock.advance(1.0)
    bench.steps(1)
    assert bench.reader.backlog() == 0


def test_a_collector_that_holds_something_else_gets_a_new_epoch_and_nothing_is_lost(
    bench: Bench,
) -> None:
    bench.put("a", "b")
    bench.steps(2)
    before = bench.ledger.epoch
    bench.mailbox.store_ack(ack(bench.ledger, 2, bytes(32)))
    bench.clock.advance(1.0)
    bench.steps(3)
    (opened,) = bench.renewed
    assert (opened.how, opened.previous_epoch) == ("forked", before)
    bench.clock.advance(1.0)
    bench.steps(3)
    assert len(bench.renewed) == 1, "the old ack speaks of another epoch now"
    bench.put("c")
    bench.steps(1)
    assert bench.seqs()["c"] == 1
    kept = LedgerReader(bench.path.with_name(f"ledger-{before}.forked.db"))
    assert [event.visit_id for event in kept.after(0, 9)] == ["a", "b"]
    kept.close()


def test_acked_events_and_links_go_in_chunks_between_commits(bench: Bench) -> None:
    bench.put(*(f"v{n}" for n in range(250)))
    bench.steps(4)
    digest = bench.reader.hash_of(240)
    assert digest is not None
    bench.mailbox.store_ack(ack(bench.ledger, 240, digest))
    bench.clock.advance(15 * DAY_S)
    seen: list[int] = []
    for _ in range(30):
        bench.put(f"w{len(seen)}")
        bench.steps(1)
        seen.append(bench.reader.bounds().oldest_seq)
    assert max(b - a for a, b in itertools.pairwise(seen)) <= 100, "one chunk at a time"
    assert seen[-1] == 241
    assert all(event.link is None for event in bench.reader.after(240, 10)), "links expired"
    assert verify_chain(bench.reader).ok


def test_a_ledger_found_corrupt_in_use_is_set_aside_and_the_commit_still_succeeds(
    bench: Bench,
) -> None:
    bench.put("a")
    bench.steps(1)
    meddler = sqlite3.connect(bench.path)
    meddler.execute("ALTER TABLE event RENAME COLUMN outcome TO gone")
    meddler.close()
    bench.put("b")
    bench.steps(1)
    assert bench.seqs() == {"a": 1, "b": 1}
    assert [opened.how for opened in bench.renewed] == ["recovered"]


def test_a_card_that_corrupts_every_file_is_not_filled_with_them(bench: Bench) -> None:
    for tag in ("a", "b"):
        meddler = sqlite3.connect(bench.path)
        meddler.execute("ALTER TABLE event RENAME COLUMN outcome TO gone")
        meddler.close()
        bench.put(tag)
        bench.steps(1)
    assert [type(answer) for answer in bench.answers] == [Committed, CommitFailed]
    assert len(bench.renewed) == 1
    bench.clock.advance(61)
    bench.put("c")
    bench.steps(1)
    assert bench.seqs() == {"a": 1, "c": 1}


@pytest.mark.parametrize(
    ("table", "after_s"), [("link", 60.0), ("event", 10.0), ("meta", 1.0), ("site_use", 60.0)]
)
def test_a_ledger_found_corrupt_while_nobody_comes_is_set_aside_as_well(
    bench: Bench, table: str, after_s: float
) -> None:
    bench.put("a")
    bench.steps(9)
    digest = bench.reader.hash_of(1)
    assert digest is not None
    bench.mailbox.store_ack(ack(bench.ledger, 1, digest))
    meddler = sqlite3.connect(bench.path)
    meddler.execute(f"ALTER TABLE {table} RENAME TO gone")
    meddler.close()
    bench.clock.advance(after_s)
    bench.steps(9)
    (opened,) = bench.renewed
    assert opened.how == "recovered"
    bench.put("b")
    bench.steps(1)
    assert bench.seqs() == {"a": 1, "b": 1}


def test_a_corrupt_mailbox_is_no_corrupt_ledger(bench: Bench) -> None:
    bench.put("a")
    bench.steps(9)
    meddler = sqlite3.connect(bench.path.with_name("uplink.db"))
    meddler.execute("ALTER TABLE ack RENAME TO gone")
    meddler.close()
    bench.clock.advance(1.0)
    bench.steps(9)
    assert bench.renewed == []


def test_a_new_epoch_that_could_not_begin_begins_later_for_the_same_reason(bench: Bench) -> None:
    obstacle = bench.path.with_name("ledger.db.next")
    obstacle.mkdir()
    meddler = sqlite3.connect(bench.path)
    meddler.execute("ALTER TABLE event RENAME COLUMN outcome TO gone")
    meddler.close()
    bench.put("a")
    bench.steps(1)
    bench.put("b")
    bench.steps(1)
    assert [type(answer) for answer in bench.answers] == [CommitFailed, CommitFailed]
    obstacle.rmdir()
    bench.put("c")
    bench.steps(1)
    assert bench.seqs() == {"c": 1}
    (opened,) = bench.renewed
    assert opened.how == "recovered"
    assert "no column named outcome" in opened.detail
