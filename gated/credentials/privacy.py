"""What must not stand in a pass: names and numbers that the state or an operator gave out.

A QR code is read by any phone, so a pass carries pseudonyms; the name is printed beside it.
"""

from __future__ import annotations

import re

from gated.credentials.gp1 import is_pseudonym

_ID_NUMBER = re.compile(r"(?<!\d)(\d{17}[\dXx]|\d{15})(?!\d)", re.ASCII)  # GB 11643
_PHONE_NUMBER = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)", re.ASCII)
_SEPARATORS = re.compile(r"[ ._-]")


def why_no_pseudonym(text: str) -> str | None:
    """Return why ``text`` cannot be a pseudonym on a pass, or None. It is not repeated.

    It may be somebody's ID number.
    """
    problem = find_identity(text)
    if problem is None and not is_pseudonym(text):
        problem = "it has other characters, or more than 32"
    return problem


def find_identity(text: str) -> str | None:
    """Return why ``text`` looks like a person's identity, or None if it can be a pseudonym."""
    if not text.isascii():
        return "it has characters other than letters, digits, '.', '_' and '-': a name, perhaps"
    problem = find_number(text)
    if problem is None and not any(character.isdigit() for character in text):
        problem = "it has no digit, so it looks like a name"
    return problem


def find_number(text: str) -> str | None:
    """Return why ``text`` looks like an ID or phone number, or None. It may be in any script."""
    for form in (text, _SEPARATORS.sub("", text)):
        if _ID_NUMBER.search(form):
            return "it looks like an ID number (15 or 18 digits)"
        if _PHONE_NUMBER.search(form):
            return "it looks like a phone number (11 digits)"
    return None
