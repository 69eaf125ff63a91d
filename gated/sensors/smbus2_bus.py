"""The Linux I2C bus: the only file that imports smbus2, and only when a bus is opened."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from gated.errors import DeviceNotFound
from gated.sensors.bus import WORD_AND_PEC_BYTES, bus_error

if TYPE_CHECKING:
    from smbus2 import SMBus


class Smbus2Bus:
    """``/dev/i2c-N`` by combined messages (I2C_RDWR), which leave checksums to the driver.

    Raises: DeviceNotFound: the node is missing, or this user may not open it.
    """

    def __init__(self, path: str) -> None:
        from smbus2 import SMBus

        self._path = path
        self._bus: SMBus | None = SMBus()
        try:
            self._bus.open(path)
        except FileNotFoundError as exc:
            raise DeviceNotFound(
                f"{path} is missing: switch I2C on (raspi-config, or dtparam=i2c_arm=on)",
                device=path,
            ) from exc
        except PermissionError as exc:
            raise DeviceNotFound(
                f"{path} may not be opened by this user: add it to the group i2c", device=path
            ) from exc
        except OSError as exc:
            self.close()  # opened, but not an I2C node
            raise DeviceNotFound(f"{path}: {exc.strerror}", device=path) from exc

    @property
    def name(self) -> str:
        return self._path

    def read_word_with_pec(self, address: int, command: int) -> bytes:
        return self.write_then_read(address, bytes((command,)), WORD_AND_PEC_BYTES)

    def write_then_read(self, address: int, data: bytes, count: int) -> bytes:
        return self._transfer(address, data, count)

    def write(self, address: int, data: bytes) -> None:
        self._transfer(address, data, 0)

    def read(self, address: int, count: int) -> bytes:
        return self._transfer(address, b"", count)

    def close(self) -> None:
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    def _transfer(self, address: int, data: bytes, count: int) -> bytes:
        from smbus2 import i2c_msg

        if self._bus is None:
            raise bus_error(OSError(errno.EBADF, "the bus is closed"), self._path)
        writes = [i2c_msg.write(address, data)] if data else []
        reads = [i2c_msg.read(address, count)] if count else []
        try:
            self._bus.i2c_rdwr(*writes, *reads)
        except OSError as exc:
            raise bus_error(exc, f"{self._path}/0x{address:02X}") from exc
        return b"".join(bytes(message) for message in reads)
