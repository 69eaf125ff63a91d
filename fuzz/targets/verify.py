"""Any text at all: codes of every format, under each other's prefixes, with characters changed."""

from __future__ import annotations

import random

from fuzz import mutators, school
from fuzz.codes import AS_IT_IS, Layer, target_of
from fuzz.targets import changing, gp1, hc1, nzcp, shc, wecom

_GOOD = (
    *(school.gp1(claims) for claims in gp1.CLAIMS),
    *(school.hc1(claims) for claims in hc1.CLAIMS),
    *(school.nzcp(claims) for claims in nzcp.CLAIMS),
    *(school.shc(card) for card in shc.CARDS),
    *(school.wecom(code) for code in wecom.CODES),
    changing.GOOD,
)
_PREFIXES = (
    b"GP1:",
    b"GP1T:",
    b"HC1:",
    b"NZCP:/1/",
    b"NZCP:/2/",
    b"shc:/",
    b"shc:/1/2/",
    b"GV1:",
    b"",
)


def _mutate(data: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.1:
        own = max((prefix for prefix in _PREFIXES if data.startswith(prefix)), key=len)
        return chance.choice(_PREFIXES) + data.removeprefix(own)
    return mutators.of_text(data, chance)


TARGET = target_of(
    [
        Layer(
            AS_IT_IS,
            _mutate,
            [*(text.encode() for text in _GOOD), b"", b"https://example.org/\xff", b"GP1:" * 1_200],
        )
    ],
    max_bytes=6_000,
)
