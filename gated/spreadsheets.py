"""Texts for spreadsheets, which run what looks like a formula: every export comes through here."""

from __future__ import annotations

_FORMULA_STARTS = tuple("=+-@\t\r\n\0＝＋－＠")
"""What makes a spreadsheet take a cell for a formula (OWASP), also in full width."""


def cell_text(text: str) -> str:
    """Return ``text`` as a cell that is shown and never evaluated."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
