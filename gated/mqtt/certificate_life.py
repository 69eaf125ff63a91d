"""How far a certificate is through its life, and what that asks of people. Pure."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta


class LifeStage(enum.StrEnum):
    """The stages of a certificate's life, each told once."""

    OK = "ok"
    RENEW_DUE = "renew_due"  # two thirds of its life are over
    WITHIN_30_DAYS = "within_30_days"
    WITHIN_7_DAYS = "within_7_days"
    WITHIN_1_DAY = "within_1_day"
    EXPIRED = "expired"


_LAST_DAYS = (
    (1, LifeStage.WITHIN_1_DAY),
    (7, LifeStage.WITHIN_7_DAYS),
    (30, LifeStage.WITHIN_30_DAYS),
)
ALARMING = frozenset(LifeStage) - {LifeStage.OK, LifeStage.RENEW_DUE}
"""The stages that are worth an alarm."""


def renewal_due_at(not_before: datetime, not_after: datetime) -> datetime:
    """Return the end of the second third of the life."""
    return not_before + (not_after - not_before) * 2 / 3


def life_stage(not_before: datetime, not_after: datetime, now: datetime) -> LifeStage:
    """Return the stage at ``now``, which must be a time that can be believed.

    A certificate that lives for days only is in order for two thirds of them, however few are left.
    """
    if now > not_after:
        return LifeStage.EXPIRED
    if now < renewal_due_at(not_before, not_after):
        return LifeStage.OK
    for days, stage in _LAST_DAYS:
        if not_after - now <= timedelta(days=days):
            return stage
    return LifeStage.RENEW_DUE


def whole_days_left(not_after: datetime, now: datetime) -> int:
    """Return the days that are left, rounded down; negative once it has expired."""
    return (not_after - now) // timedelta(days=1)
