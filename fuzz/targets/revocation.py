"""Signed revocation lists: their claims under a good signature, and the message around them."""

from __future__ import annotations

from datetime import timedelta

from fuzz import mutators, school, trees
from fuzz.target import Escape, Target
from gated.credentials import cose
from gated.credentials.revocation import (
    LIST_TYPE,
    MAX_ID_BYTES,
    MIN_ID_BYTES,
    RevocationList,
    make_list,
    read_list,
)
from gated.credentials.signatures import key_fingerprint

_KEY_ID = key_fingerprint(school.SCHOOL.public_key())
_SIGNED, _FORGED, _AS_IT_IS = range(3)
_LIST = make_list(
    [bytes(range(8)), bytes(16), bytes(32)],
    school.SCHOOL,
    version=7,
    issued_at=school.NOW - timedelta(days=1),
    next_at=school.NOW + timedelta(days=6),
)
_CLAIMS = cose.parse_sign1(_LIST, message_type=LIST_TYPE).payload
_KNOWN = read_list(_LIST, school.TRUST, school.NOW)


def _run(data: bytes) -> bool:
    kind, content = (data[0] % 3 if data else 0), data[1:]
    if kind == _AS_IT_IS:
        message = content
    else:
        key = school.SCHOOL if kind == _SIGNED else school.STRANGER
        message = cose.sign1(content, key, _KEY_ID, message_type=LIST_TYPE)
    found = read_list(message, school.TRUST, school.NOW)
    if not isinstance(found, RevocationList):
        return False
    if kind == _FORGED or (kind == _AS_IT_IS and found != _KNOWN):
        raise Escape("a list that nobody signed")
    if any(not MIN_ID_BYTES <= len(ident) <= MAX_ID_BYTES for ident in found.ids):
        raise Escape("an id out of its bounds")
    found.is_fresh(school.NOW, timedelta(days=7))
    return True


TARGET = Target(
    run=_run,
    seeds=lambda: [
        bytes([_SIGNED]) + _CLAIMS,
        bytes([_FORGED]) + _CLAIMS,
        bytes([_AS_IT_IS]) + _LIST,
        bytes([_AS_IT_IS]) + cose.sign1(_CLAIMS, school.SCHOOL, _KEY_ID),
    ],
    mutate=mutators.of_layers([mutators.of_tree(trees.CBOR)] * 3),
)
