"""The scanner's one worker: frames in, sightings out.

    source ─► motion gate ─► cascade ─► presentations ─► datagram to the controller
                                └► unread watch ─────────────┘

It's the only process that looks at what strangers hold up, and it can do nothing but send
datagrams. Texts stay in memory and go nowhere else: not to a log, not to a file.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from typing import Final

from gated.clock import Clock
from gated.errors import DeviceError
from gated.messages import CodeSeen, CodeUnread
from gated.scanner.cascade import Cascade, Decoded
from gated.scanner.frames import Frame, FrameSource
from gated.scanner.motion import Interest, MotionGate, StuckWatch, sample_frame
from gated.scanner.presentation import Presentations
from gated.scanner.reports import Reports, SightingSender, one_line
from gated.scanner.sighting import CameraState, ScannerHealth
from gated.scanner.unread import find_unread
from gated.scanner.unread_watch import UnreadWatch
from gated.units import MonoSeconds

log = logging.getLogger(__name__)

FRAME_WAIT_S: Final = 0.25
NO_FRAMES_AFTER_S: Final = 2.0
"""With one health message a second, the controller knows within 3 s."""
REOPEN_AFTER_S: Final = 5.0
"""A source that is open and says nothing for so long is closed and opened again."""
RETRY_FIRST_S: Final = 1.0
RETRY_MOST_S: Final = 10.0
SLOW_STEPS_EVERY_MISSES: Final = 3
"""Somebody moves and nothing is read: every third frame gets the whole cascade."""


class ScannerLoop:
    """Reads one source until it's told to stop.

    Args:
        source: the camera; opened, reopened and closed here.
        cascade: what decodes a frame.
        sender: the way to the controller.
        clock: for intervals.
        hold_off_s: out of view this long, a code counts as presented anew.
        new_id: makes a presentation's name.
    """

    def __init__(
        self,
        source: FrameSource,
        cascade: Cascade,
        sender: SightingSender,
        clock: Clock,
        *,
        hold_off_s: float,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._source = source
        self._cascade = cascade
        self._reports = Reports(sender, clock)
        self._clock = clock
        self._presentations = Presentations(hold_off_s, new_id)
        self._unread = UnreadWatch(hold_off_s)
        self._motion = MotionGate()
        self._stuck = StuckWatch()
        self._is_open = False
        self._waiting_since = clock.monotonic_s()  # for a frame
        self._retry_at = clock.monotonic_s()
        self._retry_s = RETRY_FIRST_S
        self._fault = ""
        self._is_stuck = False
        self._frames = 0
        self._unreadable = 0
        self._misses = 0
        self._last_frame_at: MonoSeconds | None = None
        self._started_at = clock.monotonic_s()

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Scan until ``stop`` is set."""
        try:
            while not stop.is_set():
                beat()
                self.step(stop)
        finally:
            self._source.close()

    def step(self, stop: threading.Event) -> None:
        """Take at most one frame; send what there is to send."""
        frame = self._take_frame(stop)
        if frame is not None:
            self._look_at(frame)
        self._reports.send_due(self._health(self._clock.monotonic_s()))

    # --- the source --------------------------------------------------------------------------

    def _take_frame(self, stop: threading.Event) -> Frame | None:
        now = self._clock.monotonic_s()
        try:
            if not self._is_open:
                if now < self._retry_at:
                    stop.wait(FRAME_WAIT_S)
                    return None
                self._source.open()
                self._is_open, self._waiting_since = True, now
            frame = self._source.next_frame(FRAME_WAIT_S)
        except DeviceError as exc:
            self._lose(str(exc))
            return None
        now = self._clock.monotonic_s()
        if frame is None:
            if now - self._waiting_since >= REOPEN_AFTER_S:
                self._lose(f"{self._source.name} delivers no frames")
            return None
        if self._fault:
            log.warning("the camera is back: %s", self._source.name)
        self._fault, self._retry_s = "", RETRY_FIRST_S
        self._frames += 1
        self._waiting_since = self._last_frame_at = now
        return frame

    def _lose(self, fault: str) -> None:
        """Close the source and try again later; say so once."""
        self._source.close()
        if not self._fault:
            log.error("the camera is lost, trying again until it is back: %s", fault)
        self._fault = fault
        self._is_open = False
        self._retry_at = MonoSeconds(self._clock.monotonic_s() + self._retry_s)
        self._retry_s = min(2 * self._retry_s, RETRY_MOST_S)

    # --- what it shows -----------------------------------------------------------------------

    def _look_at(self, frame: Frame) -> None:
        at = frame.captured_mono_s
        sample = sample_frame(frame.pixels)
        was_stuck, self._is_stuck = self._is_stuck, self._stuck.is_stuck(sample, at)
        if self._is_stuck:
            if not was_stuck:
                log.error("the camera repeats one frame: %s", self._source.name)
            return
        if was_stuck:
            log.warning("the camera delivers new frames again: %s", self._source.name)
        interest = self._motion.judge(sample, at)
        if interest is Interest.NONE:
            return
        is_lively = interest is Interest.LIVELY
        decoded = self._decode(frame, is_lively=is_lively)
        sighting: CodeSeen | CodeUnread | None
        sighting = self._presentations.see(decoded.texts, decoded.decoder or "", at)
        if decoded.texts or decoded.unreadable:
            self._unread.take_read(at)
        elif self._unread.is_due(at, is_calm=not is_lively):
            sighting = self._unread.look(find_unread(frame.pixels), at, is_calm=not is_lively)
        if sighting is not None:
            self._reports.tell(sighting, at)

    def _decode(self, frame: Frame, *, is_lively: bool) -> Decoded:
        takes_all_steps = is_lively and (self._misses + 1) % SLOW_STEPS_EVERY_MISSES == 0
        decoded = self._cascade.decode_frame(frame.pixels, with_slow_steps=takes_all_steps)
        self._misses = self._misses + 1 if is_lively and not decoded.texts else 0
        self._unreadable += decoded.unreadable
        return decoded

    # --- the controller ----------------------------------------------------------------------

    def _health(self, now: MonoSeconds) -> ScannerHealth:
        age_s = None if self._last_frame_at is None else now - self._last_frame_at
        state, reason = CameraState.OK, ""
        if now - (self._last_frame_at or self._started_at) > NO_FRAMES_AFTER_S:
            state, reason = CameraState.NO_FRAMES, self._fault
        elif self._is_stuck:
            state, reason = CameraState.SAME_FRAME, "the camera repeats one frame"
        return ScannerHealth(
            frames=self._frames,
            last_frame_age_ms=None if age_s is None else max(0, round(age_s * 1_000)),
            state=state,
            reason=one_line(reason),
            unreadable=self._unreadable + self._presentations.unreadable,
        )
