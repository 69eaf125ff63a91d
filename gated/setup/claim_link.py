"""One letter to the centre and its answer, over a connection that may do nothing else."""

from __future__ import annotations

from gated.claims import answer_topic, request_topic
from gated.clock import Clock
from gated.errors import BrokerUnavailable
from gated.mqtt.address import BrokerAddress
from gated.mqtt.connection import Connection, Dial
from gated.mqtt.happenings import Confirmed, Connected, Happening, Lost, Received, Subscribed

_SLICE_S = 0.2


def exchange_letters(
    address: BrokerAddress, claim_id: str, letter: bytes, clock: Clock, within_s: float
) -> bytes:
    """Return the centre's answer to ``letter``.

    Raises: BrokerUnavailable: no connection, not allowed, or no answer.
    """
    connection = Connection(address, will_topic=None, will=b"", clock=clock)
    exchange = _Exchange(connection, claim_id, letter)
    until_s = clock.monotonic_s() + within_s
    try:
        dial = Dial(connection, clock)
        while not dial.wait(_SLICE_S):
            pass  # ends by itself
        while clock.monotonic_s() < until_s:
            connection.pump(_SLICE_S)
            for happening in connection.happenings():
                exchange.take(happening)
            if exchange.answer is not None:
                return exchange.answer
    finally:
        connection.close()
    raise BrokerUnavailable("the centre says nothing")


class _Exchange:
    def __init__(self, connection: Connection, claim_id: str, letter: bytes) -> None:
        self._connection = connection
        self._claim_id = claim_id
        self._letter = letter
        self.answer: bytes | None = None

    def take(self, happening: Happening) -> None:
        """Do the next step. Raises: BrokerUnavailable: there is none."""
        match happening:
            case Connected():
                self._connection.subscribe((answer_topic(self._claim_id),))
            case Subscribed(refused) if refused:
                raise BrokerUnavailable(f"it does not let us read {', '.join(refused)}")
            case Subscribed():
                self._connection.publish(request_topic(self._claim_id), self._letter)
            case Confirmed() if happening.is_failure:
                raise BrokerUnavailable(f"it does not take the request: {happening.reason}")
            case Confirmed() if happening.is_unheard:
                raise BrokerUnavailable("no collector listens for claims (没有汇总端接受认领)")
            case Received() if happening.is_retained:
                pass  # an answer that somebody left lying there
            case Received(topic=topic) if topic == answer_topic(self._claim_id):
                self.answer = happening.payload
            case Lost(reason):
                raise BrokerUnavailable(reason)
            case _:
                pass
