"""COSE_Sign1: bounded parts, and no signature of ours under anything that we did not sign."""

from __future__ import annotations

from fuzz import mutators, school, trees
from fuzz.target import Escape, Target
from gated.credentials import cbor, cose
from gated.credentials.malformed import MalformedCode

SIGNED = b"signed"
_MESSAGE = cose.sign1(SIGNED, school.SCHOOL, b"id")
_KEY = school.SCHOOL.public_key()


def _seeds() -> list[bytes]:
    message = cbor.decode(_MESSAGE)
    assert isinstance(message, cbor.Tagged)
    assert isinstance(message.value, list)
    protected, _, payload, signature = message.value
    inside = cbor.Tagged(
        18, [protected, {4: b"other", 1: "ES256", 33: [b"x5"]}, payload, signature]
    )
    return [
        _MESSAGE,
        cbor.encode(cbor.Tagged(61, message)),
        cbor.encode(inside),
        cbor.encode(message.value),
        cbor.encode(cbor.Tagged(18, [b"\xa0", {2: [1]}, None, b""])),
        cbor.encode(cbor.Tagged(18, [b"", {1: -8, 4: b"id"}, payload, signature])),
    ]


def _run(data: bytes) -> bool:
    try:
        message = cose.parse_sign1(data)
    except MalformedCode:
        return False
    if message.key_id is not None and len(message.key_id) > cose.MAX_KEY_ID_BYTES:
        raise Escape("a key id longer than promised")
    is_signed = cose.is_signed_by(message, _KEY)
    if is_signed and message.payload != SIGNED:
        raise Escape("a signature over something that was never signed")
    return is_signed


TARGET = Target(run=_run, seeds=_seeds, mutate=mutators.of_tree(trees.CBOR))
