"""The worker of one serial QR scanner: bytes in, sightings out, as the camera's worker does it.

    serial line ─► codes ─► presentations ─► datagram to the controller
         └───◄─── commands, if it wants any

Texts stay in memory and go nowhere else: not to a log, not to a file.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable
from typing import Final, Protocol

from gated.clock import Clock
from gated.config.serial_scanner import SerialProtocol, SerialScannerSettings, Trigger
from gated.errors import DeviceError
from gated.scanner.presentation import Presentations
from gated.scanner.reports import Reports, SightingSender, one_line
from gated.scanner.serial_codes import Framing, SerialCodes
from gated.scanner.serial_control import Control, HandsOff, TriggerCommand
from gated.scanner.serial_gm65 import Gm65
from gated.scanner.serial_lengths import Lengths
from gated.scanner.serial_lines import Lines
from gated.scanner.sighting import CameraState, ScannerHealth
from gated.serialport import SerialPort
from gated.units import MonoSeconds

log = logging.getLogger(__name__)

DECODER: Final = "serial"
READ_WAIT_S: Final = 0.25
PAUSE_WAIT_S: Final = 0.05
"""While a code is begun, a pause is looked for this often."""
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

    def write(self, data: bytes) -> None: ...

    def discard(self) -> None: ...

    def close(self) -> None: ...


class SerialScanner:
    """Reads one serial scanner until it's told to stop; opens it anew whenever it's lost.

    Args:
        settings: of this scanner.
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
        self._control, framing = _talk_of(settings)
        self._stream = SerialCodes(framing)
        self._presentations = Presentations(hold_off_s, new_id)
        self._port: CodePort | None = None
        self._retry_at = clock.monotonic_s()
        self._retry_s = RETRY_FIRST_S
        self._fault = "not ready yet"
        self._is_loss_told = False
        self._flood_told_at: MonoSeconds | None = None
        self._codes = 0
        self._last_code_at: MonoSeconds | None = None

    @property
    def trouble(self) -> str:
        """Why no code can be read now; "" if one can. From any thread."""
        return self._health(self._clock.monotonic_s()).trouble

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
            self._control.start(self._clock.monotonic_s())
        self._command(self._port)
        data = self._port.read(PAUSE_WAIT_S if self._stream.is_waiting() else READ_WAIT_S)
        now = self._clock.monotonic_s()
        texts = self._stream.feed(data, now)
        if texts:
            self._control.saw_code(now)
        if self._control.is_ready:
            self._tell_back()
        if self._stream.flooded_since is not None and data:
            self._tell_flood(now)
            self._port.discard()
            stop.wait(FLOOD_WAIT_S)
        return texts

    def _command(self, port: CodePort) -> None:
        """Send what is due; in a flood no answer could be heard."""
        if self._stream.flooded_since is None:
            command = self._control.due(self._clock.monotonic_s())
            if command:
                port.write(command)

    def _tell_back(self) -> None:
        if self._is_loss_told:
            log.warning("scanner %s is back", self._settings.name)
        self._fault, self._is_loss_told, self._retry_s = "", False, RETRY_FIRST_S

    def _lose(self, fault: str) -> None:
        """Close the line and try again later; say so once."""
        self._close()
        self._stream.reset()
        if not self._is_loss_told:
            name = self._settings.name
            log.error("scanner %s is lost, trying again until it is back: %s", name, fault)
        self._fault, self._is_loss_told = fault, True
        self._retry_at = MonoSeconds(self._clock.monotonic_s() + self._retry_s)
        self._retry_s = min(2 * self._retry_s, RETRY_MOST_S)

    def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(DeviceError):  # one that is lost hears no farewell
                if self._control.farewell:
                    port.write(self._control.farewell)
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
        flooded_since = self._stream.flooded_since
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


def _talk_of(settings: SerialScannerSettings) -> tuple[Control, Framing]:
    """Return what is sent to the scanner, and how it marks its codes."""
    if settings.protocol is SerialProtocol.GM65:
        gm65 = Gm65(settings.trigger, settings.retrigger_s, settings.device)
        return gm65, Lengths(gm65.hear)
    framing = Lines() if settings.protocol is SerialProtocol.LINE else Lengths()
    if settings.trigger is not Trigger.COMMAND:
        return HandsOff(), framing
    on, off = (bytes.fromhex(text or "") for text in (settings.trigger_on, settings.trigger_off))
    return TriggerCommand(on, off, settings.retrigger_s), framing
