"""Adds up what a trial would have done to many visits, one after the other. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gated.tuning.replay import Replayed, Replayer, ReplayKey, SecondReadings, replay
from gated.tuning.trial import Trial
from gated.tuning.visits import PastVisit, VisitKey
from gated.units import to_microcelsius
from gated.vocabulary import Reason, Verdict

AMBIENT_BAND_C = 4
"""Width of a band of ambient temperatures: narrow enough to see the slope, wide enough to fill."""
EXAMPLES = 3
"""So many visit ids are named where a few say enough."""
SWEEP_STEP_MC, SWEEP_STEPS = 50, 10
"""The curve goes from ten steps of 0.05 °C below today's threshold to ten above."""
TABLE_STEP_MC, TABLE_STEPS = 100, 3
"""The table shows those at ± 0.1, 0.2 and 0.3 °C."""
LOWEST_MC, HIGHEST_MC = 36_000, 40_000
"""What the configuration allows; a sweep stays inside."""
MOST_GROUPED, MOST_REPLAYERS = 20_000, 64
"""What is kept in memory at a time: unlike readings that wait, and trials that remember some."""


class By(enum.StrEnum):
    """What visits are told apart by."""

    DAY = "day"
    HOUR = "hour"
    AMBIENT = "ambient"
    THERMOMETER = "thermometer"


@dataclass(slots=True)
class Tally:
    """What one trial says of a group of visits."""

    judged: int = 0  # normal, high, or measured again with an unknown result
    high: int = 0
    again: int = 0  # measured again because of the guard band
    unknown: int = 0  # of these: nobody knows with what result
    not_judged: int = 0

    def add(self, replayed: Replayed, count: int = 1) -> None:
        if replayed.verdict is Verdict.NOT_JUDGED:
            self.not_judged += count
        else:
            self.judged += count
        self.high += count * (replayed.verdict is Verdict.HIGH)
        self.again += count * replayed.is_again
        self.unknown += count * replayed.is_unknown

    @property
    def most_high(self) -> int:
        """Return how many are high if every unknown reading was."""
        return self.high + self.unknown


@dataclass(slots=True)
class Pair:
    """The same visits today and then; without a proposal both are today's."""

    now: Tally = field(default_factory=Tally)
    then: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class Verified:
    """A visit with a contact reading."""

    key: VisitKey
    readings_c: tuple[float, ...]
    refusal: Reason | None
    body_c: float | None  # as the gate judged it; None: it could not
    contact_c: float
    is_case: bool
    ambient_c: float | None


@dataclass(slots=True)
class Swept:
    """One threshold of the sweep, everything else being equal."""

    trial: Trial
    tally: Tally = field(default_factory=Tally)  # of every visit
    dated: Tally = field(default_factory=Tally)  # of those whose day is known
    shown: Tally = field(default_factory=Tally)  # one of both: what there is to see at the end
    unknown: Counter[tuple[bool, tuple[float, ...]]] = field(default_factory=Counter)
    expected_high: float | None = None  # an estimate; None: too few second readings, or not needed

    def add(self, replayed: Replayed, count: int, *, is_dated: bool) -> None:
        self.tally.add(replayed, count)
        if is_dated:
            self.dated.add(replayed, count)
        if replayed.is_unknown:
            # To 0.01 °C: it only serves an estimate, and bounds how many there can be.
            self.unknown[is_dated, tuple(round(c, 2) for c in replayed.taken_c)] += count

    def finish(self, seconds: SecondReadings, *, is_daily: bool) -> None:
        """Choose what is shown, and estimate ``expected_high`` if there are second readings enough.

        A visit of an unknown day is in no figure a day.
        """
        self.shown = self.dated if is_daily else self.tally
        if self.shown.unknown and seconds.are_enough:
            self.expected_high = self.shown.high + sum(
                count * seconds.chance_of_high(taken_c, self.trial)
                for (is_dated, taken_c), count in self.unknown.items()
                if is_dated or not is_daily
            )


@dataclass(slots=True)
class Checked:
    """Whether the rule gives what was recorded: the proof that the replay is the gate's own."""

    same: int = 0
    other: int = 0
    examples: list[str] = field(default_factory=list)  # visit ids

    def note(self, visit: PastVisit, replayed: Replayed) -> None:
        if visit.verdict is None:
            return
        if replayed.verdict == visit.verdict:
            self.same += 1
            return
        self.other += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(visit.visit_id)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    today: Trial
    proposed: Trial | None
    contact_threshold_c: float  # a contact reading from here on is a case

    @property
    def then(self) -> Trial:
        return self.proposed or self.today


@dataclass(slots=True)
class Study:
    """What many visits say. Feed it with ``add``, then ``finish`` it once."""

    question: Question
    contacts: Mapping[VisitKey, float]  # contact readings in °C
    most_grouped: int = MOST_GROUPED
    most_replayers: int = MOST_REPLAYERS
    visits: int = 0
    drills: int = 0
    damaged: int = 0
    undated: int = 0
    observed: int = 0
    other_settings: int = 0  # recorded under another threshold than today's
    lanes: Counter[tuple[str, str]] = field(default_factory=Counter)
    not_judged: Counter[Reason] = field(default_factory=Counter)  # as it was recorded
    groups: dict[By, dict[str | int, Pair]] = field(default_factory=lambda: {by: {} for by in By})
    first_readings: Counter[int] = field(default_factory=Counter)  # in whole 0.1 °C, downwards
    ambient_and_body: Counter[tuple[int, int]] = field(default_factory=Counter)  # 0.1 °C, 0.05 °C
    verified: list[Verified] = field(default_factory=list)
    seconds: SecondReadings = field(default_factory=SecondReadings)
    sweep: list[Swept] = field(default_factory=list)
    now: Swept = field(init=False)
    then: Swept = field(init=False)
    checked: Checked = field(default_factory=Checked)
    _grouped: Counter[tuple[ReplayKey, bool]] = field(default_factory=Counter)
    _replayers: dict[Trial, Replayer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        question = self.question
        self.sweep = [Swept(trial) for trial in sweep_trials(question.today, question.then)]
        self.now, self.then = Swept(question.today), Swept(question.then)

    def add(self, visit: PastVisit) -> None:
        """Take one visit in. Drills are counted, and nothing else."""
        if visit.is_drill:
            self.drills += 1
            return
        self.visits += 1
        self.undated += visit.day is None
        self.observed += visit.is_observed
        self.lanes[visit.key[:2]] += 1
        self._compare_with_record(visit)
        self._grouped[(visit.readings_c, visit.refusal), visit.day is not None] += 1
        if len(self._grouped) >= self.most_grouped:
            self._settle()
        self._group(visit)
        self._measure(visit)

    def finish(self) -> None:
        """Work out what needs every visit."""
        self._settle()
        for swept in (*self.sweep, self.now, self.then):
            swept.finish(self.seconds, is_daily=self.days > 0)

    @property
    def days(self) -> int:
        """Return on how many days there was a visit."""
        return len(self.groups[By.DAY])

    @property
    def replayed(self) -> int:
        """Return how many visits have a reading that one of both trials can judge."""
        return max(self.now.tally.judged, self.then.tally.judged)

    def replay(self, verified: Verified, trial: Trial) -> Replayed:
        """Return what ``trial`` says of a visit with a contact reading."""
        return self._replayer(trial).replay(verified.readings_c, verified.refusal)

    def _replayer(self, trial: Trial) -> Replayer:
        if trial not in self._replayers:
            if len(self._replayers) >= self.most_replayers:
                self._replayers.clear()
            self._replayers[trial] = Replayer(trial)
        return self._replayers[trial]

    def _compare_with_record(self, visit: PastVisit) -> None:
        today = self.question.today
        rules = today.rules
        was = (to_microcelsius(visit.threshold_c), visit.is_inclusive)
        is_todays = was == (
            to_microcelsius(rules.fever_threshold_c),
            rules.fever_threshold_inclusive,
        )
        self.other_settings += not is_todays
        then = today if is_todays else _as_it_was(today, visit)
        self.checked.note(visit, self._replayer(then).replay(visit.readings_c, visit.refusal))

    def _settle(self) -> None:
        """Replay what was grouped under every threshold of the sweep: each kind of visit once."""
        for ((readings_c, refusal), is_dated), count in self._grouped.items():
            for swept in (*self.sweep, self.now, self.then):
                swept.add(replay(readings_c, refusal, swept.trial), count, is_dated=is_dated)
        self._grouped.clear()

    def _group(self, visit: PastVisit) -> None:
        question = self.question
        now = self._replayer(question.today).replay(visit.readings_c, visit.refusal)
        then = now
        if question.proposed is not None:
            then = self._replayer(question.proposed).replay(visit.readings_c, visit.refusal)
        if now.verdict is Verdict.NOT_JUDGED and visit.refusal is not None:
            self.not_judged[visit.refusal] += 1
        for by, key in _keys(visit):
            pair = self.groups[by].setdefault(key, Pair())
            pair.now.add(now)
            pair.then.add(then)

    def _measure(self, visit: PastVisit) -> None:
        if visit.readings_c:
            self.first_readings[to_microcelsius(visit.readings_c[0]) // 100_000] += 1
        if visit.body_c is not None and visit.ambient_c is not None:
            self.ambient_and_body[round(visit.ambient_c * 10), round(visit.body_c * 20)] += 1
        if len(visit.readings_c) > 1:
            self.seconds.add(visit.readings_c)
        contact_c = self.contacts.get(visit.key)
        if contact_c is not None:
            limit = to_microcelsius(self.question.contact_threshold_c)
            self.verified.append(
                Verified(
                    visit.key,
                    visit.readings_c,
                    visit.refusal,
                    visit.body_c,
                    contact_c,
                    is_case=to_microcelsius(contact_c) >= limit,
                    ambient_c=visit.ambient_c,
                )
            )


def _keys(visit: PastVisit) -> Iterable[tuple[By, str | int]]:
    if visit.day is not None and visit.hour is not None:
        yield By.DAY, visit.day
        yield By.HOUR, visit.hour
    if visit.ambient_c is not None:
        yield By.AMBIENT, int(visit.ambient_c // AMBIENT_BAND_C) * AMBIENT_BAND_C
    if visit.thermometer:
        yield By.THERMOMETER, visit.thermometer


def _as_it_was(today: Trial, visit: PastVisit) -> Trial:
    """Return today's rule with the threshold that the record quotes: all that it says of it."""
    rules = replace(
        today.rules,
        fever_threshold_c=visit.threshold_c,
        fever_threshold_inclusive=visit.is_inclusive,
    )
    return replace(today, rules=rules)


def sweep_trials(today: Trial, then: Trial) -> list[Trial]:
    """Return ``then`` at the thresholds around today's, and at its own, in their order."""
    centre = _millidegrees(today.rules.fever_threshold_c)
    steps = range(-SWEEP_STEPS, SWEEP_STEPS + 1)
    own = _millidegrees(then.rules.fever_threshold_c)
    thresholds = {centre + step * SWEEP_STEP_MC for step in steps}
    # In larger steps to one that lies further away: a straight line to it would be made up.
    towards = TABLE_STEP_MC if own > centre else -TABLE_STEP_MC
    thresholds |= set(range(centre, own, towards))
    inside = {mc for mc in thresholds if LOWEST_MC <= mc <= HIGHEST_MC}
    inside |= {centre, own}
    return [then.at_threshold(mc / 1_000) for mc in sorted(inside)]


def is_in_table(trial: Trial, today: Trial, then: Trial) -> bool:
    """Return whether a threshold of the sweep has a row of its own in the table."""
    away = _millidegrees(trial.rules.fever_threshold_c) - _millidegrees(
        today.rules.fever_threshold_c
    )
    is_step = away % TABLE_STEP_MC == 0 and abs(away) <= TABLE_STEPS * TABLE_STEP_MC
    return is_step or trial == then


def _millidegrees(value_c: float) -> int:
    return round(value_c * 1_000)
