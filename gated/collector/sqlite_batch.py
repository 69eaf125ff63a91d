"""One batch of messages inside one SQLite transaction: deduplicate, chain, insert."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from gated.collector import sqlite_uses
from gated.collector.chain import Head, Step, advance
from gated.collector.intake import (
    DAY_MS,
    UNREADABLE_KIND,
    Extract,
    Ignored,
    Readable,
    StateSeen,
    Unreadable,
    UsesSeen,
    link_expires_at_ms,
    read_arrival,
    to_ms,
)
from gated.collector.store import (
    HAVE_RANGES,
    Arrival,
    ChainKey,
    IngestResult,
    Lane,
    Problem,
    Progress,
    UsesAsked,
)
from gated.errors import WireError
from gated.wire import GENESIS

_COLUMNS = (
    *("site", "gate", "epoch", "seq", "kind", "received_at_ms", "body", "body_sha", "prev"),
    *("chain", *Extract._fields),
)
_INSERT_RECORD = (
    "INSERT INTO record (" + ", ".join(_COLUMNS) + ") "
    "VALUES (" + ", ".join("?" * len(_COLUMNS)) + ")"
)
_NOTHING_EXTRACTED: tuple[None, ...] = (None,) * len(Extract._fields)


def read_head(connection: sqlite3.Connection, chain: ChainKey) -> tuple[Head, int, int] | None:
    """Return (head, highest seq, when first heard of in ms) of a chain, or None."""
    row = connection.execute(
        "SELECT upto, hash, highest, first_received_ms FROM progress "
        "WHERE site = ? AND gate = ? AND epoch = ?",
        (chain.site, chain.gate, chain.epoch),
    ).fetchone()
    return None if row is None else (Head(row[0], row[1]), row[2], row[3])


def read_have(
    connection: sqlite3.Connection, chain: ChainKey, upto: int, highest: int
) -> tuple[tuple[int, int], ...]:
    """Return the first ranges that are stored beyond ``upto``."""
    if highest <= upto:
        return ()
    rows = connection.execute(
        """
        SELECT MIN(seq), MAX(seq) FROM (
          SELECT seq, seq - ROW_NUMBER() OVER (ORDER BY seq) AS island FROM record
          WHERE site = ? AND gate = ? AND epoch = ? AND seq > ?)
        GROUP BY island ORDER BY 1 LIMIT ?
        """,
        (chain.site, chain.gate, chain.epoch, upto, HAVE_RANGES),
    )
    return tuple((first, last) for first, last in rows)


def read_progress(connection: sqlite3.Connection, chain: ChainKey) -> Progress:
    """Return how far ``chain`` is stored; one that was never heard of is at 0."""
    found = read_head(connection, chain)
    if found is None:
        return Progress(chain, 0, GENESIS)
    head, highest, _ = found
    return Progress(chain, head.upto, head.hash, read_have(connection, chain, head.upto, highest))


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


class SqliteBatch:
    """The work of one ``Store.ingest``, inside the transaction that is open on ``connection``."""

    def __init__(self, connection: sqlite3.Connection, *, keep_person_days: int) -> None:
        self._connection = connection
        self._keep_days = keep_person_days
        self._chains: dict[ChainKey, _Pending] = {}
        self._seen: dict[Lane, int] = {}
        self._births: list[tuple[StateSeen, int]] = []
        self._changed: set[ChainKey] = set()
        self._asked: list[UsesAsked] = []
        self._used_sites: set[str] = set()
        self._duplicates = self._quarantined = self._ignored = 0

    def ingest(self, batch: Sequence[Arrival]) -> IngestResult:
        for arrival in batch:
            self._sort(arrival)
        for chain, pending in self._chains.items():
            self._advance(chain, pending)
        for state, received_at_ms in self._births:
            self._skip_what_the_gate_has_lost(state, received_at_ms)
        for chain, pending in self._chains.items():
            self._insert(chain, pending)
        self._connection.executemany(
            "INSERT INTO gate (site, gate, last_seen_ms) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET last_seen_ms = max(last_seen_ms, excluded.last_seen_ms)",
            [(lane.site, lane.gate, seen_ms) for lane, seen_ms in self._seen.items()],
        )
        return IngestResult(
            stored=sum(len(pending.new) for pending in self._chains.values()),
            duplicates=self._duplicates,
            quarantined=self._quarantined,
            ignored=self._ignored,
            changed=frozenset(self._changed),
            uses_asked=tuple(self._asked),
            sites_with_new_uses=frozenset(self._used_sites),
        )

    def _sort(self, arrival: Arrival) -> None:
        intake = read_arrival(arrival)
        if isinstance(intake, Ignored):
            self._ignored += 1
            return
        if isinstance(intake, StateSeen):
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
        if sqlite_uses.take(self._connection, lane, told, received_at_ms, keep_ms):
            self._used_sites.add(seen.site)
        self._asked.append(UsesAsked(lane, told.epoch, told.known))

    def _pending(self, chain: ChainKey, received_at_ms: int) -> _Pending:
        pending = self._chains.get(chain)
        if pending is None:
            head, highest, first_ms = read_head(self._connection, chain) or (
                Head(),
                0,
                received_at_ms,
            )
            pending = self._chains[chain] = _Pending(head, highest, first_ms)
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
        if seq > pending.stored_highest:
            return None
        row = self._connection.execute(
            "SELECT body_sha, prev FROM record "
            "WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?",
            (chain.site, chain.gate, chain.epoch, seq),
        ).fetchone()
        return None if row is None else Step(*row)

    def _take_state(self, seen: StateSeen, received_at_ms: int) -> None:
        state, lane = seen.state, Lane(seen.site, seen.gate)
        if not state.online:
            # A late will of an old session says nothing about the present one.
            self._connection.execute(
                "INSERT INTO gate (site, gate, session, last_seen_ms) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET online = 0 WHERE session = excluded.session",
                (lane.site, lane.gate, state.session, received_at_ms),
            )
            return
        self._connection.execute(
            """
            INSERT INTO gate (site, gate, state, online, session, session_since_ms, state_at_ms,
                              last_seen_ms)
            VALUES (?, ?, ?, 1, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET
              session_since_ms = iif(session IS excluded.session AND online, session_since_ms,
                                     excluded.session_since_ms),
              state = excluded.state, online = 1, session = excluded.session,
              state_at_ms = excluded.state_at_ms
            """,
            (
                *(lane.site, lane.gate, state.model_dump_json(), state.session, received_at_ms),
                *(_state_at_ms(state.at, received_at_ms), received_at_ms),
            ),
        )
        self._seen[lane] = received_at_ms
        self._births.append((seen, received_at_ms))
        if state.epoch is not None:
            self._changed.add(ChainKey(seen.site, seen.gate, state.epoch))

    def _advance(self, chain: ChainKey, pending: _Pending) -> None:
        """Follow the chain as far as it goes, through what is stored and what is new."""
        found = advance(pending.head, lambda seq: self._find(chain, pending, seq))
        pending.hashes |= found.hashes
        self._connection.executemany(
            "UPDATE record SET chain = ? WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?",
            [
                (hash_, chain.site, chain.gate, chain.epoch, seq)
                for seq, hash_ in found.hashes.items()
                if seq not in pending.new
            ],
        )
        for seq in found.breaks:
            step = self._find(chain, pending, seq)
            if step is not None:
                self._note(
                    (Problem.CHAIN, *_placed(chain, seq), "", None, step.body_sha),
                    "prev is not the chain that is stored",
                    self._seen.get(chain.lane, pending.first_received_ms),
                )

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
        for seq in (*self._present(chain, pending, first, last_gone), last_gone + 1):
            if seq > first:
                self._connection.execute(
                    "INSERT INTO lost VALUES (?, ?, ?, ?, ?, ?)",
                    (*_placed(chain, first), seq - 1, received_at_ms),
                )
            first = seq + 1
        pending.head = Head(last_gone, seen.anchor)
        self._advance(chain, pending)

    def _present(self, chain: ChainKey, pending: _Pending, first: int, last: int) -> list[int]:
        """Return, in order, what is stored or new in [first, last]."""
        stored = self._connection.execute(
            "SELECT seq FROM record "
            "WHERE site = ? AND gate = ? AND epoch = ? AND seq BETWEEN ? AND ?",
            (*_placed(chain, first), last),
        )
        return sorted({row[0] for row in stored} | {s for s in pending.new if first <= s <= last})

    def _insert(self, chain: ChainKey, pending: _Pending) -> None:
        records: list[tuple[object, ...]] = []
        links: list[tuple[object, ...]] = []
        for seq, (step, intake, received_at_ms) in pending.new.items():
            place = (*_placed(chain, seq), UNREADABLE_KIND, received_at_ms)
            hash_ = pending.hashes.get(seq)
            if isinstance(intake, Unreadable):
                records.append((*place, None, step.body_sha, None, hash_, *_NOTHING_EXTRACTED))
                continue
            place = (*place[:4], intake.kind, received_at_ms)
            records.append((*place, intake.body, step.body_sha, step.prev, hash_, *intake.extract))
            if intake.link_error is not None:
                self._note(
                    (Problem.LINK, *_placed(chain, seq), "", None, step.body_sha),
                    intake.link_error,
                    received_at_ms,
                )
            elif intake.link is not None:
                until_ms = link_expires_at_ms(intake.extract, received_at_ms, self._keep_days)
                if until_ms > received_at_ms:
                    link = (intake.link.holder_ref, intake.link.salt, until_ms)
                    links.append((*_placed(chain, seq), *link))
            if seq <= pending.head.upto and hash_ is None:
                self._found_again(chain, seq)
        self._connection.executemany(_INSERT_RECORD, records)
        self._connection.executemany("INSERT INTO link VALUES (?, ?, ?, ?, ?, ?, ?)", links)
        self._connection.execute(
            "INSERT INTO progress VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET upto = excluded.upto, hash = excluded.hash, highest = excluded.highest",
            (
                *(chain.site, chain.gate, chain.epoch, pending.head.upto, pending.head.hash),
                *(pending.highest, pending.first_received_ms),
            ),
        )

    def _found_again(self, chain: ChainKey, seq: int) -> None:
        """Take ``seq`` out of what is written down as lost: somebody brought it after all."""
        row = self._connection.execute(
            "DELETE FROM lost WHERE site = ? AND gate = ? AND epoch = ? "
            "AND ? BETWEEN first_seq AND last_seq RETURNING first_seq, last_seq, noted_at_ms",
            _placed(chain, seq),
        ).fetchone()
        if row is not None:
            first, last, noted_at_ms = row
            left = [(first, seq - 1), (seq + 1, last)]
            self._connection.executemany(
                "INSERT INTO lost VALUES (?, ?, ?, ?, ?, ?)",
                [(*_placed(chain, a), b, noted_at_ms) for a, b in left if a <= b],
            )

    def _quarantine(
        self,
        problem: Problem,
        intake: Readable | Unreadable,
        body: bytes,
        arrival: Arrival,
        error: str,
    ) -> None:
        if intake.chain is not None and intake.seq is not None:
            place = _placed(intake.chain, intake.seq)
        elif isinstance(intake, Unreadable):
            place = (intake.site, intake.gate, "", 0)
        row = (problem, *place, arrival.topic, body, intake.body_sha)
        self._note(row, error, arrival.received_at_ms)

    def _note(
        self,
        row: tuple[Problem, str, str, str, int, str, bytes | None, bytes],
        error: str,
        received_at_ms: int,
    ) -> None:
        """Write ``row`` (problem … body_sha) into the quarantine, once."""
        cursor = self._connection.execute(
            "INSERT INTO quarantine (problem, site, gate, epoch, seq, topic, body, body_sha, error,"
            " received_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (*row, error, received_at_ms),
        )
        self._quarantined += cursor.rowcount


def _placed(chain: ChainKey, seq: int) -> tuple[str, str, str, int]:
    return (chain.site, chain.gate, chain.epoch, seq)


def _state_at_ms(at: str | None, received_at_ms: int) -> int | None:
    """Return when a state was made, in ms: never after it was received, whatever its clock says."""
    if at is None:
        return None
    try:
        return min(to_ms(at), received_at_ms)
    except WireError:
        return None
