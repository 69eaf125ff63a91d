"""Reads one message: which chain and number it is, what it says, or why it cannot be read. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from gated.clock import TimeQuality
from gated.collector.store import Arrival, ChainKey
from gated.errors import WireError
from gated.received import parse_members
from gated.uses import GateUses, parse_gate_uses
from gated.wire import (
    USES,
    GateState,
    PersonLink,
    commit_to_holder,
    parse_gate_topic,
    parse_json,
    split_link,
)

UNREADABLE_KIND = "unreadable"
"""Stands in place of a kind for a record that is only counted; never a kind on the wire."""
DAY_MS = 86_400_000
_EPOCH = re.compile(r"^[a-z2-7]{16}$")
_HASH = re.compile(r"^[0-9a-f]{64}$")
_INT_END = 2**63
"""A store's integers have 64 bits; JSON's have no end."""
_MAX_ERROR_CHARACTERS = 200


class Extract(NamedTuple):
    """The members that reports and the page ask for, each a column of its own.

    Each has the name of its column in a store's ``record`` table.
    """

    at_ms: int
    at: str
    time_quality: str
    boot: int
    boot_ms: int
    mode: str
    drill: bool
    visit_id: str | None = None
    direction: str | None = None
    outcome: str | None = None
    reason: str | None = None
    would_have: str | None = None
    follow_up: str | None = None
    body_c: float | None = None
    threshold_c: float | None = None
    attempt: int | None = None
    holder_category: str | None = None
    holder_group: str | None = None
    result: str | None = None
    alarm: str | None = None
    device: str | None = None


_FROM_CONTENT = Extract._fields[Extract._fields.index("visit_id") :]


class Readable(NamedTuple):
    """A record that will be stored."""

    chain: ChainKey
    seq: int
    kind: str
    body: bytes
    body_sha: bytes
    prev: bytes  # the first 8 bytes of h(seq - 1), as the gate says
    extract: Extract
    link: PersonLink | None
    link_error: str | None = None  # a link came along, but does not open the body's commitment


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that goes to the quarantine. With chain and seq it is counted in its chain."""

    site: str
    gate: str
    chain: ChainKey | None
    seq: int | None
    raw: bytes
    body_sha: bytes  # without the link, where one can be split off
    error: str


@dataclass(frozen=True, slots=True)
class StateSeen:
    """A gate's birth, or its last will."""

    site: str
    gate: str
    state: GateState
    anchor: bytes | None  # h(oldest_seq - 1)


@dataclass(frozen=True, slots=True)
class UsesSeen:
    """A gate's message about uses of passes."""

    site: str
    gate: str
    told: GateUses


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing that is kept."""

    why: str


Intake = Readable | Unreadable | StateSeen | UsesSeen | Ignored


def read_arrival(arrival: Arrival) -> Intake:
    """Return what ``arrival`` is. Never raises for anything that a network can bring."""
    try:
        topics, branch, kind = parse_gate_topic(arrival.topic)
    except WireError as exc:
        return Ignored(str(exc))
    if branch == "rec":
        return _read_record(arrival, topics.site, topics.gate, kind)
    if branch == "state":
        return _read_state(arrival, topics.site, topics.gate)
    if branch == USES:
        try:
            return UsesSeen(topics.site, topics.gate, parse_gate_uses(arrival.payload))
        except WireError as exc:
            return Ignored(str(exc))
    return Ignored("neither a record nor a state")


def refuse(arrival: Arrival, error: str) -> Intake:
    """Return ``arrival`` as a message that cannot be kept, whatever it says."""
    try:
        topics, branch, _ = parse_gate_topic(arrival.topic)
    except WireError as exc:
        return Ignored(str(exc))
    if branch != "rec":
        return Ignored(error)
    return _set_aside(arrival, topics.site, topics.gate, error)


def _read_record(arrival: Arrival, site: str, gate: str, kind: str) -> Readable | Unreadable:
    try:
        body, link = split_link(arrival.payload)
        record = parse_members(body)
        if (record["site"], record["gate"]) != (site, gate):
            raise WireError("the body names another gate than the topic")
        if record["kind"] != kind:
            raise WireError("the body is of another kind than the topic")
        extract = _extract(record, body)
    except WireError as exc:
        return _set_aside(arrival, site, gate, str(exc))
    link_error = None
    if link is not None and not _opens(link, record.get("holder_commitment")):
        link, link_error = None, "the link does not open the body's commitment"
    return Readable(
        chain=ChainKey(site, gate, record["epoch"]),
        seq=record["seq"],
        kind=kind,
        body=body,
        body_sha=hashlib.sha256(body).digest(),
        prev=bytes.fromhex(record["prev"]),
        extract=extract,
        link=link,
        link_error=link_error,
    )


def _opens(link: PersonLink, commitment: object) -> bool:
    is_text = _is_storable(link.holder_ref) and _is_storable(link.salt)
    return is_text and commit_to_holder(link) == commitment


def _extract(record: Mapping[str, Any], body: bytes) -> Extract:
    at: str = record["at"]
    # What its kind does not have is not among the members: nobody has checked it.
    values = [record.get(name) for name in _FROM_CONTENT]
    # Only an escape can spell half a surrogate pair or a NUL: nearly every body is spared the look.
    if b"\\u" in body and not all(_is_storable(v) for v in (at, *values) if isinstance(v, str)):
        raise WireError("half of a surrogate pair, or a NUL")
    for number in (record["boot"], record["boot_ms"], record.get("attempt", 0)):
        if not -_INT_END <= number < _INT_END:
            raise WireError("an integer out of range")
    return Extract(
        to_ms(at),
        at,
        record["time_quality"],
        record["boot"],
        record["boot_ms"],
        record["mode"],
        record["drill"],
        *values,
    )


def _is_unicode(text: str) -> bool:
    """Return whether ``text`` can be stored: JSON can spell half a surrogate pair."""
    return text.isascii() or text.encode(errors="replace").decode() == text


def _is_storable(text: str) -> bool:
    """Return whether every store can keep ``text``: PostgreSQL's text knows no NUL."""
    return "\0" not in text and _is_unicode(text)


def _set_aside(arrival: Arrival, site: str, gate: str, error: str) -> Unreadable:
    """Return ``arrival`` for the quarantine, placed by its user properties or by its body."""
    epoch: object = arrival.epoch
    seq: object = arrival.seq
    if epoch is None or seq is None:  # a bridge to MQTT 3 drops user properties
        epoch, seq = _place_in(arrival.payload)
    chain = None
    if isinstance(epoch, str) and _EPOCH.fullmatch(epoch) is not None:
        chain = ChainKey(site, gate, epoch)
    # type(): true is an int to isinstance
    if chain is None or type(seq) is not int or not 0 < seq < _INT_END:
        chain, seq = None, None
    return Unreadable(
        site=site,
        gate=gate,
        chain=chain,
        seq=seq,
        raw=arrival.payload,
        body_sha=hashlib.sha256(_without_link(arrival.payload)).digest(),
        error=error[:_MAX_ERROR_CHARACTERS].encode(errors="replace").decode().replace("\0", "?"),
    )


def _without_link(payload: bytes) -> bytes:
    """Return what the gate has hashed: of a newer gate's message the body, else all of it."""
    try:
        return split_link(payload)[0]
    except WireError:
        return payload


def _place_in(payload: bytes) -> tuple[object, object]:
    """Return what stands for epoch and seq in a body that is refused, however odd the rest is."""
    try:
        raw = json.loads(payload)
    except (ValueError, RecursionError):
        return None, None
    return (raw.get("epoch"), raw.get("seq")) if isinstance(raw, dict) else (None, None)


def _read_state(arrival: Arrival, site: str, gate: str) -> StateSeen | Ignored:
    if not arrival.payload:
        return Ignored("a cleared state")
    try:
        state = GateState.model_validate(parse_json(arrival.payload))
    except (WireError, ValidationError):
        return Ignored("a state that cannot be read")
    if (state.site, state.gate) != (site, gate):
        return Ignored("a state that names another gate than its topic")
    numbers = (state.session, state.backlog, state.oldest_seq, state.newest_seq)
    if any(n is not None and not 0 <= n < _INT_END for n in numbers):
        return Ignored("a state with a number out of range")
    if state.epoch is not None and _EPOCH.fullmatch(state.epoch) is None:
        return Ignored("a state whose epoch is none")
    if not all(_is_unicode(text) for item in state.devices.items() for text in item):
        return Ignored("a state with half of a surrogate pair")
    has_anchor = state.anchor is not None and _HASH.fullmatch(state.anchor) is not None
    return StateSeen(site, gate, state, bytes.fromhex(state.anchor or "") if has_anchor else None)


def to_ms(at: str) -> int:
    """Return an RFC 3339 time in whole ms since 1970. Raises: WireError: no time, or no offset."""
    try:
        moment = datetime.fromisoformat(at)
        at_ms = round(moment.timestamp() * 1_000)
    except (ValueError, OverflowError) as exc:
        raise WireError("at: not a time") from exc
    if moment.tzinfo is None:
        raise WireError("at: no offset from UTC")
    return at_ms


def link_expires_at_ms(extract: Extract, received_at_ms: int, keep_days: int) -> int:
    """Return when the person link of a record must be gone, in ms since 1970.

    A gate's clock can be wrong: a time in the future must not keep a link longer, and a time that
    is known to be wrong counts for nothing.
    """
    is_known = extract.time_quality != TimeQuality.UNKNOWN
    start_ms = min(extract.at_ms, received_at_ms) if is_known else received_at_ms
    return start_ms + keep_days * DAY_MS
