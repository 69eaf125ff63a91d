"""Time as an interface: intervals by a monotonic clock, wall time in records and validity only."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from gated.units import MonoSeconds

TIMESYNCD_SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd(8) creates this file at its first synchronisation of a boot."""
BUILT_AT = datetime(2026, 11, 22, tzinfo=UTC)
"""This software did not exist before: no clock that says so is right."""


class TimeQuality(enum.StrEnum):
    """How far the wall clock can be believed."""

    # From the best to the worst: the policy goes by the worse of two.
    TRUSTED = "trusted"  # synchronised in this boot
    HOLDOVER = "holdover"  # above the floor, but not synchronised in this boot
    UNKNOWN = "unknown"  # below the floor: certainly wrong


class Clock(Protocol):
    """The three clocks of a gate. Implementations must never go backwards in the first two."""

    def monotonic_s(self) -> MonoSeconds:
        """Return the monotonic clock in s, for intervals inside one process."""

    def boottime_ms(self) -> int:
        """Return CLOCK_BOOTTIME in whole ms: the same in every process of one boot."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC datetime. Never subtract two of these."""


class SystemClock:
    """The machine's own clocks."""

    def monotonic_s(self) -> MonoSeconds:
        return MonoSeconds(time.monotonic())

    def boottime_ms(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class FakeClock:
    """A clock that moves only when told to. Ships with the package, for tests and scenarios."""

    elapsed_s: float = 1_000.0
    wall: datetime = field(default_factory=lambda: datetime(2026, 11, 23, tzinfo=UTC))

    def monotonic_s(self) -> MonoSeconds:
        return MonoSeconds(self.elapsed_s)

    def boottime_ms(self) -> int:
        return round(self.elapsed_s * 1_000)

    def now(self) -> datetime:
        return self.wall

    def advance(self, by_s: float) -> None:
        """Let ``by_s`` seconds pass on every clock. Raises: ValueError: if negative."""
        if by_s < 0:
            raise ValueError("time does not go backwards")
        self.elapsed_s += by_s
        self.wall += timedelta(seconds=by_s)


def clock_floor(newest_record: datetime | None) -> datetime:
    """Return a time that has certainly passed.

    Args:
        newest_record: the time of the newest event whose clock could be believed. Health events
            come each quarter of an hour, so this is the clock as it was saved last.
    """
    return BUILT_AT if newest_record is None else max(BUILT_AT, newest_record)


def judge_time_quality(now: datetime, floor: datetime, *, is_synchronised: bool) -> TimeQuality:
    """Return how far ``now`` can be believed.

    Args:
        now: the wall clock.
        floor: a time that has certainly passed (build date, newest record).
        is_synchronised: whether a time service has set the clock in this boot.
    """
    if now < floor:
        return TimeQuality.UNKNOWN
    return TimeQuality.TRUSTED if is_synchronised else TimeQuality.HOLDOVER
