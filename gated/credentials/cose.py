"""COSE_Sign1 (RFC 9052 §4.2): one signature over one payload, for every CWT-based format.

Which algorithm may be used, and whether a signature holds: ``gated.credentials.signatures``.
"""

from __future__ import annotations

from dataclasses import dataclass

from gated.credentials import cbor
from gated.credentials.cbor import (
    COSE_SIGN1_TAG,
    CWT_TAG,
    MAX_BYTES,
    CborKey,
    CborValue,
    Tagged,
)
from gated.credentials.malformed import MalformedCode
from gated.credentials.signatures import PrivateKey, PublicKey, algorithm_of, is_signature, sign

HEADER_ALGORITHM = 1
HEADER_CRITICAL = 2
HEADER_KEY_ID = 4
"""RFC 9052 §3.1."""

HEADER_TYPE = 16
"""RFC 9596: what the whole message is. Ours stands in the protected header only."""

OUR_TYPES = "gated-"
"""What we sign under such a type is no code: a code's parser refuses it, whatever it says."""

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


def parse_sign1(
    data: bytes, *, message_type: str | None = None, max_bytes: int = MAX_BYTES
) -> Sign1:
    """Return the message in ``data``: untagged content is refused, tags 18 and 61(18) are accepted.

    Args:
        data: the whole message.
        message_type: what its protected header must say; None: a code, so none of our types.
        max_bytes: a longer message is refused.

    Raises: MalformedCode: not a COSE_Sign1 with its payload attached, or of another type.
    """
    message = cbor.decode(data, max_bytes=max_bytes)
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
    headers = _merged_headers(protected, unprotected, message_type)
    return Sign1(
        protected=protected,
        algorithm=_algorithm(headers.get(HEADER_ALGORITHM)),
        key_id=_key_id(headers.get(HEADER_KEY_ID)),
        payload=payload,
        signature=signature,
    )


def _merged_headers(
    protected: bytes, unprotected: dict[CborKey, CborValue], message_type: str | None
) -> dict[CborKey, CborValue]:
    """Return both headers as one. The protected one wins: anybody can write into the other."""
    headers = cbor.decode(protected) if protected else {}
    if not isinstance(headers, dict):
        raise MalformedCode("COSE: the protected header is not a map")
    if HEADER_CRITICAL in headers or HEADER_CRITICAL in unprotected:
        raise MalformedCode("COSE: a critical header that we do not know")
    said = headers.get(HEADER_TYPE)
    is_ours = isinstance(said, str) and said.startswith(OUR_TYPES)
    if said != message_type and (message_type is not None or is_ours):
        raise MalformedCode("COSE: a message of another type")
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


def sign1(
    payload: bytes, key: PrivateKey, key_id: bytes, *, message_type: str | None = None
) -> bytes:
    """Return ``payload`` signed, under tag 18; all headers are in the protected one."""
    public = key.public_key()
    headers: dict[CborKey, CborValue] = {
        HEADER_ALGORITHM: int(algorithm_of(public)),
        HEADER_KEY_ID: key_id,
    }
    if message_type is not None:
        headers[HEADER_TYPE] = message_type
    protected = cbor.encode(headers)
    signature = sign(_signed_bytes(protected, payload), key)
    return cbor.encode(Tagged(COSE_SIGN1_TAG, [protected, {}, payload, signature]))


def _signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure of RFC 9052 §4.4. An empty header is signed as no bytes at all."""
    if protected == b"\xa0":
        protected = b""
    return cbor.encode(["Signature1", protected, b"", payload])
