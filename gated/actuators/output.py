"""One lamp, buzzer or bell as the worker plays it: never in the way of a visit."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable

from gated.actuators.line import OpenLine, OutputLine
from gated.actuators.signals import OFF, Pattern
from gated.clock import Clock
from gated.errors import DeviceError
from gated.messages import DeviceChanged

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.5
RETRY_MAX_S = 10.0
CHECK_EVERY_S = 1.0


class Output:
    """Keeps one line open and plays a pattern on it.

    A line that cannot be opened or driven is told once and tried again with capped back-off, for
    ever; when it is back it has the level that its pattern has by then. Nothing here raises.

    Args:
        name: the device's name in alarms and in the status, such as "lamp go".
        publish: where DeviceChanged goes.
    """

    def __init__(
        self,
        name: str,
        open_line: OpenLine,
        clock: Clock,
        publish: Callable[[DeviceChanged], None],
    ) -> None:
        self._name = name
        self._open_line = open_line
        self._clock = clock
        self._publish = publish
        self._line: OutputLine | None = None
        self._level = False
        self._is_working = True  # until it is said otherwise
        self._pattern = OFF
        self._started_s: float = 0.0
        self._retry_s = RETRY_FIRST_S
        self._retry_at_s = -math.inf
        self._check_at_s = 0.0

    def play(self, pattern: Pattern) -> None:
        """Start ``pattern`` now, in place of the one before it."""
        self._pattern = pattern
        self._started_s = self._clock.monotonic_s()
        self.keep_up()

    def keep_up(self) -> None:
        """Open the line if it is due, give it its level of now, see whether it is still there."""
        now_s = self._clock.monotonic_s()
        if self._line is None and now_s < self._retry_at_s:
            return
        try:
            if self._line is None:
                self._line, self._level = self._open_line(), False
                self._check_at_s = now_s + CHECK_EVERY_S
            self._drive(self._line, now_s)
        except DeviceError as exc:
            self._lose(exc, now_s)
        else:
            self._find()

    def due_in_s(self) -> float:
        """Return in how many seconds its level changes; infinite: it stays as it is."""
        if self._line is None:
            return math.inf
        return self._pattern.next_change_s(self._clock.monotonic_s() - self._started_s)

    def close(self) -> None:
        """De-energise and let go. Idempotent."""
        line, self._line = self._line, None
        if line is None:
            return
        try:
            line.close()
        except DeviceError as exc:
            log.warning("%s: %s", self._name, exc)

    def _drive(self, line: OutputLine, now_s: float) -> None:
        level = self._pattern.is_on(now_s - self._started_s)
        if level is not self._level:
            line.set(energised=level)
            self._level = level
        elif now_s >= self._check_at_s:
            self._check_at_s = now_s + CHECK_EVERY_S
            line.check()

    def _lose(self, exc: DeviceError, now_s: float) -> None:
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(DeviceError):  # what was lost cannot be let go properly
                line.close()
        self._retry_at_s = now_s + self._retry_s
        self._retry_s = min(2 * self._retry_s, RETRY_MAX_S)
        if self._is_working:
            log.warning("%s lost: %s", self._name, exc)
            self._tell(is_working=False, reason=str(exc))

    def _find(self) -> None:
        self._retry_s = RETRY_FIRST_S
        if not self._is_working:
            log.info("%s works", self._name)
            self._tell(is_working=True, reason="")

    def _tell(self, *, is_working: bool, reason: str) -> None:
        self._is_working = is_working
        now_s = self._clock.monotonic_s()
        self._publish(DeviceChanged(self._name, is_working, reason, now_s))
