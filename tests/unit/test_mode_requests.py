"""Modes as they are asked for at the gate: by the command line, and by the key switch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.controller.inputs import ModeRules
from gated.visit.state import KEY_SWITCH
from gated.vocabulary import Mode
from tests.mode_rig import OBSERVE_FOR_S, ModeRig

HOUR_S = 3_600.0


@pytest.fixture
def gate() -> Iterator[ModeRig]:
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:  # a socket's path is short
        rig = ModeRig(Path(folder))
        yield rig
        rig.close()


# --- a drill alone -------------------------------------------------------------------------------


def test_a_drill_leaves_an_endless_closure_endless(gate: ModeRig) -> None:
    gate.ask(Mode.CLOSED)
    gate.settle()
    gate.ask(drill=True, by="cli:wang")
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, True, "cli:li", None)
    assert gate.recorded[-1].by == "cli:wang"
    gate.wait(48 * HOUR_S)
    gate.ask(drill=False)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", None)


@pytest.mark.parametrize("mode", [Mode.CLOSED, Mode.OBSERVE])
def test_a_drill_leaves_a_mode_its_end(mode: Mode, gate: ModeRig) -> None:
    gate.ask(mode, for_s=600.0)
    gate.settle()
    ends_at = gate.settings["mode_expires_at"]
    gate.wait(540.0)
    gate.ask(drill=True)
    gate.settle()
    assert gate.shown() == (mode, True, "cli:li", 60.0)
    assert gate.settings["mode_expires_at"] == ends_at
    gate.wait(60.0)
    assert gate.shown()[:2] == (Mode.NORMAL, False)


def test_a_drill_that_cannot_be_recorded_leaves_a_closure_its_end(gate: ModeRig) -> None:
    gate.ask(Mode.CLOSED, for_s=600.0)
    gate.settle()
    gate.is_disk_full = True
    gate.ask(drill=True)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", 600.0)


def test_a_drill_does_not_undo_a_mode_that_was_asked_for_just_before(gate: ModeRig) -> None:
    gate.ask(Mode.CLOSED)
    gate.ask(drill=True)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, True, "cli:li", None)


def test_a_drill_leaves_a_closure_to_the_key(gate: ModeRig) -> None:
    gate.turn_key(True)
    gate.settle()
    gate.ask(drill=True)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, True, KEY_SWITCH, None)
    assert gate.settings["mode_by"] == KEY_SWITCH  # so also after a restart
    gate.turn_key(False)
    gate.settle()
    assert gate.shown()[:2] == (Mode.NORMAL, True)


# --- observing always ends -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked_s", "holds_s"),
    [(None, OBSERVE_FOR_S), (366 * 86_400.0, OBSERVE_FOR_S), (60.0, 60.0)],
)
def test_observing_ends_after_its_week_at_the_latest_whatever_is_asked_for(
    asked_s: float | None, holds_s: float, gate: ModeRig
) -> None:
    gate.ask(Mode.OBSERVE, for_s=asked_s)
    gate.settle()
    assert gate.shown() == (Mode.OBSERVE, False, "cli:li", holds_s)
    assert gate.settings["mode_expires_at"] == gate.timekeeper.after(holds_s)


def test_a_closure_may_last_as_long_as_is_asked_for(gate: ModeRig) -> None:
    gate.ask(Mode.CLOSED, for_s=366 * 86_400.0)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", 366 * 86_400.0)


# --- the key switch ------------------------------------------------------------------------------


def test_turned_back_the_key_leaves_a_gate_closed_that_the_office_has_closed(gate: ModeRig) -> None:
    gate.ask(Mode.CLOSED)
    gate.settle()
    gate.turn_key(True)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, KEY_SWITCH, None)
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", None)
    assert gate.recorded[-1].by == KEY_SWITCH


@pytest.mark.parametrize("mode", sorted(Mode))
def test_turned_back_the_key_leaves_a_mode_its_end(mode: Mode, gate: ModeRig) -> None:
    gate.ask(mode, drill=True, for_s=600.0)
    gate.settle()
    ends_at = gate.settings["mode_expires_at"]
    gate.turn_key(True)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, True, KEY_SWITCH, None)
    gate.wait(540.0)
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (mode, True, "cli:li", 60.0)
    assert gate.settings["mode_expires_at"] == ends_at


@pytest.mark.parametrize("mode", sorted(Mode))
def test_a_mode_whose_end_came_while_the_key_was_turned_is_over(mode: Mode, gate: ModeRig) -> None:
    gate.ask(mode, drill=True, for_s=600.0)
    gate.turn_key(True)
    gate.settle()
    gate.wait(600.0)
    assert gate.shown() == (Mode.CLOSED, True, KEY_SWITCH, None)
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (Mode.NORMAL, False, KEY_SWITCH, None)


def test_the_end_of_observing_by_key_leaves_a_gate_closed_that_the_office_has_closed(
    gate: ModeRig,
) -> None:
    gate.worker._modes = ModeRules(Mode.OBSERVE, OBSERVE_FOR_S)
    gate.ask(Mode.CLOSED)
    gate.turn_key(True)
    gate.settle()
    assert gate.shown() == (Mode.OBSERVE, False, KEY_SWITCH, OBSERVE_FOR_S)
    gate.wait(OBSERVE_FOR_S)
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", None)
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", None)


def test_a_key_that_wiped_its_contact_holds_the_gate(gate: ModeRig) -> None:
    gate.turn_key(True)
    gate.settle()
    gate.turn_key(False, True)  # in one read, while this thread was busy
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, KEY_SWITCH, None)
    gate.turn_key(True, False, True, False)
    gate.settle()
    assert gate.shown() == (Mode.NORMAL, False, "", None)


def test_a_key_that_wiped_its_contact_still_knows_what_the_office_has_closed(
    gate: ModeRig,
) -> None:
    gate.ask(Mode.CLOSED)
    gate.turn_key(True, False, True)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, KEY_SWITCH, None)
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", None)


def test_a_key_that_closes_on_a_full_disk_still_knows_what_the_office_has_closed(
    gate: ModeRig,
) -> None:
    gate.ask(Mode.CLOSED)
    gate.settle()
    gate.is_disk_full = True
    gate.turn_key(True)
    gate.settle()
    gate.is_disk_full = False
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", None)


def test_a_drill_while_the_key_is_turned_does_not_undo_what_the_office_has_closed(
    gate: ModeRig,
) -> None:
    gate.ask(Mode.CLOSED)
    gate.turn_key(True)
    gate.ask(drill=True)
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, True, "cli:li", None)


@pytest.mark.parametrize("is_turned_without_power", [True, False])
def test_over_a_restart_the_key_still_knows_what_the_office_has_closed(
    is_turned_without_power: bool, gate: ModeRig
) -> None:
    gate.ask(Mode.CLOSED, for_s=600.0)
    gate.turn_key(True)
    gate.settle()
    gate.clock.advance(60.0)
    gate.restart()
    assert gate.shown() == (Mode.CLOSED, False, KEY_SWITCH, None)
    if not is_turned_without_power:
        gate.turn_key(True)  # as it is told at the start
        gate.settle()
        assert gate.shown() == (Mode.CLOSED, False, KEY_SWITCH, None)
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "cli:li", 540.0)


def test_what_the_key_once_set_aside_is_forgotten_with_another_mode(gate: ModeRig) -> None:
    gate.ask(Mode.CLOSED)
    gate.turn_key(True)
    gate.ask(Mode.OBSERVE, for_s=60.0)
    gate.settle()
    gate.restart()
    assert gate.state.before_key is None


@pytest.mark.parametrize(
    "kept", ["", "closed", '{"mode": "open", "by": "", "expires_at": null}', '{"mode": "normal"}']
)
def test_what_was_before_the_key_and_cannot_be_read_is_closed(kept: str, gate: ModeRig) -> None:
    gate.turn_key(True)
    gate.settle()
    gate.settings["mode_before_key"] = kept
    gate.restart()
    gate.turn_key(False)
    gate.settle()
    assert gate.shown() == (Mode.CLOSED, False, "", None)
