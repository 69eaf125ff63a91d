"""Delivers what an old card still held, under its old epoch, until the collector says it has it.

A connection of its own, beside the running uplink's: the collector knows each event by its number
and hash, so what it has already is a duplicate to it, and trying again does no harm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gated.clock import Clock
from gated.errors import BrokerUnavailable, GatedError, WireError
from gated.ledger.salvage import USABLE, Salvaged, SalvagedEvent
from gated.mqtt.address import BrokerAddress
from gated.mqtt.connection import Connection, Dial
from gated.mqtt.happenings import Confirmed, Connected, Happening, Lost, Received, Subscribed
from gated.received import parse_record
from gated.uplink.acks import parse_ack
from gated.wire import HAVE_RANGES, Ack, GateTopics, join_link

WINDOW = 100
"""Publishes under way without an answer, at most."""
SILENCE_S = 60.0
"""So long without any progress, and it is given up; the next attempt goes on from there."""
_SLICE_S = 0.2


class Undelivered(GatedError):
    """The collector does not have everything. Nothing on the card was changed: try again."""


def undelivered(salvaged: Salvaged) -> list[SalvagedEvent]:
    """Return the events that the collector may take in and is not known to have."""
    acked = salvaged.acked_upto or 0
    return [each for each in salvaged.events if each.standing in USABLE and each.seq > acked]


def deliver(
    address: BrokerAddress, salvaged: Salvaged, clock: Clock, tell: Callable[[int, int], None]
) -> int:
    """Return how many events were delivered, once the collector has acknowledged all of them.

    Args:
        address: the broker, signed in as the gate whose card it was.
        salvaged: what was found on the card.
        clock: for the end of patience.
        tell: hears (how many the collector has, of how many), now and then.

    Raises: Undelivered: not all of them. BrokerUnavailable: no connection.
    """
    events = undelivered(salvaged)
    if not events:
        return 0
    connection = Connection(address, will_topic=None, will=b"", clock=clock, publish_window=0)
    delivery = _Delivery(connection, salvaged, deque(events))
    try:
        dial = Dial(connection, clock)
        while not dial.wait(_SLICE_S):
            pass  # ends by itself
        heard_at_s, before = clock.monotonic_s(), (0, 0)
        while left := delivery.missing(events):
            connection.pump(_SLICE_S)
            for happening in connection.happenings():
                delivery.take(happening)
            delivery.send()
            now_s = clock.monotonic_s()
            if before != (progress := (len(delivery.waiting), left)):
                before, heard_at_s = progress, now_s
                tell(len(events) - left, len(events))
            elif now_s - heard_at_s >= SILENCE_S:
                raise delivery.given_up(left, len(events))
    finally:
        connection.close()
    return len(events)


@dataclass(slots=True)
class _Delivery:
    connection: Connection
    salvaged: Salvaged
    waiting: deque[SalvagedEvent]
    places: int = 0
    have: Ack | None = None
    hashes: dict[int, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.hashes = {each.seq: each.hash for each in self.salvaged.events}

    @property
    def topics(self) -> GateTopics:
        return GateTopics(self.salvaged.site, self.salvaged.gate)

    def take(self, happening: Happening) -> None:
        """Raise BrokerUnavailable or Undelivered for what cannot be gone on with."""
        match happening:
            case Connected():
                self.connection.subscribe((self.topics.ack,))
                self.places = min(WINDOW, happening.receive_maximum)
            case Subscribed(refused) if refused:
                raise BrokerUnavailable(f"it does not let us read {', '.join(refused)}")
            case Confirmed() if happening.is_failure:
                raise Undelivered(f"the broker does not take a record: {happening.reason}")
            case Confirmed():
                self.places += 1
            case Received(topic=topic) if topic == self.topics.ack:
                self._take_ack(happening.payload)
            case Lost(reason):
                raise BrokerUnavailable(reason)
            case _:
                pass

    def _take_ack(self, payload: bytes) -> None:
        try:
            ack = parse_ack(payload)
        except WireError:
            return
        if ack.epoch != self.salvaged.epoch:
            return  # about the ledger of the new card
        own = self.hashes.get(ack.upto)
        if own is not None and own.hex() != ack.hash:
            raise Undelivered(
                f"the collector holds other records than this card up to {ack.upto}: keep the "
                "card, and look at `gated collector gaps` (汇总端记录与此卡不符，请保留此卡)"
            )
        self.have = ack

    def send(self) -> None:
        """Publish as many events as the broker takes now, in their order."""
        while self.waiting and self.places > 0:
            event = self.waiting.popleft()
            self.connection.publish(
                self.topics.record(parse_record(event.body).kind),
                join_link(event.body, event.link),
                user_properties={"epoch": self.salvaged.epoch, "seq": str(event.seq)},
            )
            self.places -= 1
        self.connection.flush()

    def given_up(self, left: int, of: int) -> Undelivered:
        """Return why the collector says of ``left`` events nothing any more."""
        if self.have is not None and len(self.have.have) >= HAVE_RANGES and not self.waiting:
            return Undelivered(
                f"all is sent, but the card's records are in more than {HAVE_RANGES} pieces, and "
                f"an ack names no more: whether the collector has the last {left} of {of} events, "
                "it cannot say. Leave out --upload, and take the file in at the centre: gated "
                "collector take-in FILE (碎片过多，无法逐一确认；不带 --upload 导出后在汇总端录入)"
            )
        return Undelivered(
            f"the collector has not acknowledged {left} of {of} events within {SILENCE_S:g} s: "
            "does it run? Try again, nothing is sent in vain (汇总端未全部确认，请重试)"
        )

    def missing(self, events: Sequence[SalvagedEvent]) -> int:
        """Return how many of ``events`` the collector has not said it has."""
        have = self.have
        if have is None:
            return len(events)
        beyond = [each.seq for each in events if each.seq > have.upto]
        return sum(not any(a <= seq <= b for a, b in have.have) for seq in beyond)
