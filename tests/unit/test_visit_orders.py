"""Orders in the lane: one opening while nobody is there, a mode unless the key holds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.contents import (
    CommandContent,
    CommandName,
    CommandOutcome,
    CommandReason,
    ModeContent,
)
from gated.messages import EnergiseRelay, ShowPrompt
from gated.policy import Rules
from gated.visit.state import (
    KEY_SWITCH,
    RELAY,
    Command,
    Commit,
    LaneState,
    ModeRequested,
    OpenOrdered,
    Ordered,
    Phase,
    Restarted,
)
from gated.vocabulary import Direction, Mode, PassageResult, Prompt
from tests.lane_rig import ESCORT, EXPIRED, IDS, LANE, LaneRig, granted, lane_with, passage_commit

SETTINGS = (("command_counters", '{"0123456789abcdef": 7}'),)
SAID = CommandContent(
    command=CommandName.OPEN,
    command_id="00" * 16,
    outcome=CommandOutcome.DONE,
    by="centre:desk",
    key="0123456789abcdef",
    counter=7,
)
ORDER = Ordered(SAID, SETTINGS)


def answer(outcome: CommandOutcome, why: CommandReason | None = None) -> Commit:
    said = SAID.model_copy(update={"outcome": outcome, "reason": why})
    return Commit(tag="command", content=said, settings=SETTINGS)


def second(outcome: CommandOutcome, why: CommandReason | None = None) -> Commit:
    """Return an answer after a record that has used the command's number up already."""
    return replace(answer(outcome, why), settings=())


def taken_back(why: CommandReason) -> Commit:
    return second(CommandOutcome.FAILED, why)


def order_open(rig: LaneRig) -> list[Command]:
    return rig.send(OpenOrdered(ORDER, rig.at))


def order_mode(rig: LaneRig, mode: Mode, *, drill: bool = False) -> list[Command]:
    return rig.send(ModeRequested(mode, drill, "centre:desk", rig.at, order=ORDER))


# --- one opening --------------------------------------------------------------------------------


def test_an_ordered_opening_is_durable_before_the_relay_moves_and_ends_as_a_passage() -> None:
    rig = LaneRig()
    said = SAID.model_copy(update={"visit_id": IDS[0]})
    opening = Commit(f"open/{IDS[0]}", said, opens_visit=IDS[0], settings=SETTINGS)
    assert order_open(rig) == [opening]
    commands = rig.commit(f"open/{IDS[0]}")
    assert [c for c in commands if isinstance(c, EnergiseRelay)] == [
        EnergiseRelay(IDS[0], rig.state.lane.timing.pulse_s)
    ]
    assert ShowPrompt(Prompt.GO, IDS[0]) in commands
    ended = rig.pass_through()
    assert passage_commit(0, PassageResult.PASSED, 0) in ended
    assert ShowPrompt(Prompt.READY) in ended
    assert rig.state.visits == ()


def test_nobody_goes_through_and_the_opening_is_over() -> None:
    rig = LaneRig()
    order_open(rig)
    rig.commit(f"open/{IDS[0]}")
    ended = rig.wait(rig.state.lane.timing.hold_s)
    assert passage_commit(0, PassageResult.NOBODY_PASSED, 5_000) in ended
    assert not any(isinstance(c, EnergiseRelay) for c in ended)


def test_what_cannot_be_recorded_does_not_open_and_leaves_nobody_waiting() -> None:
    rig = LaneRig()
    order_open(rig)
    assert not any(isinstance(c, EnergiseRelay) for c in rig.fail(f"open/{IDS[0]}"))
    assert rig.state.visits == ()
    assert not any(isinstance(c, EnergiseRelay) for c in rig.commit(f"open/{IDS[0]}"))


def test_an_opening_that_is_durable_when_nobody_expects_it_any_more_is_taken_back() -> None:
    rig = LaneRig()
    order_open(rig)
    rig.now += 10.0
    assert EnergiseRelay(IDS[0], 0.5) in rig.commit(f"open/{IDS[0]}")
    rig.pass_through()
    order_open(rig)
    rig.now += 10.1
    assert rig.commit(f"open/{IDS[1]}") == [
        passage_commit(1, PassageResult.NOBODY_PASSED, 10_100),
        taken_back(CommandReason.STORAGE_FAILED),
    ]
    assert rig.state.visits == ()


@pytest.mark.parametrize(("late_s", "opens"), [(2.0, True), (2.1, False)])
def test_an_opening_that_is_durable_late_does_not_let_in_who_came_meanwhile(
    late_s: float, *, opens: bool
) -> None:
    rig = LaneRig()
    order_open(rig)
    rig.arrive()
    rig.now += late_s
    commands = rig.commit(f"open/{IDS[0]}")
    assert (EnergiseRelay(IDS[0], 0.5) in commands) is opens
    assert (taken_back(CommandReason.SOMEBODY_THERE) in commands) is not opens
    assert rig.has(1)


def test_an_opening_is_taken_back_when_the_relay_is_lost_meanwhile() -> None:
    rig = LaneRig()
    order_open(rig)
    rig.device(RELAY, works=False)
    commands = rig.commit(f"open/{IDS[0]}")
    assert passage_commit(0, PassageResult.NOBODY_PASSED, 0) in commands
    assert taken_back(CommandReason.RELAY_LOST) in commands
    assert not any(isinstance(c, EnergiseRelay) for c in commands)


def test_an_opening_that_is_durable_late_does_not_open_what_was_closed_meanwhile() -> None:
    rig = LaneRig()
    order_open(rig)
    rig.request(Mode.CLOSED)
    rig.now += 3.0
    assert taken_back(CommandReason.MODE_CLOSED) in rig.commit(f"open/{IDS[0]}")


def test_a_second_commit_answer_does_not_open_again() -> None:
    rig = LaneRig()
    order_open(rig)
    rig.commit(f"open/{IDS[0]}")
    assert not any(isinstance(c, EnergiseRelay) for c in rig.commit(f"open/{IDS[0]}"))


def test_an_opening_that_a_restart_cut_short_has_an_outcome() -> None:
    rig = LaneRig()
    (commit,) = rig.send(Restarted((IDS[0],), rig.at))
    assert isinstance(commit, Commit)
    assert commit.closes_visit == IDS[0]


def in_the_lane(what: str) -> LaneRig:
    """Return a lane in which ``what`` is the case."""
    rig = LaneRig()
    match what:
        case "measuring":
            rig.arrive()
        case "code first":
            rig.show()
        case "deciding":
            rig.arrive(), rig.measure(), rig.show()
        case "passing":
            granted(rig)
        case "refused":
            rig.arrive(), rig.measure(), rig.show(EXPIRED), rig.commit_visit()
        case "escort leaving":
            rig.arrive(), rig.measure(), rig.show(ESCORT), rig.commit_visit()
        case "an order is on its way":
            order_open(rig)
        case "fever":
            rig.arrive(), rig.measure(38.5), rig.commit_visit(), rig.leave()
        case "no code":
            rig.arrive(), rig.measure(), rig.wait(15.0), rig.commit_visit(), rig.leave()
    return rig


@pytest.mark.parametrize(
    "what",
    [
        "measuring",
        "code first",
        "deciding",
        "passing",
        "refused",
        "escort leaving",
        "an order is on its way",
    ],
)
def test_an_order_opens_for_nobody_who_is_being_dealt_with(what: str) -> None:
    rig = in_the_lane(what)
    visits = rig.state.visits
    assert visits
    refused = answer(CommandOutcome.REFUSED, CommandReason.SOMEBODY_THERE)
    assert order_open(rig) == [refused]
    assert rig.state.visits == visits


def test_an_order_does_not_let_in_whom_only_staff_may_and_does_let_in_who_has_no_code() -> None:
    rig = in_the_lane("fever")
    assert rig.visit().phase is Phase.WAITING_STAFF
    assert order_open(rig) == [answer(CommandOutcome.REFUSED, CommandReason.NEEDS_STAFF)]
    rig = in_the_lane("no code")
    assert rig.visit().phase is Phase.WAITING_STAFF
    order_open(rig)
    assert any(isinstance(c, EnergiseRelay) for c in rig.commit(f"open/{IDS[1]}"))


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (LaneState(lane=LANE, mode=Mode.CLOSED), CommandReason.MODE_CLOSED),
        (
            LaneState(lane=lane_with(Rules(direction=Direction.OUT))),
            CommandReason.NOT_AN_ENTRY,
        ),
        (LaneState(lane=LANE, lost=frozenset({RELAY})), CommandReason.RELAY_LOST),
    ],
    ids=["closed", "way out", "no relay"],
)
def test_an_order_opens_only_an_entry_that_is_in_use(state: LaneState, why: CommandReason) -> None:
    rig = LaneRig()
    rig.state = state
    assert order_open(rig) == [answer(CommandOutcome.REFUSED, why)]


def test_an_order_does_not_open_a_gate_that_stands_open() -> None:
    rig = LaneRig(replace(LANE, has_contact=True))
    rig.gate(is_shut=False)
    assert order_open(rig) == [answer(CommandOutcome.REFUSED, CommandReason.GATE_OPEN)]


def test_observing_is_no_reason_to_refuse() -> None:
    rig = LaneRig(mode=Mode.OBSERVE)
    order_open(rig)
    assert any(isinstance(c, EnergiseRelay) for c in rig.commit(f"open/{IDS[0]}"))


def test_whoever_comes_while_an_order_is_carried_out_waits_their_turn() -> None:
    rig = LaneRig()
    order_open(rig)
    rig.arrive()
    rig.measure()
    rig.show()
    assert rig.visit(1).is_waiting_for_lane
    rig.commit(f"open/{IDS[0]}")
    rig.pass_through()
    assert not rig.visit(1).is_waiting_for_lane


# --- a mode -------------------------------------------------------------------------------------


def test_a_mode_by_order_is_answered_once_it_is_durable() -> None:
    rig = LaneRig()
    (commit,) = order_mode(rig, Mode.OBSERVE)
    assert isinstance(commit, Commit)
    assert isinstance(commit.content, ModeContent)
    assert commit.content.by == "centre:desk"
    assert commit.settings[-1:] == SETTINGS, "its number is used up in the same transaction"
    assert rig.is_in(Mode.NORMAL)
    assert second(CommandOutcome.DONE) in rig.commit(commit.tag)
    assert rig.is_in(Mode.OBSERVE)


def test_a_mode_that_cannot_be_recorded_has_failed() -> None:
    rig = LaneRig()
    (commit,) = order_mode(rig, Mode.OBSERVE)
    assert isinstance(commit, Commit)
    failed = answer(CommandOutcome.FAILED, CommandReason.STORAGE_FAILED)
    assert failed in rig.fail(commit.tag)
    assert rig.is_in(Mode.NORMAL)


def test_an_order_that_another_request_overtakes_is_answered_all_the_same() -> None:
    rig = LaneRig()
    order_mode(rig, Mode.OBSERVE)
    assert rig.request(Mode.CLOSED)[0] == second(CommandOutcome.REFUSED, CommandReason.SUPERSEDED)
    assert rig.is_in(Mode.CLOSED)


@pytest.mark.parametrize("mode", Mode)
def test_no_order_takes_from_the_key_what_it_has_closed(mode: Mode) -> None:
    rig = LaneRig(mode=Mode.CLOSED)
    rig.state = replace(rig.state, mode_by=KEY_SWITCH)
    refused = answer(CommandOutcome.REFUSED, CommandReason.KEY_SWITCH)
    assert order_mode(rig, mode, drill=True) == [refused]
    assert (rig.state.mode, rig.state.mode_by, rig.state.drill) == (
        Mode.CLOSED,
        KEY_SWITCH,
        False,
    )
    assert isinstance(rig.request(Mode.NORMAL)[0], Commit), "somebody at the gate may"
