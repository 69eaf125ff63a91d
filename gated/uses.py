"""What the gates of a site tell each other about uses of passes, by way of the collector. Pure.

Both sides say the same thing of a list of their own: these are all its changes with a number in
(``after``, ``upto``]. Who misses what lies before ``after`` says so and gets it. A use is known by
(gate, epoch, seq) and changes once at most, when it is given back, so neither the order in which
messages come nor how often they come makes a difference. Reference: docs/mqtt-reference.md.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gated.errors import WireError
from gated.vocabulary import Direction
from gated.wire import TOPIC_ROOT, USES, GateTopics

MAX_USES = 50
"""In one message: far below the 20,480 bytes of packet that brokers may refuse to exceed."""
MAX_MESSAGE_BYTES = 16_384
MAX_COLLECTORS = 8
CODE_FROM_USE_S = 600
"""A code that was accepted was made within this of its use, whatever the phone's clock says."""

Epoch = Annotated[str, Field(pattern=r"^[a-z2-7]{16}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
StoreEpoch = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]
Number = Annotated[int, Field(ge=0, lt=2**53)]


def site_uses_topic(site: str) -> str:
    """Return where a collector tells all gates of ``site`` what is new."""
    return f"{TOPIC_ROOT}/{site}/{USES}/all"


def uses_answer_topic(gate: GateTopics) -> str:
    """Return where a collector answers one gate."""
    return f"{TOPIC_ROOT}/{gate.site}/{USES}/to/{gate.gate}"


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class SharedUse(_Message):
    """One use of a pass at one gate. Only ``given_back`` ever changes, from false to true."""

    epoch: Epoch  # with seq: the event that used the pass
    seq: Annotated[int, Field(ge=1, lt=2**53)]
    pass_ref: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]
    direction: Direction
    zone: Name | None = None  # behind that gate
    at_ms: Number | None = None  # since 1970, UTC; None: the gate's clock was unknown
    code_made_s: Annotated[int, Field(ge=0, lt=2**32)] | None = None  # of a changing code
    given_back: bool = False  # nobody passed; the code stays used


class UseAt(SharedUse):
    """A use and the gate that tells of it. The topic says which gate; no gate names another."""

    gate: Name


def believable(use: SharedUse, gate: str, now_ms: int) -> UseAt:
    """Return ``use`` as whoever hears of it at ``now_ms`` may believe it.

    Nothing was used later than now: a time from the future would be the newest for ever. A use of
    unknown time counts from now. A code from another time than its use is left out: one from the
    future would shut out every later code of its pass.
    """
    at_ms = now_ms if use.at_ms is None else min(use.at_ms, now_ms)
    code_s = use.code_made_s
    if code_s is not None and abs(code_s - at_ms / 1_000) > CODE_FROM_USE_S:
        code_s = None
    return UseAt(
        gate=gate,
        epoch=use.epoch,
        seq=use.seq,
        pass_ref=use.pass_ref,
        direction=use.direction,
        zone=use.zone,
        at_ms=at_ms,
        code_made_s=code_s,
        given_back=use.given_back,
    )


class GateUses(_Message):
    """A gate's own changes, and how far it knows the site's. May be without either."""

    v: Literal[1] = 1
    epoch: Epoch  # of the ledger in which ``after`` and ``upto`` count
    after: Number
    upto: Number
    uses: Annotated[tuple[SharedUse, ...], Field(max_length=MAX_USES)] = ()
    known: Annotated[dict[Name, tuple[StoreEpoch, Number]], Field(max_length=MAX_COLLECTORS)] = {}


class SiteUses(_Message):
    """The site's changes in a collector's store. An answer to one gate says what it has of it."""

    v: Literal[1] = 1
    collector: Name
    collector_epoch: StoreEpoch
    after: Number
    upto: Number
    uses: Annotated[tuple[UseAt, ...], Field(max_length=MAX_USES)] = ()
    more: bool = False  # beyond ``upto``: ask again
    epoch: Epoch | None = None  # answers only: the gate's ledger …
    stored: Number | None = None  # … whose changes up to here are stored


_MessageT = TypeVar("_MessageT", GateUses, SiteUses)


def parse_gate_uses(payload: bytes) -> GateUses:
    """Return what a gate tells. Raises: WireError: it is no such message."""
    return _parse(GateUses, payload)


def parse_site_uses(payload: bytes) -> SiteUses:
    """Return what a collector tells. Raises: WireError: it is no such message."""
    return _parse(SiteUses, payload)


def _parse(model: type[_MessageT], payload: bytes) -> _MessageT:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise WireError("no message about uses (too long)")
    try:
        message = model.model_validate_json(payload)
    except ValidationError as exc:  # its text quotes the payload
        raise WireError(f"no message about uses ({exc.error_count()} faults)") from None
    if message.after > message.upto:
        raise WireError("no message about uses (after is beyond upto)")
    return message
