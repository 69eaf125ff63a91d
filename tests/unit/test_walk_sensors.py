"""Trials of sensors on chips at register level: what is shown, what is doubted, what is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gated.clock import SystemClock
from gated.probe.check import Bench, settings_of
from gated.walk.course import Evidence
from gated.walk.sensors import CHIP, sensor_trial
from gated.walk.steps import Step, plan
from gated.walk.trial import Running, Show
from tests.gate_processes import wait_for
from tests.probe_gate import ProbedGate
from tests.relay_wire import wire

CLOCK = SystemClock()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[ProbedGate]:
    with wire() as far_end:
        yield ProbedGate(tmp_path, far_end, CLOCK)


def started(gate: ProbedGate, name: str) -> Running:
    """Start the trial of the step called ``name``."""
    bench = Bench(gate.config, gate.devices(), CLOCK, gate.pause)
    step: Step = next(step for step in plan(gate.config) if step.id == name)
    settings = settings_of(step.key, gate.config)
    assert settings is not None
    return Running(sensor_trial(step, settings, bench), name)


class Screen:
    """What a trial has shown so far, in English."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.lines: list[str] = []

    def shows(self, words: str) -> bool:
        self.lines += [line.text[1] for line in self._running.show.take()]
        return any(words in line for line in self.lines)


def test_a_face_is_told_what_it_should_read_and_from_where(gate: ProbedGate) -> None:
    with closing(started(gate, "child")) as running:
        screen = Screen(running)
        wait_for(lambda: screen.shows("expected: "), "what is expected")
        # The chip sees 30 °C in air of 20: no face.
        wait_for(lambda: screen.shows("not what is expected"), "a reading")
        assert screen.shows(" cm"), "how far away it is"
    assert running.trouble == ""
    assert running.evidence.doubt is not None
    assert "no reading was where a healthy face is" in running.evidence.doubt
    assert len(running.evidence.facts[CHIP]) > 8


@pytest.mark.parametrize("name", ["child warmth", "ambient"])
def test_what_does_not_follow_a_hand_is_doubted(gate: ProbedGate, name: str) -> None:
    with closing(started(gate, name)) as running:
        screen = Screen(running)
        wait_for(lambda: screen.shows("(+0."), "a reading")
    assert running.evidence.doubt is not None
    assert "at most" in running.evidence.doubt[1]


def test_a_sensor_that_goes_away_meanwhile_is_lost_after_some_void_readings(
    gate: ProbedGate,
) -> None:
    with closing(started(gate, "child warmth")) as running:
        screen = Screen(running)
        wait_for(lambda: screen.shows("°C"), "a reading")
        gate.buses["/dev/i2c-1"].detach(0x5A)
        wait_for(lambda: screen.shows("no reading: "), "a void one")
        wait_for(lambda: not running.is_busy, "its end")
    assert "/dev/i2c-1/0x5A" in running.trouble


def test_one_that_is_not_there_is_said_at_once(gate: ProbedGate) -> None:
    gate.buses["/dev/i2c-4"].detach(0x29)
    with closing(started(gate, "distance child")) as running:
        wait_for(lambda: not running.is_busy, "its end")
    assert "/dev/i2c-4/0x29" in running.trouble


def test_a_trial_that_hangs_is_left_behind_and_said_to() -> None:
    never = threading.Event()

    def hang(_show: Show, _stop: threading.Event) -> Evidence:
        never.wait()
        return Evidence()

    running = Running(hang, "x", ends_within_s=0.05)
    running.close()
    assert "its device hangs" in running.trouble
    never.set()
