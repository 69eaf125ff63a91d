"""Codes from the bytes of a serial QR scanner, within bounds. Pure: bytes and times in, texts out.

A serial line has no picture's bounds: whoever is plugged in there may send 10 MB without an end, or
a thousand codes a second. Length and rate are bounded here, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from gated.units import MonoSeconds

QUIET_S: Final = 0.2
"""Many scanners ship without a suffix: a line that stands still this long has ended."""
MAX_BYTES_PER_S: Final = 20_000
"""More than a scanner sends at 115,200 Bd."""
BURST_BYTES: Final = 65_536
CODE_COSTS_BYTES: Final = 500
"""What a code counts for besides its bytes: nobody holds up 40 codes in a second."""


class Framing(Protocol):
    """How a scanner marks its codes. Implementations must never raise, and keep bounded memory.

    A text of "" stands for a code that cannot be used: cut off, too long, or in no known encoding.
    """

    def take(self, data: bytes) -> Iterator[str]:
        """Yield the texts that end with ``data``."""
        ...

    def end(self) -> Iterator[str]:
        """Yield what a pause ends; what comes next begins anew."""
        ...

    def clear(self) -> None:
        """Forget what has come."""
        ...

    def is_begun(self) -> bool:
        """Return whether something is begun that a pause would end."""
        ...


class SerialCodes:
    """Cuts what a scanner sends into codes, and drops what no scanner can have read.

    Args:
        framing: how the scanner marks its codes; owned from here on.
    """

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._last_byte_at: MonoSeconds | None = None
        self._budget_bytes = float(BURST_BYTES)
        self._budget_at: MonoSeconds | None = None
        self.flooded_since: MonoSeconds | None = None
        """Since when more comes than a scanner can read. All of it is dropped, until a pause."""

    def feed(self, data: bytes, at: MonoSeconds) -> list[str]:
        """Return the texts that end with ``data``.

        Args:
            data: what was read; b"" says that a wait for more was in vain. Only this counts as a
                pause: a reader that was kept from reading sees a gap that the line did not have.
            at: when it was read.
        """
        if not data:
            return list(self._pause(at))
        self._last_byte_at = at
        if self.flooded_since is not None:
            self._budget_at = at  # what a flood goes over is not given to it again
            return []
        self._refill(at)
        texts = list(self._framing.take(data))
        self._budget_bytes -= len(data) + CODE_COSTS_BYTES * len(texts)
        if self._budget_bytes < 0:
            self._budget_bytes = 0.0
            self.flooded_since = at
            self._framing.clear()
        return texts

    def reset(self) -> None:
        """Forget what has come: the device was lost."""
        self._framing.clear()
        self._last_byte_at = self.flooded_since = None

    def is_waiting(self) -> bool:
        """Return whether something is begun that a pause would end."""
        return self._framing.is_begun() or self.flooded_since is not None

    def _pause(self, at: MonoSeconds) -> Iterator[str]:
        if self._last_byte_at is None or at - self._last_byte_at < QUIET_S:
            return
        self.flooded_since = None
        yield from self._framing.end()

    def _refill(self, at: MonoSeconds) -> None:
        elapsed_s = 0.0 if self._budget_at is None else at - self._budget_at
        self._budget_at = at
        self._budget_bytes = min(
            float(BURST_BYTES), self._budget_bytes + elapsed_s * MAX_BYTES_PER_S
        )
