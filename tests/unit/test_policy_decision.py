"""The decision table of the design, row by row: whole decisions are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.clock import TimeQuality
from gated.contents import AlarmName
from gated.judgement import Judgement, TemperatureRules
from gated.messages import Credential
from gated.policy import (
    NOT_JUDGED_REASONS,
    REASON_OF_STATUS,
    ClockRules,
    Context,
    Decision,
    Rules,
    decide,
)
from gated.vocabulary import (
    Check,
    CodeColour,
    CredentialStatus,
    HolderCategory,
    Mode,
    Outcome,
    Prompt,
    Reason,
    WhenNotJudged,
)
from tests.policy_cases import (
    HIGH,
    NORMAL,
    POSTER,
    RECHECK,
    TWO_CODES,
    card,
    coloured,
    denied,
    not_judged,
    see_staff,
)

RULES = Rules()
ADMITS = Rules(temperature=TemperatureRules(when_not_judged=WhenNotJudged.ADMIT_AND_LIST))
ROOM = Context()
CLOSED = Context(mode=Mode.CLOSED)
OBSERVE = Context(mode=Mode.OBSERVE)
GONE = Context(is_anybody_there=False)
VALID = card()

GRANTED = Decision(Outcome.GRANTED, Prompt.GO)
HIGH_ALARM = (AlarmName.TEMPERATURE_HIGH,)


# --- the table, in the mode normal ---------------------------------------------------------------


def test_normal_valid_and_all_checks_met_is_granted() -> None:
    assert decide(NORMAL, VALID, ROOM, RULES) == GRANTED


@pytest.mark.parametrize("credential", [VALID, card(CredentialStatus.EXPIRED), None, POSTER])
def test_high_sees_staff_whatever_the_code_says(credential: Credential | None) -> None:
    decision = decide(HIGH, credential, ROOM, RULES)
    assert (decision.outcome, decision.prompt) == (Outcome.SEE_STAFF, Prompt.WAIT_STAFF)
    assert (decision.reason, decision.alarms) == (Reason.TEMPERATURE_HIGH, HIGH_ALARM)


@pytest.mark.parametrize("reason", sorted(NOT_JUDGED_REASONS))
def test_not_judged_and_valid_sees_staff_by_default(reason: Reason) -> None:
    expected = see_staff(reason)
    if reason in {Reason.COLD_FACE, Reason.SPREAD_TOO_LARGE}:  # a rest out of the wind mends these
        expected = replace(expected, prompt=Prompt.AGAIN_LATER)
    assert decide(not_judged(reason), VALID, ROOM, RULES) == expected


def test_who_measured_near_the_threshold_is_not_sent_away_to_rest() -> None:
    judged = replace(not_judged(Reason.COLD_FACE), is_guarded=True)
    assert decide(judged, VALID, ROOM, RULES).prompt is Prompt.WAIT_STAFF


def test_a_hot_face_in_the_sun_is_staffs_all_the_same_and_is_told_to_cool_down() -> None:
    sunlit = replace(HIGH, is_sunlit=True)
    decision = decide(sunlit, VALID, ROOM, RULES)
    assert (decision.outcome, decision.reasons) == (
        Outcome.SEE_STAFF,
        (Reason.TEMPERATURE_HIGH,),
    )
    assert (decision.prompt, decision.noted) == (Prompt.AGAIN_LATER, (Reason.SUNLIT,))
    assert decision.alarms == HIGH_ALARM


def test_the_sun_excuses_neither_a_listed_person_nor_a_red_code() -> None:
    sunlit = replace(HIGH, is_sunlit=True)
    for credential in (card(is_listed=True), replace(VALID, colour=CodeColour.RED)):
        assert decide(sunlit, credential, ROOM, RULES).prompt is Prompt.WAIT_STAFF


@pytest.mark.parametrize("reason", sorted(NOT_JUDGED_REASONS))
def test_not_judged_and_valid_is_noted_and_listed_where_the_site_admits(reason: Reason) -> None:
    assert decide(not_judged(reason), VALID, ROOM, ADMITS) == Decision(
        Outcome.GRANTED, Prompt.GO, noted=(reason,), follow_up="to_measure"
    )


def test_who_measured_near_the_threshold_is_never_admitted_by_default() -> None:
    guarded = not_judged(Reason.SPREAD_TOO_LARGE, is_guarded=True)
    assert decide(guarded, VALID, ROOM, ADMITS) == see_staff(Reason.SPREAD_TOO_LARGE)


def test_a_recheck_that_is_still_open_never_opens_the_gate() -> None:
    for rules in (RULES, ADMITS):
        assert decide(RECHECK, VALID, ROOM, rules) == see_staff(Reason.NO_READING)


BY_PLATFORM = (CredentialStatus.CODE_RED, CredentialStatus.CODE_YELLOW)


@pytest.mark.parametrize(
    "status", sorted({*CredentialStatus} - {CredentialStatus.VALID, *BY_PLATFORM})
)
def test_a_code_that_is_not_valid_is_denied_and_another_one_may_be_shown(
    status: CredentialStatus,
) -> None:
    assert decide(NORMAL, card(status), ROOM, RULES) == denied(REASON_OF_STATUS[status])


@pytest.mark.parametrize("check", Check)
@pytest.mark.parametrize("status", BY_PLATFORM)
def test_who_is_red_or_yellow_on_the_platform_sees_staff_however_lax_the_check(
    status: CredentialStatus, check: Check
) -> None:
    decision = decide(NORMAL, card(status), ROOM, Rules(check_credential=check))
    assert decision == see_staff(REASON_OF_STATUS[status], alarms=(AlarmName.CODE_RED_OR_YELLOW,))


def test_two_codes_at_once_are_denied_and_one_is_asked_for() -> None:
    expected = denied(Reason.AMBIGUOUS, prompt=Prompt.ONE_CODE_ONLY)
    assert decide(NORMAL, TWO_CODES, ROOM, RULES) == expected


@pytest.mark.parametrize(
    ("credential", "reason", "alarm"),
    [
        (coloured(CodeColour.RED), Reason.CODE_RED, AlarmName.CODE_RED_OR_YELLOW),
        (coloured(CodeColour.YELLOW), Reason.CODE_YELLOW, AlarmName.CODE_RED_OR_YELLOW),
        (card(is_listed=True), Reason.LISTED_PERSON, AlarmName.LISTED_PERSON),
    ],
)
def test_red_yellow_and_listed_share_the_neutral_prompt_of_a_fever(
    credential: Credential, reason: Reason, alarm: AlarmName
) -> None:
    assert decide(NORMAL, credential, ROOM, RULES) == see_staff(reason, alarms=(alarm,))


@pytest.mark.parametrize(
    "colour", [c for c in CodeColour if c not in {CodeColour.RED, CodeColour.YELLOW}]
)
def test_every_other_colour_proves_nothing(colour: CodeColour) -> None:
    assert decide(NORMAL, coloured(colour), ROOM, RULES) == GRANTED


def test_a_site_may_leave_the_colour_out_of_account() -> None:
    rules = Rules(denies_red_and_yellow=False)
    assert decide(NORMAL, coloured(CodeColour.RED), ROOM, rules) == GRANTED


def test_no_code_sees_staff_while_somebody_is_there() -> None:
    assert decide(NORMAL, None, ROOM, RULES) == see_staff(Reason.NO_CREDENTIAL)


def test_no_code_is_abandoned_once_nobody_is_there() -> None:
    expected = (Reason.NO_CREDENTIAL, Reason.WALKED_AWAY)
    assert decide(NORMAL, None, GONE, RULES) == Decision(Outcome.ABANDONED, Prompt.READY, expected)


def test_a_code_that_nobody_was_measured_with_is_abandoned_once_nobody_is_there() -> None:
    expected = (Reason.NO_READING, Reason.WALKED_AWAY)
    for rules in (RULES, ADMITS):
        decision = decide(not_judged(Reason.NO_READING), VALID, GONE, rules)
        assert decision == Decision(Outcome.ABANDONED, Prompt.READY, expected)


def test_an_escort_is_screened_only() -> None:
    escort = card(category=HolderCategory.ESCORT)
    assert decide(NORMAL, escort, ROOM, RULES) == Decision(
        Outcome.SCREENED_ONLY, Prompt.THANK_YOU_WAIT_OUTSIDE, (Reason.ESCORT,)
    )


# --- modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("judgement", [NORMAL, HIGH, RECHECK, not_judged()])
@pytest.mark.parametrize("credential", [VALID, None, POSTER, card(is_listed=True)])
def test_closed_denies_everybody_off_the_duty_list(
    judgement: Judgement, credential: Credential | None
) -> None:
    decision = decide(judgement, credential, CLOSED, RULES)
    assert (decision.outcome, decision.prompt) == (Outcome.DENIED, Prompt.CLOSED)
    assert decision.reason is Reason.CLOSED


@pytest.mark.parametrize("category", sorted(HolderCategory))
def test_closed_lets_in_whom_the_duty_list_names(category: HolderCategory) -> None:
    decision = decide(NORMAL, card(category=category), CLOSED, RULES)
    on_duty = category in {HolderCategory.DUTY, HolderCategory.EMERGENCY}
    assert decision == (GRANTED if on_duty else denied(Reason.CLOSED, prompt=Prompt.CLOSED))


def test_closed_still_raises_the_alarm_of_a_fever() -> None:
    decision = decide(HIGH, VALID, CLOSED, RULES)
    assert decision.reasons == (Reason.CLOSED, Reason.TEMPERATURE_HIGH)
    assert decision.alarms == HIGH_ALARM


def test_duty_does_not_excuse_from_measuring() -> None:
    duty = card(category=HolderCategory.DUTY)
    expected = see_staff(Reason.TEMPERATURE_HIGH, alarms=HIGH_ALARM)
    assert decide(HIGH, duty, CLOSED, RULES) == expected


@pytest.mark.parametrize(
    ("judgement", "noted", "would_have", "alarms"),
    [
        (NORMAL, (), Outcome.GRANTED, ()),
        (HIGH, (Reason.TEMPERATURE_HIGH,), Outcome.SEE_STAFF, HIGH_ALARM),
        (not_judged(Reason.COLD_FACE), (Reason.COLD_FACE,), Outcome.SEE_STAFF, ()),
        (RECHECK, (Reason.NO_READING,), Outcome.SEE_STAFF, ()),
    ],
)
def test_observe_opens_on_the_code_alone_and_records_what_would_have_been(
    judgement: Judgement,
    noted: tuple[Reason, ...],
    would_have: Outcome,
    alarms: tuple[AlarmName, ...],
) -> None:
    assert decide(judgement, VALID, OBSERVE, RULES) == Decision(
        Outcome.GRANTED, Prompt.GO, noted=noted, would_have=would_have, alarms=alarms
    )


def test_observe_keeps_who_is_to_be_measured_on_the_list() -> None:
    assert decide(not_judged(), VALID, OBSERVE, ADMITS) == Decision(
        Outcome.GRANTED,
        Prompt.GO,
        noted=(Reason.COLD_FACE,),
        would_have=Outcome.GRANTED,
        follow_up="to_measure",
    )


@pytest.mark.parametrize(
    "credential",
    [
        None,
        POSTER,
        TWO_CODES,
        card(CredentialStatus.EXPIRED),
        card(is_listed=True),
        coloured(CodeColour.RED),
        card(zones=("dormitory",)),
    ],
)
@pytest.mark.parametrize("judgement", [NORMAL, HIGH, not_judged()])
def test_observe_decides_as_always_where_the_code_does_not_hold(
    judgement: Judgement, credential: Credential | None
) -> None:
    decision = decide(judgement, credential, OBSERVE, RULES)
    assert decision == decide(judgement, credential, ROOM, RULES)
    assert decision.outcome is not Outcome.GRANTED


@pytest.mark.parametrize("judgement", [NORMAL, HIGH, not_judged()])
def test_observe_leaves_an_escort_outside(judgement: Judgement) -> None:
    decision = decide(judgement, card(category=HolderCategory.ESCORT), OBSERVE, RULES)
    assert decision.outcome is Outcome.SCREENED_ONLY
    assert decision.prompt is Prompt.THANK_YOU_WAIT_OUTSIDE


# --- the clock -----------------------------------------------------------------------------------


def test_a_static_pass_is_judged_without_a_clock_and_marked() -> None:
    unknown = Context(time_quality=TimeQuality.UNKNOWN)
    assert decide(NORMAL, VALID, unknown, RULES) == Decision(
        Outcome.GRANTED, Prompt.GO, noted=(Reason.CLOCK_UNKNOWN,)
    )


def test_a_dynamic_pass_proves_nothing_without_a_clock() -> None:
    unknown = Context(time_quality=TimeQuality.UNKNOWN)
    assert decide(NORMAL, card(is_dynamic=True), unknown, RULES) == denied(Reason.CLOCK_UNKNOWN)


@pytest.mark.parametrize("at_check", TimeQuality)
@pytest.mark.parametrize("at_decision", TimeQuality)
def test_a_pass_counts_by_the_worse_clock_of_its_check_and_the_decision(
    at_check: TimeQuality, at_decision: TimeQuality
) -> None:
    code = replace(card(is_dynamic=True), time_quality=at_check)
    decision = decide(NORMAL, code, Context(time_quality=at_decision), RULES)
    if TimeQuality.UNKNOWN in (at_check, at_decision):
        assert decision == denied(Reason.CLOCK_UNKNOWN)
    elif TimeQuality.HOLDOVER in (at_check, at_decision):
        assert decision == replace(GRANTED, noted=(Reason.CLOCK_HOLDOVER,))
    else:
        assert decision == GRANTED


@pytest.mark.parametrize("is_dynamic", [True, False])
@pytest.mark.parametrize("check", Check)
@pytest.mark.parametrize("quality", TimeQuality)
def test_each_clock_state_counts_as_configured_for_each_kind_of_pass(
    quality: TimeQuality, check: Check, *, is_dynamic: bool
) -> None:
    clock = ClockRules(check, check, Check.OFF, Check.OFF)
    if is_dynamic:
        clock = ClockRules(Check.OFF, Check.OFF, check, check)
    decision = decide(
        NORMAL, card(is_dynamic=is_dynamic), Context(time_quality=quality), Rules(clock=clock)
    )
    reason = Reason.CLOCK_UNKNOWN if quality is TimeQuality.UNKNOWN else Reason.CLOCK_HOLDOVER
    if quality is TimeQuality.TRUSTED or check is Check.OFF:
        assert decision == GRANTED
    elif check is Check.SOFT:
        assert decision == replace(GRANTED, noted=(reason,))
    else:
        assert decision == denied(reason)


def test_by_default_only_a_dynamic_pass_under_an_unknown_clock_is_refused() -> None:
    outcomes = {
        (is_dynamic, quality): decide(
            NORMAL, card(is_dynamic=is_dynamic), Context(time_quality=quality), RULES
        )
        for is_dynamic in (True, False)
        for quality in TimeQuality
    }
    refused = {key for key, decision in outcomes.items() if decision.reasons}
    noted = {key for key, decision in outcomes.items() if decision.noted}
    assert refused == {(True, TimeQuality.UNKNOWN)}
    assert noted == {(False, TimeQuality.UNKNOWN), (True, TimeQuality.HOLDOVER)}


@pytest.mark.parametrize(
    ("made_s", "newest_s", "is_replay"),
    [(100, None, False), (100, 99, False), (100, 100, True), (100, 101, True), (None, 101, False)],
)
def test_a_changing_code_opens_only_if_it_is_newer_than_the_last_that_opened(
    made_s: int | None, newest_s: int | None, *, is_replay: bool
) -> None:
    shown = replace(card(), code_made_s=made_s)
    decision = decide(NORMAL, shown, Context(newest_code_s=newest_s), RULES)
    assert decision == (denied(Reason.REPLAYED) if is_replay else GRANTED)
