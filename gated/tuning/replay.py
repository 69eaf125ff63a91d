"""Judges recorded readings again, under another rule, by the gate's own policy. Pure.

Readings are given to ``judge_temperature`` one after the other, as the gate got them, until it has
a verdict: what was measured after that would not have been measured. Where it would have measured
once more, and did not when it happened, the verdict stays ``recheck``: nobody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gated.judgement import Judgement, judge_temperature
from gated.messages import Credential, Reading
from gated.policy import Context, Rules, decide
from gated.tuning.trial import Trial
from gated.units import MonoSeconds, to_microcelsius
from gated.vocabulary import CredentialStatus, Outcome, Reason, Verdict

ReplayKey = tuple[tuple[float, ...], Reason | None]
"""Readings in °C, and why the last one gave none: visits that share it share every verdict."""
MOST_REMEMBERED = 20_000
"""Replays kept in memory; a year of a school has about 3,000 that differ in one reading."""
_GOOD_PASS = Credential(CredentialStatus.VALID, "GP1", "replay")
"""With it the temperature alone decides."""
_AT = MonoSeconds(0.0)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a trial says of one visit."""

    verdict: Verdict  # RECHECK: it would be measured again, with an unknown result
    is_again: bool  # measured again because of the guard band
    taken_c: tuple[float, ...]  # the readings it took, the offset added
    judgement: Judgement

    @property
    def is_unknown(self) -> bool:
        return self.verdict is Verdict.RECHECK

    def lets_in(self, trial: Trial) -> bool | None:
        """Return whether the gate opens for a good pass; None: an unknown reading decides."""
        if self.is_unknown:
            return None
        rules = Rules(temperature=trial.rules)
        return decide(self.judgement, _GOOD_PASS, Context(), rules).outcome is Outcome.GRANTED


class Replayer:
    """Replays visits under one trial, and remembers what it has seen."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._seen: dict[ReplayKey, Replayed] = {}

    def replay(self, readings_c: tuple[float, ...], refusal: Reason | None) -> Replayed:
        """Return what the trial says of ``readings_c``, after which came ``refusal``, if any."""
        key = (readings_c, refusal)
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) >= MOST_REMEMBERED:
                self._seen.clear()
            found = self._seen[key] = replay(readings_c, refusal, self.trial)
        return found


def replay(readings_c: Sequence[float], refusal: Reason | None, trial: Trial) -> Replayed:
    """Return what ``trial`` says of one visit's readings in °C, in their order.

    ``refusal``: why one more reading gave no temperature; None if every one did.
    """
    wanted = [_reading(value_c, trial) for value_c in readings_c]
    if refusal is not None or not wanted:
        wanted.append(_refused(refusal or Reason.NO_READING))
    taken: list[Reading] = []
    is_again = False
    judgement = Judgement(Verdict.NOT_JUDGED)
    for reading in wanted:
        taken.append(reading)
        judgement = judge_temperature(taken, trial.rules)
        if judgement.verdict is not Verdict.RECHECK:
            break
        is_again = True
    return Replayed(
        judgement.verdict,
        is_again,
        tuple(reading.body_c for reading in taken if reading.body_c is not None),
        judgement,
    )


def _reading(value_c: float, trial: Trial) -> Reading:
    """Return a reading as compensation would have given it, had the offset been so."""
    body_c = value_c + trial.offset_c
    limit = to_microcelsius(trial.cold_face_below_c)
    is_cold = bool(trial.offset_c) and to_microcelsius(body_c) < limit
    return _refused(Reason.COLD_FACE) if is_cold else _taken(body_c)


def _taken(body_c: float) -> Reading:
    return Reading("replay", _AT, body_c)


def _refused(refusal: Reason) -> Reading:
    return Reading("replay", _AT, None, refusal=refusal)


# --- what an unknown reading would probably have said ---------------------------------------------


class SecondReadings:
    """How far second readings lay from the first ones, where both were taken."""

    ENOUGH = 20
    """Fewer pairs than this say too little about their spread: then there is no estimate."""
    _QUANTILES = 41
    _LATER_QUANTILES = 11
    _STEP_C = 0.01

    def __init__(self) -> None:
        self._differences: Counter[int] = Counter()  # in steps of _STEP_C
        self._quantiles: dict[int, list[float]] = {}

    def add(self, readings_c: Sequence[float]) -> None:
        """Take note of a visit that was measured at least twice."""
        first_c, second_c = readings_c[:2]
        self._differences[round((second_c - first_c) / self._STEP_C)] += 1
        self._quantiles.clear()

    @property
    def count(self) -> int:
        """Return how many pairs there are."""
        return self._differences.total()

    @property
    def are_enough(self) -> bool:
        return self.count >= self.ENOUGH

    def chance_of_high(self, taken_c: Sequence[float], trial: Trial) -> float:
        """Return the estimated chance, 0 to 1, that further readings make a visit ``high``.

        The further reading is the first one plus a difference that occurred; the rule itself
        judges each. Meaningless unless ``are_enough``.
        """
        return self._chance(list(taken_c), trial, self._QUANTILES)

    def _chance(self, taken_c: list[float], trial: Trial, quantiles: int) -> float:
        chances = []
        for difference_c in self._differences_c(quantiles):
            readings = [*taken_c, taken_c[0] + difference_c]
            verdict = judge_temperature([_taken(c) for c in readings], trial.rules).verdict
            if verdict is Verdict.RECHECK:
                chances.append(self._chance(readings, trial, self._LATER_QUANTILES))
            else:
                chances.append(1.0 if verdict is Verdict.HIGH else 0.0)
        return sum(chances) / len(chances) if chances else 0.0

    def _differences_c(self, quantiles: int) -> list[float]:
        """Return ``quantiles`` differences that stand for all, in °C."""
        if quantiles not in self._quantiles:
            ordered = sorted(self._differences.items())
            picked, passed, at = [], 0, 0
            for n in range(quantiles):
                wanted = (n + 0.5) / quantiles * self.count
                while at < len(ordered) and passed + ordered[at][1] < wanted:
                    passed += ordered[at][1]
                    at += 1
                if at < len(ordered):
                    picked.append(ordered[at][0] * self._STEP_C)
            self._quantiles[quantiles] = picked
        return self._quantiles[quantiles]
