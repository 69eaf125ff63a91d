"""``gated probe`` at the command line: what it waits for, asks, refuses, and switches."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.cli import main
from gated.clock import FakeClock, SystemClock
from gated.commands.probe import Progress, confirm
from gated.config import parse_gate
from gated.config.explain import dump_toml, with_paths
from gated.errors import DeviceError, ExitCode, GatedError
from gated.probe.bounded import Overdue, bounded
from gated.probe.toggle import line_names, toggle
from gated.scanner.lock import only_scanner_of
from tests.config_texts import MINIMAL
from tests.probe_gate import LINES, ProbedGate
from tests.relay_wire import wire


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[ProbedGate]:
    with wire() as far_end:
        yield ProbedGate(tmp_path, far_end)


# --- what hangs ----------------------------------------------------------------------------------


def test_a_call_that_hangs_is_left_behind() -> None:
    never = threading.Event()
    with pytest.raises(Overdue, match=r"no answer within 0\.01 s"):
        bounded(never.wait, 0.01, "camera")
    never.set()


def test_what_a_bounded_call_returns_or_raises_comes_through() -> None:
    assert bounded(lambda: 7, 10.0, "relay") == 7

    def fail() -> None:
        raise DeviceError("gone", device="relay")

    with pytest.raises(DeviceError, match="gone"):
        bounded(fail, 10.0, "relay")


def test_progress_is_told_only_of_what_takes_longer_than_a_moment() -> None:
    clock, stream = FakeClock(), io.StringIO()
    tell = Progress(clock, stream)
    for step in range(30):
        tell(f"/dev/i2c-1 0x{0x08 + step:02X}")
        clock.advance(0.1)
    assert stream.getvalue().splitlines() == [
        "gated: … /dev/i2c-1 0x0F",
        "gated: … /dev/i2c-1 0x19",
        "gated: … /dev/i2c-1 0x23",
    ]


# --- one output ----------------------------------------------------------------------------------


def test_a_lamp_is_switched_on_once_for_so_long_and_let_go(gate: ProbedGate) -> None:
    waited: list[tuple[float, bool | None]] = []
    bulb = gate.header.wire("GPIO22")
    toggle("go", gate.config, gate.devices(), 0.7, lambda s: waited.append((s, bulb.driven)))
    assert waited == [(0.7, True)]
    assert (bulb.driven, bulb.consumer) == (None, None)


@pytest.mark.parametrize(
    ("name", "line"), [("wait", "GPIO23"), ("buzzer", "GPIO25"), ("call_staff", "GPIO27")]
)
def test_every_other_output_can_be_tried(gate: ProbedGate, name: str, line: str) -> None:
    levels: list[bool | None] = []
    bulb = gate.header.wire(line)
    toggle(name, gate.config, gate.devices(), 0.5, lambda _: levels.append(bulb.driven))
    assert levels == [True]


def test_the_relay_is_pulsed_through_its_guard(gate: ProbedGate) -> None:
    toggle("relay", gate.config, gate.devices(), 0.1, threading.Event().wait)
    levels = gate.far_end.levels()
    assert levels[:3] == [False, True, False]
    assert not any(levels[3:])


def test_whatever_interrupts_it_the_line_is_let_go(gate: ProbedGate) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        toggle("go", gate.config, gate.devices(), 0.5, interrupt)
    assert gate.header.wire("GPIO22").driven is None


@pytest.mark.parametrize(
    ("name", "for_s", "words"),
    [
        ("observe", 0.5, "there are: relay, go, wait, code, buzzer, call_staff"),
        ("go", 0.0, "above 0"),
        ("go", float("nan"), "above 0"),
        ("go", 60.0, "at most 10 s"),
        ("relay", 6.0, "at most 5 s"),
    ],
)
def test_what_cannot_be_toggled_is_refused_before_anything_is_taken(
    gate: ProbedGate, name: str, for_s: float, words: str
) -> None:
    with pytest.raises(GatedError, match=words):
        toggle(name, gate.config, gate.devices(), for_s, lambda _: None)
    assert [w.consumer for w in gate.header.wires] == [None] * len(LINES)
    assert gate.far_end.levels() == []


def test_a_gate_with_a_relay_alone_has_one_output() -> None:
    assert line_names(parse_gate(MINIMAL, "test")) == ("relay",)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["yes\n", "Y\n", "是\n"])
def test_whoever_says_yes_opens_the_gate(answer: str) -> None:
    asked = io.StringIO()
    confirm("en", Terminal(answer), asked)
    assert asked.getvalue() == "this opens the gate. yes / no? "


@pytest.mark.parametrize("answer", ["", "\n", "no\n", "relay\n"])
def test_anything_else_leaves_it_shut(answer: str) -> None:
    with pytest.raises(GatedError, match="stays shut"):
        confirm("en", Terminal(answer), io.StringIO())


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def config_file(gate: ProbedGate, tmp_path: Path) -> Path:
    config = with_paths(gate.config, state=tmp_path / "state", run=tmp_path / "run")
    file = tmp_path / "gated.toml"
    file.write_text(dump_toml(config), encoding="utf-8")
    file.chmod(0o644)
    return file


def say_running(run_folder: Path, pid: int) -> None:
    run_folder.mkdir()
    status = {
        "v": 1, "pid": pid, "boottime_ms": SystemClock().boottime_ms(), "mode": "normal",
        "drill": False, "prompt": "ready", "time_quality": "trusted", "devices": {},
        "threshold_c": 37.3, "rules": "r-1",
    }  # fmt: skip
    (run_folder / "status.json").write_text(json.dumps(status))


def test_the_relay_needs_a_word_where_nobody_can_be_asked(
    config_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATED_LANG", "en")
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    command = ["probe", "--config", str(config_file), "--line", "relay", "--toggle"]
    assert main(command) == ExitCode.FAILED
    assert capsys.readouterr().err == "gated: this opens the gate; if that is meant, add --yes\n"


def test_the_devices_of_a_running_gate_are_left_alone(
    config_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATED_LANG", "en")
    say_running(config_file.parent / "run", os.getpid())
    check = ["probe", "--config", str(config_file)]
    assert main(check) == ExitCode.UNAVAILABLE
    assert capsys.readouterr().out.startswith(
        f"! the controller runs (process {os.getpid()}) and holds the devices"
    )
    assert main([*check, "--line", "go", "--toggle"]) == ExitCode.UNAVAILABLE
    assert "stop it first" in capsys.readouterr().err
    monkeypatch.setenv("GATED_CONFIG", str(config_file))
    assert main(["probe", "--json"]) == ExitCode.UNAVAILABLE
    assert json.loads(capsys.readouterr().out)["held_by"] == os.getpid()


def test_what_a_running_scanner_has_is_left_alone(
    config_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATED_LANG", "en")
    check = ["probe", "--config", str(config_file), "--frame"]
    with only_scanner_of(config_file.parent / "run"):
        assert main(check) == ExitCode.FAILED  # this machine has not the others
        said = capsys.readouterr().out
        assert main([*check, "--json"]) == ExitCode.FAILED
        document = json.loads(capsys.readouterr().out)
    assert said.startswith(f"! the scanner runs (process {os.getpid()}) and has the camera and the")
    assert "! child (thermometer, " in said
    assert not any(name in said for name in ("scanner (camera", "paper (serial scanner", "320 ×"))
    assert document["scanner"] == str(os.getpid())
    assert main(check) == ExitCode.FAILED
    assert "ok  scanner (camera" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--toggle"], "belong together"),
        (["--line", "go"], "belong together"),
        (["--start"], "belongs to --config"),
        (["--save", "a.png"], "give both"),
        (["--frame", "--save", "a.gif"], ".png or .jpg"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", *arguments]) == ExitCode.FAILED
    assert words in capsys.readouterr().err


def test_a_frame_of_the_configurations_camera_is_shown_and_kept(
    config_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATED_LANG", "en")
    kept = config_file.parent / "kept.jpg"
    main(["probe", "--config", str(config_file), "--frame", "--save", str(kept)])
    shown = capsys.readouterr().out
    assert "ok  scanner (camera, pictures " in shown
    assert "320 × 240 px, brightness 20 %, no code" in shown
    assert f"the picture is in {kept}" in shown
    assert kept.exists()


def test_where_nobody_can_tell_whether_a_gate_runs_nothing_is_touched(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder = config_file.parent / "run"
    run_folder.mkdir()
    (run_folder / "status.json").write_text("{}")
    assert main(["probe", "--config", str(config_file)]) == ExitCode.FAILED
    said = capsys.readouterr()
    assert "is not what this gated writes" in said.err
    assert said.out == ""
