"""A relay of an LCUS-type USB board: a CH340 serial line, frames ``A0 CHANNEL STATE SUM``.

9,600 Bd, 8N1. SUM is the other three bytes' sum: A0 01 01 A2 energises relay 1, A0 01 00 A1
de-energises it. The one-relay board answers nothing at all and the bigger ones each in their own
words, so what is confirmed is that the frame has left; whether somebody passed says the rest.

A GPIO line falls with the process that holds it. This board keeps its relay as it is when its owner
dies, and falls only with its supply: the guard's watcher is there for that.
"""

from __future__ import annotations

from typing import Final

from gated.errors import ActuationError, DeviceError
from gated.serialport import SerialPort

BAUD: Final = 9_600
MAX_CHANNEL: Final = 8
_START: Final = 0xA0


def relay_frame(channel: int, *, energised: bool) -> bytes:
    """Return the four bytes that give relay ``channel`` (from 1) this state."""
    state = int(energised)
    return bytes((_START, channel, state, (_START + channel + state) & 0xFF))


class LcusLine:
    """One relay of a board; the board has this one owner.

    Raises: ActuationError: no such device, held by another process, no permission; says which.
    """

    def __init__(self, name: str, channel: int, device: str) -> None:
        if not 1 <= channel <= MAX_CHANNEL:
            raise ActuationError(f"{name}: a board has no relay {channel}", device=name)
        self._name = name
        self._channel = channel
        try:
            self._port = SerialPort(device, BAUD)
        except DeviceError as exc:
            raise ActuationError(f"{name}: {exc}", device=name) from exc
        self._is_closed = False
        try:
            self.set(energised=False)
        except ActuationError:
            self._port.close()
            raise

    def set(self, *, energised: bool) -> None:
        if self._is_closed:
            raise ActuationError(f"{self._name}: the line is closed", device=self._name)
        try:
            self._port.write(relay_frame(self._channel, energised=energised))
        except DeviceError as exc:
            raise ActuationError(f"{self._name}: {exc}", device=self._name) from exc

    def fileno(self) -> int:
        """Return the descriptor, for a selector: it is ready when ``check`` has to look.

        Raises: ActuationError: the line is closed.
        """
        try:
            return self._port.fileno()
        except DeviceError as exc:
            raise ActuationError(f"{self._name}: {exc}", device=self._name) from exc

    def check(self) -> None:
        """Take what the board says, which means nothing. Raises: ActuationError: it is gone."""
        try:
            self._port.read(0.0)
        except DeviceError as exc:
            raise ActuationError(f"{self._name}: {exc}", device=self._name) from exc

    def close(self) -> None:
        if self._is_closed:
            return
        try:
            self.set(energised=False)
        finally:
            self._is_closed = True
            self._port.close()
