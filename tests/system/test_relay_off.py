"""What the controller's unit runs last: whatever became of the guard, the relay is off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gated.actuators.line import OutputLine
from gated.actuators.relay_off import (
    MAX_SPEC_BYTES,
    SPEC_FILE,
    TAKE_WITHIN_S,
    TRY_EVERY_S,
    main,
    read_spec,
    switch_off,
)
from gated.clock import FakeClock
from gated.errors import ActuationError, ExitCode
from tests.relay_wire import Wire, has_ended, start_parent, wire

COMMAND = [sys.executable, "-I", "-m", "gated.actuators.relay_off"]
"""As the unit runs it."""


@pytest.fixture
def far_end() -> Iterator[Wire]:
    with wire() as far_end:
        yield far_end


def spec_file(folder: Path, spec: str | bytes) -> Path:
    path = folder / SPEC_FILE
    path.write_bytes(spec if isinstance(spec, bytes) else spec.encode())
    return path


def run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, str(path)], capture_output=True, text=True, check=False)


# --- as the unit's last process ------------------------------------------------------------------


def test_a_line_that_nobody_holds_is_taken_de_energised_and_let_go(
    far_end: Wire, tmp_path: Path
) -> None:
    done = run(spec_file(tmp_path, f"{far_end.spec}\n"))
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.OK, "", "")
    assert far_end.levels() == [False, False]
    assert run(tmp_path / SPEC_FILE).returncode == ExitCode.OK  # let go: it can be had again


def test_a_relay_that_a_killed_guard_left_on_is_switched_off(far_end: Wire, tmp_path: Path) -> None:
    parent = start_parent(far_end.spec, "pulse 5000 ab")
    guard = far_end.wait_for(energised=True).pid
    os.kill(guard, signal.SIGKILL)
    assert has_ended(guard)
    assert far_end.levels() == []  # a killed guard says nothing: the line stays as it was
    assert run(spec_file(tmp_path, far_end.spec)).returncode == ExitCode.OK
    assert far_end.levels() == [False, False]
    parent.kill()
    parent.communicate()


def test_a_guard_that_still_holds_the_line_is_waited_for(far_end: Wire) -> None:
    parent = start_parent(far_end.spec, "pulse 5000 ab")
    guard = far_end.wait_for(energised=True).pid
    pauses = []

    def end_guard(span_s: float) -> None:
        pauses.append(span_s)
        os.kill(guard, signal.SIGKILL)
        assert has_ended(guard)

    switch_off(far_end.spec, pause=end_guard)
    assert pauses == [TRY_EVERY_S]
    changes = far_end.rest()
    assert [(change.energised, change.pid) for change in changes] == [(False, os.getpid())] * 2
    parent.kill()
    parent.communicate()


def test_a_line_that_somebody_keeps_is_said_and_left_to_them(far_end: Wire, tmp_path: Path) -> None:
    parent = start_parent(far_end.spec, "pulse 5000 ab")
    guard = far_end.wait_for(energised=True).pid
    done = run(spec_file(tmp_path, far_end.spec))
    assert done.returncode == ExitCode.UNAVAILABLE
    assert done.stderr == (
        "the relay may still be on, look at the gate 请查看闸门: line relay has another owner\n"
    )
    parent.kill()
    parent.communicate()
    assert has_ended(guard)
    assert {change.pid for change in far_end.rest()} == {guard}


def test_without_a_file_there_is_nothing_to_switch_off(tmp_path: Path) -> None:
    done = run(tmp_path / SPEC_FILE)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.OK, "", "")


def test_it_loads_no_more_than_it_needs() -> None:
    """Interpreter start is its whole cost, on a Pi most of a second for the heavy ones."""
    script = "import sys, gated.actuators.relay_off; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    names = set(loaded.stdout.decode().split())
    assert "gated.actuators.relay_guard" in names
    assert not names & {"pydantic", "numpy", "cv2", "gpiod", "argparse", "subprocess"}
    assert not names & {"gated.config", "gated.cli", "gated.messages"}


# --- the file ------------------------------------------------------------------------------------

BAD = {
    "empty": b"",
    "blank": b" \n\n",
    "two lines": b"gpio:a:b:high\ngpio:c:d:high\n",
    "a control character": b"gpio:a:\x1b[2J:high",
    "a NUL": b"socket:/tmp/\0",
    "not text": b"\xff\xfe",
    "too long": b"gpio:" + b"x" * MAX_SPEC_BYTES,
    "an unknown kind": b"ftp:nowhere",
    "half a line": b"gpio:pinctrl-*",
    "too many parts": b"gpio:a:b:c:d",
    "a command of the guard": b"pulse 5000 ab",
}


@pytest.mark.parametrize("spec", BAD.values(), ids=BAD.keys())
def test_a_file_that_names_no_line_is_said_in_one_sentence(
    spec: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = FakeClock()
    path = spec_file(tmp_path, spec)
    with pytest.raises(ActuationError):
        switch_off(read_spec(path) or "", clock_s=clock.monotonic_s, pause=clock.advance)
    if not spec.startswith(b"ftp") and not spec.startswith(b"pulse"):  # those are tried for a while
        assert main(path) == ExitCode.UNAVAILABLE
        assert capfd.readouterr().err.count("\n") == 1


def test_what_stands_in_the_files_place_is_not_followed_and_not_waited_for(tmp_path: Path) -> None:
    target = spec_file(tmp_path, "gpio:a:b:high")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "folder", "pipe"):
        with pytest.raises(ActuationError, match=str(tmp_path / name)):
            read_spec(tmp_path / name)


def test_the_run_folder_may_be_gone(tmp_path: Path) -> None:
    assert read_spec(tmp_path / "gone" / SPEC_FILE) is None


# --- trying --------------------------------------------------------------------------------------


class StubbornLine:
    """A wire that refuses to be taken, then to be let go, a number of times. Obeys the port."""

    def __init__(self, clock: FakeClock, *, busy: int = 0, stuck: int = 0) -> None:
        self.clock = clock
        self.transcript: list[tuple[float, str]] = []
        self._busy, self._stuck = busy, stuck

    def _note(self, what: str) -> None:
        self.transcript.append((round(self.clock.monotonic_s(), 3), what))

    def take(self, spec: str) -> OutputLine:
        assert spec == "wire"
        if self._busy:
            self._busy -= 1
            self._note("busy")
            raise ActuationError("another process holds it", device="relay")
        self._note("taken off")
        return self

    def set(self, *, energised: bool) -> None:
        self._note(f"set {energised}")

    def check(self) -> None:
        self._note("checked")

    def close(self) -> None:
        if self._stuck:
            self._stuck -= 1
            self._note("stuck")
            raise ActuationError("did not obey", device="relay")
        self._note("off, let go")


MakeLine = Callable[..., StubbornLine]


@pytest.fixture
def line() -> MakeLine:
    return lambda **refusals: StubbornLine(FakeClock(0.0), **refusals)


def off(wire: StubbornLine) -> None:
    switch_off("wire", wire.take, clock_s=wire.clock.monotonic_s, pause=wire.clock.advance)


def test_a_free_line_is_taken_once(line: MakeLine) -> None:
    free = line()
    off(free)
    assert free.transcript == [(0.0, "taken off"), (0.0, "off, let go")]


def test_a_busy_line_is_tried_again_until_it_is_free(line: MakeLine) -> None:
    busy = line(busy=2)
    off(busy)
    assert busy.transcript == [
        (0.0, "busy"),
        (0.05, "busy"),
        (0.1, "taken off"),
        (0.1, "off, let go"),
    ]


def test_a_line_that_does_not_obey_is_taken_again(line: MakeLine) -> None:
    stuck = line(stuck=1)
    off(stuck)
    assert stuck.transcript == [
        (0.0, "taken off"),
        (0.0, "stuck"),
        (0.05, "taken off"),
        (0.05, "off, let go"),
    ]


def test_trying_ends_in_bounded_time_and_says_why(line: MakeLine) -> None:
    kept = line(busy=1_000)
    with pytest.raises(ActuationError, match="another process holds it"):
        off(kept)
    assert kept.clock.monotonic_s() <= TAKE_WITHIN_S + TRY_EVERY_S
    assert {what for _, what in kept.transcript} == {"busy"}
