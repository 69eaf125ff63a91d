"""The stage: what a scenario and the simulated devices of the gate's processes share.

One folder holds it all: the heat before each sensor and the camera's picture as memory-mapped
files, the gate's outputs and inputs as datagram sockets. The scenario writes, the devices read; the
processes themselves are the real ones.
"""

from __future__ import annotations

import json
import math
import mmap
import select
import struct
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gated.actuators.inputs import levels_file
from gated.datagrams import Datagram, Receiver, Sender
from gated.errors import DeviceNotFound
from gated.messages import ShowPrompt
from gated.simulation.bus import NotAcknowledged
from gated.simulation.owners import Owners
from gated.vocabulary import Mode, Prompt

HEAT_FILE = "stage.heat"
FRAME_FILE = "stage.frame"
OUTPUTS_SOCKET = "stage.sock"
INPUTS_SOCKET = "inputs.sock"
AMBIENT = "ambient"
PLATE = "reference"

UNPLUGGED_C = math.nan
"""In place of a temperature: the sensor's plug has been pulled."""

HISTORY = 256
"""Entries of heat kept: ten seconds at 25 a second, more than any sensor's lag."""
_COUNT = struct.Struct("<q")
_DOUBLE_BYTES = 8


def distance_column(thermometer: str) -> str:
    """Return the column of the distance sensor beside ``thermometer``, in m."""
    return f"distance {thermometer}"


class HeatLog:
    """What is before each sensor over the last seconds, in a memory-mapped file.

    One writer, any number of readers. An entry is written before it is counted, so that a reader
    never sees half of one; the oldest are overwritten.

    Args:
        path: made by the writer (``create=True``), opened by readers.
        names: sensors, in the order of the columns.
    """

    def __init__(self, path: Path, names: tuple[str, ...], *, create: bool = False) -> None:
        self._names = names
        self._entry = struct.Struct(f"<{1 + len(names)}d")
        size = _COUNT.size + HISTORY * self._entry.size
        if create:
            path.write_bytes(bytes(size))
        try:
            with path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), size)
        except (OSError, ValueError) as exc:
            raise DeviceNotFound(f"no stage at {path}: is the scenario running?") from exc

    def write(self, at_s: float, temperatures_c: Mapping[str, float]) -> None:
        """Add one entry. ``temperatures_c`` names every sensor."""
        count = _COUNT.unpack_from(self._map)[0]
        values = (temperatures_c[name] for name in self._names)
        offset = _COUNT.size + count % HISTORY * self._entry.size
        self._entry.pack_into(self._map, offset, at_s, *values)
        # Not by pack_into, which clears the place first: a reader would now and then see 0.
        self._map[: _COUNT.size] = _COUNT.pack(count + 1)

    def read(self, name: str, at_s: float) -> float:
        """Return what ``name`` saw at ``at_s``. Raises: NotAcknowledged: it says UNPLUGGED_C."""
        return self.entry(at_s, unplugged_by=name)[name]

    def entry(self, at_s: float, *, unplugged_by: str) -> dict[str, float]:
        """Return what each sensor saw at ``at_s``: the newest entry not after it, else the oldest.

        Raises: NotAcknowledged: that of ``unplugged_by`` says UNPLUGGED_C.
        """
        count: int = _COUNT.unpack_from(self._map)[0]
        if count == 0:
            raise DeviceNotFound("the stage has no heat yet: is the scenario running?")
        oldest = max(0, count - HISTORY + 1)  # the very oldest may be being overwritten
        entry: tuple[float, ...] = ()
        for index in range(count - 1, oldest - 1, -1):
            offset = _COUNT.size + index % HISTORY * self._entry.size
            entry = self._entry.unpack_from(self._map, offset)
            if entry[0] <= at_s:
                break
        seen = dict(zip(self._names, entry[1:], strict=True))
        if math.isnan(seen[unplugged_by]):
            raise NotAcknowledged
        return seen

    def close(self) -> None:
        self._map.close()


@dataclass(frozen=True, slots=True)
class LineChanged:
    """An output of the gate changed its level."""

    line: str
    is_energised: bool
    pid: int = -1  # who drove it


@dataclass(frozen=True, slots=True)
class PromptShown:
    prompt: Prompt
    visit_id: str | None
    is_spoken: bool
    mode: Mode = Mode.NORMAL


class StageOutputs:
    """The scenario's end of the gate's outputs: what it does, and what its death does.

    ``users`` may drive them: by default root and the scenario's own.
    """

    def __init__(self, stage: Path, users: frozenset[int] | None = None) -> None:
        self._receiver = Receiver(stage / OUTPUTS_SOCKET, allowed_uids=users)
        self._owners = Owners()
        self._fallen: deque[LineChanged] = deque()

    def read(self, timeout_s: float) -> LineChanged | PromptShown | None:
        """Return the next change, or None after ``timeout_s``."""
        until_s = time.monotonic() + timeout_s
        while True:
            # What an owner has told comes before its death.
            datagram = self._receiver.receive()
            if datagram is not None:
                return self._take(datagram)
            self._fallen += (LineChanged(line, False) for line in self._owners.fallen())
            if self._fallen:
                return self._fallen.popleft()
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return None
            watched = [self._receiver.fileno(), *self._owners.filenos()]
            select.select(watched, [], [], left_s)

    def _take(self, datagram: Datagram) -> LineChanged | PromptShown:
        raw = json.loads(datagram.payload)
        if "line" in raw:
            change = LineChanged(raw["line"], raw["energised"], datagram.pid)
            try:
                self._owners.take(change.line, datagram.pid, energised=change.is_energised)
            except ProcessLookupError:  # it died while its words were on the way
                self._fallen.append(LineChanged(change.line, False))
            return change
        return PromptShown(
            Prompt(raw["prompt"]), raw["visit_id"], raw["is_spoken"], Mode(raw["mode"])
        )

    def close(self) -> None:
        self._owners.close()
        self._receiver.close()


class StageAnnouncer:
    """The gate's voice, as the scenario hears it."""

    def __init__(self, stage: Path) -> None:
        self._sender = Sender(stage / OUTPUTS_SOCKET)

    def announce(self, prompt: ShowPrompt) -> None:
        shown = {
            "prompt": prompt.prompt.value,
            "visit_id": prompt.visit_id,
            "is_spoken": prompt.is_spoken,
            "mode": prompt.mode.value,
        }
        self._sender.send(json.dumps(shown).encode())

    def close(self) -> None:
        self._sender.close()


class StageInputs:
    """The scenario's hand on the gate's contacts and buttons."""

    def __init__(self, stage: Path) -> None:
        self._sender = Sender(stage / INPUTS_SOCKET)
        self._levels_file = levels_file(stage / INPUTS_SOCKET)
        self._levels_file.unlink(missing_ok=True)  # an earlier scenario's
        self._levels: dict[str, bool] = {}

    def press(self, name: str) -> bool:
        """Press or interrupt the input ``name``; return whether the gate felt it."""
        return self._sender.send(json.dumps({"input": name}).encode())

    def set_level(self, name: str, *, on: bool) -> bool:
        """Make or break the contact ``name``; return whether the gate felt it.

        It stays so, also for a gate that is started later.
        """
        self._levels[name] = on
        new = self._levels_file.with_suffix(".new")
        new.write_text(json.dumps(self._levels), encoding="ascii")
        new.replace(self._levels_file)
        return self._sender.send(json.dumps({"input": name, "on": on}).encode())

    def close(self) -> None:
        self._sender.close()
