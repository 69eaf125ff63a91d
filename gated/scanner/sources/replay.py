"""A recorded session, played with its own timing: what ``gated scan --record`` wrote.

Each frame comes no sooner after the first than it did when it was recorded, and carries that time.
One that is asked for late comes at once, so nothing is left out. A file that is missing, damaged or
too large is skipped.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceLost
from gated.scanner.frames import Frame, Wish
from gated.scanner.picture import Pixels, Unreadable, read_picture, require_opencv, to_grey
from gated.scanner.recording import FrameLine, Session, read_session
from gated.units import MonoSeconds

log = logging.getLogger(__name__)


class ReplaySource:
    """Plays a session once; after its end every wait is in vain.

    Opened again before its end, as a camera is after it was silent, it goes on from where it was;
    after its end, it begins anew.

    Args:
        folder: of the session.
        clock: that the session's time runs on.
        pause: what a frame is waited for with. One that moves a clock of its own plays as fast as
            it's asked.
    """

    def __init__(self, folder: Path, clock: Clock, pause: threading.Event | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._pause = pause or threading.Event()
        self._session: Session | None = None
        self._next = 0
        self._began_at = clock.monotonic_s()
        self._is_open = False
        self._sequence = 0
        self.position_s = 0.0  # the recorded time of the last frame delivered

    @property
    def name(self) -> str:
        return str(self._folder)

    @property
    def is_over(self) -> bool:
        return self._session is not None and self._next >= len(self._session.frames)

    def open(self) -> None:
        require_opencv()
        if self._session is None or self.is_over:
            self._session = read_session(self._folder)
            self._next = 0
            self._began_at = self._clock.monotonic_s()
        self._pause.clear()
        self._is_open = True

    def next_frame(self, timeout_s: float) -> Frame | None:
        if not self._is_open or self._session is None:
            raise DeviceLost(f"{self._folder} is not open", device=self.name)
        deadline_s = self._clock.monotonic_s() + timeout_s
        while not self.is_over:
            line = self._session.frames[self._next]
            due_at = self._began_at + line.at_s
            now = self._clock.monotonic_s()
            if due_at > now:
                self._pause.wait(min(due_at, deadline_s) - now)
                if due_at > deadline_s:
                    return None
            self._next += 1
            pixels = self._read(line, is_grey=self._session.head.grey)
            if pixels is not None:
                self._sequence += 1
                self.position_s = line.at_s
                return Frame(pixels, self._sequence, MonoSeconds(due_at))
            if self._clock.monotonic_s() >= deadline_s:
                return None
        self._pause.wait(max(0.0, deadline_s - self._clock.monotonic_s()))
        return None

    def attend(self, wish: Wish | None) -> None:
        """There is nothing to move."""

    def close(self) -> None:
        self._is_open = False
        self._pause.set()

    def _read(self, line: FrameLine, *, is_grey: bool) -> Pixels | None:
        path = self._folder / line.file
        picture = read_picture(path)
        if isinstance(picture, Unreadable):
            log.warning("%s is skipped: %s", path, picture.reason)
            return None
        return to_grey(picture) if is_grey else picture


def make(settings: ScannerSettings, clock: Clock) -> ReplaySource:
    return ReplaySource(Path(settings.device), clock)
