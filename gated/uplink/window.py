"""Which record to send next, and when to send one again. Pure: times and message ids come in.

Three numbers, always ``acked <= sent``: ``acked``, the last record that the collector says it has
stored; ``sent``, the last one handed to the broker in this pass; and the flights between, which the
broker has not confirmed yet. A broker's confirmation (PUBACK) only frees a place in the window: it
means that the broker has the record in memory. The collector's ack alone moves ``acked``.

A record that got lost behind the broker is sent again by going back to ``acked``; what the
collector has stored beyond it (``have``) is passed over, so a hole can never make this go round for
ever. Going back happens in four cases only:

- a new connection, after the retained ack was read;
- ``acked`` does not move for 30 s although the collector has later records: the holes between are
  sent again, and nothing of what may still be on its way to a slow collector;
- nothing is heard from the collector for 30 s, with nothing in flight: all that it lacks;
- a collector whose store was restored from a backup.

The second and third happen ever more rarely while they change nothing.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gated.units import MonoSeconds
from gated.wire import HAVE_RANGES

MAX_IN_FLIGHT = 100
"""More is slower: measured 10,500 records a second with 100, 9,100 with 1,000."""
ACK_PATIENCE_S = 30.0
MAX_ACK_PATIENCE_S = 600.0
REFUSAL_PAUSE_S = 1.0
MAX_REFUSAL_PAUSE_S = 60.0
STALLED_AFTER_S = 60.0
"""A broker that answers pings but confirms nothing for this long is given up."""
_NEVER = MonoSeconds(float("-inf"))
_NOTHING = (0, 0)

Range = tuple[int, int]
"""A closed range of seqs."""


class Cargo(enum.Enum):
    """What a flight carries."""

    RECORD = "record"
    LIVE = "live"
    STATE = "state"
    USES = "message about uses"
    AGAIN = "record that was asked for"
    DIAGNOSTICS = "part of diagnostics"


class Flight(NamedTuple):
    """One publish that the broker has not confirmed yet."""

    cargo: Cargo
    seq: int  # 0 for what is no record
    launched_at: MonoSeconds


class SendWindow:
    """The send window of one ledger epoch. It outlives connections.

    Args:
        acked: the last record that the collector is known to have.
        sent: the last record that a broker took before this process started.
        places: how many publishes may be in flight.
    """

    def __init__(self, *, acked: int = 0, sent: int = 0, places: int = MAX_IN_FLIGHT) -> None:
        self._places = places
        self.acked = acked
        self.sent = max(acked, sent)
        self._have: tuple[Range, ...] = ()
        self._spared: Range = _NOTHING  # on its way to the collector, while holes are sent again
        self._passed_over: tuple[Range, ...] = ()  # both of these together
        self._sent_before = 0  # whatever is beyond was sent after the holes were
        self._limit = 0
        self._flights: dict[int, Flight] = {}
        self._is_settled = False
        self._is_collector_down = False
        self._waiting_since = _NEVER  # for the first record that the collector lacks
        self._quiet_since = _NEVER
        self._patience_s = ACK_PATIENCE_S
        self._pause_s = 0.0  # 0: the broker takes our records
        self._paused_until = _NEVER
        self._was_unheard = False

    # --- the connection -------------------------------------------------------------------------

    def open(self, receive_maximum: int) -> None:
        """Begin with a new connection; records wait until ``settle``."""
        self._limit = max(1, min(self._places, receive_maximum))
        self._flights.clear()
        self._spare(_NOTHING)  # some of it was in flight, perhaps
        self._is_settled = False
        self._pause_s = 0.0
        self._paused_until = _NEVER

    def settle(self, now: MonoSeconds) -> None:
        """Begin to send: the retained ack was read, or there is none.

        With the collector known to be down the records wait in the broker's queue for it, and
        sending them all again would only double them.
        """
        self._is_settled = True
        self._waiting_since = self._quiet_since = now
        if not self._is_collector_down:
            self._go_back()

    def close(self) -> list[Flight]:
        """End with the connection. Returns the flights whose fate is unknown."""
        lost = list(self._flights.values())
        self.sent = self.taken
        self._flights.clear()
        self._is_settled = False
        self._limit = 0
        return lost

    @property
    def is_settled(self) -> bool:
        return self._is_settled

    @property
    def taken(self) -> int:
        """The last record of this pass before which the broker took every one."""
        flying = [f.seq for f in self._flights.values() if f.cargo is Cargo.RECORD]
        return max(self.acked, min(flying) - 1) if flying else self.sent

    def is_stalled(self, now: MonoSeconds) -> bool:
        """Return whether the broker has left a publish unconfirmed for too long."""
        oldest = next(iter(self._flights.values()), None)
        return oldest is not None and now - oldest.launched_at >= STALLED_AFTER_S

    # --- sending --------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        return len(self._flights)

    def has_place(self) -> bool:
        """Return whether a state or a live copy may go out now."""
        return len(self._flights) < self._limit

    def record_places(self, now: MonoSeconds) -> int:
        """Return how many records may go out now. After a refusal: one, when its pause is over."""
        if not self._is_settled:
            return 0
        free = self._limit - len(self._flights)
        if self._pause_s > 0:
            flies = any(flight.cargo is Cargo.RECORD for flight in self._flights.values())
            return 0 if flies or now < self._paused_until else min(free, 1)
        return free

    def next_after(self) -> int:
        """Return the seq behind which the next record to send lies."""
        return _skip(self._passed_over, self.sent)

    def wants(self, seq: int) -> bool:
        """Return whether ``seq`` is to be sent; if not, pass over it.

        Behind a seq that does not exist ``next_after`` cannot see what is stored, so every record
        must be asked for before it is launched.
        """
        if _skip(self._passed_over, seq - 1) < seq:
            return True
        self.pass_over(seq)
        return False

    def pass_over(self, seq: int) -> None:
        """Go on behind ``seq`` without sending it."""
        self.sent = seq

    def launch(self, message_id: int, cargo: Cargo, seq: int, now: MonoSeconds) -> None:
        """Note that a publish went out."""
        if cargo is Cargo.RECORD:
            if not self._awaits_ack():
                self._waiting_since = self._quiet_since = now
            elif len(self._flights) >= self._limit // 2 > 0:
                # While a backlog drains, the broker is what we are waiting for.
                self._quiet_since = now
            self.sent = seq
        self._flights[message_id] = Flight(cargo, seq, now)

    def confirm(self, message_id: int) -> Flight | None:
        """Free the place of a publish that the broker took. Returns its flight, None if unknown."""
        flight = self._flights.pop(message_id, None)
        if flight is not None and flight.cargo is Cargo.RECORD:
            self._pause_s = 0.0
        return flight

    def refuse(
        self, message_id: int, now: MonoSeconds, *, is_unheard: bool = False
    ) -> Flight | None:
        """Free the place of a publish that the broker refused, or that nobody subscribes to.

        A record's refusal pauses the records, longer each time, and then tries one. The refused
        one is passed over, so that it holds up no other; going back brings it again.
        """
        flight = self._flights.pop(message_id, None)
        if flight is not None and flight.cargo is Cargo.RECORD:
            self._was_unheard = self._was_unheard or is_unheard
            if now >= self._paused_until:
                self._pause_s = min(MAX_REFUSAL_PAUSE_S, max(REFUSAL_PAUSE_S, self._pause_s * 2))
                self._paused_until = MonoSeconds(now + self._pause_s)
        return flight

    # --- what the collector says ----------------------------------------------------------------

    def acknowledge(
        self,
        upto: int,
        have: Iterable[Range],
        now: MonoSeconds,
        *,
        may_go_back: bool = False,
    ) -> bool:
        """Take an ack that was checked against the ledger. Returns whether it changed anything.

        Args:
            upto: every record up to here is stored.
            have: closed ranges beyond it that are stored as well.
            now: the monotonic clock.
            may_go_back: the collector's store is another one than before: believe a lower ``upto``.
        """
        if upto < self.acked and not may_go_back:
            return False
        ranges = _merge(upto, have)
        if upto == self.acked and ranges == self._have:
            return False
        self._quiet_since = now
        is_back = upto < self.acked
        is_lost = bool(ranges) and ranges[-1][1] > self._sent_before
        if upto != self.acked:
            self._waiting_since = now
        if upto != self.acked or is_lost:
            self._patience_s = ACK_PATIENCE_S
        self._was_unheard = False
        self.acked, self._have = upto, ranges
        self.sent = max(self.sent, upto)
        self._spare(self._spared)
        if is_back:
            self._go_back()
        return True

    def hear_collector(self, now: MonoSeconds, *, is_up: bool) -> None:
        """Take what is known about the collector; ``is_up`` also while nothing is known."""
        returned = is_up and (self._is_collector_down or self._was_unheard)
        self._is_collector_down = not is_up
        if returned:
            self._pause_s = 0.0
            self._patience_s = ACK_PATIENCE_S
            # What nobody heard is gone: send it again at once. Otherwise the broker's queue for
            # the collector comes first.
            self._waiting_since = self._quiet_since = _NEVER if self._was_unheard else now
            self._was_unheard = False

    def go_back_if_due(self, now: MonoSeconds) -> bool:
        """Go back to the first record that is not stored, if due. Returns whether it was."""
        if not self._is_settled or self._is_collector_down or not self._awaits_ack():
            return False
        if now - self._waiting_since < self._patience_s:
            return False
        is_quiet = now - self._quiet_since >= self._patience_s
        if self._flights if is_quiet else not self._have:
            return False
        if self._pause_s == 0:  # while the broker refuses, its pauses are the back-off
            self._patience_s = min(MAX_ACK_PATIENCE_S, self._patience_s * 2)
        self._waiting_since = now
        # Beyond the last range that the collector has nothing is known to be lost while it is busy;
        # beyond the last one that an ack has room for, much is.
        is_all_lost = is_quiet or len(self._have) >= HAVE_RANGES
        self._go_back(_NOTHING if is_all_lost else (self._have[-1][1] + 1, self._furthest))
        return True

    def _go_back(self, spared: Range = _NOTHING) -> None:
        self._sent_before = self._furthest
        self._spare(spared)
        self.sent = self.acked

    def _spare(self, spared: Range) -> None:
        self._spared = spared
        self._passed_over = _merge(self.acked, (*self._have, spared))

    @property
    def _furthest(self) -> int:
        return max(self.sent, self._spared[1])

    def _awaits_ack(self) -> bool:
        return _skip(self._have, self.acked) < self._furthest


def _skip(ranges: Sequence[Range], seq: int) -> int:
    """Return the end of the range that begins at ``seq + 1`` or holds it; ``seq`` if none does."""
    if not ranges:
        return seq
    at = bisect_right(ranges, (seq + 1, float("inf"))) - 1
    if at >= 0 and ranges[at][0] <= seq + 1 <= ranges[at][1]:
        return ranges[at][1]
    return seq


def _merge(upto: int, have: Iterable[Range]) -> tuple[Range, ...]:
    """Return ``have`` sorted, without overlaps, and only what lies beyond ``upto``."""
    merged: list[Range] = []
    for begin, last in sorted(have):
        first = max(begin, upto + 1)
        if last < first:
            continue
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)
