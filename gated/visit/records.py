"""What a visit leaves in the ledger: commits made from the lane's state. Pure."""

from __future__ import annotations

import json
import math

from gated.clock import TimeQuality
from gated.contents import (
    AlarmContent,
    AlarmName,
    ClaimContent,
    ClockContent,
    CommandOutcome,
    CommandReason,
    ModeContent,
    PassageContent,
    ReleaseContent,
    VisitContent,
)
from gated.judgement import Judgement
from gated.messages import DeviceChanged, DriftNoticed
from gated.policy import Decision, Rules
from gated.units import MonoSeconds, to_microcelsius
from gated.visit.state import Commit, HeldMode, ModeRequested, Ordered, StaffClaim, Visit
from gated.vocabulary import (
    ClaimStep,
    CodeColour,
    CredentialStatus,
    PassageResult,
    Reason,
    ReleaseResult,
)
from gated.wire import PassUse


def visit_commit(
    visit: Visit, judgement: Judgement, decision: Decision, rules: Rules, at: MonoSeconds
) -> Commit:
    """Return the commit of a visit's decision. A granted one rides with its pass use."""
    credential = visit.credential
    last = visit.readings[-1] if visit.readings else None
    content = VisitContent(
        visit_id=visit.visit_id,
        group_id=visit.group_id,
        direction=rules.direction,
        outcome=decision.outcome,
        reason=decision.reason,
        reasons=decision.reasons,
        noted=decision.noted,
        would_have=decision.would_have,
        prompt=decision.prompt,
        body_c=_rounded(judgement.body_c),
        skin_c=_rounded(last.skin_c) if last else None,
        ambient_c=_rounded(last.ambient_c) if last else None,
        distance_m=_rounded(last.distance_m) if last else None,
        samples=last.samples if last else 0,
        spread_c=_rounded(last.spread_c) if last else None,
        attempt=len(visit.readings),
        readings_c=tuple(round(r.body_c, 3) for r in visit.readings if r.body_c is not None),
        verdict=judgement.verdict,
        temperature_quality=last.quality if last else None,
        thermometer=visit.thermometer,
        calibration=last.calibration if last else None,
        threshold_c=rules.temperature.fever_threshold_c,
        threshold_inclusive=rules.temperature.fever_threshold_inclusive,
        credential_status=credential.status if credential else None,
        credential_format=credential.format if credential else "none",
        code_colour=credential.colour if credential else CodeColour.NONE,
        holder_category=credential.category if credential else None,
        holder_group=credential.group if credential else None,
        follow_up=decision.follow_up,
        took_ms=round((at - visit.started_at) * 1_000),
        surroundings_c=_rounded(last.surroundings_c) if last else None,
        hints=visit.hints,
        unread_cause=visit.unread[-1] if visit.unread else None,
        object_c=_rounded(last.object_c) if last else None,
        die_c=_rounded(last.die_c) if last else None,
        surface_c=_rounded(last.surface_c) if last else None,
        drift_c=_rounded(last.drift_c) if last else None,
        site_offset_c=_rounded(last.site_offset_c) if last else None,
        cohort_offset_c=_rounded(last.cohort_offset_c) if last else None,
        forehead_c=_rounded(last.forehead_c) if last else None,
        temperature_flags=last.flags if last else (),
    )
    is_granted = decision.outcome == "granted"
    is_known = credential is not None and credential.status is CredentialStatus.VALID
    return Commit(
        tag=f"visit/{visit.visit_id}",
        content=content,
        holder_ref=credential.holder_ref if credential is not None and is_known else None,
        use=_use_by(visit, rules) if is_granted else None,
        opens_visit=visit.visit_id if is_granted else None,
    )


def _use_by(visit: Visit, rules: Rules) -> PassUse | None:
    credential = visit.credential
    if credential is None or credential.pass_ref is None:
        return None
    return PassUse(credential.pass_ref, rules.direction, credential.code_made_s)


def passage_commit(
    visit: Visit | None, result: PassageResult, at: MonoSeconds, reason: Reason | None = None
) -> Commit:
    """Return the commit of how an opening ended; without a visit: somebody forced the way."""
    visit_id = visit.visit_id if visit else None
    gives_back = visit_id if result is PassageResult.NOBODY_PASSED else None
    return Commit(
        tag=f"passage/{visit_id or 'none'}",
        content=PassageContent(
            visit_id=visit_id,
            result=result,
            reason=reason,
            took_ms=round((at - visit.started_at) * 1_000) if visit else None,
        ),
        gives_back_use_of=gives_back,
        closes_visit=visit_id,
    )


def held_open_commit(visit_id: str | None) -> Commit:
    """Return the commit for a gate that nobody shut. The visit's own passage has ended before."""
    return Commit(
        tag=f"held_open/{visit_id or 'none'}",
        content=PassageContent(visit_id=visit_id, result=PassageResult.HELD_OPEN),
    )


def restart_commit(visit_id: str) -> Commit:
    """Return the commit for a visit that a restart left without an outcome."""
    return Commit(
        tag=f"passage/{visit_id}",
        content=PassageContent(
            visit_id=visit_id, result=PassageResult.UNKNOWN, reason=Reason.RESTART
        ),
        closes_visit=visit_id,
    )


def release_result(contact_c: float | None, rules: Rules) -> ReleaseResult:
    """Return what a contact reading decides; none given is staff's own decision, an override."""
    if contact_c is None:
        return ReleaseResult.OVERRIDE
    threshold = to_microcelsius(rules.temperature.fever_threshold_c)
    contact = to_microcelsius(contact_c)
    is_inclusive = rules.temperature.fever_threshold_inclusive
    is_high = contact >= threshold if is_inclusive else contact > threshold
    return ReleaseResult.ISOLATED if is_high else ReleaseResult.CLEARED


def claim_commit(
    step: ClaimStep,
    visit: Visit | None,
    claim: StaffClaim | None,
    contact_c: float | None = None,
) -> Commit:
    """Return the commit of one step of staff; its person link is the card's holder's."""
    visit_id = visit.visit_id if visit is not None else None
    return Commit(
        tag=f"claim/{visit_id or 'none'}",
        content=ClaimContent(step=step, visit_id=visit_id, contact_c=_rounded(contact_c)),
        holder_ref=claim.holder_ref if claim is not None else None,
    )


def release_commit(visit: Visit, claim: StaffClaim, result: ReleaseResult, rules: Rules) -> Commit:
    """Return the commit of a release; its person link is the member of staff's.

    Whom staff let in has used the pass, too: it must not open once more for somebody else.
    """
    is_isolated = result is ReleaseResult.ISOLATED
    return Commit(
        tag=f"release/{visit.visit_id}",
        content=ReleaseContent(
            visit_id=visit.visit_id,
            result=result,
            contact_c=_rounded(claim.contact_c),
            released_by="staff_card" if claim.credential is not None else "key_switch",
        ),
        holder_ref=claim.holder_ref,
        use=None if is_isolated else _use_by(visit, rules),
        opens_visit=None if is_isolated else visit.visit_id,
    )


def alarm_commit(alarm: AlarmName, visit_id: str | None = None, detail: str = "") -> Commit:
    return Commit(
        tag=f"alarm/{alarm}",
        content=AlarmContent(alarm=alarm, visit_id=visit_id, detail=detail),
    )


def device_commit(event: DeviceChanged) -> Commit:
    """Return the alarm of a device that was lost or came back."""
    is_scanner = event.device == "scanner"
    if event.is_working:
        alarm = AlarmName.SCANNER_RETURNED if is_scanner else AlarmName.DEVICE_RETURNED
    else:
        alarm = AlarmName.SCANNER_LOST if is_scanner else AlarmName.DEVICE_LOST
    return Commit(
        tag=f"alarm/{alarm}",
        content=AlarmContent(alarm=alarm, device=event.device, detail=event.reason[:200]),
    )


def drift_commit(event: DriftNoticed) -> Commit:
    """Return the alarm of a thermometer whose readings have moved, or are as expected again."""
    alarm = AlarmName.THERMOMETER_DRIFTING if event.is_drifting else AlarmName.THERMOMETER_STEADY
    return Commit(
        tag=f"alarm/{alarm}",
        content=AlarmContent(alarm=alarm, device=event.thermometer, detail=event.detail[:200]),
    )


def mode_commit(request: ModeRequested, tag: str) -> Commit:
    """Return the commit of a change of mode; the mode itself is kept over a reboot."""
    return Commit(
        tag=tag,
        content=ModeContent(
            to_mode=request.mode,
            to_drill=request.drill,
            expires_at=request.expires_at,
            by=request.by,
        ),
        settings=(
            ("mode", request.mode.value),
            ("drill", "1" if request.drill else "0"),
            ("mode_expires_at", request.expires_at or ""),
            ("mode_by", request.held.by),
            *_set_aside(request.before_key),
            *(request.order.settings if request.order is not None else ()),
        ),
    )


def _set_aside(before_key: HeldMode | None) -> tuple[tuple[str, str], ...]:
    """Return what keeps the mode before the key's. An older one beside another mode is not read."""
    if before_key is None:
        return ()
    kept = {"mode": before_key.mode, "by": before_key.by, "expires_at": before_key.expires_at}
    return (("mode_before_key", json.dumps(kept)),)


def order_commit(
    order: Ordered,
    outcome: CommandOutcome,
    why: CommandReason | None,
    *,
    is_counted: bool = False,
) -> Commit:
    """Return the commit of what came of an order of the centre: its answer.

    ``is_counted``: its number went with a record before, and must not replace a newer one.
    """
    said = order.content.model_copy(update={"outcome": outcome, "reason": why})
    return Commit(tag="command", content=said, settings=() if is_counted else order.settings)


def opening_commit(visit: Visit, order: Ordered) -> Commit:
    """Return the commit that must be durable before the relay obeys the centre."""
    said = order.content.model_copy(update={"visit_id": visit.visit_id})
    return Commit(
        tag=f"open/{visit.visit_id}",
        content=said,
        opens_visit=visit.visit_id,
        settings=order.settings,
    )


def clock_commit(quality: TimeQuality, step_ms: int | None) -> Commit:
    return Commit(tag="clock", content=ClockContent(to_quality=quality, step_ms=step_ms))


def _rounded(value: float | None) -> float | None:
    """Return ``value`` to the m°C or mm that a record shows; decisions use it unrounded.

    What is not finite is left out: a record cannot hold it, and no decision rests on it.
    """
    return round(value, 3) if value is not None and math.isfinite(value) else None
