"""NZCP: claims under the issuer's signature, and the layers around them."""

from __future__ import annotations

from fuzz import mutators, school, trees
from fuzz.codes import AS_IT_IS, Layer, target_of
from gated.credentials import cbor

CLAIMS = (
    cbor.encode(
        {
            1: school.NZ_ISSUER,
            4: school.NOW_S + 10_000_000,
            5: school.NOW_S - 1_000_000,
            7: bytes(range(16)),
            "vc": {
                "@context": [
                    "https://www.w3.org/2018/credentials/v1",
                    "https://nzcp.covid19.health.nz/contexts/v1",
                ],
                "version": "1.0.0",
                "type": ["VerifiableCredential", "PublicCovidPass"],
                "credentialSubject": {
                    "givenName": "Jack",
                    "familyName": "Sparrow",
                    "dob": "1960-04-16",
                },
            },
        }
    ),
)
_MESSAGES = [school.sign1(claims, school.MINISTRY, school.NZ_KEY_ID) for claims in CLAIMS]

TARGET = target_of(
    [
        Layer(school.nzcp, mutators.of_tree(trees.CBOR), CLAIMS, is_signed=True),
        Layer(
            lambda data: school.nzcp(data, school.OTHER_MINISTRY),
            mutators.of_tree(trees.CBOR),
            CLAIMS,
            is_forged=True,
        ),
        Layer(
            lambda data: "NZCP:/1/" + school.base32(data),
            mutators.of_tree(trees.CBOR),
            _MESSAGES,
        ),
        Layer(AS_IT_IS, mutators.of_text, [school.nzcp(claims).encode() for claims in CLAIMS]),
    ]
)
