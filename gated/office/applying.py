"""Carries out what was planned: the register first, in one transaction; paper comes after it."""

from __future__ import annotations

from datetime import datetime

from gated.office.folder import Office
from gated.office.issuing import register_pass, reissue
from gated.office.lists import note_revocation
from gated.office.passes import RevokedWhy
from gated.office.planning import Doing, Plan


def apply_plan(office: Office, plan: Plan, now: datetime) -> tuple[int, ...]:
    """Return the numbers of the new passes; inside ``office.register.change``.

    Raises: GatedError.
    """
    numbers: list[int] = []
    for step in plan.steps:
        for holder in step.holders:
            office.register.put_holder(holder)
        if step.doing is Doing.ISSUE:
            numbers.append(register_pass(office, step.kind, step.claims, now))
        elif step.doing is Doing.CHANGE and step.old is not None:
            why = RevokedWhy.CHANGED
            numbers.append(reissue(office, step.old, step.claims, why, now))
            note_revocation(office)
    return tuple(numbers)
