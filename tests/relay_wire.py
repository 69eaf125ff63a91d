"""The far end of simulated output lines, and parents of a relay's guard that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gated.actuators.lcus import LcusLine
from gated.actuators.line import OutputLine
from gated.datagrams import Receiver
from gated.simulation.serial_devices import LcusBoard


@dataclass(frozen=True, slots=True)
class Level:
    line: str
    energised: bool
    pid: int  # of whoever drives the line


class Wire:
    """Everything that the owners of the lines at ``path`` have done to them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = f"socket:{path}"
        self._receiver = Receiver(path)

    def next(self, within_s: float = 10.0) -> Level | None:
        datagram = self._receiver.receive(within_s)
        return None if datagram is None else Level(**json.loads(datagram.payload))

    def rest(self) -> list[Level]:
        """Return every change since the last call, in order."""
        changes = []
        while (level := self.next(0.0)) is not None:
            changes.append(level)
        return changes

    def levels(self) -> list[bool]:
        """Return every level set since the last call, in order."""
        return [level.energised for level in self.rest()]

    def wait_for(self, *, energised: bool, within_s: float = 10.0) -> Level:
        """Return the first change to this level. Raises: AssertionError: it has not come."""
        deadline_s = time.monotonic() + within_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            level = self.next(left_s)
            if level is not None and level.energised is energised:
                return level
        raise AssertionError(f"not {energised} within {within_s} s")

    def close(self) -> None:
        self._receiver.close()


@contextmanager
def wire() -> Iterator[Wire]:
    # A socket's path is at most 107 bytes; pytest's own folders may be longer.
    with TemporaryDirectory(prefix="gated-") as folder:
        far_end = Wire(Path(folder) / "outputs.sock")
        try:
            yield far_end
        finally:
            far_end.close()


@dataclass
class LineAdapter:
    """How to take an output line, and how to see its level from outside."""

    take: Callable[[], OutputLine]
    level: Callable[[], bool]


@contextmanager
def lcus_board(channels: int = 1) -> Iterator[LcusBoard]:
    with TemporaryDirectory(prefix="gated-") as folder:
        board = LcusBoard(Path(folder) / "usb-relay:if00", channels)
        try:
            yield board
        finally:
            board.close()


def lcus_adapter() -> Iterator[LineAdapter]:
    """Yield relay 2 of a simulated board, for the contract of output lines."""
    with lcus_board(channels=4) as board:
        yield LineAdapter(
            lambda: LcusLine("relay", 2, str(board.path)), lambda: board.is_energised(2)
        )


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent is ``pid``."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def has_ended(pid: int, within_s: float = 5.0) -> bool:
    """Return whether a process that is nobody's child here has gone."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state[0] == "Z":
            return True
        os.sched_yield()
    return False


_PARENT = """
import subprocess, sys
guard = subprocess.Popen(
    [sys.argv[1], "-E", "-s", "-m", "gated.actuators.relay_guard", sys.argv[2]],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
)
assert guard.stdout.readline() == b"ready\\n"
guard.stdin.write(sys.argv[3].encode() + b"\\n")
guard.stdin.flush()
sys.stdin.read()
"""


def start_parent(spec: str, command: str) -> subprocess.Popen[bytes]:
    """Start a process that starts a guard as the controller does, and gives it one command."""
    return subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", _PARENT, sys.executable, spec, command],
        stdin=subprocess.PIPE,
    )
