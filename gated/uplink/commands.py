"""Commands of the centre, on their way through: bytes to the controller, records sent again.

Nothing is verified here, and nothing here could be believed: the controller has no network and
trusts no process that has one. Answers need no way of their own. Each is a record, and its live
copy goes out on ``/resp``.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable

from gated.carried import frame
from gated.clock import Clock
from gated.contents import CommandName, CommandOutcome, Kind
from gated.errors import StorageError, WireError
from gated.ledger.reader import StoredEvent
from gated.mqtt.happenings import Received
from gated.units import MonoSeconds
from gated.uplink.feed import Feed
from gated.wire import parse_json

log = logging.getLogger(__name__)

EACH_SECOND = 10
"""More than anybody at the centre can ask for; further ones are dropped, and said once."""
MAX_RANGES = 16
"""Ranges of records that wait to be sent again; further ones are not taken."""


class CommandCarrier:
    """Hands every payload on the command topic to the controller.

    Args:
        topic: the gate's command topic.
        send: a datagram to the controller; returns whether it was taken. Raises: StorageError.
    """

    def __init__(self, topic: str, send: Callable[[bytes], bool], clock: Clock) -> None:
        self.topic = topic
        self._send = send
        self._clock = clock
        self._second_began_at = MonoSeconds(float("-inf"))
        self._carried = 0
        self._trouble = ""

    def hear(self, received: Received) -> None:
        """Hand over what came. An empty retained message is a topic that was cleared."""
        if not received.payload and received.is_retained:
            return
        now = self._clock.monotonic_s()
        if now - self._second_began_at >= 1.0:
            self._second_began_at, self._carried = now, 0
        self._carried += 1
        if self._carried > EACH_SECOND:
            self._say(f"more than {EACH_SECOND} commands in a second; the rest is dropped")
            return
        try:
            is_taken = self._send(frame(received.payload, is_retained=received.is_retained))
        except StorageError as exc:
            self._say(str(exc))
            return
        if is_taken:
            self._trouble = ""
        else:
            self._say("the controller takes no commands: is it running?")

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("commands: %s", trouble)
            self._trouble = trouble


class Resends:
    """The records of one ledger epoch that the centre wants once more, beside the usual ones."""

    def __init__(self) -> None:
        self._ranges: deque[tuple[int, int]] = deque()
        self._sent = 0  # of the first range; 0: none yet
        self._flying: set[int] = set()

    def look(self, events: Iterable[StoredEvent]) -> None:
        """Note what the commands among ``events`` ask for."""
        for event in events:
            asked = _asked(event) if event.kind == Kind.COMMAND else None
            if asked is not None and len(self._ranges) < MAX_RANGES:
                self._ranges.append(asked)

    def next_record(self, feed: Feed) -> StoredEvent | None:
        """Return the record to send next, and take it as sent."""
        while self._ranges:
            first, last = self._ranges[0]
            after = max(first - 1, self._sent)
            found = feed.events_after(after, 1) if after < last else []
            if found and found[0].seq <= last:
                self._sent = found[0].seq
                self._flying.add(found[0].seq)
                return found[0]
            if self._flying:
                return None  # what is not confirmed may have to go out again
            self._ranges.popleft()
            self._sent = 0
        return None

    def landed(self, seq: int) -> None:
        """Note that the broker answered for ``seq``."""
        self._flying.discard(seq)

    def lost(self) -> None:
        """Begin again where the broker had not confirmed when the connection was lost."""
        if self._flying:
            self._sent = min(self._flying) - 1
            self._flying.clear()


def _asked(event: StoredEvent) -> tuple[int, int] | None:
    try:
        body = parse_json(event.body)
    except WireError:
        return None
    first, last = body.get("first_seq"), body.get("last_seq")
    is_done = body.get("outcome") == CommandOutcome.DONE
    if body.get("command") != CommandName.RESEND or not is_done:
        return None
    return (first, last) if isinstance(first, int) and isinstance(last, int) else None
