"""The scanner's one worker: frames in, sightings out.

    source ─► motion gate ─► stream ─► presentations ─► colour ─► datagram to the controller
       ▲                        └► unread watch ─────────────────────┘
       └─ attention ───────────────────┘

It's the only process that looks at what strangers hold up, and it can do nothing but send
datagrams. Texts stay in memory and go nowhere else: not to a log, not to a file.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from gated.clock import Clock
from gated.errors import DeviceError, GatedError
from gated.messages import CodeSeen, CodeUnread
from gated.scanner.attention import Attention
from gated.scanner.cascade import Cascade, Decoded, Look
from gated.scanner.colour import read_colour
from gated.scanner.darkness import DarkWatch
from gated.scanner.decoders import ZBAR
from gated.scanner.frames import Frame, FrameSource
from gated.scanner.motion import REPEATED, Interest, MotionGate, Sample, StuckWatch, sample_frame
from gated.scanner.picture import MAX_PIXELS, Pixels
from gated.scanner.presentation import Presentations
from gated.scanner.reports import Reports, SightingSender, one_line
from gated.scanner.sighting import CameraState, ScannerHealth
from gated.scanner.stream import Stream
from gated.scanner.unread import Unread, find_unread
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
DARK: Final = "the camera sees nothing: its lens is covered, or there is no light"
DIED: Final = "the scanner died and was started again"
_COLOUR_AXES: Final = 3
SHORTEST_CERTAIN: Final = 8
"""Characters. Phantoms are short: the one false reading in 32,100 said "25". No pass is."""


class ScannerLoop:
    """Reads one source until it's told to stop.

    Args:
        source: the camera; opened, reopened and closed here.
        cascade: what decodes a frame.
        sender: the way to the controller.
        clock: for intervals.
        hold_off_s: out of view this long, a code counts as presented anew.
        sees_colour: the colour of a code is told.
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
        sees_colour: bool = True,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._source = source
        self._stream = Stream(cascade)
        self._attention = Attention()
        self._sees_colour = sees_colour
        self._reports = Reports(sender, clock)
        self._clock = clock
        self._presentations = Presentations(hold_off_s, new_id)
        self._unread = UnreadWatch(hold_off_s)
        self._motion = MotionGate()
        self._stuck = StuckWatch()
        self._dark = DarkWatch()
        self._is_open = False
        self._waiting_since = clock.monotonic_s()  # for a frame
        self._retry_at = clock.monotonic_s()
        self._retry_s = RETRY_FIRST_S
        self._fault = ""
        self._is_stuck = False
        self._is_calm = True
        self._is_dark = False
        self._unusable = ""
        self._before = ""
        self._frames = 0
        self._unreadable = 0
        self._last_frame_at: MonoSeconds | None = None
        self._started_at = clock.monotonic_s()

    @property
    def trouble(self) -> str:
        """Why no code can be read now; "" if one can. From any thread."""
        return self._health(self._clock.monotonic_s()).trouble

    def tell_death(self) -> None:
        """Tell, now and until a frame comes, that the gate's last scanner process died."""
        self._before = DIED
        self._reports.send_due(self._health(self._clock.monotonic_s()))

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Scan until ``stop`` is set.

        Raises: CameraHung, or what ``beat`` raises: this process must end; the controller is told.
        """
        try:
            while not stop.is_set():
                beat()
                self.step(stop)
        except GatedError as exc:
            self._tell_end(str(exc))
            raise
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
        if frame is not None and not self._is_usable(frame.pixels):
            frame = None
        if frame is None:
            if now - self._waiting_since >= REOPEN_AFTER_S:
                self._lose(f"{self._source.name} delivers no frames")
            return None
        if self._fault:
            log.warning("the camera is back: %s", self._source.name)
        self._fault, self._unusable, self._retry_s = "", "", RETRY_FIRST_S
        self._frames += 1
        self._waiting_since = self._last_frame_at = now
        return frame

    def _is_usable(self, pixels: Pixels) -> bool:
        """Return whether ``pixels`` are a picture, and none without end; say so once if not."""
        is_picture = pixels.dtype == np.uint8 and (
            pixels.ndim == _COLOUR_AXES - 1
            or (pixels.ndim == _COLOUR_AXES and pixels.shape[-1] == _COLOUR_AXES)
        )
        if is_picture and 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS:
            return True
        unusable = f"no frame can be used: {' x '.join(map(str, pixels.shape))} {pixels.dtype}"
        if not self._unusable:
            log.warning("%s: %s", self._source.name, unusable)
        self._unusable = unusable
        return False

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
                log.error("%s: %s", REPEATED, self._source.name)
            return
        if was_stuck:
            log.warning("the camera delivers new frames again: %s", self._source.name)
        self._watch_light(sample, at)
        interest = self._motion.judge(sample, at)
        if interest is Interest.NONE:
            self._is_calm = True
            self._presentations.stay(at)
            return
        was_calm, is_calm = self._is_calm, interest is not Interest.LIVELY
        self._is_calm = is_calm
        if was_calm and not is_calm:
            self._stream.begin()
        decoded, look = self._stream.decode(frame.pixels, at)
        self._unreadable += decoded.unreadable
        sighting: CodeSeen | CodeUnread | None
        sighting = self._presentations.see(
            decoded.texts, decoded.decoder or "", at, is_certain=_is_certain(decoded)
        )
        if decoded.texts or decoded.unreadable:
            self._unread.take_read(at)
            self._ask([], look)
        elif look.is_thorough and self._unread.is_due(at, is_calm=is_calm):
            found = find_unread(look.views.search)
            sighting = self._unread.look(found, at, is_calm=is_calm)
            self._ask([] if is_calm else found, look)
        if isinstance(sighting, CodeSeen) and self._sees_colour and not sighting.is_ambiguous:
            colour = read_colour(frame.pixels, decoded.codes[0].corners).colour
            sighting = replace(sighting, colour=colour)
        if sighting is not None:
            self._reports.tell(sighting, at)

    def _watch_light(self, sample: Sample, at: MonoSeconds) -> None:
        """Say once that the camera sees nothing, and once that it does again."""
        was_dark, self._is_dark = self._is_dark, self._dark.is_dark(sample, at)
        if self._is_dark and not was_dark:
            log.warning("%s: %s", self._source.name, DARK)
        elif was_dark and not self._is_dark:
            log.warning("%s: the camera sees something again", self._source.name)

    def _ask(self, found: Sequence[Unread], look: Look) -> None:
        """Ask the camera for what would help to read ``found``."""
        before = self._attention.wish
        height, width = look.views.darkest.shape
        self._attention.look(found, width, height)
        if self._attention.wish != before:
            self._source.attend(self._attention.wish)

    # --- the controller ----------------------------------------------------------------------

    def _tell_end(self, reason: str) -> None:
        """Tell why no further sign of life will come."""
        last = self._health(self._clock.monotonic_s())
        last = replace(last, state=CameraState.NO_FRAMES, reason=one_line(reason))
        self._reports.send_due(last)

    def _health(self, now: MonoSeconds) -> ScannerHealth:
        age_s = None if self._last_frame_at is None else now - self._last_frame_at
        state, reason = CameraState.OK, ""
        if now - (self._last_frame_at or self._started_at) > NO_FRAMES_AFTER_S:
            state, reason = CameraState.NO_FRAMES, self._fault or self._unusable
        elif self._last_frame_at is None and self._before:
            state, reason = CameraState.NO_FRAMES, self._before
        elif self._is_stuck:
            state, reason = CameraState.SAME_FRAME, REPEATED
        elif self._is_dark:
            reason = DARK  # at night that's in order
        return ScannerHealth(
            frames=self._frames,
            last_frame_age_ms=None if age_s is None else max(0, round(age_s * 1_000)),
            state=state,
            reason=one_line(reason),
            unreadable=self._unreadable + self._presentations.unreadable,
        )


def _is_certain(decoded: Decoded) -> bool:
    """Return whether one reading is enough: the second family alone must read it twice."""
    is_short = any(len(text) < SHORTEST_CERTAIN for text in decoded.texts)
    return decoded.decoder != ZBAR and not is_short
