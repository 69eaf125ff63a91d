"""The adapter of pyserial, before real kernel ttys."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated import serialport
from gated.errors import DeviceLost, DeviceNotFound
from gated.serialport import MAX_READ_BYTES, SerialPort, find_device
from gated.simulation.serial_devices import SerialScannerDevice

WAIT_S = 5.0
BAUD = 9_600


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SerialScannerDevice]:
    device = SerialScannerDevice(tmp_path / "usb-scanner")
    yield device
    device.close()


@pytest.fixture
def port(device: SerialScannerDevice) -> Iterator[SerialPort]:
    port = SerialPort(str(device.path), BAUD)
    yield port
    port.close()


def test_what_is_sent_is_read_byte_for_byte(device: SerialScannerDevice, port: SerialPort) -> None:
    data = bytes(range(256))
    device.send(data)
    assert port.read(WAIT_S) == data
    assert port.read(0.0) == b""


def test_a_read_is_bounded(device: SerialScannerDevice, port: SerialPort) -> None:
    device.send(b"x" * (2 * MAX_READ_BYTES))
    assert 0 < len(port.read(WAIT_S)) <= MAX_READ_BYTES


def test_what_is_discarded_does_not_come(device: SerialScannerDevice, port: SerialPort) -> None:
    device.send(b"x" * 1_000)
    port.discard()
    assert port.read(0.0) == b""


def test_what_came_before_the_opening_is_not_read(device: SerialScannerDevice) -> None:
    device.send(b"yesterday's code\r")
    port = SerialPort(str(device.path), BAUD)
    assert port.read(0.0) == b""
    port.close()


def test_an_unplugged_device_is_lost_to_every_use(
    device: SerialScannerDevice, port: SerialPort
) -> None:
    device.pull_out()
    for use in (lambda: port.read(WAIT_S), lambda: port.write(b"x"), port.discard):
        with pytest.raises(DeviceLost, match="lost: unplugged") as caught:
            use()
        assert caught.value.device == str(device.path)
    port.close()


def test_a_closed_line_says_so_and_twice_is_once(port: SerialPort) -> None:
    port.close()
    port.close()
    for use in (lambda: port.read(0.0), lambda: port.write(b"x"), port.discard, port.fileno):
        with pytest.raises(DeviceLost, match="not open"):
            use()


def test_a_line_that_takes_nothing_is_lost_in_bounded_time(port: SerialPort) -> None:
    with pytest.raises(DeviceLost):
        port.write(b"x" * 1_000_000)  # nobody reads the other end
    port.close()


def test_a_line_that_another_process_holds_is_refused(device: SerialScannerDevice) -> None:
    code = (
        "import sys; from gated.serialport import SerialPort; "
        f"port = SerialPort({str(device.path)!r}, 9600); print('held', flush=True); "
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(DeviceNotFound, match="another process holds it"):
        SerialPort(str(device.path), BAUD)
    holder.kill()
    holder.communicate()
    SerialPort(str(device.path), BAUD).close()


def test_an_absent_device_says_what_to_do_and_what_there_is(
    tmp_path: Path, device: SerialScannerDevice
) -> None:
    with pytest.raises(DeviceNotFound, match="plug it in, or set the device"):
        SerialPort(str(tmp_path / "absent"), BAUD)
    with pytest.raises(DeviceNotFound, match=f"there is: {device.path}$"):
        find_device(str(tmp_path / "absent"), tmp_path)
    with pytest.raises(DeviceNotFound, match="no serial device at all"):
        find_device(str(tmp_path / "absent"), tmp_path / "no such folder")


@pytest.mark.parametrize("path", ["/dev/null", "/dev", "{folder}/file"])
def test_what_is_no_serial_line_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a line")
    with pytest.raises(DeviceNotFound, match="no serial line"):
        SerialPort(path.format(folder=tmp_path), BAUD)


def test_a_device_that_belongs_to_another_group_names_the_group(
    device: SerialScannerDevice,
) -> None:
    Path(device.tty).chmod(0)
    process = os.fork()
    if process == 0:  # root may open everything: try it as somebody else
        code = 1
        try:
            import serial.serialposix  # noqa: F401 - nobody can read this checkout's libraries

            if os.getuid() == 0:
                os.setgroups([])
                os.setuid(65_534)
            SerialPort(device.tty, BAUD)
        except DeviceNotFound as exc:
            code = 0 if "add the user to the group dialout" in str(exc) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_a_device_whose_driver_came_after_the_service_says_to_restart_it() -> None:
    refused = OSError(errno.EPERM, "could not open port /dev/ttyUSB0: Operation not permitted")
    assert serialport._in_words(refused).endswith("restart the service")


def test_a_star_stands_for_one_device(tmp_path: Path, device: SerialScannerDevice) -> None:
    pattern = str(tmp_path / "usb-*")
    assert find_device(pattern) == str(device.path)
    device.pull_out()
    with pytest.raises(DeviceNotFound, match="no device"):
        find_device(pattern)


def test_two_scanners_for_one_star_are_both_named(
    tmp_path: Path, device: SerialScannerDevice
) -> None:
    other = SerialScannerDevice(tmp_path / "usb-second")
    with pytest.raises(DeviceNotFound) as caught:
        SerialPort(str(tmp_path / "usb-*"), BAUD)
    assert str(caught.value) == (
        f"{tmp_path}/usb-* stands for 2 devices, set the device to one of them: "
        f"{device.path}, {other.path}"
    )
    other.close()


def test_a_speed_that_the_line_cannot_have_is_said(device: SerialScannerDevice) -> None:
    with pytest.raises(DeviceNotFound):
        SerialPort(str(device.path), -5)


def test_a_device_that_is_plugged_in_again_has_another_tty_and_the_same_path(
    device: SerialScannerDevice, port: SerialPort
) -> None:
    before = device.tty
    device.pull_out()
    device.plug_in()
    assert device.tty != before
    port.close()
    again = SerialPort(str(device.path), BAUD)
    device.scan("GP1:X")
    assert again.read(WAIT_S) == b"GP1:X\r"
    again.close()
