from __future__ import annotations

import argparse
import json
import os
import pwd
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gated.cli import main
from gated.clock import FakeClock, SystemClock
from gated.commands.mode import change, parse_span
from gated.config import PathSettings
from gated.contents import ModeContent
from gated.controller.control import ModeRequest, decode_request
from gated.datagrams import Receiver
from gated.errors import ExitCode, GatedError
from gated.facts.login import who
from gated.ledger.writer import Ledger
from gated.vocabulary import Mode
from gated.wire import Draft
from tests.config_texts import with_keys
from tests.ledger_drafts import open_ledger, stamp


@dataclass
class Controller:
    """A controller's end of the request: it takes it over while the command waits."""

    folder: Path
    clock: FakeClock | SystemClock = field(default_factory=FakeClock)
    mode: Mode = Mode.NORMAL
    drill: bool = False
    obeys: bool = True
    records: bool = True
    heard: list[ModeRequest] = field(default_factory=list)
    ledger: Ledger = field(init=False)
    socket: Receiver = field(init=False)

    def __post_init__(self) -> None:
        self.paths = PathSettings(state=self.folder, run=self.folder / "run")
        self.ledger = open_ledger(self.folder / "ledger.db", self.clock).ledger
        self.socket = Receiver(self.paths.run / "control.sock")
        self.say_status()

    def say_status(self) -> None:
        status = {
            "v": 1,
            "pid": os.getpid(),
            "boottime_ms": self.clock.boottime_ms(),
            "mode": self.mode,
            "drill": self.drill,
            "prompt": "ready",
            "time_quality": "trusted",
            "devices": {},
            "threshold_c": 37.3,
            "rules": "r-1",
        }
        new = self.paths.run / "status.json.new"
        new.write_text(json.dumps(status), encoding="utf-8")
        new.replace(self.paths.run / "status.json")  # somebody may be reading it

    def work(self, seconds: float) -> None:
        """What the real one does meanwhile; stands where the command waits."""
        if isinstance(self.clock, FakeClock):
            self.clock.advance(seconds)
        datagram = self.socket.receive()
        if datagram is not None:
            request = decode_request(datagram.payload)
            self.heard.append(request)
            if self.obeys:
                self._obey(request)
        self.say_status()

    def _obey(self, request: ModeRequest) -> None:
        self.mode = request.mode or self.mode
        self.drill = self.drill if request.drill is None else request.drill
        if self.records:
            content = ModeContent(to_mode=self.mode, to_drill=self.drill, by=request.by)
            self.ledger.append([Draft(content, stamp())])


@pytest.fixture
def folder() -> Iterator[Path]:
    # a socket's path holds 107 bytes, and pytest's own folders may be longer
    path = Path(tempfile.mkdtemp(prefix="gated-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def controller(folder: Path) -> Iterator[Controller]:
    controller = Controller(folder)
    yield controller
    controller.socket.close()
    controller.ledger.close()


def ask(controller: Controller, **wanted: object) -> str:
    request = ModeRequest.model_validate({"by": "cli:wang", **wanted})
    status = change(request, controller.paths, controller.clock, controller.work)
    return f"{status.mode} {'drill' if status.drill else ''}".strip()


def test_a_mode_is_asked_for_and_shown_once_it_is_in_force(controller: Controller) -> None:
    assert ask(controller, mode="closed", for_s=3_600.0) == "closed"
    assert controller.heard == [ModeRequest(mode=Mode.CLOSED, for_s=3_600.0, by="cli:wang")]


def test_a_drill_alone_leaves_the_mode_as_it_is(controller: Controller) -> None:
    controller.mode = Mode.OBSERVE
    assert ask(controller, drill=True) == "observe drill"
    assert ask(controller, drill=False) == "observe"


def test_the_mode_that_holds_already_must_be_taken_over_all_the_same(
    controller: Controller,
) -> None:
    controller.obeys = False
    with pytest.raises(GatedError, match="did not take it over within 5 s"):
        ask(controller, mode="normal")
    assert len(controller.heard) == 1


def test_what_is_not_recorded_is_not_said_to_be_done(controller: Controller) -> None:
    controller.records = False
    with pytest.raises(GatedError, match="did not take it over"):
        ask(controller, mode="observe")


def test_closing_that_could_not_be_recorded_is_told_as_it_is(controller: Controller) -> None:
    controller.records = False
    with pytest.raises(GatedError, match="closed is in force, but it could not be recorded"):
        ask(controller, mode="closed")


def test_somebody_elses_change_is_not_taken_for_ours(controller: Controller) -> None:
    controller.obeys = False
    content = ModeContent(to_mode=Mode.CLOSED, to_drill=False, by="cli:li")
    before = ModeContent(to_mode=Mode.OBSERVE, to_drill=False, by="cli:wang")
    controller.ledger.append([Draft(before, stamp())])

    def somebody(seconds: float) -> None:
        controller.work(seconds)
        controller.mode = Mode.CLOSED
        controller.ledger.append([Draft(content, stamp())])

    request = ModeRequest(mode=Mode.OBSERVE, by="cli:wang")
    with pytest.raises(GatedError, match="did not take it over"):
        change(request, controller.paths, controller.clock, somebody)


def test_without_a_controller_it_says_how_to_start_one(controller: Controller) -> None:
    assert isinstance(controller.clock, FakeClock)
    controller.clock.advance(10)
    with pytest.raises(GatedError, match="is not running; start it") as caught:
        ask(controller, mode="closed")
    assert caught.value.exit_code is ExitCode.UNAVAILABLE


def test_a_socket_that_nobody_holds_is_no_controller(controller: Controller) -> None:
    controller.socket.close()
    with pytest.raises(GatedError, match="no controller listens") as caught:
        ask(controller, mode="closed")
    assert caught.value.exit_code is ExitCode.UNAVAILABLE


def test_a_socket_that_may_not_be_written_says_to_use_sudo(controller: Controller) -> None:
    controller.socket.close()
    # Another kind of socket refuses everybody, as permissions do everybody but root.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(controller.paths.run / "control.sock"))
        with pytest.raises(GatedError, match=r"cannot send to .*; use sudo"):
            ask(controller, mode="closed")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1_800), ("8h", 28_800), ("2d", 172_800), ("366d", 31_622_400)]
)
def test_a_span_is_read(text: str, seconds: float) -> None:
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "0m", "8", "h", "-1h", "1.5h", "367d", "8 h", "８h", "1h30m"])
def test_a_span_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="30m, 8h or 2d"):
        parse_span(text)


def test_the_record_names_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert who() == f"cli:{pwd.getpwuid(os.getuid()).pw_name}"[:64]
    monkeypatch.setenv("SUDO_USER", "wang" * 40)
    assert len(who()) <= 64
    assert who().startswith("cli:wangwang") is (os.geteuid() == 0)


def command_in(folder: Path) -> list[str]:
    config = folder / "gated.toml"
    keys = (f'state = "{folder}"', f'run = "{folder / "run"}"')
    config.write_text(with_keys("paths", *keys), encoding="utf-8")
    return ["mode", "--config", str(config)]


@pytest.mark.parametrize("span", [[], ["--for", "8h"]])
def test_observing_is_said_to_let_people_in_and_to_end_by_itself(
    span: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    controller, stop = Controller(folder, SystemClock()), threading.Event()

    def serve() -> None:
        while not stop.wait(0.05):
            controller.work(0.0)

    worker = threading.Thread(target=serve)
    worker.start()
    try:
        assert main([*command_in(folder), "observe", *span]) == ExitCode.OK
    finally:
        stop.set()
        worker.join()
        controller.socket.close()
        controller.ledger.close()
    said = capsys.readouterr().err
    assert "nobody is kept out for a temperature" in said
    assert "ends by itself" in said
    assert "until it is changed" not in said


def test_the_command_refuses_what_makes_no_sense(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = command_in(folder)
    assert main(command) == ExitCode.UNAVAILABLE
    assert "is not running" in capsys.readouterr().err
    assert main([*command, "--for", "8h"]) == ExitCode.FAILED
    assert "--for needs a mode" in capsys.readouterr().err
    assert main([*command, "--drill", "on", "--for", "8h"]) == ExitCode.FAILED
    assert "--for needs a mode that it ends" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*command, "shut"])
