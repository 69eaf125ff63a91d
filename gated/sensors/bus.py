"""The I2C bus as drivers see it. Adapters: ``smbus2_bus`` (Linux), ``gated.simulation.bus``."""

from __future__ import annotations

from typing import Protocol

from gated.errors import BusError

WORD_AND_PEC_BYTES = 3


class I2CBus(Protocol):
    """One I2C adapter, used by one thread.

    Implementations must perform each method as one message between START and STOP, must not retry,
    must return within about a second, and must raise ``BusError`` with ``errno`` kept as the kernel
    gives it (121 EREMOTEIO: nobody answered; 110 ETIMEDOUT: the clock is held; 5 EIO: arbitration).
    Addresses are 7-bit. Checksums are the driver's business.
    """

    @property
    def name(self) -> str:
        """What the maintainer calls this bus, such as "/dev/i2c-1"."""

    def read_word_with_pec(self, address: int, command: int) -> bytes:
        """Return the three bytes (low, high, PEC) of an SMBus word read, unchecked.

        Write and read are joined by a repeated start: a STOP between them makes an MLX90614
        answer with its default register or not at all.
        """

    def write_then_read(self, address: int, data: bytes, count: int) -> bytes:
        """Write ``data`` and read ``count`` bytes after a repeated start, in one message."""

    def write(self, address: int, data: bytes) -> None:
        """Write ``data``."""

    def read(self, address: int, count: int) -> bytes:
        """Read ``count`` bytes."""

    def close(self) -> None:
        """Let go of the adapter. May be called twice; every other method then raises BusError."""


def bus_error(cause: OSError, device: str) -> BusError:
    """Return ``cause`` as our BusError, its ``errno`` kept."""
    error = BusError(f"{device}: {cause.strerror or cause}", device=device)
    error.errno = cause.errno
    return error
