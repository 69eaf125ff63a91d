"""WeCom: the fields of both kinds under the company's signature, and any base64."""

from __future__ import annotations

import base64
import struct

from fuzz import mutators, school
from fuzz.codes import AS_IT_IS, Layer, target_of

_EMPLOYEE = struct.pack(">BBQIH", 1, 0, 1688850000000001, school.NOW_S - 30, 300)
_VISITOR = struct.pack(">BBQB", 1, 1, 1688850000000002, 5) + b"state"
CODES = (_EMPLOYEE, _VISITOR)
_WHOLE = [school.wecom(code) for code in CODES]

TARGET = target_of(
    [
        Layer(school.wecom, mutators.of_fields, CODES, is_signed=True),
        Layer(
            lambda data: school.wecom(data, school.OTHER_MINISTRY),
            mutators.of_fields,
            CODES,
            is_forged=True,
        ),
        Layer(
            lambda data: base64.b64encode(data).decode(),
            mutators.of_bytes,
            [base64.b64decode(text) for text in _WHOLE],
        ),
        Layer(AS_IT_IS, mutators.of_bytes, [text.encode() for text in _WHOLE]),
    ],
    max_bytes=256,
)
