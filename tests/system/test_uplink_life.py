"""The uplink's own life: states, alarms ahead of a backlog, brokers that are away or odd."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gated.simulation.broker import HOST, free_port
from tests.brokers import BrokerUnderTest, Mosquitto, SilentNetwork, wait_until
from tests.uplink_rig import (
    TOPICS,
    FakeCollector,
    GateRig,
    HurriedClock,
    Subscriber,
    running_uplink,
)

PATIENCE_S = 20.0
Collect = Callable[[Subscriber], None]
NewMosquitto = Callable[..., Mosquitto]


# --- states ---------------------------------------------------------------------------------------


def test_the_birth_tells_the_ledger_and_what_the_controller_says(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(3)
    status = {
        "mode": "observe",
        "drill": True,
        "devices": {"child": "ok", "relay": "lost"},
        "threshold_c": 37.3,
        "boot_nonce": "abc",
        "something_else": 1,
    }
    gate.files.status.write_text(json.dumps(status), encoding="utf-8")
    watcher = Subscriber(broker.port, "watcher", (TOPICS.state,))
    collect(watcher)
    late = Subscriber(broker.port, "late", (TOPICS.state,))
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: len(watcher.states()) >= 1, PATIENCE_S)
        collect(late)
        assert wait_until(lambda: len(late.states()) >= 1, PATIENCE_S)
    assert (late.deliveries[0].retained, late.states()[0]["online"]) == (True, True)
    birth = watcher.states()[0]
    assert {
        "online": True,
        "epoch": gate.ledger.epoch,
        "backlog": 3,
        "oldest_seq": 1,
        "newest_seq": 3,
        "anchor": "0" * 64,
        "mode": "observe",
        "drill": True,
        "devices": {"child": "ok", "relay": "lost"},
        "threshold_c": 37.3,
        "boot_nonce": "abc",
    }.items() <= birth.items()


def test_a_state_follows_a_change_of_mode_and_of_the_backlog(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(1)
    watcher = Subscriber(broker.port, "watcher", (TOPICS.state,))
    collect(watcher)
    with running_uplink(gate, broker.port, clock=HurriedClock(4)):
        assert wait_until(lambda: len(watcher.states()) == 1, PATIENCE_S)
        gate.files.status.write_text('{"mode": "closed"}', encoding="utf-8")
        assert wait_until(lambda: watcher.states()[-1]["mode"] == "closed", PATIENCE_S)
        gate.files.status.write_text("{", encoding="utf-8")  # garbled: nothing is known
        assert wait_until(lambda: watcher.states()[-1]["mode"] is None, PATIENCE_S)
        gate.record(4)
        assert wait_until(lambda: watcher.states()[-1]["backlog"] == 5, PATIENCE_S)


def test_a_clean_stop_says_goodbye_with_the_births_session(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(1)
    watcher = Subscriber(broker.port, "watcher", (TOPICS.state,))
    collect(watcher)
    for _ in range(2):
        with running_uplink(gate, broker.port):
            assert wait_until(lambda: bool(watcher.states()) and is_online(watcher), PATIENCE_S)
        assert wait_until(lambda: not is_online(watcher), PATIENCE_S)
    sessions = [state["session"] for state in watcher.states()]
    first, second = sessions[0], sessions[-1]
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert second > first
    late = Subscriber(broker.port, "late", (TOPICS.state,))
    collect(late)
    assert wait_until(lambda: len(late.states()) == 1, PATIENCE_S)
    assert late.deliveries[0].retained
    assert late.states()[0]["session"] == second


def is_online(watcher: Subscriber) -> bool:
    return watcher.states()[-1]["online"] is True


# --- alarms ---------------------------------------------------------------------------------------


def test_an_alarm_overtakes_a_backlog_as_a_marked_copy_and_follows_in_its_turn(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(900)
    seq = gate.raise_alarm()
    gate.record(5)
    collector = FakeCollector(broker.port)
    collector.topics = (*collector.topics, TOPICS.live)
    collect(collector)
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
    topics = [d.topic for d in collector.deliveries]
    copies = [d for d in collector.deliveries if d.topic == TOPICS.live]
    assert topics.index(TOPICS.live) == 0
    assert [(d.seq, d.properties["copy"], d.retained) for d in copies] == [(seq, "1", False)]
    durable = next(d for d in collector.deliveries if d.topic == TOPICS.record("alarm"))
    assert durable.payload == copies[0].payload
    assert "copy" not in durable.properties
    assert collector.seqs() == list(range(1, 907))


def test_a_new_alarm_goes_out_live_at_once(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(1)
    watcher = Subscriber(broker.port, "watcher", (TOPICS.live, TOPICS.state))
    collect(watcher)
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: bool(watcher.states()), PATIENCE_S)
        seq = gate.raise_alarm()
        assert wait_until(lambda: any(d.topic == TOPICS.live for d in watcher.deliveries), 2.0)
    assert [d.seq for d in watcher.deliveries if d.topic == TOPICS.live] == [seq]


# --- a broker that is away, or says no ------------------------------------------------------------


def test_an_absent_broker_is_one_line_in_the_log_and_its_return_another(
    gate: GateRig, new_mosquitto: NewMosquitto, collect: Collect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mosquitto = new_mosquitto()
    mosquitto.stop()
    gate.record(2)
    with running_uplink(gate, mosquitto.port, clock=HurriedClock(5)) as uplink:
        assert wait_until(lambda: bool(caplog.records), PATIENCE_S)
        beats = uplink.beats
        assert wait_until(lambda: uplink.beats > beats + 8, PATIENCE_S)
        url = f"mqtt://{HOST}:{mosquitto.port}"
        assert caplog.messages == [
            f"cannot reach {url}: connection refused; records are kept, trying again in 1 s"
        ]
        mosquitto.start()
        collect(FakeCollector(mosquitto.port))
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
        assert caplog.messages[1:] == [f"connected to {url}; backlog 2"]
        mosquitto.kill()
        assert wait_until(lambda: len(caplog.messages) >= 4, PATIENCE_S)
    assert caplog.messages[2].startswith(f"lost {url}: ")
    assert caplog.messages[3].startswith(f"cannot reach {url}: connection refused")
    assert not any(record.exc_info for record in caplog.records)


def test_a_network_that_falls_silent_is_noticed_within_two_keepalives(
    broker: BrokerUnderTest,
    gate: GateRig,
    collect: Collect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    gate.record(5)
    collect(FakeCollector(broker.port))
    with (
        SilentNetwork(broker.port) as network,
        running_uplink(gate, network.port, keepalive_s=2),
    ):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
        network.fall_silent()
        gate.record(5)
        assert wait_until(lambda: any("lost mqtt" in m for m in caplog.messages), 6.0)
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes.fromhex("20 03 00 87 00"),  # CONNACK, not authorized
        bytes.fromhex("20 02 00 01"),  # CONNACK of a broker that knows 3.1.1 only
        bytes.fromhex("20 ff ff ff ff ff"),
        bytes.fromhex("20 06 00 00 03 21 00 00"),  # receive maximum 0, a protocol error
        bytes.fromhex("20 03 00 00 00 32 03 00 01 ff 90 01 00 40 01 00 62 01 ff"),
        bytes(range(256)) * 20,
    ],
)
def test_a_broker_that_talks_nonsense_is_left_and_tried_again(
    gate: GateRig, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    gate.record(2)
    calls = 0
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            nonlocal calls
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                calls += 1
                with connection:
                    connection.settimeout(1)
                    try:
                        connection.recv(4_096)
                        connection.sendall(answer)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with running_uplink(gate, server.getsockname()[1], clock=HurriedClock(20)):
                assert wait_until(lambda: calls >= 2, PATIENCE_S)
        finally:
            done.set()
            thread.join()
    assert not any(record.exc_info for record in caplog.records)
    assert calls < 20


def test_records_that_the_broker_refuses_are_counted_said_once_and_retried_slowly(
    gate: GateRig,
    tmp_path: Path,
    new_mosquitto: NewMosquitto,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic readwrite {TOPICS.state}\ntopic read #\n", encoding="utf-8")
    mosquitto = new_mosquitto(options=f"acl_file {rules}")
    gate.record(200)
    with running_uplink(gate, mosquitto.port, clock=HurriedClock(2)) as uplink:
        assert wait_until(lambda: uplink.publisher.counts.refused >= 20, PATIENCE_S)
        beats = uplink.beats
        assert wait_until(lambda: uplink.beats > beats + 8, PATIENCE_S)
        assert uplink.publisher.counts.refused < 40  # one window, then single tries
        refusals = [m for m in caplog.messages if "refuses to take a record" in m]
        assert len(refusals) == 1
        assert "Not authorized" in refusals[0]
        assert gate.backlog() == 200


def test_records_that_nobody_hears_wait_for_a_collector(
    gate: GateRig, new_mosquitto: NewMosquitto, collect: Collect, caplog: pytest.LogCaptureFixture
) -> None:
    mosquitto = new_mosquitto()
    gate.record(300)
    with running_uplink(gate, mosquitto.port) as uplink:
        assert wait_until(lambda: uplink.publisher.counts.unheard > 0, PATIENCE_S)
        assert uplink.publisher.counts.unheard < 40
        assert any("is the collector running?" in m for m in caplog.messages)
        collect(FakeCollector(mosquitto.port))
        assert wait_until(lambda: gate.backlog() == 0, 8.0)  # much less than the patience of 30 s


def test_a_record_larger_than_the_broker_takes_holds_up_no_other(
    gate: GateRig, new_mosquitto: NewMosquitto, collect: Collect, caplog: pytest.LogCaptureFixture
) -> None:
    mosquitto = new_mosquitto(options="max_packet_size 1500")
    gate.record_large(2_000)
    gate.record(3)
    listener = Subscriber(mosquitto.port, "telegraf", (f"{TOPICS.root}/rec/+",))
    collect(listener)
    with running_uplink(gate, mosquitto.port):
        assert wait_until(lambda: len(listener.seqs()) == 3, PATIENCE_S)
    assert listener.seqs() == [2, 3, 4]
    assert any("record 1 exceeds the broker's limit of 1500 bytes" in m for m in caplog.messages)


# --- the ledger -----------------------------------------------------------------------------------


def test_the_uplink_waits_for_a_ledger_and_follows_it_to_a_new_epoch(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect, caplog: pytest.LogCaptureFixture
) -> None:
    collector = FakeCollector(broker.port)
    collect(collector)
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: any("no ledger" in m for m in caplog.messages), PATIENCE_S)
        gate.record(10)
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
        first = gate.ledger.epoch
        gate.ledger.fork("test")
        gate.record(7)
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
    assert len(collector.stored[first]) == 10
    assert len(collector.stored[gate.ledger.epoch]) == 7


def test_a_ledger_of_another_gate_is_not_sent_under_our_name(
    tmp_path: Path, new_mosquitto: NewMosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    mosquitto = new_mosquitto()
    (tmp_path / "other").mkdir()
    other = GateRig(tmp_path / "other", gate="west-2")
    other.record(3)
    with running_uplink(other, mosquitto.port):
        assert wait_until(lambda: any("west-2" in m for m in caplog.messages), PATIENCE_S)
    other.close()


def test_nothing_answers_at_a_port_where_nobody_listens(gate: GateRig) -> None:
    gate.record(1)
    with running_uplink(gate, free_port()) as uplink:
        assert wait_until(lambda: uplink.beats > 5, PATIENCE_S)
        assert uplink.publisher.counts.published == 0
