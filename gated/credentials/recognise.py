"""Which format a code's text is in. By its shape alone: nothing is decoded here."""

from __future__ import annotations

import enum


class CodeFormat(enum.StrEnum):
    """The formats that can be verified; the names stand as they are on the wire."""

    GP1 = "GP1"


_PREFIXES = {"GP1:": CodeFormat.GP1}


def recognise(text: str) -> CodeFormat | None:
    """Return the format of ``text``, or None when we cannot verify such a code.

    Prefixes are exact: ``gp1:`` or a leading space is another text, and nobody's.
    """
    for prefix, code_format in _PREFIXES.items():
        if text.startswith(prefix):
            return code_format
    return None
