"""How fast the collector takes records from a broker, beside a paho client that only receives.

    python benchmarks/collector.py [--records 10000] [--rounds 5] [--json FILE]

Every round queues the same records for a lasting session and lets one consumer empty it, one kind
after the other, so that a noisy machine is noisy for all of them. Read the CPU figures first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gated.clock import SystemClock
from gated.collector.broker import BrokerConnection
from gated.collector.ingest import Ingest
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Arrival, ChainKey, IngestResult, Lane, Progress, UsesPage
from gated.mqtt.address import BrokerAddress
from gated.wire import ALL_RECORDS, ALL_STATES
from tests.brokers import Mosquitto
from tests.collector_gate import LedgerOfGate, Message

CLIENT_ID = "gated-collector-bench"
OPTIONS = "max_inflight_messages 1000\nmax_queued_messages 0\nset_tcp_nodelay true"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Figures:
    per_s: float
    cpu_us: float


def connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = 3_600
    properties.ReceiveMaximum = 1_000
    return properties


def make_client(client_id: str) -> Client:
    return Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
    )


def queue_up(port: int, messages: Sequence[Message]) -> None:
    """Leave ``messages`` in the session of CLIENT_ID."""
    subscribed, published = threading.Event(), threading.Event()
    session = make_client(CLIENT_ID)
    session.on_subscribe = lambda *_: subscribed.set()
    session.connect(HOST, port, clean_start=True, properties=connect_properties())
    session.loop_start()
    session.subscribe([(ALL_STATES, 1), (ALL_RECORDS, 1)])
    assert subscribed.wait(10)
    session.disconnect()
    session.loop_stop()

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


def receive_only(port: int, count: int, _folder: Path) -> None:
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

    def __init__(self, store: SqliteStore, count: int, stop: threading.Event) -> None:
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

    def uses_stored(self, lane: Lane, epoch: str) -> int:
        return self._store.uses_stored(lane, epoch)

    def delete_expired(self, now_ms: int) -> int:
        return self._store.delete_expired(now_ms)

    def close(self) -> None:
        self._store.close()


def collect(port: int, count: int, folder: Path, *, stores: bool = True) -> None:
    """The collector's own loop, connection and SQLite store."""
    clock = SystemClock()
    address = BrokerAddress(HOST, port, CLIENT_ID)
    stop = threading.Event()
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = CountingStore(
            SqliteStore(Path(place) / "records.db", keep_person_days=14), count, stop
        )
        store.stores = stores
        Ingest(
            name="bench",
            broker_url=address.url,
            connect=lambda topic, will: BrokerConnection(
                address, will_topic=topic, will=will, clock=clock
            ),
            store=store,
            clock=clock,
        ).run(stop, lambda: None)
        store.close()


def collect_without_store(port: int, count: int, folder: Path) -> None:
    collect(port, count, folder, stores=False)


CONSUMERS: dict[str, Callable[[int, int, Path], None]] = {
    "paho, receive only": receive_only,
    "our loop, no store": collect_without_store,
    "collector, SQLite": collect,
}


def measure(consume: Callable[[], None], count: int) -> Figures:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    consume()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return Figures(count / wall_s, cpu_s / count * 1e6)


def store_alone(messages: Sequence[Message], folder: Path, batch: int) -> Figures:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = SqliteStore(Path(place) / "records.db", keep_person_days=14)
        batches = [
            [message.arrival() for message in messages[start : start + batch]]
            for start in range(0, len(messages), batch)
        ]

        def consume() -> None:
            for each in batches:
                store.ingest(each)

        figures = measure(consume, len(messages))
        store.close()
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found: dict[str, list[Figures]] = {name: [] for name in CONSUMERS}
    messages = LedgerOfGate().write_visits(args.records)
    print(f"{args.records} records of {len(messages[0].payload)} bytes, {args.rounds} rounds")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for _ in range(args.rounds):
            for name, consume in CONSUMERS.items():
                # A broker of its own each time: none inherits what another left behind.
                broker = Mosquitto(folder, options=OPTIONS)
                broker.start()
                queue_up(broker.port, messages)
                work = partial(consume, broker.port, args.records, folder)
                found[name].append(measure(work, args.records))
                broker.stop()
            for batch in (100, 500):
                name = f"store alone, batches of {batch}"
                found.setdefault(name, []).append(store_alone(messages, folder, batch))
    base = found["paho, receive only"]
    summary = {}
    for name, figures in found.items():
        rate = statistics.median(f.per_s for f in figures)
        cpu = statistics.median(f.cpu_us for f in figures)
        by_cpu = statistics.median(b.cpu_us / f.cpu_us for b, f in zip(base, figures, strict=True))
        by_rate = statistics.median(f.per_s / b.per_s for b, f in zip(base, figures, strict=True))
        summary[name] = {"per_s": rate, "cpu_us": cpu, "of_rate": by_rate, "of_cpu": by_cpu}
        low, high = min(f.per_s for f in figures), max(f.per_s for f in figures)
        print(
            f"{name:30} {rate:8,.0f}/s ({low:,.0f}–{high:,.0f})  {cpu:6.1f} µs CPU  "
            f"{by_rate:5.2f} of receive-only by rate, {by_cpu:4.2f} by CPU"
        )
    if args.json:
        args.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
