"""Whether a controller holds the devices, and keeping controllers off them meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gated.clock import Clock
from gated.config import PathSettings
from gated.errors import ExitCode, GatedError, StorageError
from gated.facts.running import ControllerStatus, read_running
from gated.ledger.files import WriterLock


class Busy(GatedError):
    """A controller holds the devices, or nobody can tell. Printed; says what to do."""

    exit_code = ExitCode.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Gate:
    """The controller of a configuration, running."""

    pid: int
    chips: dict[str, str] = field(default_factory=dict)  # by thermometer, as far as they are open


def running_gate(paths: PathSettings, clock: Clock) -> Gate | None:
    """Return the controller that runs here, None if none does. Raises: Busy: nobody can tell."""
    try:
        status = read_running(paths.run, clock)
        if not isinstance(status, ControllerStatus) or not Path(f"/proc/{status.pid}").exists():
            return None  # killed a moment ago, perhaps; ``alone`` knows better
        return Gate(status.pid, status.chips)
    except StorageError as exc:
        raise Busy(f"{exc}; use sudo: a gate that may be running is not disturbed") from exc


@contextmanager
def alone(paths: PathSettings, clock: Clock) -> Iterator[None]:
    """Keep controllers off the devices: two readers on one bus disturb the measurement.

    Held by the ledger's lock, which the kernel takes from a dead process, so that one which hangs
    counts as running and one which was killed does not.

    Raises: Busy: a controller runs.
    """
    gate = running_gate(paths, clock)
    if gate is not None:
        raise Busy(f"the gate runs (process {gate.pid}) and holds these devices; {STOP}")
    ledger = paths.state / "ledger.db"
    if not ledger.with_name(f"{ledger.name}.lock").exists():  # never any controller here
        yield
        return
    try:
        lock = WriterLock(ledger, "gated controller")
    except StorageError as exc:
        raise Busy(f"{exc}, or use sudo; {STOP}") from exc
    try:
        yield
    finally:
        lock.release()


STOP = (
    "stop it, the gate is shut meanwhile: sudo systemctl stop gated.target; afterwards start it "
    "again: sudo systemctl start gated.target (先停止闸机，期间不放行；之后再启动)"
)
