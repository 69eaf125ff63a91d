"""Holders whom a certificate names: one text for one person, whatever the card and its spelling.

The text is read by nobody: pseudonyms are made of it under the site key.
"""

from __future__ import annotations

import unicodedata

from gated.credentials.malformed import MalformedCode

MAX_NAME_CHARACTERS = 300
"""Longer names are refused: normalising a long run of combining marks takes its square in time."""


def named_subject(given: str, family: str, born: str) -> str:
    """Return the subject of somebody with these names, born on ``born`` as the certificate has it.

    Case, width, composition and runs of blanks make no other person.

    Raises: MalformedCode: a name is too long, or there is none.
    """
    names = [_normalised(given), _normalised(family)]
    if not any(names):
        raise MalformedCode("certificate: a holder without a name")
    return "\n".join((*names, born))  # no name keeps a line break, so no two lists become one text


def _normalised(name: str) -> str:
    if len(name) > MAX_NAME_CHARACTERS:
        raise MalformedCode("certificate: a name that is too long")
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())
