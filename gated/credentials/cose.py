"""COSE_Sign1 (RFC 9052 §4.2): one signature over one payload, for every CWT-based format.

The key decides the algorithm, never the message: a header that names another algorithm than the
key's own is a bad signature, so nobody can choose a weaker check for a known key.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from gated.credentials import cbor
from gated.credentials.cbor import COSE_SIGN1_TAG, CWT_TAG, CborKey, CborValue, Tagged
from gated.credentials.malformed import MalformedCode

PublicKey: TypeAlias = Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey

HEADER_ALGORITHM = 1
HEADER_CRITICAL = 2
HEADER_KEY_ID = 4
"""RFC 9052 §3.1."""

KEY_ID_BYTES = 8
"""First bytes of a SHA-256, as the EU and WHO trust lists name their keys."""

MAX_KEY_ID_BYTES = 64
"""Longer key ids are refused; a did:web fragment or a URL's tail fits."""

_P256_COORDINATE_BYTES = 32
_RSA_BITS = range(2_048, 4_097)  # below: not secure; above: a check takes too long


class Algorithm(enum.IntEnum):
    """Signature algorithms by their COSE numbers (IANA COSE registry)."""

    ES256 = -7
    EDDSA = -8
    PS256 = -37


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed message. Nothing in it is true before ``is_signed_by`` says so."""

    protected: bytes
    algorithm: int | None
    key_id: bytes | None
    payload: bytes
    signature: bytes


def supported_public_key(key: object) -> PublicKey | None:
    """Return ``key`` if we verify with its kind: Ed25519, P-256, RSA of 2048–4096 bits."""
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS:
        return key
    return None


def algorithm_of(key: PublicKey) -> Algorithm:
    """Return the one algorithm that ``key`` is used with."""
    if isinstance(key, Ed25519PublicKey):
        return Algorithm.EDDSA
    return Algorithm.PS256 if isinstance(key, rsa.RSAPublicKey) else Algorithm.ES256


def key_fingerprint(key: PublicKey) -> bytes:
    """Return the first 8 bytes of the SHA-256 of ``key`` as SubjectPublicKeyInfo (DER)."""
    info = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(info).digest()[:KEY_ID_BYTES]


def parse_sign1(data: bytes) -> Sign1:
    """Return the message in ``data``: untagged content is refused, tags 18 and 61(18) are accepted.

    Raises: MalformedCode: not a COSE_Sign1 with its payload attached.
    """
    message = cbor.decode(data)
    if isinstance(message, Tagged) and message.tag == CWT_TAG:
        message = message.value
    if not isinstance(message, Tagged) or message.tag != COSE_SIGN1_TAG:
        raise MalformedCode("COSE: not a COSE_Sign1")
    match message.value:
        case [
            bytes() as protected,
            dict() as unprotected,
            bytes() as payload,
            bytes() as signature,
        ]:
            pass
        case _:
            raise MalformedCode("COSE: not the four parts of a COSE_Sign1")
    headers = _merged_headers(protected, unprotected)
    return Sign1(
        protected=protected,
        algorithm=_algorithm(headers.get(HEADER_ALGORITHM)),
        key_id=_key_id(headers.get(HEADER_KEY_ID)),
        payload=payload,
        signature=signature,
    )


def _merged_headers(
    protected: bytes, unprotected: dict[CborKey, CborValue]
) -> dict[CborKey, CborValue]:
    """Return both headers as one. The protected one wins: anybody can write into the other."""
    headers = cbor.decode(protected) if protected else {}
    if not isinstance(headers, dict):
        raise MalformedCode("COSE: the protected header is not a map")
    if HEADER_CRITICAL in headers or HEADER_CRITICAL in unprotected:
        raise MalformedCode("COSE: a critical header that we do not know")
    return {**unprotected, **headers}


def _algorithm(value: CborValue) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str):
        return None  # a registered name may be a text; we know none of those
    raise MalformedCode("COSE: the algorithm is neither a number nor a text")


def _key_id(value: CborValue) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, bytes) or len(value) > MAX_KEY_ID_BYTES:
        raise MalformedCode("COSE: the key id is not a short byte string")
    return value


def is_signed_by(message: Sign1, key: PublicKey) -> bool:
    """Return whether ``key`` made the signature, with the algorithm of that key."""
    if message.algorithm != algorithm_of(key):
        return False
    signed, signature = _signed_bytes(message.protected, message.payload), message.signature
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
        elif isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            key.verify(signature, signed, pss, hashes.SHA256())
        else:
            if len(signature) != 2 * _P256_COORDINATE_BYTES:
                return False
            r = int.from_bytes(signature[:_P256_COORDINATE_BYTES], "big")
            s = int.from_bytes(signature[_P256_COORDINATE_BYTES:], "big")
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def sign1(payload: bytes, key: PrivateKey, key_id: bytes) -> bytes:
    """Return ``payload`` signed, under tag 18; algorithm and key id in the protected header."""
    public = key.public_key()
    protected = cbor.encode({HEADER_ALGORITHM: int(algorithm_of(public)), HEADER_KEY_ID: key_id})
    signed = _signed_bytes(protected, payload)
    if isinstance(key, Ed25519PrivateKey):
        signature = key.sign(signed)
    else:
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_P256_COORDINATE_BYTES, "big") + s.to_bytes(
            _P256_COORDINATE_BYTES, "big"
        )
    return cbor.encode(Tagged(COSE_SIGN1_TAG, [protected, {}, payload, signature]))


def _signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure of RFC 9052 §4.4. An empty header is signed as no bytes at all."""
    if protected == b"\xa0":
        protected = b""
    return cbor.encode(["Signature1", protected, b"", payload])
