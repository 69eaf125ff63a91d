"""Modes as they are asked for at the gate: by the command line, and by the key switch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.visit.state import KEY_SWITCH
from gated.vocabulary import Mode
from tests.mode_rig import ModeRig

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
    assert gate.shown == (Mode.CLOSED, True, "cli:li", None)
    assert gate.recorded[-1].by == "cli:wang"
    gate.wait(48 * HOUR_S)
    gate.ask(drill=False)
    gate.settle()
    assert gate.shown == (Mode.CLOSED, False, "cli:li", None)


@pytest.mark.parametrize("mode", [Mode.CLOSED, Mode.OBSERVE])
def test_a_drill_leaves_a_mode_its_end(mode: Mode, gate: ModeRig) -> None:
    gate.ask(mode, for_s=600.0)
    gate.settle()
    ends_at = gate.settings["mode_expires_at"]
    gate.wait(540.0)
    gate.ask(drill=True)
    gate.settle()
    assert gate.shown == (mode, True, "cli:li", 60.0)
    assert gate.settings["mode_expires_at"] == ends_at
    gate.wait(60.0)
    assert gate.shown[:2] == (Mode.NORMAL, False)


def test_a_drill_that_cannot_be_recorded_leaves_a_closure_its_end(gate: ModeRig) -> None:
    gate.ask(Mode.CLOSED, for_s=600.0)
    gate.settle()
    gate.is_disk_full = True
    gate.ask(drill=True)
    gate.settle()
    assert gate.shown == (Mode.CLOSED, False, "cli:li", 600.0)


def test_a_drill_does_not_undo_a_mode_that_was_asked_for_just_before(gate: ModeRig) -> None:
    gate.ask(Mode.CLOSED)
    gate.ask(drill=True)
    gate.settle()
    assert gate.shown == (Mode.CLOSED, True, "cli:li", None)


def test_a_drill_leaves_a_closure_to_the_key(gate: ModeRig) -> None:
    gate.turn_key(True)
    gate.settle()
    gate.ask(drill=True)
    gate.settle()
    assert gate.shown == (Mode.CLOSED, True, KEY_SWITCH, None)
    assert gate.settings["mode_by"] == KEY_SWITCH  # so also after a restart
    gate.turn_key(False)
    gate.settle()
    assert gate.shown == (Mode.NORMAL, True, KEY_SWITCH, None)
