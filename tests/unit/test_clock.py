"""Clocks and units."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.clock import FakeClock, SystemClock, TimeQuality, judge_time_quality
from gated.units import to_microcelsius

FLOOR = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after_floor_s", "is_synchronised", "quality"),
    [
        (-0.001, True, TimeQuality.UNKNOWN),
        (-0.001, False, TimeQuality.UNKNOWN),
        (0.0, True, TimeQuality.TRUSTED),
        (0.0, False, TimeQuality.HOLDOVER),
        (86_400.0, True, TimeQuality.TRUSTED),
        (86_400.0, False, TimeQuality.HOLDOVER),
    ],
)
def test_a_clock_is_believed_only_above_its_floor(
    after_floor_s: float, is_synchronised: bool, quality: TimeQuality
) -> None:
    now = FLOOR + timedelta(seconds=after_floor_s)
    assert judge_time_quality(now, FLOOR, is_synchronised=is_synchronised) is quality


def test_the_floor_is_a_moment_whatever_the_time_zone() -> None:
    shanghai = FLOOR.astimezone().replace(microsecond=0)
    assert judge_time_quality(shanghai, FLOOR, is_synchronised=True) is TimeQuality.TRUSTED


def test_the_machines_clocks_never_go_backwards() -> None:
    clock = SystemClock()
    mono_s, boot_ms, now = clock.monotonic_s(), clock.boottime_ms(), clock.now()
    assert clock.monotonic_s() >= mono_s
    assert clock.boottime_ms() >= boot_ms > 0
    assert now.utcoffset() == timedelta(0)


def test_a_fake_clock_moves_all_three_clocks_and_only_when_told() -> None:
    clock = FakeClock(elapsed_s=10.0, wall=FLOOR)
    assert (clock.monotonic_s(), clock.boottime_ms(), clock.now()) == (10.0, 10_000, FLOOR)
    clock.advance(1.5)
    assert (clock.monotonic_s(), clock.boottime_ms()) == (11.5, 11_500)
    assert clock.now() == FLOOR + timedelta(seconds=1.5)


def test_a_fake_clock_does_not_go_backwards() -> None:
    with pytest.raises(ValueError, match="backwards"):
        FakeClock().advance(-0.1)


@given(st.integers(-300_000, 2_000_000))
def test_every_millidegree_is_a_whole_number_of_microdegrees(thousandths: int) -> None:
    assert to_microcelsius(thousandths / 1_000) == thousandths * 1_000


def test_differences_that_floats_get_wrong_are_exact() -> None:
    assert 37.3 - 0.1 < 37.2
    assert to_microcelsius(37.3) - to_microcelsius(0.1) == to_microcelsius(37.2)


@pytest.mark.parametrize("value_c", [math.nan, math.inf, -math.inf, 1e308, -1e308])
def test_what_is_no_finite_temperature_is_refused(value_c: float) -> None:
    with pytest.raises(ValueError, match="not a finite temperature"):
        to_microcelsius(value_c)
