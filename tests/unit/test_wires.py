"""The wired inputs, opened late and again; and the key that sets the mode."""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path

import pytest

from gated.actuators.inputs import InputEvent
from gated.clock import FakeClock
from gated.controller.inputs import InputWorker, ModeRules, Sockets
from gated.controller.timekeeper import Timekeeper
from gated.controller.wires import RETRY_FIRST_S, Wires
from gated.datagrams import Receiver
from gated.errors import DeviceError, DeviceLost, DeviceNotFound
from gated.messages import DeviceChanged, GateMoved, KeyTurned, PassageSensed
from gated.units import MonoSeconds
from gated.visit import advance
from gated.visit.state import KEY_SWITCH, LaneState, ModeKeyTurned, ModeRequested
from gated.vocabulary import Key, Mode
from tests.lane_rig import LANE


@dataclass
class FakeSource:
    """Wires of a chip that can be pulled: obeys the port's rules and keeps a transcript."""

    pipe: tuple[int, int]
    fault: DeviceError | None = None
    waiting: list[InputEvent] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    is_open: bool = False

    def open(self) -> None:
        self.calls.append("open")
        if self.fault is not None:
            raise self.fault
        self.is_open = True

    def fileno(self) -> int:
        assert self.is_open
        return self.pipe[0]

    def read(self) -> list[InputEvent]:
        assert self.is_open
        if self.fault is not None:
            raise self.fault
        events, self.waiting = self.waiting, []
        return events

    def close(self) -> None:
        self.calls.append("close")
        self.is_open = False


@pytest.fixture
def source() -> Iterator[FakeSource]:
    pipe = os.pipe()
    yield FakeSource(pipe)
    for end in pipe:
        os.close(end)


@dataclass
class Bench:
    source: FakeSource
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[DeviceChanged] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.wires = Wires(self.source, self.selector, self.taken, self.clock, self.told.append)

    def taken(self) -> None:
        """Stands for what the selector calls."""

    def states(self) -> list[tuple[bool, str]]:
        return [(changed.is_working, changed.reason) for changed in self.told]


def test_what_stands_on_the_wires_at_the_start_is_told_with_opening(source: FakeSource) -> None:
    bench = Bench(source)
    shut = GateMoved(True, bench.clock.monotonic_s())
    source.waiting = [shut]
    assert bench.wires.keep_open() == [shut]
    assert list(bench.selector.get_map()) == [source.pipe[0]]
    assert bench.told == []


def test_wires_that_are_not_there_are_told_once_and_tried_again(source: FakeSource) -> None:
    bench = Bench(source)
    source.fault = DeviceNotFound("inputs: no GPIO chip", device="inputs")
    for _ in range(20):
        assert bench.wires.keep_open() == []
        bench.clock.advance(1.0)
    assert bench.states() == [(False, "inputs: no GPIO chip")]
    assert 3 <= source.calls.count("open") < 20  # ever less often
    source.fault = None
    bench.clock.advance(10.0)
    bench.wires.keep_open()
    assert bench.states() == [(False, "inputs: no GPIO chip"), (True, "")]


def test_a_chip_that_goes_is_let_go_of_and_opened_again(source: FakeSource) -> None:
    bench = Bench(source)
    bench.wires.keep_open()
    source.fault = DeviceLost("inputs: the chip has gone", device="inputs")
    assert bench.wires.keep_open() == []
    assert not source.is_open
    assert not bench.selector.get_map()
    assert bench.wires.read() == []
    source.fault = None
    bench.clock.advance(RETRY_FIRST_S)
    passed = PassageSensed(bench.clock.monotonic_s())
    source.waiting = [passed]
    assert bench.wires.keep_open() == [passed]
    assert bench.states() == [(False, "inputs: the chip has gone"), (True, "")]


def test_closing_twice_is_once(source: FakeSource) -> None:
    bench = Bench(source)
    bench.wires.keep_open()
    bench.wires.close()
    bench.wires.close()
    assert not bench.selector.get_map()


# --- the key for the mode ------------------------------------------------------------------------


class KeyRig:
    """An input worker whose key is turned, and the lane that it tells of it."""

    def __init__(self, folder: Path, state: LaneState, modes: ModeRules) -> None:
        clock = FakeClock()
        self.state = state
        self.told: list[object] = []
        receivers = [Receiver(folder / name) for name in ("s.sock", "c.sock", "n.sock")]
        sightings, control, nudges = receivers
        sockets = Sockets(sightings, control, nudges, None)
        for receiver in receivers:
            receiver.close()  # nobody sends anything here
        self.worker = InputWorker(
            sockets,
            None,  # type: ignore[arg-type]  # no code is shown here
            Timekeeper(clock, UTC, newest_record=None, sync_file=None),
            clock,
            eyes=(),
            modes=modes,
            publish=self.told.append,
            nudge_ledger=lambda: None,
            lane_state=lambda: self.state,
            each_second=lambda: None,
        )
        self.at = clock.monotonic_s()

    def turn(self, *, is_on: bool) -> list[tuple[Mode, str, float | None]]:
        """Return what the lane is to make durable then: the mode, who asked, for how long."""
        self.told.clear()
        self.worker._take_events([KeyTurned(Key.MODE, is_on, self.at)])
        (event,) = self.told
        assert isinstance(event, ModeKeyTurned)
        state, commands = advance(self.state, event)
        assert len(commands) == (state != self.state)
        request = None if state == self.state else state.pending_mode
        return [] if request is None else [(request.mode, request.by, request.for_s)]


CLOSES = ModeRules(key=Mode.CLOSED)
BY_KEY = LaneState(lane=LANE, mode=Mode.CLOSED, mode_by=KEY_SWITCH)
BY_OFFICE = LaneState(lane=LANE, mode=Mode.CLOSED, mode_by="cli:li")
NORMAL = LaneState(lane=LANE)


@pytest.mark.parametrize(
    ("state", "is_on", "asked"),
    [
        (NORMAL, True, [(Mode.CLOSED, KEY_SWITCH, None)]),
        (NORMAL, False, []),
        (BY_KEY, True, []),  # as it was before a restart
        (BY_KEY, False, [(Mode.NORMAL, KEY_SWITCH, None)]),  # also when turned back without power
        (BY_OFFICE, True, [(Mode.CLOSED, KEY_SWITCH, None)]),
        (BY_OFFICE, False, []),  # the key does not undo what the office has asked for
        (replace(NORMAL, mode_by=KEY_SWITCH), False, []),
    ],
)
def test_the_key_sets_its_mode_and_takes_back_only_its_own(
    state: LaneState, is_on: bool, asked: list[object], tmp_path: Path
) -> None:
    assert KeyRig(tmp_path, state, CLOSES).turn(is_on=is_on) == asked


def test_a_mode_that_is_not_durable_yet_counts_as_the_newest(tmp_path: Path) -> None:
    pending = ModeRequested(Mode.CLOSED, False, KEY_SWITCH, MonoSeconds(0.0))
    rig = KeyRig(tmp_path, replace(NORMAL, pending_mode=pending), CLOSES)
    assert rig.turn(is_on=False) == [(Mode.NORMAL, KEY_SWITCH, None)]


def test_observing_by_key_ends_by_itself(tmp_path: Path) -> None:
    rig = KeyRig(tmp_path, NORMAL, ModeRules(key=Mode.OBSERVE, observe_for_s=3_600.0))
    assert rig.turn(is_on=True) == [(Mode.OBSERVE, KEY_SWITCH, 3_600.0)]
