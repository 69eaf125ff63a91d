"""No code of a changing pass opens twice, whatever happens between two showings of it.

A lane as it is: verification, the decider, the ledger's real file, and a clock that only the story
moves. The story may kill the process before or after a commit and begin another one, give uses
back, delete person links, fork the ledger and set the clock back. A thief has photographed every
code that was ever made.
"""

from __future__ import annotations

import queue
import random
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from gated.actuators.worker import Action
from gated.clock import FakeClock, TimeQuality
from gated.config import parse_gate
from gated.contents import VisitContent
from gated.controller.codes import check_code, load_code_rules
from gated.controller.decider import Decider, Neighbours
from gated.controller.remembered import remembered_uses
from gated.ledger.service import CommitRequest, LedgerRequest
from gated.messages import (
    CodeSeen,
    Committed,
    EnergiseRelay,
    MeasureAgain,
    PassageSensed,
    PresenceEnded,
    PresenceStarted,
    ReadingTaken,
)
from gated.policy import ClockRules, Rules
from gated.units import MonoSeconds
from gated.visit import next_deadline
from gated.visit.state import ClockChanged, Event, Lane, LaneState, Restarted, Tick
from gated.vocabulary import Check, CodeColour, Outcome, Reason
from tests.changing_passes import GOLDEN, NOW, SITE_KEY, code_of
from tests.config_texts import with_keys
from tests.lane_rig import LANE, lane_with
from tests.ledger_drafts import open_ledger
from tests.policy_cases import reading

SEEDS = range(24)
STEPS = 60
WEIGHTS = {
    "make": 8,
    "show": 8,
    "copy": 8,
    "commit": 16,
    "cut": 3,
    "die": 3,
    "pass": 8,
    "wait": 12,
    "forget": 2,
    "fork": 1,
    "back": 1,
}


class Story:
    """One gate over several lives of its process, and the codes of one phone."""

    def __init__(self, folder: Path, lane: Lane = LANE) -> None:
        self.clock = FakeClock(wall=NOW)
        self.lane = lane
        self.path = folder / "ledger.db"
        self.codes_s: list[int] = []
        self.opened: list[int | None] = []  # the codes that opened, in order
        self.decided: list[VisitContent] = []
        (folder / "site.key").write_bytes(b64encode(SITE_KEY))
        text = with_keys(
            "credentials", f'trust = "{GOLDEN / "trust"}"', f'site_key_file = "{folder}/site.key"'
        )
        self.rules = load_code_rules(parse_gate(text, "gated.toml"), UTC)
        self.quality = TimeQuality.TRUSTED
        self.begin()

    # --- the process --------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a process: everything it knows is in the ledger."""
        self.ledger = open_ledger(self.path, self.clock).ledger
        self.requests: queue.Queue[LedgerRequest] = queue.Queue()
        self.actions: queue.Queue[Action] = queue.Queue()
        measure: queue.Queue[MeasureAgain] = queue.Queue(1)
        seed = f"{self.ledger.epoch}/{len(self.decided)}/{self.clock.boottime_ms()}"
        self.decider = Decider(
            state=LaneState(
                lane=replace(self.lane, id_seed=seed),
                time_quality=self.quality,
                uses=remembered_uses(self.ledger.uses(), lambda _at: False),
            ),
            events=queue.Queue(),
            neighbours=Neighbours(self.requests, self.actions, {"main": measure}),
            clock=self.clock,
            local_time=lambda: self.clock.now().isoformat(timespec="milliseconds"),
            software="0.4.1",
        )
        visits = tuple(self.ledger.open_visits())
        if visits:
            self.step(Restarted(visits, self.at))
            self.commit()

    def die(self) -> None:
        """Kill it: what it had not handed to the disk is gone."""
        self.ledger.close()
        self.begin()

    @property
    def at(self) -> MonoSeconds:
        return self.clock.monotonic_s()

    def step(self, event: Event) -> None:
        self.decider.step(event)
        while not self.actions.empty():
            action = self.actions.get_nowait()
            if isinstance(action, EnergiseRelay):
                visits = self.decider.state.visits
                visit = next(v for v in visits if v.visit_id == action.visit_id)
                assert visit.credential is not None
                self.opened.append(visit.credential.code_made_s)

    def commit(self, *, dies_before_the_answer: bool = False) -> None:
        """Make durable what waits, and answer."""
        while not self.requests.empty():
            request = self.requests.get_nowait()
            assert isinstance(request, CommitRequest)
            self.ledger.append([request.draft], settings=request.settings)
            if isinstance(request.draft.content, VisitContent):
                self.decided.append(request.draft.content)
            if not dies_before_the_answer:
                self.step(Committed(request.tag, self.ledger.newest_seq, self.at, 1.0))
        if dies_before_the_answer:
            self.die()

    # --- people -------------------------------------------------------------------------------

    def make(self, skew_s: int = 0) -> int:
        """Let the phone make a code; return when, by its own clock."""
        self.codes_s.append(int(self.clock.now().timestamp()) + skew_s)
        return self.codes_s[-1]

    def show(self, made_s: int) -> None:
        """Somebody comes, is measured and shows this code. Nothing is durable yet."""
        self.step(PresenceEnded("main", self.at))
        self.step(PresenceStarted("main", self.at))
        self.step(ReadingTaken(reading(36.6, at=self.at), self.at))
        self.hold_up(made_s)

    def hold_up(self, made_s: int) -> None:
        seen = CodeSeen(code_of(made_s), "zxing", CodeColour.NONE, f"{made_s}/{self.at}")
        self.step(check_code(seen, self.clock.now(), self.at, self.rules))

    def serve(self, made_s: int) -> VisitContent:
        """Show this code; return what was decided."""
        self.show(made_s)
        self.commit()
        return self.decided[-1]

    def passage(self) -> None:
        self.step(PassageSensed(self.at))
        self.commit()

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        deadline_s = next_deadline(self.decider.state)
        while deadline_s is not None and deadline_s <= self.at:
            self.step(Tick(self.at))
            self.commit()
            deadline_s = next_deadline(self.decider.state)

    def set_clock_back(self, seconds: float) -> None:
        self.clock.wall -= timedelta(seconds=seconds)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def replayed(decision: VisitContent) -> bool:
    return (decision.outcome, decision.reasons) == (Outcome.DENIED, (Reason.REPLAYED,))


# --- the ways of a code, one by one --------------------------------------------------------------


def test_a_code_opens_once_and_the_next_one_opens_again(story: Story) -> None:
    first = story.make()
    assert story.serve(first).outcome is Outcome.GRANTED
    story.passage()
    assert replayed(story.serve(first))
    story.wait(30)
    second = story.make()
    assert story.serve(second).outcome is Outcome.GRANTED
    story.passage()
    assert replayed(story.serve(first)), "and an older one does not, either"
    assert story.opened == [first, second]


def test_where_nobody_passed_the_code_stays_used_and_the_next_one_opens(story: Story) -> None:
    first = story.make()
    story.serve(first)
    story.wait(10)  # nobody goes through
    assert replayed(story.serve(first))
    story.wait(20)
    assert story.serve(story.make()).outcome is Outcome.GRANTED
    assert next(iter(story.decider.state.uses.values())).count == 1


def test_a_code_that_opened_does_not_open_in_the_next_life_of_the_process(story: Story) -> None:
    first = story.make()
    story.serve(first)
    story.die()
    assert replayed(story.serve(first))
    assert story.opened == [first]


def test_a_code_whose_opening_was_cut_off_is_used_and_the_next_one_opens(story: Story) -> None:
    first = story.make()
    story.show(first)
    story.commit(dies_before_the_answer=True)
    assert story.opened == []
    assert replayed(story.serve(first)), "durable is used: nobody knows whether the relay moved"
    story.wait(30)
    assert story.serve(story.make()).outcome is Outcome.GRANTED


def test_a_code_whose_decision_never_became_durable_is_not_used(story: Story) -> None:
    first = story.make()
    story.show(first)
    story.die()
    assert story.serve(first).outcome is Outcome.GRANTED
    assert story.opened == [first]


def test_a_clock_that_is_set_back_makes_no_used_code_new(story: Story) -> None:
    first = story.make()
    story.serve(first)
    story.passage()
    story.wait(3_600)
    assert story.serve(first).reasons == (Reason.STALE_CODE,)
    story.set_clock_back(3_600)
    story.die()
    assert replayed(story.serve(first))


def test_deleting_the_person_link_and_a_new_epoch_make_no_used_code_new(story: Story) -> None:
    first = story.make()
    story.serve(first)
    story.passage()
    story.ledger.keep_person_days = 0
    story.wait(1)
    assert story.ledger.expire_links() == 1
    story.ledger.fork("the collector's hash is not ours")
    story.die()
    assert replayed(story.serve(first))


def test_an_old_code_that_the_phone_then_changes_is_followed_by_the_new_one(story: Story) -> None:
    story.step(PresenceStarted("main", story.at))
    story.hold_up(story.make(skew_s=-121))
    story.wait(2)
    story.hold_up(fresh := story.make())
    story.step(ReadingTaken(reading(36.6, at=story.at), story.at))
    story.commit()
    assert story.opened == [fresh]


# --- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quality", "check", "outcome", "reasons", "noted"),
    [
        (TimeQuality.HOLDOVER, Check.OFF, Outcome.GRANTED, (), ()),
        (TimeQuality.HOLDOVER, Check.SOFT, Outcome.GRANTED, (), (Reason.CLOCK_HOLDOVER,)),
        (TimeQuality.HOLDOVER, Check.HARD, Outcome.DENIED, (Reason.CLOCK_HOLDOVER,), ()),
        (TimeQuality.UNKNOWN, Check.OFF, Outcome.GRANTED, (), ()),
        (TimeQuality.UNKNOWN, Check.SOFT, Outcome.GRANTED, (), (Reason.CLOCK_UNKNOWN,)),
        (TimeQuality.UNKNOWN, Check.HARD, Outcome.DENIED, (Reason.CLOCK_UNKNOWN,), ()),
    ],
)
def test_a_clock_that_cannot_be_trusted_counts_as_the_rules_say(
    tmp_path: Path,
    quality: TimeQuality,
    check: Check,
    outcome: Outcome,
    reasons: tuple[Reason, ...],
    noted: tuple[Reason, ...],
) -> None:
    clock = ClockRules(dynamic_when_holdover=check, dynamic_when_unknown=check)
    story = Story(tmp_path, lane_with(Rules(clock=clock)))
    story.step(ClockChanged(quality, story.at))
    decision = story.serve(story.make())
    assert (decision.outcome, decision.reasons, decision.noted) == (outcome, reasons, noted)


def test_by_default_a_changing_code_needs_a_clock_and_holdover_is_noted(story: Story) -> None:
    story.step(ClockChanged(TimeQuality.UNKNOWN, story.at))
    assert story.serve(story.make()).reasons == (Reason.CLOCK_UNKNOWN,)
    story.wait(30)
    story.step(ClockChanged(TimeQuality.HOLDOVER, story.at))
    assert story.serve(story.make()).noted == (Reason.CLOCK_HOLDOVER,)


def test_a_code_is_no_less_used_while_a_lax_gate_lets_everything_pass(tmp_path: Path) -> None:
    story = Story(tmp_path, lane_with(Rules(check_credential=Check.SOFT)))
    first = story.make()
    story.serve(first)
    story.passage()
    decision = story.serve(first)
    assert (decision.outcome, decision.noted[0]) == (Outcome.GRANTED, Reason.REPLAYED)
    story.passage()
    story.serve(story.make(skew_s=3_600))
    story.passage()
    story.wait(30)
    noted = story.serve(story.make()).noted
    assert noted == (Reason.PASSBACK,), "a code of the future outdates no real one"


def test_an_older_code_that_a_lax_gate_lets_pass_makes_no_newer_one_new(tmp_path: Path) -> None:
    story = Story(tmp_path, lane_with(Rules(check_credential=Check.SOFT)))
    newer = story.make()
    for made_s in (newer, story.make(skew_s=-60)):
        assert story.serve(made_s).outcome is Outcome.GRANTED
        story.passage()
    assert Reason.REPLAYED in story.serve(newer).noted


# --- any story -----------------------------------------------------------------------------------


def tell(story: Story, rng: random.Random) -> Counter[str]:
    """Do one thing after the other; return what came of it."""
    seen: Counter[str] = Counter()
    for _ in range(STEPS):
        what = rng.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
        seen[what] += 1
        match what:
            case "make":
                story.make(rng.choice([0, 0, 0, -100, -20, 20, 29]))
            case "show" if story.codes_s:
                story.show(story.codes_s[-1])
            case "copy" if story.codes_s:
                story.show(rng.choice(story.codes_s))
            case "commit":
                story.commit()
            case "cut":
                story.commit(dies_before_the_answer=True)
            case "die":
                story.die()
            case "pass":
                story.passage()
            case "wait":
                story.wait(rng.choice([0.2, 1.0, 3.0, 6.0, 30.0, 60.0, 600.0]))
            case "forget":
                story.ledger.keep_person_days = rng.choice([0, 14])
                story.ledger.expire_links()
            case "fork":
                story.ledger.fork("the collector's hash is not ours")
            case "back":
                story.set_clock_back(rng.choice([1, 30, 600]))
    seen["opened"] = len(story.opened)
    seen.update(reason.value for content in story.decided for reason in content.reasons)
    return seen


@pytest.mark.parametrize("seed", SEEDS)
def test_no_code_opens_twice(tmp_path: Path, seed: int) -> None:
    story = Story(tmp_path)
    tell(story, random.Random(seed))
    assert None not in story.opened
    assert max(Counter(story.opened).values(), default=0) <= 1
    story.ledger.close()


def test_the_stories_come_to_everything_that_could_go_wrong(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in list(SEEDS)[:6]:
        folder = tmp_path / str(seed)
        folder.mkdir()
        seen += tell(Story(folder), random.Random(seed))
    for what in ("opened", "replayed", "stale_code", "cut", "die", "forget", "fork", "back"):
        assert seen[what] >= 3, what
