"""Lamps, buzzer, bell and voice: whole transcripts of what each line does, and when."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from typing_extensions import override

from gated.actuators.gpio import GpioLine
from gated.actuators.line import AbsentLine, OpenLine, OutputLine
from gated.actuators.output import CHECK_EVERY_S, RETRY_FIRST_S, RETRY_MAX_S, Output
from gated.actuators.relay import Relay
from gated.actuators.signals import ON, SIGNALS, Lamp
from gated.actuators.worker import (
    CALL_PULSE_S,
    LOOKED_AFTER_S,
    REOPEN_AFTER_S,
    REOPEN_MAX_S,
    WAIT_ENERGISED_S,
    WAIT_S,
    Action,
    ActuatorWorker,
    Outputs,
)
from gated.clock import FakeClock
from gated.errors import ActuationError
from gated.messages import CallStaff, DeviceChanged, EnergiseRelay, ShowPrompt, StopCallingStaff
from gated.simulation.gpiochip import SimulatedChip, SimulatedGpiod
from gated.units import MonoSeconds
from gated.vocabulary import Mode, Prompt

START_S = 1_000.0  # of a FakeClock


class NoRelay(Relay):
    """A relay that only counts what is asked of it; ``trouble`` is why it cannot be had."""

    def __init__(self) -> None:
        super().__init__("none:")
        self.pulses: list[tuple[str, float]] = []
        self.tries = 0
        self.trouble = ""
        self.is_open = False

    @override
    def open(self) -> None:
        self.tries += 1
        self.is_open = not self.trouble
        if self.trouble:
            raise ActuationError(self.trouble, device="relay")

    @override
    def pulse(self, visit_id: str, pulse_s: float) -> int:
        if not self.is_open:
            raise ActuationError("the relay's guard is not running", device="relay")
        self.pulses.append((visit_id, pulse_s))
        return 0

    @override
    def is_alive(self) -> bool:
        return self.is_open

    @override
    def close(self) -> None:
        self.is_open = False

    def die(self, fault: str) -> None:
        self.is_open, self.fault = False, fault


@dataclass
class Line(OutputLine):
    """A line that keeps when it was driven to which level; every change, and only changes.

    It is its own OpenLine: it is open when it has been called, and counts the tries.
    """

    clock: FakeClock
    changes: list[tuple[float, bool]] = field(default_factory=list)
    trouble: str = ""
    is_closed: bool = True
    level: bool = False
    tries: int = 0

    def __call__(self) -> OutputLine:
        self.tries += 1
        self._fail_if_troubled()
        self.is_closed = False
        return self

    @override
    def set(self, *, energised: bool) -> None:
        self._fail_if_troubled()
        assert not self.is_closed
        if energised is not self.level:
            self.level = energised
            self.changes.append((round(self.clock.elapsed_s - START_S, 3), energised))

    @override
    def check(self) -> None:
        self._fail_if_troubled()

    @override
    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._fail_if_troubled()
            if self.level:
                self.level = False
                self.changes.append((round(self.clock.elapsed_s - START_S, 3), False))

    def _fail_if_troubled(self) -> None:
        if self.trouble:
            self.level = False
            raise ActuationError(self.trouble, device="lamp")


@dataclass
class Voice:
    said: list[ShowPrompt] = field(default_factory=list)

    def announce(self, prompt: ShowPrompt) -> None:
        self.said.append(prompt)


class Bench:
    """A worker under a clock that only moves when told, with a line for everything."""

    def __init__(self, *, has_observe_lamp: bool = True) -> None:
        self.clock = FakeClock()
        lamps = [lamp for lamp in Lamp if has_observe_lamp or lamp is not Lamp.OBSERVE]
        self.lamps = {lamp: Line(self.clock) for lamp in lamps}
        self.buzzer, self.bell = Line(self.clock), Line(self.clock)
        self.voice, self.relay = Voice(), NoRelay()
        self.told: list[DeviceChanged] = []
        self.actions: queue.Queue[Action] = queue.Queue()
        self.outputs = Outputs(
            relay=self.relay,
            lamps=self.lamps,
            buzzer=self.buzzer,
            bell=self.bell,
            announcer=self.voice,
            call_repeat_s=60.0,
        )
        self.worker = ActuatorWorker(self.outputs, self.actions, self.clock, self.told.append)
        self.worker._open_relay()
        self.worker._keep_up()

    def do(self, *actions: Action) -> None:
        for action in actions:
            self.worker._perform(action)

    def wait(self, seconds: float) -> None:
        """Let time pass in steps of 10 ms, as often as the worker could want to look."""
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)
            self.worker._keep_up()
            if not self.relay.is_alive():
                self.worker._replace_guard()

    def lit(self) -> set[Lamp]:
        return {lamp for lamp, line in self.lamps.items() if line.level}

    def heard(self) -> list[tuple[str, bool, str]]:
        """Return (device, is working, reason) of everything that was told."""
        return [(change.device, change.is_working, change.reason) for change in self.told]


def edges(line: Line) -> list[tuple[object, bool]]:
    return [(pytest.approx(at_s, abs=0.021), level) for at_s, level in line.changes]


# --- prompts -------------------------------------------------------------------------------------


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
    assert [at_s for at_s, _ in bench.buzzer.changes] == pytest.approx(edges_s, abs=0.021)


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


def test_the_first_ring_is_at_once_also_where_the_last_call_was_just_answered() -> None:
    bench = Bench()
    bench.do(CallStaff(None, None))
    bench.wait(0.3)
    bench.do(StopCallingStaff(), CallStaff(None, None))
    bench.wait(3.0)
    assert edges(bench.bell) == [(0.0, True), (0.3, False), (0.3, True), (1.3, False)]


def test_a_blinking_lamp_blinks_from_the_moment_at_which_it_is_lit_until_the_next_prompt() -> None:
    bench = Bench()
    bench.wait(1.0)
    bench.do(ShowPrompt(Prompt.HOLD_STILL))
    bench.wait(1.0)
    bench.do(ShowPrompt(Prompt.SHOW_CODE))
    bench.wait(2.0)
    blinked = [(1.0, True), (1.4, False), (1.8, True)]
    assert edges(bench.lamps[Lamp.CODE]) == blinked
    assert bench.lit() == {Lamp.CODE}


# --- observing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", Prompt)
def test_the_observe_lamp_is_lit_whatever_the_prompt_while_the_gate_observes(
    prompt: Prompt,
) -> None:
    bench = Bench()
    bench.do(ShowPrompt(prompt, mode=Mode.OBSERVE))
    assert bench.lit() == {*SIGNALS[prompt].lamps, Lamp.OBSERVE}
    bench.do(ShowPrompt(prompt))
    assert bench.lit() == SIGNALS[prompt].lamps


def test_without_an_observe_lamp_the_wait_lamp_winks_while_nobody_is_there() -> None:
    bench = Bench(has_observe_lamp=False)
    bench.do(ShowPrompt(Prompt.READY, mode=Mode.OBSERVE))
    bench.wait(5.0)
    winks = [(0.0, True), (0.1, False), (2.0, True), (2.1, False), (4.0, True), (4.1, False)]
    assert edges(bench.lamps[Lamp.WAIT]) == winks
    bench.do(ShowPrompt(Prompt.SHOW_CODE, mode=Mode.OBSERVE))
    bench.wait(5.0)
    assert bench.lit() == {Lamp.CODE}
    assert edges(bench.lamps[Lamp.WAIT]) == winks


def test_with_an_observe_lamp_and_in_another_mode_nothing_winks() -> None:
    bench = Bench()
    bench.do(ShowPrompt(Prompt.READY, mode=Mode.OBSERVE))
    bench.wait(5.0)
    other = Bench(has_observe_lamp=False)
    other.do(ShowPrompt(Prompt.READY, mode=Mode.CLOSED))
    other.wait(5.0)
    assert bench.lamps[Lamp.WAIT].changes == other.lamps[Lamp.WAIT].changes == []


# --- what is broken ------------------------------------------------------------------------------


def test_a_broken_lamp_never_stops_a_visit_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.lamps[Lamp.GO].trouble = "no such chip"
    bench.do(ShowPrompt(Prompt.GO), EnergiseRelay("7f3a91c2e05b", 0.5))
    bench.wait(60.0)
    bench.do(ShowPrompt(Prompt.GO))
    assert bench.relay.pulses == [("7f3a91c2e05b", 0.5)]
    assert [level for _, level in bench.buzzer.changes] == [True, False, True]
    assert bench.heard() == [("lamp go", False, "no such chip")]
    assert caplog.text.count("no such chip") == 1


@pytest.mark.parametrize("device", ["lamp wait", "buzzer", "call_staff"])
def test_what_is_missing_at_the_start_is_told_and_has_its_level_as_soon_as_it_is_there(
    device: str,
) -> None:
    clock = FakeClock()
    line, told = Line(clock, trouble="it is not there"), list[DeviceChanged]()
    output = Output(device, line, clock, told.append)
    output.play(ON)
    for _ in range(10_000):
        clock.advance(0.01)
        output.keep_up()
    assert [(c.device, c.is_working) for c in told] == [(device, False)]
    assert line.changes == []
    line.trouble = ""
    clock.advance(RETRY_MAX_S)
    output.keep_up()
    assert [(c.device, c.is_working) for c in told] == [(device, False), (device, True)]
    assert line.level
    output.close()


def test_a_missing_line_is_tried_again_with_longer_and_longer_pauses() -> None:
    clock = FakeClock()
    line = Line(clock, trouble="it is not there")
    output, tried_s = Output("lamp go", line, clock, lambda _: None), list[float]()
    for _ in range(4_000):
        before = line.tries
        output.keep_up()
        if line.tries > before:
            tried_s.append(round(clock.elapsed_s - START_S, 2))
        clock.advance(0.01)
    pauses_s = [later - earlier for earlier, later in itertools.pairwise(tried_s)]
    doubled = [RETRY_FIRST_S * 2**n for n in range(5)]
    expected = [min(pause_s, RETRY_MAX_S) for pause_s in doubled]
    assert pauses_s[:5] == pytest.approx(expected, abs=0.021)


def test_a_lamp_that_is_lost_while_it_only_shines_is_noticed_and_shines_again() -> None:
    clock = FakeClock()
    chip = SimulatedChip("mcp23017", ("GO",), clock)
    gpio = SimulatedGpiod(chip).gpio()
    open_line = partial(GpioLine, "lamp go", "GO", "mcp*", active_low=False, gpio=gpio)
    told: list[DeviceChanged] = []
    output = Output("lamp go", open_line, clock, told.append)
    output.play(ON)
    chip.pull_out()
    for _ in range(40):
        clock.advance(0.1)
        output.keep_up()
    chip.put_back()
    for _ in range(100):
        clock.advance(0.1)
        output.keep_up()
    assert [(c.device, c.is_working, c.reason) for c in told] == [
        ("lamp go", False, "line GO cannot be reached: No such device"),
        ("lamp go", True, ""),
    ]
    assert told[0].at - START_S <= CHECK_EVERY_S + 0.11
    assert chip.wire("GO").level
    output.close()
    assert not chip.wire("GO").level


def test_a_gate_without_any_device_says_of_each_what_is_missing() -> None:
    clock, told = FakeClock(), list[DeviceChanged]()
    gpio = SimulatedGpiod().gpio()

    def wire(name: str) -> OpenLine:
        return partial(GpioLine, name, "GPIO22", "pinctrl-*", active_low=False, gpio=gpio)

    outputs = Outputs(
        NoRelay(),
        {lamp: wire(lamp) for lamp in (Lamp.GO, Lamp.WAIT)},
        buzzer=AbsentLine,
        bell=wire("bell"),
    )
    worker = ActuatorWorker(outputs, queue.Queue(), clock, told.append)
    for _ in range(500):
        worker._keep_up()
        clock.advance(0.1)
    worker._close()
    assert [change.device for change in told] == ["lamp go", "lamp wait", "call_staff"]
    said = "this machine has no GPIO chip (no /dev/gpiochip*): connect one, or try the simulation"
    assert [change.reason for change in told] == [f"{said}, gated demo"] * 3
    assert outputs.names() == ("relay", "lamp go", "lamp wait", "call_staff")


# --- the relay -----------------------------------------------------------------------------------


def test_a_relay_that_is_missing_is_told_once_and_tried_with_longer_and_longer_pauses() -> None:
    bench = Bench()
    bench.relay.trouble = "GPIO17 is held by w1"
    bench.relay.die("the relay's guard has died")
    bench.wait(60.0)
    tries, bench.relay.tries = bench.relay.tries, 0
    assert tries <= 1 + 60.0 / REOPEN_AFTER_S / 4
    bench.do(EnergiseRelay("7f3a91c2e05b", 0.5))
    bench.relay.trouble = ""
    bench.wait(REOPEN_MAX_S)
    assert bench.relay.tries == 1
    assert bench.relay.pulses == []
    assert bench.heard() == [("relay", False, "the relay's guard has died"), ("relay", True, "")]


def test_a_guard_that_dies_is_replaced_at_once_and_one_that_dies_again_and_again_is_not() -> None:
    bench = Bench()
    bench.relay.die("the relay's guard has died")
    bench.worker._replace_guard()
    assert (bench.relay.is_open, bench.relay.tries) == (True, 2)
    bench.relay.die("the relay's guard has died")
    bench.worker._replace_guard()
    assert (bench.relay.is_open, bench.relay.tries) == (False, 2)
    bench.wait(REOPEN_AFTER_S + 0.02)
    assert (bench.relay.is_open, bench.relay.tries) == (True, 3)


def test_while_the_relay_is_energised_its_guard_is_looked_at_often() -> None:
    bench = Bench()
    assert bench.worker._wait_s() == WAIT_S
    bench.do(EnergiseRelay("7f3a91c2e05b", 0.5))
    assert bench.worker._wait_s() == WAIT_ENERGISED_S
    bench.wait(0.5)  # a guard that has hung has been killed by now
    assert bench.worker._wait_s() == WAIT_ENERGISED_S
    bench.wait(LOOKED_AFTER_S + 0.02)
    assert bench.worker._wait_s() == WAIT_S


# --- the loop ------------------------------------------------------------------------------------


def test_the_worker_looks_again_in_time_for_the_next_change() -> None:
    bench = Bench()
    assert bench.worker._wait_s() == WAIT_S
    bench.do(ShowPrompt(Prompt.GO))
    assert bench.worker._wait_s() == pytest.approx(0.08)
    bench.wait(0.1)
    bench.do(CallStaff(None, None))
    bench.wait(0.9)
    assert bench.worker._wait_s() == pytest.approx(CALL_PULSE_S - 0.9)
    bench.clock.advance(10.0)
    assert bench.worker._wait_s() == WAIT_S


def run_until_idle(bench: Bench, at_the_end: Callable[[], None] = lambda: None) -> None:
    stop = threading.Event()

    def beat() -> None:
        if bench.actions.empty():
            at_the_end()
            stop.set()
            bench.actions.put(StopCallingStaff())  # so that it need not wait

    bench.worker.run(stop, beat)


def test_the_loop_ends_with_everything_de_energised() -> None:
    bench, lit = Bench(), set[Lamp]()
    bench.actions.put(ShowPrompt(Prompt.GO))
    bench.actions.put(CallStaff(None, None))
    bench.lamps[Lamp.CODE].trouble = "it is broken"
    run_until_idle(bench, lambda: lit.update(bench.lit()))
    assert lit == {Lamp.GO}
    assert bench.lit() == set()
    assert (bench.buzzer.level, bench.bell.level) == (False, False)
    assert not bench.relay.is_open
    assert all(line.is_closed for line in (bench.buzzer, bench.bell, *bench.lamps.values()))


def test_a_bell_that_is_ringing_at_the_end_is_silenced() -> None:
    bench, rang = Bench(), list[bool]()
    bench.actions.put(CallStaff(None, None))
    run_until_idle(bench, lambda: rang.append(bench.bell.level))
    assert rang == [True]
    assert not bench.bell.level


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
