"""A serial scanner's worker before a device, and where its sightings go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from gated.clock import Clock, SystemClock
from gated.config.devices import SerialScannerSettings
from gated.scanner.serial_scanner import CodePort, SerialScanner
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
) -> SerialRig:
    outbox, numbers = Outbox(), count(1)
    # Built without validation: a test's device lies in a folder of the test.
    settings = SerialScannerSettings.model_construct(name="paper", device=str(device), baud=9_600)
    scanner = SerialScanner(
        settings,
        outbox,
        clock or SystemClock(),
        hold_off_s=1.5,
        open_port=open_port,
        new_id=lambda: f"p{next(numbers)}",
    )
    return SerialRig(scanner, outbox, threading.Event())
