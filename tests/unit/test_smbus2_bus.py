"""The Linux bus where there is none: every failure is one of ours and says what to do."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from gated.errors import BusError, DeviceNotFound
from gated.sensors.bus import bus_error
from gated.sensors.smbus2_bus import Smbus2Bus


def test_a_missing_node_says_how_to_switch_it_on(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="switch I2C on") as raised:
        Smbus2Bus(str(tmp_path / "i2c-1"))
    assert raised.value.device == str(tmp_path / "i2c-1")


def test_a_file_that_is_no_bus_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i2c-1"
    path.touch()
    with pytest.raises(DeviceNotFound):
        Smbus2Bus(str(path))


def test_the_kernel_s_errno_is_kept() -> None:
    error = bus_error(OSError(errno.EREMOTEIO, "Remote I/O error"), "/dev/i2c-1/0x5A")
    assert isinstance(error, BusError)
    assert isinstance(error, OSError)
    assert error.errno == 121
    assert error.device == "/dev/i2c-1/0x5A"
    assert str(error) == "/dev/i2c-1/0x5A: Remote I/O error"
