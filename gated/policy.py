"""The decision, pure: (verdict, credential, context, rules) → outcome with all its reasons.

The second table of docs/architecture.md, "One visit", stands here literally and is tested row by
row; the first, what the readings say, in ``gated.judgement``. Everything is in allow-list form:
what is missing, stale or not finite never passes by silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gated.clock import TimeQuality
from gated.contents import AlarmName
from gated.judgement import Judgement, TemperatureRules
from gated.messages import Credential
from gated.vocabulary import (
    TO_MEASURE,
    Check,
    CodeColour,
    CredentialStatus,
    Direction,
    HolderCategory,
    Mode,
    Outcome,
    Prompt,
    Reason,
    Verdict,
    WhenNotJudged,
)

SEVERITY = {reason: rank for rank, reason in enumerate(Reason)}

REASON_OF_STATUS = {
    CredentialStatus.EXPIRED: Reason.EXPIRED,
    CredentialStatus.NOT_YET_VALID: Reason.NOT_YET_VALID,
    CredentialStatus.BAD_SIGNATURE: Reason.BAD_SIGNATURE,
    CredentialStatus.UNKNOWN_KEY: Reason.UNKNOWN_KEY,
    CredentialStatus.WRONG_USE: Reason.WRONG_USE,
    CredentialStatus.REVOKED: Reason.REVOKED,
    CredentialStatus.MALFORMED: Reason.MALFORMED,
    CredentialStatus.UNSUPPORTED: Reason.UNSUPPORTED,
    CredentialStatus.STALE_CODE: Reason.STALE_CODE,
    CredentialStatus.DOES_NOT_EXIST: Reason.DOES_NOT_EXIST,
    CredentialStatus.VERIFICATION_FAILED: Reason.VERIFICATION_FAILED,
    CredentialStatus.CODE_RED: Reason.CODE_RED,
    CredentialStatus.CODE_YELLOW: Reason.CODE_YELLOW,
    CredentialStatus.CODE_GREY: Reason.CODE_GREY,
    CredentialStatus.VERIFIER_TIME_OUT: Reason.VERIFIER_TIME_OUT,
}

CALLS_STAFF = frozenset(
    {Reason.TEMPERATURE_HIGH, Reason.LISTED_PERSON, Reason.CODE_RED, Reason.CODE_YELLOW}
)
"""Somebody must be looked after: the neutral prompt and an alarm, never "show another code"."""

MENDED_BY_REST = frozenset({Reason.COLD_FACE, Reason.SPREAD_TOO_LARGE})
"""The visitor can mend these: out of the wind, in three minutes."""

ALARM_OF_REASON = {
    Reason.TEMPERATURE_HIGH: AlarmName.TEMPERATURE_HIGH,
    Reason.LISTED_PERSON: AlarmName.LISTED_PERSON,
    Reason.CODE_RED: AlarmName.CODE_RED_OR_YELLOW,
    Reason.CODE_YELLOW: AlarmName.CODE_RED_OR_YELLOW,
}

REASON_OF_COLOUR = {CodeColour.RED: Reason.CODE_RED, CodeColour.YELLOW: Reason.CODE_YELLOW}


@dataclass(frozen=True, slots=True)
class ClockRules:
    """How a clock that is not trusted counts, for codes that stay the same and that change."""

    static_when_holdover: Check = Check.OFF
    static_when_unknown: Check = Check.SOFT
    dynamic_when_holdover: Check = Check.SOFT
    dynamic_when_unknown: Check = Check.HARD  # its age is all that such a code proves


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything a decision depends on besides the person."""

    version: str = "r-00000000"
    temperature: TemperatureRules = field(default_factory=TemperatureRules)
    check_temperature: Check = Check.HARD
    check_credential: Check = Check.HARD
    check_anti_passback: Check = Check.SOFT
    clock: ClockRules = field(default_factory=ClockRules)
    denies_red_and_yellow: bool = True
    direction: Direction = Direction.IN
    zone: str | None = None
    duty_categories: frozenset[HolderCategory] = frozenset(
        {HolderCategory.DUTY, HolderCategory.EMERGENCY}
    )
    escort_categories: frozenset[HolderCategory] = frozenset({HolderCategory.ESCORT})
    sends_unverified_to_staff: bool = False  # a code that the platform said nothing about


@dataclass(frozen=True, slots=True)
class Context:
    """What holds at the moment of the decision."""

    mode: Mode = Mode.NORMAL
    time_quality: TimeQuality = TimeQuality.TRUSTED
    uses: int = 0  # of this pass, those given back not counted
    newest_code_s: int | None = None  # when the newest changing code of this pass was made
    is_passback: bool = False  # the last use went the same way and the daily reset has not come
    is_anybody_there: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """One visit's outcome."""

    outcome: Outcome
    prompt: Prompt
    reasons: tuple[Reason, ...] = ()  # from the most to the least severe
    noted: tuple[Reason, ...] = ()
    would_have: Outcome | None = None
    follow_up: str | None = None
    alarms: tuple[AlarmName, ...] = ()

    @property
    def reason(self) -> Reason | None:
        """The most severe reason; None when granted without one."""
        return self.reasons[0] if self.reasons else None


@dataclass
class _Findings:
    """Failed checks, sorted by how strictly each is applied."""

    hard: set[Reason] = field(default_factory=set)
    soft: set[Reason] = field(default_factory=set)

    def add(self, reason: Reason, check: Check = Check.HARD) -> None:
        if check is Check.HARD:
            self.hard.add(reason)
        elif check is Check.SOFT:
            self.soft.add(reason)


def decide(
    judgement: Judgement, credential: Credential | None, context: Context, rules: Rules
) -> Decision:
    """Return the outcome of a visit. Called once both halves are there, or time is out.

    A recheck that is still open counts as not judged: it never opens the gate.
    """
    found = _Findings()
    _check_temperature(judgement, rules, found)
    _check_credential(credential, context, rules, found)
    category = credential.category if credential is not None else None
    is_on_duty = credential is not None and credential.is_on_duty
    is_shut = context.mode is Mode.CLOSED and not (is_on_duty or category in rules.duty_categories)
    if is_shut:
        found.add(Reason.CLOSED)
    decision = _outcome(judgement, credential, context, rules, found)
    if context.mode is not Mode.OBSERVE:
        return decision
    return _observe(decision, credential, rules, found)


def _check_temperature(judgement: Judgement, rules: Rules, found: _Findings) -> None:
    if judgement.verdict is not Verdict.NORMAL:
        for reason in judgement.reasons or (Reason.NO_READING,):
            found.add(reason, rules.check_temperature)


def _check_credential(
    credential: Credential | None, context: Context, rules: Rules, found: _Findings
) -> None:
    check = rules.check_credential
    if credential is None:
        found.add(Reason.NO_CREDENTIAL, check)
        return
    if credential.is_ambiguous:
        found.add(Reason.AMBIGUOUS, check)
        return
    if credential.is_listed:
        found.add(Reason.LISTED_PERSON)
    if rules.denies_red_and_yellow and credential.colour in REASON_OF_COLOUR:
        found.add(REASON_OF_COLOUR[credential.colour])
    if credential.status is not CredentialStatus.VALID:
        reason = REASON_OF_STATUS[credential.status]
        found.add(reason, Check.HARD if reason in CALLS_STAFF else check)
        return
    for reason, how in credential.findings:
        found.add(reason, _laxer(check, how))
    _check_clock(credential, context.time_quality, rules, found)
    if is_replay(credential, context):
        found.add(Reason.REPLAYED, check)
    if Direction.UNKNOWN is not credential.direction is not rules.direction:
        found.add(Reason.WRONG_DIRECTION, check)
    if credential.zones and rules.zone not in credential.zones:
        found.add(Reason.WRONG_ZONE, check)
    if credential.max_uses is not None and context.uses >= credential.max_uses:
        found.add(Reason.USED_UP, check)
    if context.is_passback:
        found.add(Reason.PASSBACK, rules.check_anti_passback)


def _check_clock(
    credential: Credential, quality: TimeQuality, rules: Rules, found: _Findings
) -> None:
    """Static codes are judged at the clock floor where it is unknown; changing ones cannot be.

    A clock that was set after the check has told nothing about the code.
    """
    is_static, clock = credential.code_made_s is None, rules.clock
    quality = max(quality, credential.time_quality, key=tuple(TimeQuality).index)
    if quality is TimeQuality.UNKNOWN:
        how = clock.static_when_unknown if is_static else clock.dynamic_when_unknown
        found.add(Reason.CLOCK_UNKNOWN, _laxer(rules.check_credential, how))
    elif quality is TimeQuality.HOLDOVER:
        how = clock.static_when_holdover if is_static else clock.dynamic_when_holdover
        found.add(Reason.CLOCK_HOLDOVER, _laxer(rules.check_credential, how))


def is_replay(credential: Credential, context: Context) -> bool:
    """Return whether a changing code is not newer than the newest one that opened for its pass."""
    made_s, newest_s = credential.code_made_s, context.newest_code_s
    return made_s is not None and newest_s is not None and made_s <= newest_s


def _laxer(one: Check, other: Check) -> Check:
    return max(one, other, key=tuple(Check).index)


NOT_JUDGED_REASONS = frozenset(
    reason
    for reason in Reason
    if SEVERITY[Reason.SENSOR_LOST] <= SEVERITY[reason] < SEVERITY[Reason.ESCORT]
)


def _outcome(
    judgement: Judgement,
    credential: Credential | None,
    context: Context,
    rules: Rules,
    found: _Findings,
) -> Decision:
    """Return the outcome by the table, the strictest row first."""
    unmeasured = found.hard & NOT_JUDGED_REASONS
    refused = found.hard - unmeasured
    if Reason.CLOSED in refused:
        return _decision(Outcome.DENIED, Prompt.CLOSED, found)
    if refused & CALLS_STAFF:
        if refused & CALLS_STAFF == {Reason.TEMPERATURE_HIGH} and judgement.is_sunlit:
            found.soft.add(Reason.SUNLIT)
            return _decision(Outcome.SEE_STAFF, Prompt.AGAIN_LATER, found)
        return _decision(Outcome.SEE_STAFF, Prompt.WAIT_STAFF, found)
    if refused == {Reason.VERIFIER_TIME_OUT} and rules.sends_unverified_to_staff:
        return _decision(Outcome.SEE_STAFF, Prompt.WAIT_STAFF, found)
    if refused == {Reason.NO_CREDENTIAL}:
        if context.is_anybody_there:
            return _decision(Outcome.SEE_STAFF, Prompt.WAIT_STAFF, found)
        found.hard.add(Reason.WALKED_AWAY)
        return _decision(Outcome.ABANDONED, Prompt.READY, found)
    if refused:
        is_ambiguous = Reason.AMBIGUOUS in refused
        prompt = Prompt.ONE_CODE_ONLY if is_ambiguous else Prompt.SHOW_ANOTHER_CODE
        return _decision(Outcome.DENIED, prompt, found)
    follow_up = None
    if unmeasured:
        if not context.is_anybody_there:
            found.hard.add(Reason.WALKED_AWAY)
            return _decision(Outcome.ABANDONED, Prompt.READY, found)
        # Who measured near the threshold once is never admitted by default.
        admits = rules.temperature.when_not_judged is WhenNotJudged.ADMIT_AND_LIST
        if judgement.is_guarded or not admits:
            is_mendable = not judgement.is_guarded and unmeasured <= MENDED_BY_REST
            prompt = Prompt.AGAIN_LATER if is_mendable else Prompt.WAIT_STAFF
            return _decision(Outcome.SEE_STAFF, prompt, found)
        found.hard -= unmeasured
        found.soft |= unmeasured
        follow_up = TO_MEASURE
    if credential is not None and credential.category in rules.escort_categories:
        found.hard.add(Reason.ESCORT)
        return _decision(Outcome.SCREENED_ONLY, Prompt.THANK_YOU_WAIT_OUTSIDE, found, follow_up)
    return _decision(Outcome.GRANTED, Prompt.GO, found, follow_up)


def _observe(
    decision: Decision, credential: Credential | None, rules: Rules, found: _Findings
) -> Decision:
    """Open on the credential alone, and keep what would have been decided.

    Only what the thermometer says is set aside: a listed person, a red code, a pass that is not
    good stay refused, and an escort stays outside.
    """
    thermal = NOT_JUDGED_REASONS | {Reason.TEMPERATURE_HIGH}
    is_thermal_only = found.hard <= thermal
    if credential is None or not is_thermal_only:
        return decision
    is_escort = credential.category in rules.escort_categories
    return Decision(
        Outcome.SCREENED_ONLY if is_escort else Outcome.GRANTED,
        Prompt.THANK_YOU_WAIT_OUTSIDE if is_escort else Prompt.GO,
        reasons=(Reason.ESCORT,) if is_escort else (),
        noted=_sorted(found.soft | found.hard),
        would_have=decision.outcome,
        follow_up=decision.follow_up,
        alarms=decision.alarms,
    )


def _decision(
    outcome: Outcome, prompt: Prompt, found: _Findings, follow_up: str | None = None
) -> Decision:
    reasons = _sorted(found.hard)
    alarms = tuple(dict.fromkeys(ALARM_OF_REASON[r] for r in reasons if r in ALARM_OF_REASON))
    return Decision(outcome, prompt, reasons, _sorted(found.soft), None, follow_up, alarms)


def _sorted(reasons: set[Reason]) -> tuple[Reason, ...]:
    return tuple(sorted(reasons, key=SEVERITY.__getitem__))
