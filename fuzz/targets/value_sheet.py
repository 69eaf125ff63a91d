"""The value sheet: a reading within its bounds, or nothing."""

from __future__ import annotations

from fuzz import mutators
from fuzz.codes import text_of
from fuzz.target import Escape, Target
from gated.credentials.value_sheet import HIGHEST_C, LOWEST_C, parse_value_sheet

SEEDS = (b"GV1:36.0", b"GV1:40.0", b"GV1:40.1", b"GV1:nan", "GV1:３６.５".encode(), b"GV1:36.5\n")


def _run(data: bytes) -> bool:
    text = text_of(data)
    contact_c = parse_value_sheet(text)
    if contact_c is None:
        return False
    if not LOWEST_C <= contact_c <= HIGHEST_C or text != f"GV1:{contact_c:.1f}":
        raise Escape("a reading that the line does not say")
    return True


TARGET = Target(run=_run, seeds=lambda: SEEDS, mutate=mutators.of_text, max_bytes=64)
