"""Trials of what reads codes: the camera and the serial scanners, by the scanner's own workers.

What a code says is shown on the terminal, shortened, and goes nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gated.clock import Clock
from gated.config.serial_scanner import SerialScannerSettings
from gated.errors import DeviceError, DeviceNotFound
from gated.messages import CodeSeen, CodeUnread
from gated.scanner.serial_scanner import CodePort, SerialScanner
from gated.scanner.sighting import CameraState, ScannerHealth, decode_sighting
from gated.serialport import SerialPort
from gated.texts import UNREAD_CAUSES
from gated.walk.course import Evidence, Text
from gated.walk.trial import Show, Trial

if TYPE_CHECKING:
    from gated.scanner.frames import Frame, FrameSource, Wish

SHOWN_CHARACTERS = 24
"""Enough to know one's own code again."""
HOLD_OFF_S = 1.0
"""Out of view this long, a code that is held up again is told again."""
LOST_AFTER_S = 10.0
"""A camera on a cold machine takes so long to its first frame."""
_BRIGHTEST, _PERCENT = 255.0, 100.0


def camera_trial(make_camera: Callable[[], FrameSource | None], clock: Clock) -> Trial:
    """Return what shows each code that is held up to the camera, and why one is not read."""
    return partial(_look, make_camera, clock)


def serial_trial(
    settings: SerialScannerSettings,
    clock: Clock,
    open_port: Callable[[str, int], CodePort] = SerialPort,
) -> Trial:
    """Return what shows each code that the serial scanner reads."""
    return partial(_listen, settings, clock, open_port)


class Spectator:
    """Stands where the controller does: hears what a scanner tells, and shows it."""

    def __init__(self, show: Show, clock: Clock) -> None:
        self._show = show
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._frames = 0
        self.codes = 0
        self.watched: Watched | None = None

    def send(self, payload: bytes) -> bool:
        sighting = decode_sighting(payload)
        if isinstance(sighting, CodeSeen):
            self.codes += 1
            self._show.line(self._of_code(sighting))
        elif isinstance(sighting, CodeUnread):
            zh, en = UNREAD_CAUSES[sighting.cause]
            self._show.line((f"  读不出：{zh}", f"  not read: {en}"))
        elif isinstance(sighting, ScannerHealth):
            self._take_health(sighting)
        return True

    def _of_code(self, code: CodeSeen) -> Text:
        if code.is_ambiguous:
            return "  画面里有两个不同的码", "  two different codes in view"
        since_s = self._clock.monotonic_s() - self._began_s
        zh, en = f"开始后 {since_s:.1f} 秒", f"{since_s:.1f} s after the beginning"
        if self.watched is not None:
            took_ms = (self._clock.monotonic_s() - self.watched.captured_mono_s) * 1_000
            zh += f"，拍到后 {took_ms:.0f} 毫秒"
            en += f", {took_ms:.0f} ms after its picture"
        says = shortened(code.text)
        zh, en = f"  读出 “{says}” ({zh}", f"  read “{says}” ({en}"
        return f"{zh}，{code.decoder})", f"{en}, {code.decoder})"

    def _take_health(self, health: ScannerHealth) -> None:
        """Show how the camera is doing. Raises: DeviceError: it is not there."""
        frames, self._frames = health.frames - self._frames, health.frames
        if health.state is not CameraState.OK:
            reason = health.reason or "no frames"
            if health.reason and self._clock.monotonic_s() - self._began_s > LOST_AFTER_S:
                raise DeviceError(reason, device=health.device)
            self._show.live((f"  还不能用：{reason}", f"  not ready: {reason}"))
        elif self.watched is not None:
            bright = f"{self.watched.brightness_percent:.0f} %"
            why = f"  {health.reason}" if health.reason else ""  # dark, most often
            self._show.live(
                (
                    f"  每秒 {frames} 帧，亮度 {bright}{why}",
                    f"  {frames} frames a second, brightness {bright}{why}",
                )
            )
        else:
            self._show.live(("  已连接", "  connected"))

    def evidence(self) -> Evidence:
        doubt = None if self.codes else ("没有读出任何码", "no code was read")
        return Evidence(doubt)


def shortened(text: str) -> str:
    """Return the beginning of a code's text, with nothing in it that moves a cursor."""
    shown = "".join(c if c.isprintable() else "�" for c in text[:SHOWN_CHARACTERS])
    return f"{shown}…" if len(text) > SHOWN_CHARACTERS else shown


class Watched:
    """A source of frames that remembers its newest one's time and brightness."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self.captured_mono_s = 0.0
        self.brightness_percent = 0.0

    @property
    def name(self) -> str:
        return self._source.name

    def open(self) -> None:
        self._source.open()

    def next_frame(self, timeout_s: float) -> Frame | None:
        frame = self._source.next_frame(timeout_s)
        if frame is not None:
            self.captured_mono_s = frame.captured_mono_s
            self.brightness_percent = float(frame.pixels.mean()) / _BRIGHTEST * _PERCENT
        return frame

    def attend(self, wish: Wish | None) -> None:
        self._source.attend(wish)

    def close(self) -> None:
        self._source.close()


def _look(
    make_camera: Callable[[], FrameSource | None], clock: Clock, show: Show, stop: threading.Event
) -> Evidence:
    from gated.scanner.cascade import Cascade
    from gated.scanner.decoders import load_decoders
    from gated.scanner.picture import require_opencv
    from gated.scanner.process import ScannerLoop

    require_opencv()
    decoders, missing = load_decoders()
    for reason in missing:
        show.line((f"  能读的码较少：{reason}", f"  fewer codes will be read: {reason}"))
    camera = make_camera()
    if camera is None:
        raise DeviceNotFound("no camera is configured (scanner.camera)", device="scanner")
    spectator = Spectator(show, clock)
    spectator.watched = Watched(camera)
    loop = ScannerLoop(
        spectator.watched, Cascade(decoders), spectator, clock, hold_off_s=HOLD_OFF_S
    )
    loop.run(stop, lambda: None)
    return spectator.evidence()


def _listen(
    settings: SerialScannerSettings,
    clock: Clock,
    open_port: Callable[[str, int], CodePort],
    show: Show,
    stop: threading.Event,
) -> Evidence:
    spectator = Spectator(show, clock)
    scanner = SerialScanner(settings, spectator, clock, hold_off_s=HOLD_OFF_S, open_port=open_port)
    scanner.run(stop, lambda: None)
    return spectator.evidence()
