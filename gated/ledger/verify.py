"""Recomputing the chain: what was changed, removed or put in another order shows."""

from __future__ import annotations

from dataclasses import dataclass

from gated.errors import LedgerCorrupt, WireError
from gated.ledger.drafts import OUTCOME_MEMBERS
from gated.ledger.reader import LedgerReader, StoredEvent
from gated.wire import chain_hash, commit_to_holder, parse_json

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What verification found. ``checked`` events were sound before the first bad one."""

    ok: bool
    checked: int
    first_bad_seq: int | None = None
    reason: str = ""


def verify_chain(reader: LedgerReader) -> ChainReport:
    """Return whether every event from the anchor to the newest number given is as recorded.

    A deleted person link breaks nothing; one that was changed does.

    Raises: StorageError.
    """
    epoch = reader.identity().epoch
    bounds = reader.bounds()
    seq, digest = bounds.anchor
    checked = 0
    while seq < bounds.newest_seq:
        try:
            events = reader.after(seq, min(_CHUNK, bounds.newest_seq - seq))
        except LedgerCorrupt as exc:
            return ChainReport(False, checked, seq + 1, str(exc))
        if not events:
            return ChainReport(False, checked, seq + 1, f"missing up to {bounds.newest_seq}")
        for event in events:
            reason = _fault(event, epoch, seq, digest)
            if reason:
                return ChainReport(False, checked, seq + 1, reason)
            seq, digest = event.seq, event.hash
            checked += 1
    return ChainReport(True, checked)


def _fault(event: StoredEvent, epoch: str, prev_seq: int, prev: bytes) -> str:
    """Return what is wrong with ``event`` as the one after ``prev_seq``, "" if nothing is."""
    if event.seq != prev_seq + 1:
        return f"missing up to {event.seq - 1}"
    if chain_hash(prev, event.seq, event.body) != event.hash:
        return "the body or the hash was changed"
    try:
        body = parse_json(event.body)
    except WireError as exc:
        return f"the body cannot be read: {exc}"
    said = {"epoch": epoch, "seq": event.seq, "prev": prev[:8].hex()}
    said |= {"kind": event.kind, "visit_id": event.visit_id}
    outcome = next((name for name in OUTCOME_MEMBERS if name in body), "outcome")
    for member, value in {**said, outcome: event.outcome}.items():
        if body.get(member) != value:
            return f"{member} is not {value}, as its place says"
    if event.link is not None and body.get("holder_commitment") != commit_to_holder(event.link):
        return "the person link is not the one that the body commits to"
    return ""
