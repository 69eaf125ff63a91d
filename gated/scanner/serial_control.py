"""What is sent to a serial scanner, and when. Pure: times in, bytes out."""

from __future__ import annotations

from typing import Final, Protocol

from gated.units import MonoSeconds

AGAIN_AFTER_S: Final = 0.5
"""A scanner stops once it has read a code. The same one, still held up, would make it beep and beep
if it began anew at once."""


class Control(Protocol):
    """The sending half of a scanner. Implementations never wait."""

    @property
    def is_ready(self) -> bool:
        """Whether the scanner does what it should, as far as can be known."""
        ...

    @property
    def farewell(self) -> bytes:
        """What is sent before the line is closed."""
        ...

    def start(self, now: MonoSeconds, /) -> None:
        """Begin anew: the line was opened."""
        ...

    def due(self, now: MonoSeconds) -> bytes:
        """Return what is to be sent now, b"" if nothing is. Raises: DeviceLost: no answer."""
        ...

    def saw_code(self, now: MonoSeconds, /) -> None:
        """Take note that the scanner has read something."""
        ...


class HandsOff:
    """Nothing is sent: the scanner reads by itself, as it has been set up."""

    is_ready = True
    farewell = b""

    def start(self, _now: MonoSeconds) -> None:
        return

    def due(self, _now: MonoSeconds) -> bytes:
        return b""

    def saw_code(self, _now: MonoSeconds) -> None:
        return


class TriggerCommand:
    """One command that makes it read, again and again. Most scanners answer nothing to it.

    Args:
        on: the command, such as SYN T CR.
        off: what makes it stop, or b"".
        every_s: before the scanner's own time-out.
    """

    is_ready = True

    def __init__(self, on: bytes, off: bytes, every_s: float) -> None:
        self._on = on
        self.farewell = off
        self._every_s = every_s
        self._next_at = MonoSeconds(0.0)

    def start(self, now: MonoSeconds) -> None:
        self._next_at = now

    def due(self, now: MonoSeconds) -> bytes:
        if now < self._next_at:
            return b""
        self._next_at = MonoSeconds(now + self._every_s)
        return self._on

    def saw_code(self, now: MonoSeconds) -> None:
        self._next_at = MonoSeconds(now + AGAIN_AFTER_S)
