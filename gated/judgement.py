"""What the readings of one visit say together, pure: the temperature rule.

The first table of docs/architecture.md, "One visit", stands here literally and is tested row by
row. Everything is in allow-list form: what is missing, stale or not finite never passes by silence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from gated.messages import Reading
from gated.units import MonoSeconds, to_microcelsius
from gated.vocabulary import Reason, Verdict, WhenNotJudged

SUNLIT_RISE_C = 6.0
"""Surroundings this much above the air are in the sun: in the shade walls stay within a few degrees
of the air, in the sun they exceed it by 10 to 30 (an estimate; measure it on site)."""

POOLED_FROM = 3
HOTTEST_SHARE = Fraction(2, 5)
"""Of the study's people (four pictures each, docs/temperature.md) it finds more fevers at the same
specificity than the mean does, at every site of the face."""


@dataclass(frozen=True, slots=True)
class TemperatureRules:
    """The ``[temperature]`` section, as far as it judges."""

    fever_threshold_c: float = 37.3
    fever_threshold_inclusive: bool = True
    guard_below_c: float = 0.1
    guard_above_c: float = 0.5
    max_attempts: int = 2
    stale_after_s: float = 2.0
    when_not_judged: WhenNotJudged = WhenNotJudged.SEE_STAFF


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the readings of one visit say together."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    body_c: float | None = None  # of all readings together, as it was judged
    is_guarded: bool = False  # a reading lay in the guard band
    is_sunlit: bool = False  # what it says may be the sun's doing


def admit_reading(reading: Reading, received_at: MonoSeconds, rules: TemperatureRules) -> Reading:
    """Return ``reading``, or the refusal it really is: stale, without a number, not finite."""
    if reading.refusal is not None:
        return replace(reading, body_c=None)
    if reading.body_c is None or not math.isfinite(reading.body_c):
        return replace(reading, body_c=None, refusal=Reason.NO_READING)
    age_s = received_at - reading.taken_at
    if not 0.0 <= age_s <= rules.stale_after_s:
        return replace(reading, body_c=None, refusal=Reason.STALE_READING)
    return reading


def is_sunlit(reading: Reading) -> bool:
    """Return whether the sun shone on the lane: surroundings much warmer than the air."""
    if reading.surroundings_c is None or reading.ambient_c is None:
        return False
    return reading.surroundings_c - reading.ambient_c >= SUNLIT_RISE_C


def judge_temperature(readings: Sequence[Reading], rules: TemperatureRules) -> Judgement:
    """Return the verdict over the readings of one visit, oldest first.

    T is the fever threshold, g1 and g2 the guard band: the first reading below T - g1 is normal,
    at or above T + g2 high at once; in between one more reading is taken in place, and the mean
    decides (of more than two readings: ``together_c``). All in whole µ°C.
    """
    if not readings:
        return Judgement(Verdict.NOT_JUDGED, (Reason.NO_READING,))
    threshold = to_microcelsius(rules.fever_threshold_c)
    guard_from = threshold - to_microcelsius(rules.guard_below_c)
    guard_to = threshold + to_microcelsius(rules.guard_above_c)
    judged: list[float] = [r.body_c for r in readings if r.body_c is not None and r.refusal is None]
    is_guarded = any(guard_from <= to_microcelsius(body_c) < guard_to for body_c in judged)
    last = readings[-1]
    if last.refusal is not None or last.body_c is None:
        return Judgement(
            Verdict.NOT_JUDGED, (last.refusal or Reason.NO_READING,), is_guarded=is_guarded
        )
    first, together = to_microcelsius(judged[0]), _together(judged)
    together_c = float(together) / 1_000_000
    # High at once stays high: no later reading talks it away.
    decisive = first if first >= guard_to else together
    if len(judged) < rules.max_attempts and guard_from <= decisive < guard_to:
        return Judgement(Verdict.RECHECK, (), together_c, is_guarded=True)
    is_inclusive = rules.fever_threshold_inclusive
    if decisive >= threshold if is_inclusive else decisive > threshold:
        return Judgement(
            Verdict.HIGH, (Reason.TEMPERATURE_HIGH,), together_c, is_guarded, is_sunlit(last)
        )
    return Judgement(Verdict.NORMAL, (), together_c, is_guarded)


def together_c(bodies_c: Sequence[float]) -> float:
    """Return what several readings of one person say together, in °C: of one, itself.

    Two: their mean. Three or more: HOTTEST_SHARE of the way from their mean to the hottest, because
    hair, sweat, cold air and a poor aim only ever make a face look colder. Slope 1: all of them
    1 °C hotter is 1 °C hotter together, and each of them counts.
    """
    return float(_together(bodies_c)) / 1_000_000


def _together(bodies_c: Sequence[float]) -> Fraction:
    """Return the same in µ°C, exactly."""
    whole = [to_microcelsius(body_c) for body_c in bodies_c]
    mean = Fraction(sum(whole), len(whole))
    if len(whole) < POOLED_FROM:
        return mean
    return mean + HOTTEST_SHARE * (max(whole) - mean)
