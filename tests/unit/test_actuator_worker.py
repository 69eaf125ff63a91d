"""Lamps, buzzer, bell and voice: whole transcripts of what each line does, and when."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from gated.actuators.line import AbsentLine, OutputLine
from gated.actuators.relay import Relay
from gated.actuators.signals import SIGNALS, Lamp
from gated.actuators.worker import CALL_PULSE_S, Action, ActuatorWorker, Outputs
from gated.clock import FakeClock
from gated.errors import ActuationError
from gated.messages import CallStaff, DeviceChanged, EnergiseRelay, ShowPrompt, StopCallingStaff
from gated.units import MonoSeconds
from gated.vocabulary import Prompt


class NoRelay(Relay):
    """A relay that only counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__("none:")
        self.pulses: list[tuple[str, float]] = []

    @override
    def open(self) -> None:
        pass

    @override
    def pulse(self, visit_id: str, pulse_s: float) -> int:
        self.pulses.append((visit_id, pulse_s))
        return 0

    @override
    def is_alive(self) -> bool:
        return True


@dataclass
class Line(OutputLine):
    """A line that keeps when it was driven to which level; every change, and only changes."""

    clock: FakeClock
    changes: list[tuple[float, bool]] = field(default_factory=list)
    is_broken: bool = False
    is_closed: bool = False
    level: bool = False

    @override
    def set(self, *, energised: bool) -> None:
        if self.is_broken or self.is_closed:
            raise ActuationError("the line is broken", device="lamp")
        if energised is not self.level:
            self.level = energised
            self.changes.append((round(self.clock.elapsed_s - 1_000.0, 3), energised))

    @override
    def close(self) -> None:
        if not self.is_closed:
            self.set(energised=False)
            self.is_closed = True


@dataclass
class Voice:
    said: list[ShowPrompt] = field(default_factory=list)

    def announce(self, prompt: ShowPrompt) -> None:
        self.said.append(prompt)


class Bench:
    """A worker under a clock that only moves when told, with a line for everything."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.lamps = {lamp: Line(self.clock) for lamp in Lamp}
        self.buzzer, self.bell = Line(self.clock), Line(self.clock)
        self.voice, self.relay = Voice(), NoRelay()
        self.told: list[DeviceChanged] = []
        self.actions: queue.Queue[Action] = queue.Queue()
        outputs = Outputs(
            relay=self.relay,
            lamps=self.lamps,
            buzzer=self.buzzer,
            bell=self.bell,
            announcer=self.voice,
            call_repeat_s=60.0,
        )
        self.worker = ActuatorWorker(outputs, self.actions, self.clock, self.told.append)

    def do(self, *actions: Action) -> None:
        for action in actions:
            self.worker._perform(action)
            self.worker._play_due()

    def wait(self, seconds: float) -> None:
        """Let time pass in steps of 10 ms, as often as the worker could want to look."""
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)
            self.worker._play_due()

    def lit(self) -> set[Lamp]:
        return {lamp for lamp, line in self.lamps.items() if line.level}


@pytest.mark.parametrize("prompt", Prompt)
def test_each_prompt_lights_its_lamps_and_no_others(prompt: Prompt) -> None:
    bench = Bench()
    bench.do(ShowPrompt(Prompt.GO), ShowPrompt(prompt))
    assert bench.lit() == SIGNALS[prompt].lamps


@pytest.mark.parametrize("prompt", Prompt)
def test_each_prompt_beeps_as_its_signal_says_and_then_is_silent(prompt: Prompt) -> None:
    bench = Bench()
    bench.do(ShowPrompt(prompt))
    bench.wait(2.0)
    beeps_s = SIGNALS[prompt].beeps_s
    edges_s = [sum(beeps_s[:n]) for n in range(len(beeps_s) + 1)] if beeps_s else []
    assert [level for _, level in bench.buzzer.changes] == [n % 2 == 0 for n in range(len(edges_s))]
    assert [at_s for at_s, _ in bench.buzzer.changes] == pytest.approx(edges_s, abs=0.011)


def test_a_new_prompt_cuts_the_beeps_of_the_old_one_short() -> None:
    bench = Bench()
    bench.do(ShowPrompt(Prompt.WAIT_STAFF))
    bench.wait(0.1)
    bench.do(ShowPrompt(Prompt.READY))
    bench.wait(1.0)
    assert bench.buzzer.changes == [(0.0, True), (0.1, False)]


def test_a_spoken_prompt_reaches_the_voice_as_it_is() -> None:
    bench = Bench()
    spoken = ShowPrompt(Prompt.SHOW_CODE, "7f3a91c2e05b", is_spoken=True)
    bench.do(spoken)
    assert bench.voice.said == [spoken]


def test_a_call_rings_once_a_minute_until_a_member_of_staff_is_there() -> None:
    bench = Bench()
    bench.do(CallStaff(None, None))
    bench.wait(121.0)
    bench.do(StopCallingStaff())
    bench.wait(180.0)
    rung = [(at_s, level) for at_s, level in bench.bell.changes]
    assert [level for _, level in rung] == [True, False] * 3
    starts = [at_s for at_s, level in rung if level]
    assert starts == [pytest.approx(n * 60.0, abs=0.05) for n in range(3)]
    ends = [at_s for at_s, level in rung if not level]
    assert ends == [pytest.approx(n * 60.0 + CALL_PULSE_S, abs=0.05) for n in range(3)]


def test_a_call_that_is_answered_at_once_still_stops_ringing() -> None:
    bench = Bench()
    bench.do(CallStaff(None, None))
    bench.wait(0.2)
    bench.do(StopCallingStaff())
    bench.wait(120.0)
    assert [level for _, level in bench.bell.changes] == [True, False]


def test_a_new_prompt_does_not_silence_the_bell_nor_leave_it_ringing() -> None:
    bench = Bench()
    bench.do(CallStaff(None, None))
    bench.wait(0.5)
    bench.do(ShowPrompt(Prompt.WAIT_STAFF))
    bench.wait(2.0)
    assert bench.bell.changes == [(0.0, True), (pytest.approx(1.0, abs=0.02), False)]


def test_a_broken_lamp_never_stops_a_visit(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.lamps[Lamp.GO].is_broken = True
    bench.do(ShowPrompt(Prompt.GO), EnergiseRelay("7f3a91c2e05b", 0.5))
    assert bench.relay.pulses == [("7f3a91c2e05b", 0.5)]
    assert [level for _, level in bench.buzzer.changes] == [True]
    assert "the line is broken" in caplog.text


def test_the_worker_looks_again_in_time_for_the_next_edge() -> None:
    bench = Bench()
    assert bench.worker._wait_s() == 0.5
    bench.do(ShowPrompt(Prompt.GO))
    assert bench.worker._wait_s() == pytest.approx(0.08)
    bench.do(CallStaff(None, None))
    assert bench.worker._wait_s() < 0.081
    bench.clock.advance(10.0)
    assert bench.worker._wait_s() == 0.0


def test_the_loop_ends_with_everything_de_energised(caplog: pytest.LogCaptureFixture) -> None:
    bench, stop = Bench(), threading.Event()
    bench.actions.put(ShowPrompt(Prompt.GO))
    bench.actions.put(CallStaff(None, None))
    bench.lamps[Lamp.CODE].is_broken = True

    def beat() -> None:
        if bench.actions.empty():
            stop.set()
            bench.actions.put(StopCallingStaff())  # so that it need not wait

    bench.worker.run(stop, beat)
    assert bench.lit() == set()
    assert (bench.buzzer.level, bench.bell.level) == (False, False)
    assert bench.buzzer.is_closed
    assert bench.bell.is_closed


def test_how_long_the_way_to_the_relay_took_can_be_read_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    with caplog.at_level("DEBUG"):
        bench.do(EnergiseRelay("7f3a91c2e05b", 0.5))
        assert caplog.records == []
        bench.do(EnergiseRelay("7f3a91c2e05c", 0.5, ready_at=MonoSeconds(0.0), fsync_ms=4.5))
    assert "relay visit=7f3a91c2e05c" in caplog.text
    assert "fsync_ms=4.500" in caplog.text


def test_an_output_that_is_not_wired_takes_everything() -> None:
    line = AbsentLine()
    line.set(energised=True)
    line.close()
    line.close()
