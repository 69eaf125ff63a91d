"""When a mode ends that was set before the start, by a wall clock that may be wrong by then."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.config import GateConfig
from gated.controller.decider import Record
from gated.controller.main import Controller
from gated.units import MonoSeconds
from gated.visit import advance, next_deadline
from gated.visit.state import Commit, Event, HeldMode
from gated.vocabulary import Mode
from tests.ledger_drafts import open_ledger
from tests.mode_rig import OBSERVE_FOR_S, ModeRig
from tests.probe_gate import ProbedGate
from tests.probed_controller import settle
from tests.relay_wire import wire

WEEK_S = 168 * 3_600.0


@contextmanager
def started(clock: FakeClock, settings: dict[str, str], first: Mode) -> Iterator[Controller]:
    """Yield a controller that has been made, but does not run: nothing more is durable."""
    # a socket's path holds 107 bytes, and pytest's own folders may be longer
    with tempfile.TemporaryDirectory(prefix="gated-") as name, wire() as far_end:
        folder = Path(name)
        gate = ProbedGate(folder, far_end, clock)
        file = settle(gate, folder)
        raw = gate.config.model_dump()
        raw["visit"]["initial_mode"] = first
        config = GateConfig.model_validate(raw)
        ledger = open_ledger(config.paths.state / "ledger.db", clock).ledger
        ledger.append([], settings=settings)
        ledger.close()
        controller = Controller(config, file, lambda *_: gate.devices(), clock)
        try:
            yield controller
        finally:
            let_go(controller)


def let_go(controller: Controller) -> None:
    sockets = controller._inputs._sockets
    for receiver in (sockets.sightings, sockets.control, sockets.ledger_nudges, sockets.orders):
        assert receiver is not None
        receiver.close()
    controller._uplink.close()
    controller._status.close()
    controller._ledger.close()


# --- as the controller starts --------------------------------------------------------------------


def asked(controller: Controller) -> list[Event]:
    """Return what the start asks the lane for; the start's own records are left out."""
    return [item for item in controller._events.queue if not isinstance(item, Record)]


@pytest.mark.parametrize("mode", sorted(Mode))
def test_a_mode_has_its_end_before_anything_is_recorded(mode: Mode) -> None:
    clock = FakeClock()
    ends_at = (clock.now() + timedelta(hours=1)).isoformat()
    settings = {"mode": mode.value, "mode_by": "cli:li", "mode_expires_at": ends_at}
    with started(clock, settings, Mode.NORMAL) as controller:
        state = controller._decider.state
        assert (state.mode, state.mode_by) == (mode, "cli:li")
        assert next_deadline(state) == clock.monotonic_s() + 3_600.0
        assert asked(controller) == []


def test_what_was_before_the_key_has_its_end_too() -> None:
    clock = FakeClock()
    ends_at = (clock.now() + timedelta(hours=1)).isoformat()
    kept = json.dumps({"mode": "closed", "by": "cli:li", "expires_at": ends_at})
    settings = {"mode": "closed", "mode_by": "key_switch", "mode_before_key": kept}
    with started(clock, settings, Mode.NORMAL) as controller:
        until = MonoSeconds(clock.monotonic_s() + 3_600.0)
        before = HeldMode(Mode.CLOSED, "cli:li", until, ends_at)
        assert controller._decider.state.before_key == before


def test_observing_ends_also_if_its_very_first_start_cannot_be_recorded() -> None:
    clock = FakeClock()
    with started(clock, {}, Mode.OBSERVE) as controller:
        assert next_deadline(controller._decider.state) == clock.monotonic_s() + WEEK_S
        assert len(asked(controller)) == 1  # that it be recorded


@pytest.mark.parametrize("ends_at", ["2030-01-01T00:00:00+00:00", "", "soon", "2026-11-24"])
def test_observing_ends_after_its_week_at_the_latest_whatever_is_recorded(ends_at: str) -> None:
    clock = FakeClock()
    settings = {"mode": "observe", "mode_by": "cli:li", "mode_expires_at": ends_at}
    with started(clock, settings, Mode.NORMAL) as controller:
        assert next_deadline(controller._decider.state) == clock.monotonic_s() + WEEK_S
        (event,) = asked(controller)
        _, commands = advance(controller._decider.state, event)
        (commit,) = commands
        assert isinstance(commit, Commit)
        recorded = dict(commit.settings)
        at = datetime.fromisoformat(recorded.pop("mode_expires_at"))
        assert at == clock.now() + timedelta(seconds=WEEK_S)
        assert recorded == {"mode": "observe", "drill": "0", "mode_by": "cli:li"}


def test_a_closure_whose_end_cannot_be_read_has_none() -> None:
    settings = {"mode": "closed", "mode_by": "cli:li", "mode_expires_at": "soon"}
    with started(FakeClock(), settings, Mode.NORMAL) as controller:
        assert next_deadline(controller._decider.state) is None


# --- a clock that is not set yet -----------------------------------------------------------------

MINUTE_S = 60.0


@pytest.fixture
def gate() -> Iterator[ModeRig]:
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:
        rig = ModeRig(Path(folder))
        yield rig
        rig.close()


@pytest.mark.parametrize("wall", [None, datetime(1970, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.CLOSED])
def test_a_power_cut_moves_no_end_once_the_clock_is_set(
    mode: Mode, wall: datetime | None, gate: ModeRig
) -> None:
    gate.ask(mode, for_s=30 * MINUTE_S)
    gate.settle()
    before = gate.clock.now()
    gate.restart(wall or before)  # as a board without a clock cell saved it
    gate.wait(MINUTE_S)
    gate.ends.watch()
    assert not gate.waiting, "nothing is known better yet"
    assert gate.shown() == (mode, False, "cli:li", 29 * MINUTE_S)
    gate.set_clock(before + timedelta(minutes=11))
    assert gate.shown() == (mode, False, "cli:li", 19 * MINUTE_S)
    gate.wait(19 * MINUTE_S)
    assert gate.shown()[0] is Mode.NORMAL


def test_observing_is_over_if_its_end_came_without_power(gate: ModeRig) -> None:
    gate.ask(Mode.OBSERVE, for_s=30 * MINUTE_S)
    gate.settle()
    before = gate.clock.now()
    gate.restart(before)
    gate.set_clock(before + timedelta(hours=1))
    gate.wait(1.0)
    assert gate.shown()[0] is Mode.NORMAL


def test_a_clock_ahead_opens_no_closed_gate(gate: ModeRig) -> None:
    ahead = gate.clock.now() + timedelta(days=1_000)
    gate.ask(Mode.CLOSED, for_s=30 * MINUTE_S)
    gate.settle()
    gate.restart(ahead)
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", 30 * MINUTE_S)


def test_a_clock_ahead_opens_nothing_that_was_closed_before_the_key(gate: ModeRig) -> None:
    before = gate.clock.now()
    gate.ask(Mode.CLOSED, for_s=30 * MINUTE_S)
    gate.turn_key(True)
    gate.settle()
    gate.restart(before + timedelta(days=1_000))
    gate.set_clock(before + timedelta(minutes=10))
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", 20 * MINUTE_S)


def test_a_mode_of_this_start_ends_when_it_was_said_to_whatever_the_clock_does(
    gate: ModeRig,
) -> None:
    before = gate.clock.now()
    gate.restart(datetime(1970, 1, 1, tzinfo=UTC))
    gate.ask(Mode.CLOSED, for_s=30 * MINUTE_S)
    gate.settle()
    gate.set_clock(before + timedelta(hours=1))
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", 30 * MINUTE_S)


def test_without_a_time_service_observing_ends_by_the_floor(gate: ModeRig) -> None:
    gate.ask(Mode.OBSERVE)
    gate.settle()
    gate.wait(10 * MINUTE_S)
    gate.restart(datetime(1970, 1, 1, tzinfo=UTC))
    assert gate.shown() == (Mode.OBSERVE, False, "cli:li", OBSERVE_FOR_S - 10 * MINUTE_S)
