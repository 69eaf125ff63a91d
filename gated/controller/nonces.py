"""The nonce that an order of the centre must quote: who quotes it has heard of us lately."""

from __future__ import annotations

from collections.abc import Callable

from gated.clock import Clock
from gated.units import MonoSeconds

NEW_EVERY_S = 60.0
"""Two are taken, the published one and the one before, so an order is two minutes old at most."""


class Nonces:
    """Gives a new nonce at the start and every minute. One thread, or readers of ``current``.

    Args:
        clock: for the interval; it also runs while the wall clock says nothing.
        draw: 16 random hex digits.
    """

    def __init__(self, clock: Clock, draw: Callable[[], str]) -> None:
        self._clock = clock
        self._draw = draw
        self._drawn_at = clock.monotonic_s()
        self._taken: tuple[str, ...] = (draw(),)

    def current(self) -> str:
        """Return the one to publish."""
        return self._taken[-1]

    def renew_if_due(self) -> None:
        """Draw a new one a minute after the last; what is older than that one is gone."""
        now = self._clock.monotonic_s()
        if now - self._drawn_at < NEW_EVERY_S:
            return
        # Late by more than a whole turn (a stopped process): the one in force is too old, too.
        is_late = now - self._drawn_at >= 2 * NEW_EVERY_S
        self._drawn_at = MonoSeconds(now)
        self._taken = (self._draw(),) if is_late else (self._taken[-1], self._draw())

    def is_taken(self, nonce: str) -> bool:
        """Return whether an order may quote ``nonce`` now."""
        self.renew_if_due()
        return nonce in self._taken
