"""When a mode ends that was set before this start: the wall clock says so, and may be wrong by now.

Without power the monotonic clock stood still, and until a time service has set it the wall clock is
a guess. So an end is judged again once the clock can be believed. Until then a closed gate rather
opens too late, and observing ends after its week at the latest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

from gated.clock import Clock, TimeQuality
from gated.controller.timekeeper import Timekeeper
from gated.units import MonoSeconds
from gated.visit.state import HeldMode, ModeEndJudged
from gated.vocabulary import Mode


class ModeEnds:
    """Judges the ends of one start's modes, and all of them once more. One thread at a time.

    Args:
        publish: is told of the ends that were judged again.
    """

    def __init__(
        self,
        timekeeper: Timekeeper,
        clock: Clock,
        observe_for_s: float,
        publish: Callable[[ModeEndJudged], None],
    ) -> None:
        self._timekeeper = timekeeper
        self._clock = clock
        self._observe_for_s = observe_for_s
        self._publish = publish
        self._guessed: list[str] = []  # ends that were judged by a clock that may be wrong

    def held(self, mode: Mode, by: str, expires_at: str | None) -> HeldMode:
        """Return ``mode`` as it holds now. Observing always ends; what cannot be read is no end."""
        left_s = self._left_s(mode, expires_at)
        if mode is Mode.OBSERVE and left_s > self._observe_for_s:
            left_s = self._observe_for_s
            expires_at = self._timekeeper.after(left_s)
        elif expires_at is None or math.isinf(left_s):
            return HeldMode(mode, by)
        elif self._timekeeper.quality is not TimeQuality.TRUSTED:
            self._guessed.append(expires_at)
        return HeldMode(mode, by, self._in(left_s), expires_at)

    def watch(self) -> None:
        """Judge again what was guessed, once the clock can be believed. Called every second."""
        if self._timekeeper.quality is not TimeQuality.TRUSTED:
            return
        for expires_at in self._guessed:
            until = self._in(_seconds_until(expires_at, self._timekeeper.judged_now()))
            self._publish(ModeEndJudged(expires_at, until, self._clock.monotonic_s()))
        self._guessed.clear()

    def _left_s(self, mode: Mode, expires_at: str | None) -> float:
        keeper = self._timekeeper
        is_guess = keeper.quality is not TimeQuality.TRUSTED
        # A clock that is ahead must not open a closed gate; one behind the floor is not believed.
        now = keeper.floor if is_guess and mode is Mode.CLOSED else keeper.judged_now()
        return _seconds_until(expires_at, now)

    def _in(self, seconds: float) -> MonoSeconds:
        return MonoSeconds(self._clock.monotonic_s() + seconds)


def _seconds_until(expires_at: str | None, now: datetime) -> float:
    try:
        left = datetime.fromisoformat(expires_at or "") - now
    except (ValueError, TypeError):  # no moment, or of no time zone
        return math.inf
    return max(0.0, left.total_seconds())
