"""Orders: what the centre tells one gate to do, as a COSE_Sign1 of a CWT. Pure.

On the wire it is a command (topic ``cmd``); in the code the state machine's commands are called so.
The type in its protected header keeps orders apart from passes and lists for good, and a key signs
orders only where its JWK says "commands".

Who can hold back, repeat, reorder or redirect messages must not be able to open a gate. So an order
names one gate, has a number that only rises with each order of its key, ends within a minute, and
quotes the nonce that the gate publishes: new at each start and every minute. A gate without a clock
still knows that an order is younger than the oldest nonce that it takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gated.carried import MAX_COMMAND_BYTES
from gated.contents import CommandName, CommandReason
from gated.credentials import cbor, cose
from gated.credentials.malformed import MalformedCode
from gated.credentials.numeric_date import LAST_TIMESTAMP
from gated.credentials.signatures import key_fingerprint
from gated.credentials.signers import find_cose_signers
from gated.credentials.trusted_keys import (
    USE_COMMANDS,
    USE_CONFIG,
    USE_TRUST,
    TrustedKey,
    TrustList,
)
from gated.deeds import (
    MAX_COUNTER,
    NAME_OF_DEED,
    AddTrust,
    Deed,
    RemoveTrust,
    RollBackConfig,
    SetConfig,
    arguments_of,
    bounded_integer,
    matching_text,
    parse_deed,
)
from gated.errors import GatedError
from gated.vocabulary import Reason
from gated.wire import is_name

ORDER_TYPE = "gated-command+cose"
MAX_LIFETIME_S = 60
"""From being signed to its end. The gate's nonces bound it to two minutes without any clock."""
CLOCKS_DIFFER_BY = timedelta(seconds=30)
"""An order from further in the future says that one of the two clocks is wrong."""
ID_BYTES = 16

# RFC 8392 §3.1
CLAIM_AUDIENCE, CLAIM_EXPIRES, CLAIM_ISSUED, CLAIM_ID = 3, 4, 6, 7
# Our own; only the order's type gives them a meaning.
CLAIM_COUNTER, CLAIM_NONCE, CLAIM_COMMAND, CLAIM_ARGUMENTS, CLAIM_BY = -1, -2, -3, -4, -5

_CLAIMS = frozenset(
    {
        CLAIM_AUDIENCE,
        CLAIM_EXPIRES,
        CLAIM_ISSUED,
        CLAIM_ID,
        CLAIM_COUNTER,
        CLAIM_NONCE,
        CLAIM_COMMAND,
        CLAIM_ARGUMENTS,
        CLAIM_BY,
    }
)
_NONCE = re.compile(r"[0-9a-f]{16}")
_BY = re.compile(r"[A-Za-z0-9._@-]{1,48}")
_MIN_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Order:
    """One order, whoever signed it."""

    gate: str  # "site/gate"
    order_id: bytes
    issued_at: datetime  # whole seconds
    expires_at: datetime
    counter: int
    nonce: str
    by: str  # who asked, as the centre knows them
    deed: Deed

    @property
    def command(self) -> CommandName:
        return NAME_OF_DEED[type(self.deed)]


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order under the good signature of a key that may sign orders.

    Whether it is in time, for this gate, and new, is still to be judged.
    """

    order: Order
    signer: TrustedKey = field(repr=False)


# --- made at the centre -------------------------------------------------------------------------


def make_order(order: Order, key: Ed25519PrivateKey) -> bytes:
    """Return ``order``, signed by ``key`` under its fingerprint.

    Raises: GatedError: an order that no gate would take.
    """
    payload = cbor.encode(
        {
            CLAIM_AUDIENCE: order.gate,
            CLAIM_EXPIRES: int(order.expires_at.timestamp()),
            CLAIM_ISSUED: int(order.issued_at.timestamp()),
            CLAIM_ID: order.order_id,
            CLAIM_COUNTER: order.counter,
            CLAIM_NONCE: order.nonce,
            CLAIM_COMMAND: order.command.value,
            CLAIM_ARGUMENTS: arguments_of(order.deed),
            CLAIM_BY: order.by,
        }
    )
    data = cose.sign1(payload, key, key_fingerprint(key.public_key()), message_type=ORDER_TYPE)
    try:
        if len(data) > MAX_COMMAND_BYTES or _parse_claims(payload) != order:
            raise MalformedCode("orders: too large, or something in it is out of its bounds")
    except MalformedCode as exc:
        raise GatedError(f"this command would be refused at every gate: {exc}") from exc
    return data


# --- read at the gate ---------------------------------------------------------------------------


def read_order(data: bytes, trust: TrustList, now: datetime) -> SignedOrder | CommandReason:
    """Return the order in ``data``, or why it is none. Never raises, whatever the bytes.

    Nothing that it says is looked at before its signature holds. ``now`` is only for the validity
    of keys.
    """
    try:
        message = cose.parse_sign1(data, message_type=ORDER_TYPE, max_bytes=MAX_COMMAND_BYTES)
        signers = find_cose_signers(message, now, trust)
        if isinstance(signers, Reason):
            return CommandReason(signers.value)
        able = [key for key in signers if _may_order(key)]
        if not able:
            return CommandReason.WRONG_USE
        order = _parse_claims(message.payload)
        needed = _use_needed(order.deed)
        return SignedOrder(order, max(able, key=lambda key: key.may(needed)))
    except MalformedCode:
        return CommandReason.MALFORMED


def _may_order(key: TrustedKey) -> bool:
    return key.may(USE_COMMANDS) and isinstance(key.key, Ed25519PublicKey)


def _use_needed(deed: Deed) -> str:
    match deed:
        case SetConfig() | RollBackConfig():
            return USE_CONFIG
        case AddTrust() | RemoveTrust():
            return USE_TRUST
        case _:
            return USE_COMMANDS


def is_permitted(signed: SignedOrder) -> bool:
    """Return whether the signer may order this: changes of configuration and trust are apart."""
    return signed.signer.may(_use_needed(signed.order.deed))


def why_not_now(
    order: Order, *, is_nonce: Callable[[str], bool], now: datetime | None
) -> CommandReason | None:
    """Return why ``order`` is not of this moment; None: it is.

    Args:
        order: signed, for this gate, and new.
        is_nonce: whether the gate has published a nonce lately.
        now: the wall clock; None: it is not to be trusted, and the nonce alone says how old it is.
    """
    if not is_nonce(order.nonce):
        return CommandReason.OLD_NONCE
    if now is None:
        return None
    if now >= order.expires_at:
        return CommandReason.EXPIRED
    return CommandReason.NOT_YET_VALID if order.issued_at > now + CLOCKS_DIFFER_BY else None


def _parse_claims(payload: bytes) -> Order:
    """Return the claims in ``payload``. One that we do not know is refused: it may restrict them.

    Raises: MalformedCode: a claim is missing, unknown, of another type or out of its bounds.
    """
    raw = cbor.decode(payload, max_bytes=MAX_COMMAND_BYTES)
    if not isinstance(raw, dict) or raw.keys() != _CLAIMS:
        raise MalformedCode("orders: not the claims of an order")
    issued_s = bounded_integer(raw[CLAIM_ISSUED], 0, LAST_TIMESTAMP - MAX_LIFETIME_S)
    expires_s = bounded_integer(raw[CLAIM_EXPIRES], issued_s + 1, issued_s + MAX_LIFETIME_S)
    order_id = raw[CLAIM_ID]
    if not isinstance(order_id, bytes) or not _MIN_ID_BYTES <= len(order_id) <= ID_BYTES:
        raise MalformedCode("orders: the id is not of 8 to 16 bytes")
    gate = raw[CLAIM_AUDIENCE]
    if not isinstance(gate, str) or not is_gate(gate):
        raise MalformedCode("orders: the audience is no gate")
    return Order(
        gate=gate,
        order_id=order_id,
        issued_at=datetime.fromtimestamp(issued_s, UTC),
        expires_at=datetime.fromtimestamp(expires_s, UTC),
        counter=bounded_integer(raw[CLAIM_COUNTER], 1, MAX_COUNTER),
        nonce=matching_text(raw[CLAIM_NONCE], _NONCE),
        by=matching_text(raw[CLAIM_BY], _BY),
        deed=parse_deed(raw[CLAIM_COMMAND], raw[CLAIM_ARGUMENTS]),
    )


def is_gate(text: str) -> bool:
    """Return whether ``text`` names a gate: "site/gate"."""
    site, slash, gate = text.partition("/")
    return bool(slash) and is_name(site) and is_name(gate)


def is_requester(text: str) -> bool:
    """Return whether ``text`` may stand in an order as who asked."""
    return _BY.fullmatch(text) is not None
