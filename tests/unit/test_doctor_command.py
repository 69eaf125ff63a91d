"""``gated doctor`` as its user runs it, on a machine that is none: configurations good and bad."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from gated.cli import main
from gated.commands.doctor import load
from gated.commands.doctor_output import MARKS, exit_code, lines
from gated.doctor import (
    board,
    centre,
    checkup,
    libraries,
    nodes,
    services,
    storage,
    wall_clock,
    wired,
)
from gated.doctor.checkup import Check, examine, examine_all
from gated.doctor.findings import Area, Finding, Level, error, ok, unknown, warning
from gated.doctor.host import CannotLook
from gated.errors import ExitCode, StorageError
from gated.ledger.files import check_folder
from gated.scanner.lock import only_scanner_of
from tests.config_texts import MINIMAL

NOBODY_LISTENS = '"mqtt://127.0.0.1:1"'

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return a function that writes a configuration and returns (exit code, what is said)."""

    def run(text: str, *arguments: str, state: Path = tmp_path) -> tuple[int, dict[str, Any]]:
        file = tmp_path / "gated.toml"
        paths = f'[paths]\nstate = "{state}"\nrun = "{tmp_path / "run"}"\n'
        broker = text.replace('"mqtts://10.8.0.1:8883"', NOBODY_LISTENS)
        file.write_text(broker + paths, encoding="utf-8")
        code = main(["doctor", "--config", str(file), "--json", *arguments])
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return code, said

    return run


def of(said: dict[str, Any], subject: str) -> list[tuple[str, str]]:
    """Return level and English sentence of each finding about ``subject``."""
    return [(f["level"], f["says"]["en"]) for f in said["findings"] if f["subject"] == subject]


def test_a_machine_without_devices_is_told_what_is_missing(ask: Ask) -> None:
    code, said = ask(MINIMAL)
    assert code == ExitCode.FAILED
    assert [f["area"] for f in said["findings"]] == sorted(
        (f["area"] for f in said["findings"]), key=[area.value for area in Area].index
    )
    assert {f["area"] for f in said["findings"]} == {area.value for area in Area}
    assert said["sums"]["error"] == sum(f["level"] == "error" for f in said["findings"])
    assert said["v"] == 1
    assert ("error", f"cannot reach {NOBODY_LISTENS[1:-1]}: connection refused") in of(
        said, "broker"
    )
    assert of(said, "library_sqlite")[0][0] == "ok"


def test_what_a_running_scanner_has_is_left_alone(ask: Ask, tmp_path: Path) -> None:
    with only_scanner_of(tmp_path / "run"):
        _, said = ask(MINIMAL)
    ((level, sentence),) = of(said, "device_scanner")
    assert level == "unknown"
    assert sentence.startswith(f"the scanner runs (process {os.getpid()})")
    assert of(said, "device_child")[0][0] == "error"  # the others are looked at
    assert of(ask(MINIMAL)[1], "device_scanner")[0][0] == "error"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        # An older version's file: a key that is gone, and one that has another name now.
        (MINIMAL.replace("[scanner]", "[scanner]\ndecoder = 'zbar'"), "scanner.decoder"),
        (MINIMAL.replace("[outputs]\n", "").replace("relay = {", "[relay]\nx = {"), "outputs"),
        (MINIMAL.replace("GPIO17", "17"), "outputs.relay.line"),
        ("[gate\n", "not TOML"),
        (
            MINIMAL.replace(
                "[outputs]",
                'serial = [{ name = "a", device = "/dev/serial/by-id/x" },'
                ' { name = "b", device = "/dev/serial/by-id/x" }]\n[outputs]',
            ),
            "two scanners have the device",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_hides_nothing_else(
    broken: str, words: str, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = ask(broken)
    assert code == ExitCode.FAILED
    faults = of(said, "configuration")
    assert {level for level, _ in faults} == {"error"}
    assert any(words in sentence for _, sentence in faults)
    assert of(said, "clock")
    assert of(said, "library_sqlite")
    assert not of(said, "devices")
    # What the service says when it refuses to start is what the doctor says.
    assert main(["config", "check", str(tmp_path / "gated.toml")]) == ExitCode.CONFIG
    refusal = capsys.readouterr().err
    file = f"{tmp_path / 'gated.toml'}: "
    assert all(sentence.removeprefix(file) in refusal for _, sentence in faults)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    loaded = load(tmp_path / "none.toml")
    assert loaded.config is None
    assert "none.toml is missing" in loaded.faults[0]


@pytest.fixture
def status_line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Give a function that returns what systemctl status would show."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"{folder}/notify")  # a short name: paths of sockets are limited
        heard.settimeout(10.0)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        yield lambda: heard.recv(8_192).decode().removeprefix("STATUS=")


@pytest.mark.parametrize("service", ["controller", "scanner", "uplink"])
def test_the_services_status_line_says_what_the_doctor_says(
    service: str, ask: Ask, status_line: Callable[[], str], tmp_path: Path
) -> None:
    _, said = ask(MINIMAL.replace("GPIO17", "17") + "[relay]\npin = 4\n")
    file = tmp_path / "gated.toml"
    assert main([service, "--config", str(file)]) == ExitCode.CONFIG
    status = status_line()
    assert len(status.encode()) < 4_096
    faults = of(said, "configuration")
    assert len(faults) == 2
    assert all(" ".join(f.removeprefix(f"{file}: ").split()) in status for _, f in faults)


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    only_read = 1  # MS_RDONLY [mount(2)]
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", only_read, None) != 0:
        pytest.skip(f"cannot mount anything: {os.strerror(ctypes.get_errno())}")
    yield folder
    assert libc.umount2(str(folder).encode(), 2) == 0


def test_of_a_read_only_state_folder_doctor_and_service_say_the_same(
    ask: Ask, read_only_disk: Path
) -> None:
    code, said = ask(MINIMAL, state=read_only_disk)
    assert code == ExitCode.FAILED
    with pytest.raises(StorageError) as caught:  # as the controller's ledger is opened
        check_folder(read_only_disk / "ledger.db")
    assert of(said, "state_folder") == [("error", str(caught.value))]
    assert ("error", str(caught.value)) in of(said, "start")


# --- one check and the others --------------------------------------------------------------------


def look(finding: Finding) -> Check:
    return Check(Area.BOARD, finding.subject, lambda: [finding])


def test_whatever_happens_in_a_check_the_others_are_made() -> None:
    never = threading.Event()

    def hang() -> Iterator[Finding]:
        never.wait()
        return iter(())

    def refuse() -> Iterator[Finding]:
        raise CannotLook("/sys/x cannot be read: Permission denied; try sudo")

    def meet_a_closed_folder() -> Iterator[Finding]:
        raise PermissionError(13, "Permission denied", "/var/lib/gated")

    checks = [
        Check(Area.CENTRE, "a", hang, within_s=0.05),
        Check(Area.DEVICES, "b", refuse),
        Check(Area.DEVICES, "d", meet_a_closed_folder),
        look(ok("c", says=("好", "fine"))),
    ]
    heard: list[str] = []
    found = examine_all(checks, heard.append)
    never.set()
    assert heard == ["a", "b", "d", "c"]
    assert [(area, f.subject, f.level) for area, f in found] == [
        (Area.DEVICES, "b", Level.UNKNOWN),
        (Area.DEVICES, "d", Level.UNKNOWN),
        (Area.BOARD, "c", Level.OK),
        (Area.CENTRE, "a", Level.UNKNOWN),
    ]
    assert found[1][1].says[1].startswith("/var/lib/gated: Permission denied; use sudo")
    assert found[0][1].says[1] == "/sys/x cannot be read: Permission denied; try sudo"


def test_a_defect_in_a_check_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: told.set())

    def broken() -> Iterator[Finding]:
        raise KeyError("ours")

    (finding,) = examine(Check(Area.BOARD, "x", broken))
    assert (finding.level, "a defect of gated" in finding.says[1]) == (Level.UNKNOWN, True)
    assert told.wait(10.0)  # its traceback is not lost


FINDINGS = {
    Level.OK: ok("a", says=("甲好", "a is fine")),
    Level.WARNING: warning("b", says=("乙可疑", "b is doubtful"), mend=("查乙", "look at b")),
    Level.ERROR: error("c", says=("丙坏", "c is\nbroken"), mend=("换丙", "replace c")),
    Level.UNKNOWN: unknown("d", says=("丁未知", "d is not known")),
}


def test_one_line_for_each_in_both_languages() -> None:
    found = [(Area.BOARD, finding) for finding in FINDINGS.values()]
    assert list(lines(found, "en")) == [
        "board",
        "  ok  a is fine",
        "  ~   b is doubtful: look at b",
        "  !   c is broken: replace c",
        "  ?   d is not known",
        "",
        "1 wrong, 1 doubtful, 1 not known",
    ]
    assert list(lines(found, "zh-Hans"))[2:] == [
        "  ~   乙可疑：查乙",
        "  !   丙坏：换丙",
        "  ?   丁未知",
        "",
        "1 处错误，1 处提醒，1 处未知",
    ]
    assert list(lines(found[:1], "en"))[-1] == "all is well"
    assert set(MARKS) == set(Level)


@pytest.mark.parametrize(
    ("level", "usually", "strictly"),
    [(Level.OK, 0, 0), (Level.WARNING, 0, 1), (Level.ERROR, 1, 1), (Level.UNKNOWN, 0, 1)],
)
def test_the_exit_code(level: Level, usually: int, strictly: int) -> None:
    found = [(Area.BOARD, FINDINGS[Level.OK]), (Area.BOARD, FINDINGS[level])]
    assert exit_code(found, is_strict=False) == usually
    assert exit_code(found, is_strict=True) == strictly


def test_the_page_names_every_subject_and_mark() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/doctor.md").read_text(encoding="utf-8")
    subjects = {
        *(board.CHIP, board.STRICT, board.BOOT_PINS, board.POWER),
        *(centre.BROKER, centre.CERTIFICATES, centre.ACK),
        *(storage.STATE, storage.DISK, storage.BALLAST),
        *(wall_clock.CLOCK, wall_clock.BATTERY),
        *(services.CONTROLLER, services.WATCHDOG),
        *(checkup.CONFIGURATION, checkup.START, checkup.DEVICES, nodes.PERMISSIONS),
        *(
            name.format("NAME")
            for name in (
                services.UNIT,
                services.SANDBOX,
                wired.SUBJECT,
                wired.CALIBRATION,
                libraries.SUBJECT,
            )
        ),
    }
    named = {*subjects, *MARKS.values(), *Level, *(area.value for area in Area)}
    assert [name for name in named if f"`{name}`" not in page] == []
