"""How fast the collector takes records from a broker, beside a paho client that only receives.

    python benchmarks/collector.py [--records 10000] [--rounds 5] [--json FILE]

Every round queues the same records for a lasting session and lets one consumer empty it, one kind
after the other, so that a noisy machine is noisy for all of them. Read the CPU figures first.
PostgreSQL has two yardsticks of its own: the bare COPY of the same rows, and what one ingester does
beside two. Its server's CPU time is counted apart.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from psycopg import Connection

from gated.clock import SystemClock
from gated.collector.batch import Batch, read_batch
from gated.collector.batch_tables import Writes
from gated.collector.broker import BrokerConnection
from gated.collector.ingest import Ingest
from gated.collector.postgres_batch import PostgresTables
from gated.collector.postgres_connection import PostgresAddress, open_for_writing
from gated.collector.postgres_store import PostgresStore
from gated.collector.sql_reader import Row
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import (
    Arrival,
    ChainKey,
    IngestResult,
    Progress,
    Store,
    UsesPage,
)
from gated.mqtt.address import BrokerAddress
from gated.wire import ALL_RECORDS, ALL_STATES
from tests.brokers import Mosquitto, wait_until
from tests.collector_gate import LedgerOfGate, Message
from tests.postgres import PostgresServer, postgres_server

CLIENT_ID = "gated-collector-bench"
INGESTERS = ("a", "b")
GATES = 20
"""Of the records that several ingesters share."""
BATCH = 500
BASE = "paho, receive only"
OPTIONS = "max_inflight_messages 1000\nmax_queued_messages 0\nset_tcp_nodelay true"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Figures:
    per_s: float
    cpu_us: float  # this process's, for each record
    server_us: float = 0.0  # PostgreSQL's
    busy: float | None = None  # how much of all cores was busy, with everything that runs


def connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = 3_600
    properties.ReceiveMaximum = 1_000
    return properties


def make_client(client_id: str) -> Client:
    return Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
    )


def leave_session(port: int, client_id: str, records: str) -> None:
    """Make a session that takes ``records``, and leave it alone."""
    subscribed = threading.Event()
    session = make_client(client_id)
    session.on_subscribe = lambda *_: subscribed.set()
    session.connect(HOST, port, clean_start=True, properties=connect_properties())
    session.loop_start()
    session.subscribe([(ALL_STATES, 1), (records, 1)])
    assert subscribed.wait(10)
    session.disconnect()
    session.loop_stop()


def queue_up(port: int, messages: Sequence[Message]) -> None:
    """Leave ``messages`` in the sessions that are there."""
    published = threading.Event()

    left = len(messages)

    def on_publish(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            published.set()

    publisher = make_client("bench-publisher")
    publisher.max_inflight_messages_set(100)
    publisher.on_publish = on_publish
    publisher.connect(HOST, port)
    publisher.loop_start()
    for message in messages:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.UserProperty = [("epoch", message.chain.epoch), ("seq", str(message.seq))]
        publisher.publish(message.topic, message.payload, 1, properties=properties)
    assert published.wait(120)
    publisher.disconnect()
    publisher.loop_stop()


def receive_only(port: int, count: int) -> None:
    """The yardstick: paho with its own loop, acknowledging at once and keeping nothing."""
    client = make_client(CLIENT_ID)
    seen = 0

    def on_message(_client: Client, _userdata: object, _message: MQTTMessage) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            client.disconnect()

    client.on_message = on_message
    client.connect(HOST, port, clean_start=False, properties=connect_properties())
    client.loop_forever()
    assert seen == count


class CountingStore:
    """The real store, or none at all; stops the loop once everything is in."""

    def __init__(self, store: Store, count: int, stop: threading.Event) -> None:
        self._store = store
        self._left = count
        self._stop = stop
        self.stores = True

    @property
    def collector_epoch(self) -> str:
        return self._store.collector_epoch

    def ingest(self, batch: Sequence[Arrival]) -> IngestResult:
        result = IngestResult(stored=len(batch))
        if self.stores:
            result = self._store.ingest(batch)
        self._left -= result.stored
        if self._left <= 0:
            self._stop.set()
        return result

    def progress(self, chains: Sequence[ChainKey]) -> list[Progress]:
        return self._store.progress(chains)

    def current_chains(self) -> list[ChainKey]:
        return self._store.current_chains()

    def next_session(self) -> int:
        return self._store.next_session()

    def newest_use(self) -> int:
        return self._store.newest_use()

    def uses_page(self, site: str, after: int) -> UsesPage:
        return self._store.uses_page(site, after)

    def uses_stored(self, ledgers: Sequence[ChainKey]) -> list[int]:
        return self._store.uses_stored(ledgers)

    def delete_expired(self, now_ms: int) -> int:
        return self._store.delete_expired(now_ms)

    def close(self) -> None:
        self._store.close()


Opened = Callable[[], AbstractContextManager[Store]]
"""Opens a store that is new and empty."""


@contextmanager
def sqlite(folder: Path) -> Iterator[Store]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = SqliteStore(Path(place) / "records.db", keep_person_days=14)
        yield store
        store.close()


@contextmanager
def postgres(server: PostgresServer) -> Iterator[Store]:
    address = server.new_database()
    store = PostgresStore(address, keep_person_days=14)
    yield store
    store.close()
    server.give_back(address)


def collect(port: int, count: int, store: Store, *, stores: bool = True) -> None:
    """The collector's own loop and connection, with ``store``."""
    clock = SystemClock()
    address = BrokerAddress(HOST, port, CLIENT_ID)
    stop = threading.Event()
    counting = CountingStore(store, count, stop)
    counting.stores = stores
    Ingest(
        name="bench",
        broker_url=address.url,
        connect=lambda topic, will: BrokerConnection(
            address, will_topic=topic, will=will, clock=clock
        ),
        store=counting,
        clock=clock,
    ).run(stop, lambda: None)


def measure(
    consume: Callable[[], None], count: int, server: PostgresServer | None = None
) -> Figures:
    served_s = 0.0 if server is None else server.cpu_s()
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    consume()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    served_s = 0.0 if server is None else server.cpu_s() - served_s
    return Figures(count / wall_s, cpu_s / count * 1e6, served_s / count * 1e6)


def batches_of(messages: Sequence[Message], size: int) -> list[list[Arrival]]:
    return [
        [message.arrival() for message in messages[start : start + size]]
        for start in range(0, len(messages), size)
    ]


def store_alone(
    messages: Sequence[Message], opened: Opened, server: PostgresServer | None
) -> Figures:
    batches = batches_of(messages, BATCH)
    with opened() as store:

        def consume() -> None:
            for each in batches:
                store.ingest(each)

        return measure(consume, len(messages), server)


class KeepingRows(PostgresTables):
    """The real tables; what is inserted is kept, too."""

    def __init__(self, connection: Connection[Row], kept: list[Writes]) -> None:
        super().__init__(connection)
        self._kept = kept

    def write(self, writes: Writes) -> None:
        self._kept.append(Writes(writes.records))
        super().write(writes)


def copy_alone(messages: Sequence[Message], server: PostgresServer) -> Figures:
    """PostgreSQL's yardstick: rows that are ready, COPY, a commit for each batch."""
    kept: list[Writes] = []
    address = server.new_database()
    with open_for_writing(address)[0] as connection:
        for each in batches_of(messages, BATCH):
            with connection.transaction():
                tables = KeepingRows(connection, kept)
                Batch(tables, keep_person_days=14).ingest(read_batch(each))
        connection.execute("TRUNCATE record")

        def consume() -> None:
            for writes in kept:
                with connection.transaction():
                    PostgresTables(connection).write(writes)

        figures = measure(consume, len(messages), server)
    server.give_back(address)
    return figures


# --- several ingesters: processes of their own ----------------------------------------------------


def core_ticks() -> tuple[float, float]:
    """Return how long all cores together have been idle, and have been there."""
    ticks = [
        int(word) for word in Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:9]
    ]
    return float(sum(ticks[3:5])), float(sum(ticks))  # idle and waiting for the disk


def ingest_as(ingester: str, port: int, url: str) -> None:
    """Be one of the ingesters, from a line on standard input until killed."""
    clock = SystemClock()
    address = BrokerAddress(HOST, port, f"{CLIENT_ID}-{ingester}")
    worker = Ingest(
        name="bench",
        ingester=ingester,
        broker_url=address.url,
        connect=lambda topic, will: BrokerConnection(
            address, will_topic=topic, will=will, clock=clock, is_shared=True
        ),
        store=PostgresStore(PostgresAddress(url), keep_person_days=14),
        clock=clock,
    )
    print("ready", flush=True)
    sys.stdin.readline()
    worker.run(threading.Event(), lambda: None)


def ingesters(
    count: int, messages: Sequence[Message], folder: Path, server: PostgresServer
) -> Figures:
    """Let ``count`` processes share the work; their CPU time is not measured here."""
    address = server.new_database()
    PostgresStore(address, keep_person_days=14).close()
    broker = Mosquitto(folder, options=OPTIONS)
    broker.start()
    for name in INGESTERS[:count]:
        leave_session(broker.port, f"{CLIENT_ID}-{name}", f"$share/gated-bench/{ALL_RECORDS}")
    queue_up(broker.port, messages)
    command = [sys.executable, __file__, "--port", str(broker.port), "--url", address.url]
    running = [
        subprocess.Popen(
            [*command, "--ingester", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
        for name in INGESTERS[:count]
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    began_s, (idle_before, all_before) = time.perf_counter(), core_ticks()
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    sql = "SELECT coalesce(sum(upto), 0) FROM progress"
    with address.connect() as connection:
        assert wait_until(
            lambda: connection.execute(sql).fetchall() == [(len(messages),)], timeout_s=120
        )
    wall_s, (idle, whole) = time.perf_counter() - began_s, core_ticks()
    for process in running:
        process.kill()
        process.wait()
    broker.stop()
    server.give_back(address)
    busy = 1 - (idle - idle_before) / (whole - all_before)
    return Figures(len(messages) / wall_s, float("nan"), busy=busy)


def broker_with(messages: Sequence[Message], folder: Path) -> Mosquitto:
    """Return a broker of its own each time: none inherits what another left behind."""
    broker = Mosquitto(folder, options=OPTIONS)
    broker.start()
    leave_session(broker.port, CLIENT_ID, ALL_RECORDS)
    queue_up(broker.port, messages)
    return broker


def one_round(
    messages: Sequence[Message], folder: Path, server: PostgresServer | None
) -> Iterator[tuple[str, Figures]]:
    """Yield each kind of work and what it took."""
    count = len(messages)
    opened: dict[str, Opened] = {"SQLite": partial(sqlite, folder)}
    if server is not None:
        opened["PostgreSQL"] = partial(postgres, server)
    broker = broker_with(messages, folder)
    yield BASE, measure(lambda: receive_only(broker.port, count), count)
    broker.stop()
    for name, open_ in [("nothing", opened["SQLite"]), *opened.items()]:
        broker = broker_with(messages, folder)
        with open_() as store:
            work = partial(collect, broker.port, count, store, stores=name != "nothing")
            yield f"collector, stores {name}", measure(work, count, server)
        broker.stop()
    for name, open_ in opened.items():
        yield f"{name} alone, batches of {BATCH}", store_alone(messages, open_, server)
    if server is not None:
        yield "PostgreSQL, bare COPY", copy_alone(messages, server)
        shared = [
            message
            for each in zip(*(gate.messages for gate in gates_of(count)), strict=True)
            for message in each
        ]
        for several in (1, 2):
            yield f"{several} ingester(s), PostgreSQL", ingesters(several, shared, folder, server)


def gates_of(count: int) -> list[LedgerOfGate]:
    made = [LedgerOfGate(gate=f"east-{n}") for n in range(GATES)]
    for gate in made:
        gate.write_visits(count // GATES)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--ingester", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ingester is not None:
        ingest_as(args.ingester, args.port, args.url)
        return
    found: dict[str, list[Figures]] = {}
    messages = LedgerOfGate().write_visits(args.records)
    print(f"{args.records} records of {len(messages[0].payload)} bytes, {args.rounds} rounds")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        server = None
        try:
            server = stack.enter_context(postgres_server())
        except pytest.skip.Exception as exc:
            print(f"without PostgreSQL: {exc}")
        for _ in range(args.rounds):
            for name, figures in one_round(messages, Path(place), server):
                found.setdefault(name, []).append(figures)
    report(found, args.json)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


def report(found: dict[str, list[Figures]], file: Path | None) -> None:
    base = found[BASE]
    summary = {}
    for name, figures in found.items():
        rate = statistics.median(f.per_s for f in figures)
        cpu = statistics.median(f.cpu_us for f in figures)
        by_cpu = statistics.median(b.cpu_us / f.cpu_us for b, f in zip(base, figures, strict=True))
        by_rate = statistics.median(f.per_s / b.per_s for b, f in zip(base, figures, strict=True))
        summary[name] = {"per_s": rate, "of_rate": by_rate}
        low, high = min(f.per_s for f in figures), max(f.per_s for f in figures)
        line = f"{name:30} {rate:8,.0f}/s ({low:,.0f}–{high:,.0f})  {by_rate:5.2f} of receive-only"
        if not math.isnan(cpu):
            summary[name] |= {"cpu_us": cpu, "of_cpu": by_cpu}
            line += f"; {cpu:6.1f} µs CPU, {by_cpu:5.2f} of receive-only"
        if "PostgreSQL" in name and not math.isnan(cpu):
            served = statistics.median(f.server_us for f in figures)
            summary[name] |= {"server_us": served}
            line += f"; {served:5.1f} µs of the server's"
        busy = [f.busy for f in figures if f.busy is not None]
        if busy:
            summary[name] |= {"busy": statistics.median(busy)}
            line += f"; {statistics.median(busy):4.0%} of all cores busy"
        print(line)
    for part, whole in (
        ("collector, stores PostgreSQL", "PostgreSQL, bare COPY"),
        ("2 ingester(s), PostgreSQL", "1 ingester(s), PostgreSQL"),
    ):
        if part in found:
            pairs = zip(found[part], found[whole], strict=True)
            ratio = statistics.median(one.per_s / other.per_s for one, other in pairs)
            print(f"{part}: {ratio:4.2f} of {whole}")
    if file:
        file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
