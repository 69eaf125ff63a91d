"""Base45: what decodes is encoded to the same text again."""

from __future__ import annotations

from fuzz import mutators
from fuzz.codes import text_of
from fuzz.target import Escape, Target
from gated.credentials import base45
from gated.credentials.malformed import MalformedCode


def _run(data: bytes) -> bool:
    text = text_of(data)
    try:
        decoded = base45.decode(text)
    except MalformedCode:
        return False
    if base45.encode(decoded) != text:
        raise Escape("two texts for the same bytes")
    return True


TARGET = Target(
    run=_run,
    seeds=lambda: [
        b"",
        b"BB8",
        b"%69 VD92EX0",
        b"UJCLQE7W581",
        b"QED8WEX0",
        b"FGW",
        b"GGW",
        b"::::",
    ],
    mutate=mutators.of_text,
    max_bytes=4_296,
)
