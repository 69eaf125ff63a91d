"""One contract for what stands beside every store: the webhook's queue, a second try."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from gated.collector.alarm_queue import AlarmQueue, OwedAlarm
from gated.collector.databases import Database, PostgresDatabase, SqliteDatabase
from gated.collector.store import Arrival, Store
from gated.contents import AlarmName
from tests import stores
from tests.brokers import wait_until
from tests.collector_gate import MONDAY, LedgerOfGate, Message, alarm, ms, visit
from tests.stores import DatabaseUnderTest, NewDatabase

EVERY = {name.value for name in AlarmName}
NOW = ms(MONDAY)
HOUR_MS = 3_600_000


@pytest.fixture
def database(new_database: NewDatabase) -> DatabaseUnderTest:
    return new_database()


@pytest.fixture
def opened(database: DatabaseUnderTest) -> Database:
    if isinstance(database, stores.PostgresDatabase):
        return PostgresDatabase(database.address)
    assert isinstance(database, stores.SqliteDatabase)
    return SqliteDatabase(database.path)


@pytest.fixture
def store(database: DatabaseUnderTest) -> Store:
    return database.store()


@pytest.fixture
def gate() -> LedgerOfGate:
    return LedgerOfGate()


@pytest.fixture
def queue(opened: Database, store: Store) -> Iterator[AlarmQueue]:
    queue = opened.alarm_queue()
    yield queue
    queue.close()


def take_all(queue: AlarmQueue, wanted: set[str] = EVERY, now_ms: int = NOW) -> None:
    while queue.take_recorded(wanted, now_ms):
        pass


def seqs(queue: AlarmQueue, now_ms: int = NOW) -> list[int]:
    """Take and deliver everything that is owed; return it in that order."""
    found = []
    while (owed := queue.next(now_ms)) is not None:
        queue.delivered(owed, now_ms)
        found.append(owed.seq)
    return found


def owed(message: Message) -> OwedAlarm:
    return OwedAlarm(message.chain, message.seq, message.body, is_live=True)


def test_alarms_are_owed_once_from_the_time_on_at_which_the_queue_began(
    store: Store, gate: LedgerOfGate, opened: Database
) -> None:
    store.ingest([gate.write(alarm(AlarmName.HELD_OPEN)).arrival()])
    queue = opened.alarm_queue()
    later = [gate.write(alarm(AlarmName.HELD_OPEN)), gate.write(visit())]
    store.ingest([message.arrival() for message in later])
    take_all(queue)
    take_all(queue)
    assert (queue.waiting(), opened.alarms_waiting()) == (1, 1)
    first = queue.next(NOW)
    assert first is not None
    assert (first.seq, first.body, first.chain) == (2, later[0].body, gate.chain)
    assert seqs(queue) == [2]
    take_all(queue)
    assert (queue.waiting(), opened.alarms_waiting()) == (0, 0)
    queue.close()


def test_without_a_webhook_nothing_is_owed(store: Store, opened: Database) -> None:
    assert opened.alarms_waiting() == 0


def test_a_copy_and_its_record_are_one_alarm(
    store: Store, gate: LedgerOfGate, queue: AlarmQueue
) -> None:
    message = gate.write(alarm(AlarmName.HELD_OPEN))
    assert queue.take_live([owed(message)], NOW) == 1
    assert queue.take_live([owed(message)], NOW) == 0
    assert queue.take_live([], NOW) == 0
    take_all(queue)
    assert seqs(queue) == [1]
    store.ingest([message.arrival()])
    take_all(queue)
    assert seqs(queue) == []


def test_what_came_at_once_goes_before_what_came_late(
    store: Store, gate: LedgerOfGate, queue: AlarmQueue
) -> None:
    late, live = (gate.write(alarm(AlarmName.HELD_OPEN)) for _ in range(2))
    store.ingest([late.arrival(late.at + timedelta(hours=2)), live.arrival()])
    take_all(queue)
    assert seqs(queue) == [2, 1]


def test_what_is_put_off_comes_when_its_time_has_come_with_its_attempts(
    store: Store, gate: LedgerOfGate, queue: AlarmQueue
) -> None:
    for _ in range(2):
        store.ingest([gate.write(alarm(AlarmName.HELD_OPEN)).arrival()])
    take_all(queue)
    first = queue.next(NOW)
    assert first is not None
    queue.put_off(first, NOW + HOUR_MS)
    assert seqs(queue) == [2]
    again = queue.next(NOW + HOUR_MS)
    assert again is not None
    assert (again.seq, again.attempts) == (1, 1)


def test_unwanted_ones_and_drills_are_passed_over(
    store: Store, gate: LedgerOfGate, queue: AlarmQueue
) -> None:
    store.ingest([gate.write(alarm(AlarmName.DEVICE_LOST)).arrival()])
    gate.drill = True
    store.ingest([gate.write(alarm(AlarmName.HELD_OPEN)).arrival()])
    take_all(queue, {AlarmName.HELD_OPEN.value})
    assert queue.waiting() == 0


def test_a_queue_that_is_opened_again_owes_the_same(
    store: Store, gate: LedgerOfGate, opened: Database, queue: AlarmQueue
) -> None:
    messages = [gate.write(alarm(AlarmName.HELD_OPEN)) for _ in range(700)]
    store.ingest([message.arrival() for message in messages])
    take_all(queue)
    queue.close()
    second = opened.alarm_queue()
    take_all(second, now_ms=NOW + HOUR_MS)
    assert seqs(second, NOW + HOUR_MS) == list(range(1, 701))
    take_all(second, now_ms=NOW + 2 * HOUR_MS)
    store.ingest([gate.write(alarm(AlarmName.HELD_OPEN)).arrival()])
    take_all(second, now_ms=NOW + 3 * HOUR_MS)
    assert seqs(second, NOW + 3 * HOUR_MS) == [701]
    second.close()


def test_of_several_senders_one_sends_and_another_takes_over(
    store: Store, gate: LedgerOfGate, opened: Database, database: DatabaseUnderTest
) -> None:
    if not isinstance(database, stores.PostgresDatabase):
        pytest.skip("a file has one collector")
    first, second = opened.alarm_queue(), opened.alarm_queue()
    store.ingest([gate.write(alarm(AlarmName.HELD_OPEN)).arrival()])
    take_all(first)
    take_all(second)
    assert second.next(NOW) is None
    assert first.next(NOW) is not None
    first.close()
    # The server notices the goodbye when it gets round to it.
    assert wait_until(lambda: second.next(NOW) is not None, timeout_s=10)
    second.close()


# --- the quarantine tried again -------------------------------------------------------------------


def spoilt(message: Message) -> Arrival:
    arrival = message.arrival()
    return Arrival(arrival.topic, b"\xff", arrival.received_at_ms, arrival.epoch, arrival.seq)


def test_what_can_be_read_now_takes_its_place_in_the_chain(
    store: Store, gate: LedgerOfGate, opened: Database, database: DatabaseUnderTest
) -> None:
    messages = gate.write_visits(12)
    batch = [message.arrival() for message in messages]
    store.ingest([*batch[:4], spoilt(messages[4]), *batch[5:9], spoilt(messages[9]), *batch[10:]])
    archive = opened.archive()
    rows = archive.quarantine()
    assert opened.requeue(rows, keep_person_days=14).still_unreadable == 2
    sound = messages[4].payload.hex()
    blob = f"'\\x{sound}'" if isinstance(database, stores.PostgresDatabase) else f"X'{sound}'"
    database.change(f"UPDATE quarantine SET body = {blob} WHERE error <> '' AND seq = 5")  # noqa: S608  ours
    done = opened.requeue(archive.quarantine(), keep_person_days=14)
    assert (done.read, done.still_unreadable) == (1, 1)
    stored = database.rows("SELECT body FROM record WHERE seq = 5")
    assert [bytes(body) for (body,) in stored if isinstance(body, bytes)] == [messages[4].body]
    (chain,) = database.rows("SELECT chain FROM record WHERE seq = 9")
    assert chain[0] == gate.hashes[9]
    left = {(row.problem.value, row.seq) for row in archive.quarantine()}
    assert left == {("unreadable", 10), ("chain", 11), ("chain", 12)}
    settled = [row.id for row in archive.quarantine()]
    opened.requeue(archive.quarantine(), keep_person_days=14, settle=settled)
    assert archive.quarantine() == []
    archive.close()
