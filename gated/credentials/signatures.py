"""Signatures and their keys, whatever the envelope: the only file that verifies one.

The key decides the algorithm, never the message: whoever names another algorithm than the key's own
has a bad signature, so nobody can choose a weaker check for a known key.
"""

from __future__ import annotations

import enum
import hashlib
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

PublicKey: TypeAlias = Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey

KEY_ID_BYTES = 8
"""First bytes of a SHA-256, as the EU and WHO trust lists name their keys."""

P256_COORDINATE_BYTES = 32
_RSA_BITS = range(2_048, 4_097)  # below: not secure; above: a check takes too long


class Algorithm(enum.IntEnum):
    """Signature algorithms by their COSE numbers (IANA COSE registry)."""

    ES256 = -7
    EDDSA = -8
    PS256 = -37


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


def is_signature(signature: bytes, data: bytes, key: PublicKey) -> bool:
    """Return whether ``key`` made ``signature`` over ``data``.

    P-256 signatures are r and s, 32 bytes each (RFC 9053 §2.1, RFC 7518 §3.4), never DER.
    """
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            key.verify(signature, data, pss, hashes.SHA256())
        else:
            if len(signature) != 2 * P256_COORDINATE_BYTES:
                return False
            r = int.from_bytes(signature[:P256_COORDINATE_BYTES], "big")
            s = int.from_bytes(signature[P256_COORDINATE_BYTES:], "big")
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def sign(data: bytes, key: PrivateKey) -> bytes:
    """Return the signature of ``key`` over ``data``, in the form that ``is_signature`` takes."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(P256_COORDINATE_BYTES, "big") + s.to_bytes(P256_COORDINATE_BYTES, "big")
