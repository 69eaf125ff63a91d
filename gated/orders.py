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

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gated.carried import MAX_COMMAND_BYTES
from gated.config.overlay import ConfigValue
from gated.contents import CommandName, CommandReason
from gated.credentials import cbor, cose
from gated.credentials.cbor import CborKey, CborValue
from gated.credentials.malformed import MalformedCode
from gated.credentials.numeric_date import LAST_TIMESTAMP
from gated.credentials.signatures import key_fingerprint
from gated.credentials.signers import find_cose_signers
from gated.credentials.trusted_keys import USE_COMMANDS, USE_CONFIG, TrustedKey, TrustList
from gated.errors import GatedError
from gated.vocabulary import Mode, Reason
from gated.wire import is_name

ORDER_TYPE = "gated-command+cose"
MAX_LIFETIME_S = 60
"""From being signed to its end. The gate's nonces bound it to two minutes without any clock."""
CLOCKS_DIFFER_BY = timedelta(seconds=30)
"""An order from further in the future says that one of the two clocks is wrong."""
MAX_COUNTER = 2**53 - 1
"""The largest that every JSON reader takes as it is."""
MAX_FOR_S = 366 * 86_400
MAX_RESENT = 10_000
ID_BYTES = 16
MAX_LIST_BYTES = 3_500
MAX_CONFIG_VALUES = 64

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
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")
_CONFIG_PATH = re.compile(r"[a-z_]{1,32}(\.[a-z_0-9]{1,48}){1,3}")
_ANY_LINE = re.compile(r"[^\r\n]{0,200}")
_MIN_ID_BYTES = 8


class ListName(enum.StrEnum):
    """The lists that may be replaced by an order."""

    REVOCATIONS = "revocations"
    PERSONS = "persons"
    DUTY = "duty"


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer."""


@dataclass(frozen=True, slots=True)
class OpenOnce:
    """Open once, for whoever stands before the gate."""


@dataclass(frozen=True, slots=True)
class SetMode:
    mode: Mode
    for_s: int | None = None  # None: until it is changed


@dataclass(frozen=True, slots=True)
class SetDrill:
    is_on: bool


@dataclass(frozen=True, slots=True)
class Resend:
    """Send these records again, both ends included."""

    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class ReplaceList:
    """Put ``data`` in the place of a list that the configuration names."""

    which: ListName
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetConfig:
    """Let these values hold over the technician's file, and no others; none: the file alone."""

    values: Mapping[str, ConfigValue]


@dataclass(frozen=True, slots=True)
class RollBackConfig:
    """Let the values hold that held before."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A later version's command, or arguments that this one does not know."""


Deed: TypeAlias = (
    Ping
    | OpenOnce
    | SetMode
    | SetDrill
    | Resend
    | ReplaceList
    | SetConfig
    | RollBackConfig
    | Unsupported
)

NAME_OF_DEED: Mapping[type[Deed], CommandName] = {
    Ping: CommandName.PING,
    OpenOnce: CommandName.OPEN,
    SetMode: CommandName.MODE,
    SetDrill: CommandName.DRILL,
    Resend: CommandName.RESEND,
    ReplaceList: CommandName.LIST,
    SetConfig: CommandName.CONFIG,
    RollBackConfig: CommandName.CONFIG,
    Unsupported: CommandName.UNSUPPORTED,
}


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
            CLAIM_ARGUMENTS: _arguments_of(order.deed),
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


def _arguments_of(deed: Deed) -> dict[CborKey, CborValue]:
    match deed:
        case SetMode(mode, None):
            return {"mode": mode.value}
        case SetMode(mode, for_s):
            return {"mode": mode.value, "for_s": for_s}
        case SetDrill(is_on):
            return {"is_on": is_on}
        case Resend(first_seq, last_seq):
            return {"first_seq": first_seq, "last_seq": last_seq}
        case ReplaceList(which, data):
            return {"list": which.value, "data": data}
        case SetConfig(values):
            return {"values": {path: _sent(value) for path, value in values.items()}}
        case RollBackConfig():
            return {"rollback": True}
        case _:
            return {}


def _sent(value: ConfigValue) -> CborValue:
    return [*value] if isinstance(value, list) else value


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
        signer = max(able, key=_may_configure)
        return SignedOrder(_parse_claims(message.payload), signer)
    except MalformedCode:
        return CommandReason.MALFORMED


def _may_order(key: TrustedKey) -> bool:
    return key.may(USE_COMMANDS) and isinstance(key.key, Ed25519PublicKey)


def _may_configure(key: TrustedKey) -> bool:
    return key.may(USE_CONFIG)


def is_permitted(signed: SignedOrder) -> bool:
    """Return whether the signer may order this: changes of the configuration are a use apart."""
    is_config = isinstance(signed.order.deed, SetConfig | RollBackConfig)
    return not is_config or _may_configure(signed.signer)


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
    issued_s = _integer(raw[CLAIM_ISSUED], 0, LAST_TIMESTAMP - MAX_LIFETIME_S)
    expires_s = _integer(raw[CLAIM_EXPIRES], issued_s + 1, issued_s + MAX_LIFETIME_S)
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
        counter=_integer(raw[CLAIM_COUNTER], 1, MAX_COUNTER),
        nonce=_text(raw[CLAIM_NONCE], _NONCE),
        by=_text(raw[CLAIM_BY], _BY),
        deed=_deed(_text(raw[CLAIM_COMMAND], _WORD), raw[CLAIM_ARGUMENTS]),
    )


def is_gate(text: str) -> bool:
    """Return whether ``text`` names a gate: "site/gate"."""
    site, slash, gate = text.partition("/")
    return bool(slash) and is_name(site) and is_name(gate)


def is_requester(text: str) -> bool:
    """Return whether ``text`` may stand in an order as who asked."""
    return _BY.fullmatch(text) is not None


def _deed(command: str, arguments: CborValue) -> Deed:  # noqa: PLR0912 - one for each command
    """Return what is to be done. What a later version may mean is refused by name, not guessed."""
    if not isinstance(arguments, dict):
        raise MalformedCode("orders: the arguments are not a map")
    match command, arguments:
        case CommandName.PING, {**rest} if not rest:
            return Ping()
        case CommandName.OPEN, {**rest} if not rest:
            return OpenOnce()
        case CommandName.MODE, {"mode": str(mode), **rest} if mode in set(Mode):
            if not rest:
                return SetMode(Mode(mode))
            if rest.keys() == {"for_s"}:
                return SetMode(Mode(mode), _integer(rest["for_s"], 1, MAX_FOR_S))
        case CommandName.DRILL, {"is_on": bool(is_on), **rest} if not rest:
            return SetDrill(is_on)
        case CommandName.RESEND, {"first_seq": first, "last_seq": last, **rest} if not rest:
            first_seq = _integer(first, 1, MAX_COUNTER - MAX_RESENT)
            return Resend(first_seq, _integer(last, first_seq, first_seq + MAX_RESENT - 1))
        case CommandName.LIST, {"list": str(name), "data": bytes(data), **rest} if not rest:
            if name in set(ListName) and len(data) <= MAX_LIST_BYTES:
                return ReplaceList(ListName(name), data)
        case CommandName.CONFIG, {"values": dict(values), **rest} if not rest:
            if len(values) <= MAX_CONFIG_VALUES:
                return SetConfig({_path(path): _value(value) for path, value in values.items()})
        case CommandName.CONFIG, {"rollback": True, **rest} if not rest:
            return RollBackConfig()
        case _:
            pass
    return Unsupported()


def _path(value: CborKey) -> str:
    return _text(value, _CONFIG_PATH)


def _value(value: CborValue) -> ConfigValue:
    """Return a value for the configuration, which judges it; only its shape is looked at here."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list) and len(value) <= MAX_CONFIG_VALUES:
        return [_text(each, _ANY_LINE) for each in value]
    raise MalformedCode("orders: a value that no key of the configuration has")


def _integer(value: CborValue, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise MalformedCode("orders: a number that is out of its bounds")
    return value


def _text(value: CborValue, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise MalformedCode("orders: a text that is not of its form")
    return value
