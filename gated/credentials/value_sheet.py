"""The staff's value sheet: a printed line for each contact reading, ``GV1:36.0`` to ``GV1:40.0``.

Not signed: anybody can print it. It counts only in a release, after a staff card and the button.
"""

from __future__ import annotations

import re

PREFIX = "GV1:"
LOWEST_C, HIGHEST_C = 36.0, 40.0

_VALUE = re.compile(r"[0-9]{2}\.[0-9]", re.ASCII)


def parse_value_sheet(text: str) -> float | None:
    """Return the contact thermometer's reading in °C, or None if ``text`` is not such a line."""
    if not text.startswith(PREFIX):
        return None
    value = text[len(PREFIX) :]
    if _VALUE.fullmatch(value) is None:
        return None
    contact_c = float(value)
    return contact_c if LOWEST_C <= contact_c <= HIGHEST_C else None
