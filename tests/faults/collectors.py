"""A collector whose database is put back to an older state."""

from __future__ import annotations

import contextlib

from tests.faults.fault import Fault
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally


def run_restored(scene: Scene) -> Tally:
    backup = scene.folder / "backup.db"
    with contextlib.closing(Line(scene, any_broker(scene))) as line:
        line.start(rate=scene.rng.choice((50, 200)))
        for _ in range(scene.times(2, 1)):
            line.pause(0.3, 1.0)
            line.centre.back_up(backup)
            line.pause(1.2, 2.5)  # acks go out once a second: the gate must have got one since
            line.centre.kill()
            line.centre.restore(backup)
            line.injected += 1
            line.centre.start()
            line.pause(0.1, 0.5)
        return line.finish()


FAULTS = (
    Fault("collector_restored", "the collector's database is put back from a backup", run_restored),
)
