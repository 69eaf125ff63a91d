"""The trend of the chip's own temperature."""

from __future__ import annotations

import random

import pytest

from gated.sensors.steadiness import DieWatch
from gated.units import MonoSeconds


def watch_for(
    seconds: float, rate_c_per_min: float, *, every_s: float = 0.65, noise_c: float = 0.0
) -> DieWatch:
    watch, chance, at_s = DieWatch(), random.Random(4), 0.0
    while at_s <= seconds:
        die_c = 25.0 + rate_c_per_min * at_s / 60.0 + chance.gauss(0.0, noise_c)
        watch.feed(round(die_c / 0.02) * 0.02, MonoSeconds(at_s))
        at_s += every_s
    return watch


@pytest.mark.parametrize("rate", [-3.0, -0.5, 0.0, 0.2, 1.0])
def test_a_steady_change_is_found(rate: float) -> None:
    assert watch_for(60.0, rate).rate_c_per_min == pytest.approx(rate, abs=0.02)


def test_steps_and_noise_look_like_no_gradient() -> None:
    rate = watch_for(120.0, 0.0, noise_c=0.02).rate_c_per_min
    assert rate is not None
    assert abs(rate) < 0.05


def test_little_time_says_nothing() -> None:
    assert DieWatch().rate_c_per_min is None
    assert watch_for(15.0, 2.0).rate_c_per_min is None


def test_what_is_over_for_a_minute_is_forgotten() -> None:
    watch = watch_for(60.0, 3.0)
    for second in range(62, 130, 2):
        watch.feed(28.0, MonoSeconds(second))
    assert watch.rate_c_per_min == pytest.approx(0.0, abs=0.01)
