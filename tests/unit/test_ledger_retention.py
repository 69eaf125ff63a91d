from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gated.clock import FakeClock, TimeQuality
from gated.ledger.reader import LedgerReader
from gated.ledger.verify import verify_chain
from gated.ledger.writer import AckOutcome, Ledger
from gated.vocabulary import Direction
from gated.wire import GENESIS, PassUse
from tests.ledger_drafts import ack, fill, link, open_ledger, passage, stamp, stored, visit

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY_S = 86_400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path, clock: FakeClock) -> Iterator[Ledger]:
    ledger = open_ledger(path, clock).ledger
    yield ledger
    ledger.close()


@pytest.fixture
def reader(path: Path, ledger: Ledger) -> Iterator[LedgerReader]:
    reader = LedgerReader(path)
    yield reader
    reader.close()


# --- acks ---


def test_an_ack_whose_hash_is_ours_advances_once(ledger: Ledger, reader: LedgerReader) -> None:
    events = fill(ledger, 4)
    assert ledger.apply_ack(ack(ledger, 3, events[2].hash)) is AckOutcome.ADVANCED
    assert (reader.acked_upto(), reader.backlog()) == (3, 1)
    assert ledger.apply_ack(ack(ledger, 3, events[2].hash)) is AckOutcome.UNCHANGED


def test_an_ack_with_another_hash_never_advances(ledger: Ledger, reader: LedgerReader) -> None:
    events = fill(ledger, 4)
    assert ledger.apply_ack(ack(ledger, 3, events[1].hash)) is AckOutcome.MISMATCH
    assert reader.backlog() == 4


def test_an_ack_of_what_was_never_recorded_is_a_mismatch(
    ledger: Ledger, reader: LedgerReader
) -> None:
    fill(ledger, 2)
    assert ledger.apply_ack(ack(ledger, 3, bytes(32))) is AckOutcome.MISMATCH
    assert reader.acked_upto() == 0


def test_an_ack_of_another_epoch_is_not_ours(ledger: Ledger) -> None:
    last = fill(ledger, 2)[-1]
    other = ack(ledger, 2, last.hash).model_copy(update={"epoch": "a" * 16})
    assert ledger.apply_ack(other) is AckOutcome.OTHER_EPOCH


def test_an_ack_of_nothing_needs_the_hash_of_nothing(ledger: Ledger) -> None:
    assert ledger.apply_ack(ack(ledger, 0, GENESIS)) is not AckOutcome.MISMATCH
    assert ledger.apply_ack(ack(ledger, 0, b"\1" * 32)) is AckOutcome.MISMATCH


def test_an_older_ack_that_comes_late_changes_nothing(ledger: Ledger, reader: LedgerReader) -> None:
    events = fill(ledger, 4)
    ledger.apply_ack(ack(ledger, 4, events[3].hash))
    assert ledger.apply_ack(ack(ledger, 2, events[1].hash)) is AckOutcome.UNCHANGED
    assert reader.acked_upto() == 4


def test_a_restored_collector_gets_back_what_it_has_lost(
    ledger: Ledger, reader: LedgerReader
) -> None:
    events = fill(ledger, 4)
    ledger.apply_ack(ack(ledger, 4, events[3].hash))
    restored = ack(ledger, 2, events[1].hash, store="second")
    assert ledger.apply_ack(restored) is AckOutcome.REWOUND
    assert reader.backlog() == 2
    assert ledger.collect(0) == 2, "only what the restored collector holds may go"


def test_a_restored_collector_cannot_ask_for_what_was_collected(
    ledger: Ledger, reader: LedgerReader
) -> None:
    events = fill(ledger, 4)
    ledger.apply_ack(ack(ledger, 3, events[2].hash))
    ledger.collect(0)
    assert ledger.apply_ack(ack(ledger, 1, events[0].hash, store="second")) is AckOutcome.UNCHANGED
    assert (reader.acked_upto(), reader.backlog()) == (3, 1)


# --- collection ---


def test_only_acked_events_are_collected_and_the_chain_verifies_from_the_anchor(
    ledger: Ledger, reader: LedgerReader
) -> None:
    events = fill(ledger, 10)
    ledger.apply_ack(ack(ledger, 7, events[6].hash))
    assert [ledger.collect(0, limit=5), ledger.collect(0, limit=5), ledger.collect(0)] == [5, 2, 0]
    bounds = reader.bounds()
    assert (bounds.oldest_seq, bounds.newest_seq) == (8, 10)
    assert bounds.anchor == (7, events[6].hash)
    assert reader.hash_of(7) == events[6].hash
    assert reader.hash_of(6) is None
    assert verify_chain(reader).checked == 3
    assert verify_chain(reader).ok


def test_an_acked_event_stays_for_its_time(
    ledger: Ledger, reader: LedgerReader, clock: FakeClock
) -> None:
    events = fill(ledger, 3, when=stamp(NOW))
    ledger.apply_ack(ack(ledger, 3, events[2].hash))
    clock.advance(DAY_S - 1)
    assert ledger.collect(DAY_S) == 0
    clock.advance(2)
    assert ledger.collect(DAY_S) == 3


@pytest.mark.parametrize(
    ("wrong", "quality"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), TimeQuality.UNKNOWN),
        (datetime(2099, 1, 1, tzinfo=UTC), TimeQuality.HOLDOVER),
    ],
)
def test_events_of_a_wrong_clock_go_with_the_ones_around_them(
    ledger: Ledger, clock: FakeClock, wrong: datetime, quality: TimeQuality
) -> None:
    fill(ledger, 2, when=stamp(wrong, quality))
    last = fill(ledger, 1, when=stamp(NOW))[-1]
    ledger.apply_ack(ack(ledger, 3, last.hash))
    clock.advance(DAY_S / 2)
    assert ledger.collect(DAY_S) == 0, "the first known time after them is young"
    clock.advance(DAY_S)
    assert ledger.collect(DAY_S) == 3


def test_a_gate_whose_clock_is_at_1970_collects_nothing(ledger: Ledger, clock: FakeClock) -> None:
    last = fill(ledger, 2, when=stamp(NOW))[-1]
    ledger.apply_ack(ack(ledger, 2, last.hash))
    clock.wall = datetime(1970, 1, 2, tzinfo=UTC)
    assert ledger.collect(DAY_S) == 0


# --- person links ---


def test_a_link_expires_and_neither_the_chain_nor_the_body_changes(
    ledger: Ledger, reader: LedgerReader, clock: FakeClock
) -> None:
    before = stored(ledger.append([visit("a", person=link()), visit("b")]))
    (first, _) = reader.after(0, 2)
    assert first.link == link()
    clock.advance(14 * DAY_S - 1)
    assert ledger.expire_links() == 0
    clock.advance(2)
    assert ledger.expire_links() == 1
    (first, _) = reader.after(0, 2)
    assert (first.link, first.body) == (None, before[0].body)
    assert verify_chain(reader).ok


def test_the_bytes_of_a_deleted_link_are_nowhere_in_the_files(
    ledger: Ledger, path: Path, clock: FakeClock
) -> None:
    holder = "k4:feedfacecafebeef"
    for n in range(30):
        ledger.append([visit(f"v{n}", person=link(holder))])
    ledger.append([visit("x", person=link(holder), use=PassUse("p", Direction.IN)), passage("x")])

    def occurrences() -> int:
        files = [path, Path(f"{path}-wal"), Path(f"{path}-shm")]
        return sum(file.read_bytes().count(holder.encode()) for file in files)

    assert occurrences() >= 31
    ledger.checkpoint()
    clock.advance(15 * DAY_S)
    assert ledger.expire_links() == 31
    assert ledger.scrub()
    assert occurrences() == 0


def test_scrub_says_that_it_could_not_while_somebody_reads(
    ledger: Ledger, reader: LedgerReader
) -> None:
    fill(ledger, 3)
    with reader._reading() as db:
        db.execute("SELECT count(*) FROM event").fetchone()
        fill(ledger, 1)
        assert not ledger.scrub()
    assert ledger.scrub()


def test_links_expire_in_chunks(ledger: Ledger, clock: FakeClock) -> None:
    ledger.append([visit(f"v{n}", person=link()) for n in range(7)])
    clock.advance(15 * DAY_S)
    assert [ledger.expire_links(limit=3) for _ in range(4)] == [3, 3, 1, 0]


def test_a_link_made_under_an_unknown_clock_counts_from_the_first_trusted_time(
    ledger: Ledger, clock: FakeClock
) -> None:
    born = stamp(datetime(1970, 1, 1, tzinfo=UTC), TimeQuality.UNKNOWN)
    ledger.append([visit("a", person=link(), when=born)])
    assert ledger.expire_links() == 0
    ledger.append([visit("b", when=stamp(NOW))])
    assert ledger.expire_links() == 0
    clock.advance(14 * DAY_S + 1)
    assert ledger.expire_links() == 1


def test_a_link_made_under_an_unknown_clock_counts_from_when_it_is_known_if_never_trusted(
    ledger: Ledger, clock: FakeClock
) -> None:
    born = stamp(datetime(1970, 1, 1, tzinfo=UTC), TimeQuality.UNKNOWN)
    ledger.append([visit("a", person=link(), when=born)])
    ledger.append([visit("b", when=stamp(NOW, TimeQuality.HOLDOVER))])
    assert ledger.expire_links() == 0
    clock.advance(14 * DAY_S + 1)
    assert ledger.expire_links() == 1


def test_links_that_wait_for_a_known_clock_do_not_keep_the_others(
    ledger: Ledger, clock: FakeClock
) -> None:
    born = stamp(datetime(1970, 1, 1, tzinfo=UTC), TimeQuality.UNKNOWN)
    drafts = [visit(f"u{n}", person=link(), when=born) for n in range(2_000)]
    ledger.append([*drafts, visit("known", person=link()), visit("unknown", when=born)])
    clock.advance(14 * DAY_S + 1)
    assert ledger.expire_links() == 1


def test_a_link_stamped_in_the_future_goes_as_soon_as_the_clock_is_trusted(
    ledger: Ledger,
) -> None:
    ledger.append([visit("a", person=link(), when=stamp(datetime(2099, 1, 1, tzinfo=UTC)))])
    ledger.append([visit("b", person=link(), when=stamp(NOW))])
    assert ledger.expire_links() == 1


def test_fewer_days_apply_to_the_links_that_are_there(ledger: Ledger, clock: FakeClock) -> None:
    ledger.append([visit("old", person=link(), when=stamp(NOW))])
    ledger.append([visit("new", person=link(), when=stamp(NOW + timedelta(days=5)))])
    clock.advance(6 * DAY_S)
    ledger.keep_person_days = 3
    assert ledger.expire_links() == 1


def test_with_the_link_goes_the_time_of_the_use_that_could_lead_back_to_it(
    ledger: Ledger, clock: FakeClock
) -> None:
    at = NOW + timedelta(hours=7, minutes=41)
    ledger.append([visit("a", use=PassUse("p", Direction.IN), when=stamp(at)), passage("a")])
    assert ledger.uses()["p"].last_at == at
    clock.advance(15 * DAY_S)
    ledger.expire_links()
    assert ledger.uses()["p"] == (1, Direction.IN, NOW, None)
