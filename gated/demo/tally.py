"""What came of a demo: every visit in the ledger, and again at the collector."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gated.clock import Clock
from gated.contents import AlarmName, Kind
from gated.errors import StorageError
from gated.ledger.reader import LedgerReader
from gated.simulation.outages import Outage
from gated.simulation.play import Played
from gated.simulation.verdict import Recorded, find_amiss
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
    disturbed: tuple[str, ...] = ()  # a line for each act that a pulled plug has disturbed
    disturbed_persons: int | None = None  # in those; None: no plug was pulled

    @property
    def is_clean(self) -> bool:
        """Whether nothing is amiss but what a pulled plug explains.

        Whoever is disturbed may have no visit, or two; the others' are looked at one by one.
        """
        adds_up = self.visits == self.stored or bool(self.disturbed)
        return adds_up and (self.lost, self.duplicated, len(self.unexpected)) == (0, 0, 0)

    def __str__(self) -> str:
        disturbed = "" if self.disturbed_persons is None else f" disturbed={self.disturbed_persons}"
        return (
            f"visits={self.visits} stored={self.stored} lost={self.lost} "
            f"duplicated={self.duplicated} unexpected={len(self.unexpected)}{disturbed}"
        )


def take_tally(
    played: Played, ledger: Path, database: Path, clock: Clock, outages: Sequence[Outage] = ()
) -> Tally:
    """Return the tally. Raises: StorageError: the ledger or the database cannot be read."""
    recorded = read_recorded(ledger, clock)
    stored, problems = _read_database(database)
    found = find_amiss(played.stagings, recorded, played.relay_pulses, outages)
    quarantined = [f"quarantined at the collector: {problem}" for problem in problems]
    return Tally(
        visits=sum(len(staging.act.roles) for staging in played.stagings),
        stored=len(stored),
        lost=sum(1 for visit_id in recorded.visits if visit_id not in stored),
        duplicated=sum(count - 1 for count in stored.values()),
        unexpected=(*found.unexpected, *quarantined),
        disturbed=tuple(found.disturbed),
        disturbed_persons=found.disturbed_persons if outages else None,
    )


def read_recorded(path: Path, clock: Clock) -> Recorded:
    """Return what stands in the ledger at ``path``. Raises: StorageError."""
    recorded = Recorded()
    boot_s = clock.boottime_ms() / 1_000 - clock.monotonic_s()
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
                    at_s = int(str(body["boot_ms"])) / 1_000 - boot_s
                    recorded.alarms.append((AlarmName(str(body["alarm"])), at_s))
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
