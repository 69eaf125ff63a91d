"""One simulated gate: its chain of records, its MQTT session, the uplink's own window rules.

What a gate keeps in its ledger stands in memory here until the collector's own ack; everything that
goes over the broker is what a real gate sends, made by the same code.
"""

from __future__ import annotations

import json
import random
from base64 import b32encode
from collections import Counter
from dataclasses import dataclass, field

from gated.clock import SystemClock, TimeQuality
from gated.contents import Content
from gated.errors import BrokerUnavailable
from gated.mqtt.address import BrokerAddress
from gated.mqtt.connection import Connection
from gated.mqtt.happenings import Confirmed, Connected, Happening, Lost, Received, Subscribed
from gated.units import MonoSeconds
from gated.uplink.acks import parse_ack
from gated.uplink.backoff import Backoff
from gated.uplink.collectors import ALL_COLLECTOR_STATES, Collectors, collector_of
from gated.uplink.delivery import RETAINED_ACK_WAIT_S
from gated.uplink.state import STATE_AT_MOST_EVERY_S, is_state_due
from gated.uplink.uses import ASK_EVERY_S
from gated.uplink.window import Cargo, SendWindow
from gated.uses import GateUses, SharedUse, site_uses_topic, uses_answer_topic
from gated.vocabulary import Direction, Mode
from gated.wire import (
    GENESIS,
    Ack,
    Draft,
    GateState,
    GateTopics,
    PersonLink,
    Place,
    Stamp,
    chain_hash,
    commit_to_holder,
    encode_body,
    join_link,
)
from tests.collector_gate import passage, visit

LANES_OF_A_SITE = 4
CLOCK = SystemClock()
_VISIT, _PASSAGE = visit(), passage()
_GENESIS = GENESIS.hex()


@dataclass(slots=True)
class Held:
    """A record that the collector has not acknowledged."""

    topic: str
    payload: bytes
    hash: str
    made_at: MonoSeconds
    sent_at: MonoSeconds | None = None


@dataclass(slots=True)
class Tally:
    """What the gates of one process did since they were last asked."""

    counts: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one gate recorded, to compare with what is stored."""

    site: str
    gate: str
    epoch: str
    seq: int
    head: str
    visits: int


class Gate:
    """One gate of many. Never waits; whoever owns it watches ``fileno`` and calls ``tick``."""

    def __init__(
        self, number: int, broker: tuple[str, int], rng: random.Random, tally: Tally
    ) -> None:
        site, lane = divmod(number, LANES_OF_A_SITE)
        self.topics = GateTopics(f"site-{site + 1:05}", f"lane-{lane + 1}")
        self.epoch = b32encode(rng.randbytes(10)).decode().lower()
        self.seq = 0
        self.visits = 0
        self.head = GENESIS
        self.held: dict[int, Held] = {}
        self.is_known = False  # the collector has answered our birth
        self._broker = broker
        self._rng = rng
        self._tally = tally
        self._window = SendWindow()
        self._collectors = Collectors()
        self._backoff = Backoff(rng.uniform)
        self._connection: Connection | None = None
        self._connected_at: MonoSeconds | None = None
        self._subscribed_at: MonoSeconds | None = None
        self._session = 0
        self._told: GateState | None = None
        self._told_at = MonoSeconds(0.0)
        self._asked_at = MonoSeconds(0.0)
        self._uses = 0
        self._known: dict[str, tuple[str, int]] = {}  # of others' uses, as far as we heard

    def held_upto(self, seq: int) -> int:
        """Return how many records up to ``seq`` the collector has not acknowledged."""
        return max(0, seq - self._window.acked)

    def recorded(self) -> Recorded:
        topics = self.topics
        head = self.head.hex()
        return Recorded(topics.site, topics.gate, self.epoch, self.seq, head, self.visits)

    # --- the connection -------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        return self._connected_at is not None

    def dial(self) -> int | None:
        """Open a new connection; return its descriptor, or None: the broker is away."""
        self._session += 1
        topics = self.topics
        connection = Connection(
            BrokerAddress(*self._broker, client_id=f"gate.{topics.site}.{topics.gate}"),
            will_topic=topics.state,
            will=self._state(online=False).model_dump_json().encode(),
            clock=CLOCK,
            publish_window=0,  # the window counts
        )
        try:
            connection.dial()
        except BrokerUnavailable:
            return None
        self._connection = connection
        return connection.fileno()

    def pause_s(self) -> float:
        """Return how long to wait before the next ``dial``."""
        return self._backoff.next_delay_s()

    def serve(self, now: MonoSeconds) -> bool:
        """Read and write what there is; return False if the connection ended."""
        connection = self._connection
        if connection is None:
            return False
        connection.pump(0)
        for happening in connection.happenings():
            if isinstance(happening, Lost):
                self._lose(now)
                return False
            self._take(connection, happening, now)
        self.work(now)
        return True

    def close(self) -> None:
        """Say goodbye, as a gate that is stopped does."""
        if self._connection is not None:
            state = self._state(online=False).model_dump_json().encode()
            self._connection.publish(self.topics.state, state, retain=True)
            self._connection.close()
            self._connection = None

    def _lose(self, now: MonoSeconds) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._connected_at is not None:
            self._backoff.note_connection(now - self._connected_at)
        self._connection = self._connected_at = self._subscribed_at = None
        self._window.close()

    # --- in -------------------------------------------------------------------------------------

    def _take(self, connection: Connection, happening: Happening, now: MonoSeconds) -> None:
        match happening:
            case Connected():
                self._connected_at = now
                self._told = None
                self._window.open(happening.receive_maximum)
                uses = (site_uses_topic(self.topics.site), uses_answer_topic(self.topics))
                connection.subscribe(
                    (self.topics.ack, ALL_COLLECTOR_STATES, self.topics.command, *uses)
                )
            case Subscribed():
                self._subscribed_at = now
            case Confirmed() if happening.is_unheard or happening.is_failure:
                self._tally.counts["refused"] += 1
                self._window.refuse(happening.message_id, now, is_unheard=happening.is_unheard)
            case Confirmed():
                self._window.confirm(happening.message_id)
            case Received(topic=topic) if topic == self.topics.ack:
                self._acknowledge(parse_ack(happening.payload), now)
            case Received() if (name := collector_of(happening.topic)) is not None:
                self._collectors.hear(name, happening.payload)
                self._window.hear_collector(now, is_up=self._collectors.is_up)
            case Received():
                self._hear_uses(happening.payload)
            case _:
                pass

    def _hear_uses(self, payload: bytes) -> None:
        told = json.loads(payload)  # how far it goes is all that we need
        self._tally.counts["heard of uses"] += len(told["uses"])
        collector, epoch, upto = told["collector"], told["collector_epoch"], told["upto"]
        known = self._known.get(collector, (epoch, 0))
        self._known[collector] = (epoch, max(upto, known[1] if known[0] == epoch else 0))

    def _acknowledge(self, ack: Ack, now: MonoSeconds) -> None:
        self._tally.counts["acks"] += 1
        if ack.epoch != self.epoch:
            return
        held = self.held.get(ack.upto)
        if held is not None and held.hash != ack.hash:
            raise SystemExit(f"{self.topics.root}: the collector holds another {ack.upto}")
        if not self.is_known:
            self.is_known = True
            self._tally.counts["known"] += 1
        self._collectors.acked_by = ack.collector
        self._window.hear_collector(now, is_up=self._collectors.is_up)
        before = self._window.acked
        if not self._window.acknowledge(ack.upto, ack.have, now):
            return
        for seq in range(before + 1, ack.upto + 1):
            done = self.held.pop(seq)
            if done.sent_at is not None:
                self._tally.latencies_ms.append((now - done.sent_at) * 1_000)
        self._tally.counts["acked"] += ack.upto - before

    # --- out ------------------------------------------------------------------------------------

    def record_visit(self, now: MonoSeconds) -> str:
        """Record somebody who enters; return the visit's id."""
        self.visits += 1
        visit_id = f"{self._rng.getrandbits(48):012x}"
        link = PersonLink(f"k4:{self._rng.getrandbits(64):016x}", f"{self.visits:022}")
        members = {"visit_id": visit_id, "holder_commitment": commit_to_holder(link)}
        self._record(_VISIT.model_copy(update=members), link, now)
        self._tell_use(now)
        return visit_id

    def record_passage(self, visit_id: str, now: MonoSeconds) -> None:
        self._record(_PASSAGE.model_copy(update={"visit_id": visit_id}), None, now)

    def _record(self, content: Content, link: PersonLink | None, now: MonoSeconds) -> None:
        self.seq += 1
        stamp = Stamp(
            at=CLOCK.now().isoformat(timespec="milliseconds"),
            time_quality=TimeQuality.TRUSTED,
            boot_ms=round(now * 1_000),
            mode=Mode.NORMAL,
            drill=False,
            rules="2026-11-20.2",
            software="0.1.0",
        )
        place = Place(self.topics.site, self.topics.gate, self.epoch, self.seq, 1, self.head)
        body = encode_body(Draft(content, stamp), place)
        self.head = chain_hash(self.head, self.seq, body)
        topic = self.topics.record(content.kind)
        self.held[self.seq] = Held(topic, join_link(body, link), self.head.hex(), now)
        self._tally.counts["made"] += 1
        self.work(now)

    def work(self, now: MonoSeconds) -> None:
        """Send what is due and has a place, in the uplink's order."""
        connection = self._connection
        if connection is None or self._connected_at is None:
            return
        heard_s = 0.0 if self._subscribed_at is None else now - self._subscribed_at
        if heard_s >= RETAINED_ACK_WAIT_S and not self._window.is_settled:
            self._window.settle(now)
        self._window.go_back_if_due(now)
        self._tell_state(connection, now)
        if self._subscribed_at is not None and now - self._asked_at >= ASK_EVERY_S:
            self._publish_uses(connection, (), now)
        for _ in range(self._window.record_places(now)):
            if not self._send_record(connection, now):
                break
        connection.flush()

    def _send_record(self, connection: Connection, now: MonoSeconds) -> bool:
        while (seq := self._window.next_after() + 1) <= self.seq:
            if self._window.wants(seq):
                held = self.held[seq]
                self._tally.counts["published" if held.sent_at is None else "sent again"] += 1
                if held.sent_at is None:
                    held.sent_at = now
                marks = {"epoch": self.epoch, "seq": str(seq)}
                message_id = connection.publish(held.topic, held.payload, user_properties=marks)
                self._window.launch(message_id, Cargo.RECORD, seq, now)
                return True
        return False

    def _tell_state(self, connection: Connection, now: MonoSeconds) -> None:
        is_fresh = self._told is not None and now - self._told_at < STATE_AT_MOST_EVERY_S
        if is_fresh or not self._window.has_place():
            return
        state = self._state(online=True)
        if not is_state_due(self._told, state, now - self._told_at):
            return
        at = CLOCK.now().isoformat(timespec="milliseconds")
        payload = state.model_copy(update={"at": at}).model_dump_json().encode()
        message_id = connection.publish(self.topics.state, payload, retain=True)
        self._window.launch(message_id, Cargo.STATE, 0, now)
        self._told, self._told_at = state, now
        self._tally.counts["states"] += 1

    def _state(self, *, online: bool) -> GateState:
        site, gate = self.topics.site, self.topics.gate
        if not online:
            return GateState(online=False, session=self._session, site=site, gate=gate)
        return GateState(
            online=True,
            session=self._session,
            site=site,
            gate=gate,
            epoch=self.epoch,
            backlog=self.seq - self._window.acked,
            oldest_seq=1,
            anchor=_GENESIS,
            newest_seq=self.seq,
            mode=Mode.NORMAL,
            drill=False,
            devices={"thermometer child": "ok", "scanner": "ok", "relay": "ok"},
            threshold_c=37.3,
            software="0.1.0",
            boot_nonce="0123456789abcdef",
        )

    def _tell_use(self, now: MonoSeconds) -> None:
        if self._connection is None or self._subscribed_at is None:
            return
        use = SharedUse(
            epoch=self.epoch,
            seq=self.seq,
            pass_ref=f"k4:{self._rng.getrandbits(64):016x}",
            direction=Direction.IN,
            at_ms=round(CLOCK.now().timestamp() * 1_000),
        )
        self._uses += 1
        self._publish_uses(self._connection, (use,), now)

    def _publish_uses(
        self, connection: Connection, uses: tuple[SharedUse, ...], now: MonoSeconds
    ) -> None:
        told = GateUses(
            epoch=self.epoch,
            after=self._uses - len(uses),
            upto=self._uses,
            uses=uses,
            known=self._known,
        )
        message_id = connection.publish(self.topics.uses, told.model_dump_json().encode())
        self._window.launch(message_id, Cargo.USES, 0, now)
        self._asked_at = now
        self._tally.counts["told of uses"] += 1
