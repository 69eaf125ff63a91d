"""JSON Web Signatures in their compact form (RFC 7515 §3.1), with payloads in raw DEFLATE.

Which algorithm may be used, and whether a signature holds: ``gated.credentials.signatures``.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from gated.credentials import strict_json
from gated.credentials.malformed import MalformedCode
from gated.credentials.signatures import Algorithm, PublicKey, algorithm_of, is_signature
from gated.credentials.strict_json import JsonValue

MAX_HEADER_BYTES = 1_024
"""A health card's has about 90."""

MAX_INFLATED_BYTES = strict_json.MAX_BYTES
"""Checked while inflating: 4 KiB of DEFLATE can stand for 4 MiB."""

_ALGORITHM_NAMES = {
    Algorithm.ES256: "ES256",
    Algorithm.EDDSA: "EdDSA",
    Algorithm.PS256: "PS256",
}
"""RFC 7518 §3.1, RFC 8037 §3.1."""

_PARTS = 3
_RAW_DEFLATE = -zlib.MAX_WBITS
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/???")  # base64's own two signs are none here


@dataclass(frozen=True, slots=True)
class CompactJws:
    """A parsed message. Nothing in it is true before ``is_signed_by`` says so."""

    header: Mapping[str, JsonValue] = field(repr=False)
    signed: bytes = field(repr=False)  # header and payload, as they stand in the text
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_compact(text: str) -> CompactJws:
    """Return the message in ``text``.

    Raises: MalformedCode: not three parts in base64url, without a header of its form, or with a
        header member that whoever does not know it must refuse (``crit``).
    """
    parts = text.split(".")
    if len(parts) != _PARTS:
        raise MalformedCode("JWS: not three parts")
    header_bytes, payload, signature = (decode_base64url(part) for part in parts)
    if len(header_bytes) > MAX_HEADER_BYTES:
        raise MalformedCode("JWS: the header is too long")
    header = strict_json.decode(header_bytes)
    if not isinstance(header, dict):
        raise MalformedCode("JWS: the header is not an object")
    if "crit" in header:
        raise MalformedCode("JWS: a critical header that we do not know")
    signed = f"{parts[0]}.{parts[1]}".encode("ascii")
    return CompactJws(header=header, signed=signed, payload=payload, signature=signature)


def is_signed_by(message: CompactJws, key: PublicKey) -> bool:
    """Return whether ``key`` made the signature, with the algorithm of that key."""
    is_its_algorithm = message.header.get("alg") == _ALGORITHM_NAMES[algorithm_of(key)]
    return is_its_algorithm and is_signature(message.signature, message.signed, key)


def decode_base64url(part: str) -> bytes:
    """Return the bytes of ``part`` in base64url without padding (RFC 7515 §2).

    Raises: MalformedCode: another character, a length no bytes have, or bits left over that are
        not zero: one message must not have two texts.
    """
    try:
        standard = part.encode("ascii").translate(_TO_STANDARD)
        data = base64.b64decode(standard + b"=" * (-len(part) % 4), validate=True)
    except ValueError as exc:
        raise MalformedCode("JWS: not base64url") from exc
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode("ascii"):
        raise MalformedCode("JWS: base64url in another form than the one form")
    return data


def inflate(data: bytes) -> bytes:
    """Return what ``data`` stands for in raw DEFLATE (RFC 1951).

    Raises: MalformedCode: not DEFLATE, cut off, bytes behind its end, or more than
        MAX_INFLATED_BYTES.
    """
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    try:
        inflated = inflater.decompress(data, MAX_INFLATED_BYTES + 1)
    except zlib.error as exc:
        raise MalformedCode("JWS: the payload is not in raw DEFLATE") from exc
    if len(inflated) > MAX_INFLATED_BYTES:
        raise MalformedCode("JWS: the payload inflates to too much")
    if not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
        raise MalformedCode("JWS: the payload is cut off, or something follows it")
    return inflated
