"""What an ingester does because it is not the only one that fills its store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.collector.ingest import ACK_EVERY_S, Desk, Ingest
from gated.collector.sqlite_store import SqliteStore
from gated.wire import CollectorState
from tests.collector_gate import LedgerOfGate, arrivals
from tests.unit.test_collector_ingest import FakeConnection


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def connection(clock: FakeClock) -> FakeConnection:
    return FakeConnection(clock)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "records.db", keep_person_days=14)
    yield store
    store.close()


def desk_of(
    store: SqliteStore, connection: FakeConnection, clock: FakeClock, *, is_shared: bool
) -> Desk:
    return Desk("county", connection, store, clock, is_shared=is_shared)


def work_for(desk: Desk, clock: FakeClock, seconds: float) -> None:
    until = clock.monotonic_s() + seconds
    while clock.monotonic_s() < until:
        desk.work()


def test_an_ack_that_another_ingester_has_overtaken_is_put_right(
    store: SqliteStore, connection: FakeConnection, clock: FakeClock
) -> None:
    desk = desk_of(store, connection, clock, is_shared=True)
    gate = LedgerOfGate()
    first, *others = gate.write_visits(3)
    connection.receive([first])
    work_for(desk, clock, 0.2)
    assert [ack.upto for ack in connection.acks()] == [1]
    store.ingest(arrivals(others))  # the other ingester's: nothing of it comes to us
    work_for(desk, clock, ACK_EVERY_S + 1)
    assert [ack.upto for ack in connection.acks()] == [1, 3]
    work_for(desk, clock, 10 * ACK_EVERY_S)
    assert [ack.upto for ack in connection.acks()] == [1, 3], "then it is quiet"


def test_a_resend_is_acked_though_nothing_has_changed(
    store: SqliteStore, connection: FakeConnection, clock: FakeClock
) -> None:
    desk = desk_of(store, connection, clock, is_shared=True)
    messages = LedgerOfGate().write_visits(2)
    connection.receive(messages)
    work_for(desk, clock, 5 * ACK_EVERY_S)
    connection.receive(messages)
    work_for(desk, clock, 5 * ACK_EVERY_S)
    assert [ack.upto for ack in connection.acks()] == [2, 2]


def test_an_ingester_alone_says_an_ack_once_and_looks_no_more(
    store: SqliteStore, connection: FakeConnection, clock: FakeClock
) -> None:
    desk = desk_of(store, connection, clock, is_shared=False)
    first, *others = LedgerOfGate().write_visits(3)
    connection.receive([first])
    work_for(desk, clock, 0.2)
    store.ingest(arrivals(others))
    work_for(desk, clock, 5 * ACK_EVERY_S)
    assert [ack.upto for ack in connection.acks()] == [1]


@pytest.mark.parametrize(
    ("ingester", "topics", "state_topic"),
    [
        (
            None,
            "gates/v1/+/+/state gates/v1/+/+/uses gates/v1/+/+/rec/+",
            "gates/v1/collector/county/state",
        ),
        (
            "a",
            "gates/v1/+/+/state "
            + " ".join(f"$share/gated-county/gates/v1/+/+/{end}" for end in ("uses", "rec/+")),
            "gates/v1/collector/county-a/state",
        ),
    ],
)
def test_records_and_uses_are_dealt_but_states_come_to_every_ingester(
    store: SqliteStore,
    connection: FakeConnection,
    clock: FakeClock,
    ingester: str | None,
    topics: str,
    state_topic: str,
) -> None:
    stop = threading.Event()
    connection.after_pump = stop.set
    Ingest(
        name="county",
        ingester=ingester,
        broker_url="mqtt://127.0.0.1",
        connect=lambda _topic, _will: connection,
        store=store,
        clock=clock,
    ).run(stop, lambda: None)
    assert connection.done[0] == f"open {topics}"
    states = [
        CollectorState.model_validate_json(payload)
        for topic, payload in connection.published
        if topic == state_topic
    ]
    assert [state.online for state in states] == [True, False]
    assert {state.collector for state in states} == {state_topic.split("/")[3]}


def test_the_state_of_one_that_was_alone_before_is_cleared(
    store: SqliteStore, connection: FakeConnection, clock: FakeClock
) -> None:
    stop = threading.Event()
    connection.after_pump = stop.set
    Ingest(
        name="county",
        ingester="a",
        broker_url="mqtt://127.0.0.1",
        connect=lambda _topic, _will: connection,
        store=store,
        clock=clock,
    ).run(stop, lambda: None)
    assert ("gates/v1/collector/county/state", b"") in connection.published
