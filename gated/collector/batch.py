"""One batch of messages inside one transaction of any store: deduplicate, chain, correct, insert.

Everything that is decided is decided here; a store only reads and writes what it is told, through
``BatchTables``. So all stores agree, whatever their SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from gated.collector.batch_tables import (
    BatchTables,
    Birth,
    Held,
    LinkRow,
    Note,
    StoredChain,
    Writes,
)
from gated.collector.chain import Head, Step, advance
from gated.collector.corrections import (
    BootClocks,
    Corrected,
    clocks_of,
    learn_all,
)
from gated.collector.intake import (
    DAY_MS,
    UNREADABLE_KIND,
    Extract,
    Ignored,
    Intake,
    Readable,
    StateSeen,
    Unreadable,
    UsesSeen,
    link_expires_at_ms,
    read_arrival,
    to_ms,
)
from gated.collector.store import Arrival, ChainKey, IngestResult, Lane, Problem, UsesAsked
from gated.errors import WireError

_NOTHING_EXTRACTED: tuple[None, ...] = (None,) * (len(Extract._fields) + 2)

Read = tuple[Arrival, Intake]


def read_batch(batch: Sequence[Arrival]) -> list[Read]:
    """Return each message with what it says. Most of the work, and none of it needs the store."""
    return [(arrival, read_arrival(arrival)) for arrival in batch]


@dataclass(slots=True)
class _Pending:
    """What a batch brings to one chain."""

    head: Head
    stored_highest: int
    first_received_ms: int
    new: dict[int, tuple[Step, Readable | Unreadable, int]] = field(default_factory=dict)
    hashes: dict[int, bytes] = field(default_factory=dict)

    @property
    def highest(self) -> int:
        return max(self.stored_highest, max(self.new, default=0))


class Batch:
    """The work of one ``Store.ingest``.

    Args:
        tables: the store's, with a transaction open.
        keep_person_days: how long a person link may be kept; 0 keeps none.
    """

    def __init__(self, tables: BatchTables, *, keep_person_days: int) -> None:
        self._tables = tables
        self._keep_days = keep_person_days
        self._chains: dict[ChainKey, _Pending] = {}
        self._held = Held({}, {})
        self._seen: dict[Lane, int] = {}
        self._births: list[tuple[StateSeen, int]] = []
        self._changed: set[ChainKey] = set()
        self._asked: list[UsesAsked] = []
        self._used_sites: set[str] = set()
        self._duplicates = self._quarantined = self._ignored = 0

    def ingest(self, batch: Sequence[Read]) -> IngestResult:
        lanes = {lane for _, intake in batch if (lane := _lane_of(intake))}
        keys = {key for _, intake in batch if (key := _chain_of(intake))}
        self._held = self._tables.hold(sorted(lanes), sorted(keys))
        for arrival, intake in batch:
            self._sort(arrival, intake)
        for chain, pending in self._chains.items():
            self._advance(chain, pending)
        for state, received_at_ms in self._births:
            self._skip_what_the_gate_has_lost(state, received_at_ms)
        self._write()
        return IngestResult(
            stored=sum(len(pending.new) for pending in self._chains.values()),
            duplicates=self._duplicates,
            quarantined=self._quarantined,
            ignored=self._ignored,
            changed=frozenset(self._changed),
            uses_asked=tuple(self._asked),
            sites_with_new_uses=frozenset(self._used_sites),
        )

    # --- sorting ---------------------------------------------------------------------------------

    def _sort(self, arrival: Arrival, intake: Intake) -> None:
        if isinstance(intake, Ignored):
            self._ignored += 1
        elif isinstance(intake, StateSeen):
            self._take_state(intake, arrival.received_at_ms)
        elif isinstance(intake, UsesSeen):
            self._take_uses(intake, arrival.received_at_ms)
        elif isinstance(intake, Readable):
            self._seen[intake.chain.lane] = arrival.received_at_ms
            step = Step(intake.body_sha, intake.prev)
            self._take(intake.chain, intake.seq, step, intake, arrival)
        elif isinstance(intake, Unreadable):
            self._seen[Lane(intake.site, intake.gate)] = arrival.received_at_ms
            self._quarantine(Problem.UNREADABLE, intake, intake.raw, arrival, intake.error)
            if intake.chain is not None and intake.seq is not None:
                step = Step(intake.body_sha, None)
                self._take(intake.chain, intake.seq, step, intake, arrival)
        else:
            assert_never(intake)

    def _take_uses(self, seen: UsesSeen, received_at_ms: int) -> None:
        lane, told, keep_ms = Lane(seen.site, seen.gate), seen.told, self._keep_days * DAY_MS
        if self._tables.take_uses(lane, told, received_at_ms, keep_ms):
            self._used_sites.add(seen.site)
        self._asked.append(UsesAsked(lane, told.epoch, told.known))

    def _pending(self, chain: ChainKey, received_at_ms: int) -> _Pending:
        pending = self._chains.get(chain)
        if pending is None:
            stored = self._held.chains.get(chain) or StoredChain(Head(), 0, received_at_ms)
            pending = _Pending(stored.head, stored.highest, stored.first_received_ms)
            self._chains[chain] = pending
        return pending

    def _take(
        self,
        chain: ChainKey,
        seq: int,
        step: Step,
        intake: Readable | Unreadable,
        arrival: Arrival,
    ) -> None:
        pending = self._pending(chain, arrival.received_at_ms)
        self._changed.add(chain)  # a duplicate too: its sender has not seen our ack
        known = self._find(chain, pending, seq)
        if known is None:
            pending.new[seq] = (step, intake, arrival.received_at_ms)
        elif known.body_sha == step.body_sha:
            self._duplicates += 1
        else:
            body = intake.body if isinstance(intake, Readable) else intake.raw
            self._quarantine(Problem.CONFLICT, intake, body, arrival, "another body is stored")

    def _find(self, chain: ChainKey, pending: _Pending, seq: int) -> Step | None:
        new = pending.new.get(seq)
        if new is not None:
            return new[0]
        return None if seq > pending.stored_highest else self._tables.step(chain, seq)

    def _take_state(self, seen: StateSeen, received_at_ms: int) -> None:
        state, lane = seen.state, Lane(seen.site, seen.gate)
        if not state.online:
            self._tables.take_will(lane, state.session, received_at_ms)
            return
        self._tables.take_birth(
            Birth(
                lane=lane,
                session=state.session,
                epoch=state.epoch,
                state_json=state.model_dump_json(),
                state_at_ms=_state_at_ms(state.at, received_at_ms),
                received_at_ms=received_at_ms,
            )
        )
        self._seen[lane] = received_at_ms
        self._births.append((seen, received_at_ms))
        if state.epoch is not None:
            self._changed.add(ChainKey(seen.site, seen.gate, state.epoch))

    # --- the chain -------------------------------------------------------------------------------

    def _advance(self, chain: ChainKey, pending: _Pending) -> None:
        """Follow the chain as far as it goes, through what is stored and what is new."""
        found = advance(pending.head, lambda seq: self._find(chain, pending, seq))
        pending.hashes |= found.hashes
        stored = {seq: hash_ for seq, hash_ in found.hashes.items() if seq not in pending.new}
        if stored:
            self._tables.set_hashes(chain, stored)
        for seq in found.breaks:
            step = self._find(chain, pending, seq)
            if step is not None:
                seen_ms = self._seen.get(chain.lane, pending.first_received_ms)
                error = "prev is not the chain that is stored"
                self._note(Note(Problem.CHAIN, chain, seq, "", None, step.body_sha, error, seen_ms))

    def _skip_what_the_gate_has_lost(self, seen: StateSeen, received_at_ms: int) -> None:
        """Start the chain at the gate's oldest event if everything before it is gone for good.

        Happens at the first contact with a gate that has already deleted events, and after this
        store was restored from a backup. The numbers in between are written down as lost.
        """
        state = seen.state
        if state.epoch is None or state.oldest_seq is None or seen.anchor is None:
            return
        chain = ChainKey(seen.site, seen.gate, state.epoch)
        pending = self._pending(chain, received_at_ms)
        last_gone = state.oldest_seq - 1
        if pending.head.upto >= last_gone:
            return
        first = pending.head.upto + 1
        stored = self._tables.stored_between(chain, first, last_gone)
        present = sorted(stored | {seq for seq in pending.new if first <= seq <= last_gone})
        for seq in (*present, last_gone + 1):
            if seq > first:
                self._tables.add_lost(chain, first, seq - 1, received_at_ms)
            first = seq + 1
        pending.head = Head(last_gone, seen.anchor)
        self._advance(chain, pending)

    # --- writing ---------------------------------------------------------------------------------

    def _write(self) -> None:
        rows: list[tuple[object, ...]] = []
        links: list[LinkRow] = []
        for chain, pending in self._chains.items():
            clocks = self._learn(chain, pending, clocks_of(self._held.anchors.get(chain, {})))
            for seq, (step, intake, received_at_ms) in pending.new.items():
                hash_ = pending.hashes.get(seq)
                rows.append(_record_row(chain, seq, step, intake, received_at_ms, hash_, clocks))
                if isinstance(intake, Readable):
                    self._add_link(links, intake, received_at_ms)
                    if seq <= pending.head.upto and hash_ is None:
                        self._found_again(chain, seq)
        chains = {
            chain: StoredChain(pending.head, pending.highest, pending.first_received_ms)
            for chain, pending in self._chains.items()
        }
        self._tables.write(Writes(rows, links, chains, dict(sorted(self._seen.items()))))

    def _learn(self, chain: ChainKey, pending: _Pending, clocks: BootClocks) -> BootClocks:
        """Return ``clocks`` with what the new records know of the time."""
        known = (
            (seq, intake.extract)
            for seq, (_, intake, _) in pending.new.items()
            if isinstance(intake, Readable)
        )
        for new in learn_all(clocks, known):
            self._tables.set_anchor(chain, new)
        return clocks

    def _add_link(self, links: list[LinkRow], intake: Readable, received_at_ms: int) -> None:
        chain, seq, link = intake.chain, intake.seq, intake.link
        if intake.link_error is not None:
            self._note(
                Note(
                    Problem.LINK,
                    chain,
                    seq,
                    topic="",
                    body=None,
                    body_sha=intake.body_sha,
                    error=intake.link_error,
                    received_at_ms=received_at_ms,
                )
            )
        elif link is not None:
            until_ms = link_expires_at_ms(intake.extract, received_at_ms, self._keep_days)
            if until_ms > received_at_ms:
                links.append(LinkRow(chain, seq, link.holder_ref, link.salt, until_ms))

    def _found_again(self, chain: ChainKey, seq: int) -> None:
        """Take ``seq`` out of what is written down as lost: somebody brought it after all."""
        found = self._tables.take_lost(chain, seq)
        if found is not None:
            first, last, noted_at_ms = found
            for a, b in ((first, seq - 1), (seq + 1, last)):
                if a <= b:
                    self._tables.add_lost(chain, a, b, noted_at_ms)

    def _quarantine(
        self,
        problem: Problem,
        intake: Readable | Unreadable,
        body: bytes,
        arrival: Arrival,
        error: str,
    ) -> None:
        if intake.chain is not None and intake.seq is not None:
            chain, seq = intake.chain, intake.seq
        else:
            chain, seq = ChainKey(intake.site, intake.gate, ""), 0
        received_at_ms = arrival.received_at_ms
        self._note(
            Note(problem, chain, seq, arrival.topic, body, intake.body_sha, error, received_at_ms)
        )

    def _note(self, note: Note) -> None:
        self._quarantined += self._tables.note(note)


def _record_row(
    chain: ChainKey,
    seq: int,
    step: Step,
    intake: Readable | Unreadable,
    received_at_ms: int,
    hash_: bytes | None,
    clocks: BootClocks,
) -> tuple[object, ...]:
    """Return a row of RECORD_COLUMNS."""
    place = (chain.site, chain.gate, chain.epoch, seq)
    if isinstance(intake, Unreadable):
        head = (*place, UNREADABLE_KIND, received_at_ms, None, step.body_sha, None, hash_)
        return (*head, *_NOTHING_EXTRACTED)
    corrected: Corrected = clocks.correct(intake.extract)
    return (
        *(*place, intake.kind, received_at_ms, intake.body, step.body_sha, step.prev, hash_),
        *(*intake.extract, corrected.at_ms, corrected.quality.value),
    )


def _lane_of(intake: Intake) -> Lane | None:
    return None if isinstance(intake, Ignored) else Lane(*_place_of(intake))


def _place_of(intake: Readable | Unreadable | StateSeen | UsesSeen) -> tuple[str, str]:
    if isinstance(intake, Readable):
        return intake.chain.site, intake.chain.gate
    return intake.site, intake.gate


def _chain_of(intake: Intake) -> ChainKey | None:
    if isinstance(intake, Readable | Unreadable):
        return intake.chain
    if isinstance(intake, StateSeen) and intake.state.epoch is not None:
        return ChainKey(intake.site, intake.gate, intake.state.epoch)
    return None


def _state_at_ms(at: str | None, received_at_ms: int) -> int | None:
    """Return when a state was made, in ms: never after it was received, whatever its clock says."""
    if at is None:
        return None
    try:
        return min(to_ms(at), received_at_ms)
    except WireError:
        return None
