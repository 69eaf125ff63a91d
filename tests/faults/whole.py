"""The whole gate: ``gated run`` with people at it, and kill -9 of any of its processes.

The other faults feed the real ledger faster than people walk. Here they walk: a few visits a run,
each of which must be granted, opened for and recorded, whatever was killed before it.
"""

from __future__ import annotations

import contextlib

from gated.contents import Kind
from gated.simulation.broker import HOST
from tests.faults.centre import Collector
from tests.faults.fault import Fault
from tests.faults.line import DELIVERED_WITHIN_S, Scene, any_broker
from tests.faults.verdict import Tally, centre_breaks, read_collector
from tests.gate_processes import wait_for
from tests.gate_rig import Event, StagedGate, staged_gate

_PROCESSES = ("controller", "scanner", "uplink", "relay_guard", "collector")


def kill_one(scene: Scene, gate: StagedGate, centre: Collector) -> None:
    """Kill one process and return once its successor works."""
    name = scene.rng.choice(_PROCESSES)
    if name == "collector":
        centre.kill()
        centre.start()
        return
    logged, before = len(gate.log()), gate.pid(name)
    gate.kill(name)
    if name == "controller":
        gate.wait_working(logged)
    else:
        wait_for(lambda: gate.pid(name) not in (None, before), f"another {name}", log=gate.log)
        gate.wait_scanning()
        wait_for(gate.is_relay_held, "a relay guard", log=gate.log)


def run_whole(scene: Scene) -> Tally:
    folder, seen, killed = scene.folder, list[Event](), 0
    with contextlib.ExitStack() as stack:
        broker = any_broker(scene)
        broker.start()
        stack.callback(broker.kill)
        url = f"mqtt://{HOST}:{broker.port}"
        centre = Collector(folder / "centre", folder, url)
        stack.callback(centre.kill)
        centre.start()
        gate = stack.enter_context(staged_gate(folder / "gate", broker=url))
        gate.start()
        for _ in range(scene.times(3, 1)):
            seen.append(gate.let_one_pass())
            gate.leave()
            kill_one(scene, gate, centre)
            killed += 1
        seen.append(gate.let_one_pass())
        with contextlib.suppress(AssertionError):  # the counts say what is missing
            wait_for(lambda: is_delivered(gate, centre), "delivery", DELIVERED_WITHIN_S)
        return tally_of(gate, centre, seen, killed)


def is_delivered(gate: StagedGate, centre: Collector) -> bool:
    rows, _, _ = read_collector(centre)
    return {place: row.body for place, row in rows.items()} == gate.bodies()


def tally_of(gate: StagedGate, centre: Collector, seen: list[Event], killed: int) -> Tally:
    rows, _, quarantined = read_collector(centre)
    recorded = gate.bodies()
    missing = {
        place for place, body in recorded.items() if (place not in rows) or rows[place].body != body
    }
    missing |= {(event.epoch, event.seq) for event in seen if (event.epoch, event.seq) not in rows}
    visits = [event.visit_id for event in gate.of_kind(Kind.VISIT)]
    breaks = centre_breaks(rows)
    try:
        gate.verify()
    except AssertionError:
        breaks += 1
    return Tally(
        acknowledged=len(recorded),
        lost=len(missing),
        doubled=len(visits) - len(set(visits)) + len(set(rows) - set(recorded)),
        breaks=breaks,
        aside=0,
        quarantined=quarantined,
        injected=killed,
    )


FAULTS = (Fault("whole_gate", "kill -9 within `gated run`, with people at the gate", run_whole),)
