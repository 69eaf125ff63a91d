"""Commands of the centre: their claims under a good signature, and the message around them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from fuzz import mutators, school, trees
from fuzz.target import Escape, Target
from gated.carried import MAX_COMMAND_BYTES, frame, unframe
from gated.controller.pushed_trust import why_not_pushable
from gated.credentials import cose
from gated.credentials.key_sets import to_key_set
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trust import KeyFile, parse_key_file
from gated.credentials.trusted_keys import (
    USE_ANY_PASS,
    USE_COMMANDS,
    USES_BY_HAND,
    TrustedKey,
    TrustList,
)
from gated.deeds import (
    AddTrust,
    Deed,
    Diagnose,
    ListName,
    OpenOnce,
    RemoveTrust,
    ReplaceList,
    Resend,
    SetConfig,
    SetMode,
)
from gated.orders import ORDER_TYPE, Order, SignedOrder, make_order, read_order
from gated.vocabulary import Mode

_KEY_ID = key_fingerprint(school.SCHOOL.public_key())
_TRUST = TrustList.of(
    [
        TrustedKey(
            key=school.SCHOOL.public_key(),
            key_ids=(_KEY_ID,),
            fingerprint=_KEY_ID,
            source="centre",
            uses=frozenset({USE_COMMANDS}),
        )
    ]
)
_SIGNED, _FORGED, _AS_IT_IS = range(3)
_ISSUED_AT = school.NOW.replace(microsecond=0)
_ORDER = Order(
    gate="school/east-1",
    order_id=bytes(range(16)),
    issued_at=_ISSUED_AT,
    expires_at=_ISSUED_AT + timedelta(seconds=30),
    counter=7,
    nonce="0123456789abcdef",
    by="desk",
    deed=OpenOnce(),
)
_COMMAND = make_order(_ORDER, school.SCHOOL)
_KEYS = to_key_set(_TRUST.keys[_KEY_ID], frozenset({USE_ANY_PASS}), None)
_DEEDS = (
    *(OpenOnce(), SetMode(Mode.CLOSED, 60), Resend(1, 9), ReplaceList(ListName.DUTY, b"s-1")),
    *(SetConfig({"gate.languages": ["en"]}), AddTrust("desk", _KEYS), RemoveTrust("desk")),
    Diagnose(),
)


def _claims(deed: Deed) -> bytes:
    order = make_order(replace(_ORDER, deed=deed), school.SCHOOL)
    return cose.parse_sign1(order, message_type=ORDER_TYPE).payload


_CLAIMS = _claims(_ORDER.deed)


def _run(data: bytes) -> bool:
    kind, content = (data[0] % 3 if data else 0), data[1:]
    if kind == _AS_IT_IS:
        message = content
    else:
        key = school.SCHOOL if kind == _SIGNED else school.STRANGER
        message = cose.sign1(content, key, _KEY_ID, message_type=ORDER_TYPE)
    carried = unframe(frame(message, is_retained=False))
    if not isinstance(carried, bytes):
        return False
    found = read_order(carried, _TRUST, school.NOW)
    if not isinstance(found, SignedOrder):
        return False
    if kind == _FORGED or (kind == _AS_IT_IS and found.order != _ORDER):
        raise Escape("a command that nobody signed")
    deed = found.order.deed
    if isinstance(deed, AddTrust):
        _look_at_keys(parse_key_file(deed.data, deed.name))
    if len(message) > MAX_COMMAND_BYTES:
        raise Escape("a command that is too large")
    return True


def _look_at_keys(file: KeyFile) -> None:
    uses = [key.uses or frozenset() for key in file.keys]
    if why_not_pushable(file) is None and any(each & USES_BY_HAND for each in uses):
        raise Escape("a key for commands that an order brought")


TARGET = Target(
    run=_run,
    seeds=lambda: [
        *(bytes([_SIGNED]) + _claims(deed) for deed in _DEEDS),
        bytes([_FORGED]) + _CLAIMS,
        bytes([_AS_IT_IS]) + _COMMAND,
        bytes([_AS_IT_IS]) + cose.sign1(_CLAIMS, school.SCHOOL, _KEY_ID),
    ],
    mutate=mutators.of_layers([mutators.of_tree(trees.CBOR)] * 3),
)
