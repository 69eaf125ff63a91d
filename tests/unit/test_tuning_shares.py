"""Intervals of shares, against published values and against what they must be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.tuning.shares import Share, needed_for, wilson


@pytest.mark.parametrize(
    ("successes", "of", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(
    successes: int, of: int, low: float, high: float
) -> None:
    assert wilson(successes, of) == pytest.approx((low, high), abs=5e-5)


def test_of_nothing_everything_is_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert Share(0, 0, 0).interval == (0.0, 1.0)


@given(st.integers(1, 5_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_share_lies_in_its_interval(counted: tuple[int, int]) -> None:
    successes, of = counted
    low, high = wilson(successes, of)
    assert 0.0 <= low <= successes / of <= high <= 1.0
    mirrored = wilson(of - successes, of)
    assert (low, high) == pytest.approx((1 - mirrored[1], 1 - mirrored[0]))


def test_what_is_not_known_widens_the_interval() -> None:
    assert Share(5, 9, 10).interval == (wilson(5, 10)[0], wilson(9, 10)[1])
    assert Share(5, 9, 10).bounds == (0.5, 0.9)


def test_half_needs_the_most() -> None:
    assert needed_for(0.5, 0.05) == 381
    assert needed_for(0.95, 0.05) < needed_for(0.8, 0.05) < 381


@given(st.floats(0, 1), st.floats(0.01, 0.3))
def test_what_is_needed_is_enough_and_one_fewer_is_not(share: float, half_width: float) -> None:
    needed = needed_for(share, half_width)
    assert half(share, needed) <= half_width
    assert needed == 1 or half(share, needed - 1) > half_width


def half(share: float, of: int) -> float:
    z2 = 1.959964**2
    return float((z2 * (share * (1 - share) / of + z2 / (4 * of**2))) ** 0.5 / (1 + z2 / of))


def test_three_of_three_prove_no_hundred_per_cent() -> None:
    assert Share(3, 3, 3).more_for(0.05) > 200
    assert Share(500, 500, 500).more_for(0.05) == 0
    assert Share(0, 0, 0).more_for(0.05) == 381
