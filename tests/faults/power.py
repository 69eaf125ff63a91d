"""The power of the gate's device, or of the collector's machine, is cut without warning."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from tests.faults.clock import machine_ns
from tests.faults.disks import Ext4Disk, lacks_ext4
from tests.faults.fault import Fault
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally

_CUTS = 10
_HOUSEKEEPING_SPEED = 60.0
"""Checkpoints, collection and scrubbing come every few seconds or minutes: here, all the time."""
_MOST_EVENTS = 120


def cut_gate(line: Line, disk: Ext4Disk) -> None:
    """Cut the power of the gate: its disk stops first, then its processes."""
    at_ns = machine_ns()
    disk.cut()
    line.gate.kill()
    line.gate.kill_uplink()
    line.book.strike(at_ns)
    disk.power_up()
    line.injected += 1


def gate_power(**options: float) -> Callable[[Scene], Tally]:
    """Return a run in which the gate's power is cut again and again, at any moment."""

    def run(scene: Scene) -> Tally:
        with (
            contextlib.closing(Ext4Disk(scene.folder)) as disk,
            contextlib.closing(Line(scene, any_broker(scene), state=disk.folder / "s")) as line,
        ):
            line.centre.start()
            for _ in range(scene.times(_CUTS, 3)):
                line.gate.start(rate=scene.rng.choice((200, 600, 1_000)), **options)
                line.start_uplink()
                line.gate.wait_stored(scene.rng.randrange(1, _MOST_EVENTS))
                line.pause(0.0, 0.03)
                cut_gate(line, disk)
            line.gate.start(rate=200)
            line.pause(0.0, 0.3)
            return line.finish()

    return run


def run_collector_power(scene: Scene) -> Tally:
    with (
        contextlib.closing(Ext4Disk(scene.folder)) as disk,
        contextlib.closing(Line(scene, any_broker(scene), centre=disk.folder / "c")) as line,
    ):
        line.start(rate=200)
        for _ in range(scene.times(4, 2)):
            line.pause(0.1, 0.8)
            line.centre.freeze()  # an answer after the cut would reach a gate that still lives
            disk.cut()
            line.centre.kill()
            disk.power_up()
            line.injected += 1
            line.centre.start()
        return line.finish()


FAULTS = (
    Fault(
        "power_recording",
        "power cut of the gate while it records and delivers",
        gate_power(),
        lacks_ext4,
    ),
    Fault(
        "power_housekeeping",
        "the same while it checkpoints and deletes what is acknowledged",
        gate_power(speed=_HOUSEKEEPING_SPEED, keep_acked_s=0),
        lacks_ext4,
    ),
    Fault(
        "power_collector", "power cut of the collector's machine", run_collector_power, lacks_ext4
    ),
)
