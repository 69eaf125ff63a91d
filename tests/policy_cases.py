"""Readings, credentials and judgements as the tests of policy and visit speak of them."""

from __future__ import annotations

from gated.contents import AlarmName
from gated.judgement import Judgement
from gated.messages import Credential, Reading
from gated.policy import Decision
from gated.units import MonoSeconds
from gated.vocabulary import (
    CodeColour,
    CredentialStatus,
    HolderCategory,
    Outcome,
    Prompt,
    Reason,
    Verdict,
)

NORMAL = Judgement(Verdict.NORMAL, (), 36.6)
HIGH = Judgement(Verdict.HIGH, (Reason.TEMPERATURE_HIGH,), 38.2)
RECHECK = Judgement(Verdict.RECHECK, (), 37.4, is_guarded=True)


def not_judged(reason: Reason = Reason.COLD_FACE, *, is_guarded: bool = False) -> Judgement:
    return Judgement(Verdict.NOT_JUDGED, (reason,), is_guarded=is_guarded)


def reading(
    body_c: float | None = 36.6,
    *,
    at: float = 0.0,
    refusal: Reason | None = None,
    thermometer: str = "main",
) -> Reading:
    return Reading(thermometer, MonoSeconds(at), body_c, refusal=refusal)


def card(
    status: CredentialStatus = CredentialStatus.VALID,
    *,
    presentation: str = "p1",
    holder: str = "k1:holder",
    category: HolderCategory = HolderCategory.STUDENT,
    max_uses: int | None = None,
    zones: tuple[str, ...] = (),
    is_dynamic: bool = False,
    is_slow: bool = False,
    is_listed: bool = False,
) -> Credential:
    return Credential(
        status=status,
        format="GP1",
        presentation=presentation,
        holder_ref=holder,
        pass_ref=f"{holder}/pass",
        category=category,
        max_uses=max_uses,
        zones=zones,
        code_made_s=1_764_000_000 if is_dynamic else None,
        is_slow=is_slow,
        is_listed=is_listed,
    )


TWO_CODES = Credential(CredentialStatus.UNSUPPORTED, "none", "p2", is_ambiguous=True)
POSTER = Credential(CredentialStatus.UNSUPPORTED, "none", "p3")


def denied(*reasons: Reason, prompt: Prompt = Prompt.SHOW_ANOTHER_CODE) -> Decision:
    return Decision(Outcome.DENIED, prompt, reasons)


def see_staff(*reasons: Reason, alarms: tuple[AlarmName, ...] = ()) -> Decision:
    return Decision(Outcome.SEE_STAFF, Prompt.WAIT_STAFF, reasons, alarms=alarms)


def coloured(colour: CodeColour) -> Credential:
    return Credential(CredentialStatus.VALID, "GP1", "p1", colour=colour)
