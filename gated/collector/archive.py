"""What was stored, as the collector's own commands ask for it: whoever keeps records has one.

Beside ``store.Reader``, which serves reports and the page and never gives a body away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gated.collector.store import ChainKey, Lane, Problem


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record with its body as the gate wrote it, without a person link."""

    id: int  # order of arrival
    chain: ChainKey
    seq: int
    kind: str
    received_at_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records: None and empty mean all. A record without a known time counts by arrival."""

    from_ms: int | None = None
    to_ms: int | None = None  # exclusive
    lane: Lane | None = None
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LastAlarm:
    """The last time that one alarm was given of one device."""

    lane: Lane
    alarm: str
    device: str | None
    at: str
    place: tuple[int, int]  # (when its chain was first heard of in ms, seq): the gate's own order


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One problem that nobody has settled yet."""

    id: int
    problem: Problem
    chain: ChainKey  # epoch "" if it could not be placed
    seq: int
    topic: str
    body: bytes | None  # None: erased, or there was none
    error: str
    received_at_ms: int


class Archive(Protocol):
    """One thread's. Sees what is committed; holds up nobody for longer than one short reading."""

    def records(self, wanted: Wanted) -> Iterator[StoredRecord]:
        """Yield readable records in the order of arrival. Raises: StorageError."""
        ...

    def last_alarms(self) -> list[LastAlarm]:
        """Return the last one of each alarm of each device; drills are left out."""
        ...

    def quarantine(self) -> list[QuarantineRow]:
        """Return what is unsettled, oldest first."""
        ...

    def newest_received_ms(self) -> int | None:
        """Return when the last record came."""
        ...

    def close(self) -> None: ...
