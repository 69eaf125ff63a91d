"""Whose name the register no longer needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from gated.office.passes import Holder, RegisteredPass


def holders_to_forget(
    holders: Iterable[Holder], passes: Iterable[RegisteredPass], before: datetime
) -> tuple[Holder, ...]:
    """Return, without name and detail, everybody whose every pass was over before that moment.

    A guardian or host is kept as long as a pass speaks of them. A revoked pass is over at its end:
    until then somebody may hold it up, and the office must know whose it was.
    """
    kept: set[str] = set()
    for item in passes:
        claims = item.claims
        if claims.expires_at > before:
            kept |= {claims.sub, claims.guardian_ref or "", claims.approver or ""}
    return tuple(
        replace(holder, name="", detail="")
        for holder in holders
        if holder.name and holder.pseudonym not in kept
    )
