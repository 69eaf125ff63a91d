"""What a technician gets wrong: status line and doctor say one sentence, and the gate stays shut.

The sentence is taken from where systemd would show it (``STATUS=``) and from ``gated doctor``.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gated.actuators.alsa import AlsaSoundCard
from gated.clock import SystemClock
from gated.commands.status import gather
from gated.config import GateConfig, parse_gate
from gated.config.load import load_gate
from gated.credentials.pseudonym import make_site_key
from gated.devices import heat_columns
from gated.doctor.checkup import CONFIGURATION, START
from gated.doctor.findings import Level
from gated.doctor.services import UNIT, look_at_units
from gated.doctor.storage import STATE
from gated.doctor.wired import SUBJECT, look_at_devices, told_by_gate
from gated.errors import ExitCode
from gated.facts.problems import problems
from gated.facts.running import ControllerStatus
from gated.ledger.files import WriterLock
from gated.probe.check import Bench
from gated.scanner.lock import only_scanner_of
from gated.simulation.stage import HEAT_FILE, OUTPUTS_SOCKET, HeatLog
from tests.config_texts import MINIMAL
from tests.doctor_host import host
from tests.gate_processes import PATIENCE_S, ask_gated, wait_for
from tests.probe_gate import ProbedGate
from tests.probed_controller import FAULTS
from tests.relay_wire import Wire, wire

CLOCK = SystemClock()


class Manager:
    """Stands where systemd does: hears what the services say of themselves."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._heard.bind(self.address)
        self._heard.setblocking(False)
        self.lines: list[str] = []

    def status(self) -> str:
        """Return what ``systemctl status`` would show now."""
        try:
            while True:
                self.lines += self._heard.recv(8_192).decode().split("\n")
        except BlockingIOError:
            told = [line for line in self.lines if line.startswith("STATUS=")]
            return told[-1].removeprefix("STATUS=") if told else ""

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": self.address},
        )

    def close(self) -> None:
        self._heard.close()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short path: the names of sockets are limited."""
    return tmp_path_factory.mktemp("b")


@pytest.fixture
def manager(folder: Path) -> Iterator[Manager]:
    with closing(Manager(folder)) as manager:
        yield manager


def one_line(text: str) -> str:
    return " ".join(text.split())


def examined(file: Path, *subjects: str, levels: Collection[str] = (Level.ERROR,)) -> list[str]:
    """Return what the doctor finds wrong about ``subjects``: its English sentences, each once."""
    answer = ask_gated("doctor", "--json", "--config", str(file))
    assert answer.returncode == ExitCode.FAILED, answer.stderr
    findings = json.loads(answer.stdout)["findings"]
    wrong = [f for f in findings if f["subject"] in subjects and f["level"] in levels]
    return list(dict.fromkeys(one_line(f["says"]["en"]) for f in wrong))


# --- what keeps a service from its start ----------------------------------------------------------

SERIAL = 'serial = [{ name = "low", device = "/dev/serial/by-id/usb-low" }]'
COMPLETE = MINIMAL.replace("mqtts://10.8.0.1:8883", "mqtt://127.0.0.1:1").replace(
    "[scanner]\n", f"[scanner]\n{SERIAL}\n"
)


class Site:
    """A gate that is complete until a test spoils it. Nothing runs."""

    def __init__(self, folder: Path) -> None:
        self.state, self.run, self.trust = folder / "state", folder / "run", folder / "trust"
        self.site_key, self.file = folder / "site.key", folder / "gated.toml"
        for made in (self.state, self.run, self.trust):
            made.mkdir()
        make_site_key(self.site_key)
        self.text = (
            f'{COMPLETE}[paths]\nstate = "{self.state}"\nrun = "{self.run}"\n'
            f'[credentials]\ntrust = "{self.trust}"\nsite_key_file = "{self.site_key}"\n'
            "[ledger]\nmin_free_mb = 20\n"
        )
        self.write()

    def write(self) -> None:
        self.file.write_text(self.text, encoding="utf-8")

    def change(self, old: str, new: str) -> None:
        assert old in self.text
        self.text = self.text.replace(old, new)
        self.write()


def no_site_key(site: Site) -> None:
    site.site_key.unlink()


def no_state_folder(site: Site) -> None:
    site.state.rmdir()


def no_run_folder(site: Site) -> None:
    site.run.rmdir()
    site.run.touch()


def half_a_file(site: Site) -> None:
    site.change('relay = { line = "GPIO17" }', "")
    site.change('name = "east-1"', "")


def a_pin_by_its_number(site: Site) -> None:
    site.change("GPIO17", "17")


def one_pin_for_two(site: Site) -> None:
    site.change("[outputs]\n", '[outputs]\nbuzzer = { line = "GPIO17" }\n')


def an_active_low_relay(site: Site) -> None:
    site.change('line = "GPIO17"', 'line = "GPIO17", active_low = true')


def an_address_that_no_such_chip_has(site: Site) -> None:
    site.change('variant = "DCI"', 'variant = "DCI", address = 300')


def one_scanner_twice(site: Site) -> None:
    site.change(
        SERIAL, SERIAL.replace("]", ', { name = "high", device = "/dev/serial/by-id/usb-low" }]')
    )


def a_scanner_that_is_the_relay(site: Site) -> None:
    site.change(
        'relay = { line = "GPIO17" }',
        'relay = { driver = "lcus", device = "/dev/serial/by-id/usb-low" }',
    )


def a_key_that_is_gone(site: Site) -> None:
    site.change("[credentials]\n", '[credentials]\nsite_key_id = "k1"\n')


def a_newer_file(site: Site) -> None:
    site.text = f"version = 2\n{site.text}"
    site.write()


SPOILT: Mapping[Callable[[Site], None], ExitCode] = {
    no_site_key: ExitCode.CONFIG,
    no_state_folder: ExitCode.IO,
    no_run_folder: ExitCode.IO,
    half_a_file: ExitCode.CONFIG,
    a_pin_by_its_number: ExitCode.CONFIG,
    one_pin_for_two: ExitCode.CONFIG,
    an_active_low_relay: ExitCode.CONFIG,
    an_address_that_no_such_chip_has: ExitCode.CONFIG,
    one_scanner_twice: ExitCode.CONFIG,
    a_scanner_that_is_the_relay: ExitCode.CONFIG,
    a_key_that_is_gone: ExitCode.CONFIG,
    a_newer_file: ExitCode.CONFIG,
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_keeps_the_controller_from_its_start_is_what_the_doctor_says(
    spoil: Callable[[Site], None], folder: Path, manager: Manager
) -> None:
    site = Site(folder)
    spoil(site)
    with ExitStack() as held:
        stage = folder / "stage"
        stage.mkdir()
        far_end = held.enter_context(closing(Wire(stage / OUTPUTS_SOCKET)))
        columns = heat_columns(parse_gate(COMPLETE, "complete"))
        held.enter_context(closing(HeatLog(stage / HEAT_FILE, columns, create=True)))
        process = held.enter_context(
            manager.start(
                "-m", "gated", "controller", "--config", str(site.file), "--stage", str(stage)
            )
        )
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == SPOILT[spoil], output
        assert "Traceback" not in output
        assert far_end.levels() == [], "the relay was not even taken"
    status = manager.status()
    sentences = examined(site.file, CONFIGURATION, START)
    assert sentences
    for sentence in sentences:
        assert sentence.removeprefix(f"{site.file}: ") in status
    # And nothing but them: what is left is the heading of a list.
    for sentence in sentences:
        status = status.replace(sentence.removeprefix(f"{site.file}: "), "")
    assert re.fullmatch(rf"({re.escape(str(site.file))} has \d+ errors? \(.*\):)? *", status)


def no_password(site: Site) -> None:
    site.change("[uplink]\n", f'[uplink]\npassword_file = "{site.state / "password"}"\n')


def no_eyes(site: Site) -> None:
    site.change(SERIAL, "")
    site.change('camera = "v4l2"', 'camera = "none"')


@pytest.mark.parametrize(
    ("service", "spoil", "subject"),
    [("uplink", no_password, START), ("scanner", no_eyes, CONFIGURATION)],
)
def test_what_keeps_the_other_services_from_their_start_is_what_the_doctor_says(
    service: str, spoil: Callable[[Site], None], subject: str, folder: Path, manager: Manager
) -> None:
    site = Site(folder)
    spoil(site)
    with manager.start("-m", "gated", service, "--config", str(site.file)) as process:
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == ExitCode.CONFIG, output
    levels = (Level.ERROR, Level.WARNING)  # a gate may mean to have no scanner
    assert manager.status() in examined(site.file, subject, levels=levels)


@pytest.fixture
def read_only_disk(folder: Path) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    only_read = 1  # MS_RDONLY [mount(2)]
    if libc.mount(b"tmpfs", str(disk).encode(), b"tmpfs", only_read, None) != 0:
        pytest.skip(f"cannot mount anything: {os.strerror(ctypes.get_errno())}")
    yield disk
    assert libc.umount2(str(disk).encode(), 2) == 0


def test_of_a_read_only_state_folder_both_say_the_same(
    folder: Path, manager: Manager, read_only_disk: Path
) -> None:
    site = Site(folder)
    site.change(f'state = "{site.state}"', f'state = "{read_only_disk}"')
    with manager.start("-m", "gated", "controller", "--config", str(site.file)) as process:
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == ExitCode.IO
    assert "Traceback" not in output
    assert examined(site.file, STATE) == examined(site.file, START) == [manager.status()]


# --- two of one -----------------------------------------------------------------------------------


def test_the_second_scanner_and_controller_say_who_is_there_and_the_doctor_repeats_it(
    folder: Path, manager: Manager
) -> None:
    site = Site(folder)
    told = {}
    with (
        only_scanner_of(site.run),
        closing_lock(WriterLock(site.state / "ledger.db", "gated controller")),
    ):
        for service in ("scanner", "controller"):
            with manager.start("-m", "gated", service, "--config", str(site.file)) as process:
                output, _ = process.communicate(timeout=PATIENCE_S)
            assert process.returncode in {ExitCode.UNAVAILABLE, ExitCode.IO}, output
            told[service] = manager.status()
    assert "another scanner process serves this gate" in told["scanner"]
    assert "another gated controller runs" in told["controller"]
    units = "\n\n".join(
        f"Id=gated-{name}.service\nLoadState=loaded\nActiveState=activating\n"
        f"SubState=auto-restart\nResult=exit-code\nWatchdogUSec=10s\nStatusText={status}"
        for name, status in told.items()
    )
    machine = host(folder / "root", {"run/systemd/system/x": ""}, says={"systemctl": units})
    said = {finding.subject: finding for finding in look_at_units(machine)}
    for name, status in told.items():
        finding = said[UNIT.format(name)]
        assert finding.level is Level.ERROR
        assert finding.says[1].endswith(status)


@contextmanager
def closing_lock(lock: WriterLock) -> Iterator[None]:
    try:
        yield
    finally:
        lock.release()


# --- a device that is not there -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lost:
    """What one fault costs: the device's name, and a part of the sentence."""

    device: str
    words: str
    has_scanner: bool = False  # its process must run for it to be missed


LOST = {
    "a wrong pin": Lost("lamp go", "GPIO99"),
    "a wrong pin of the relay": Lost("relay", "no GPIO chip"),
    "a chip at another address": Lost("ambient", "/dev/i2c-0/0x44"),
    "an unplugged chip": Lost("child", "/dev/i2c-1/0x5A"),
    "no camera": Lost("scanner", "no-pictures-here", has_scanner=True),
    "no serial scanner": Lost("paper", "/dev/serial/by-id/usb-scanner-if00", has_scanner=True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_status_line_status_screen_and_doctor_say_one_sentence_of_a_lost_device(
    fault: str, folder: Path, manager: Manager
) -> None:
    lost, file = LOST[fault], folder / "gated.toml"
    beside: Manager | None = None
    with ExitStack() as held:
        controller = held.enter_context(
            manager.start("-m", "tests.probed_controller", str(folder), fault)
        )
        held.callback(controller.terminate)
        if lost.has_scanner:
            wait_for(lambda: manager.status() != "", "a controller")
            (folder / "s").mkdir()
            beside = held.enter_context(closing(Manager(folder / "s")))
            scanner = held.enter_context(
                beside.start("-m", "gated", "scanner", "--config", str(file))
            )
            held.callback(scanner.terminate)
            its = beside.status
            wait_for(lambda: lost.words in its(), "the scanner's sentence", log=its)
        wait_for(lambda: lost.words in manager.status(), "the sentence", log=manager.status)
        config = load_gate(file)
        wait_for(lambda: told_by(config, file, lost.device) is not None, "status.json")
        (sentence,) = [
            said for said in manager.status().split(" | ") if said.startswith(f"{lost.device} is ")
        ]
        assert told_by(config, file, lost.device) == sentence
        if beside is not None:
            assert sentence in beside.status().split(" | ")
        status = gather(config, file, CLOCK)
        assert any(en.startswith(f"{sentence}; ") for _, en in problems(status))
        controller.terminate()
        output, _ = controller.communicate(timeout=PATIENCE_S)
        # The gate stayed shut.
        assert True not in json.loads(output.splitlines()[-1]), output
    # The doctor at a stopped gate asks the devices themselves.
    assert asked(fault, folder, lost.device) == sentence


def told_by(config: GateConfig, file: Path, device: str) -> str | None:
    """Return what the doctor says of ``device`` of a running gate; None: nothing is wrong."""
    running = gather(config, file, CLOCK).controller
    if not isinstance(running, ControllerStatus):
        return None
    findings = {finding.subject: finding for finding in told_by_gate(running, config)}
    finding = findings[SUBJECT.format(device)]
    return finding.says[1] if finding.level is Level.ERROR else None


def asked(fault: str, folder: Path, device: str) -> str:
    """Return what the doctor says of ``device`` after asking it."""
    (folder / "again").mkdir()
    with wire() as far_end:
        gate = ProbedGate(folder / "again", far_end, CLOCK)
        FAULTS[fault](gate)
        card = lambda name, clock: AlsaSoundCard(name, clock, lambda: gate.sound)  # noqa: E731
        bench = Bench(gate.config, gate.devices(), CLOCK, gate.pause, make_card=card)
        findings = {finding.subject: finding for finding in look_at_devices(bench)}
        assert True not in far_end.levels()
    finding = findings[SUBJECT.format(device)]
    assert finding.level is Level.ERROR
    return finding.says[1]
