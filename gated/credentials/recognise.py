"""Which format a code's text is in. By its shape alone: nothing is believed here."""

from __future__ import annotations

import enum

from gated.credentials import changing, gp1, hc1, nzcp, shc, wecom


class CodeFormat(enum.StrEnum):
    """The formats that can be verified; the names stand as they are on the wire."""

    GP1 = "GP1"
    GP1T = "GP1T"  # the same, changing on a phone
    HC1 = "HC1"
    NZCP = "NZCP"
    SHC = "SHC"
    WECOM = "WeCom"


_PREFIXES = {
    gp1.PREFIX: CodeFormat.GP1,
    changing.PREFIX: CodeFormat.GP1T,
    hc1.PREFIX: CodeFormat.HC1,
    nzcp.PREFIX: CodeFormat.NZCP,
    shc.PREFIX: CodeFormat.SHC,
}


def recognise(text: str) -> CodeFormat | None:
    """Return the format of ``text``, or None when we cannot verify such a code.

    Prefixes are exact: ``gp1:`` or a leading space is another text, and nobody's. WeCom's codes
    have none: they are recognised by their layout, which a text of 100 to 124 characters can have.
    """
    for prefix, code_format in _PREFIXES.items():
        if text.startswith(prefix):
            return code_format
    return CodeFormat.WECOM if wecom.has_shape(text) else None


def resembles_ours(text: str) -> bool:
    """Return whether ``text`` is in one of the formats but for the case of its prefix, perhaps.

    A scanner that is set to one case spoils a code, which still holds a name and a date of birth.
    """
    folded = text.casefold()
    is_spoilt = any(folded.startswith(prefix.casefold()) for prefix in _PREFIXES)
    return is_spoilt or recognise(text) is not None
