"""Whatever happens, in whatever order: what may never happen at the gate.

A string of bytes is a story: two bytes an event. Answers of the ledger come late, out of order,
twice or not at all; presences and readings need not make sense.
"""

from __future__ import annotations

import math
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gated.clock import TimeQuality
from gated.contents import ClaimContent, Content, PassageContent, ReleaseContent, VisitContent
from gated.judgement import TemperatureRules
from gated.messages import (
    ButtonPressed,
    CodeAwaited,
    CodeNotRead,
    CommitFailed,
    Committed,
    ContactValueSeen,
    CredentialChecked,
    DeviceChanged,
    EnergiseRelay,
    GateMoved,
    KeyTurned,
    PassageSensed,
    PresenceEnded,
    PresenceStarted,
    Reading,
    ReadingTaken,
)
from gated.policy import Rules
from gated.units import MonoSeconds
from gated.visit import advance, next_deadline
from gated.visit.state import (
    ClockChanged,
    Commit,
    DrillRequested,
    Event,
    Lane,
    LaneState,
    ModeKeyTurned,
    ModeRequested,
    PassbackReset,
    Phase,
    Restarted,
    SettingsChanged,
    Tick,
)
from gated.vocabulary import (
    Button,
    ClaimStep,
    CredentialStatus,
    Key,
    Mode,
    Outcome,
    PassageResult,
    Reason,
    ReleaseResult,
    UnreadCause,
    WhenNotJudged,
)
from tests.lane_rig import ESCORT, EXPIRED, LANE, PAIR, PUPIL, TEACHER
from tests.policy_cases import POSTER, TWO_CODES, card

ADMITS = Rules(temperature=TemperatureRules(when_not_judged=WhenNotJudged.ADMIT_AND_LIST))
LANES = (
    LANE,
    PAIR,
    Lane(rules=ADMITS, thermometers=("child", "adult"), id_seed="admits"),
    Lane(thermometers=("main",), has_passage_sensor=False, id_seed="no sensor"),
    Lane(thermometers=("main",), has_contact=True, id_seed="contact"),
    Lane(thermometers=("main",), has_contact=True, has_passage_sensor=False, id_seed="only it"),
)
BODIES_C = (36.6, 36.6, 37.2, 37.4, 37.7, 37.8, 38.5, None, math.nan, math.inf)
CREDENTIALS = (
    PUPIL,
    card(holder="k1:second", max_uses=1),
    card(holder="k1:wheels", is_slow=True),
    TEACHER,
    TEACHER,
    ESCORT,
    EXPIRED,
    POSTER,
    TWO_CODES,
    card(is_listed=True),
    card(CredentialStatus.REVOKED),
)
WAITS_S = (0.0, 0.001, 0.1, 0.3, 0.7, 1.0, 1.9, 2.0, 3.0, 5.0, 10.0, 15.0, 30.0, 60.0, 900.0)
OPENS = {ReleaseResult.CLEARED, ReleaseResult.OVERRIDE}
MAX_TICKS_AT_ONE_INSTANT = 4

STORIES = int(os.environ.get("GATED_STORIES", "500"))
"""`make unit` tells fewer, for an answer in seconds; `make test` tells them all."""


@dataclass
class Story:
    """One lane, everything that was handed to its ledger, and what was seen to happen."""

    lane: Lane
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.state = LaneState(lane=self.lane)
        self.now = 1_000.1  # not a binary fraction: sums of times round
        self.unanswered: list[Commit] = []
        self.answered: list[Committed | CommitFailed] = []
        self.durable: dict[str, Content] = {}
        self.opened: set[str] = set()
        self.decided: set[str] = set()

    @property
    def at(self) -> MonoSeconds:
        return MonoSeconds(self.now)

    def send(self, event: Event) -> None:
        self.state, commands = advance(self.state, event)
        for command in commands:
            match command:
                case Commit():
                    self._handed_in(command)
                case EnergiseRelay():
                    self._opened(command.visit_id, event)
        passing = [v for v in self.state.visits if v.phase is Phase.PASSING]
        assert len(passing) <= 1, "two visits pass at once"
        self.seen.update(v.phase.value for v in self.state.visits)

    def _handed_in(self, commit: Commit) -> None:
        self.unanswered.append(commit)
        if isinstance(commit.content, VisitContent):
            assert commit.tag not in self.decided, "one visit decided twice"
            self.decided.add(commit.tag)
            self.seen[commit.content.outcome] += 1
        elif isinstance(commit.content, ReleaseContent):
            self.seen[commit.content.result] += 1
            self.seen[commit.content.released_by] += 1
        elif isinstance(commit.content, ClaimContent):
            self.seen[commit.content.step] += 1
        elif isinstance(commit.content, PassageContent):
            self.seen[commit.content.result] += 1

    def _opened(self, visit_id: str, event: Event) -> None:
        assert isinstance(event, Committed), "opened before anything was durable"
        assert event.tag in {f"visit/{visit_id}", f"release/{visit_id}"}
        content = self.durable[event.tag]
        if isinstance(content, VisitContent):
            assert content.outcome is Outcome.GRANTED
            self.seen["opened by a visit"] += 1
        else:
            assert isinstance(content, ReleaseContent)
            assert content.result in OPENS
            self.seen["opened by a release"] += 1
        assert visit_id not in self.opened, "one visit opened twice"
        self.opened.add(visit_id)

    def pass_time(self, seconds: float) -> None:
        """Let time pass as the decider does: a Tick at each deadline, on time or late."""
        until = self.now + seconds
        is_late = seconds >= 30.0
        while (due := next_deadline(self.state)) is not None and due <= until and not is_late:
            self.now = max(self.now, due)
            self.tick()
        self.now = until
        self.tick()

    def tick(self) -> None:
        for _ in range(MAX_TICKS_AT_ONE_INSTANT):
            self.send(Tick(self.at))
            if (due := next_deadline(self.state)) is None or due > self.now:
                return
        pytest.fail(f"Ticks at {self.now} leave a deadline in the past: a busy loop")

    def answer(self, index: int, *, is_durable: bool) -> None:
        if not self.unanswered:
            return
        commit = self.unanswered.pop(index % len(self.unanswered))
        if is_durable:
            self.durable[commit.tag] = commit.content
            self._reply(Committed(commit.tag, 1, self.at, 1.0))
        else:
            self._reply(CommitFailed(commit.tag, "no space", self.at))

    def _reply(self, answer: Committed | CommitFailed) -> None:
        self.answered.append(answer)
        self.send(answer)

    def repeat_an_answer(self, index: int) -> None:
        if self.answered:
            self.send(self.answered[index % len(self.answered)])

    def thermometer(self, n: int) -> str:
        names = self.state.lane.thermometers
        return names[n % len(names)]

    def measure(self, n: int) -> None:
        body_c = BODIES_C[n % len(BODIES_C)]
        refusal = Reason.SPREAD_TOO_LARGE if n > 200 else None
        age_s = 3.0 if 190 < n <= 200 else 0.0
        reading = Reading(
            self.thermometer(n // 16), MonoSeconds(self.now - age_s), body_c, refusal=refusal
        )
        self.send(ReadingTaken(reading, self.at))

    def walk_up(self, n: int) -> None:
        """The usual: somebody comes, is measured, shows a code, and the ledger answers."""
        name = self.thermometer(n)
        self.send(PresenceStarted(name, self.at))
        reading = Reading(name, self.at, (36.6, 36.6, 37.4, 38.5)[n // 4 % 4])
        self.send(ReadingTaken(reading, self.at))
        self.send(CredentialChecked(CREDENTIALS[n // 16 % len(CREDENTIALS)], self.at))

    def release(self, n: int) -> None:
        """What staff do: card or key, perhaps a contact value, button."""
        if n % 5 == 0:
            self.send(KeyTurned(Key.RELEASE, True, self.at))
        else:
            self.send(CredentialChecked(TEACHER, self.at))
        if n % 3:
            self.send(ContactValueSeen((36.5, 37.9)[n % 2], self.at))
        self.send(ButtonPressed(Button.ATTENDANT, self.at))

    def verify_online(self, n: int) -> None:
        """The platform is asked about a code, takes long, or answers some question of before."""
        question = f"q{n // 4 % 3}"
        credential = CREDENTIALS[n // 12 % len(CREDENTIALS)]
        if n % 4 < 2:
            self.send(CodeAwaited(question, credential, self.at))
        elif n % 4 == 2:
            self.send(CodeAwaited(question, credential, self.at, is_slow=True))
        else:
            before = {visit.visit_id: visit.credential for visit in self.state.visits}
            asked = {v.visit_id for v in self.state.visits if v.awaited == question}
            self.send(CredentialChecked(credential, self.at, question))
            for visit in self.state.visits:
                is_same = visit.credential == before.get(visit.visit_id)
                assert is_same or visit.visit_id in asked, "somebody else's answer"
                self.seen["answered by the platform"] += not is_same

    def request(self, n: int) -> None:
        for_s = (None, 1.0, 60.0)[n // 8 % 3]
        if n % 5 == 0:
            self.send(DrillRequested(n % 2 == 0, "office", self.at))
            return
        if n % 5 == 1:
            key = (None, Mode.CLOSED, Mode.OBSERVE)[n % 3]
            self.send(ModeKeyTurned(key, self.at, for_s))
            return
        self.send(ModeRequested(tuple(Mode)[n % 3], n % 2 == 0, "office", self.at, for_s))

    def housekeeping(self, n: int) -> None:
        match n % 6:
            case 0:
                quality = tuple(TimeQuality)[n // 6 % 3]
                self.send(ClockChanged(quality, self.at, step_ms=n))
            case 1:
                self.send(PassbackReset(self.at))
            case 2:
                self.send(Restarted(("0123456789ab",), self.at))
            case 3:
                self.send(SettingsChanged(self.lane, self.at))
            case _:
                device = ("relay", "scanner", *self.lane.thermometers)[n // 6 % 3]
                self.send(DeviceChanged(device, n % 2 == 0, "nack", self.at))

    def play(self, script: bytes) -> None:
        table: tuple[Callable[[int], None], ...] = (
            lambda n: self.send(PresenceStarted(self.thermometer(n), self.at)),
            lambda n: self.send(PresenceEnded(self.thermometer(n), self.at)),
            self.measure,
            lambda n: self.send(CredentialChecked(CREDENTIALS[n % len(CREDENTIALS)], self.at)),
            self.walk_up,
            self.walk_up,
            lambda n: self.answer(n, is_durable=True),
            lambda n: self.answer(n, is_durable=True),
            lambda n: self.answer(0, is_durable=True),
            lambda n: self.answer(n, is_durable=False),
            self.repeat_an_answer,
            lambda n: self.pass_time(WAITS_S[n % len(WAITS_S)]),
            lambda n: self.pass_time(n / 10),
            lambda n: self.send(PassageSensed(self.at)),
            lambda n: self.send(ButtonPressed(tuple(Button)[n % 2], self.at)),
            lambda n: self.send(GateMoved(n % 2 == 0, self.at)),
            lambda n: self.send(CodeNotRead(tuple(UnreadCause)[n % 5], self.at)),
            self.release,
            self.release,
            self.verify_online,
            self.verify_online,
            self.request,
            self.housekeeping,
        )
        for op, n in zip(script[::2], script[1::2], strict=False):
            table[op % len(table)](n)


@settings(max_examples=STORIES)
@given(lane=st.sampled_from(LANES), script=st.binary(min_size=50, max_size=110))
def test_no_story_opens_what_is_not_durable_twice_or_for_two_or_raises_or_spins(
    lane: Lane, script: bytes
) -> None:
    Story(lane).play(script)


def test_the_stories_reach_everything_that_they_forbid() -> None:
    rng, seen = random.Random(20261123), Counter[str]()
    for n in range(120):
        story = Story(LANES[n % len(LANES)], seen)
        story.play(rng.randbytes(160))
    wanted = {
        "opened by a visit",
        "opened by a release",
        *(phase.value for phase in Phase),
        *Outcome,
        *ReleaseResult,
        *ClaimStep,
        *(result for result in PassageResult),
        "key_switch",
        "answered by the platform",
    }
    assert {name for name in wanted if not seen[name]} == set()
