"""What the machine's tests measured: one JSON line a figure, for the table at the end.

Every test appends as soon as it knows, so that a run that breaks off leaves what it has found.
"""

from __future__ import annotations

import enum
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FIGURES = Path(os.environ.get("GATED_FIGURES", "build/machine/figures.jsonl"))
"""Below the folder that the tests are started in, unless the environment names another."""


class Verdict(enum.StrEnum):
    """What became of a mark."""

    HELD = "held"
    MISSED = "missed"
    NOTED = "noted"  # measured where no mark is set
    LEFT_OUT = "left out"  # and the figure says why


@dataclass(frozen=True)
class Figure:
    """One measurement. ``limit`` is the most that is allowed; None where no mark is set."""

    what: str
    figure: float | str
    unit: str
    limit: float | None
    verdict: Verdict


def note(what: str, figure: float | str, unit: str, limit: float | None, verdict: Verdict) -> None:
    """Append one measurement."""
    line = json.dumps(asdict(Figure(what, figure, unit, limit, verdict)), ensure_ascii=False)
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    with FIGURES.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def measure(what: str, figure: float, unit: str, limit: float | None = None) -> bool:
    """Append one measurement, judged by its limit; return whether that was kept."""
    if limit is None:
        verdict = Verdict.NOTED
    else:
        verdict = Verdict.HELD if figure <= limit else Verdict.MISSED
    note(what, round(figure, 3), unit, limit, verdict)
    return verdict is not Verdict.MISSED


def read() -> list[Figure]:
    """Return what has been measured so far, in its order."""
    if not FIGURES.exists():
        return []
    lines = FIGURES.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Figure(**{**row, "verdict": Verdict(row["verdict"])}) for row in rows]
