"""The one-time code of a claim: typed, or shown to a camera with where to claim. Pure."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Container
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gated.errors import WireError

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
        return derive(secret.encode(), f"claim {self.id}")


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


def derive(key: bytes, purpose: str) -> bytes:
    """Return the key for one purpose that ``key`` gives."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"gated claim 1 {purpose}".encode()).derive(
        key
    )
