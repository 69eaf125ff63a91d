"""Whether the platform may be asked now: one that is down must not slow visitors. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gated.units import MonoSeconds

OPENS_AFTER = 2
"""Failures in a row. One may be chance; a third visitor would wait in vain."""
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """Failures in a row, and since the platform is taken for down, when it is tried again.

    While it is open one question at a time goes through, after a pause that doubles; all others
    are answered without the platform, and at once.
    """

    failures: int = 0
    pause_s: float = FIRST_PAUSE_S
    retry_at: MonoSeconds | None = None  # None: it works
    is_trying: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the platform is taken for down."""
        return self.retry_at is not None

    def may_ask(self, now: MonoSeconds) -> bool:
        return self.retry_at is None or (not self.is_trying and now >= self.retry_at)

    def asked(self) -> Breaker:
        """Return the breaker after a question went out."""
        return replace(self, is_trying=self.is_open)

    def answered(self) -> Breaker:
        """Return the breaker after the platform said anything about a code."""
        return Breaker()

    def failed(self, now: MonoSeconds) -> Breaker:
        """Return the breaker after a question went unanswered."""
        failures = self.failures + 1
        if failures < OPENS_AFTER:
            return replace(self, failures=failures)
        # Questions that were under way when it opened fail too: they are one failure.
        if self.is_open and not self.is_trying:
            return replace(self, failures=failures)
        pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S) if self.is_open else self.pause_s
        return Breaker(failures, pause_s, MonoSeconds(now + pause_s))
