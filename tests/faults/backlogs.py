"""More records waiting than a client library or a broker can hold: 65,535 and some."""

from __future__ import annotations

import contextlib

from tests.faults.fault import Fault
from tests.faults.kills import kill_any
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally

_BACKLOG = 65_600
"""MQTT has 65,535 packet ids, and paho keeps no more."""
_SHORT_BACKLOG = 3_000
_RECORDED_WITHIN_S = 300.0
_DRAINED_WITHIN_S = 300.0


def run_backlog(scene: Scene) -> Tally:
    with contextlib.closing(Line(scene, any_broker(scene))) as line:
        line.gate.start(rate=1_000, at_once=64)
        line.gate.wait_stored(scene.times(_BACKLOG, _SHORT_BACKLOG), _RECORDED_WITHIN_S)
        line.gate.order("rate 20")
        line.centre.start()
        line.start_uplink()
        line.injected += 1
        line.pause(0.5, 3.0)
        kill_any(line)
        line.injected += 1
        return line.finish(_DRAINED_WITHIN_S)


FAULTS = (Fault("backlog", "65,600 records wait; a kill while they drain", run_backlog),)
