"""What came of a demo: every visit in the ledger, and again at the collector."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gated.contents import AlarmName, Kind
from gated.errors import StorageError
from gated.ledger.reader import LedgerReader
from gated.simulation.play import Played
from gated.simulation.verdict import Recorded, find_unexpected
from gated.vocabulary import ClaimStep, PassageResult, ReleaseResult
from gated.wire import parse_json

MANY_EVENTS = 1_000_000
"""More than any demo records."""


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
    recorded = read_recorded(ledger)
    stored, problems = _read_database(database)
    unexpected = find_unexpected(played.stagings, recorded, played.relay_pulses)
    unexpected.extend(f"quarantined at the collector: {problem}" for problem in problems)
    return Tally(
        visits=sum(len(staging.act.roles) for staging in played.stagings),
        stored=len(stored),
        lost=sum(1 for visit_id in recorded.visits if visit_id not in stored),
        duplicated=sum(count - 1 for count in stored.values()),
        unexpected=tuple(unexpected),
    )


def read_recorded(path: Path) -> Recorded:
    """Return what stands in the ledger at ``path``. Raises: StorageError."""
    recorded = Recorded()
    with closing(LedgerReader(path)) as reader:
        for event in reader.after(0, MANY_EVENTS):
            body = parse_json(event.body)
            match event.kind:
                case Kind.VISIT if event.visit_id is not None:
                    recorded.visits[event.visit_id] = body
                case Kind.PASSAGE:
                    result = PassageResult(str(body["result"]))
                    recorded.passages.setdefault(event.visit_id, []).append(result)
                case Kind.RELEASE if event.visit_id is not None:
                    recorded.releases[event.visit_id] = ReleaseResult(str(body["result"]))
                case Kind.CLAIM:
                    step = ClaimStep(str(body["step"]))
                    recorded.claims.setdefault(event.visit_id, []).append(step)
                case Kind.ALARM:
                    recorded.alarms[AlarmName(str(body["alarm"]))] += 1
    return recorded


def _read_database(path: Path) -> tuple[Counter[str], list[str]]:
    """Return (visit id → how often it is stored, problems in quarantine)."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            visits = db.execute("SELECT visit_id FROM record WHERE kind = 'visit'").fetchall()
            problems = db.execute("SELECT problem || ': ' || error FROM quarantine").fetchall()
    except sqlite3.Error as exc:
        raise StorageError(f"cannot read {path}: {exc}") from exc
    return Counter(str(row[0]) for row in visits), [str(row[0]) for row in problems]
