"""The wall clock as the gate may believe it, and the moments of a day that matter."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from gated.clock import (
    TIMESYNCD_SYNCHRONIZED,
    Clock,
    TimeQuality,
    clock_floor,
    judge_time_quality,
)
from gated.config import ClockSource, GateConfig
from gated.visit.state import ClockChanged, PassbackReset

STEP_MS = 1_000
"""A change of wall clock against CLOCK_BOOTTIME beyond this is a step, not drift."""

MAX_SETBACK = timedelta(minutes=5)
"""A clock that runs fast for a term is set back by no more; what goes back further is wrong."""


class Timekeeper:
    """Watches the wall clock. Called once a second by one thread.

    Args:
        newest_record: the time of the newest event in the ledger; the floor begins there.
        sync_file: exists once a time service has set the clock; None: always trusted.
        passback_reset: "HH:MM", local.
    """

    def __init__(
        self,
        clock: Clock,
        timezone: tzinfo,
        *,
        newest_record: datetime | None,
        sync_file: Path | None = TIMESYNCD_SYNCHRONIZED,
        passback_reset: str = "04:00",
    ) -> None:
        self._clock = clock
        self._timezone = timezone
        self._floor = clock_floor(newest_record)
        self._sync_file = sync_file
        self._passback_reset = passback_reset
        self._offset_ms: int | None = None
        self.quality = self._judge()
        self._period = self._passback_period()

    @property
    def floor(self) -> datetime:
        """A time that has certainly passed."""
        return self._floor

    def judged_now(self) -> datetime:
        """Return the wall clock, never before the floor: what validity is judged at."""
        return max(self._clock.now(), self._floor)

    def local_now(self) -> datetime:
        return self._clock.now().astimezone(self._timezone)

    def rfc3339(self) -> str:
        """Return the wall clock as records show it: the gate's offset, milliseconds."""
        return self.local_now().isoformat(timespec="milliseconds")

    def after(self, seconds: float | None) -> str | None:
        """Return the moment ``seconds`` from now as records show it; None for None."""
        if seconds is None:
            return None
        return (self.local_now() + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")

    def set_passback_reset(self, reset: str) -> None:
        self._passback_reset = reset
        self._period = self._passback_period()

    def watch(self) -> list[ClockChanged | PassbackReset]:
        """Return what has happened to the clock since the last call."""
        events: list[ClockChanged | PassbackReset] = []
        at = self._clock.monotonic_s()
        offset_ms = round(self._clock.now().timestamp() * 1_000) - self._clock.boottime_ms()
        step_ms = 0 if self._offset_ms is None else offset_ms - self._offset_ms
        self._offset_ms = offset_ms
        quality = self._judge()
        if quality is TimeQuality.TRUSTED:
            # As the newest record does at a start: what has passed stays past. Not by a clock that
            # nobody vouches for: the time service may have to set back what was typed wrongly.
            self._floor = max(self._floor, self._clock.now() - MAX_SETBACK)
        is_step = abs(step_ms) >= STEP_MS
        if quality is not self.quality or is_step:
            self.quality = quality
            events.append(ClockChanged(quality, at, step_ms if is_step else None))
        period = self._passback_period()
        if period > self._period:
            self._period = period
            events.append(PassbackReset(at))
        return events

    def is_before_reset(self, used_at: datetime) -> bool:
        """Return whether the daily reset came after ``used_at``."""
        return self._period_of(used_at) < self._period

    def _judge(self) -> TimeQuality:
        is_synchronised = self._sync_file is None or self._sync_file.exists()
        return judge_time_quality(self._clock.now(), self._floor, is_synchronised=is_synchronised)

    def _passback_period(self) -> int:
        return self._period_of(self._clock.now())

    def _period_of(self, when: datetime) -> int:
        """Return the number of the day that began with the last reset before ``when``."""
        hour, minute = (int(part) for part in self._passback_reset.split(":"))
        since_reset = when.astimezone(self._timezone) - timedelta(hours=hour, minutes=minute)
        return since_reset.toordinal()


def timekeeper_of(
    config: GateConfig, clock: Clock, newest_record: datetime | None = None
) -> Timekeeper:
    """Return the timekeeper of a gate; without a ledger it has a lower floor."""
    is_system = config.clock.source is ClockSource.SYSTEM
    return Timekeeper(
        clock,
        ZoneInfo(config.gate.timezone),
        newest_record=newest_record,
        sync_file=None if is_system else TIMESYNCD_SYNCHRONIZED,
        passback_reset=config.checks.anti_passback_reset,
    )
