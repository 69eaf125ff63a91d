"""The temperature rule of the design, row by row, and what must hold for every number."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.judgement import TemperatureRules, admit_reading, judge_temperature, together_c
from gated.messages import Reading
from gated.policy import NOT_JUDGED_REASONS
from gated.units import MonoSeconds
from gated.vocabulary import Reason, Verdict
from tests.policy_cases import reading

RULES = TemperatureRules()
EXCLUSIVE = TemperatureRules(fever_threshold_inclusive=False)
SEVERITY = {Verdict.NORMAL: 0, Verdict.RECHECK: 1, Verdict.HIGH: 2}


def verdict(*bodies_c: float | None, rules: TemperatureRules = RULES) -> Verdict:
    received_at = MonoSeconds(0.0)
    readings = [admit_reading(reading(body_c), received_at, rules) for body_c in bodies_c]
    return judge_temperature(readings, rules).verdict


@pytest.mark.parametrize(
    ("readings_c", "expected"),
    [
        # first below T minus g1
        ((34.5,), Verdict.NORMAL),
        ((36.6,), Verdict.NORMAL),
        ((37.199,), Verdict.NORMAL),
        ((37.19996,), Verdict.NORMAL),  # would be 37.200 if it were rounded to a record's m°C
        # first in between
        ((37.2,), Verdict.RECHECK),
        ((37.299,), Verdict.RECHECK),
        ((37.3,), Verdict.RECHECK),
        ((37.799,), Verdict.RECHECK),
        ((37.79996,), Verdict.RECHECK),
        # first at or above T plus g2
        ((37.8,), Verdict.HIGH),
        ((41.0,), Verdict.HIGH),
        ((37.8, 36.0), Verdict.HIGH),  # at once: no later reading talks it away
        # the mean of both
        ((37.2, 37.4), Verdict.HIGH),
        ((37.4, 37.2), Verdict.HIGH),
        ((37.3, 37.3), Verdict.HIGH),
        ((37.6, 37.0), Verdict.HIGH),
        ((37.2, 37.398), Verdict.NORMAL),  # 37.299
        ((37.799, 36.0), Verdict.NORMAL),
        ((37.2996, 37.3003), Verdict.NORMAL),  # 37.29995: 37.300 if it were rounded
        ((37.2996, 37.3004), Verdict.HIGH),
        ((37.2, 39.5), Verdict.HIGH),
        # none
        ((), Verdict.NOT_JUDGED),
        ((None,), Verdict.NOT_JUDGED),
        ((math.nan,), Verdict.NOT_JUDGED),
        ((math.inf,), Verdict.NOT_JUDGED),
        ((-math.inf,), Verdict.NOT_JUDGED),
        ((37.4, None), Verdict.NOT_JUDGED),
        ((37.4, math.nan), Verdict.NOT_JUDGED),
    ],
)
def test_readings_give_the_verdict_of_the_table(
    readings_c: tuple[float | None, ...], expected: Verdict
) -> None:
    assert verdict(*readings_c) is expected


@pytest.mark.parametrize(
    ("readings_c", "expected"),
    [
        ((37.199,), Verdict.NORMAL),
        ((37.2,), Verdict.RECHECK),
        ((37.799,), Verdict.RECHECK),
        ((37.8,), Verdict.HIGH),
        ((37.3, 37.3), Verdict.NORMAL),
        ((37.2, 37.4), Verdict.NORMAL),
        ((37.3, 37.300002), Verdict.HIGH),
    ],
)
def test_a_threshold_that_is_not_inclusive_itself_counts_as_normal(
    readings_c: tuple[float, ...], expected: Verdict
) -> None:
    assert verdict(*readings_c, rules=EXCLUSIVE) is expected


@pytest.mark.parametrize(
    ("body_c", "inclusive", "expected"),
    [
        (37.2, True, Verdict.NORMAL),
        (37.3, True, Verdict.HIGH),
        (37.4, True, Verdict.HIGH),
        (37.2, False, Verdict.NORMAL),
        (37.3, False, Verdict.NORMAL),
        (37.4, False, Verdict.HIGH),
    ],
)
def test_without_a_guard_band_the_threshold_alone_decides(
    body_c: float, inclusive: bool, expected: Verdict
) -> None:
    rules = TemperatureRules(
        fever_threshold_inclusive=inclusive, guard_below_c=0.0, guard_above_c=0.0
    )
    assert verdict(body_c, rules=rules) is expected


def test_with_one_attempt_the_first_reading_decides() -> None:
    rules = TemperatureRules(max_attempts=1)
    assert verdict(37.299, rules=rules) is Verdict.NORMAL
    assert verdict(37.3, rules=rules) is Verdict.HIGH


def test_with_three_attempts_a_mean_inside_the_band_is_measured_again() -> None:
    rules = TemperatureRules(max_attempts=3)
    assert verdict(37.4, 37.4, rules=rules) is Verdict.RECHECK
    assert verdict(37.4, 36.9, rules=rules) is Verdict.NORMAL
    assert verdict(37.4, 37.4, 37.4, rules=rules) is Verdict.HIGH


@pytest.mark.parametrize("reason", sorted(NOT_JUDGED_REASONS))
def test_a_refused_reading_is_not_judged_with_its_reason(reason: Reason) -> None:
    refused = reading(36.6, refusal=reason)
    admitted = admit_reading(refused, MonoSeconds(0.0), RULES)
    judgement = judge_temperature([admitted], RULES)
    assert (judgement.verdict, judgement.reasons) == (Verdict.NOT_JUDGED, (reason,))
    assert judgement.body_c is None


def test_a_refusal_that_still_carries_a_number_is_not_judged() -> None:
    judgement = judge_temperature([reading(36.6, refusal=Reason.SPREAD_TOO_LARGE)], RULES)
    assert judgement.verdict is Verdict.NOT_JUDGED


@pytest.mark.parametrize(
    ("age_s", "reason"),
    [
        (0.0, None),
        (2.0, None),
        (2.001, Reason.STALE_READING),
        (60.0, Reason.STALE_READING),
        (-0.001, Reason.STALE_READING),  # from the future: a clock that cannot be believed
        (math.nan, Reason.STALE_READING),
    ],
)
def test_a_reading_older_than_two_seconds_is_stale(age_s: float, reason: Reason | None) -> None:
    admitted = admit_reading(reading(36.6, at=100.0), MonoSeconds(100.0 + age_s), RULES)
    assert (admitted.refusal, admitted.body_c) == (reason, 36.6 if reason is None else None)


def test_no_reading_at_all_is_said_to_be_none() -> None:
    judgement = judge_temperature([], RULES)
    assert (judgement.verdict, judgement.reasons) == (Verdict.NOT_JUDGED, (Reason.NO_READING,))


def test_a_number_that_is_not_finite_can_never_be_compared_by_silence() -> None:
    with pytest.raises(ValueError, match="finite"):
        judge_temperature([reading(math.nan)], RULES)


def test_a_refused_second_reading_leaves_the_visit_guarded() -> None:
    readings = [reading(37.4), reading(None, refusal=Reason.SPREAD_TOO_LARGE)]
    judgement = judge_temperature(readings, RULES)
    assert (judgement.verdict, judgement.is_guarded) == (Verdict.NOT_JUDGED, True)
    assert judgement.reasons == (Reason.SPREAD_TOO_LARGE,)


@pytest.mark.parametrize(
    ("body_c", "guarded"), [(37.199, False), (37.2, True), (37.799, True), (37.8, False)]
)
def test_only_a_reading_inside_the_band_makes_a_visit_guarded(body_c: float, guarded: bool) -> None:
    assert judge_temperature([reading(body_c)], RULES).is_guarded is guarded


def test_a_number_after_a_refusal_is_judged_alone() -> None:
    readings = [reading(None, refusal=Reason.OUT_OF_DISTANCE), reading(36.6)]
    judgement = judge_temperature(readings, RULES)
    assert (judgement.verdict, judgement.body_c) == (Verdict.NORMAL, 36.6)


# --- for every number ----------------------------------------------------------------------------

THRESHOLDS = [Decimal(n) / 10 for n in range(360, 401)]
GUARDS_BELOW = [Decimal(n) / 10 for n in range(11)]
GUARDS_ABOVE = [Decimal(n) / 10 for n in range(1, 16)]
STEP = Decimal("0.001")


@pytest.mark.parametrize("threshold", THRESHOLDS, ids=str)
def test_no_threshold_or_guard_is_missed_because_a_float_cannot_hold_it(threshold: Decimal) -> None:
    for below, above in product(GUARDS_BELOW, GUARDS_ABOVE):
        rules = TemperatureRules(
            fever_threshold_c=float(threshold),
            guard_below_c=float(below),
            guard_above_c=float(above),
        )
        start, end = threshold - below, threshold + above
        got = [
            verdict(float(body_c), rules=rules) for body_c in (start - STEP, start, end - STEP, end)
        ]
        assert got == [Verdict.NORMAL, Verdict.RECHECK, Verdict.RECHECK, Verdict.HIGH]


@pytest.mark.parametrize("threshold", THRESHOLDS, ids=str)
def test_the_mean_of_two_readings_is_exact_at_every_threshold(threshold: Decimal) -> None:
    inclusive = TemperatureRules(fever_threshold_c=float(threshold))
    exclusive = TemperatureRules(
        fever_threshold_c=float(threshold), fever_threshold_inclusive=False
    )
    for offset in (Decimal(n) / 100 for n in range(10)):
        low, high = float(threshold - offset), float(threshold + offset)
        below = float(threshold + offset - STEP)
        assert verdict(low, high, rules=inclusive) is Verdict.HIGH
        assert verdict(low, high, rules=exclusive) is Verdict.NORMAL
        assert verdict(low, below, rules=inclusive) is Verdict.NORMAL


BODIES_C = st.floats(min_value=34.5, max_value=43.0)
NEAR_THE_BAND_C = st.integers(-1_000, 1_000).map(lambda n: 37.5 + n / 1_000)
ALL_RULES = st.builds(
    TemperatureRules,
    fever_threshold_c=st.sampled_from([float(t) for t in THRESHOLDS]),
    fever_threshold_inclusive=st.booleans(),
    guard_below_c=st.sampled_from([float(g) for g in GUARDS_BELOW]),
    guard_above_c=st.sampled_from([0.0, *(float(g) for g in GUARDS_ABOVE)]),
    max_attempts=st.integers(1, 4),
)


@given(
    rules=ALL_RULES,
    readings_c=st.lists(BODIES_C | NEAR_THE_BAND_C, min_size=1, max_size=3),
    which=st.integers(0, 2),
    by_c=st.floats(min_value=0.0, max_value=5.0),
)
def test_a_hotter_reading_never_makes_the_verdict_milder(
    rules: TemperatureRules, readings_c: list[float], which: int, by_c: float
) -> None:
    hotter_c = list(readings_c)
    hotter_c[which % len(readings_c)] += by_c
    milder = verdict(*readings_c, rules=rules)
    assert SEVERITY[verdict(*hotter_c, rules=rules)] >= SEVERITY[milder]


NOT_A_READING = st.sampled_from([math.nan, math.inf, -math.inf, None])


@given(rules=ALL_RULES, before_c=st.lists(BODIES_C, max_size=2), last=NOT_A_READING)
def test_nothing_that_is_not_a_number_is_ever_normal(
    rules: TemperatureRules, before_c: list[float], last: float | None
) -> None:
    assert verdict(*before_c, last, rules=rules) in {Verdict.NOT_JUDGED, Verdict.HIGH}


@given(
    body_c=st.none() | st.floats(),
    taken_at=st.floats(),
    received_at=st.floats(),
    refusal=st.none() | st.sampled_from(Reason),
)
def test_an_admitted_reading_is_a_finite_number_or_a_refusal_never_both(
    body_c: float | None, taken_at: float, received_at: float, refusal: Reason | None
) -> None:
    raw = Reading("main", MonoSeconds(taken_at), body_c, refusal=refusal)
    admitted = admit_reading(raw, MonoSeconds(received_at), RULES)
    assert (admitted.body_c is None) is (admitted.refusal is not None)
    assert admitted.body_c is None or math.isfinite(admitted.body_c)


# --- several readings of one person together ------------------------------------------------------

SERIES_C = st.lists(st.floats(34.0, 41.0), min_size=1, max_size=4)


@given(body_c=st.floats(34.0, 41.0))
def test_one_reading_is_taken_as_it_is(body_c: float) -> None:
    assert together_c([body_c]) == pytest.approx(body_c, abs=1e-6)


def test_two_readings_are_their_mean_and_more_lean_to_the_hottest() -> None:
    assert together_c([37.2, 37.6]) == pytest.approx(37.4)
    assert together_c([37.0, 37.0, 37.6]) == pytest.approx(37.2 + 0.4 * 0.4)
    assert together_c([37.0, 37.0, 37.0, 37.4]) == pytest.approx(37.1 + 0.4 * 0.3)


@given(series_c=SERIES_C, step_c=st.floats(0.01, 2.0))
def test_all_readings_hotter_are_hotter_together_by_exactly_as_much(
    series_c: list[float], step_c: float
) -> None:
    hotter_c = [body_c + step_c for body_c in series_c]
    rise_c = together_c(hotter_c) - together_c(series_c)
    assert rise_c == pytest.approx(step_c, abs=2e-6)


@given(series_c=SERIES_C, at=st.integers(0, 3), step_c=st.floats(0.01, 2.0))
def test_every_reading_counts_and_none_for_more_than_itself(
    series_c: list[float], at: int, step_c: float
) -> None:
    at %= len(series_c)
    hotter_c = [*series_c[:at], series_c[at] + step_c, *series_c[at + 1 :]]
    assert 0 < together_c(hotter_c) - together_c(series_c) <= step_c + 2e-6


@given(series_c=SERIES_C)
def test_readings_together_lie_between_their_mean_and_the_hottest(series_c: list[float]) -> None:
    mean_c = sum(series_c) / len(series_c)
    assert mean_c - 2e-6 <= together_c(series_c) <= max(series_c) + 2e-6
    assert together_c(series_c[::-1]) == together_c(series_c)
