"""Several ingesters, a real broker, a real PostgreSQL: nothing lost, nothing twice, acks right."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gated.collector.postgres_connection import PostgresAddress
from gated.simulation.broker import free_port
from tests.brokers import BrokerUnderTest, wait_until
from tests.collector_gate import LedgerOfGate, Message
from tests.collector_process import CollectorProcess
from tests.collector_station import Station
from tests.postgres import PostgresServer, postgres_server, rows

WAIT_S = 40.0


class Ingester(CollectorProcess):
    """``gated collector run`` as one of several processes that fill one database."""

    def __init__(self, folder: Path, own_name: str, port: int, url: str) -> None:
        config = folder / f"{own_name}.toml"
        config.write_text(
            f"""
            [collector]
            name = "county"
            ingester = "{own_name}"
            broker = "mqtt://127.0.0.1:{port}"
            database = "{url}"
            listen = "127.0.0.1:{free_port()}"
            """,
            encoding="utf-8",
        )
        super().__init__(folder / f"{own_name}.log", "--config", str(config))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def address(server: PostgresServer) -> Iterator[PostgresAddress]:
    address = server.new_database()
    yield address
    server.give_back(address)


@pytest.fixture
def ingesters(
    broker: BrokerUnderTest, address: PostgresAddress, tmp_path: Path
) -> Iterator[list[Ingester]]:
    made = [Ingester(tmp_path, name, broker.port, address.url) for name in ("a", "b")]
    try:
        for ingester in made:
            ingester.start()
        yield made
    finally:
        for ingester in made:
            ingester.stop_if_running()


def await_or_fail(is_so: Callable[[], bool], what: str, ingesters: list[Ingester]) -> None:
    logs = [ingester.log() for ingester in ingesters]
    assert wait_until(is_so, WAIT_S), "\n".join([f"{what} did not happen", *logs])


def await_both(ingesters: list[Ingester]) -> None:
    await_or_fail(
        lambda: all("connected" in ingester.log() for ingester in ingesters), "birth", ingesters
    )


def send_until_acked(
    station: Station, gates: list[LedgerOfGate], ingesters: list[Ingester]
) -> None:
    """Send again what is not acked, as gates do, until everything is."""
    for _ in range(5):
        if wait_until(lambda: all(station.is_acked(g.chain, g.seq) for g in gates), 6.0):
            return
        for gate in gates:
            ack = station.last_ack(gate.chain)
            for message in gate.messages[0 if ack is None else ack.upto :]:
                station.send(message)
    await_or_fail(
        lambda: all(station.is_acked(g.chain, g.seq) for g in gates), "the last ack", ingesters
    )


def assert_whole(address: PostgresAddress, station: Station, gates: list[LedgerOfGate]) -> None:
    total = sum(gate.seq for gate in gates)
    assert rows(address, "SELECT count(*), count(DISTINCT (gate, seq)) FROM record") == [
        (total, total)
    ]
    assert rows(address, "SELECT count(*) FROM quarantine") == [(0,)]
    found = rows(address, "SELECT gate, seq, chain, body FROM record ORDER BY gate, seq")
    assert found == [
        (gate.gate, m.seq, gate.hashes[m.seq], m.body) for gate in gates for m in gate.messages
    ]
    for gate in gates:
        ack = station.last_ack(gate.chain)
        assert ack is not None
        assert (ack.collector, ack.upto, ack.hash, ack.have) == (
            *("county", gate.seq, gate.head.hex()),
            (),
        )


def ledgers(count: int) -> list[LedgerOfGate]:
    return [LedgerOfGate(gate=f"east-{n}", epoch="abcdef"[n] * 16) for n in range(count)]


def interleaved(gates: list[LedgerOfGate]) -> list[Message]:
    return sorted((m for gate in gates for m in gate.messages), key=lambda m: (m.seq, m.chain))


def test_two_ingesters_share_the_work_and_the_last_ack_is_right(
    station: Station, ingesters: list[Ingester], address: PostgresAddress
) -> None:
    await_both(ingesters)
    gates = ledgers(3)
    for gate in gates:
        gate.write_visits(400)
        station.send_state(gate)
    for message in interleaved(gates):
        station.send(message)
    await_or_fail(lambda: all(station.is_acked(g.chain, 400) for g in gates), "the acks", ingesters)
    # What is retained in the end must be what is stored, whoever said it last.
    wait_until(lambda: False, 3.0)
    assert_whole(address, station, gates)
    epochs = {ack.collector_epoch for ack in station.acks}
    assert len(epochs) == 1, "both speak for one store"


def test_ingesters_killed_again_and_again_lose_nothing_and_double_nothing(
    station: Station, ingesters: list[Ingester], address: PostgresAddress
) -> None:
    rng = random.Random(7)
    await_both(ingesters)
    gates = ledgers(2)
    for gate in gates:
        gate.write_visits(300)
        station.send_state(gate)
    messages = interleaved(gates)
    for start in range(0, 600, 200):
        for message in messages[start : start + 200]:
            station.send(message)
        victim = rng.choice(ingesters)
        wait_until(lambda: False, rng.uniform(0.0, 0.6))
        victim.end(signal.SIGKILL)
        victim.start()
    send_until_acked(station, gates, ingesters)
    assert_whole(address, station, gates)


def test_what_one_ingester_leaves_the_other_takes(
    station: Station, ingesters: list[Ingester], address: PostgresAddress
) -> None:
    await_both(ingesters)
    gate = LedgerOfGate()
    gate.write_visits(50)
    station.send_state(gate)
    assert ingesters[0].end() == 0
    for message in gate.messages:
        station.send(message)
    send_until_acked(station, [gate], ingesters)
    assert_whole(address, station, [gate])
