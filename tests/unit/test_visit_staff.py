"""Who is sent to staff, and how staff release them: card and button, never one alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.clock import TimeQuality
from gated.contents import AlarmName, ReleaseContent
from gated.judgement import TemperatureRules
from gated.messages import CallStaff, Credential, EnergiseRelay, ShowPrompt, StopCallingStaff
from gated.policy import ClockRules, Rules
from gated.visit.state import Commit, Phase
from gated.vocabulary import (
    Button,
    Check,
    ClaimStep,
    CredentialStatus,
    Direction,
    Mode,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
)
from gated.wire import PassUse
from tests.lane_rig import (
    IDS,
    PAIR,
    PUPIL,
    TEACHER,
    LaneRig,
    alarm_commit,
    claim_commit,
    lane_with,
    passage_commit,
)
from tests.policy_cases import card

STOP = StopCallingStaff()
PRESS = ShowPrompt(Prompt.STAFF_PRESS_BUTTON)
CARD_FIRST = ShowPrompt(Prompt.STAFF_CARD_FIRST)
READY = ShowPrompt(Prompt.READY)
WAIT = ShowPrompt(Prompt.WAIT_STAFF, IDS[0])
ANSWERED = claim_commit(ClaimStep.BUTTON, holder=None)


def feverish(rig: LaneRig, number: int = 0, thermometer: str = "main") -> LaneRig:
    """Bring a visitor with a fever, whose pass was read, to the side to wait for staff."""
    rig.show(card(holder=f"k1:{number}"))
    rig.arrive(thermometer)
    rig.measure(38.2, thermometer)
    rig.commit_visit(number)
    rig.leave(thermometer)
    assert rig.visit(number).phase is Phase.WAITING_STAFF
    return rig


def release_commit(
    result: ReleaseResult, contact_c: float | None = None, number: int = 0
) -> Commit:
    """Return the release of a visit that ``feverish`` made."""
    is_opening = result is not ReleaseResult.ISOLATED
    return Commit(
        tag=f"release/{IDS[number]}",
        content=ReleaseContent(visit_id=IDS[number], result=result, contact_c=contact_c),
        holder_ref=TEACHER.holder_ref,
        use=PassUse(f"k1:{number}/pass", Direction.IN) if is_opening else None,
        opens_visit=IDS[number] if is_opening else None,
    )


# --- card and button -----------------------------------------------------------------------------


def test_card_value_and_button_clear_one_visit_and_open_once_it_is_durable() -> None:
    rig = feverish(LaneRig())
    assert rig.show(TEACHER) == [claim_commit(ClaimStep.CARD), PRESS]
    assert rig.contact(36.9) == [claim_commit(ClaimStep.VALUE, contact_c=36.9)]
    assert rig.press() == [STOP, release_commit(ReleaseResult.CLEARED, 36.9)]
    rig.now += 0.01
    assert rig.commit(f"release/{IDS[0]}") == [
        EnergiseRelay(IDS[0], 0.5),
        ShowPrompt(Prompt.GO, IDS[0]),
    ]
    assert rig.commit(f"release/{IDS[0]}") == []
    rig.now += 1.0
    assert rig.pass_through() == [
        passage_commit(0, PassageResult.PASSED, 1_010),
        ShowPrompt(Prompt.READY),
    ]


@pytest.mark.parametrize(
    ("contact_c", "inclusive", "expected"),
    [
        (37.2, True, ReleaseResult.CLEARED),
        (37.3, True, ReleaseResult.ISOLATED),
        (37.4, True, ReleaseResult.ISOLATED),
        (37.2, False, ReleaseResult.CLEARED),
        (37.3, False, ReleaseResult.CLEARED),
        (37.4, False, ReleaseResult.ISOLATED),
    ],
)
def test_the_contact_value_decides_by_the_same_threshold(
    contact_c: float, inclusive: bool, expected: ReleaseResult
) -> None:
    rules = Rules(temperature=TemperatureRules(fever_threshold_inclusive=inclusive))
    rig = feverish(LaneRig(lane_with(rules)))
    rig.show(TEACHER)
    rig.contact(contact_c)
    shown = [READY] if expected is ReleaseResult.ISOLATED else []
    assert rig.press() == [STOP, release_commit(expected, contact_c), *shown]


def test_an_isolated_visitor_is_recorded_and_the_gate_stays_shut() -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    rig.contact(37.9)
    assert rig.press() == [STOP, release_commit(ReleaseResult.ISOLATED, 37.9), READY]
    assert rig.commit(f"release/{IDS[0]}") == []
    assert rig.state.visits == ()


def test_without_a_contact_value_the_release_is_an_override() -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    assert rig.press() == [STOP, release_commit(ReleaseResult.OVERRIDE)]
    assert rig.commit(f"release/{IDS[0]}")[0] == EnergiseRelay(IDS[0], 0.5)


def test_the_last_contact_value_counts() -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    rig.contact(38.0)
    rig.contact(36.8)
    assert rig.press() == [STOP, release_commit(ReleaseResult.CLEARED, 36.8)]


def test_the_button_alone_opens_nothing() -> None:
    rig = feverish(LaneRig())
    assert rig.press() == [STOP, ANSWERED]
    assert rig.visit().phase is Phase.WAITING_STAFF


def test_the_card_alone_opens_nothing() -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    assert rig.wait(29.9) == []
    assert rig.visit().phase is Phase.WAITING_STAFF
    assert rig.wait(0.1) == [claim_commit(ClaimStep.EXPIRED), READY]
    assert rig.visit().phase is Phase.WAITING_STAFF


def test_a_contact_value_gives_staff_another_thirty_seconds_for_the_button() -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    rig.wait(29.0)
    rig.contact(36.8)
    assert rig.wait(29.0) == []
    assert rig.press() == [STOP, release_commit(ReleaseResult.CLEARED, 36.8)]


def test_a_contact_value_without_a_card_before_it_is_nobodys_word() -> None:
    rig = feverish(LaneRig())
    refused = claim_commit(ClaimStep.VALUE_WITHOUT_CARD, contact_c=36.5, holder=None)
    assert rig.contact(36.5) == [refused, CARD_FIRST]
    rig.show(TEACHER)
    assert rig.press() == [STOP, release_commit(ReleaseResult.OVERRIDE)]


@pytest.mark.parametrize("ticks", [True, False])
def test_a_card_shown_thirty_seconds_ago_opens_nothing(ticks: bool) -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    if ticks:
        rig.wait(30.0)
    else:
        rig.now += 30.0  # the button is in the queue before the Tick
    refused = claim_commit(ClaimStep.VALUE_WITHOUT_CARD, contact_c=36.5, holder=None)
    assert rig.contact(36.5) == [refused, CARD_FIRST]
    assert rig.press() == [STOP, ANSWERED]
    assert rig.visit().phase is Phase.WAITING_STAFF


def test_one_card_releases_one_visit() -> None:
    rig = feverish(LaneRig())
    rig.now += 5.0
    feverish(rig, 1)
    rig.show(TEACHER)
    rig.press()
    rig.commit(f"release/{IDS[1]}")
    rig.pass_through()
    assert rig.press() == [STOP, ANSWERED]


@pytest.mark.parametrize(
    "impostor",
    [
        PUPIL,
        replace(TEACHER, status=CredentialStatus.EXPIRED),
        replace(TEACHER, is_listed=True),
        replace(TEACHER, is_attendant=False),
    ],
)
def test_only_a_valid_card_of_an_attendant_counts(impostor: Credential) -> None:
    rig = feverish(LaneRig())
    rig.show(impostor)
    assert rig.press() == [STOP, ANSWERED]
    assert rig.state.claim is None


def test_a_staff_card_with_nobody_waiting_is_the_teachers_own_entry() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    commands = rig.show(TEACHER)
    assert [c.tag for c in commands if isinstance(c, Commit)] == [f"visit/{IDS[0]}"]


def test_while_somebody_waits_a_staff_card_never_opens_for_who_stands_at_the_sensor() -> None:
    rig = feverish(LaneRig())
    rig.arrive()
    rig.measure()
    assert rig.show(TEACHER) == [claim_commit(ClaimStep.CARD), PRESS]
    assert rig.visit(1).credential is None


def test_a_staff_card_does_not_put_out_the_lamp_of_whoever_is_going_through() -> None:
    rig = feverish(LaneRig())
    rig.arrive()
    rig.measure()
    rig.show(PUPIL)
    rig.commit_visit(1)
    assert rig.show(TEACHER) == [claim_commit(ClaimStep.CARD)]
    assert rig.state.prompt is Prompt.GO


def test_a_release_waits_until_the_lane_is_free() -> None:
    rig = feverish(LaneRig())
    rig.arrive()
    rig.measure()
    rig.show(PUPIL)
    rig.commit_visit(1)
    rig.show(TEACHER)
    assert rig.press() == [STOP]
    rig.leave()
    rig.pass_through()
    assert rig.press() == [STOP, release_commit(ReleaseResult.OVERRIDE)]


def test_the_latest_to_wait_is_released_unless_staff_show_whose_pass_they_mean() -> None:
    def two_wait() -> LaneRig:
        rig = feverish(LaneRig())
        rig.now += 5.0
        feverish(rig, 1)
        rig.show(TEACHER)
        return rig

    rig = two_wait()
    assert rig.press() == [STOP, release_commit(ReleaseResult.OVERRIDE, number=1)]
    rig = two_wait()
    assert rig.show(card(holder="k1:0")) == []
    assert rig.press() == [STOP, release_commit(ReleaseResult.OVERRIDE, number=0)]


def test_a_card_means_who_waited_when_it_was_shown_not_who_is_sent_to_staff_after_it() -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    rig.contact(36.4)
    rig.now += 5.0
    feverish(rig, 1)
    assert rig.press() == [STOP, release_commit(ReleaseResult.CLEARED, 36.4)]
    assert rig.visit(1).phase is Phase.WAITING_STAFF


def test_the_next_card_means_who_has_been_sent_to_staff_meanwhile() -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    rig.now += 5.0
    feverish(rig, 1)
    assert rig.show(TEACHER) == [claim_commit(ClaimStep.CARD, 1), PRESS]
    assert rig.press() == [STOP, release_commit(ReleaseResult.OVERRIDE, number=1)]


def test_a_value_goes_with_the_pass_that_is_shown_after_it_and_is_recorded_with_it() -> None:
    for contact_c, result in ((36.4, ReleaseResult.CLEARED), (38.2, ReleaseResult.ISOLATED)):
        rig = feverish(LaneRig())
        rig.now += 5.0
        feverish(rig, 1)
        rig.show(TEACHER)
        rig.contact(contact_c)
        assert rig.show(card(holder="k1:0")) == [claim_commit(ClaimStep.VALUE, contact_c=contact_c)]
        assert rig.show(card(holder="k1:0")) == []
        assert rig.press()[1] == release_commit(result, contact_c)


@pytest.mark.parametrize("names", [True, False])
def test_a_card_for_somebody_who_waits_no_longer_releases_nobody_else(*, names: bool) -> None:
    rig = feverish(LaneRig())
    rig.wait(880.0)
    rig.show(TEACHER)
    if names:
        rig.show(card(holder="k1:0"))
    feverish(rig, 1)
    rig.wait(20.0)
    assert not rig.has(0)
    assert rig.press() == [STOP, CARD_FIRST]
    assert rig.visit(1).phase is Phase.WAITING_STAFF
    rig.show(TEACHER)
    assert rig.press() == [STOP, release_commit(ReleaseResult.OVERRIDE, number=1)]


def test_whom_staff_let_in_has_used_the_pass_and_gives_it_back_if_nobody_passes() -> None:
    for passes in (True, False):
        rig = LaneRig()
        once = card(holder="k1:0", max_uses=1)
        rig.arrive()
        rig.show(once)
        rig.measure(38.2)
        rig.commit_visit(0)
        rig.leave()
        rig.show(TEACHER)
        rig.press()
        rig.commit(f"release/{IDS[0]}")
        assert rig.state.uses[once.pass_ref or ""].count == 1
        if passes:
            rig.pass_through()
        else:
            assert rig.wait(5.0)[0] == replace(
                passage_commit(0, PassageResult.NOBODY_PASSED, 5_000), gives_back_use_of=IDS[0]
            )
        rig.arrive()
        rig.measure()
        rig.show(once)
        rig.commit_visit(1)
        decision = rig.visit(1).decision
        assert decision is not None
        assert decision.reasons == ((Reason.USED_UP,) if passes else ())


def test_a_release_that_cannot_be_recorded_opens_nothing_and_may_be_tried_again() -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    rig.press()
    assert rig.fail(f"release/{IDS[0]}") == [
        CallStaff(IDS[0], Reason.STORAGE_FAILED),
        READY,
        ShowPrompt(Prompt.OUT_OF_ORDER, IDS[0]),
    ]
    rig.show(TEACHER)
    assert rig.press() == [STOP, release_commit(ReleaseResult.OVERRIDE)]
    assert rig.commit(f"release/{IDS[0]}")[0] == EnergiseRelay(IDS[0], 0.5)


@pytest.mark.parametrize(("waited_s", "opens"), [(30.0, True), (30.1, False)])
def test_a_release_that_the_disk_takes_longer_for_than_staffs_word_holds_opens_nothing(
    waited_s: float, *, opens: bool
) -> None:
    rig = feverish(LaneRig())
    rig.show(TEACHER)
    rig.press()
    rig.now += waited_s
    commands = rig.commit(f"release/{IDS[0]}")
    assert (EnergiseRelay(IDS[0], 0.5) in commands) is opens
    if not opens:
        assert commands == [
            replace(
                passage_commit(0, PassageResult.NOBODY_PASSED, 30_100), gives_back_use_of=IDS[0]
            ),
            READY,
            CallStaff(IDS[0], Reason.STORAGE_FAILED),
            ShowPrompt(Prompt.OUT_OF_ORDER, IDS[0]),
        ]
        assert not any(use.count for use in rig.state.uses.values())
    assert rig.commit(f"release/{IDS[0]}") == []


def test_a_code_shown_after_a_fever_was_measured_opens_nothing_and_measures_nothing() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure(38.2)
    rig.commit_visit()
    assert rig.show(PUPIL) == []
    assert rig.measure(36.5) == []
    assert not rig.has(1)
    rig.leave()
    rig.arrive()
    assert rig.has(1)  # who comes up anew is a visit of their own


def the_next_is_let_in(rig: LaneRig) -> bool:
    """Let somebody come who is healthy and shows nothing; return whether the gate opens."""
    rig.arrive()
    commits = [command for command in rig.measure() if isinstance(command, Commit)]
    return any(
        isinstance(command, EnergiseRelay)
        for commit in commits
        for command in rig.commit(commit.tag)
    )


def test_a_code_read_while_a_fever_is_being_recorded_is_not_the_next_persons() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure(38.2)
    assert rig.show(PUPIL) == [WAIT]
    rig.commit_visit()
    rig.leave()
    rig.wait(1.0)
    assert not the_next_is_let_in(rig)


@pytest.mark.parametrize(("after_s", "is_theirs"), [(0.5, True), (0.6, False)])
def test_a_code_read_just_after_who_is_sent_to_staff_stepped_away_is_not_the_next_persons(
    after_s: float, *, is_theirs: bool
) -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure(38.2)
    rig.commit_visit()
    rig.leave()
    rig.wait(after_s)
    assert (rig.show(PUPIL) == [WAIT]) is is_theirs
    assert the_next_is_let_in(rig) is not is_theirs


def test_whose_own_code_was_read_leaves_the_next_ones_code_to_the_next() -> None:
    rig = feverish(LaneRig())
    rig.show(PUPIL)
    assert the_next_is_let_in(rig)


def test_the_pass_of_who_waits_for_staff_opens_for_nobody_wherever_it_is_shown() -> None:
    rig = feverish(LaneRig())
    rig.wait(60.0)
    assert rig.show(card(holder="k1:0")) == [WAIT]
    assert not the_next_is_let_in(rig)


def test_no_other_code_talks_away_a_fever_that_a_closed_gate_denied() -> None:
    rig = LaneRig(mode=Mode.CLOSED)
    rig.arrive()
    rig.show(PUPIL)
    rig.measure(38.2)
    rig.commit_visit()
    rig.wait(60.0)
    assert rig.visit(0).phase is Phase.WAITING_STAFF
    rig.show(card(holder="k1:other"))
    assert not rig.has(1)
    rig.state = replace(rig.state, mode=Mode.NORMAL)
    rig.leave()
    rig.show(PUPIL)
    assert not the_next_is_let_in(rig)


def test_the_pass_of_who_was_told_to_rest_counts_again() -> None:
    rig = feverish(LaneRig())
    decision = rig.visit(0).decision
    assert decision is not None
    rested = replace(rig.visit(0), decision=replace(decision, prompt=Prompt.AGAIN_LATER))
    rig.state = replace(rig.state, visits=(rested,))
    rig.show(card(holder="k1:0"))
    assert the_next_is_let_in(rig)


def test_who_waits_too_long_for_staff_is_forgotten() -> None:
    rig = feverish(LaneRig())
    rig.wait(899.9)
    assert rig.has(0)
    rig.wait(0.1)
    assert rig.state.visits == ()
    rig.show(TEACHER)
    assert rig.press() == [STOP]


def test_who_stood_there_all_the_time_is_no_longer_told_to_wait_once_forgotten() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure(38.2)
    rig.commit_visit()
    assert rig.wait(900.0) == [ShowPrompt(Prompt.READY)]


# --- the call button -----------------------------------------------------------------------------


def test_the_call_button_calls_staff_and_is_recorded() -> None:
    assert LaneRig().press(Button.CALL) == [
        CallStaff(None, None),
        alarm_commit(AlarmName.STAFF_CALLED, detail="call button"),
    ]


def test_the_button_inside_the_fence_only_stops_the_bell_when_nobody_waits() -> None:
    rig = LaneRig(PAIR)
    rig.show(TEACHER)
    assert rig.press() == [STOP]
    assert rig.visit().phase is Phase.MEASURING


# --- the key switch ------------------------------------------------------------------------------


def key_release_commit(number: int = 0) -> Commit:
    content = ReleaseContent(
        visit_id=IDS[number], result=ReleaseResult.OVERRIDE, released_by="key_switch"
    )
    return Commit(
        tag=f"release/{IDS[number]}",
        content=content,
        use=PassUse(f"k1:{number}/pass", Direction.IN),
        opens_visit=IDS[number],
    )


def test_key_and_button_release_where_no_code_is_read() -> None:
    rig = feverish(LaneRig())
    rig.device("scanner", works=False, reason="no frames")
    assert rig.key() == [claim_commit(ClaimStep.KEY, holder=None), PRESS]
    assert rig.key(is_on=False) == []
    assert rig.press() == [STOP, key_release_commit()]
    assert rig.commit(f"release/{IDS[0]}")[0] == EnergiseRelay(IDS[0], 0.5)


def test_the_key_alone_opens_nothing_and_runs_out() -> None:
    rig = feverish(LaneRig())
    rig.key()
    assert rig.wait(30.0) == [claim_commit(ClaimStep.EXPIRED, holder=None), READY]
    assert rig.press() == [STOP, ANSWERED]


def test_a_key_that_stays_turned_releases_one_visit_only() -> None:
    rig = feverish(LaneRig())
    rig.now += 5.0
    feverish(rig, 1)
    rig.key()
    assert rig.press() == [STOP, key_release_commit(1)]
    rig.commit(f"release/{IDS[1]}")
    rig.pass_through()
    assert rig.press() == [STOP, ANSWERED]


def test_a_key_turned_with_nobody_waiting_is_recorded_and_claims_nothing() -> None:
    rig = LaneRig()
    assert rig.key() == [claim_commit(ClaimStep.KEY, None, holder=None)]
    feverish(rig)
    assert rig.press() == [STOP, ANSWERED]


@pytest.mark.parametrize(
    ("quality", "when_unknown", "is_claim"),
    [
        (TimeQuality.UNKNOWN, Check.HARD, False),
        (TimeQuality.UNKNOWN, Check.SOFT, True),
        (TimeQuality.HOLDOVER, Check.HARD, True),
        (TimeQuality.TRUSTED, Check.HARD, True),
    ],
)
def test_a_picture_of_a_changing_staff_card_releases_nobody_while_no_clock_tells_its_age(
    quality: TimeQuality, when_unknown: Check, *, is_claim: bool
) -> None:
    rules = Rules(clock=ClockRules(dynamic_when_unknown=when_unknown))
    rig = feverish(LaneRig(lane_with(rules=rules)))
    rig.state = replace(rig.state, time_quality=quality)
    rig.show(replace(TEACHER, code_made_s=1_795_680_000))
    assert (rig.state.claim is not None) is is_claim


def test_a_staff_card_that_was_checked_without_a_clock_releases_nobody_once_it_is_set() -> None:
    rig = feverish(LaneRig())
    rig.show(replace(TEACHER, code_made_s=1_795_680_000, time_quality=TimeQuality.UNKNOWN))
    assert rig.state.claim is None


def test_a_static_staff_card_releases_without_a_clock() -> None:
    rig = feverish(LaneRig())
    rig.state = replace(rig.state, time_quality=TimeQuality.UNKNOWN)
    rig.show(TEACHER)
    assert rig.state.claim is not None


@pytest.mark.parametrize(
    ("zones", "is_claim"), [((), True), (("yard", "hall"), True), (("dormitory",), False)]
)
def test_a_staff_card_for_other_zones_releases_nobody_here(
    zones: tuple[str, ...], *, is_claim: bool
) -> None:
    rig = feverish(LaneRig(lane_with(rules=Rules(zone="yard"))))
    rig.show(replace(TEACHER, zones=zones))
    assert (rig.state.claim is not None) is is_claim
