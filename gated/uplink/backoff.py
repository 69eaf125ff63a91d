"""How long to wait before the next attempt to reach the broker. Pure."""

from __future__ import annotations

from collections.abc import Callable

FIRST_DELAY_S = 1.0
MAX_DELAY_S = 300.0
ALARM_MAX_DELAY_S = 30.0
"""The most to wait while an alarm has not reached the collector."""
STABLE_AFTER_S = 30.0
"""A connection that held this long was a real one; a shorter one does not reset the back-off."""
_LEAST_SHARE = 0.5
"""Jitter: between half the delay and all of it, so that gates do not come back all at once."""


class Backoff:
    """Delays that double from 1 s to 300 s.

    Args:
        uniform: returns a random number between its two arguments, as ``random.uniform`` does.
    """

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._delay_s = FIRST_DELAY_S

    def next_delay_s(self) -> float:
        """Return the delay before the next attempt, and double the one after it."""
        delay_s = self._delay_s * self._uniform(_LEAST_SHARE, 1.0)
        self._delay_s = min(MAX_DELAY_S, self._delay_s * 2)
        return delay_s

    def note_connection(self, lasted_s: float) -> None:
        """Start again from the first delay if a connection of ``lasted_s`` was stable."""
        if lasted_s >= STABLE_AFTER_S:
            self._delay_s = FIRST_DELAY_S


def shorten_for_alarms(delay_s: float, *, alarms_wait: bool) -> float:
    """Return the delay that holds now: alarms may begin to wait in the middle of a long one."""
    return min(delay_s, ALARM_MAX_DELAY_S) if alarms_wait else delay_s
