"""The replay is the gate's own rule: what it says of a visit, and what nobody can say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.judgement import TemperatureRules, judge_temperature
from gated.messages import Reading
from gated.tuning.replay import MOST_REMEMBERED, Replayed, Replayer, SecondReadings, replay
from gated.tuning.trial import Trial
from gated.units import MonoSeconds
from gated.vocabulary import Reason, Verdict, WhenNotJudged
from tests.tuning_school import visit

TODAY = Trial(TemperatureRules())
BODIES = st.integers(34_600, 41_000).map(lambda millidegrees: millidegrees / 1_000)
RULES = st.builds(
    TemperatureRules,
    fever_threshold_c=st.integers(3_600, 4_000).map(lambda hundredths: hundredths / 100),
    fever_threshold_inclusive=st.booleans(),
    guard_below_c=st.integers(0, 10).map(lambda tenths: tenths / 10),
    guard_above_c=st.integers(0, 20).map(lambda tenths: tenths / 10),
    max_attempts=st.integers(1, 4),
)


def at(threshold_c: float, **others: float) -> Trial:
    return Trial(TemperatureRules(fever_threshold_c=threshold_c, **others))  # type: ignore[arg-type]


def verdict(*readings_c: float, trial: Trial = TODAY, refusal: Reason | None = None) -> Verdict:
    return replay(readings_c, refusal, trial).verdict


def as_the_gate_measures(rules: TemperatureRules, offered_c: list[float]) -> tuple[float, ...]:
    """Return the readings that a gate would take of ``offered_c``, one after the other."""
    taken: list[float] = []
    for value_c in offered_c:
        taken.append(value_c)
        readings = [Reading("child", MonoSeconds(0.0), c) for c in taken]
        if judge_temperature(readings, rules).verdict is not Verdict.RECHECK:
            break
    return tuple(taken)


@given(RULES, st.lists(BODIES, min_size=1, max_size=3))
def test_what_a_gate_recorded_is_what_its_own_rule_says_again(
    rules: TemperatureRules, offered_c: list[float]
) -> None:
    content = visit("a", *as_the_gate_measures(rules, offered_c), rules=rules)
    replayed = replay(content.readings_c, None, Trial(rules))
    assert replayed.verdict == content.verdict
    assert replayed.is_again == (len(content.readings_c) > 1 or replayed.is_unknown)


@given(RULES, st.lists(BODIES, min_size=1, max_size=3), st.integers(-20, 20))
def test_an_offset_is_the_same_as_other_readings(
    rules: TemperatureRules, readings_c: list[float], tenths: int
) -> None:
    offset_c = tenths / 10
    shifted = [value_c + offset_c for value_c in readings_c]
    trial = Trial(rules, offset_c, cold_face_below_c=-100.0)
    assert replay(readings_c, None, trial) == replay(shifted, None, Trial(rules))


def test_a_first_reading_outside_the_guard_band_decides_alone() -> None:
    assert verdict(36.6) is Verdict.NORMAL
    assert verdict(37.8) is Verdict.HIGH
    # It was measured again at 37.3; at 37.8 nobody would have asked.
    low = replay([37.4, 38.9], None, at(37.8))
    assert (low.verdict, low.is_again, low.taken_c) == (Verdict.NORMAL, False, (37.4,))


def test_without_a_second_reading_nobody_knows() -> None:
    found = replay([36.95], None, at(37.0))
    assert found == Replayed(Verdict.RECHECK, True, (36.95,), found.judgement)
    assert found.is_unknown
    assert found.lets_in(at(37.0)) is None


def test_with_one_attempt_there_is_no_second_reading_to_miss() -> None:
    once = at(37.0, max_attempts=1)
    assert verdict(37.0, trial=once) is Verdict.HIGH
    assert verdict(36.999, trial=once) is Verdict.NORMAL


def test_the_boundary_counts_or_not_as_the_rule_says() -> None:
    rules = TemperatureRules(fever_threshold_inclusive=False)
    assert verdict(37.3, 37.3) is Verdict.HIGH
    assert verdict(37.3, 37.3, trial=Trial(rules)) is Verdict.NORMAL
    assert verdict(37.3, 37.301, trial=Trial(rules)) is Verdict.HIGH


def test_a_visit_that_could_not_be_judged_stays_so_unless_its_first_reading_now_decides() -> None:
    assert verdict(refusal=Reason.COLD_FACE) is Verdict.NOT_JUDGED
    assert verdict() is Verdict.NOT_JUDGED
    spread = Reason.SPREAD_TOO_LARGE
    assert replay([37.25], spread, TODAY).judgement.reasons == (spread,)
    assert verdict(37.25, refusal=spread, trial=at(37.6)) is Verdict.NORMAL
    assert verdict(37.25, refusal=spread, trial=at(36.7)) is Verdict.HIGH


def test_a_negative_offset_can_make_a_face_cold() -> None:
    colder = Trial(TemperatureRules(), offset_c=-0.5, cold_face_below_c=34.5)
    found = replay([34.9], None, colder)
    assert (found.verdict, found.judgement.reasons) == (Verdict.NOT_JUDGED, (Reason.COLD_FACE,))
    assert verdict(35.0, trial=colder) is Verdict.NORMAL
    # Without an offset the record is taken at its word, whatever the limit is today.
    assert verdict(34.4) is Verdict.NORMAL


def test_who_is_let_in_is_the_policys_decision() -> None:
    assert replay([36.6], None, TODAY).lets_in(TODAY) is True
    assert replay([38.0], None, TODAY).lets_in(TODAY) is False
    admits = replace(
        TODAY, rules=replace(TODAY.rules, when_not_judged=WhenNotJudged.ADMIT_AND_LIST)
    )
    for trial, expected in ((TODAY, False), (admits, True)):
        assert replay([], Reason.SENSOR_LOST, trial).lets_in(trial) is expected
    # Who measured near the threshold once is never admitted by default.
    assert replay([37.25], Reason.SENSOR_LOST, admits).lets_in(admits) is False


def test_a_replayer_remembers_and_forgets_but_never_answers_otherwise() -> None:
    replayer = Replayer(TODAY)
    for n in range(MOST_REMEMBERED + 10):
        assert replayer.replay((36.0 + n / 10_000,), None).verdict in set(Verdict)
    assert replayer.replay((38.0,), None) is replayer.replay((38.0,), None)
    assert replayer.replay((38.0,), Reason.COLD_FACE).verdict is Verdict.HIGH


# --- the estimate --------------------------------------------------------------------------------


def pairs(*differences_c: float) -> SecondReadings:
    seconds = SecondReadings()
    for difference_c in differences_c:
        seconds.add((37.3, 37.3 + difference_c))
    return seconds


def test_few_pairs_are_too_few() -> None:
    assert not pairs(*[0.0] * (SecondReadings.ENOUGH - 1)).are_enough
    assert pairs(*[0.0] * SecondReadings.ENOUGH).are_enough


def test_second_readings_that_never_differ_repeat_the_first() -> None:
    seconds = pairs(*[0.0] * 30)
    assert seconds.chance_of_high((37.3,), TODAY) == 1.0
    assert seconds.chance_of_high((37.29,), TODAY) == 0.0


def test_half_of_the_differences_make_half_a_case() -> None:
    seconds = pairs(*[-0.2] * 50, *[0.2] * 50)
    assert seconds.chance_of_high((37.3,), TODAY) == pytest.approx(0.5, abs=0.02)
    assert seconds.chance_of_high((37.25,), TODAY) == pytest.approx(0.5, abs=0.02)
    assert seconds.chance_of_high((37.45,), TODAY) == 1.0


def test_a_third_reading_is_estimated_as_well() -> None:
    thrice = at(37.3, max_attempts=3)
    seconds = pairs(*[-0.3] * 40, *[0.3] * 40)
    chance = seconds.chance_of_high((37.3,), thrice)
    assert 0.2 < chance < 0.8
    assert pairs(*[0.0] * 30).chance_of_high((37.3,), thrice) == 1.0


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), BODIES)
def test_a_chance_is_one(hundredths: list[int], first_c: float) -> None:
    seconds = pairs(*(hundredth / 100 for hundredth in hundredths))
    assert seconds.count == len(hundredths)
    assert 0.0 <= seconds.chance_of_high((first_c,), TODAY) <= 1.0
