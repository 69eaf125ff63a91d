"""kill -9 of the gate's and the collector's processes, at any moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from tests.faults.fault import Fault
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally


def kill_ledger(line: Line) -> None:
    line.gate.kill()
    line.gate.start(rate=line.rng.choice((50, 200, 600)))


def kill_uplink(line: Line) -> None:
    line.gate.kill_uplink()
    line.pause(0.0, 0.3)
    line.start_uplink()


def kill_collector(line: Line) -> None:
    line.centre.kill()
    line.pause(0.0, 0.3)
    line.centre.start()


def kill_any(line: Line) -> None:
    line.rng.choice((kill_ledger, kill_uplink, kill_collector))(line)


def killing(kill: Callable[[Line], None]) -> Callable[[Scene], Tally]:
    """Return a run that does ``kill`` a few times while the line works."""

    def run(scene: Scene) -> Tally:
        with contextlib.closing(Line(scene, any_broker(scene))) as line:
            line.start(rate=scene.rng.choice((50, 200, 600)))
            for _ in range(scene.times(4, 2)):
                line.pause(0.05, 0.6)
                kill(line)
                line.injected += 1
            line.pause(0.0, 0.3)
            return line.finish()

    return run


FAULTS = (
    Fault("kill_ledger", "kill -9 of the process that records", killing(kill_ledger)),
    Fault("kill_uplink", "kill -9 of the process that delivers", killing(kill_uplink)),
    Fault("kill_collector", "kill -9 of the collector", killing(kill_collector)),
    Fault("kill_any", "kill -9 of one of the three, again and again", killing(kill_any)),
)
