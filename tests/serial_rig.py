"""A serial scanner's worker before a device, and where its sightings go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from gated.clock import Clock, FakeClock, SystemClock
from gated.config.serial_scanner import SerialScannerSettings
from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.serial_scanner import CodePort, SerialScanner
from gated.scanner.sighting import CameraState
from gated.serialport import SerialPort
from tests.scanner_outbox import Outbox

MOST_S = 10.0
"""Far above what anything takes: the machine may be busy."""


@dataclass
class SerialRig:
    """A worker, stepped by the test."""

    scanner: SerialScanner
    outbox: Outbox
    stop: threading.Event

    def step(self, number: int = 1) -> None:
        for _ in range(number):
            self.scanner.step(self.stop)

    def step_until(self, is_done: Callable[[], bool], clock: Clock | None = None) -> None:
        """Step until ``is_done``. Raises: AssertionError: it doesn't come."""
        clock = clock or SystemClock()
        deadline_s = clock.monotonic_s() + MOST_S
        while not is_done():
            assert clock.monotonic_s() < deadline_s, self.outbox.sent
            self.step()

    def step_until_well(self) -> None:
        """Step until the scanner is said to be well: it is open, and set up if it wants that."""
        self.step_until(
            lambda: bool(self.outbox.healths) and self.outbox.healths[-1].state is CameraState.OK
        )

    def next_codes(self, number: int) -> list[str]:
        """Return all codes of the outbox, once there are so many."""
        self.step_until(lambda: len(self.outbox.texts) >= number)
        return self.outbox.texts

    def close(self) -> None:
        self.stop.set()
        self.scanner.run(self.stop, lambda: None)


def rig_for(
    device: Path | str,
    clock: Clock | None = None,
    open_port: Callable[[str, int], CodePort] = SerialPort,
    **keys: Any,  # noqa: ANN401 - as the configuration's keys are
) -> SerialRig:
    """Return a worker for ``device``; ``keys`` are other keys of its configuration."""
    outbox, numbers = Outbox(), count(1)
    # Built without validation: a test's device lies in a folder of the test.
    settings = SerialScannerSettings.model_construct(
        name="paper", device=str(device), baud=9_600, **keys
    )
    scanner = SerialScanner(
        settings,
        outbox,
        clock or SystemClock(),
        hold_off_s=1.5,
        open_port=open_port,
        new_id=lambda: f"p{next(numbers)}",
    )
    return SerialRig(scanner, outbox, threading.Event())


class ScriptedPort:
    """Delivers bytes or a loss; a read in vain takes the time it was given."""

    def __init__(self, clock: FakeClock, script: list[bytes | DeviceLost]) -> None:
        self._clock = clock
        self.script = script
        self.discarded = 0
        self.written: list[bytes] = []
        self.is_closed = False

    def read(self, timeout_s: float) -> bytes:
        assert not self.is_closed, "read after close"
        entry = self.script.pop(0) if self.script else b""
        if isinstance(entry, DeviceLost):
            raise entry
        if not entry:
            self._clock.advance(timeout_s)
        return entry

    def write(self, data: bytes) -> None:
        assert not self.is_closed, "write after close"
        self.written.append(data)

    def discard(self) -> None:
        assert not self.is_closed, "discard after close"
        self.discarded += 1

    def close(self) -> None:
        self.is_closed = True


class Socket:
    """Where the scanner is plugged in: holds the ports that will be opened, one after the other."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.ports: list[ScriptedPort] = []
        self.opened_at: list[float] = []
        self.asked: list[tuple[str, int]] = []

    def plug(self, *script: bytes | DeviceLost) -> ScriptedPort:
        port = ScriptedPort(self.clock, list(script))
        self.ports.append(port)
        return port

    def open(self, device: str, baud: int) -> ScriptedPort:
        self.opened_at.append(self.clock.elapsed_s)
        self.asked.append((device, baud))
        if not self.ports:
            raise DeviceNotFound(f"no device {device}:\nplug it in", device=device)
        return self.ports.pop(0)
