"""One day of every lane: what happened, and whether that is all that happened."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from gated.collector.completeness import Gap, GapReason, Proof, prove
from gated.collector.store import ChainEvidence, GateRow, Lane, Reader, Tally
from gated.contents import AlarmName, Kind
from gated.vocabulary import TO_MEASURE, Outcome, PassageResult, Reason, ReleaseResult

HEALTH_REASONS = frozenset(
    {Reason.TEMPERATURE_HIGH, Reason.LISTED_PERSON, Reason.CODE_RED, Reason.CODE_YELLOW}
)
"""Reasons that somebody must be looked after: none of them may occur on a day without findings."""
HEALTH_ALARMS = frozenset(
    {AlarmName.TEMPERATURE_HIGH, AlarmName.LISTED_PERSON, AlarmName.CODE_RED_OR_YELLOW}
)
"""The same where another reason outranks those, or the gate only observes."""
REFUSALS = frozenset({Outcome.DENIED, Outcome.SEE_STAFF})


class Completeness(enum.StrEnum):
    """Whether the counts of a lane's day are all there is."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    SO_FAR = "so_far"  # nothing is missing, but the day is not over


@dataclass(slots=True)
class Counts:
    """What happened in one lane, or in all. Drills are only in ``drills``."""

    visits: Counter[str] = field(default_factory=Counter)  # by direction
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)  # by reason
    releases: Counter[str] = field(default_factory=Counter)  # by result
    passages: Counter[str] = field(default_factory=Counter)  # by result
    alarms: Counter[str] = field(default_factory=Counter)
    to_measure: int = 0  # admitted, or screened, without a judged temperature
    health_visits: int = 0  # at or above the threshold, or refused for one of HEALTH_REASONS
    second_measurements: int = 0
    would_have_been_refused: int = 0  # in the mode "observe"
    boots: int = 0
    drills: int = 0
    undated_visits: int = 0  # their clock was wrong: perhaps of this day, in no other count
    undated_others: int = 0

    def add(self, tally: Tally) -> None:
        """Count ``tally``."""
        if tally.drill:
            self.drills += tally.count
        elif tally.kind == Kind.VISIT:
            self._add_visit(tally)
        elif tally.kind == Kind.PASSAGE:
            self.passages[tally.result or ""] += tally.count
        elif tally.kind == Kind.RELEASE:
            self.releases[tally.result or ""] += tally.count
        elif tally.kind == Kind.ALARM:
            self.alarms[tally.alarm or ""] += tally.count
        elif tally.kind == Kind.BOOT:
            self.boots += tally.count

    def _add_visit(self, tally: Tally) -> None:
        self.visits[tally.direction or ""] += tally.count
        self.outcomes[tally.outcome or ""] += tally.count
        if tally.outcome in REFUSALS:
            self.refusals[tally.reason or ""] += tally.count
        if tally.follow_up == TO_MEASURE:
            self.to_measure += tally.count
        is_refused_for_health = tally.outcome in REFUSALS and tally.reason in HEALTH_REASONS
        if tally.is_at_threshold or is_refused_for_health:
            self.health_visits += tally.count
        if tally.is_second:
            self.second_measurements += tally.count
        if tally.would_have in REFUSALS:
            self.would_have_been_refused += tally.count

    def merge(self, other: Counts) -> None:
        """Add everything of ``other``."""
        for mine, theirs in zip(self._counters(), other._counters(), strict=True):
            mine.update(theirs)
        self.to_measure += other.to_measure
        self.health_visits += other.health_visits
        self.second_measurements += other.second_measurements
        self.would_have_been_refused += other.would_have_been_refused
        self.boots += other.boots
        self.drills += other.drills
        self.undated_visits += other.undated_visits
        self.undated_others += other.undated_others

    def _counters(self) -> tuple[Counter[str], ...]:
        return (
            *(self.visits, self.outcomes, self.refusals),
            *(self.releases, self.passages, self.alarms),
        )

    @property
    def findings(self) -> int:
        """Return how much there is that a day without findings must not have."""
        alarms = sum(self.alarms[name] for name in HEALTH_ALARMS)
        return (
            max(self.health_visits, alarms)  # most visits have their alarm
            + self.releases[ReleaseResult.ISOLATED]
            + self.releases[ReleaseResult.OVERRIDE]
            + self.passages[PassageResult.FORCED]
            + self.to_measure
        )


@dataclass(frozen=True, slots=True)
class LaneReport:
    lane: Lane
    completeness: Completeness
    gaps: tuple[Gap, ...]  # why it is incomplete
    counts: Counts

    @property
    def is_zero_report(self) -> bool:
        """Return whether it may be said that there is nothing to report."""
        is_dated = self.counts.undated_visits == 0
        return self.completeness is Completeness.COMPLETE and is_dated and self.counts.findings == 0


@dataclass(frozen=True, slots=True)
class Report:
    day: date
    timezone: str
    made_at: datetime
    lanes: tuple[LaneReport, ...]

    @property
    def total(self) -> Counts:
        """Return the sum of all lanes."""
        total = Counts()
        for lane in self.lanes:
            total.merge(lane.counts)
        return total

    @property
    def completeness(self) -> Completeness:
        """Return that of the worst lane; without any lane nothing is known."""
        found = {lane.completeness for lane in self.lanes}
        if not found or Completeness.INCOMPLETE in found:
            return Completeness.INCOMPLETE
        return Completeness.SO_FAR if Completeness.SO_FAR in found else Completeness.COMPLETE

    @property
    def is_zero_report(self) -> bool:
        return bool(self.lanes) and all(lane.is_zero_report for lane in self.lanes)


def bounds_ms(day: date, zone: tzinfo) -> tuple[int, int]:
    """Return when ``day`` begins and ends in ``zone``, in ms since 1970."""
    begin = datetime.combine(day, time.min, tzinfo=zone)
    end = datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)
    return round(begin.timestamp() * 1_000), round(end.timestamp() * 1_000)


def daily_report(reader: Reader, day: date, zone: tzinfo, now: datetime) -> Report:
    """Return the report of ``day`` as it can be made at ``now``. Raises: StorageError."""
    from_ms, to_ms = bounds_ms(day, zone)
    with reader.snapshot():
        counts: dict[Lane, Counts] = {}
        alive: set[Lane] = set()
        for tally in reader.tallies(from_ms, to_ms):
            counts.setdefault(tally.lane, Counts()).add(tally)
            alive.add(tally.lane)
        lanes = []
        for gate in reader.gates():
            evidence = reader.evidence(gate.lane)
            proof = prove(evidence, gate)
            if not proof.was_in_service(to_ms):
                continue
            lane_counts = counts.get(gate.lane, Counts())
            _add_undated(lane_counts, evidence, from_ms, to_ms)
            is_alive = gate.lane in alive or _was_running(reader, gate, from_ms, to_ms)
            is_over = now.astimezone(UTC).timestamp() * 1_000 >= to_ms
            gaps = _gaps_of_day(proof, gate, (from_ms, to_ms), is_over=is_over, is_alive=is_alive)
            lanes.append(
                LaneReport(gate.lane, _judge(gaps, is_over=is_over), tuple(gaps), lane_counts)
            )
    return Report(day, str(zone), now, tuple(lanes))


def _add_undated(
    counts: Counts, evidence: Sequence[ChainEvidence], from_ms: int, to_ms: int
) -> None:
    for chain in evidence:
        for undated in chain.undated:
            if (undated.after_ms or 0) < to_ms and undated.before_ms > from_ms:
                counts.undated_visits += undated.visits
                counts.undated_others += undated.others


def _was_running(reader: Reader, gate: GateRow, from_ms: int, to_ms: int) -> bool:
    """Return whether the gate was certainly on all day, though it recorded nothing."""
    if reader.was_one_boot(gate.lane, from_ms, to_ms):
        return True
    began, last = gate.session_since_ms, gate.state_at_ms
    return began is not None and last is not None and began <= from_ms and last >= to_ms


def _gaps_of_day(
    proof: Proof, gate: GateRow, day_ms: tuple[int, int], *, is_over: bool, is_alive: bool
) -> list[Gap]:
    gaps = [gap for gap in proof.gaps if gap.touches(*day_ms)]
    if not is_over and gate.is_online:  # what comes until midnight is not missing
        gaps = [gap for gap in gaps if gap.reason is not GapReason.NOTHING_SINCE]
    if is_over and not gaps and not is_alive:
        gaps.append(Gap(GapReason.NO_SIGN_OF_LIFE, *day_ms))
    return gaps


def _judge(gaps: Sequence[Gap], *, is_over: bool) -> Completeness:
    if gaps:
        return Completeness.INCOMPLETE
    return Completeness.COMPLETE if is_over else Completeness.SO_FAR
