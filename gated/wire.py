"""What crosses the network: records, their chain, topics, acks and states. Pure.

A **body** is flat JSON in UTF-8, frozen at commit: every resend is identical. A **message** is the
body with, beside it, the deletable person link as its last member. The chain covers bodies only::

    h(n) = SHA-256(h(n-1) ‖ seq as 8 bytes, big-endian ‖ SHA-256(body))

Reference: docs/mqtt-reference.md. Other ingesters dedupe on (gate, epoch, seq).
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from gated.clock import TimeQuality
from gated.contents import Content
from gated.errors import WireError
from gated.vocabulary import Direction, Mode

WIRE_VERSION = 1
MAX_BODY_BYTES = 16_384
"""The cap on a record at commit. Brokers may refuse more than 20,480 bytes of packet."""
GENESIS = bytes(32)
"""h(0): what the first event of an epoch is chained to."""
HAVE_RANGES = 32
"""An ack names at most this many ranges beyond ``upto``."""
_LINK_MARK = b',"link":{'
_LINK_END = b"}}"
_QUOTED = json.encoder.encode_basestring_ascii
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


# --- drafts: what is handed to the ledger ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something was decided, and under which rules."""

    at: str  # RFC 3339 with the gate's offset, milliseconds
    time_quality: TimeQuality
    boot_ms: int
    mode: Mode
    drill: bool
    rules: str
    software: str


@dataclass(frozen=True, slots=True)
class PersonLink:
    """The deletable opening of a record's ``holder_commitment``."""

    holder_ref: str
    salt: str  # 16 random bytes in base64url, without padding


@dataclass(frozen=True, slots=True)
class PassUse:
    """One use of a pass, written in the same transaction as the decision that grants it."""

    pass_ref: str
    direction: Direction
    code_made_s: int | None = None  # of a changing code: it opens once, whatever comes of the visit


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has a seq. The last fields ride in the same transaction."""

    content: Content
    stamp: Stamp
    link: PersonLink | None = None
    use: PassUse | None = None  # needs content.visit_id
    gives_back_use_of: str | None = None  # visit_id whose use is returned (nobody passed)
    opens_visit: str | None = None  # visit_id that now waits for its passage outcome
    closes_visit: str | None = None  # visit_id whose passage outcome this is


# --- bodies and messages --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event sits in its ledger."""

    site: str
    gate: str
    epoch: str
    seq: int
    boot: int
    prev: bytes  # h(seq - 1)


def encode_body(draft: Draft, place: Place) -> bytes:
    """Return the frozen body of ``draft`` at ``place``.

    Raises:
        WireError: if it would exceed MAX_BODY_BYTES.
        ValueError: for a number that is not finite, and half of a surrogate pair.
    """
    stamp = draft.stamp
    record: dict[str, Any] = {
        "v": WIRE_VERSION,
        "kind": draft.content.kind.value,
        "site": place.site,
        "gate": place.gate,
        "epoch": place.epoch,
        "seq": place.seq,
        "at": stamp.at,
        "time_quality": stamp.time_quality.value,
        "boot": place.boot,
        "boot_ms": stamp.boot_ms,
        **draft.content.members(),
        "mode": stamp.mode.value,
        "drill": stamp.drill,
        "rules": stamp.rules,
        "software": stamp.software,
        "prev": place.prev[:8].hex(),
    }
    body = to_json(record)  # half the time of json.dumps
    if b"NaN" in body or b"Infinity" in body:
        json.dumps(record, allow_nan=False)  # refuses the number, and not the word in a text
    if len(body) > MAX_BODY_BYTES:
        raise WireError(
            f"a {draft.content.kind} record of {len(body)} bytes exceeds {MAX_BODY_BYTES}"
        )
    return body


def chain_hash(prev: bytes, seq: int, body: bytes) -> bytes:
    """Return h(seq), 32 bytes."""
    return hashlib.sha256(prev + seq.to_bytes(8, "big") + hashlib.sha256(body).digest()).digest()


def commit_to_holder(link: PersonLink) -> str:
    """Return the salted commitment that stands in the body: 64 bits in base64url."""
    digest = hashlib.sha256(f"{link.salt}\0{link.holder_ref}".encode()).digest()
    return urlsafe_b64encode(digest[:8]).rstrip(b"=").decode()


def join_link(body: bytes, link: PersonLink | None) -> bytes:
    """Return the message: ``body`` with ``link`` beside it, or the body alone."""
    if link is None:
        return body
    holder_ref, salt = _QUOTED(link.holder_ref), _QUOTED(link.salt)
    return body[:-1] + f',"link":{{"holder_ref":{holder_ref},"salt":{salt}}}}}'.encode()


def split_link(message: bytes) -> tuple[bytes, PersonLink | None]:
    """Return (body, link) of a message, byte for byte as it was joined.

    The mark cannot occur inside a JSON string, where its quotes would be escaped.

    Raises: WireError: if what follows the mark is not a link.
    """
    at = message.rfind(_LINK_MARK)
    if at < 0:
        return message, None
    if not message.endswith(_LINK_END):
        raise WireError("a link that is not the last member")
    raw = parse_json(message[at + len(_LINK_MARK) - 1 : -1])
    holder_ref, salt = raw.get("holder_ref"), raw.get("salt")
    if not (isinstance(holder_ref, str) and isinstance(salt, str)):
        raise WireError("a link without holder_ref and salt")
    return message[:at] + b"}", PersonLink(holder_ref, salt)


def _refuse(constant: str) -> float:
    raise WireError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise WireError("a number out of range")
    return value


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise WireError("a name twice in one object")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique)


def parse_json(data: bytes) -> dict[str, Any]:
    """Return the JSON object in ``data``.

    Strict where readers differ: of two members of one name some take the first and some the last,
    and half of a surrogate pair can be spelled but not stored.

    Raises: WireError: not UTF-8, not JSON, not an object, NaN or infinity, a name twice, half of a
        surrogate pair, too deep.
    """
    try:
        value = _DECODER.decode(data.decode())
        if _SURROGATE.search(data) is not None:
            json.dumps(value, ensure_ascii=False).encode()
    except WireError:
        raise
    except (ValueError, RecursionError) as exc:
        raise WireError("not JSON") from exc
    if not isinstance(value, dict):
        raise WireError("not a JSON object")
    return value


# --- acks, states, topics -------------------------------------------------------------------------


class Ack(BaseModel):
    """What the collector has stored for one gate and epoch. Retained; only this frees a backlog."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    v: Literal[1] = 1
    collector: str
    collector_epoch: str  # changes when the collector's store is new or restored
    epoch: str
    upto: Annotated[int, Field(ge=0, lt=2**63)]  # every seq up to here is stored
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # h(upto)
    have: tuple[tuple[int, int], ...] = ()  # closed ranges beyond upto
    at: str


class GateState(BaseModel):
    """The retained birth and last will of a gate. A will carries ``online: false``."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    v: Literal[1] = 1
    online: bool
    session: int  # in birth and will alike: a late will cannot overwrite a newer birth
    site: str
    gate: str
    epoch: str | None = None
    backlog: int | None = None
    oldest_seq: int | None = None  # the oldest event still kept
    anchor: str | None = None  # h(oldest_seq - 1), hex
    newest_seq: int | None = None
    mode: Mode | None = None
    drill: bool | None = None
    devices: dict[str, str] = {}
    threshold_c: float | None = None
    software: str | None = None
    boot_nonce: str | None = None
    at: str | None = None


class CollectorState(BaseModel):
    """The retained birth and last will of a collector."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    online: bool
    session: int
    collector: str
    collector_epoch: str | None = None
    at: str | None = None


TOPIC_ROOT = "gates/v1"
COLLECTOR = "collector"
"""Reserved in place of a site: collectors' own states live below it."""
USES = "uses"
"""Reserved in place of a gate: what a collector tells a site's gates lives below it."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_GATE_TOPIC = re.compile(
    rf"{TOPIC_ROOT}/(?P<site>{_NAME.pattern})/(?P<gate>{_NAME.pattern})"
    r"/(?:rec/(?P<kind>[a-z_]{1,32})|(?P<branch>live|state|ack|cmd|resp|uses))"
)


@dataclass(frozen=True, slots=True)
class GateTopics:
    """The topics of one gate."""

    site: str
    gate: str

    @property
    def root(self) -> str:
        return f"{TOPIC_ROOT}/{self.site}/{self.gate}"

    def record(self, kind: str) -> str:
        return f"{self.root}/rec/{kind}"

    @property
    def live(self) -> str:
        return f"{self.root}/live"

    @property
    def state(self) -> str:
        return f"{self.root}/state"

    @property
    def ack(self) -> str:
        return f"{self.root}/ack"

    @property
    def uses(self) -> str:
        return f"{self.root}/{USES}"

    @property
    def command(self) -> str:
        return f"{self.root}/cmd"

    @property
    def response(self) -> str:
        return f"{self.root}/resp"

    def part(self, command_id: str, number: int | str) -> str:
        """Return the topic of one part of the diagnostics that a command asked for; "+": of all."""
        return f"{self.root}/diag/{command_id}/{number}"


ALL_RECORDS = f"{TOPIC_ROOT}/+/+/rec/+"
ALL_STATES = f"{TOPIC_ROOT}/+/+/state"
ALL_USES = f"{TOPIC_ROOT}/+/+/{USES}"
ALL_LIVE = f"{TOPIC_ROOT}/+/+/live"


def collector_state_topic(collector: str) -> str:
    return f"{TOPIC_ROOT}/{COLLECTOR}/{collector}/state"


def is_name(text: str) -> bool:
    """Return whether ``text`` may stand in a topic as a site, gate or collector name."""
    return _NAME.fullmatch(text) is not None


@functools.lru_cache(maxsize=4_096)  # each gate says its few topics again and again
def parse_gate_topic(topic: str) -> tuple[GateTopics, str, str]:
    """Return (gate's topics, branch, kind) of a topic below a gate; kind is "" but for ``rec``.

    Raises: WireError: for any other topic.
    """
    match = _GATE_TOPIC.fullmatch(topic)
    if match is None or match["site"] == COLLECTOR or match["gate"] == USES:
        raise WireError("not a gate's topic")
    branch = match["branch"]
    kind = match["kind"] or ""
    return GateTopics(match["site"], match["gate"]), "rec" if kind else branch, kind
