"""What a batch needs of a store's tables: whatever stores records implements ``BatchTables``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gated.collector.chain import Head, Step
from gated.collector.corrections import NewAnchor, StoredAnchors
from gated.collector.intake import Extract
from gated.collector.store import ChainKey, Lane, Problem
from gated.uses import GateUses

RECORD_COLUMNS = (
    *("site", "gate", "epoch", "seq", "kind", "received_at_ms", "body", "body_sha", "prev"),
    *("chain", *Extract._fields, "corrected_at_ms", "corrected_quality"),
)


@dataclass(frozen=True, slots=True)
class StoredChain:
    """A chain as it is in a store."""

    head: Head
    highest: int
    first_received_ms: int


@dataclass(frozen=True, slots=True)
class Note:
    """A row of the quarantine."""

    problem: Problem
    chain: ChainKey  # epoch '' and seq 0 if it could not be placed
    seq: int
    topic: str
    body: bytes | None
    body_sha: bytes
    error: str
    received_at_ms: int


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A person link that is kept."""

    chain: ChainKey
    seq: int
    holder_ref: str
    salt: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Birth:
    """A gate says that it is there."""

    lane: Lane
    session: int
    epoch: str | None
    state_json: str
    state_at_ms: int | None
    received_at_ms: int


@dataclass(frozen=True, slots=True)
class Held:
    """What is stored of the chains that a batch is about."""

    chains: Mapping[ChainKey, StoredChain]  # those that were ever heard of
    anchors: Mapping[ChainKey, StoredAnchors]  # of those that have any


@dataclass(frozen=True, slots=True)
class Writes:
    """What a batch leaves behind."""

    records: Sequence[tuple[object, ...]] = ()  # rows of RECORD_COLUMNS, none of them stored yet
    links: Sequence[LinkRow] = ()
    chains: Mapping[ChainKey, StoredChain] = field(default_factory=dict)
    seen_ms: Mapping[Lane, int] = field(default_factory=dict)  # when gates were last heard of


class BatchTables(Protocol):
    """What a batch needs of a store. All of it happens inside the store's open transaction."""

    def hold(self, lanes: Sequence[Lane], keys: Sequence[ChainKey]) -> Held:
        """Keep every other writer of ``lanes`` (sorted) out until this transaction ends.

        Return what is stored of ``keys``, chains of these lanes.
        """
        ...

    def step(self, chain: ChainKey, seq: int) -> Step | None:
        """Return what is stored under ``seq``."""
        ...

    def stored_between(self, chain: ChainKey, first: int, last: int) -> set[int]:
        """Return which numbers of [first, last] are stored."""
        ...

    def set_hashes(self, chain: ChainKey, hashes: Mapping[int, bytes]) -> None:
        """Fill in h(seq) of records that are stored already."""
        ...

    def write(self, writes: Writes) -> None: ...

    def set_anchor(self, chain: ChainKey, new: NewAnchor) -> None:
        """Keep ``new``. If it is its boot's best, correct what is stored of unknown time by it."""
        ...

    def add_lost(self, chain: ChainKey, first: int, last: int, noted_at_ms: int) -> None: ...

    def take_lost(self, chain: ChainKey, seq: int) -> tuple[int, int, int] | None:
        """Delete the lost range around ``seq``; return (first, last, noted at), or None."""
        ...

    def note(self, note: Note) -> bool:
        """Return whether ``note`` is new in the quarantine."""
        ...

    def take_birth(self, birth: Birth) -> None: ...

    def take_will(self, lane: Lane, session: int, received_at_ms: int) -> None:
        """Set the gate offline if ``session`` is its present one."""
        ...

    def take_uses(self, lane: Lane, told: GateUses, received_at_ms: int, keep_ms: int) -> bool:
        """Store what a gate told; return whether anything of it is new."""
        ...
