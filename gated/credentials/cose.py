"""COSE_Sign1 (RFC 9052 §4.2): one signature over one payload, for every CWT-based format.

Which algorithm may be used, and whether a signature holds: ``gated.credentials.signatures``.
"""

from __future__ import annotations

from dataclasses import dataclass

from gated.credentials import cbor
from gated.credentials.cbor import COSE_SIGN1_TAG, CWT_TAG, CborKey, CborValue, Tagged
from gated.credentials.malformed import MalformedCode
from gated.credentials.signatures import PrivateKey, PublicKey, algorithm_of, is_signature, sign

HEADER_ALGORITHM = 1
HEADER_CRITICAL = 2
HEADER_KEY_ID = 4
"""RFC 9052 §3.1."""

MAX_KEY_ID_BYTES = 64
"""Longer key ids are refused; a did:web fragment or a URL's tail fits."""


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed message. Nothing in it is true before ``is_signed_by`` says so."""

    protected: bytes
    algorithm: int | None
    key_id: bytes | None
    payload: bytes
    signature: bytes


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
    signed = _signed_bytes(message.protected, message.payload)
    return message.algorithm == algorithm_of(key) and is_signature(message.signature, signed, key)


def sign1(payload: bytes, key: PrivateKey, key_id: bytes) -> bytes:
    """Return ``payload`` signed, under tag 18; algorithm and key id in the protected header."""
    public = key.public_key()
    protected = cbor.encode({HEADER_ALGORITHM: int(algorithm_of(public)), HEADER_KEY_ID: key_id})
    signature = sign(_signed_bytes(protected, payload), key)
    return cbor.encode(Tagged(COSE_SIGN1_TAG, [protected, {}, payload, signature]))


def _signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure of RFC 9052 §4.4. An empty header is signed as no bytes at all."""
    if protected == b"\xa0":
        protected = b""
    return cbor.encode(["Signature1", protected, b"", payload])
