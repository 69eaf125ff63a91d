"""GP1: claims under the school's signature, under a stranger's, and the envelope around them."""

from __future__ import annotations

from datetime import timedelta

from fuzz import mutators, school, trees
from fuzz.codes import AS_IT_IS, Layer, target_of
from gated.credentials import base45
from gated.credentials.gp1 import Gp1Claims, encode_claims
from gated.credentials.signatures import key_fingerprint
from gated.vocabulary import Direction, HolderCategory

PUPIL = Gp1Claims(
    sub="s-0412",
    category=HolderCategory.STUDENT,
    not_before=school.NOW - timedelta(days=80),
    expires_at=school.NOW + timedelta(days=80),
    cti=bytes.fromhex("0011223344556677"),
    group="g3-2",
)
_VISITOR = Gp1Claims(
    sub="v-7",
    category=HolderCategory.VISITOR,
    not_before=school.NOW - timedelta(hours=1),
    expires_at=school.NOW + timedelta(hours=8),
    cti=bytes.fromhex("8899aabbccddeeff"),
    issued_at=school.NOW - timedelta(days=1),
    zones=("canteen", "三号楼"),
    direction=Direction.IN,
    max_uses=1,
    approver="t-031",
    guardian_ref="g-2",
    nat_sampled_at=school.NOW - timedelta(hours=20),
    is_attendant=True,
    is_slow=True,
)
CLAIMS = (encode_claims(PUPIL), encode_claims(_VISITOR))
_KEY_ID = key_fingerprint(school.SCHOOL.public_key())

TARGET = target_of(
    [
        Layer(school.gp1, mutators.of_tree(trees.CBOR), CLAIMS, is_signed=True),
        Layer(
            lambda data: school.gp1(data, school.STRANGER),
            mutators.of_tree(trees.CBOR),
            CLAIMS,
            is_forged=True,
        ),
        Layer(
            lambda data: "GP1:" + base45.encode(data),
            mutators.of_tree(trees.CBOR),
            [school.sign1(claims, school.SCHOOL, _KEY_ID) for claims in CLAIMS],
        ),
        Layer(AS_IT_IS, mutators.of_text, [school.gp1(claims).encode() for claims in CLAIMS]),
    ]
)
