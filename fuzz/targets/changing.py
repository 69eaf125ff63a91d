"""Changing passes: claims and times under good MACs, and wrappers that nobody's phone made."""

from __future__ import annotations

from dataclasses import replace

from fuzz import mutators, school, trees
from fuzz.codes import AS_IT_IS, Layer, target_of
from fuzz.targets.gp1 import PUPIL
from gated.credentials import changing
from gated.credentials.gp1 import encode_claims
from gated.credentials.pseudonym import phone_key
from gated.credentials.signatures import key_fingerprint

_CLAIMS = encode_claims(replace(PUPIL, is_changing=True))
_STATIC = encode_claims(PUPIL)
_PASS = school.gp1(_CLAIMS)
_SIGNER = key_fingerprint(school.SCHOOL.public_key())
_KEY = phone_key(school.SITE_KEY.key, _SIGNER, PUPIL.cti)
_OTHER_KEY = phone_key(bytes(32), _SIGNER, PUPIL.cti)
_TIME_BYTES = 4
_NOW = school.NOW_S.to_bytes(_TIME_BYTES, "big")


GOOD = changing.wrap(_PASS, _KEY, school.NOW_S)
MESSAGE = school.sign1(_CLAIMS, school.SCHOOL, _SIGNER)
"""The pass in it."""


def _made_at(data: bytes, key: bytes) -> str:
    return changing.wrap(_PASS, key, int.from_bytes(data[:_TIME_BYTES], "big"))


TARGET = target_of(
    [
        Layer(
            lambda data: changing.wrap(school.gp1(data), _KEY, school.NOW_S),
            mutators.of_tree(trees.CBOR),
            [_CLAIMS, _STATIC],
            is_signed=True,
        ),
        Layer(lambda data: _made_at(data, _KEY), mutators.of_bytes, [_NOW], is_signed=True),
        Layer(lambda data: _made_at(data, _OTHER_KEY), mutators.of_bytes, [_NOW], is_forged=True),
        Layer(
            AS_IT_IS,
            mutators.of_text,
            [GOOD.encode(), _PASS.encode()],
        ),
    ]
)
