"""Bias and limits of agreement, against the example that they were published with."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.sensors.agreement import (
    PRECISION_C,
    agreement,
    outliers,
    pairs_wanted,
    student_t,
)

WRIGHT = (494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427)
MINI_WRIGHT = (512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451)
PEAK_FLOW = [float(a - b) for a, b in zip(WRIGHT, MINI_WRIGHT, strict=True)]
"""Bland and Altman 1986, first measurements of both meters, in l/min."""


def test_the_published_example_comes_out_as_published() -> None:
    agreed = agreement(PEAK_FLOW)
    assert agreed.pairs == 17
    assert agreed.bias_c == pytest.approx(-2.1, abs=0.05)
    assert agreed.sd_c == pytest.approx(38.8, abs=0.05)
    # "−22.0 to 17.8 l/min" for the bias
    assert agreed.bias_c - agreed.bias_ci_c == pytest.approx(-22.0, abs=0.2)
    assert agreed.bias_c + agreed.bias_ci_c == pytest.approx(17.8, abs=0.2)
    # published with 2 sd: −79.7 and 75.5; standard error of a limit 16.3 by √(3 s²/n)
    assert agreed.loa_low_c == pytest.approx(-2.1 - 1.96 * 38.8, abs=0.2)
    assert agreed.loa_high_c == pytest.approx(-2.1 + 1.96 * 38.8, abs=0.2)
    assert agreed.loa_ci_c / student_t(16) == pytest.approx(16.3, abs=0.2)


@pytest.mark.parametrize(
    ("degrees", "published"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (16, 2.120),
     (29, 2.045), (60, 2.000), (120, 1.980)],
)  # fmt: skip
def test_students_t_is_as_tables_have_it(degrees: int, published: float) -> None:
    assert student_t(degrees) == pytest.approx(published, rel=0.002)


@pytest.mark.parametrize(("sd_c", "pairs"), [(0.64, 160), (0.34, 47), (0.1, 7), (0.0, 2)])
def test_the_number_of_pairs_follows_from_the_scatter(sd_c: float, pairs: int) -> None:
    assert pairs_wanted(sd_c) == pairs


@given(st.floats(0.02, 3.0))
def test_so_many_pairs_are_enough_and_one_fewer_is_not(sd_c: float) -> None:
    def half_width_c(count: int) -> float:
        return student_t(count - 1) * sd_c / math.sqrt(count)

    wanted = pairs_wanted(sd_c)
    assert half_width_c(wanted) <= PRECISION_C
    assert wanted == 2 or half_width_c(wanted - 1) > PRECISION_C


def test_the_pairs_still_missing_are_told_and_never_negative() -> None:
    chance = random.Random(1)
    few = agreement([chance.gauss(0.2, 0.64) for _ in range(30)])
    many = agreement([chance.gauss(0.2, 0.64) for _ in range(400)])
    assert few.pairs_missing == few.pairs_wanted - 30 > 50
    assert many.pairs_missing == 0


def test_the_interval_holds_the_true_bias_nineteen_times_of_twenty() -> None:
    chance, held = random.Random(2), 0
    for _ in range(1_000):
        agreed = agreement([chance.gauss(-0.3, 0.5) for _ in range(12)])
        held += abs(agreed.bias_c + 0.3) <= agreed.bias_ci_c
    assert 925 <= held <= 975  # ±3.6 sd of a binomial


def test_a_slip_is_named_and_still_counts() -> None:
    differences = [0.1, -0.2, 0.3, 0.0, -0.1, 0.2, 3.6, 0.1, -0.3, 0.0]
    agreed = agreement(differences)
    assert agreed.outliers == (6,)
    assert agreed.pairs == 10
    assert agreed.bias_c == pytest.approx(sum(differences) / 10)


def test_ordinary_scatter_and_equal_tenths_are_no_outliers() -> None:
    chance = random.Random(3)
    spread = [chance.gauss(0.0, 0.6) for _ in range(60)]
    assert len(outliers(spread)) <= 1
    assert outliers([0.1] * 9 + [0.2, 0.4]) == ()


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, math.nan], [0.1, math.inf]])
def test_what_says_nothing_is_refused(differences: list[float]) -> None:
    with pytest.raises(ValueError, match="finite differences"):
        agreement(differences)
