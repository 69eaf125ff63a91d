"""The collector's way to its broker: what arrives is stamped, and acknowledged only when stored.

The broker keeps the collector's session, so that records which came while it was away are handed
over afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from gated.claims import claim_of
from gated.clock import Clock
from gated.collector.claim_desk import ClaimDesk
from gated.collector.store import Arrival
from gated.errors import BrokerUnavailable
from gated.mqtt import happenings
from gated.mqtt.address import BrokerAddress
from gated.mqtt.connection import Connection, Dial, LastingSession
from gated.mqtt.happenings import Confirmed, Connected, Lost, Subscribed

SESSION_EXPIRY_S = 7 * 86_400
"""How long the broker keeps what came while the collector was away."""
SHARED_EXPIRY_S = 15
"""The same where several ingesters share the work: brokers deal to one that is away as well, and
what lies there waits until its gates send it again."""
RECEIVE_MAXIMUM = 1_000
"""How many messages may be under way to us without an acknowledgement."""
MAX_PUBLISHES = 500
"""At most so many of ours are under way without an answer, fewer if the broker says so."""
MAX_TO_TELL = 10_000
"""What waits to be told beyond this is forgotten, oldest first: the gates ask again."""
_MAX_SEQ_DIGITS = 19


class Received(NamedTuple):
    """A message that waits to be stored, and the number under which it is acknowledged."""

    message_id: int
    qos: int
    arrival: Arrival


class BrokerConnection:
    """One connection with a lasting session.

    Args:
        broker: where to connect to.
        will_topic: where the broker publishes ``will`` (retained) when it loses us.
        will: the payload of the last will.
        clock: stamps what arrives.
        is_shared: whether other ingesters take what this one does not.
        claims: answers new gates, or None.

    Raises: ConfigError: a TLS file cannot be used.
    """

    def __init__(
        self,
        broker: BrokerAddress,
        *,
        will_topic: str,
        will: bytes,
        clock: Clock,
        is_shared: bool = False,
        claims: ClaimDesk | None = None,
    ) -> None:
        self._clock = clock
        self._claims = claims
        self._is_shared = is_shared
        self._is_connected = False
        self.inbox: deque[Received] = deque()
        self.refused_publishes = 0
        self._places = 0
        self._to_tell: deque[tuple[str, bytes]] = deque(maxlen=MAX_TO_TELL)
        self._connection = Connection(
            broker,
            will_topic=will_topic,
            will=will,
            clock=clock,
            session=LastingSession(
                SHARED_EXPIRY_S if is_shared else SESSION_EXPIRY_S, RECEIVE_MAXIMUM
            ),
            publish_window=0,  # we count
        )

    def open(self, topics: Iterable[str], beat: Callable[[], None]) -> None:
        """Connect and ask for ``topics``, calling ``beat`` meanwhile.

        The answers to the subscriptions are not waited for: a broker with a full window of messages
        from the last connection (rumqttd) says nothing else before some of them are acknowledged.
        ``pump`` raises if one is refused.

        Raises: BrokerUnavailable: with the reason in words.
        """
        dial = Dial(self._connection, self._clock)
        while not dial.wait(timeout_s=0.5):
            beat()
        while not self._is_connected:
            beat()
            self.pump(timeout_s=0.2)
        for topic in topics:
            self._connection.subscribe((topic,))
        self._connection.flush()

    def pump(self, timeout_s: float) -> None:
        """Wait at most ``timeout_s`` for the socket, then read and write what there is.

        Raises: BrokerUnavailable: the connection is gone.
        """
        self._tell_on()
        self._connection.pump(timeout_s)
        received_at_ms = round(self._clock.now().timestamp() * 1_000)
        for happening in self._connection.happenings():
            match happening:
                case happenings.Received():
                    self._keep(happening, received_at_ms)
                case Lost(reason):
                    raise BrokerUnavailable(reason)
                case Connected():
                    self._is_connected = True
                    self._places = min(MAX_PUBLISHES, happening.receive_maximum)
                case Subscribed(refused) if refused:
                    raise BrokerUnavailable(f"it does not let us read {', '.join(refused)}")
                case Confirmed():
                    self._places += 1
                    self.refused_publishes += happening.is_failure
                case _:
                    pass

    def _keep(self, received: happenings.Received, received_at_ms: int) -> None:
        if received.qos == 0 and len(self.inbox) >= RECEIVE_MAXIMUM:
            return  # nothing else bounds these while the store fails
        if self._claims is not None and claim_of(received.topic) is not None:
            self._answer_claim(self._claims, received)
            return
        epoch, seq = _placed_by(received.user_properties)
        arrival = Arrival(received.topic, received.payload, received_at_ms, epoch, seq)
        self.inbox.append(Received(received.message_id, received.qos, arrival))

    def _answer_claim(self, claims: ClaimDesk, received: happenings.Received) -> None:
        answer = claims.answer(received.topic, received.payload, is_retained=received.is_retained)
        self._connection.acknowledge(received.message_id, received.qos)
        if answer is not None:
            self.tell(*answer)

    def acknowledge(self, received: Iterable[Received]) -> None:
        """Tell the broker that it may forget these. Only for what is stored."""
        for message in received:
            self._connection.acknowledge(message.message_id, message.qos)
        self._connection.flush()  # now: the broker sends on while the gates' acks are made

    @property
    def places(self) -> int:
        """How many more publishes the broker takes now. Each PUBACK makes a place free."""
        return max(0, self._places)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1, retained, at once: who has many asks for ``places`` first."""
        self._places -= 1
        self._connection.publish(topic, payload, retain=True)

    def tell(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1, not retained, when there is a place."""
        self._to_tell.append((topic, payload))

    def _tell_on(self) -> None:
        # Half of the places: what waits to be told must not hold up the acks for ever.
        for _ in range(min(len(self._to_tell), (self.places + 1) // 2)):
            self._places -= 1
            self._connection.publish(*self._to_tell.popleft())

    def close(self) -> None:
        """Say goodbye, which withdraws the will, and close. Idempotent.

        The session stays, unless others take over our share.
        """
        self._connection.close(ends_session=self._is_shared)


def _placed_by(properties: Sequence[tuple[str, str]]) -> tuple[str | None, int | None]:
    """Return the user properties ``epoch`` and ``seq``, each None if it is not there."""
    epoch = seq = None
    for name, value in properties:
        if name == "epoch":
            epoch = value
        elif name == "seq" and value.isascii() and value.isdigit():
            seq = int(value) if len(value) <= _MAX_SEQ_DIGITS else None
    return epoch, seq
