from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.mqtt.certificate_life import LifeStage, life_stage, renewal_due_at, whole_days_left

BORN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
ORDER = list(LifeStage)


def test_renewal_is_due_from_two_thirds_of_the_life_on() -> None:
    assert renewal_due_at(BORN, BORN + 360 * DAY) == BORN + 240 * DAY


@pytest.mark.parametrize(
    ("age", "stage"),
    [
        (-1 * DAY, LifeStage.OK),
        (240 * DAY - SECOND, LifeStage.OK),
        (240 * DAY, LifeStage.RENEW_DUE),
        (330 * DAY - SECOND, LifeStage.RENEW_DUE),
        (330 * DAY, LifeStage.WITHIN_30_DAYS),
        (353 * DAY - SECOND, LifeStage.WITHIN_30_DAYS),
        (353 * DAY, LifeStage.WITHIN_7_DAYS),
        (359 * DAY - SECOND, LifeStage.WITHIN_7_DAYS),
        (359 * DAY, LifeStage.WITHIN_1_DAY),
        (360 * DAY, LifeStage.WITHIN_1_DAY),
        (360 * DAY + SECOND, LifeStage.EXPIRED),
    ],
)
def test_a_life_of_360_days(age: timedelta, stage: LifeStage) -> None:
    assert life_stage(BORN, BORN + 360 * DAY, BORN + age) is stage


@pytest.mark.parametrize(
    ("age", "stage"),
    [
        (0 * DAY, LifeStage.OK),
        (1.9 * DAY, LifeStage.OK),
        (2 * DAY, LifeStage.WITHIN_1_DAY),
        (3.1 * DAY, LifeStage.EXPIRED),
    ],
)
def test_a_certificate_for_three_days_is_in_order_for_two(age: timedelta, stage: LifeStage) -> None:
    assert life_stage(BORN, BORN + 3 * DAY, BORN + age) is stage


@given(
    life_s=st.integers(1, 40 * 366 * 86_400),
    ages=st.tuples(st.floats(-1, 2), st.floats(-1, 2)),
)
def test_stages_only_go_forward(life_s: int, ages: tuple[float, float]) -> None:
    end = BORN + life_s * SECOND
    first, later = (BORN + age * life_s * SECOND for age in sorted(ages))
    assert ORDER.index(life_stage(BORN, end, first)) <= ORDER.index(life_stage(BORN, end, later))


def test_days_are_rounded_down_and_negative_after_the_end() -> None:
    assert whole_days_left(BORN + 2 * DAY, BORN + SECOND) == 1
    assert whole_days_left(BORN, BORN + SECOND) == -1
