"""The accuracy benchmark: what it measures, and that the marks hold with few people."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.accuracy import (
    MARK_ANSWER_S,
    MARK_BIAS_C,
    MARK_QUIET_BUS_S,
    MARK_SPREAD_C,
    Row,
    measure,
)
from benchmarks.approaches import ARRAYS, SPOTS, Bench, Case, Pass, cases

BY_NAME = {case.name: case for case in cases()}
FIT = [
    "5° (DCI) at 25 cm",
    "5° (DCI) at 30 cm",
    "5° (DCI) at 30 cm, air of 10-32 °C",
    "12° (DCH) at 15 cm",
    "35° (DCC) at 5 cm",
]
NEVER_FIT = ["35° (DCC) at 15 cm", "90° (DAA) at 3 cm", "90° (DAA) at 10 cm"]


def a_pass(error_c: float | None, **more: object) -> Pass:
    done = Pass(0.3, True, error_c, waited_s=1.0, waited_within_reach_s=1.0)
    return replace(done, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FIT)
def test_where_the_optics_fit_a_plateau_is_the_forehead(name: str) -> None:
    row = measure(BY_NAME[name], 40, seed=7)
    assert row.bias_c is not None
    assert row.spread_c is not None
    assert row.unanswered_share is not None
    assert row.within_reach_95_s is not None
    assert abs(row.bias_c) <= MARK_BIAS_C
    assert row.spread_c <= 1.2 * MARK_SPREAD_C  # of so few people
    assert row.unanswered_share < 0.25
    assert row.within_reach_95_s <= row.limit_s
    assert row.numbers_from_beyond == 0


@pytest.mark.parametrize("name", NEVER_FIT)
def test_where_the_optics_never_fit_nobody_gets_a_number(name: str) -> None:
    row = measure(BY_NAME[name], 25, seed=7)
    assert row.fit_share == 0
    assert row.numbers_from_beyond == 0
    assert row.told_share is not None
    assert row.told_share > 0.9
    assert row.bias_c is None


def test_an_array_measures_at_30_and_50_cm() -> None:
    for case in ARRAYS:
        row = measure(case, 8, seed=7)
        assert row.bias_c is not None
        assert abs(row.bias_c) <= 2 * MARK_BIAS_C


def test_without_a_distance_sensor_nobody_is_told_to_come_closer() -> None:
    row = measure(BY_NAME["5° (DCI) at 30 cm, no distance sensor"], 30, seed=7)
    assert row.told_share == 0.0
    assert row.bias_c is not None


def test_a_pass_repeats_with_its_seed() -> None:
    case = SPOTS[0]
    assert Bench(case, 5).run() == Bench(case, 5).run()
    assert Bench(case, 5).run() != Bench(case, 6).run()


def test_the_quiet_bus_has_more_time() -> None:
    assert Row.of([a_pass(0.0)], settle_s=0.65).limit_s == MARK_QUIET_BUS_S
    assert Row.of([a_pass(0.0)], settle_s=0.14).limit_s == MARK_ANSWER_S


@pytest.mark.parametrize(
    ("passes", "holds"),
    [
        ([a_pass(0.02)] * 30, True),
        ([a_pass(0.06)] * 30, False),
        ([a_pass(0.15), a_pass(-0.15)] * 15, False),
        ([a_pass(0.0, waited_within_reach_s=1.3)] * 30, False),
        ([a_pass(0.06)] * 5, True),  # too few to say
        ([a_pass(0.0)] * 29 + [a_pass(0.0, is_from_beyond=True)], False),
        ([a_pass(None, is_fit=False, was_told=True)] * 30, True),
        ([a_pass(None)] * 30, False),  # nobody got an answer
        ([a_pass(0.02)] * 20 + [a_pass(None)] * 10, False),
        ([a_pass(0.02)] * 25 + [a_pass(None)] * 5, True),
        ([a_pass(None)] * 5, True),  # too few to say
    ],
)
def test_the_marks_are_judged(passes: list[Pass], *, holds: bool) -> None:
    row = Row.of(passes, settle_s=0.1)
    assert row.holds is holds
    assert str(row).startswith("holds" if holds else "FAILS")
    assert ("unanswered" in str(row)) is any(one.is_fit for one in passes)
    assert json.loads(json.dumps(row.as_dict()))["holds"] is holds


def test_every_case_of_the_research_s_table_is_there() -> None:
    wanted = {("DCI", 0.25), ("DCI", 0.40), ("DCH", 0.15), ("DCC", 0.05), ("DCC", 0.15)}
    wanted |= {("DAA", 0.03), ("DAA", 0.10)}
    assert wanted <= {(case.options["variant"], case.stop_m) for case in SPOTS}
    assert isinstance(SPOTS[0], Case)
