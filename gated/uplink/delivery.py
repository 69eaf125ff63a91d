"""One connection at work: records, live copies and states out; confirmations and acks in."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from gated.clock import Clock
from gated.contents import Kind
from gated.errors import WireError
from gated.mqtt.connection import Connection
from gated.mqtt.happenings import Confirmed, Connected, Happening, Received, Subscribed
from gated.units import MonoSeconds
from gated.uplink.acks import AckDesk, parse_ack
from gated.uplink.collectors import ALL_COLLECTOR_STATES, Collectors, collector_of
from gated.uplink.commands import CommandCarrier
from gated.uplink.feed import Feed
from gated.uplink.live import LiveCopies
from gated.uplink.state import StateTeller
from gated.uplink.uses import UsesDesk
from gated.uplink.window import Cargo, SendWindow
from gated.wire import GateTopics, join_link

log = logging.getLogger(__name__)

RETAINED_ACK_WAIT_S = 1.0
"""How long after SUBACK the retained ack may take; then there is none."""
_PACKET_OVERHEAD_BYTES = 128
"""Fixed header, topic length, message id and our two properties, generously."""
COPY_MARK = {"copy": "1"}


@dataclass
class Counts:
    """What happened since the process started."""

    published: int = 0
    unheard: int = 0  # confirmed with "no matching subscribers": nobody has them
    refused: int = 0  # reason codes >= 0x80, and records larger than the broker takes
    garbage: int = 0  # acks, states and uses that are none


@dataclass
class Epoch:
    """What outlives a connection, but not a ledger: made anew when the ledger's epoch changes."""

    name: str
    window: SendWindow
    live: LiveCopies


@dataclass(frozen=True, slots=True)
class Context:
    """What every connection works with."""

    topics: GateTopics
    feed: Feed
    state: StateTeller
    acks: AckDesk
    clock: Clock
    commands: CommandCarrier
    uses: UsesDesk | None = None  # None: they are not shared
    collectors: Collectors = field(default_factory=Collectors)
    counts: Counts = field(default_factory=Counts)


class Delivery:
    """The conversation over one connection. ``handle`` and ``work`` are called by the loop."""

    def __init__(
        self, connection: Connection, *, session: int, epoch: Epoch, context: Context
    ) -> None:
        self._connection = connection
        self._session = session
        self._epoch = epoch
        self._window = epoch.window
        self._live = epoch.live
        self._topics = context.topics
        self._feed = context.feed
        self._state = context.state
        self._collectors = context.collectors
        self._acks = context.acks
        self._commands = context.commands
        self._uses = context.uses
        self._counts = context.counts
        self._clock = context.clock
        self._max_packet_bytes: int | None = None
        self._subscribed_at: MonoSeconds | None = None
        self._refusal = ""

    # --- in -------------------------------------------------------------------------------------

    def handle(self, happening: Happening) -> None:
        """Take one happening of the connection, other than its end."""
        now = self._clock.monotonic_s()
        match happening:
            case Connected():
                self._window.open(happening.receive_maximum)
                self._max_packet_bytes = happening.max_packet_bytes
                self._state.forget()
                uses = self._uses.topics if self._uses is not None else ()
                topics = (self._topics.ack, ALL_COLLECTOR_STATES, self._commands.topic)
                self._connection.subscribe((*topics, *uses))
            case Subscribed():
                self._subscribed_at = now
                if self._uses is not None:
                    self._uses.connect()
                for topic in happening.refused:
                    log.error("the broker does not let us read %s: see its access rules", topic)
            case Confirmed():
                self._on_confirmed(happening, now)
            case Received(topic=topic) if topic == self._topics.ack:
                self._on_ack(happening.payload, now)
            case Received(topic=topic) if topic == self._commands.topic:
                self._commands.hear(happening)
            case Received() if self._uses is not None and happening.topic in self._uses.topics:
                self._on_uses(self._uses, happening)
            case Received():
                self._on_collector_state(happening, now)
            case _:
                pass

    def _on_confirmed(self, confirmed: Confirmed, now: MonoSeconds) -> None:
        is_unheard = confirmed.is_unheard
        if is_unheard or confirmed.is_failure:
            flight = self._window.refuse(confirmed.message_id, now, is_unheard=is_unheard)
        else:
            flight = self._window.confirm(confirmed.message_id)
        if flight is None:
            return
        if flight.cargo is Cargo.USES:
            if confirmed.is_failure and self._uses is not None:
                self._uses.refused(confirmed.reason)
            return
        if flight.cargo is Cargo.DIAGNOSTICS:
            self._live.bundle.answered(confirmed)
            return
        if flight.cargo is Cargo.LIVE:
            self._live.landed(flight.seq)
        if flight.cargo is Cargo.AGAIN:
            self._live.resends.landed(flight.seq)
        if confirmed.is_failure:
            self._counts.refused += 1
            self._say_refused(
                f"the broker refuses to take a {flight.cargo.value} ({confirmed.reason}): "
                "see its access rules and limits"
            )
        elif flight.cargo is Cargo.RECORD:
            if is_unheard:
                self._counts.unheard += 1
                self._say_refused(
                    "nobody at the broker subscribes to our records: is the collector running?"
                )
            elif self._refusal:
                log.info("the broker takes our records again")
                self._refusal = ""

    def _say_refused(self, message: str) -> None:
        if message != self._refusal:
            log.warning("%s; they are kept and sent again later", message)
            self._refusal = message

    def _on_ack(self, payload: bytes, now: MonoSeconds) -> None:
        if not payload:
            return  # a retained ack that was cleared
        try:
            ack = parse_ack(payload)
        except WireError as exc:
            self._say_garbage(self._topics.ack, exc)
            return
        is_new_store = self._acks.is_new_store(ack)
        if not self._acks.take(ack, self._feed):
            return
        self._collectors.acked_by = ack.collector
        self._window.hear_collector(now, is_up=self._collectors.is_up)
        self._window.acknowledge(ack.upto, ack.have, now, may_go_back=is_new_store)
        self._live.forget_upto(ack.upto)

    def _on_collector_state(self, received: Received, now: MonoSeconds) -> None:
        collector = collector_of(received.topic)
        if collector is None:
            return
        try:
            self._collectors.hear(collector, received.payload)
        except WireError as exc:
            self._say_garbage(received.topic, exc)
            return
        self._window.hear_collector(now, is_up=self._collectors.is_up)
        if self._uses is not None:
            self._uses.ask_soon()

    def _on_uses(self, uses: UsesDesk, received: Received) -> None:
        try:
            uses.hear(received.topic, received.payload)
        except WireError as exc:
            self._say_garbage(received.topic, exc)

    def _say_garbage(self, topic: str, exc: WireError) -> None:
        self._counts.garbage += 1
        if self._counts.garbage == 1:
            log.warning("ignored what came on %s: %s (further ones are only counted)", topic, exc)

    # --- out ------------------------------------------------------------------------------------

    def work(self) -> None:
        """Send what is due and has a place: live copies, the state, uses of passes, the rest."""
        now = self._clock.monotonic_s()
        self._settle_if_due(now)
        self._window.go_back_if_due(now)
        self._live.scan(self._feed)
        while self._window.has_place() and (copy := self._live.next_copy()) is not None:
            is_answer = copy.kind == Kind.COMMAND
            message_id = self._connection.publish(
                self._topics.response if is_answer else self._topics.live,
                join_link(copy.body, copy.link),
                user_properties={"epoch": copy.epoch, "seq": str(copy.seq), **COPY_MARK},
            )
            self._window.launch(message_id, Cargo.LIVE, copy.seq, now)
        if self._window.has_place() and (state := self._state.due(self._session)) is not None:
            message_id = self._connection.publish(self._topics.state, state, retain=True)
            self._window.launch(message_id, Cargo.STATE, 0, now)
        if self._uses is not None and self._window.has_place():
            message = self._uses.due()
            if message is not None:
                message_id = self._connection.publish(self._topics.uses, message)
                self._window.launch(message_id, Cargo.USES, 0, now)
        self._send_part(now)
        self._send_records(now)
        self._send_again(now)

    def _settle_if_due(self, now: MonoSeconds) -> None:
        if self._window.is_settled or self._subscribed_at is None:
            return
        if now - self._subscribed_at >= RETAINED_ACK_WAIT_S:
            self._window.settle(now)

    def _send_part(self, now: MonoSeconds) -> None:
        """Send one part of diagnostics: before the records, of which there may be a backlog."""
        part = self._live.bundle.next_part() if self._window.has_place() else None
        if part is None:
            return
        topic = self._topics.part(part.command_id, part.number)
        if self._is_too_large(topic, part.data):
            self._live.bundle.give_up(f"more than the broker's limit of {self._max_packet_bytes}")
            return
        message_id = self._connection.publish(topic, part.data)
        self._window.launch(message_id, Cargo.DIAGNOSTICS, part.number, now)

    def _send_records(self, now: MonoSeconds) -> None:
        places = self._window.record_places(now)
        while places > 0:
            event = self._feed.next_record(self._window.next_after())
            if event is None or event.epoch != self._epoch.name:
                return
            if not self._window.wants(event.seq):
                continue
            topic = self._topics.record(event.kind)
            message = join_link(event.body, event.link)
            if self._is_too_large(topic, message):
                self._counts.refused += 1
                self._say_refused(
                    f"record {event.seq} exceeds the broker's limit of "
                    f"{self._max_packet_bytes} bytes"
                )
                self._window.pass_over(event.seq)
                continue
            message_id = self._connection.publish(
                topic, message, user_properties={"epoch": event.epoch, "seq": str(event.seq)}
            )
            self._window.launch(message_id, Cargo.RECORD, event.seq, now)
            self._counts.published += 1
            places -= 1

    def _send_again(self, now: MonoSeconds) -> None:
        """Send what the centre asked for once more, with the places that are left."""
        for _ in range(self._window.record_places(now)):
            event = self._live.resends.next_record(self._feed)
            if event is None or event.epoch != self._epoch.name:
                return
            topic, message = self._topics.record(event.kind), join_link(event.body, event.link)
            if self._is_too_large(topic, message):
                self._live.resends.landed(event.seq)
                continue
            message_id = self._connection.publish(
                topic, message, user_properties={"epoch": event.epoch, "seq": str(event.seq)}
            )
            self._window.launch(message_id, Cargo.AGAIN, event.seq, now)

    def _is_too_large(self, topic: str, message: bytes) -> bool:
        if self._max_packet_bytes is None:
            return False
        return len(topic) + len(message) + _PACKET_OVERHEAD_BYTES > self._max_packet_bytes

    # --- the end --------------------------------------------------------------------------------

    def is_stalled(self) -> bool:
        return self._window.is_stalled(self._clock.monotonic_s())

    def say_goodbye(self) -> None:
        """Publish that we leave on purpose."""
        will = self._state.will(self._session)
        message_id = self._connection.publish(self._topics.state, will, retain=True)
        self._window.launch(message_id, Cargo.STATE, 0, self._clock.monotonic_s())

    def is_quiet(self) -> bool:
        """Return whether the broker has answered for everything."""
        return self._window.in_flight == 0

    def end(self) -> None:
        """Take back what was in flight when the connection ended."""
        self._window.close()
        self._live.lost()
        if self._uses is not None:
            self._uses.disconnect()
