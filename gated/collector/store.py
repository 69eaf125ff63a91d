"""What the collector keeps, as a port: whatever stores records implements ``Store`` and ``Reader``.

One chain is one ledger file of one gate: ``(site, gate, epoch)``. Its records are numbered without
a hole, so what is missing can be named, asked for, and told apart from "nothing happened".

What is made for every message is a named tuple: making one takes a third of a frozen dataclass's
time, and hashing it a tenth.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gated.uses import UseAt
from gated.wire import GateState


class Lane(NamedTuple):
    """One gate of one site."""

    site: str
    gate: str


class ChainKey(NamedTuple):
    """One ledger file of one gate."""

    site: str
    gate: str
    epoch: str

    @property
    def lane(self) -> Lane:
        return Lane(self.site, self.gate)


class Problem(enum.StrEnum):
    """Why something stands in the quarantine."""

    UNREADABLE = "unreadable"  # not a record of ours; kept raw and counted in its chain
    CONFLICT = "conflict"  # another body under a number that is taken: a cloned card
    CHAIN = "chain"  # stored, but its ``prev`` is not the chain we hold
    LINK = "link"  # a person link that does not open its body's commitment: not kept


# --- in ------------------------------------------------------------------------------------------


class Arrival(NamedTuple):
    """One MQTT message, as it came."""

    topic: str
    payload: bytes
    received_at_ms: int
    epoch: str | None = None  # the user properties of the same name: they place an unreadable body
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class UsesAsked:
    """A gate told of uses of passes, or asked for those at the site's others; both want an answer.

    ``known`` says by collector which store's changes the gate has, and up to where.
    """

    lane: Lane
    epoch: str  # of the gate's ledger
    known: Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class UsesPage:
    """All changes of one site's uses with a number in (``after``, ``upto``]."""

    after: int
    upto: int
    uses: tuple[UseAt, ...]
    has_more: bool  # beyond ``upto``


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of a batch. All of it is durable, and may be acknowledged to the broker."""

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    ignored: int = 0  # topics or states that say nothing to us
    changed: frozenset[ChainKey] = frozenset()  # their gates are owed an ack
    uses_asked: tuple[UsesAsked, ...] = ()  # in the order of arrival
    sites_with_new_uses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one chain is stored."""

    chain: ChainKey
    upto: int  # every seq up to here is stored, or known to be lost
    hash: bytes  # h(upto)
    have: tuple[tuple[int, int], ...] = ()  # closed ranges beyond upto


class Store(Protocol):
    """The writing side. One thread owns it.

    Implementations must make ``ingest`` one durable transaction: after it returns, a power cut
    takes nothing of the batch away; if it raises, nothing of the batch is there.
    """

    @property
    def collector_epoch(self) -> str:
        """Name this store; another name means a new or restored one."""
        ...

    def ingest(self, batch: Sequence[Arrival]) -> IngestResult:
        """Store ``batch``. Raises: StorageError: nothing was stored; try again later."""
        ...

    def progress(self, chains: Sequence[ChainKey]) -> list[Progress]:
        """Return how far each of ``chains`` is stored; one never heard of is at 0."""
        ...

    def current_chains(self) -> list[ChainKey]:
        """Return each gate's newest chain: what an ack has to be about."""
        ...

    def next_session(self) -> int:
        """Return a number that was never returned before, for birth and will."""
        ...

    def newest_use(self) -> int:
        """Return the number of the newest change among the uses of passes; 0 before the first."""
        ...

    def uses_page(self, site: str, after: int) -> UsesPage:
        """Return the first changes of ``site`` behind ``after``; a few, see ``uses.MAX_USES``."""
        ...

    def uses_stored(self, ledgers: Sequence[ChainKey]) -> list[int]:
        """Return, for each ledger, up to where its list of uses is stored."""
        ...

    def delete_expired(self, now_ms: int) -> int:
        """Delete what may no longer be kept about persons at ``now_ms``; return how many rows."""
        ...

    def close(self) -> None: ...


# --- out -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as the page shows it: no name, no reference, no commitment."""

    id: int  # order of arrival
    site: str
    gate: str
    kind: str  # a wire.Kind, or "unreadable"
    visit_id: str | None
    at: str | None  # RFC 3339 with the gate's own offset; None if it could not be read
    received_at_ms: int
    time_quality: str | None
    mode: str | None
    drill: bool
    direction: str | None
    outcome: str | None
    reason: str | None
    would_have: str | None
    follow_up: str | None
    body_c: float | None
    threshold_c: float | None
    attempt: int | None
    holder_category: str | None
    holder_group: str | None
    result: str | None  # of a passage or a release
    alarm: str | None
    device: str | None


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate as the collector last heard of it."""

    lane: Lane
    state: GateState | None
    is_online: bool
    session_since_ms: int | None  # when the present session was first heard of
    state_at_ms: (
        int | None
    )  # the latest time for which the state holds: at, but never after arrival
    last_seen_ms: int
    chain: Progress | None  # of the newest epoch
    last_record_at: str | None
    problems: tuple[tuple[Problem, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """How many records of one lane are alike in everything that a report asks for."""

    lane: Lane
    kind: str
    drill: bool
    direction: str | None
    outcome: str | None
    reason: str | None
    would_have: str | None
    follow_up: str | None
    result: str | None
    alarm: str | None
    is_second: bool  # measured more than once
    is_at_threshold: bool  # measured at or above the threshold
    count: int


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive records that are all stored. Times are those of records with a known time."""

    first_seq: int
    last_seq: int
    first_at_ms: int | None
    last_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Flaw:
    """A record that cannot be relied on, and the known times around it."""

    problem: Problem
    seq: int
    after_ms: int | None
    before_ms: int | None


@dataclass(frozen=True, slots=True)
class Undated:
    """Consecutive records whose clock was certainly wrong, and the known times around them."""

    visits: int
    others: int
    after_ms: int | None
    before_ms: int  # the next known time, or when the last of them was received
    since_ms: int | None  # the first corrected time; None: there is none, or not for every visit


@dataclass(frozen=True, slots=True)
class ChainEvidence:
    """What is stored of one chain: enough to say for which times nothing can be missing."""

    chain: ChainKey
    runs: tuple[Run, ...]  # in the order of seq
    flaws: tuple[Flaw, ...]
    undated: tuple[Undated, ...]


class Reader(Protocol):
    """The reading side; any number of threads may each have one. Never sees a half-done batch."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Let every call inside see the same state. Keep it short: it holds up the store."""
        ...

    def entries(
        self,
        *,
        after: int,
        limit: int,
        lane: Lane | None = None,
        span_ms: tuple[int, int] | None = None,
    ) -> list[Entry]:
        """Return at most ``limit`` entries that arrived after entry ``after``, oldest first.

        Those of one lane; those of [first, last) by their own time, or by their arrival where the
        gate's clock was certainly wrong. None: all.
        """
        ...

    def latest_entries(self, limit: int) -> list[Entry]:
        """Return the last ``limit`` entries that arrived, oldest first."""
        ...

    def last_id(self) -> int:
        """Return the newest entry's id, or 0."""
        ...

    def gates(self) -> list[GateRow]: ...

    def chains(self, lane: Lane) -> list[Progress]:
        """Return every chain of a gate, in the order in which they were first heard of."""
        ...

    def tallies(self, from_ms: int, to_ms: int) -> list[Tally]:
        """Count the records with a known time in [from_ms, to_ms)."""
        ...

    def evidence(self, lane: Lane) -> list[ChainEvidence]:
        """Return what is known of each chain of a gate, in the order they were first heard of."""
        ...

    def was_one_boot(self, lane: Lane, from_ms: int, to_ms: int) -> bool:
        """Return whether the last record before and the first from ``to_ms`` on share a boot."""
        ...

    def close(self) -> None: ...
