from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.collector.broker import Received
from gated.collector.ingest import ACK_EVERY_S, BATCH_IDLE_S, BATCH_RECORDS, Desk, Ingest
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Arrival, ChainKey, IngestResult, Progress, UsesPage
from gated.errors import BrokerUnavailable, StorageError
from gated.uses import GateUses, SharedUse, parse_site_uses
from gated.vocabulary import Direction
from gated.wire import Ack, CollectorState, GateTopics
from tests.collector_gate import LedgerOfGate, Message


class FakeConnection:
    """A broker connection that notes, in order, what was done with it. Time passes in ``pump``."""

    def __init__(self, clock: FakeClock) -> None:
        self.inbox: deque[Received] = deque()
        self.refused_publishes = 0
        self.places = 1_000
        self.done: list[str] = []
        self.published: list[tuple[str, bytes]] = []
        self.published_at_s: list[float] = []
        self.told: list[tuple[str, bytes]] = []
        self.acknowledged: list[int] = []
        self.waits_s: list[float] = []
        self.breaks_with: str | None = None
        self.after_pump: Callable[[], None] = lambda: None
        self._clock = clock

    def open(self, topics: Iterable[str], beat: Callable[[], None]) -> None:
        beat()
        self.done.append("open " + " ".join(topics))

    def pump(self, timeout_s: float) -> None:
        if self.breaks_with is not None:
            raise BrokerUnavailable(self.breaks_with)
        self.waits_s.append(timeout_s)
        self._clock.advance(max(timeout_s, 0.001))
        self.after_pump()

    def acknowledge(self, received: Iterable[Received]) -> None:
        ids = [message.message_id for message in received]
        self.acknowledged += ids
        self.done.append(f"acknowledge {len(ids)}")

    def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, payload))
        self.published_at_s.append(self._clock.monotonic_s())
        self.done.append("publish " + topic.rsplit("/", 1)[-1])

    def tell(self, topic: str, payload: bytes) -> None:
        self.told.append((topic, payload))
        self.done.append("tell " + topic)

    def close(self) -> None:
        self.done.append("close")

    def receive(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.inbox.append(Received(message.seq, 1, message.arrival()))

    def acks(self) -> list[Ack]:
        return [
            Ack.model_validate_json(payload)
            for topic, payload in self.published
            if topic.endswith("/ack")
        ]


class FailingStore:
    """The real store, as long as ``fails`` is not set."""

    def __init__(self, path: Path) -> None:
        self.real = SqliteStore(path, keep_person_days=14)
        self.fails = False
        self.batches: list[int] = []
        self.deletions: list[int] = []

    @property
    def collector_epoch(self) -> str:
        return self.real.collector_epoch

    def ingest(self, batch: Sequence[Arrival]) -> IngestResult:
        if self.fails:
            raise StorageError("cannot store: database or disk is full")
        self.batches.append(len(batch))
        return self.real.ingest(batch)

    def progress(self, chains: Sequence[ChainKey]) -> list[Progress]:
        return self.real.progress(chains)

    def current_chains(self) -> list[ChainKey]:
        return self.real.current_chains()

    def next_session(self) -> int:
        return self.real.next_session()

    def newest_use(self) -> int:
        return self.real.newest_use()

    def uses_page(self, site: str, after: int) -> UsesPage:
        return self.real.uses_page(site, after)

    def uses_stored(self, ledgers: Sequence[ChainKey]) -> list[int]:
        return self.real.uses_stored(ledgers)

    def delete_expired(self, now_ms: int) -> int:
        self.deletions.append(now_ms)
        return self.real.delete_expired(now_ms)

    def close(self) -> None:
        self.real.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FailingStore]:
    store = FailingStore(tmp_path / "records.db")
    yield store
    store.close()


@pytest.fixture
def connection(clock: FakeClock) -> FakeConnection:
    return FakeConnection(clock)


@pytest.fixture
def desk(connection: FakeConnection, store: FailingStore, clock: FakeClock) -> Desk:
    return Desk("county", connection, store, clock)


@pytest.fixture
def gate() -> LedgerOfGate:
    return LedgerOfGate()


def test_nothing_is_acknowledged_before_it_is_committed(
    desk: Desk, connection: FakeConnection, store: FailingStore, gate: LedgerOfGate
) -> None:
    connection.receive(gate.write_visits(3))
    desk.work()
    assert connection.done == []  # the batch waits a moment for more
    desk.work()
    assert connection.done == ["acknowledge 3", "publish ack"]
    assert connection.acknowledged == [1, 2, 3]
    assert store.batches == [3]


def uses_message(gate: LedgerOfGate) -> Received:
    use = SharedUse(epoch=gate.epoch, seq=1, pass_ref="k1:a", direction=Direction.IN)
    message = GateUses(epoch=gate.epoch, after=0, upto=1, uses=(use,))
    topic = GateTopics(gate.site, gate.gate).uses
    return Received(7, 1, Arrival(topic, message.model_dump_json().encode(), 1_800_000_000_000))


def test_uses_are_told_once_they_are_stored(
    desk: Desk, connection: FakeConnection, gate: LedgerOfGate
) -> None:
    connection.inbox.append(uses_message(gate))
    desk.work()
    desk.work()
    assert connection.done == [
        "acknowledge 1",
        "tell gates/v1/lixin-primary/uses/all",
        "tell gates/v1/lixin-primary/uses/to/east-1",
    ]
    news, answer = (parse_site_uses(payload) for _, payload in connection.told)
    assert [use.gate for use in news.uses] == ["east-1"]
    assert (answer.epoch, answer.stored) == (gate.epoch, 1)


def test_uses_that_cannot_be_stored_are_told_to_nobody(
    desk: Desk, connection: FakeConnection, store: FailingStore, gate: LedgerOfGate
) -> None:
    store.fails = True
    connection.inbox.append(uses_message(gate))
    for _ in range(3):
        desk.work()
    assert connection.told == []
    assert connection.acknowledged == []


def test_a_full_batch_does_not_wait(
    desk: Desk, connection: FakeConnection, gate: LedgerOfGate
) -> None:
    connection.receive(gate.write_visits(BATCH_RECORDS))
    desk.work()
    assert connection.done[0] == f"acknowledge {BATCH_RECORDS}"


def test_a_trickle_does_not_put_off_the_commit(
    desk: Desk, connection: FakeConnection, store: FailingStore, gate: LedgerOfGate
) -> None:
    for _ in range(8):  # one more message before each idle time is over
        connection.receive(gate.write_visits(1))
        desk.work()
    assert store.batches


def test_a_waiting_batch_shortens_the_wait_for_the_socket(
    desk: Desk, connection: FakeConnection, gate: LedgerOfGate
) -> None:
    connection.receive(gate.write_visits(1))
    desk.work()
    assert connection.waits_s == pytest.approx([BATCH_IDLE_S])


def test_the_first_ack_goes_out_at_once_and_the_next_not_before_a_second(
    desk: Desk, connection: FakeConnection, clock: FakeClock, gate: LedgerOfGate
) -> None:
    for _ in range(100):
        connection.receive(gate.write_visits(2))
        desk.work()
        desk.work()
    assert connection.published_at_s[0] < clock.monotonic_s() - 1
    pauses = [b - a for a, b in pairwise(connection.published_at_s)]
    assert pauses
    assert min(pauses) >= ACK_EVERY_S
    assert max(pauses) < ACK_EVERY_S + 0.1
    assert connection.acks()[0].upto == 2


def test_an_ack_that_had_to_wait_tells_the_newest_state(
    desk: Desk, connection: FakeConnection, gate: LedgerOfGate
) -> None:
    for _ in range(3):
        connection.receive(gate.write_visits(2))
        desk.work()
        desk.work()
    assert [ack.upto for ack in connection.acks()] == [2]
    for _ in range(3):
        desk.work()
    assert [ack.upto for ack in connection.acks()] == [2, 6]
    assert connection.acks()[-1].hash == gate.head.hex()


def test_the_retained_ack_is_the_one_about_the_gates_present_epoch(
    desk: Desk, connection: FakeConnection, store: FailingStore
) -> None:
    old, new = LedgerOfGate(epoch="z" * 16), LedgerOfGate(epoch="a" * 16)
    store.real.ingest([new.state_arrival(new.state())])
    connection.receive([*new.write_visits(1), *old.write_visits(1)])
    desk.work()
    desk.work()
    assert [ack.epoch for ack in connection.acks()] == [old.epoch, new.epoch]


def test_no_more_acks_go_out_than_the_broker_takes_and_the_oldest_first(
    desk: Desk, connection: FakeConnection, clock: FakeClock
) -> None:
    gates = [LedgerOfGate(gate=f"lane-{n}") for n in range(5)]
    for gate in gates:
        connection.receive(gate.write_visits(1))
    connection.places = 2
    desk.work()
    desk.work()
    first = connection.acks()
    assert len(first) == 2
    connection.places = 0
    desk.work()
    assert connection.waits_s[-1] > 0, "a busy loop"
    for gate in gates:
        connection.receive(gate.write_visits(1))
    while connection.inbox:
        desk.work()
    assert connection.acks() == first
    clock.advance(ACK_EVERY_S)
    connection.places = 3
    desk.work()
    assert [ack.upto for ack in connection.acks()[2:]] == [2, 2, 2], "one says what two would have"
    later = {topic for topic, _ in connection.published[2:]}
    assert later.isdisjoint({topic for topic, _ in connection.published[:2]})


def test_what_no_place_is_left_for_is_not_given_an_old_epoch_last(
    desk: Desk, connection: FakeConnection, store: FailingStore
) -> None:
    old, new = LedgerOfGate(epoch="z" * 16), LedgerOfGate(epoch="a" * 16)
    store.real.ingest([new.state_arrival(new.state())])
    connection.places = 1
    connection.receive([*new.write_visits(1), *old.write_visits(1)])
    for _ in range(3):
        desk.work()
    assert [ack.epoch for ack in connection.acks()] == [old.epoch, new.epoch]


def test_a_store_that_fails_keeps_everything_and_says_so_once(
    desk: Desk,
    connection: FakeConnection,
    store: FailingStore,
    clock: FakeClock,
    gate: LedgerOfGate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    store.fails = True
    connection.receive(gate.write_visits(3))
    began = clock.monotonic_s()
    while clock.monotonic_s() < began + 5:
        desk.work()
    assert connection.done == []
    assert len(connection.inbox) == 3
    store.fails = False
    while not connection.done:
        desk.work()
    assert connection.done == ["acknowledge 3", "publish ack"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "disk is full; nothing is acknowledged" in caplog.text


def test_what_has_come_is_stored_before_a_regular_end(
    desk: Desk, connection: FakeConnection, gate: LedgerOfGate
) -> None:
    connection.receive(gate.write_visits(2))
    desk.finish()
    assert connection.done == ["acknowledge 2", "publish ack"]


def test_refused_acks_are_said_with_the_remedy(
    desk: Desk, connection: FakeConnection, caplog: pytest.LogCaptureFixture
) -> None:
    connection.refused_publishes = 2
    desk.work()
    desk.work()
    assert caplog.text.count("allow this collector to write") == 1


# --- the loop around it --------------------------------------------------------------------------


class Line:
    """A broker that can be reached or not; ends the loop when its plan is used up."""

    def __init__(self, clock: FakeClock, plan: list[str | None]) -> None:
        self._clock = clock
        self._plan = plan
        self.stop = threading.Event()
        self.connections: list[FakeConnection] = []
        self.wills: list[CollectorState] = []

    def connect(self, _topic: str, will: bytes) -> FakeConnection:
        self.wills.append(CollectorState.model_validate_json(will))
        connection = FakeConnection(self._clock)
        connection.breaks_with = self._plan.pop(0)
        self.connections.append(connection)
        if not self._plan:
            self.stop.set()
        return connection


def run(line: Line, store: FailingStore, clock: FakeClock) -> None:
    def jitter(_low: float, _high: float) -> float:
        return 0.0  # no pause between attempts

    Ingest(
        name="county",
        broker_url="mqtt://broker:1883",
        connect=line.connect,
        store=store,
        clock=clock,
        jitter=jitter,
    ).run(line.stop, lambda: None)


def test_a_birth_follows_the_subscriptions_and_a_goodbye_ends_it(
    store: FailingStore, clock: FakeClock, gate: LedgerOfGate
) -> None:
    store.real.ingest([gate.state_arrival(gate.state())])
    line = Line(clock, [None])
    run(line, store, clock)
    (connection,) = line.connections
    assert connection.done == [
        "open gates/v1/+/+/state gates/v1/+/+/uses gates/v1/+/+/rec/+",
        "publish state",
        "publish ack",  # what every gate may have missed
        "publish state",
        "close",
    ]
    states = [
        CollectorState.model_validate_json(payload)
        for topic, payload in connection.published
        if topic.endswith("collector/county/state")
    ]
    assert [state.online for state in states] == [True, False]
    assert {state.session for state in states} == {line.wills[0].session}
    assert not line.wills[0].online


def test_every_connection_has_a_session_number_of_its_own(
    store: FailingStore, clock: FakeClock
) -> None:
    line = Line(clock, ["gone", "gone", None])
    run(line, store, clock)
    sessions = [will.session for will in line.wills]
    assert sessions == sorted(set(sessions))


def test_a_lasting_loss_is_one_line(
    store: FailingStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Unreachable(Line):
        def connect(self, topic: str, will: bytes) -> FakeConnection:
            connection = super().connect(topic, will)

            def refuse(_topics: Iterable[str], _beat: Callable[[], None]) -> None:
                raise BrokerUnavailable("connection refused")

            connection.open = refuse  # type: ignore[method-assign,assignment]  # this one cannot be reached
            return connection

    run(Unreachable(clock, ["x"] * 6), store, clock)
    assert len(caplog.records) == 1
    assert "broker mqtt://broker:1883: connection refused" in caplog.text


def test_expired_person_links_are_looked_for_at_the_start_and_every_hour(
    store: FailingStore, clock: FakeClock
) -> None:
    class ThreeHours(Line):
        def connect(self, topic: str, will: bytes) -> FakeConnection:
            connection = super().connect(topic, will)
            self.stop.clear()
            ends_at = clock.monotonic_s() + 3 * 3_600

            def hurry() -> None:
                clock.advance(600)
                if clock.monotonic_s() >= ends_at:
                    self.stop.set()

            connection.after_pump = hurry
            return connection

    run(ThreeHours(clock, [None]), store, clock)
    assert len(store.deletions) == 3


def test_expired_person_links_are_looked_for_while_no_broker_can_be_reached(
    store: FailingStore, clock: FakeClock
) -> None:
    class Stop(threading.Event):
        """Set after three hours; waiting for it is over at once."""

        def wait(self, timeout: float | None = None) -> bool:
            clock.advance(timeout or 0.0)
            if clock.elapsed_s >= 3 * 3_600:
                self.set()
            return self.is_set()

    def refuse(_topic: str, _will: bytes) -> FakeConnection:
        raise BrokerUnavailable("connection refused")

    ingest = Ingest(
        name="county", broker_url="mqtt://broker:1883", connect=refuse, store=store, clock=clock
    )
    ingest.run(Stop(), lambda: None)
    assert len(store.deletions) == 3
