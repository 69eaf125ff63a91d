"""Directions, zones, uses; hard, soft and off; reasons; and what holds for every combination."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.clock import TimeQuality
from gated.contents import AlarmName
from gated.judgement import Judgement, TemperatureRules
from gated.messages import Credential
from gated.policy import CALLS_STAFF, NOT_JUDGED_REASONS, SEVERITY, Context, Decision, Rules, decide
from gated.vocabulary import (
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
from tests.policy_cases import (
    HIGH,
    NORMAL,
    RECHECK,
    TWO_CODES,
    card,
    coloured,
    denied,
    not_judged,
)

RULES = Rules()
ROOM = Context()
CLOSED = Context(mode=Mode.CLOSED)
OBSERVE = Context(mode=Mode.OBSERVE)
VALID = card()

GRANTED = Decision(Outcome.GRANTED, Prompt.GO)


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
        code_made_s=1_764_000_000,
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


@pytest.mark.parametrize("strict", Check)
@pytest.mark.parametrize("how", Check)
def test_a_finding_counts_as_strictly_as_it_says_and_never_more_than_the_check_of_codes(
    how: Check, strict: Check
) -> None:
    found = replace(VALID, findings=((Reason.NOT_ENOUGH, how),))
    decision = decide(NORMAL, found, ROOM, Rules(check_credential=strict))
    if Check.OFF in (how, strict):
        assert (decision.reasons, decision.noted) == ((), ())
    elif Check.SOFT in (how, strict):
        assert (decision.reasons, decision.noted) == ((), (Reason.NOT_ENOUGH,))
    else:
        assert decision == denied(Reason.NOT_ENOUGH)


# --- for every combination -----------------------------------------------------------------------

FOUND_LATER = (Reason.NOT_ENOUGH, Reason.REVOCATIONS_OLD, Reason.DEGRADED)
CREDENTIALS = st.none() | st.builds(
    Credential,
    status=st.sampled_from(CredentialStatus),
    format=st.just("GP1"),
    presentation=st.just("p1"),
    category=st.none() | st.sampled_from(HolderCategory),
    direction=st.sampled_from(Direction),
    zones=st.sampled_from([(), ("main",), ("canteen",)]),
    max_uses=st.none() | st.integers(1, 3),
    code_made_s=st.none() | st.integers(0, 10),
    findings=st.lists(
        st.tuples(st.sampled_from(FOUND_LATER), st.sampled_from(Check)), max_size=2
    ).map(tuple),
    is_on_duty=st.booleans(),
    is_listed=st.booleans(),
    is_ambiguous=st.booleans(),
    colour=st.sampled_from(CodeColour),
    time_quality=st.sampled_from(TimeQuality),
)
JUDGEMENTS = st.sampled_from([NORMAL, HIGH, RECHECK]) | st.builds(
    not_judged, st.sampled_from(sorted(NOT_JUDGED_REASONS)), is_guarded=st.booleans()
)
CONTEXTS = st.builds(
    Context,
    mode=st.sampled_from(Mode),
    time_quality=st.sampled_from(TimeQuality),
    uses=st.integers(0, 3),
    newest_code_s=st.none() | st.integers(0, 10),
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
    is_on_duty = credential.is_on_duty or credential.category in rules.duty_categories
    assert context.mode is not Mode.CLOSED or is_on_duty
    assert not any(how is Check.HARD for _, how in credential.findings)
    if credential.code_made_s is not None:
        assert TimeQuality.UNKNOWN not in (context.time_quality, credential.time_quality)
        newest = context.newest_code_s
        assert newest is None or credential.code_made_s > newest
    assert not set(decision.noted) & (CALLS_STAFF - {Reason.TEMPERATURE_HIGH})
