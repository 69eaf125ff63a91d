"""A card that was copied: two gates go on from one ledger, under one name."""

from __future__ import annotations

import contextlib
import shutil

from tests.faults.book import Book
from tests.faults.fault import Fault
from tests.faults.gate import Gate
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally, judge
from tests.gate_processes import wait_for

_FORKED_WITHIN_S = 60.0


def run_cloned(scene: Scene) -> Tally:
    """Copy the card, let both go on in turn, and expect the second one to begin a new epoch.

    What the copy recorded before it heard of the other is under numbers that are taken. It is not
    lost: it stands in the ledger that was set aside, and what was sent stands in the quarantine.
    """
    rng = scene.rng
    with contextlib.closing(Line(scene, any_broker(scene))) as line:
        line.start(rate=200)
        line.pause(0.3, 1.0)
        line.gate.kill_uplink()
        line.gate.stop()
        copied = scene.folder / "copied"
        shutil.copytree(line.gate.state, copied)
        copy = Gate(copied, scene.folder / "run2", Book(), "copy")
        with contextlib.closing(copy):
            line.injected += 1
            epoch, copied_upto = copy.end_of_ledger()
            line.gate.start(rate=200)
            line.start_uplink()
            wait_for(
                lambda: line.is_delivered(epoch, copied_upto + 1), "a record of one card alone"
            )
            line.pause(0.0, 0.5)
            if rng.random() < 0.5:
                line.gate.kill_uplink()
                line.gate.stop()
            copy.start(rate=rng.choice((20, 200)))
            line.pause(0.0, 0.5)
            copy.start_uplink(line.gate_side.port)
            wait_for(
                lambda: copy.book.openings["forked"] > 0, "a fork", _FORKED_WITHIN_S, log=copy.log
            )
            line.pause(0.2, 0.6)
            # Two under one name take the connection from each other, until one is put away.
            line.gate.kill_uplink()
            line.gate.kill()
            copy.order("rate 0")
            copy.stop()
            wait_delivered(line, copy)
            copy.kill_uplink()
            line.finish()
            return judge([line.gate, copy], line.centre, line.injected)


def wait_delivered(line: Line, gate: Gate) -> None:
    epoch, newest = gate.end_of_ledger()
    with contextlib.suppress(AssertionError):  # the counts say what is missing
        wait_for(lambda: line.is_delivered(epoch, newest), "delivery", _FORKED_WITHIN_S)


FAULTS = (
    Fault(
        "cloned_card",
        "two copies of one card at work",
        run_cloned,
        may_quarantine=True,
        may_set_aside=True,
    ),
)
