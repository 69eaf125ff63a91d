"""What came of a demo: every visit in the ledger, and again at the collector."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gated.contents import Kind
from gated.errors import StorageError
from gated.ledger.reader import EventFilter, LedgerReader
from gated.simulation.play import Played, find_unexpected
from gated.vocabulary import Outcome, ReleaseResult


@dataclass(frozen=True, slots=True)
class Tally:
    """The demo's last line, and what it is made of."""

    visits: int  # persons who were played
    stored: int  # visits that the collector holds
    lost: int  # visits in the ledger that the collector does not hold
    duplicated: int  # visits that the collector holds twice
    unexpected: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return (self.visits, 0, 0, 0) == (
            self.stored,
            self.lost,
            self.duplicated,
            len(self.unexpected),
        )

    def __str__(self) -> str:
        return (
            f"visits={self.visits} stored={self.stored} lost={self.lost} "
            f"duplicated={self.duplicated} unexpected={len(self.unexpected)}"
        )


def take_tally(played: Played, ledger: Path, database: Path) -> Tally:
    """Return the tally. Raises: StorageError: the ledger or the database cannot be read."""
    outcome_of, openings = _read_ledger(ledger)
    stored, problems = _read_database(database)
    unexpected = find_unexpected(played, outcome_of, openings)
    unexpected.extend(f"quarantined at the collector: {problem}" for problem in problems)
    return Tally(
        visits=sum(len(staging.act.roles) for staging in played.stagings),
        stored=len(stored),
        lost=sum(1 for visit_id in outcome_of if visit_id not in stored),
        duplicated=sum(count - 1 for count in stored.values()),
        unexpected=tuple(unexpected),
    )


def _read_ledger(path: Path) -> tuple[dict[str, Outcome], int]:
    """Return (visit id → outcome, how often the gate should have opened)."""
    opening_results = {ReleaseResult.CLEARED.value, ReleaseResult.OVERRIDE.value}
    outcome_of: dict[str, Outcome] = {}
    openings = 0
    with closing(LedgerReader(path)) as reader:
        kinds = frozenset({Kind.VISIT.value, Kind.RELEASE.value})
        for event in reader.events(EventFilter(kinds=kinds)):
            if event.kind == Kind.RELEASE:
                openings += event.outcome in opening_results
            elif event.visit_id is not None and event.outcome is not None:
                outcome_of[event.visit_id] = Outcome(event.outcome)
                openings += event.outcome == Outcome.GRANTED
    return outcome_of, openings


def _read_database(path: Path) -> tuple[Counter[str], list[str]]:
    """Return (visit id → how often it is stored, problems in quarantine)."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            visits = db.execute("SELECT visit_id FROM record WHERE kind = 'visit'").fetchall()
            problems = db.execute("SELECT problem || ': ' || error FROM quarantine").fetchall()
    except sqlite3.Error as exc:
        raise StorageError(f"cannot read {path}: {exc}") from exc
    return Counter(str(row[0]) for row in visits), [str(row[0]) for row in problems]
