"""Drafts and ledgers for the ledger's tests."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from gated.clock import Clock, FakeClock, TimeQuality
from gated.contents import PassageContent, VisitContent
from gated.ledger.drafts import Refused
from gated.ledger.room import RoomLimits
from gated.ledger.writer import Ledger, Opened, Stored
from gated.vocabulary import Direction, Mode, Outcome, PassageResult, Prompt, Reason
from gated.wire import Ack, Draft, PassUse, PersonLink, Stamp, commit_to_holder

BOOT_ID = "0f1f6a1e-5b8e-4ce6-9c88-7d1f54f1c001"
SMALL = RoomLimits(min_free_bytes=0, ballast_bytes=0, reuse_bytes=64 * 1024)
_SHANGHAI = timezone(timedelta(hours=8))


def open_ledger(
    path: Path,
    clock: Clock | None = None,
    *,
    gate: str = "east-1",
    boot_id: str = BOOT_ID,
    limits: RoomLimits = SMALL,
) -> Opened:
    return Ledger.open(
        path,
        site="lixin-primary",
        gate=gate,
        clock=clock or FakeClock(),
        software="0.1.0",
        boot_id=boot_id,
        limits=limits,
    )


def stamp(at: datetime | None = None, quality: TimeQuality = TimeQuality.TRUSTED) -> Stamp:
    when = at or FakeClock().now()
    return Stamp(
        at=when.astimezone(_SHANGHAI).isoformat(timespec="milliseconds"),
        time_quality=quality,
        boot_ms=5_023_117,
        mode=Mode.NORMAL,
        drill=False,
        rules="2026-11-20.2",
        software="0.1.0",
    )


def link(holder: str = "k4:9c41f07be2d85a13") -> PersonLink:
    return PersonLink(holder_ref=holder, salt="c2FsdHNhbHRzYWx0c2FsdA")


def visit(
    visit_id: str,
    *,
    outcome: Outcome = Outcome.GRANTED,
    reason: Reason | None = None,
    person: PersonLink | None = None,
    use: PassUse | None = None,
    when: Stamp | None = None,
    group: str | None = None,
    follow_up: str | None = None,
) -> Draft:
    return Draft(
        VisitContent(
            visit_id=visit_id,
            direction=Direction.IN,
            outcome=outcome,
            reason=reason,
            reasons=(reason,) if reason else (),
            prompt=Prompt.GO if outcome is Outcome.GRANTED else Prompt.WAIT_STAFF,
            body_c=36.62,
            threshold_c=37.3,
            threshold_inclusive=True,
            holder_commitment=commit_to_holder(person) if person else None,
            holder_group=group,
            follow_up=follow_up,
        ),
        when or stamp(),
        link=person,
        use=use,
        opens_visit=visit_id if outcome is Outcome.GRANTED else None,
    )


def passage(
    visit_id: str, result: PassageResult = PassageResult.PASSED, when: Stamp | None = None
) -> Draft:
    return Draft(
        PassageContent(visit_id=visit_id, result=result),
        when or stamp(),
        closes_visit=visit_id,
        gives_back_use_of=visit_id if result is PassageResult.NOBODY_PASSED else None,
    )


def stored(answers: list[Stored | Refused]) -> list[Stored]:
    """Return the answers, all of which must be Stored."""
    assert all(isinstance(answer, Stored) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Stored)]


def fill(ledger: Ledger, count: int, *, when: Stamp | None = None) -> list[Stored]:
    """Record ``count`` visits, in transactions of 64."""
    drafts = [visit(f"v{ledger.newest_seq + n}", when=when) for n in range(1, count + 1)]
    return [
        answer
        for start in range(0, count, 64)
        for answer in stored(ledger.append(drafts[start : start + 64]))
    ]


def ack(ledger: Ledger, upto: int, digest: bytes, *, store: str = "first") -> Ack:
    return Ack(
        collector="centre",
        collector_epoch=store,
        epoch=ledger.epoch,
        upto=upto,
        hash=digest.hex(),
        at="2026-11-23T08:00:00.000+08:00",
    )
