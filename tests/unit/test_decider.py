"""The decider's step: commands to the neighbour they are for, nothing said that must not be."""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from gated.actuators.worker import Action
from gated.clock import FakeClock, TimeQuality
from gated.contents import BootContent, PassageContent, ReleaseContent, VisitContent
from gated.controller.decider import Decider, DeciderItem, Neighbours, Record
from gated.errors import GatedError
from gated.ledger.service import CommitRequest, LedgerRequest
from gated.messages import (
    ButtonPressed,
    CallStaff,
    CommitFailed,
    Committed,
    Credential,
    CredentialChecked,
    EnergiseRelay,
    MeasureAgain,
    PresenceEnded,
    PresenceStarted,
    ReadingTaken,
    ShowPrompt,
)
from gated.units import MonoSeconds
from gated.visit.state import Event, LaneState, ModeRequested, PassbackReset
from gated.vocabulary import Button, Direction, Mode, Prompt, Reason
from gated.wire import commit_to_holder
from tests.lane_rig import IDS, LANE, PUPIL, TEACHER
from tests.policy_cases import reading

ItemT = TypeVar("ItemT")


def drain(waiting: queue.Queue[ItemT]) -> list[ItemT]:
    got = []
    while not waiting.empty():
        got.append(waiting.get_nowait())
    return got


@dataclass
class Bench:
    """A decider whose neighbours are only queues."""

    bound: int = 64
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.ledger: queue.Queue[LedgerRequest] = queue.Queue(self.bound)
        self.actions: queue.Queue[Action] = queue.Queue(self.bound)
        self.measure: queue.Queue[MeasureAgain] = queue.Queue(2)
        self.events: queue.Queue[DeciderItem] = queue.Queue(64)
        self.decider = Decider(
            state=LaneState(lane=LANE, mode=Mode.NORMAL, time_quality=TimeQuality.HOLDOVER),
            events=self.events,
            neighbours=Neighbours(self.ledger, self.actions, {"main": self.measure}),
            clock=self.clock,
            local_time=lambda: "2026-11-23T07:41:08.412+08:00",
            software="0.4.1",
            hand_over_s=0.01,
        )

    @property
    def at(self) -> MonoSeconds:
        return self.clock.monotonic_s()

    def step(self, *events: Event) -> None:
        for event in events:
            self.decider.step(event)

    def requests(self) -> list[CommitRequest]:
        got = drain(self.ledger)
        assert all(isinstance(request, CommitRequest) for request in got)
        return [request for request in got if isinstance(request, CommitRequest)]

    def enter(self, credential: Credential = PUPIL, body_c: float = 36.6) -> CommitRequest:
        """Bring somebody to the decision and return what the ledger was asked for."""
        self.step(
            PresenceStarted("main", self.at),
            ReadingTaken(reading(body_c, at=self.at), self.at),
            CredentialChecked(credential, self.at),
        )
        return self.requests()[0]

    def durable(self, request: CommitRequest, fsync_ms: float = 4.5) -> None:
        self.step(Committed(request.tag, 7, self.at, fsync_ms))


def test_a_decision_is_handed_to_the_ledger_with_when_and_under_which_rules() -> None:
    bench = Bench()
    bench.clock.advance(1.0)
    request = bench.enter()
    assert request.tag == f"visit/{IDS[0]}"
    stamp = request.draft.stamp
    assert (stamp.at, stamp.time_quality, stamp.boot_ms) == (
        "2026-11-23T07:41:08.412+08:00",
        TimeQuality.HOLDOVER,
        1_001_000,
    )
    assert (stamp.mode, stamp.drill, stamp.rules, stamp.software) == (
        Mode.NORMAL,
        False,
        LANE.rules.version,
        "0.4.1",
    )
    assert (request.draft.opens_visit, request.settings) == (IDS[0], {})


def test_the_relay_is_asked_for_after_the_answer_with_what_it_took() -> None:
    bench = Bench()
    request = bench.enter()
    drain(bench.actions)
    ready_at = bench.at
    bench.clock.advance(0.02)
    bench.durable(request, fsync_ms=4.5)
    assert drain(bench.actions) == [
        EnergiseRelay(IDS[0], 0.5, ready_at=ready_at, fsync_ms=4.5),
        ShowPrompt(Prompt.GO, IDS[0]),
    ]


def test_the_body_holds_a_commitment_whose_opening_travels_beside_it() -> None:
    bench = Bench()
    draft = bench.enter().draft
    assert draft.link is not None
    assert draft.link.holder_ref == PUPIL.holder_ref
    assert isinstance(draft.content, VisitContent)
    assert draft.content.holder_commitment == commit_to_holder(draft.link)
    shown = draft.content.model_dump_json()
    assert not [ref for ref in (PUPIL.holder_ref, PUPIL.pass_ref) if str(ref) in shown]


def test_every_record_of_one_holder_has_another_salt() -> None:
    first, second = Bench().enter().draft, Bench().enter().draft
    assert first.link is not None
    assert second.link is not None
    assert len(first.link.salt) == 22  # 16 bytes in base64url
    assert first.link.salt != second.link.salt


def test_who_is_not_known_has_no_link() -> None:
    bench = Bench()
    bench.step(
        PresenceStarted("main", bench.at), ReadingTaken(reading(38.5, at=bench.at), bench.at)
    )
    draft = bench.requests()[0].draft
    assert isinstance(draft.content, VisitContent)
    assert (draft.link, draft.content.holder_commitment) == (None, None)


def test_a_release_is_linked_to_the_member_of_staff() -> None:
    bench = Bench()
    bench.durable(bench.enter(body_c=38.5))
    bench.step(PresenceEnded("main", bench.at), CredentialChecked(TEACHER, bench.at))
    bench.step(ButtonPressed(Button.ATTENDANT, bench.at))
    release = bench.requests()[-1].draft
    assert isinstance(release.content, ReleaseContent)
    assert release.link is not None
    assert release.link.holder_ref == TEACHER.holder_ref
    assert release.content.holder_commitment == commit_to_holder(release.link)
    drain(bench.actions)
    bench.durable(CommitRequest(f"release/{IDS[0]}", release))
    assert drain(bench.actions)[0] == EnergiseRelay(IDS[0], 0.5, fsync_ms=4.5)


def test_a_pass_use_and_its_return_ride_with_their_events() -> None:
    bench = Bench()
    request = bench.enter()
    assert request.draft.use is not None
    assert (request.draft.use.pass_ref, request.draft.use.direction) == (
        PUPIL.pass_ref,
        Direction.IN,
    )
    bench.durable(request)
    bench.step(PresenceEnded("main", bench.at))
    bench.clock.advance(5.0)
    bench.decider._tick_if_due()
    (passage,) = bench.requests()
    assert isinstance(passage.draft.content, PassageContent)
    assert (passage.draft.gives_back_use_of, passage.draft.closes_visit) == (IDS[0], IDS[0])


def test_a_mode_is_saved_with_its_event() -> None:
    bench = Bench()
    bench.step(ModeRequested(Mode.CLOSED, True, "office", bench.at))
    (request,) = bench.requests()
    assert request.settings == {
        "mode": "closed",
        "drill": "1",
        "mode_expires_at": "",
        "mode_by": "office",
    }


def test_measuring_again_goes_to_the_thermometer_that_was_asked() -> None:
    bench = Bench()
    bench.step(
        PresenceStarted("main", bench.at), ReadingTaken(reading(37.4, at=bench.at), bench.at)
    )
    assert drain(bench.measure) == [MeasureAgain("main")]


def test_a_thermometer_that_takes_nothing_does_not_hold_the_gate_up() -> None:
    bench = Bench()
    for _ in range(5):
        bench.step(
            PresenceStarted("main", bench.at),
            ReadingTaken(reading(37.4, at=bench.at), bench.at),
            PresenceEnded("main", bench.at),
        )
    assert len(drain(bench.measure)) == 2


def test_a_neighbour_that_hangs_ends_the_process_instead_of_waiting_for_ever() -> None:
    bench = Bench(bound=1)
    with pytest.raises(GatedError, match="starting afresh"):
        bench.enter()


def test_a_failed_commit_calls_staff_and_opens_nothing() -> None:
    bench = Bench()
    request = bench.enter()
    drain(bench.actions)
    bench.step(CommitFailed(request.tag, "no space", bench.at))
    assert CallStaff(IDS[0], Reason.STORAGE_FAILED) in drain(bench.actions)


# --- the log: one line for each visit ------------------------------------------------------------


def test_a_visit_has_one_line_in_the_log_and_no_pseudonym(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    with caplog.at_level(logging.INFO):
        request = bench.enter()
        assert caplog.records == []
        bench.durable(request)
        bench.durable(request)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"visit {IDS[0]} seq=7 outcome=granted reasons=- body_c=36.60 credential=valid took_ms=0"
    )
    draft = request.draft
    assert draft.link is not None
    for secret in (PUPIL.holder_ref, PUPIL.pass_ref, draft.link.salt):
        assert str(secret) not in caplog.text


def test_a_visit_without_code_or_number_says_so_by_dashes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    with caplog.at_level(logging.INFO):
        bench.step(PresenceStarted("main", bench.at), PresenceEnded("main", bench.at))
        bench.clock.advance(2.0)
        bench.decider._tick_if_due()
        bench.durable(bench.requests()[0])
    assert "outcome=abandoned" in caplog.text
    assert "body_c=- credential=-" in caplog.text


def test_a_visit_that_was_not_recorded_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    request = bench.enter()
    bench.step(CommitFailed(request.tag, "no space", bench.at))
    assert [record.getMessage() for record in caplog.records] == [
        f"visit {IDS[0]} not recorded: no space"
    ]


# --- the loop ------------------------------------------------------------------------------------


def test_the_loop_shows_the_idle_prompt_serves_records_and_ends() -> None:
    bench, beats = Bench(), list[float]()
    stop = threading.Event()
    content = BootContent(boot_id="b", ledger="new")
    bench.events.put(Record(content))
    bench.events.put(PresenceStarted("main", bench.at))

    def beat() -> None:
        beats.append(bench.at)
        if bench.events.empty():
            stop.set()
            bench.events.put(PassbackReset(bench.at))  # so that it need not wait

    bench.decider.run(stop, beat)
    assert drain(bench.actions) == [ShowPrompt(Prompt.READY), ShowPrompt(Prompt.FACE, IDS[0])]
    (request,) = bench.requests()
    assert (request.tag, request.draft.content, request.draft.link) == ("record", content, None)
    assert len(beats) >= 2


def test_the_loop_goes_on_when_nothing_happens() -> None:
    bench, stop, beats = Bench(), threading.Event(), list[float]()
    bench.step(PresenceStarted("main", bench.at))
    bench.clock.advance(2.999)  # the hint is due in a moment, so that the wait is short

    def beat() -> None:
        beats.append(bench.at)
        if len(beats) == 3:
            bench.clock.advance(0.001)
            bench.events.put(PassbackReset(bench.at))  # so that it need not wait
            stop.set()

    bench.decider.run(stop, beat)
    assert drain(bench.actions)[-1] == ShowPrompt(Prompt.STAND_STILL, IDS[0], is_spoken=True)


def test_a_gate_that_was_closed_shows_so_after_a_restart() -> None:
    bench, stop = Bench(), threading.Event()
    bench.decider.state = LaneState(lane=LANE, mode=Mode.CLOSED)
    bench.events.put(PassbackReset(bench.at))
    bench.decider.run(stop, stop.set)
    assert drain(bench.actions)[0] == ShowPrompt(Prompt.CLOSED)


def test_the_loop_waits_no_longer_than_the_next_deadline_or_the_next_beat() -> None:
    bench = Bench()
    assert bench.decider._wait_s() == 0.5
    bench.step(PresenceStarted("main", bench.at))
    bench.clock.advance(2.9)
    assert bench.decider._wait_s() == pytest.approx(0.1)
    bench.clock.advance(10.0)
    assert bench.decider._wait_s() == 0.001
