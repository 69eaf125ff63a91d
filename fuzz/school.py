"""The keys of the fuzzers, and what each format puts around what they sign.

Made of published words, so that kept inputs stay signed; they protect nothing.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from datetime import UTC, datetime, timedelta, timezone

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gated.credentials import base45, cbor, cose
from gated.credentials.cbor import CborValue
from gated.credentials.pseudonym import SiteKey
from gated.credentials.signatures import Algorithm, PrivateKey, key_fingerprint
from gated.credentials.trusted_keys import TrustedKey, TrustList

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
TIMEZONE = timezone(timedelta(hours=8))
SITE_KEY = SiteKey(hashlib.sha256(b"gated fuzz: site key").digest(), "k0000")

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_COORDINATE_BYTES = 32


def _ed25519(word: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(word.encode()).digest())


def _p256(word: str) -> ec.EllipticCurvePrivateKey:
    secret = int.from_bytes(hashlib.sha256(word.encode()).digest(), "big") % _P256_ORDER
    return ec.derive_private_key(secret, ec.SECP256R1())


SCHOOL = _ed25519("gated fuzz: the school")
MINISTRY = _p256("gated fuzz: the ministry")
"""Signs health certificates of every kind."""
COMPANY = _p256("gated fuzz: the company")
"""Signs WeCom codes."""
STRANGER = _ed25519("gated fuzz: a stranger")
OTHER_MINISTRY = _p256("gated fuzz: another ministry")
"""Neither of these two is trusted."""

MINISTRY_KEY_ID = b"ministry"
NZ_ISSUER = "did:web:example.org"
NZ_KEY_ID = b"key-1"
SHC_KEY_ID = "fuzzed"


def _trusted(
    key: PrivateKey, *key_ids: bytes, uses: frozenset[str] | None = None, issuer: str | None = None
) -> TrustedKey:
    public = key.public_key()
    return TrustedKey(
        key=public,
        key_ids=key_ids or (key_fingerprint(public),),
        fingerprint=key_fingerprint(public),
        source="fuzz",
        uses=uses,
        issuer=issuer,
    )


TRUST = TrustList.of(
    [
        _trusted(SCHOOL, uses=frozenset({"GP1"})),
        _trusted(MINISTRY, MINISTRY_KEY_ID, SHC_KEY_ID.encode()),
        _trusted(MINISTRY, NZ_KEY_ID, issuer=NZ_ISSUER),
        _trusted(COMPANY, uses=frozenset({"WeCom"})),
    ]
)


def signature_of(data: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return r and s of ``key`` over ``data``, the same every time (RFC 6979)."""
    der = key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return b"".join(n.to_bytes(_COORDINATE_BYTES, "big") for n in decode_dss_signature(der))


def sign1(payload: bytes, key: PrivateKey, key_id: bytes) -> bytes:
    """Return the COSE_Sign1 of ``payload``, the same every time: kept inputs are told by it."""
    if isinstance(key, Ed25519PrivateKey):
        return cose.sign1(payload, key, key_id)
    protected = cbor.encode({cose.HEADER_ALGORITHM: Algorithm.ES256, cose.HEADER_KEY_ID: key_id})
    signed = cbor.encode(["Signature1", protected, b"", payload])
    parts: list[CborValue] = [protected, {}, payload, signature_of(signed, key)]
    return cbor.encode(cbor.Tagged(cbor.COSE_SIGN1_TAG, parts))


def gp1(payload: bytes, key: PrivateKey = SCHOOL) -> str:
    """Return a pass under the school's key id."""
    return "GP1:" + base45.encode(sign1(payload, key, key_fingerprint(SCHOOL.public_key())))


def hc1(payload: bytes, key: PrivateKey = MINISTRY) -> str:
    """Return a health certificate under the ministry's key id."""
    return "HC1:" + base45.encode(zlib.compress(sign1(payload, key, MINISTRY_KEY_ID)))


def nzcp(payload: bytes, key: PrivateKey = MINISTRY) -> str:
    """Return a New Zealand pass under the issuer's key id."""
    return "NZCP:/1/" + base32(sign1(payload, key, NZ_KEY_ID))


def base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=")


def shc(payload: bytes, key: ec.EllipticCurvePrivateKey = MINISTRY) -> str:
    """Return a SMART Health Card whose payload deflates to ``payload``."""
    header = f'{{"zip":"DEF","alg":"ES256","kid":"{SHC_KEY_ID}"}}'.encode()
    return shc_of(header, deflated(payload), key)


def shc_of(header: bytes, body: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """Return the card with a signed header and body, whatever they are."""
    return digits(jws(header, body, key))


def jws(header: bytes, body: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """Return a compact JWS (RFC 7515)."""
    signed = base64url(header) + "." + base64url(body)
    return signed + "." + base64url(signature_of(signed.encode(), key))


def digits(text: str) -> str:
    """Return ``text`` in pairs of digits, each the character's number less 45."""
    return "shc:/" + "".join(f"{ord(character) - 45:02d}" for character in text)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def wecom(signed: bytes, key: ec.EllipticCurvePrivateKey = COMPANY) -> str:
    """Return a WeCom code: ``signed`` and its signature in base64."""
    return base64.b64encode(signed + signature_of(signed, key)).decode()
