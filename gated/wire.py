"""What crosses the network: records, their chain, topics, acks and states. Pure.

A **body** is flat JSON in UTF-8, frozen at commit: every resend is identical. A **message** is the
body with, beside it, the deletable person link as its last member. The chain covers bodies only::

    h(n) = SHA-256(h(n-1) ‖ seq as 8 bytes, big-endian ‖ SHA-256(body))

Reference: docs/mqtt-reference.md. Other ingesters dedupe on (gate, epoch, seq).
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gated.clock import TimeQuality
from gated.errors import WireError
from gated.messages import (
    CodeColour,
    CredentialStatus,
    Direction,
    HolderCategory,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
)

WIRE_VERSION = 1
MAX_BODY_BYTES = 16_384
"""The cap on a record at commit. Brokers may refuse more than 20,480 bytes of packet."""
GENESIS = bytes(32)
"""h(0): what the first event of an epoch is chained to."""
_LINK_MARK = b',"link":{'


class Kind(enum.StrEnum):
    """The kinds of record; each has its own topic."""

    VISIT = "visit"
    PASSAGE = "passage"
    RELEASE = "release"
    ALARM = "alarm"
    MODE = "mode"
    CONFIG = "config"
    CLOCK = "clock"
    BOOT = "boot"
    HEALTH = "health"


class AlarmName(enum.StrEnum):
    """What an alarm record says."""

    TEMPERATURE_HIGH = "temperature_high"
    LISTED_PERSON = "listed_person"
    CODE_RED_OR_YELLOW = "code_red_or_yellow"
    STAFF_CALLED = "staff_called"
    PASSAGE_FORCED = "passage_forced"
    HELD_OPEN = "held_open"
    DEVICE_LOST = "device_lost"
    DEVICE_RETURNED = "device_returned"
    SCANNER_LOST = "scanner_lost"
    SCANNER_RETURNED = "scanner_returned"
    LEDGER_RECOVERED = "ledger_recovered"
    LEDGER_FULL = "ledger_full"
    CHAIN_MISMATCH = "chain_mismatch"
    CODE_REFUSED_REPEATEDLY = "code_refused_repeatedly"
    COMMAND_REFUSED = "command_refused"


# --- contents: what the decider says; one class per kind ------------------------------------------


class Content(BaseModel):
    """The part of a record that its kind defines. Frozen; NaN and infinities are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: ClassVar[Kind]


class VisitContent(Content):
    kind: ClassVar[Kind] = Kind.VISIT
    visit_id: str
    group_id: str | None = None
    direction: Direction
    outcome: Outcome
    reason: Reason | None
    reasons: tuple[Reason, ...] = ()
    noted: tuple[Reason, ...] = ()
    would_have: Outcome | None = None
    prompt: Prompt
    body_c: float | None = None
    skin_c: float | None = None
    ambient_c: float | None = None
    distance_m: float | None = None
    samples: int = 0
    spread_c: float | None = None
    attempt: int = 0
    readings_c: tuple[float, ...] = ()
    verdict: str | None = None
    temperature_quality: str | None = None
    thermometer: str | None = None
    calibration: str | None = None
    threshold_c: float
    threshold_inclusive: bool
    credential_status: CredentialStatus | None = None
    credential_format: str = "none"
    code_colour: CodeColour = CodeColour.NONE
    holder_commitment: str | None = None
    holder_category: HolderCategory | None = None
    holder_group: str | None = None
    follow_up: str | None = None
    took_ms: int = 0


class PassageContent(Content):
    kind: ClassVar[Kind] = Kind.PASSAGE
    visit_id: str | None
    result: PassageResult
    reason: Reason | None = None
    took_ms: int | None = None


class ReleaseContent(Content):
    kind: ClassVar[Kind] = Kind.RELEASE
    visit_id: str
    result: ReleaseResult
    contact_c: float | None = None
    holder_commitment: str | None = None  # of the member of staff who released
    released_by: Literal["staff_card", "key_switch"] = "staff_card"


class AlarmContent(Content):
    kind: ClassVar[Kind] = Kind.ALARM
    alarm: AlarmName
    visit_id: str | None = None
    device: str | None = None
    detail: str = Field(default="", max_length=200)


class ModeContent(Content):
    kind: ClassVar[Kind] = Kind.MODE
    to_mode: Mode
    to_drill: bool
    expires_at: str | None = None
    by: str = Field(max_length=64)


class ConfigContent(Content):
    kind: ClassVar[Kind] = Kind.CONFIG
    accepted: bool
    changed: tuple[str, ...] = ()  # key paths, never values of secrets
    detail: str = Field(default="", max_length=1_000)


class ClockContent(Content):
    kind: ClassVar[Kind] = Kind.CLOCK
    to_quality: TimeQuality
    step_ms: int | None = None


class BootContent(Content):
    kind: ClassVar[Kind] = Kind.BOOT
    boot_id: str
    ledger: Literal["opened", "new", "recovered", "forked"]
    previous_epoch: str | None = None
    detail: str = Field(default="", max_length=200)


class HealthContent(Content):
    kind: ClassVar[Kind] = Kind.HEALTH
    devices: dict[str, str]
    backlog: int
    rss_kb: int
    disk_free_kb: int


CONTENT_OF_KIND: dict[Kind, type[Content]] = {
    cls.kind: cls
    for cls in (
        VisitContent,
        PassageContent,
        ReleaseContent,
        AlarmContent,
        ModeContent,
        ConfigContent,
        ClockContent,
        BootContent,
        HealthContent,
    )
}


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

    Raises: WireError: if it would exceed MAX_BODY_BYTES.
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
        **draft.content.model_dump(mode="json"),
        "mode": stamp.mode.value,
        "drill": stamp.drill,
        "rules": stamp.rules,
        "software": stamp.software,
        "prev": place.prev[:8].hex(),
    }
    body = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if len(body) > MAX_BODY_BYTES:
        raise WireError(f"a {draft.content.kind} record of {len(body)} bytes exceeds {MAX_BODY_BYTES}")
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
    member = json.dumps({"holder_ref": link.holder_ref, "salt": link.salt}, separators=(",", ":"))
    return body[:-1] + b',"link":' + member.encode() + b"}"


def split_link(message: bytes) -> tuple[bytes, PersonLink | None]:
    """Return (body, link) of a message, byte for byte as it was joined.

    The mark cannot occur inside a JSON string, where its quotes would be escaped.

    Raises: WireError: if what follows the mark is not a link.
    """
    at = message.rfind(_LINK_MARK)
    if at < 0:
        return message, None
    try:
        raw = json.loads(message[at + len(_LINK_MARK) - 1 : -1])
        link = PersonLink(holder_ref=raw["holder_ref"], salt=raw["salt"])
        if not isinstance(link.holder_ref, str) or not isinstance(link.salt, str):
            raise TypeError("holder_ref and salt are strings")
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise WireError("a link that cannot be read") from exc
    return message[:at] + b"}", link


class Record(BaseModel):
    """The head of every record, as a receiver reads it. Later versions may add members."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    v: Literal[1]
    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    site: str
    gate: str
    epoch: Annotated[str, Field(pattern=r"^[a-z2-7]{16}$")]
    seq: Annotated[int, Field(ge=1, lt=2**63)]
    at: str
    time_quality: TimeQuality
    boot: int
    boot_ms: int
    mode: Mode
    drill: bool
    rules: str
    software: str
    prev: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]

    def member(self, name: str) -> Any:
        """Return a member that belongs to the record's kind, or None."""
        return (self.model_extra or {}).get(name)


def parse_json(data: bytes) -> dict[str, Any]:
    """Return the JSON object in ``data``.

    Raises: WireError: not UTF-8, not JSON, not an object, NaN or infinity, too deep.
    """

    def refuse(constant: str) -> float:
        raise WireError(f"{constant} is not JSON")

    def finite(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise WireError("a number out of range")
        return value

    try:
        value = json.loads(data, parse_constant=refuse, parse_float=finite)
    except WireError:
        raise
    except (ValueError, RecursionError) as exc:
        raise WireError("not JSON") from exc
    if not isinstance(value, dict):
        raise WireError("not a JSON object")
    return value


def parse_record(body: bytes) -> Record:
    """Return the record in ``body``. A known kind's own members are checked too.

    Raises: WireError: with the first thing that is wrong.
    """
    raw = parse_json(body)
    try:
        record = Record.model_validate(raw)
        content = CONTENT_OF_KIND.get(Kind(record.kind)) if record.kind in set(Kind) else None
        if content is not None:
            content.model_validate({k: v for k, v in raw.items() if k in content.model_fields})
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WireError(f"{where}: {first['msg']}") from exc
    return record


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
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")


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
    def command(self) -> str:
        return f"{self.root}/cmd"

    @property
    def response(self) -> str:
        return f"{self.root}/resp"


ALL_RECORDS = f"{TOPIC_ROOT}/+/+/rec/+"
ALL_STATES = f"{TOPIC_ROOT}/+/+/state"
ALL_LIVE = f"{TOPIC_ROOT}/+/+/live"


def collector_state_topic(collector: str) -> str:
    return f"{TOPIC_ROOT}/{COLLECTOR}/{collector}/state"


def is_name(text: str) -> bool:
    """Return whether ``text`` may stand in a topic as a site, gate or collector name."""
    return _NAME.fullmatch(text) is not None


def parse_gate_topic(topic: str) -> tuple[GateTopics, str, str]:
    """Return (gate's topics, branch, kind) of a topic below a gate; kind is "" but for ``rec``.

    Raises: WireError: for any other topic.
    """
    parts = topic.split("/")
    if parts[:2] != TOPIC_ROOT.split("/") or len(parts) not in (5, 6):
        raise WireError("not a gate's topic")
    site, gate, branch = parts[2], parts[3], parts[4]
    if site == COLLECTOR or not (is_name(site) and is_name(gate)):
        raise WireError("not a gate's topic")
    if (len(parts) == 6) != (branch == "rec"):
        raise WireError("not a gate's topic")
    return GateTopics(site, gate), branch, parts[5] if branch == "rec" else ""
