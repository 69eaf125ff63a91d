"""Quarantined messages tried again, after an update that can read them: a store's own transaction.

Only what *could not be read* is tried again. A conflict stays what it is: the body that came first
keeps its number for ever. Acks are never moved back for it: the gate would not believe one, and
need not, since the message is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gated.collector.archive import QuarantineRow
from gated.collector.batch import Batch
from gated.collector.batch_tables import BatchTables, Writes
from gated.collector.chain import Head, advance
from gated.collector.intake import Readable, read_arrival
from gated.collector.store import Arrival, ChainKey, Problem
from gated.wire import GENESIS


class RequeueTables(BatchTables, Protocol):
    """What trying again needs beside a batch."""

    def hash_of(self, chain: ChainKey, seq: int) -> bytes | None:
        """Return h(seq) as it is stored."""
        ...

    def remove_unreadable(self, chain: ChainKey, seq: int) -> bool:
        """Delete the row that only counted a message; return whether there was one."""
        ...

    def settle(self, row_id: int) -> None:
        """Take a row of the quarantine as settled."""
        ...

    def settle_breaks(self, chain: ChainKey, seqs: Sequence[int]) -> None:
        """Settle what was noted as a break of the chain at ``seqs``."""
        ...


@dataclass(frozen=True, slots=True)
class Requeued:
    """What became of the quarantine."""

    read: int = 0  # they are records now
    still_unreadable: int = 0
    erased: int = 0  # their bytes are gone with the person links: nothing is left to read
    left: int = 0  # other problems, for people to look at


def requeue(
    tables: RequeueTables, rows: Sequence[QuarantineRow], *, keep_person_days: int
) -> Requeued:
    """Try each of ``rows`` again; return what became of them. The caller commits, or does not."""
    tables.hold(sorted({row.chain.lane for row in rows}), ())
    read = still = erased = left = 0
    for row in rows:
        if row.problem is not Problem.UNREADABLE:
            left += 1
        elif row.body is None:
            erased += 1
        elif _try_again(tables, row, row.body, keep_person_days):
            tables.settle(row.id)
            read += 1
        else:
            still += 1
    return Requeued(read, still, erased, left)


def _try_again(
    tables: RequeueTables, row: QuarantineRow, body: bytes, keep_person_days: int
) -> bool:
    """Return whether the message is a record now, or a second copy of one."""
    chain, seq = row.chain, row.seq
    is_placed = chain.epoch != "" and seq > 0
    place = (chain.epoch, seq) if is_placed else (None, None)
    arrival = Arrival(row.topic, body, row.received_at_ms, *place)
    intake = read_arrival(arrival)
    if not isinstance(intake, Readable) or (
        is_placed and (intake.chain, intake.seq) != (chain, seq)
    ):
        return False  # also a message that names another place than the one that it was counted in
    was_counted = is_placed and tables.remove_unreadable(chain, seq)
    Batch(tables, keep_person_days=keep_person_days).ingest([(arrival, intake)])
    if was_counted:
        _follow(tables, chain, seq)
    return True


def _follow(tables: RequeueTables, chain: ChainKey, first: int) -> None:
    """Compute the chain anew from ``first`` on: it was built on the hash of the raw message."""
    stored = tables.hold([chain.lane], [chain]).chains.get(chain)
    before = GENESIS if first == 1 else tables.hash_of(chain, first - 1)
    if stored is None or before is None or first > stored.head.upto:
        return  # beyond a hole nothing was computed yet; behind one, nobody knows h(first - 1)
    head, upto = Head(first - 1, before), stored.head.upto
    found = advance(head, lambda seq: tables.step(chain, seq) if seq <= upto else None)
    tables.set_hashes(chain, found.hashes)
    tables.settle_breaks(chain, [seq for seq in found.hashes if seq not in found.breaks])
    if head.upto == upto:
        stored.head.hash = head.hash
        tables.write(Writes(chains={chain: stored}))
