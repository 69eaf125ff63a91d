from __future__ import annotations

import socket

from gated.clock import SystemClock
from gated.collector.broker import RECEIVE_MAXIMUM, BrokerConnection
from gated.mqtt.address import BrokerAddress
from gated.mqtt.connection import Connection, Dial
from gated.mqtt.happenings import Confirmed, Connected, Happening, Received, Subscribed
from gated.simulation.broker import HOST
from tests.system.conftest import NewMosquitto

CLOCK = SystemClock()
WAIT_S = 10.0


def connect(port: int, name: str, *, publish_window: int) -> Connection:
    connection = Connection(
        BrokerAddress(HOST, port, name),
        will_topic="t/will",
        will=b"",
        clock=CLOCK,
        publish_window=publish_window,
    )
    assert Dial(connection, CLOCK).wait(WAIT_S)
    happened: list[Happening] = []
    while not happened:
        connection.pump(0.1)
        happened = list(connection.happenings())
    assert isinstance(happened[0], Connected)
    return connection


def confirm_all(connection: Connection, count: int) -> None:
    until = CLOCK.monotonic_s() + WAIT_S
    while count > 0:
        assert CLOCK.monotonic_s() < until
        connection.pump(0.1)
        count -= sum(isinstance(each, Confirmed) for each in connection.happenings())


def test_a_window_full_of_what_cannot_be_stored_keeps_its_connection(
    new_mosquitto: NewMosquitto,
) -> None:
    broker = new_mosquitto(options=f"max_inflight_messages {2 * RECEIVE_MAXIMUM}")
    address = BrokerAddress(HOST, broker.port, "collector", keepalive_s=1)
    collector = BrokerConnection(address, will_topic="t/will", will=b"", clock=CLOCK)
    collector.open(["t/rec"], lambda: None)
    collector.pump(0.5)
    gate = connect(broker.port, "gate", publish_window=20)
    for number in range(RECEIVE_MAXIMUM + 10):
        gate.publish("t/rec", str(number).encode())
    confirm_all(gate, RECEIVE_MAXIMUM + 10)

    until = CLOCK.monotonic_s() + 4 * address.keepalive_s
    while CLOCK.monotonic_s() < until:
        collector.pump(0.1)  # raises if the connection is lost
    assert len(collector.inbox) == RECEIVE_MAXIMUM

    collector.acknowledge(collector.inbox)
    collector.inbox.clear()
    while len(collector.inbox) < 10:
        collector.pump(0.1)
    gate.close()
    collector.close()


def test_more_than_the_broker_takes_at_once_is_told_piece_by_piece(
    new_mosquitto: NewMosquitto,
) -> None:
    broker = new_mosquitto(options="max_inflight_messages 10")
    listener = connect(broker.port, "listener", publish_window=0)
    listener.subscribe(("t/uses",))
    until = CLOCK.monotonic_s() + WAIT_S
    while Subscribed(()) not in listener.happenings():  # else the first are told to nobody
        assert CLOCK.monotonic_s() < until
        listener.pump(0.05)
    address = BrokerAddress(HOST, broker.port, "collector")
    collector = BrokerConnection(address, will_topic="t/will", will=b"", clock=CLOCK)
    collector.open(["t/rec"], lambda: None)
    assert collector.places == 10
    for number in range(40):
        collector.tell("t/uses", str(number).encode())
    collector.pump(0.0)
    assert collector.places >= 5, "half of them are kept for acks"
    heard: list[bytes] = []
    until = CLOCK.monotonic_s() + WAIT_S
    while len(heard) < 40 or collector.places < 10:
        assert CLOCK.monotonic_s() < until
        collector.pump(0.05)
        listener.pump(0.05)
        heard += [each.payload for each in listener.happenings() if isinstance(each, Received)]
    assert heard == [str(number).encode() for number in range(40)]
    collector.close()
    listener.close()


def test_something_else_to_read_ends_the_wait_for_the_socket(new_mosquitto: NewMosquitto) -> None:
    broker = new_mosquitto()
    connection = connect(broker.port, "gate", publish_window=0)
    began = CLOCK.monotonic_s()
    connection.pump(0.2)
    assert CLOCK.monotonic_s() - began >= 0.19
    reader, writer = socket.socketpair()
    writer.send(b"x")
    connection.pump(60.0, waker=reader.fileno())
    assert CLOCK.monotonic_s() - began < WAIT_S
    for each in (reader, writer, connection):
        each.close()
