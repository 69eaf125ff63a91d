"""HC1: claims and certificates under the ministry's signature, and the three layers around them."""

from __future__ import annotations

import zlib

from fuzz import mutators, school, trees
from fuzz.codes import AS_IT_IS, Layer, target_of
from gated.credentials import base45, cbor
from gated.credentials.cbor import CborKey, CborValue

_EVENT: dict[CborKey, CborValue] = {
    "tg": "840539006",
    "co": "AT",
    "is": "Ministry of Health",
    "ci": "URN:UVCI:01:AT:10807843F94AEE0EE5093FBC254BD813#B",
}
_VACCINATION: CborValue = {
    **_EVENT, "vp": "1119349007", "mp": "EU/1/20/1528", "ma": "ORG-100030215",
    "dn": 2, "sd": 2, "dt": "2026-10-18",
}  # fmt: skip
_TEST: CborValue = {
    **_EVENT, "tt": "LP6464-4", "nm": "qPCR", "sc": "2026-11-22T12:34:56+08:00",
    "tr": "260415000", "tc": "Test centre 1",
}  # fmt: skip
_RECOVERY: CborValue = {**_EVENT, "fr": "2026-09-21", "df": "2026-10-01", "du": "2027-03-01"}


def _claims(key: str, event: CborValue, born: str) -> bytes:
    certificate: CborValue = {
        "ver": "1.3.0",
        "nam": {"fn": "Müster", "fnt": "MUESTER", "gn": "Gaby", "gnt": "GABY"},
        "dob": born,
        key: [event],
    }
    return cbor.encode(
        {
            1: "AT",
            4: school.NOW_S + 10_000_000,
            6: school.NOW_S - 1_000_000,
            -260: {1: certificate},
        }
    )


CLAIMS = (
    _claims("v", _VACCINATION, "1998-02-26"),
    _claims("t", _TEST, "2022"),
    _claims("r", _RECOVERY, "1964-08"),
)
_MESSAGES = [school.sign1(claims, school.MINISTRY, school.MINISTRY_KEY_ID) for claims in CLAIMS]


def packed(message: bytes) -> str:
    """Return what follows the prefix."""
    return base45.encode(zlib.compress(message))


TARGET = target_of(
    [
        Layer(school.hc1, mutators.of_tree(trees.CBOR), CLAIMS, is_signed=True),
        Layer(
            lambda data: school.hc1(data, school.OTHER_MINISTRY),
            mutators.of_tree(trees.CBOR),
            CLAIMS,
            is_forged=True,
        ),
        Layer(
            lambda data: "HC1:" + packed(data),
            mutators.of_tree(trees.CBOR),
            _MESSAGES,
        ),
        Layer(
            lambda data: "HC1:" + base45.encode(data),
            mutators.of_bytes,
            [*(zlib.compress(message) for message in _MESSAGES), zlib.compress(bytes(100_000), 9)],
        ),
        Layer(AS_IT_IS, mutators.of_text, [school.hc1(claims).encode() for claims in CLAIMS]),
    ]
)
