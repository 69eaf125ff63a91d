"""The real scanner process with a serial scanner on a kernel tty, and no camera."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gated.clock import SystemClock
from gated.datagrams import Receiver
from gated.messages import CodeSeen
from gated.scanner.lock import LOCK_NAME
from gated.scanner.main import SOCKET_NAME
from gated.scanner.sighting import CameraState, ScannerHealth, Sighting, decode_sighting
from gated.simulation.gm65 import Gm65Module
from gated.simulation.serial_devices import SerialScannerDevice, serial_on_stage
from tests.config_texts import with_keys

CLOCK = SystemClock()
MOST_S = 20.0
NOTICED_WITHIN_S = 3.0
TEN_MEGABYTES = 10_000_000

# A configuration names devices below /dev only; this is the one folder there that all may write to.
DEVICES = Path("/dev/shm")  # noqa: S108 - see above


def scanner_process(config: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gated", "scanner", "--config", str(config), *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )


def write_config(folder: Path, *scanner_keys: str, camera: str = "none") -> Path:
    config = folder / "gated.toml"
    text = with_keys("scanner", *scanner_keys).replace('camera = "v4l2"', f'camera = "{camera}"')
    config.write_text(f'{text}\n[paths]\nrun = "{folder / "run"}"\n')
    return config


class Gate:
    """A scanner process with one serial scanner, and the socket that it reports to.

    ``keys`` are other keys of the scanner's configuration.
    """

    def __init__(self, folder: Path, keys: str = "") -> None:
        self.devices = Path(tempfile.mkdtemp(prefix="gated-", dir=DEVICES))
        self.scanner = SerialScannerDevice(self.devices / "usb-scanner-if00")
        serial = f'serial = [{{ name = "paper", device = "{self.devices}/usb-*"{keys} }}]'
        self.config = write_config(folder, serial)
        self.run = folder / "run"
        self.receiver = Receiver(self.run / SOCKET_NAME)
        self.process = scanner_process(self.config)

    def sightings(self, within_s: float = MOST_S) -> Iterator[Sighting]:
        """Yield what arrives. Raises: AssertionError: nothing more does, or the process ended."""
        deadline_s = CLOCK.monotonic_s() + within_s
        while (left_s := deadline_s - CLOCK.monotonic_s()) > 0:
            assert self.process.poll() is None, "the scanner has ended"
            datagram = self.receiver.receive(left_s)
            if datagram is not None:
                yield decode_sighting(datagram.payload)
        raise AssertionError(f"not within {within_s} s")

    def next_code(self) -> CodeSeen:
        return next(s for s in self.sightings() if isinstance(s, CodeSeen))

    def next_state(self, state: CameraState, within_s: float = MOST_S) -> ScannerHealth:
        return next(
            s for s in self.sightings(within_s) if isinstance(s, ScannerHealth) and s.state is state
        )

    def memory_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0])

    def log(self) -> str:
        """End the process. Return what it logged."""
        self.process.kill()
        return self.process.communicate()[1]

    def end(self) -> None:
        if self.process.returncode is None:
            self.log()
        self.receiver.close()
        self.scanner.close()
        shutil.rmtree(self.devices, ignore_errors=True)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.end()


def test_codes_arrive_and_no_text_is_logged(gate: Gate) -> None:
    health = gate.next_state(CameraState.OK)
    assert health.device == "paper"
    gate.scanner.scan("GP1:SECRET 立信 42")
    seen = gate.next_code()
    assert (seen.text, seen.decoder, seen.is_ambiguous) == ("GP1:SECRET 立信 42", "serial", False)
    gate.scanner.suffix = b""
    gate.scanner.scan("GP1:NEXT", encoding="gb18030")
    assert gate.next_code().text == "GP1:NEXT"
    gate.process.send_signal(signal.SIGTERM)
    _, errors = gate.process.communicate(timeout=MOST_S)
    assert gate.process.returncode == 0
    assert "SECRET" not in errors


def test_a_scanner_pulled_out_is_told_with_its_name_and_works_again_by_itself(gate: Gate) -> None:
    gate.next_state(CameraState.OK)
    before = gate.scanner.tty
    gate.scanner.pull_out()
    lost = gate.next_state(CameraState.NO_FRAMES, NOTICED_WITHIN_S)
    assert lost.device == "paper"
    assert "unplugged" in lost.reason
    gate.scanner.plug_in()
    assert gate.scanner.tty != before
    assert gate.next_state(CameraState.OK).device == "paper"
    gate.scanner.scan("GP1:AGAIN")
    assert gate.next_code().text == "GP1:AGAIN"
    errors = gate.log()
    assert errors.count("is lost") == 2, errors  # one line: of the scanner, and of its device
    assert errors.count("scanner paper is back") == 1


def test_ten_megabytes_without_an_end_are_one_code_without_text(gate: Gate) -> None:
    gate.next_state(CameraState.OK)
    before_kb = gate.memory_kb()
    assert gate.scanner.flood(TEN_MEGABYTES) == TEN_MEGABYTES
    after_kb = gate.memory_kb()
    texts = list[str]()
    for sighting in gate.sightings():
        if isinstance(sighting, CodeSeen):
            texts.append(sighting.text)
            if sighting.text:
                break
        else:  # once a second
            gate.scanner.scan("GP1:NEXT")
    assert texts == ["", "GP1:NEXT"]
    assert after_kb - before_kb < 4_096


def test_a_gm65_is_set_up_triggered_read_and_set_up_anew_when_plugged_in(tmp_path: Path) -> None:
    gate = Gate(tmp_path, ', protocol = "gm65", trigger = "command"')
    gate.scanner.close()  # no GM65, and out of the way
    with closing(Gm65Module(gate.devices / "usb-gm65-if00")) as module:
        for text in ("GP1:SECRET 立信\r\n42", "GP1:SECRET 43"):
            gate.next_state(CameraState.OK)
            health = next(s for s in gate.sightings() if module.scan(text))
            assert isinstance(health, ScannerHealth)
            seen = gate.next_code()
            assert seen.text == (text if text.isprintable() else "")
            module.pull_out()
            gate.next_state(CameraState.NO_FRAMES, NOTICED_WITHIN_S)
            module.plug_in()
        gate.next_state(CameraState.OK)
        module.is_silent = True
        reason = gate.next_state(CameraState.NO_FRAMES).reason
        assert "does not answer commands: is it a GM65" in reason
        assert module.saves == 0
    errors = gate.log()
    gate.end()
    assert "SECRET" not in errors
    assert "Traceback" not in errors


def test_two_scanners_for_one_star_are_both_named_and_the_process_stays(gate: Gate) -> None:
    gate.next_state(CameraState.OK)
    gate.scanner.pull_out()
    gate.next_state(CameraState.NO_FRAMES)
    gate.scanner.plug_in()
    second = SerialScannerDevice(gate.devices / "usb-second")
    try:
        health = next(
            s for s in gate.sightings() if isinstance(s, ScannerHealth) and "second" in s.reason
        )
        assert "usb-scanner-if00" in health.reason
        assert "set the device to one of them" in health.reason
    finally:
        second.close()
    assert gate.next_state(CameraState.OK).device == "paper"


def test_a_second_scanner_process_of_the_gate_is_refused(gate: Gate) -> None:
    gate.next_state(CameraState.OK)
    second = scanner_process(gate.config)
    _, errors = second.communicate(timeout=MOST_S)
    assert second.returncode == 69
    assert f"another scanner process serves this gate (process {gate.process.pid}" in errors
    assert len(errors.strip().splitlines()) == 1
    gate.scanner.scan("GP1:STILL HERE")
    assert gate.next_code().text == "GP1:STILL HERE"


def test_a_scanner_process_that_was_killed_does_not_bar_its_successor(gate: Gate) -> None:
    gate.next_state(CameraState.OK)
    gate.process.kill()
    gate.process.communicate()
    assert (gate.run / LOCK_NAME).exists()
    gate.process = scanner_process(gate.config)
    gate.next_state(CameraState.OK)


def test_a_gate_without_camera_and_scanner_says_what_to_set(tmp_path: Path) -> None:
    process = scanner_process(write_config(tmp_path))
    _, errors = process.communicate(timeout=MOST_S)
    assert process.returncode == 78
    assert "scanner.serial" in errors


def test_a_scanner_that_is_not_there_is_told_and_the_process_stays(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "run" / SOCKET_NAME)
    serial = 'serial = [{ name = "paper", device = "/dev/serial/by-id/usb-none-at-all" }]'
    process = scanner_process(write_config(tmp_path, serial))
    datagram = receiver.receive(MOST_S)
    assert datagram is not None
    health = decode_sighting(datagram.payload)
    assert isinstance(health, ScannerHealth)
    assert (health.device, health.state) == ("paper", CameraState.NO_FRAMES)
    assert "plug it in, or set the device" in health.reason
    process.send_signal(signal.SIGTERM)
    assert process.wait(MOST_S) == 0
    process.communicate()
    receiver.close()


def test_without_a_camera_neither_numpy_nor_opencv_is_loaded(tmp_path: Path) -> None:
    config = write_config(tmp_path, 'serial = [{ name = "paper", device = "/dev/shm/absent" }]')
    code = (
        "import sys; from gated.cli import main\n"
        f"code = main(['scanner', '--config', {str(config)!r}])\n"
        "print(code, sorted({'numpy', 'cv2', 'zxingcpp', 'pyzbar'} & set(sys.modules)))"
    )
    with closing(Receiver(tmp_path / "run" / SOCKET_NAME)) as receiver:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert receiver.receive(MOST_S) is not None
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=MOST_S)
    assert output.strip() == "0 []", errors


def test_on_a_stage_the_scanner_is_the_scenarios(tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    stage.mkdir()
    scanner = SerialScannerDevice(serial_on_stage(stage, "paper"))
    receiver = Receiver(tmp_path / "run" / SOCKET_NAME)
    serial = 'serial = [{ name = "paper", device = "/dev/serial/by-id/usb-real" }]'
    process = scanner_process(write_config(tmp_path, serial), "--stage", str(stage))
    texts = list[str]()
    while not texts:
        datagram = receiver.receive(MOST_S)
        assert datagram is not None
        sighting = decode_sighting(datagram.payload)
        if isinstance(sighting, CodeSeen):
            texts.append(sighting.text)
        elif isinstance(sighting, ScannerHealth) and sighting.state is CameraState.OK:
            scanner.scan("GP1:STAGED")
    assert texts == ["GP1:STAGED"]
    process.kill()
    process.communicate()
    receiver.close()
    scanner.close()
