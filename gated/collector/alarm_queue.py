"""Alarms that are owed to a webhook, as a port: a store keeps them until the receiver has them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from gated.collector.store import ChainKey

LATE_MS = 120_000
"""An alarm that came later than this after it was given waits behind those that came at once."""


@dataclass(frozen=True, slots=True)
class OwedAlarm:
    """One alarm as its gate recorded it. ``is_live``: it came about when it was given."""

    chain: ChainKey
    seq: int
    body: bytes
    is_live: bool
    attempts: int = 0


class AlarmQueue(Protocol):
    """Owned by one worker. What it has said is durable before it returns. Raises: StorageError."""

    def take_live(self, alarms: Collection[OwedAlarm], now_ms: int) -> int:
        """Queue copies that came ahead of their records; return how many are new."""
        ...

    def take_recorded(self, wanted: Collection[str], now_ms: int) -> bool:
        """Queue alarms among the next records; return whether there are more to look at.

        ``wanted`` are their names; the others are passed over for good. Drills are no alarms.
        """
        ...

    def next(self, now_ms: int) -> OwedAlarm | None:
        """Return the alarm to be sent now: live ones first, then the oldest."""
        ...

    def delivered(self, alarm: OwedAlarm, now_ms: int) -> None: ...

    def put_off(self, alarm: OwedAlarm, until_ms: int) -> None:
        """Count an attempt and leave the alarm alone until then."""
        ...

    def waiting(self) -> int:
        """Return how many are owed."""
        ...

    def close(self) -> None: ...
