"""The way to the controller: sightings that are kept for a moment, and a sign of life each second.

Free of NumPy and OpenCV: a gate whose scanners are all serial needs neither.
"""

from __future__ import annotations

from typing import Final, Protocol

from gated.clock import Clock
from gated.messages import CodeSeen, CodeUnread
from gated.scanner.sighting import (
    HEALTH_EVERY_S,
    MAX_REASON_CHARACTERS,
    CameraState,
    ScannerHealth,
    encode_sighting,
)
from gated.units import MonoSeconds

RESEND_WITHIN_S: Final = 1.0
"""A sighting that couldn't be sent is kept this long; later it would open for a ghost."""


class SightingSender(Protocol):
    """``gated.datagrams.Sender``, as far as it's needed here. Each call is one ``sendto``: the
    workers of a process may share one.
    """

    def send(self, payload: bytes) -> bool: ...


class Reports:
    """What one worker tells the controller. Used by one thread."""

    def __init__(self, sender: SightingSender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock
        self._unsent: tuple[CodeSeen | CodeUnread, MonoSeconds] | None = None
        self._health_sent: tuple[CameraState, MonoSeconds] | None = None

    def tell(self, sighting: CodeSeen | CodeUnread, at: MonoSeconds) -> None:
        """Send what was seen ``at``, or keep it for ``send_due``; a newer one takes its place."""
        is_sent = self._sender.send(encode_sighting(sighting))
        self._unsent = None if is_sent else (sighting, at)

    def send_due(self, health: ScannerHealth) -> None:
        """Send what was kept, and ``health`` if its state is another one or a second is over."""
        now = self._clock.monotonic_s()
        if self._unsent is not None:
            seen, at = self._unsent
            if now - at > RESEND_WITHIN_S or self._sender.send(encode_sighting(seen)):
                self._unsent = None
        if self._health_sent is not None:
            state, at = self._health_sent
            if health.state is state and now - at < HEALTH_EVERY_S:
                return
        self._sender.send(encode_sighting(health))
        self._health_sent = (health.state, now)


def one_line(reason: str) -> str:
    """Return ``reason`` as it may stand in a health message: one line, not too long."""
    printable = "".join(c if c.isprintable() else " " for c in reason)
    return " ".join(printable.split())[:MAX_REASON_CHARACTERS]
