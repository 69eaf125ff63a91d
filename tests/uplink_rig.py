"""What the uplink's system tests are made of: a gate's ledger, a publisher at work, a collector."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gated.clock import SystemClock, TimeQuality
from gated.contents import (
    AlarmContent,
    AlarmName,
    ConfigContent,
    Content,
    HealthContent,
    VisitContent,
)
from gated.ledger.mailbox import Mailbox, MailboxReader
from gated.ledger.reader import LedgerReader
from gated.ledger.writer import AckOutcome, Ledger
from gated.mqtt.address import BrokerAddress, TlsFiles
from gated.simulation.broker import HOST
from gated.units import MonoSeconds
from gated.uplink.publisher import Publisher, UplinkFiles
from gated.vocabulary import Direction, Mode, Outcome, Prompt
from gated.wire import (
    GENESIS,
    Ack,
    CollectorState,
    Draft,
    GateTopics,
    Stamp,
    chain_hash,
    collector_state_topic,
    split_link,
)

SITE, GATE, COLLECTOR = "school", "east-1", "centre"
TOPICS = GateTopics(SITE, GATE)


class HurriedClock(SystemClock):
    """A clock whose intervals pass ``speed`` times as fast, so that patience can be tested."""

    def __init__(self, speed: float) -> None:
        self._speed = speed

    def monotonic_s(self) -> MonoSeconds:
        return MonoSeconds(super().monotonic_s() * self._speed)


class GateRig:
    """A gate's folder with a real ledger; the test plays the controller."""

    def __init__(self, folder: Path, *, site: str = SITE, gate: str = GATE) -> None:
        self.folder = folder
        self.ledger_path = folder / "ledger.db"
        self.mailbox_path = folder / "uplink.db"
        self.files = UplinkFiles(
            ledger=self.ledger_path,
            status=folder / "status.json",
            nudge=folder / "uplink.sock",
            controller=folder / "ledger.sock",
        )
        self._site, self._gate = site, gate
        self._ledger: Ledger | None = None
        self._acks = MailboxReader(self.mailbox_path)

    @property
    def ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger.open(
                self.ledger_path,
                site=self._site,
                gate=self._gate,
                clock=SystemClock(),
                software="test",
                boot_id="00000000-0000-0000-0000-000000000001",
            ).ledger
        return self._ledger

    def record(self, count: int) -> None:
        """Commit ``count`` records."""
        for begin in range(0, count, 100):
            drafts = [health() for _ in range(min(100, count - begin))]
            self.ledger.append(drafts)

    def record_visit(self) -> None:
        """Commit one visit."""
        content = VisitContent(
            visit_id="7f3a91c2e05b",
            direction=Direction.IN,
            outcome=Outcome.GRANTED,
            reason=None,
            prompt=Prompt.GO,
            body_c=36.6,
            threshold_c=37.3,
            threshold_inclusive=True,
        )
        self.ledger.append([draft(content)])

    def record_large(self, size: int) -> None:
        """Commit one record of more than ``size`` bytes."""
        self.ledger.append(
            [draft(ConfigContent(accepted=True, changed=("k" * 50,) * (size // 50)))]
        )

    def raise_alarm(self) -> int:
        """Commit an alarm; return its seq."""
        self.ledger.append([draft(AlarmContent(alarm=AlarmName.DEVICE_LOST, device="child"))])
        return self.ledger.newest_seq

    def apply_ack(self) -> AckOutcome | None:
        """Do with the newest ack what the controller does."""
        ack = self._acks.latest_ack()
        return None if ack is None else self.ledger.apply_ack(ack)

    def stored_ack(self) -> Ack | None:
        """Return what the uplink handed over."""
        return self._acks.latest_ack()

    def backlog(self) -> int:
        """Apply the newest ack, then return how many records are not acked."""
        self.apply_ack()
        with contextlib.closing(LedgerReader(self.ledger_path)) as reader:
            return reader.backlog()

    def close(self) -> None:
        self._acks.close()
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


def draft(content: Content) -> Draft:
    stamp = Stamp(
        at=SystemClock().now().isoformat(timespec="milliseconds"),
        time_quality=TimeQuality.TRUSTED,
        boot_ms=1,
        mode=Mode.NORMAL,
        drill=False,
        rules="test",
        software="test",
    )
    return Draft(content, stamp)


def health() -> Draft:
    return draft(HealthContent(devices={"child": "ok"}, backlog=0, rss_kb=1, disk_free_kb=1))


class RunningUplink:
    """A publisher on a thread of its own."""

    def __init__(
        self,
        rig: GateRig,
        broker: BrokerAddress,
        clock: SystemClock,
        places: int,
        *,
        shares_uses: bool,
    ) -> None:
        self._mailbox = Mailbox(rig.mailbox_path, clock)
        self.publisher = Publisher(
            broker,
            TOPICS,
            rig.files,
            self._mailbox,
            clock=clock,
            uniform=lambda low, _high: low,
            places=places,
            shares_uses=shares_uses,
        )
        self.beats = 0
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher")
        self._thread.start()

    def _run(self) -> None:
        try:
            self.publisher.run(self._stop, self._beat)
        except BaseException as exc:  # noqa: BLE001  handed to the test
            self.failure = exc

    def _beat(self) -> None:
        self.beats += 1

    def stop(self) -> None:
        """Stop it; fail if it died or does not end."""
        self._stop.set()
        self._thread.join(10)
        alive = self._thread.is_alive()
        self._mailbox.close()
        assert not alive, "the uplink did not stop"
        if self.failure is not None:
            raise self.failure


@contextlib.contextmanager
def running_uplink(
    rig: GateRig,
    port: int,
    *,
    clock: SystemClock | None = None,
    places: int = 100,
    keepalive_s: int = 5,
    shares_uses: bool = True,
    tls: TlsFiles | None = None,
) -> Iterator[RunningUplink]:
    broker = BrokerAddress(
        host=HOST, port=port, client_id=f"gate.{SITE}.{GATE}", keepalive_s=keepalive_s, tls=tls
    )
    uplink = RunningUplink(rig, broker, clock or HurriedClock(3), places, shares_uses=shares_uses)
    try:
        yield uplink
    finally:
        uplink.stop()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as a subscriber got it."""

    topic: str
    payload: bytes
    retained: bool
    properties: dict[str, str]

    @property
    def seq(self) -> int:
        return int(self.properties["seq"])


@dataclass
class Subscriber:
    """An MQTT client that keeps what it receives, on a thread of its own."""

    port: int
    client_id: str
    topics: tuple[str, ...]
    session_expiry_s: int = 0
    will: tuple[str, bytes] | None = None
    deliveries: list[Delivery] = field(default_factory=list)

    def start(self) -> None:
        self._ready = threading.Event()
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        client.reconnect_delay_set(1, 1)
        if self.will is not None:
            client.will_set(self.will[0], self.will[1], qos=1, retain=True)
        client.on_connect = lambda *_: self._on_connect()
        client.on_subscribe = lambda *_: self._ready.set()
        client.on_message = lambda _client, _userdata, message: self._on_message(message)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
        properties.SessionExpiryInterval = self.session_expiry_s
        client.connect(
            HOST,
            self.port,
            keepalive=5,
            clean_start=self.session_expiry_s == 0,
            properties=properties,
        )
        self.client = client
        self._stop = threading.Event()
        client.loop_start()
        assert self._ready.wait(10), "no SUBACK"

    def _on_connect(self) -> None:
        self.client.subscribe([(topic, 1) for topic in self.topics])

    def _on_message(self, message: MQTTMessage) -> None:
        pairs = getattr(message.properties, "UserProperty", [])
        self.take(Delivery(message.topic, bytes(message.payload), message.retain, dict(pairs)))

    def take(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def seqs(self) -> list[int]:
        """Return the seqs of the records, in the order of their arrival."""
        return [d.seq for d in self.deliveries if "/rec/" in d.topic]

    def states(self) -> list[dict[str, object]]:
        """Return the gate's states, in the order of their arrival."""
        return [json.loads(d.payload) for d in self.deliveries if d.topic == TOPICS.state]


class FakeCollector(Subscriber):
    """A collector in small: stores bodies by seq, acks what is contiguous with the chain's hash."""

    def __init__(self, port: int, *, session_expiry_s: int = 0, acks: bool = True) -> None:
        will = CollectorState(online=False, session=1, collector=COLLECTOR).model_dump_json()
        super().__init__(
            port,
            "test-collector",
            (f"{TOPICS.root}/rec/+",),
            session_expiry_s,
            (collector_state_topic(COLLECTOR), will.encode()),
        )
        self.acks = acks
        self.stored: dict[str, dict[int, bytes]] = {}
        self.changed: list[int] = []  # seqs that came again with another body
        self.drops: set[int] = set()  # seqs whose next delivery is lost
        self.collector_epoch = "c1"
        self._chains: dict[str, tuple[int, bytes]] = {}

    def start(self) -> None:
        super().start()
        state = CollectorState(online=True, session=1, collector=COLLECTOR)
        self.client.publish(
            collector_state_topic(COLLECTOR), state.model_dump_json(), 1, retain=True
        )

    def take(self, delivery: Delivery) -> None:
        super().take(delivery)
        if "/rec/" not in delivery.topic:
            return
        body, _ = split_link(delivery.payload)
        record = json.loads(body)
        epoch, seq = record["epoch"], record["seq"]
        assert delivery.properties == {"epoch": epoch, "seq": str(seq)}
        if seq in self.drops:
            self.drops.discard(seq)
            return
        bodies = self.stored.setdefault(epoch, {})
        if bodies.setdefault(seq, body) != body:
            self.changed.append(seq)
        if self.acks:
            self.publish_ack(epoch)

    def publish_ack(self, epoch: str) -> None:
        bodies = self.stored.get(epoch, {})
        upto, chain = self._chains.get(epoch, (0, GENESIS))
        while upto + 1 in bodies:
            upto += 1
            chain = chain_hash(chain, upto, bodies[upto])
        self._chains[epoch] = upto, chain
        have = tuple((seq, seq) for seq in sorted(bodies) if seq > upto)
        self.client.publish(TOPICS.ack, self.ack(epoch, upto, chain.hex(), have), 1, retain=True)

    def ack(
        self, epoch: str, upto: int, digest: str, have: tuple[tuple[int, int], ...] = ()
    ) -> bytes:
        return (
            Ack(
                collector=COLLECTOR,
                collector_epoch=self.collector_epoch,
                epoch=epoch,
                upto=upto,
                hash=digest,
                have=have,
                at="2026-11-23T00:00:00.000Z",
            )
            .model_dump_json()
            .encode()
        )
