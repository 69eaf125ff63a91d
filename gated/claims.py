"""What a new gate and the centre say to each other in a claim: the code, the keys, two messages.

Everything rests on the code's secret, which both have and nobody between them: the request is
sealed with a key derived from it, the answer with that key and a Diffie-Hellman exchange of this
one claim. So whoever finds the paper with the code later cannot read what was recorded. Pure.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import re
import secrets
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import parse_qs, quote

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gated.errors import WireError
from gated.wire import COLLECTOR, TOPIC_ROOT

# --- the code ------------------------------------------------------------------------------------

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no I, L, O, U."""
ID_CHARACTERS, SECRET_CHARACTERS, CHECK_CHARACTERS = 3, 15, 2
_CODE_CHARACTERS = ID_CHARACTERS + SECRET_CHARACTERS + CHECK_CHARACTERS
_GROUP = 4
_BITS = 5
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
URI_SCHEME = "gated-claim:"
_PIN_BYTES = 16


@dataclass(frozen=True, slots=True)
class ClaimCode:
    """A one-time code: which claim it is, 75 secret bits, and a check against typing errors."""

    text: str = field(repr=False)  # 20 characters

    @property
    def id(self) -> str:
        """The public part: it names the claim in topics, lists and logs."""
        return self.text[:ID_CHARACTERS]

    @property
    def grouped(self) -> str:
        """The code as people read and type it."""
        return "-".join(self.text[at : at + _GROUP] for at in range(0, len(self.text), _GROUP))

    def key(self) -> bytes:
        """Return the key of this claim. The centre keeps this in place of the code."""
        secret = self.text[ID_CHARACTERS : ID_CHARACTERS + SECRET_CHARACTERS]
        return _derive(secret.encode(), f"claim {self.id}")


def make_code(taken: Container[str]) -> ClaimCode:
    """Return a new code whose id is none of ``taken``."""
    while True:
        count = ID_CHARACTERS + SECRET_CHARACTERS
        text = "".join(secrets.choice(ALPHABET) for _ in range(count))
        code = ClaimCode(text + _check(text))
        if code.id not in taken:
            return code


def parse_code(text: str) -> ClaimCode:
    """Return the code that somebody typed. Raises: WireError: saying what to look at."""
    plain = text.upper().translate(_READ_AS)
    if len(plain) != _CODE_CHARACTERS or not set(plain) <= set(ALPHABET):
        raise WireError(
            f"not a claim code, which has {_CODE_CHARACTERS} letters and digits, such as "
            "7KQD-… (不是认领码)"
        )
    body, check = plain[:-CHECK_CHARACTERS], plain[-CHECK_CHARACTERS:]
    if _check(body) != check:
        raise WireError("a character of the code is wrong: compare it once more (认领码有误)")
    return ClaimCode(plain)


def _check(body: str) -> str:
    digest = int.from_bytes(
        hashlib.sha256(b"gated claim code 1" + body.encode()).digest()[:4], "big"
    )
    return "".join(ALPHABET[digest >> (_BITS * at) & 31] for at in range(CHECK_CHARACTERS))


@dataclass(frozen=True, slots=True)
class Offer:
    """What stands in the QR code: the code, where to claim, and whose certificates to believe."""

    code: ClaimCode
    broker: str | None = None
    ca_pin: str | None = None

    @property
    def uri(self) -> str:
        """As the QR code and a setup file carry it."""
        parts = {"broker": self.broker, "ca": self.ca_pin}
        query = "&".join(f"{name}={quote(value)}" for name, value in parts.items() if value)
        return f"{URI_SCHEME}{self.code.grouped}{f'?{query}' if query else ''}"


def parse_offer(text: str) -> Offer:
    """Return what somebody typed or a camera read: a code alone, or a URI with more.

    Raises: WireError: it is neither.
    """
    said = text.strip()
    if not said.lower().startswith(URI_SCHEME):
        return Offer(parse_code(said))
    code, _, query = said[len(URI_SCHEME) :].partition("?")
    try:
        members = parse_qs(query, strict_parsing=bool(query), max_num_fields=8)
    except ValueError as exc:
        raise WireError("a claim code with a damaged end: show it again (认领码不完整)") from exc
    return Offer(parse_code(code), members.get("broker", [None])[0], members.get("ca", [None])[0])


def ca_pin(certificate: x509.Certificate) -> str:
    """Return what a code carries of a CA: a hash of its key, which renewals leave as it is."""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.urlsafe_b64encode(hashlib.sha256(spki).digest()[:_PIN_BYTES]).decode().rstrip("=")


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
    NOT_SIGNING = "not_signing"  # the centre has no CA for gates


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
    return _seal(_derive(key, "request"), request.model_dump_json().encode(), claim_id.encode())


def open_request(key: bytes, claim_id: str, message: bytes) -> Request:
    """Return what was asked. Raises: WireError: not sealed with this code, or not a request."""
    plain = _open(_derive(key, "request"), message, claim_id.encode())
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
    except binascii.Error as exc:
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
    return _derive(key + shared, "answer")


def _derive(key: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"gated claim 1 {purpose}".encode()).derive(
        key
    )


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
