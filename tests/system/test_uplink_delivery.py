"""A real ledger, a real broker, a collector that acks: nothing lost, nothing freed too early."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable

import pytest

from gated.clock import SystemClock
from gated.ledger.mailbox import Mailbox
from gated.ledger.reader import LedgerReader
from gated.ledger.writer import AckOutcome
from gated.wire import collector_state_topic
from tests.brokers import BrokerUnderTest, Mosquitto, wait_until
from tests.uplink_rig import (
    COLLECTOR,
    TOPICS,
    FakeCollector,
    GateRig,
    HurriedClock,
    Subscriber,
    running_uplink,
)

PATIENCE_S = 20.0
Collect = Callable[[Subscriber], None]


def test_a_backlog_drains_once_and_in_order(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(300)
    collector = FakeCollector(broker.port)
    collect(collector)
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
        gate.record(5)  # nobody nudges: it is noticed all the same
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
    assert collector.seqs() == list(range(1, 306))
    with_body = LedgerReader(gate.ledger_path)
    assert collector.stored[gate.ledger.epoch] == {e.seq: e.body for e in with_body.after(0, 999)}
    with_body.close()


def test_a_file_that_takes_no_session_keeps_no_record_back(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    Mailbox(gate.mailbox_path, SystemClock()).close()
    with contextlib.closing(sqlite3.connect(gate.mailbox_path)) as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON session BEGIN SELECT RAISE(FAIL, ''); END")
    gate.record(5)
    collector = FakeCollector(broker.port)
    collect(collector)
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
    assert collector.seqs() == list(range(1, 6))


def test_each_kind_goes_to_its_own_topic(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(1)
    gate.raise_alarm()
    collector = FakeCollector(broker.port)
    collect(collector)
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
    records = [d for d in collector.deliveries if "/rec/" in d.topic]
    assert [d.topic for d in records] == [TOPICS.record("health"), TOPICS.record("alarm")]
    assert not any(d.retained for d in records)


def test_only_the_collectors_ack_empties_the_backlog(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(50)
    listener = Subscriber(broker.port, "telegraf", (f"{TOPICS.root}/rec/+",))
    collect(listener)
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: len(listener.seqs()) == 50, PATIENCE_S)  # each has its PUBACK
        assert gate.backlog() == 50
        assert gate.stored_ack() is None
    collect(FakeCollector(broker.port))
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)


def test_a_broker_killed_in_the_middle_costs_duplicates_and_no_record(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(1_500)
    collector = FakeCollector(broker.port)
    collect(collector)
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: len(collector.deliveries) > 100, PATIENCE_S)
        broker.kill()
        gate.record(20)
        broker.start()
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
    assert set(collector.stored[gate.ledger.epoch]) == set(range(1, 1_521))
    assert collector.changed == []


def test_garbage_instead_of_acks_and_states_is_counted_and_ignored(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(10)
    vandal = Subscriber(broker.port, "vandal", (TOPICS.state,))
    collect(vandal)
    vandal.client.publish(TOPICS.ack, b"\xff\x00 no JSON", 1, retain=True)
    with running_uplink(gate, broker.port) as uplink:
        assert wait_until(lambda: uplink.publisher.counts.garbage == 1, PATIENCE_S)
        for payload in (
            b"[]",
            b"{}",
            b"[" * 20_000,
            b'{"v":1,"collector":"../x","collector_epoch":"c","epoch":"e","upto":1,"hash":"00"}',
            b'{"v":1,"collector":"centre","upto":' + b"9" * 6_000 + b"}",
        ):
            vandal.client.publish(TOPICS.ack, payload, 1)
        vandal.client.publish(collector_state_topic(COLLECTOR), b"{", 1)
        assert wait_until(lambda: uplink.publisher.counts.garbage == 7, PATIENCE_S)
        assert gate.stored_ack() is None
        collect(FakeCollector(broker.port))
        gate.record(1)
        assert wait_until(lambda: gate.backlog() == 0, 3 * PATIENCE_S)


def test_a_retained_ack_for_an_earlier_ledger_is_ignored(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(10)
    collector = FakeCollector(broker.port, acks=False)
    collect(collector)
    other = collector.ack("a" * 16, 9, "0" * 64)
    collector.client.publish(TOPICS.ack, other, 1, retain=True)
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: len(collector.seqs()) == 10, PATIENCE_S)
        assert gate.stored_ack() is None
        assert gate.backlog() == 10


def test_an_ack_that_does_not_fit_our_chain_frees_nothing_and_reaches_the_controller(
    new_mosquitto: Callable[..., Mosquitto],
    gate: GateRig,
    collect: Collect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate.record(10)
    collector = FakeCollector(new_mosquitto().port, acks=False)
    collect(collector)
    foreign = collector.ack(gate.ledger.epoch, 7, "0" * 64)
    collector.client.publish(TOPICS.ack, foreign, 1, retain=True)
    with running_uplink(gate, collector.port):
        assert wait_until(lambda: len(collector.seqs()) == 10, PATIENCE_S)
        assert wait_until(lambda: gate.stored_ack() is not None, PATIENCE_S)
    assert gate.apply_ack() is AckOutcome.MISMATCH
    assert collector.seqs()[0] == 1
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(errors) == 1


def test_what_was_lost_behind_the_broker_is_sent_again_and_nothing_else(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(40)
    collector = FakeCollector(broker.port)
    collector.drops = {11, 12, 30}
    collect(collector)
    with running_uplink(gate, broker.port, clock=HurriedClock(10)):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
    again = collector.seqs()[40:]
    assert {11, 12, 30} <= set(again)
    assert len(collector.seqs()) == 43, again


def test_with_the_collector_down_nothing_is_sent_twice(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(20)
    topics = (f"{TOPICS.root}/rec/+", collector_state_topic(COLLECTOR))
    listener = Subscriber(broker.port, "telegraf", topics)
    collect(listener)
    collector = FakeCollector(broker.port, acks=False)
    collector.start()
    collector.client.publish(
        collector_state_topic(COLLECTOR), collector.will[1] if collector.will else b"", 1, True
    )
    collector.stop()
    assert wait_until(
        lambda: any(b'"online":false' in d.payload for d in listener.deliveries), PATIENCE_S
    )
    with running_uplink(gate, broker.port, clock=HurriedClock(100)) as uplink:
        assert wait_until(lambda: len(listener.seqs()) == 20, PATIENCE_S)
        beats = uplink.beats
        assert wait_until(lambda: uplink.beats > beats + 4, PATIENCE_S)  # 200 s of its clock
        assert listener.seqs() == list(range(1, 21))


def test_a_restored_collector_gets_again_what_it_lacks(
    new_mosquitto: Callable[..., Mosquitto], gate: GateRig, collect: Collect
) -> None:
    gate.record(30)
    collector = FakeCollector(new_mosquitto().port)
    collect(collector)
    with running_uplink(gate, collector.port):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
        bodies = collector.stored[gate.ledger.epoch]
        for seq in range(21, 31):
            del bodies[seq]
        collector.collector_epoch = "c2"
        collector._chains.clear()
        collector.publish_ack(gate.ledger.epoch)
        assert wait_until(lambda: len(bodies) == 30, PATIENCE_S)
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
