"""CBOR: what decodes holds plain bounded values, and means the same when it is encoded again."""

from __future__ import annotations

from fuzz import mutators, trees
from fuzz.target import Escape, Target
from gated.credentials import cbor
from gated.credentials.cbor import CborValue
from gated.credentials.malformed import MalformedCode

SEEDS = (
    bytes.fromhex("a3613101613263e5a5bd62616282014101"),
    cbor.encode({1: "x", "y": [1, -1, 2**63 - 1, 1.5, None, True], -260: {1: {"v": [b"abc"]}}}),
    cbor.encode(cbor.Tagged(61, cbor.Tagged(18, [b"\xa1\x01\x26", {}, b"payload", b"signature"]))),
    *trees.CBOR.odd,
)


def _run(data: bytes) -> bool:
    try:
        value = cbor.decode(data)
    except MalformedCode:
        return False
    _check(value, cbor.MAX_DEPTH)
    again = cbor.encode(value)
    if cbor.encode(cbor.decode(again)) != again:
        raise Escape("its own encoding means something else")
    return True


def _check(value: CborValue, depth: int) -> None:
    if depth < 0:
        raise Escape("nested more deeply than promised")
    if isinstance(value, cbor.Tagged):
        _check(value.value, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if type(key) not in (int, str):
                raise Escape("a key of another type than promised")
            _check(item, depth - 1)
    elif type(value) not in (bool, int, float, str, bytes, type(None)):
        raise Escape("a value of another type than promised")


TARGET = Target(run=_run, seeds=lambda: SEEDS, mutate=mutators.of_tree(trees.CBOR))
