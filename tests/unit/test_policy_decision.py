"""The decision table of the design, row by row: whole decisions are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.clock import TimeQuality
from gated.contents import AlarmName
from gated.messages import (
    Check,
    CodeColour,
    Credential,
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
from gated.policy import (
    CALLS_STAFF,
    NOT_JUDGED_REASONS,
    REASON_OF_STATUS,
    SEVERITY,
    Context,
    Decision,
    Judgement,
    Rules,
    TemperatureRules,
    decide,
)
from tests.policy_cases import HIGH, NORMAL, POSTER, RECHECK, TWO_CODES, card, not_judged

RULES = Rules()
ADMITS = Rules(temperature=TemperatureRules(when_not_judged=WhenNotJudged.ADMIT_AND_LIST))
ROOM = Context()
CLOSED = Context(mode=Mode.CLOSED)
OBSERVE = Context(mode=Mode.OBSERVE)
GONE = Context(is_anybody_there=False)
VALID = card()

GRANTED = Decision(Outcome.GRANTED, Prompt.GO)
HIGH_ALARM = (AlarmName.TEMPERATURE_HIGH,)


def denied(*reasons: Reason, prompt: Prompt = Prompt.SHOW_ANOTHER_CODE) -> Decision:
    return Decision(Outcome.DENIED, prompt, reasons)


def see_staff(*reasons: Reason, alarms: tuple[AlarmName, ...] = ()) -> Decision:
    return Decision(Outcome.SEE_STAFF, Prompt.WAIT_STAFF, reasons, alarms=alarms)


def coloured(colour: CodeColour) -> Credential:
    return Credential(CredentialStatus.VALID, "GP1", "p1", colour=colour)


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
    assert decide(not_judged(reason), VALID, ROOM, RULES) == see_staff(reason)


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


@pytest.mark.parametrize("status", [s for s in CredentialStatus if s is not CredentialStatus.VALID])
def test_a_code_that_is_not_valid_is_denied_and_another_one_may_be_shown(
    status: CredentialStatus,
) -> None:
    assert decide(NORMAL, card(status), ROOM, RULES) == denied(REASON_OF_STATUS[status])


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


@pytest.mark.parametrize("quality", [TimeQuality.TRUSTED, TimeQuality.HOLDOVER])
def test_a_clock_above_its_floor_is_enough_for_every_pass(quality: TimeQuality) -> None:
    decision = decide(NORMAL, card(is_dynamic=True), Context(time_quality=quality), RULES)
    assert decision == GRANTED


# --- direction, zone, uses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pass_direction", "gate_direction", "expected"),
    [
        (Direction.IN, Direction.IN, GRANTED),
        (Direction.OUT, Direction.OUT, GRANTED),
        (Direction.UNKNOWN, Direction.IN, GRANTED),
        (Direction.UNKNOWN, Direction.OUT, GRANTED),
        (Direction.OUT, Direction.IN, denied(Reason.WRONG_DIRECTION)),
        (Direction.IN, Direction.OUT, denied(Reason.WRONG_DIRECTION)),
    ],
)
def test_a_pass_for_one_direction_does_not_open_the_other(
    pass_direction: Direction, gate_direction: Direction, expected: Decision
) -> None:
    one_way = Credential(CredentialStatus.VALID, "GP1", "p1", direction=pass_direction)
    assert decide(NORMAL, one_way, ROOM, Rules(direction=gate_direction)) == expected


@pytest.mark.parametrize(
    ("zones", "zone", "expected"),
    [
        ((), None, GRANTED),
        ((), "main", GRANTED),
        (("main", "canteen"), "main", GRANTED),
        (("canteen",), "main", denied(Reason.WRONG_ZONE)),
        (("canteen",), None, denied(Reason.WRONG_ZONE)),
    ],
)
def test_a_pass_with_zones_opens_only_there(
    zones: tuple[str, ...], zone: str | None, expected: Decision
) -> None:
    assert decide(NORMAL, card(zones=zones), ROOM, Rules(zone=zone)) == expected


@pytest.mark.parametrize(
    ("max_uses", "uses", "expected"),
    [
        (None, 1_000, GRANTED),
        (1, 0, GRANTED),
        (1, 1, denied(Reason.USED_UP)),
        (3, 2, GRANTED),
        (3, 3, denied(Reason.USED_UP)),
        (3, 4, denied(Reason.USED_UP)),
    ],
)
def test_a_pass_opens_as_often_as_it_says(
    max_uses: int | None, uses: int, expected: Decision
) -> None:
    assert decide(NORMAL, card(max_uses=max_uses), Context(uses=uses), RULES) == expected


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Check.HARD, denied(Reason.PASSBACK)),
        (Check.SOFT, Decision(Outcome.GRANTED, Prompt.GO, noted=(Reason.PASSBACK,))),
        (Check.OFF, GRANTED),
    ],
)
def test_passback_is_as_strict_as_its_check(check: Check, expected: Decision) -> None:
    rules = Rules(check_anti_passback=check)
    assert decide(NORMAL, VALID, Context(is_passback=True), rules) == expected


# --- hard, soft, off -----------------------------------------------------------------------------


@pytest.mark.parametrize("judgement", [HIGH, not_judged(Reason.COLD_FACE)])
def test_a_soft_temperature_check_notes_and_never_hides(judgement: Judgement) -> None:
    rules = Rules(check_temperature=Check.SOFT)
    assert decide(judgement, VALID, ROOM, rules) == Decision(
        Outcome.GRANTED, Prompt.GO, noted=judgement.reasons
    )


@pytest.mark.parametrize("judgement", [HIGH, not_judged(Reason.COLD_FACE)])
def test_a_temperature_check_that_is_off_says_nothing(judgement: Judgement) -> None:
    assert decide(judgement, VALID, ROOM, Rules(check_temperature=Check.OFF)) == GRANTED


@pytest.mark.parametrize(
    ("credential", "context", "reason"),
    [
        (None, ROOM, Reason.NO_CREDENTIAL),
        (TWO_CODES, ROOM, Reason.AMBIGUOUS),
        (card(CredentialStatus.EXPIRED), ROOM, Reason.EXPIRED),
        (card(zones=("canteen",)), ROOM, Reason.WRONG_ZONE),
        (card(max_uses=1), Context(uses=1), Reason.USED_UP),
        (card(is_dynamic=True), Context(time_quality=TimeQuality.UNKNOWN), Reason.CLOCK_UNKNOWN),
    ],
)
def test_a_credential_check_is_as_strict_as_it_is_set(
    credential: Credential | None, context: Context, reason: Reason
) -> None:
    hard = decide(NORMAL, credential, context, Rules(check_credential=Check.HARD))
    soft = decide(NORMAL, credential, context, Rules(check_credential=Check.SOFT))
    off = decide(NORMAL, credential, context, Rules(check_credential=Check.OFF))
    assert hard.outcome in {Outcome.DENIED, Outcome.SEE_STAFF}
    assert hard.reasons == (reason,)
    assert soft == Decision(Outcome.GRANTED, Prompt.GO, noted=(reason,))
    assert off == GRANTED


@pytest.mark.parametrize("check", sorted(Check))
def test_a_listed_person_and_a_red_code_are_no_matter_of_the_check(check: Check) -> None:
    for credential in (card(is_listed=True), coloured(CodeColour.RED)):
        decision = decide(NORMAL, credential, ROOM, Rules(check_credential=check))
        assert decision.outcome is Outcome.SEE_STAFF


# --- all reasons, the most severe one first ------------------------------------------------------


def test_all_reasons_are_collected_and_the_most_severe_one_is_the_reason() -> None:
    wrong = Credential(
        CredentialStatus.VALID,
        "GP1",
        "p1",
        direction=Direction.OUT,
        zones=("canteen",),
        max_uses=1,
        is_dynamic=True,
        is_listed=True,
        colour=CodeColour.YELLOW,
    )
    context = Context(mode=Mode.CLOSED, time_quality=TimeQuality.UNKNOWN, uses=1, is_passback=True)
    decision = decide(HIGH, wrong, context, RULES)
    assert decision == Decision(
        Outcome.DENIED,
        Prompt.CLOSED,
        reasons=(
            Reason.CLOSED,
            Reason.TEMPERATURE_HIGH,
            Reason.LISTED_PERSON,
            Reason.CODE_YELLOW,
            Reason.CLOCK_UNKNOWN,
            Reason.USED_UP,
            Reason.WRONG_DIRECTION,
            Reason.WRONG_ZONE,
        ),
        noted=(Reason.PASSBACK,),
        alarms=(
            AlarmName.TEMPERATURE_HIGH,
            AlarmName.LISTED_PERSON,
            AlarmName.CODE_RED_OR_YELLOW,
        ),
    )
    assert decision.reason is Reason.CLOSED


def test_a_bad_code_on_a_cold_face_says_both() -> None:
    decision = decide(not_judged(Reason.COLD_FACE), card(CredentialStatus.EXPIRED), ROOM, RULES)
    assert decision == denied(Reason.EXPIRED, Reason.COLD_FACE)


def test_a_grant_without_any_remark_has_no_reason() -> None:
    assert decide(NORMAL, VALID, ROOM, RULES).reason is None


# --- for every combination -----------------------------------------------------------------------

CREDENTIALS = st.none() | st.builds(
    Credential,
    status=st.sampled_from(CredentialStatus),
    format=st.just("GP1"),
    presentation=st.just("p1"),
    category=st.none() | st.sampled_from(HolderCategory),
    direction=st.sampled_from(Direction),
    zones=st.sampled_from([(), ("main",), ("canteen",)]),
    max_uses=st.none() | st.integers(1, 3),
    is_dynamic=st.booleans(),
    is_listed=st.booleans(),
    is_ambiguous=st.booleans(),
    colour=st.sampled_from(CodeColour),
)
JUDGEMENTS = st.sampled_from([NORMAL, HIGH, RECHECK]) | st.builds(
    not_judged, st.sampled_from(sorted(NOT_JUDGED_REASONS)), is_guarded=st.booleans()
)
CONTEXTS = st.builds(
    Context,
    mode=st.sampled_from(Mode),
    time_quality=st.sampled_from(TimeQuality),
    uses=st.integers(0, 3),
    is_passback=st.booleans(),
    is_anybody_there=st.booleans(),
)
CHECKS = st.sampled_from(Check)
ANY_RULES = st.builds(
    Rules,
    temperature=st.builds(TemperatureRules, when_not_judged=st.sampled_from(WhenNotJudged)),
    check_temperature=CHECKS,
    check_credential=CHECKS,
    check_anti_passback=CHECKS,
    denies_red_and_yellow=st.booleans(),
    direction=st.sampled_from(Direction),
    zone=st.sampled_from([None, "main"]),
)


@given(JUDGEMENTS, CREDENTIALS, CONTEXTS, ANY_RULES)
def test_reasons_stand_from_the_most_to_the_least_severe_each_once(
    judgement: Judgement, credential: Credential | None, context: Context, rules: Rules
) -> None:
    decision = decide(judgement, credential, context, rules)
    for reasons in (decision.reasons, decision.noted):
        assert list(reasons) == sorted(set(reasons), key=SEVERITY.__getitem__)
    assert not set(decision.reasons) & set(decision.noted)
    refuses = decision.outcome is not Outcome.GRANTED
    assert bool(decision.reasons) is refuses


@given(JUDGEMENTS, CREDENTIALS, CONTEXTS)
def test_with_hard_checks_nobody_is_granted_but_by_the_table(
    judgement: Judgement, credential: Credential | None, context: Context
) -> None:
    rules = Rules(check_anti_passback=Check.HARD)
    decision = decide(judgement, credential, context, rules)
    if decision.outcome is not Outcome.GRANTED:
        return
    assert credential is not None
    assert credential.status is CredentialStatus.VALID
    assert not credential.is_ambiguous
    assert not credential.is_listed
    assert credential.category not in rules.escort_categories
    assert judgement.verdict is Verdict.NORMAL or context.mode is Mode.OBSERVE
    assert context.mode is not Mode.CLOSED or credential.category in rules.duty_categories
    assert not set(decision.noted) & (CALLS_STAFF - {Reason.TEMPERATURE_HIGH})
