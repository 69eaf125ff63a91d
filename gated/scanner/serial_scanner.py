"""The worker of one serial QR scanner: bytes in, sightings out, as the camera's worker does it.

    serial line ─► code lines ─► presentations ─► datagram to the controller

Texts stay in memory and go nowhere else: not to a log, not to a file.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from typing import Final, Protocol

from gated.clock import Clock
from gated.config.devices import SerialScannerSettings
from gated.errors import DeviceError
from gated.scanner.presentation import Presentations
from gated.scanner.reports import Reports, SightingSender, one_line
from gated.scanner.serial_lines import CodeLines
from gated.scanner.sighting import CameraState, ScannerHealth
from gated.serialport import SerialPort
from gated.units import MonoSeconds

log = logging.getLogger(__name__)

DECODER: Final = "serial"
READ_WAIT_S: Final = 0.25
PAUSE_WAIT_S: Final = 0.05
"""While a line is begun, a pause is looked for this often."""
FLOOD_WAIT_S: Final = 0.005
"""A flood is thrown away unread, this often: 200 looks a second cost next to nothing."""
FLOOD_LOST_AFTER_S: Final = 2.0
"""A scanner that floods for this long is of no use to anybody."""
FLOOD_SAID_EVERY_S: Final = 60.0
RETRY_FIRST_S: Final = 0.5
RETRY_MOST_S: Final = 5.0


class CodePort(Protocol):
    """``gated.serialport.SerialPort``, as far as it's needed here."""

    def read(self, timeout_s: float) -> bytes: ...

    def discard(self) -> None: ...

    def close(self) -> None: ...


class SerialScanner:
    """Reads one serial scanner until it's told to stop; opens it anew whenever it's lost.

    Args:
        settings: name, stable path and speed of the scanner.
        sender: the way to the controller; may be shared.
        clock: for intervals.
        hold_off_s: a code that comes again before this long without it is the same presentation;
            a scanner in continuous mode repeats what it sees.
        open_port: opens (path, baud). Raises: DeviceNotFound.
        new_id: makes a presentation's name.
    """

    def __init__(
        self,
        settings: SerialScannerSettings,
        sender: SightingSender,
        clock: Clock,
        *,
        hold_off_s: float,
        open_port: Callable[[str, int], CodePort] = SerialPort,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._settings = settings
        self._reports = Reports(sender, clock)
        self._clock = clock
        self._open_port = open_port
        self._lines = CodeLines()
        self._presentations = Presentations(hold_off_s, new_id)
        self._port: CodePort | None = None
        self._retry_at = clock.monotonic_s()
        self._retry_s = RETRY_FIRST_S
        self._fault = "not open yet"
        self._is_loss_told = False
        self._flood_told_at: MonoSeconds | None = None
        self._codes = 0
        self._last_code_at: MonoSeconds | None = None

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Scan until ``stop`` is set."""
        try:
            while not stop.is_set():
                beat()
                self.step(stop)
        finally:
            self._close()

    def step(self, stop: threading.Event) -> None:
        """Read at most once; send what there is to send."""
        try:
            for text in self._read(stop):
                self._see(text)
        except DeviceError as exc:
            self._lose(str(exc))
        self._reports.send_due(self._health(self._clock.monotonic_s()))

    # --- the line ----------------------------------------------------------------------------

    def _read(self, stop: threading.Event) -> list[str]:
        if self._port is None:
            if self._clock.monotonic_s() < self._retry_at:
                stop.wait(READ_WAIT_S)
                return []
            self._port = self._open_port(self._settings.device, self._settings.baud)
        data = self._port.read(PAUSE_WAIT_S if self._lines.is_waiting() else READ_WAIT_S)
        if self._is_loss_told:
            log.warning("scanner %s is back", self._settings.name)
        self._fault, self._is_loss_told, self._retry_s = "", False, RETRY_FIRST_S
        now = self._clock.monotonic_s()
        texts = self._lines.feed(data, now)
        if self._lines.flooded_since is not None and data:
            self._tell_flood(now)
            self._port.discard()
            stop.wait(FLOOD_WAIT_S)
        return texts

    def _lose(self, fault: str) -> None:
        """Close the line and try again later; say so once."""
        self._close()
        self._lines.reset()
        if not self._is_loss_told:
            name = self._settings.name
            log.error("scanner %s is lost, trying again until it is back: %s", name, fault)
        self._fault, self._is_loss_told = fault, True
        self._retry_at = MonoSeconds(self._clock.monotonic_s() + self._retry_s)
        self._retry_s = min(2 * self._retry_s, RETRY_MOST_S)

    def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _tell_flood(self, now: MonoSeconds) -> None:
        if self._flood_told_at is None or now - self._flood_told_at >= FLOOD_SAID_EVERY_S:
            log.warning(
                "scanner %s sends more than a scanner can read: dropped", self._settings.name
            )
        self._flood_told_at = now

    # --- the controller ----------------------------------------------------------------------

    def _see(self, text: str) -> None:
        now = self._clock.monotonic_s()
        self._codes += 1
        self._last_code_at = now
        seen = self._presentations.see([text], DECODER, now)
        if seen is not None:
            self._reports.tell(seen, now)

    def _health(self, now: MonoSeconds) -> ScannerHealth:
        flooded_since = self._lines.flooded_since
        reason = self._fault
        if flooded_since is not None and now - flooded_since > FLOOD_LOST_AFTER_S:
            reason = "sends without end: look at its settings"
        return ScannerHealth(
            frames=self._codes,
            last_frame_age_ms=(
                None
                if self._last_code_at is None
                else max(0, round((now - self._last_code_at) * 1_000))
            ),
            state=CameraState.NO_FRAMES if reason else CameraState.OK,
            reason=one_line(reason),
            unreadable=self._presentations.unreadable,
            device=self._settings.name,
        )
