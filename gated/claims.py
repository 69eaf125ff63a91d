"""What a new gate and the centre say to each other in a claim: two sealed letters.

Everything rests on the code's secret, which both have and nobody between them: the request is
sealed with a key derived from it, the answer with that key and a Diffie-Hellman exchange of this
one claim. So whoever finds the paper with the code later cannot read what was recorded. Pure.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gated.claim_codes import ALPHABET, ID_CHARACTERS, derive
from gated.errors import WireError
from gated.wire import COLLECTOR, TOPIC_ROOT

# --- topics --------------------------------------------------------------------------------------

CLAIM_USER = CLAIM_PASSWORD = "claim"  # noqa: S105 - no secret: it may write sealed letters
_CLAIMS = f"{TOPIC_ROOT}/{COLLECTOR}/claims"
ALL_REQUESTS = f"{_CLAIMS}/request/+"
_REQUEST = re.compile(rf"{_CLAIMS}/request/([{ALPHABET}]{{{ID_CHARACTERS}}})")


def request_topic(claim_id: str) -> str:
    return f"{_CLAIMS}/request/{claim_id}"


def answer_topic(claim_id: str) -> str:
    return f"{_CLAIMS}/answer/{claim_id}"


def claim_of(topic: str) -> str | None:
    """Return which claim a request's topic is about; None: it is none."""
    found = _REQUEST.fullmatch(topic)
    return None if found is None else found[1]


# --- the messages --------------------------------------------------------------------------------

MAX_REQUEST_BYTES = 8_192
MAX_ANSWER_BYTES = 60_000
"""Sealed and as text, below what a connection takes (gated/mqtt/connection.py)."""
_NONCE_BYTES = 12
_X25519_HEX = Field(pattern=r"^[0-9a-f]{64}$")


class ClaimProblem(enum.StrEnum):
    """Why the centre gives nothing."""

    UNKNOWN = "unknown"  # no such code, or it was withdrawn
    EXPIRED = "expired"
    USED = "used"  # by somebody else, or for another request
    SPENT = "spent"  # too many wrong attempts
    UNREADABLE = "unreadable"  # not sealed with this code's secret
    RETAINED = "retained"  # a message that the broker kept, which nobody means now
    WRONG_GATE = "wrong_gate"  # the code is for another gate than was asked for
    NOT_SIGNING = "not_signing"  # the centre has no CA for gates, or it has ended


class Request(BaseModel):
    """What a new gate asks. Its key stays on the device."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    csr: str  # PEM
    exchange: Annotated[str, _X25519_HEX]  # public key of this claim's exchange
    gate: str | None = None  # SITE/GATE, if whoever stands there said which one it must be
    software: str | None = None


class Grant(BaseModel):
    """Everything that makes the machine a gate."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    site: str
    gate: str
    config: str  # TOML, without the gate's name
    certificate: str = (
        ""  # PEM: the gate's, then the CA that signed it; filled in when it is claimed
    )
    ca: str  # PEM: whose broker to believe
    site_key: str | None = None
    trust: Mapping[str, str] = {}  # name → base64


class Answer(BaseModel):
    """What travels back: a problem in the clear, or a grant for the one that asked."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    problem: ClaimProblem | None = None
    exchange: Annotated[str, _X25519_HEX] | None = None
    sealed: str | None = None  # base64


def seal_request(key: bytes, claim_id: str, request: Request) -> bytes:
    """Return the message that carries ``request``."""
    return _seal(derive(key, "request"), request.model_dump_json().encode(), claim_id.encode())


def open_request(key: bytes, claim_id: str, message: bytes) -> Request:
    """Return what was asked. Raises: WireError: not sealed with this code, or not a request."""
    plain = _open(derive(key, "request"), message, claim_id.encode())
    try:
        return Request.model_validate_json(plain)
    except ValidationError as exc:
        raise WireError("not a request of this version") from exc


def seal_answer(key: bytes, message: bytes, request: Request, grant: Grant) -> bytes:
    """Return the answer to ``request``, which came as ``message``. Raises: WireError: a bad key."""
    own = X25519PrivateKey.generate()
    answer_key = _answer_key(key, own, request.exchange)
    sealed = _seal(answer_key, grant.model_dump_json().encode(), _digest(message))
    answer = Answer(
        exchange=own.public_key().public_bytes_raw().hex(),
        sealed=base64.b64encode(sealed).decode(),
    )
    return answer.model_dump_json(exclude_none=True).encode()


def read_answer(data: bytes) -> Answer:
    """Return the answer in ``data``. Raises: WireError."""
    try:
        return Answer.model_validate_json(data)
    except ValidationError as exc:
        raise WireError("the centre's answer cannot be read: is its version newer?") from exc


def open_grant(key: bytes, message: bytes, exchange: X25519PrivateKey, answer: Answer) -> Grant:
    """Return what the centre gave in answer to ``message``.

    Raises: WireError: it was not made by who knows the code, or for another request.
    """
    if answer.exchange is None or answer.sealed is None:
        raise WireError("the centre's answer is empty")
    try:
        sealed = base64.b64decode(answer.sealed, validate=True)
    except ValueError as exc:  # of base64, or of a text that is not ASCII
        raise WireError("the centre's answer is damaged") from exc
    plain = _open(_answer_key(key, exchange, answer.exchange), sealed, _digest(message))
    try:
        return Grant.model_validate_json(plain)
    except ValidationError as exc:
        raise WireError("the centre's answer cannot be read: is its version newer?") from exc


def _answer_key(key: bytes, own: X25519PrivateKey, other: str) -> bytes:
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(other)))
    except ValueError as exc:  # a point of small order
        raise WireError("no key to exchange with") from exc
    return derive(key + shared, "answer")


def _seal(key: bytes, plain: bytes, bound_to: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, plain, bound_to)


def _open(key: bytes, sealed: bytes, bound_to: bytes) -> bytes:
    try:
        return ChaCha20Poly1305(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as exc:
        raise WireError("not sealed with this code") from exc


def _digest(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()
