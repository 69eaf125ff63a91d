"""Alarms and answers go out live at once, ahead of a backlog; the record follows in its turn."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from gated.contents import Kind
from gated.ledger.reader import StoredEvent
from gated.uplink.bundle import BundleSender
from gated.uplink.commands import Resends
from gated.uplink.feed import Feed

LOOK_BACK = 1_000
"""At a start, how many of the newest unacked events are searched for alarms."""
MAX_WAITING = 100
"""The oldest copies give way to new ones; their durable records follow all the same."""
_BATCH = 200


class LiveCopies:
    """The alarms and answers of one ledger epoch that still want a live copy.

    Args:
        acked: what the collector has already needs no copy.
        newest: the newest event at the start.
        bundle: where the controller leaves diagnostics.
    """

    def __init__(self, *, acked: int, newest: int, bundle: Path) -> None:
        self._scanned = max(acked, newest - LOOK_BACK)
        self._newest_at_start = newest
        self.resends = Resends()
        self.bundle = BundleSender(bundle)
        self._waiting: deque[StoredEvent] = deque(maxlen=MAX_WAITING)
        self._flying: dict[int, StoredEvent] = {}
        # The last one that may be an alarm: what was not looked at may be one, too.
        self.newest_alarm_seq = max(0, newest - LOOK_BACK)

    def scan(self, feed: Feed) -> None:
        """Look for them among at most 200 events that were not looked at before."""
        if self._scanned >= feed.newest_seq:
            return
        events = feed.events_after(self._scanned, _BATCH)
        for event in events:
            self._scanned = event.seq
            if event.kind in (Kind.ALARM, Kind.COMMAND):
                self._waiting.append(event)
            if event.kind == Kind.ALARM:
                self.newest_alarm_seq = event.seq
        # What was asked for before this process started has been sent by the one before.
        new = [event for event in events if event.seq > self._newest_at_start]
        self.resends.look(new)
        self.bundle.look(new)

    def next_copy(self) -> StoredEvent | None:
        """Return what to send next, and take it as sent."""
        if not self._waiting:
            return None
        event = self._waiting.popleft()
        self._flying[event.seq] = event
        return event

    def landed(self, seq: int) -> None:
        """Note that the broker answered for the copy of ``seq``."""
        self._flying.pop(seq, None)

    def lost(self) -> None:
        """Send again what the broker had not confirmed when the connection was lost."""
        self.resends.lost()
        self.bundle.lost()
        waiting = sorted([*self._flying.values(), *self._waiting], key=lambda event: event.seq)
        self._flying.clear()
        self._waiting = deque(waiting, maxlen=MAX_WAITING)

    def forget_upto(self, acked: int) -> None:
        """Drop the copies of what the collector has."""
        while self._waiting and self._waiting[0].seq <= acked:
            self._waiting.popleft()
