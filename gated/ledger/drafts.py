"""Drafts made ready for one transaction: encoded, chained, and the impossible ones refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gated.errors import WireError
from gated.ledger.making import Origin
from gated.ledger.opening import Tail
from gated.wire import Draft, Place, chain_hash, encode_body

OUTCOME_MEMBERS = ("outcome", "result", "alarm")
"""What the column ``outcome`` holds, by kind: visit, passage and release, alarm."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A draft that can never be recorded, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A draft at its place, ready to be inserted."""

    draft: Draft
    seq: int
    at_ms: int
    outcome: str | None
    visit_id: str | None
    body: bytes
    hash: bytes


def prepare(
    drafts: Sequence[Draft], origin: Origin, tail: Tail
) -> tuple[list[Prepared | Refused], list[Prepared]]:
    """Return (an answer for each draft, those that can be inserted), numbered on from ``tail``."""
    answers: list[Prepared | Refused] = []
    prepared: list[Prepared] = []
    seq, prev = tail.seq, tail.hash
    for draft in drafts:
        place = Place(origin.site, origin.gate, tail.epoch, seq + 1, tail.boot, prev)
        try:
            entry = _prepare_one(draft, place)
        except (WireError, ValueError, OverflowError) as exc:
            answers.append(Refused(str(exc)))
            continue
        answers.append(entry)
        prepared.append(entry)
        seq, prev = entry.seq, entry.hash
    return answers, prepared


def _prepare_one(draft: Draft, place: Place) -> Prepared:
    """Raises: ValueError: it cannot be encoded, or its side fields make no sense."""
    content = draft.content
    visit_id = getattr(content, "visit_id", None)
    if draft.use is not None and visit_id is None:
        raise ValueError("a use of a pass needs a visit")
    for text in (
        draft.link and draft.link.holder_ref,
        draft.link and draft.link.salt,
        draft.use and draft.use.pass_ref,
        draft.gives_back_use_of,
        draft.opens_visit,
        draft.closes_visit,
    ):
        (text or "").encode()  # a lone surrogate fails here, alone, and not inside the transaction
    body = encode_body(draft, place)
    outcome = next((getattr(content, m) for m in OUTCOME_MEMBERS if hasattr(content, m)), None)
    return Prepared(
        draft=draft,
        seq=place.seq,
        at_ms=_milliseconds(draft.stamp.at),
        outcome=None if outcome is None else str(outcome.value),
        visit_id=visit_id,
        body=body,
        hash=chain_hash(place.prev, place.seq, body),
    )


def _milliseconds(at: str) -> int:
    """Return an RFC 3339 time in ms since 1970. Raises: ValueError."""
    when = datetime.fromisoformat(at)
    if when.tzinfo is None:
        raise ValueError(f"{at} has no offset from UTC")
    return round(when.timestamp() * 1_000)
