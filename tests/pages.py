"""Reading the pages in docs: their tables, and what stands between back-ticks."""

from __future__ import annotations

import re


def table(text: str, *header: str) -> list[dict[str, str]]:
    """Return the rows of the table in ``text`` that has these columns."""
    lines = text.splitlines()
    start = lines.index(f"| {' | '.join(header)} |") + 2
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == len(header), line
        rows.append(dict(zip(header, cells, strict=True)))
    assert rows
    return rows


def spans(cell: str) -> list[str]:
    """Return what stands between back-ticks."""
    return re.findall(r"`([^`]+)`", cell)
