"""What became of every event that was answered for: the counts that a run ends with."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gated.ledger.reader import LedgerReader
from gated.ledger.verify import verify_chain
from gated.wire import GENESIS, chain_hash, parse_json
from tests.faults.book import Book, Told
from tests.faults.gate import Gate

_ALL = 10**9


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of one run.

    ``lost``: answered for, and not at the collector as it was recorded. ``doubled``: one event as
    two rows, or one number given to two events. ``breaks``: places where a chain does not verify,
    at the gate or at the collector, or where the two differ. ``aside``: answered for, and kept only
    in a ledger that was set aside or in the collector's quarantine. ``quarantined``: what the
    collector noted there. ``injected``: how often the run broke something.
    """

    acknowledged: int
    lost: int
    doubled: int
    breaks: int
    aside: int
    quarantined: int
    injected: int

    def is_sound(self, *, may_quarantine: bool = False, may_set_aside: bool = False) -> bool:
        """Return whether nothing was lost, doubled or broken, and nothing unexpected put aside."""
        if self.lost or self.doubled or self.breaks or not self.acknowledged:
            return False
        return (may_quarantine or not self.quarantined) and (may_set_aside or not self.aside)


@dataclass(frozen=True, slots=True)
class Row:
    """A record as the collector has it."""

    body: bytes | None
    chain: bytes | None


class Database(Protocol):
    """A collector's database, whichever kind it is."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]: ...


def judge(gates: Sequence[Gate], centre: Database, injected: int) -> Tally:
    """Return the counts of a run whose processes have ended, or at least rest.

    Each gate must have a book of its own: two cards may give one number to two events.
    """
    rows, kept, quarantined = read_collector(centre)
    aside = set(kept)
    breaks = centre_breaks(rows)
    for gate in gates:
        breaks += gate_breaks(gate, rows)
        for path in gate.set_aside():
            aside |= bodies_in(path)
    all_told = [told for gate in gates for told in gate.book.told]
    lost = put_aside = 0
    for told in all_told:
        row = rows.get((told.epoch, told.seq))
        if row is not None and row.body is not None and is_body_of(row.body, told):
            continue
        if any(is_body_of(body, told) for body in aside):
            put_aside += 1
        else:
            lost += 1
    return Tally(
        acknowledged=len(all_told),
        lost=lost,
        doubled=doubled_rows(rows) + sum(doubled_numbers(gate.book) for gate in gates),
        breaks=breaks,
        aside=put_aside,
        quarantined=quarantined,
        injected=injected,
    )


def read_collector(centre: Database) -> tuple[dict[tuple[str, int], Row], set[bytes], int]:
    """Return (the records, the bodies in the quarantine, how much is in the quarantine)."""
    rows = {
        (epoch, seq): Row(body, chain)
        for epoch, seq, body, chain in centre.rows("SELECT epoch, seq, body, chain FROM record")
    }
    noted = centre.rows("SELECT body FROM quarantine")
    return rows, {body for (body,) in noted if body is not None}, len(noted)


def is_body_of(body: bytes, told: Told) -> bool:
    """Return whether ``body`` is that of the event ``told``."""
    # Every name is followed by a quote in the body: v1-1 is not found in v1-10.
    if f'"{told.name}"'.encode() not in body:
        return False
    said = parse_json(body)
    place = (said["epoch"], said["seq"], said["kind"], said["visit_id"])
    return place == (told.epoch, told.seq, told.kind, told.name)


def doubled_numbers(book: Book) -> int:
    """Return how many numbers one ledger gave to two events."""
    numbers = Counter((told.epoch, told.seq) for told in book.told)
    return sum(times - 1 for times in numbers.values())


def doubled_rows(rows: dict[tuple[str, int], Row]) -> int:
    """Return how many events have a second row at the collector."""
    named: Counter[tuple[object, object]] = Counter()
    for row in rows.values():
        if row.body is not None:
            said = parse_json(row.body)
            named[said["kind"], said.get("visit_id")] += 1
    return sum(times - 1 for times in named.values())


def centre_breaks(rows: dict[tuple[str, int], Row]) -> int:
    """Return at how many places the collector's chains do not verify, or have a hole."""
    breaks = 0
    for epoch in {epoch for epoch, _ in rows}:
        digest, seqs = GENESIS, sorted(seq for of, seq in rows if of == epoch)
        for expected, seq in enumerate(seqs, 1):
            row = rows[epoch, seq]
            if seq != expected or row.body is None:
                return breaks + 1
            breaks += parse_json(row.body)["prev"] != digest[:8].hex()
            digest = chain_hash(digest, seq, row.body)
            breaks += row.chain != digest
    return breaks


def gate_breaks(gate: Gate, rows: dict[tuple[str, int], Row]) -> int:
    """Return at how many places the gate's chain does not verify, or differs from the centre's."""
    with contextlib.closing(LedgerReader(gate.ledger_path)) as reader:
        breaks = 0 if verify_chain(reader).ok else 1
        epoch, anchor = reader.identity().epoch, reader.bounds().anchor
        if anchor.seq:
            row = rows.get((epoch, anchor.seq))
            breaks += row is None or row.chain != anchor.hash
        for event in reader.after(0, _ALL):
            row = rows.get((epoch, event.seq))
            breaks += row is None or (row.body, row.chain) != (event.body, event.hash)
    return breaks


def bodies_in(path: Path) -> set[bytes]:
    """Return what can be read of a ledger that was set aside."""
    with contextlib.closing(LedgerReader(path)) as reader:
        return {event.body for event in reader.after(0, _ALL)}
