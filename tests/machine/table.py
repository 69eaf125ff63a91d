"""Prints what ``make machine`` has tested, with its figures: the last thing of a run."""

from __future__ import annotations

import sys
from unicodedata import east_asian_width

from tests.machine.figures import Figure, Verdict, read


def lines(figures: list[Figure]) -> list[str]:
    """Return the table, a line each."""
    rows = [("what", "figure", "limit", "")]
    rows += [
        (
            f.what,
            f"{f.figure:g} {f.unit}".strip() if isinstance(f.figure, float | int) else f.figure,
            "" if f.limit is None else f"{f.limit:g} {f.unit}".strip(),
            f.verdict.value,
        )
        for f in figures
    ]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "FW" else 1 for letter in text)


def main() -> None:
    """Print the table, and which marks were missed."""
    figures = read()
    if not figures:
        sys.stdout.write("nothing was measured\n")
        return
    table = lines(figures)
    missed = [figure.what for figure in figures if figure.verdict is Verdict.MISSED]
    if missed:
        table.append(f"missed: {', '.join(missed)}")
    sys.stdout.write("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
