"""A machine's clock that is wrong, and runs faster than it should."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from gated.clock import SystemClock
from gated.units import MonoSeconds


class WrongClock(SystemClock):
    """The system's clock, off by ``offset_s``; its intervals pass ``speed`` times as fast.

    Speed makes patience, back-off and housekeeping happen within a run. It leaves the wall clock
    alone, so that records are stamped as a gate would stamp them.
    """

    def __init__(self, *, offset_s: float = 0.0, speed: float = 1.0) -> None:
        self.offset_s = offset_s
        self._speed = speed

    def monotonic_s(self) -> MonoSeconds:
        return MonoSeconds(super().monotonic_s() * self._speed)

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.offset_s)


def machine_ns() -> int:
    """Return the machine's monotonic clock in ns: the same in every process, and never hurried."""
    return time.monotonic_ns()
