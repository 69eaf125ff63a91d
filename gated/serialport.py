"""A serial line: the one file that knows pyserial. 8 data bits, no parity, 1 stop bit (8N1).

USB scanners and relay boards get another ttyUSB or ttyACM number each time they are plugged in, so
a device is named by its stable path below /dev/serial/by-id (or by-path, for two of one kind
without serial numbers), and found anew at each opening.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import DeviceLost, DeviceNotFound

if TYPE_CHECKING:
    import serial

MAX_READ_BYTES = 4_096
WRITE_WITHIN_S = 0.2
"""Four bytes at 9,600 Bd take 4 ms; a line that takes nothing for this long is lost."""
STABLE_PATHS = Path("/dev/serial/by-id")
_DRAIN_POLL_S = 0.001
_MOST_NAMES = 8

_WORDS = {
    errno.EAGAIN: "another process holds it: stop that one first",
    errno.EBUSY: "another process holds it: stop that one first",
    errno.EACCES: "no permission: add the user to the group dialout",
    # Of a device, only systemd's DeviceAllow= says so: the group would be EACCES.
    errno.EPERM: "closed to this service, which started before its driver: restart the service",
    errno.ENOTTY: "is no serial line: set the device",
    errno.EISDIR: "is no serial line: set the device",
}
_ABSENT = frozenset({errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTDIR})


def find_device(pattern: str, stable_paths: Path = STABLE_PATHS) -> str:
    """Return the one device that ``pattern`` stands for.

    Args:
        pattern: an absolute path; ``*`` stands for anything but a slash.
        stable_paths: the folder whose contents a message names.

    Raises: DeviceNotFound: none, or several; the message names what there is.
    """
    if "*" in pattern:
        found = sorted(str(path) for path in Path("/").glob(pattern.lstrip("/")))
        if len(found) > 1:
            raise DeviceNotFound(
                f"{pattern} stands for {len(found)} devices, set the device to one of them: "
                f"{_listed(found)}",
                device=pattern,
            )
        if found:
            return found[0]
    elif Path(pattern).exists():
        return pattern
    try:
        there = sorted(str(path) for path in stable_paths.iterdir())
    except OSError:  # udev makes the folder with the first serial device
        there = []
    raise DeviceNotFound(
        f"no device {pattern}: plug it in, or set the device; there is: "
        f"{_listed(there) or 'no serial device at all'}",
        device=pattern,
    )


class SerialPort:
    """One open serial line of one owner. Used by one thread; nothing here waits for long.

    Args:
        pattern: as ``find_device`` takes it.
        baud: speed of the line, in Bd.

    Raises: DeviceNotFound: absent, held by another process, or no permission; says what to do.
    """

    def __init__(self, pattern: str, baud: int) -> None:
        try:
            import serial
        except ImportError as exc:
            raise DeviceNotFound(
                f"pyserial cannot be loaded ({exc}): install pyserial", device=pattern
            ) from exc
        self.device = find_device(pattern)
        try:
            self._port: serial.Serial = serial.Serial(
                self.device, baud, timeout=0, write_timeout=WRITE_WITHIN_S, exclusive=True
            )
        except (OSError, termios.error, ValueError) as exc:
            raise DeviceNotFound(f"{self.device}: {_in_words(exc)}", device=self.device) from exc

    def fileno(self) -> int:
        """Return the descriptor, for a selector. It is ready when bytes came or the device left.

        Raises: DeviceLost: the line is closed.
        """
        try:
            descriptor: int = self._port.fileno()
        except OSError as exc:
            raise DeviceLost(f"{self.device} is not open", device=self.device) from exc
        return descriptor

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, at most ``MAX_READ_BYTES``, or b"" if nothing came in time.

        Raises: DeviceLost: unplugged, or the line is closed.
        """
        descriptor = self.fileno()
        try:
            ready, _, _ = select.select([descriptor], [], [], timeout_s)
            # A line that is ready and has nothing to read has hung up: pyserial raises for it.
            data: bytes = self._port.read(MAX_READ_BYTES) if ready else b""
        except (OSError, termios.error) as exc:
            raise self._lost(exc) from exc
        return data

    def write(self, data: bytes) -> None:
        """Send ``data`` and see it leave.

        Raises: DeviceLost: unplugged, closed, or nothing is taken for ``WRITE_WITHIN_S``.
        """
        self.fileno()
        deadline_s = time.monotonic() + WRITE_WITHIN_S
        try:
            self._port.write(data)
            while self._port.out_waiting:
                if time.monotonic() >= deadline_s:
                    raise DeviceLost(f"{self.device} takes nothing", device=self.device)
                select.select([], [], [], _DRAIN_POLL_S)
        except (OSError, termios.error) as exc:
            raise self._lost(exc) from exc

    def discard(self) -> None:
        """Throw away what has come and was not read. Raises: DeviceLost."""
        self.fileno()
        try:
            self._port.reset_input_buffer()
        except (OSError, termios.error) as exc:
            raise self._lost(exc) from exc

    def close(self) -> None:
        """Let go of the line. Idempotent."""
        # The kernel would wait up to 30 s for bytes that a hung device does not take.
        with contextlib.suppress(OSError, termios.error):
            if self._port.is_open and self._port.out_waiting:
                self._port.reset_output_buffer()
        with contextlib.suppress(OSError):
            self._port.close()

    def _lost(self, exc: Exception) -> DeviceLost:
        number = _number(exc)
        reason = "unplugged" if number in {None, errno.EIO} else os.strerror(number or 0)
        return DeviceLost(f"{self.device} is lost: {reason}", device=self.device)


def _in_words(exc: Exception) -> str:
    """Return what is wrong at opening, and what mends it."""
    number = _number(exc)
    if number is None:
        return str(exc)
    if number in _ABSENT:
        return "is not there: plug it in, or set the device"
    return _WORDS.get(number, os.strerror(number))


def _number(exc: BaseException) -> int | None:
    """Return the error number in a SerialException or termios.error, or in what caused it."""
    number = exc.args[0] if exc.args else None
    if isinstance(number, int):
        return number
    return None if exc.__context__ is None else _number(exc.__context__)


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
