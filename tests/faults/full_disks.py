"""A full disk: no space left, or a file that may not grow, at the gate or at the collector."""

from __future__ import annotations

import contextlib
import resource

from tests.faults.disks import SmallDisk, lacks_mounts
from tests.faults.fault import Fault
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally
from tests.gate_processes import wait_for

_MIB = 2**20
_GATE_DISK_BYTES = 40 * _MIB
_LIMITS = {"ballast_bytes": 4 * _MIB, "min_free_bytes": 20 * _MIB}
"""The shipped ballast, and the least that a configuration may leave free: from it the write-ahead
log is checkpointed, and the uplink has room for its file."""
_COLLECTOR_DISK_BYTES = 24 * _MIB
_FULL_WITHIN_S = 40.0
_REFUSALS = 20
_RATE = 2_000
_HOUSEKEEPING_SPEED = 30.0


def wait_refused(line: Line) -> None:
    """Wait until the gate refuses to record, and has done so a few times."""
    wanted = line.book.failed + _REFUSALS
    wait_for(lambda: line.book.failed >= wanted, "a full ledger", _FULL_WITHIN_S, log=line.log)


def wait_recording(line: Line) -> None:
    """Wait until the gate records again, by itself. An uplink that had no room is started again."""
    wanted = line.book.count() + 50

    def is_recording() -> bool:
        line.supervise_uplink()
        return line.book.count() >= wanted

    wait_for(is_recording, "50 events", log=line.log)


def wait_storing(line: Line) -> None:
    """Wait until the collector stores again, by itself. A hole may stay while the gate is busy."""
    epoch, _ = line.gate.end_of_ledger()
    before = line.stored_at_all(epoch)
    wait_for(lambda: line.stored_at_all(epoch) > before, "a stored record", log=line.log)


def run_gate_full(scene: Scene) -> Tally:
    """The gate's disk is full; somebody makes room, or the collector comes back."""
    with (
        contextlib.closing(SmallDisk(scene.folder, _GATE_DISK_BYTES)) as disk,
        contextlib.closing(Line(scene, any_broker(scene), state=disk.folder / "s")) as line,
    ):
        line.gate.start(
            rate=_RATE,
            speed=_HOUSEKEEPING_SPEED,
            keep_acked_s=scene.rng.choice((0, 86_400)),
            **_LIMITS,
        )
        line.centre.start()
        line.start_uplink()
        line.pause(0.1, 0.5)
        line.centre.kill()
        disk.fill(left_bytes=scene.rng.randrange(0, _MIB))
        wait_refused(line)
        line.injected += 1
        if scene.rng.random() < 0.5:
            line.gate.kill()
            line.gate.start(rate=_RATE, speed=_HOUSEKEEPING_SPEED, **_LIMITS)
        if scene.rng.random() < 0.5:
            line.gate.kill_uplink()  # it may find no room to open its file
            line.supervise_uplink()
        if scene.rng.random() < 0.5:
            disk.free()
            line.centre.start()
        else:
            line.centre.start()  # what it acknowledges may go, and that makes room
            line.pause(0.5, 1.5)
            disk.free()
        line.gate.order("rate 200")
        wait_recording(line)
        return line.finish()


def run_gate_may_not_grow(scene: Scene) -> Tally:
    with contextlib.closing(Line(scene, any_broker(scene))) as line:
        line.start(rate=_RATE)
        for _ in range(scene.times(2, 1)):
            line.gate.wait_stored(scene.rng.randrange(1, 100))
            limit = (line.gate.ledger_path.stat().st_size + scene.rng.randrange(80_000), -1)
            resource.prlimit(line.gate.writer_pid, resource.RLIMIT_FSIZE, limit)
            wait_refused(line)
            line.injected += 1
            resource.prlimit(line.gate.writer_pid, resource.RLIMIT_FSIZE, (-1, -1))
            wait_recording(line)
        return line.finish()


def run_collector_full(scene: Scene) -> Tally:
    with (
        contextlib.closing(SmallDisk(scene.folder, _COLLECTOR_DISK_BYTES)) as disk,
        contextlib.closing(Line(scene, any_broker(scene), centre=disk.folder / "c")) as line,
    ):
        line.start(rate=200)
        for _ in range(scene.times(2, 1)):
            line.pause(0.1, 0.5)
            logged = len(line.centre.log())
            disk.fill(left_bytes=scene.rng.randrange(0, 16) * 4_096)
            wait_for(
                lambda: "nothing is acknowledged" in line.centre.log()[logged:],  # noqa: B023 - used at once
                "a collector that cannot store",
                _FULL_WITHIN_S,
                log=line.log,
            )
            line.injected += 1
            line.pause(0.0, 0.5)
            if scene.rng.random() < 0.3:
                line.centre.kill()
            disk.free()
            line.pause(0.0, 0.5)
            if not line.centre.is_running():
                line.centre.start()
            wait_storing(line)
        return line.finish()


FAULTS = (
    Fault("disk_full", "no space left on the gate's disk", run_gate_full, lacks_mounts),
    Fault("file_limit", "the ledger's file may not grow", run_gate_may_not_grow),
    Fault(
        "collector_disk_full", "no space left for the collector", run_collector_full, lacks_mounts
    ),
)
