"""Drift: the plate corrects within limits, the people warn, and no fever is ever learned."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.sensors.drift import (
    COHORT_MIN,
    LIMIT_C,
    PLATE_SAMPLES,
    RATE_C_PER_H,
    Cohort,
    PlateWatch,
)
from gated.units import MonoSeconds

HOUR_S = 3_600.0


def admit(cohort: Cohort, bodies_c: list[float], every_s: float = 20.0, at_s: float = 0.0) -> float:
    for body_c in bodies_c:
        cohort.admit(body_c, MonoSeconds(at_s))
        at_s += every_s
    return at_s


def people(count: int, mean_c: float = 36.7, sd_c: float = 0.5, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(mean_c, sd_c) for _ in range(count)]


def test_a_plate_seen_often_enough_gives_its_median_error() -> None:
    watch = PlateWatch()
    for second in range(PLATE_SAMPLES):
        assert watch.error_c() is None
        watch.feed(9.0 if second == 3 else 0.3, MonoSeconds(second))
    assert watch.error_c() == pytest.approx(0.3)
    assert watch.age_s(MonoSeconds(PLATE_SAMPLES + 9.0)) == pytest.approx(10.0)


def test_looks_that_follow_too_fast_are_left_out() -> None:
    watch = PlateWatch()
    for look in range(PLATE_SAMPLES * 4):
        watch.feed(0.3, MonoSeconds(look * 0.1))
    assert watch.error_c() is None


def test_a_plate_never_seen_has_no_age() -> None:
    assert PlateWatch().age_s(MonoSeconds(5.0)) is None


def test_a_few_people_say_nothing() -> None:
    cohort = Cohort(36.7)
    admit(cohort, [38.0] * (COHORT_MIN - 1))
    assert cohort.shift_c() is None
    assert cohort.offset_c == 0.0
    assert not cohort.is_unsettled()


def test_a_thermometer_that_reads_cold_is_corrected_slowly_and_fully() -> None:
    cohort = Cohort(36.7)
    admit(cohort, people(600, 36.4), every_s=60.0)
    assert cohort.shift_c() == pytest.approx(-0.3, abs=0.25)
    assert cohort.offset_c == pytest.approx(0.3, abs=0.2)


def test_a_bus_of_warm_people_moves_next_to_nothing() -> None:
    cohort = Cohort(36.7)
    at_s = admit(cohort, people(50), every_s=20.0)
    before_c = cohort.offset_c
    admit(cohort, [37.25] * 50, every_s=15.0, at_s=at_s)
    assert abs(cohort.offset_c - before_c) <= RATE_C_PER_H * 50 * 20.0 / HOUR_S + 1e-9


def test_a_night_counts_as_an_hour() -> None:
    cohort = Cohort(36.7)
    at_s = admit(cohort, [36.2] * 50, every_s=1.0)
    before_c = cohort.offset_c
    cohort.admit(36.2, MonoSeconds(at_s + 12 * HOUR_S))
    assert cohort.offset_c - before_c <= RATE_C_PER_H + 1e-9


@given(
    st.lists(
        st.tuples(st.floats(30.0, 37.3), st.floats(0.0, 12 * HOUR_S)), min_size=1, max_size=120
    )
)
def test_the_correction_is_bounded_in_size_and_speed(seen: list[tuple[float, float]]) -> None:
    cohort, at_s, before_c = Cohort(36.7), 0.0, 0.0
    for body_c, pause_s in seen:
        at_s += pause_s
        cohort.admit(body_c, MonoSeconds(at_s))
        assert abs(cohort.offset_c) <= LIMIT_C
        assert (
            abs(cohort.offset_c - before_c) <= RATE_C_PER_H * min(pause_s, HOUR_S) / HOUR_S + 1e-9
        )
        before_c = cohort.offset_c


def test_faces_just_in_from_the_cold_are_told_from_settled_ones() -> None:
    settled, cold = Cohort(36.7), Cohort(36.7)
    admit(settled, people(50, sd_c=0.64))
    chance = random.Random(2)
    admit(cold, [36.7 - 3.4 * chance.random() + chance.gauss(0.0, 0.64) for _ in range(50)])
    assert not settled.is_unsettled()
    assert cold.is_unsettled()


def test_settled_faces_are_hardly_ever_called_unsettled() -> None:
    told = []
    for seed in range(200):
        cohort = Cohort(36.7)
        admit(cohort, people(50, sd_c=0.64, seed=seed))
        told.append(cohort.is_unsettled())
    assert statistics.fmean(told) < 0.03
