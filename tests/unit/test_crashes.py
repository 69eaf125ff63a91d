"""What counts as a crash of the controller, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.controller.crashes import CRASHES_FILE, SAFE_AFTER, WITHIN_S, counted, sentence
from gated.errors import ConfigError, DeviceNotFound, ExitCode, GatedError, StorageError


class Killed(BaseException):
    """The process is gone: nothing of ours runs any more."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(elapsed_s=5_000.0)


def seen(folder: Path, clock: FakeClock) -> int:
    """Return how many crashes a start finds, and end that start in order."""
    found: list[int] = []

    def look(crashes: int) -> int:
        found.append(crashes)
        raise DeviceNotFound("no relay", device="relay")  # neither a crash nor a stop

    with pytest.raises(DeviceNotFound):
        counted(look, clock, folder)
    return found[0]


def crash(folder: Path, clock: FakeClock, how: BaseException | int = Killed()) -> None:  # noqa: B008
    def run(_crashes: int) -> int:
        if isinstance(how, int):
            return how
        raise how

    if isinstance(how, int):
        counted(run, clock, folder)
    else:
        with pytest.raises(type(how)):
            counted(run, clock, folder)


@pytest.mark.parametrize(
    "how",
    [Killed(), ValueError("a defect"), GatedError("the decider hangs"), int(ExitCode.INTERNAL), 1],
)
def test_a_kill_and_every_end_by_a_defect_is_a_crash(
    how: BaseException | int, tmp_path: Path, clock: FakeClock
) -> None:
    for _ in range(SAFE_AFTER):
        crash(tmp_path, clock, how)
    assert seen(tmp_path, clock) == SAFE_AFTER


@pytest.mark.parametrize(
    "how",
    [
        DeviceNotFound("no relay", device="relay"),
        StorageError("no disk"),
        ConfigError("no file"),
        int(ExitCode.UNAVAILABLE),
        int(ExitCode.IO),
    ],
)
def test_an_end_that_says_what_is_lacking_is_no_crash_and_forgives_none(
    how: BaseException | int, tmp_path: Path, clock: FakeClock
) -> None:
    crash(tmp_path, clock)
    for _ in range(SAFE_AFTER):
        crash(tmp_path, clock, how)
    assert seen(tmp_path, clock) == 1


def test_a_stop_that_was_asked_for_begins_anew(tmp_path: Path, clock: FakeClock) -> None:
    for _ in range(SAFE_AFTER):
        crash(tmp_path, clock)
    crash(tmp_path, clock, int(ExitCode.OK))
    assert seen(tmp_path, clock) == 0


def test_crashes_count_for_ten_minutes(tmp_path: Path, clock: FakeClock) -> None:
    for _ in range(3):
        crash(tmp_path, clock)
    assert seen(tmp_path, clock) == 3  # the third is noticed by this start
    clock.advance(WITHIN_S - 1)
    crash(tmp_path, clock)
    assert seen(tmp_path, clock) == 4
    clock.advance(2)
    assert seen(tmp_path, clock) == 1


def test_a_run_folder_that_a_restart_of_the_machine_has_emptied_counts_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    crash(tmp_path, clock)
    (tmp_path / CRASHES_FILE).unlink()
    assert seen(tmp_path, clock) == 0


@pytest.mark.parametrize("content", [b"", b"[]", b'{"crashes_ms": "x"}', b"\xff\xfe"])
def test_a_count_that_cannot_be_read_is_begun_anew(
    content: bytes, tmp_path: Path, clock: FakeClock
) -> None:
    (tmp_path / CRASHES_FILE).write_bytes(content)
    crash(tmp_path, clock)
    assert seen(tmp_path, clock) == 1


def test_a_count_that_cannot_be_written_keeps_nobody_from_starting(
    tmp_path: Path, clock: FakeClock
) -> None:
    assert counted(lambda crashes: crashes, clock, tmp_path / "none") == 0


def test_nothing_is_counted_where_no_service_manager_gives_a_folder(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert counted(lambda crashes: crashes, clock) == 0


def test_the_sentence_names_the_way_out_in_both_languages() -> None:
    for text in sentence(7):
        assert "7" in text
        assert "journalctl -u gated-controller" in text
        assert "systemctl restart gated-controller" in text
