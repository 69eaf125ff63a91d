"""Recorded sessions: what is written, within which bounds, and what of a session is believed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gated.clock import FakeClock
from gated.commands.scan_session import FastForward
from gated.errors import DeviceError, DeviceLost, DeviceNotFound, StorageError
from gated.scanner.frames import Frame
from gated.scanner.picture import MAX_FILE_BYTES, Pixels, encode_picture, to_grey
from gated.scanner.recording import (
    MAX_SESSION_FILE_BYTES,
    SESSION_FILE,
    Bounds,
    FrameLine,
    SessionWriter,
    read_session,
    record,
)
from gated.scanner.sources.replay import ReplaySource
from gated.units import MonoSeconds
from tests.frame_sources import ScriptedSource, noisy

HEAD = '{"session":1,"camera":"test","grey":false}'
LINE = '{{"sequence":{n},"at_s":{at_s},"file":"{n:06}.png"}}'


def write(folder: Path, pictures: list[Pixels], interval_s: float = 0.1) -> Path:
    """Record ``pictures`` in ``folder``."""
    writer = SessionWriter(folder, "test")
    for number, pixels in enumerate(pictures):
        writer.add(Frame(pixels, number + 1, MonoSeconds(77.0 + number * interval_s)))
    writer.close()
    return folder


def write_by_hand(folder: Path, *lines: str, end: str = "\n") -> Path:
    folder.mkdir()
    (folder / SESSION_FILE).write_text("\n".join(lines) + end, encoding="utf-8")
    return folder


def player_of(folder: Path) -> tuple[ReplaySource, FakeClock]:
    clock = FakeClock()
    return ReplaySource(folder, clock, FastForward(clock)), clock


def play(folder: Path) -> list[Frame]:
    source, _ = player_of(folder)
    source.open()
    frames = []
    while not source.is_over:
        frame = source.next_frame(0.25)
        frames += [] if frame is None else [frame]
    return frames


# --- writing -------------------------------------------------------------------------------------


def test_what_was_recorded_is_played_pixel_by_pixel_with_its_times(tmp_path: Path) -> None:
    pictures = [noisy(seed) for seed in range(4)]
    frames = play(write(tmp_path / "session", pictures))
    assert [frame.sequence for frame in frames] == [1, 2, 3, 4]
    times = [round(frame.captured_mono_s - frames[0].captured_mono_s, 3) for frame in frames]
    assert times == [0.0, 0.1, 0.2, 0.3]
    for frame, pixels in zip(frames, pictures, strict=True):
        assert np.array_equal(frame.pixels, pixels)


def test_grey_frames_are_played_as_grey_ones(tmp_path: Path) -> None:
    grey = to_grey(noisy(1))
    (frame,) = play(write(tmp_path / "session", [grey]))
    assert np.array_equal(frame.pixels, grey)


def test_folder_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "session").mkdir(mode=0o755)
    folder = write(tmp_path / "session", [noisy(1)])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"000001.png": 0o600, SESSION_FILE: 0o600}


def test_a_folder_with_anything_in_it_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    before = tmp_path.stat().st_mode
    with pytest.raises(StorageError, match="not empty"):
        SessionWriter(tmp_path, "test")
    assert tmp_path.stat().st_mode == before


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot record in .*: "):
        SessionWriter(tmp_path / "file", "test")
    with pytest.raises(StorageError, match=r"cannot record in .*: "):
        SessionWriter(tmp_path / "file" / "below", "test")


def test_a_folder_that_disappears_ends_it_with_one_error(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "session", "test")
    (tmp_path / "session" / SESSION_FILE).unlink()
    (tmp_path / "session").rmdir()
    with pytest.raises(StorageError, match="cannot record"):
        writer.add(Frame(noisy(1), 1, MonoSeconds(0.0)))
    with pytest.raises(StorageError, match="cannot record"):
        writer.why_full()
    writer.close()
    writer.close()


class Camera:
    """A camera of ten frames a second, and the writer behind it."""

    def __init__(self, folder: Path, bounds: Bounds | None = None) -> None:
        self.clock = FakeClock()
        self.source = ScriptedSource(self.clock, (noisy(seed) for seed in range(1_000)))
        self.writer = SessionWriter(folder / "session", "test", bounds)

    def record(self, seconds: float) -> str:
        return record(self.source, self.writer, self.clock, seconds)


def test_it_ends_after_so_many_seconds(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    assert camera.record(2.0) == ""
    assert camera.writer.frames == pytest.approx(20, abs=1)


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        (Bounds(frames=3), "3 frames are the most"),
        (Bounds(bytes=1), "0 MB are the most"),
        (Bounds(keep_free_bytes=10**18), "the disk has less than 1000000000000 MB left"),
    ],
)
def test_a_bound_that_is_reached_ends_it(tmp_path: Path, bounds: Bounds, reason: str) -> None:
    camera = Camera(tmp_path, bounds)
    assert camera.record(60.0) == reason
    assert camera.writer.frames <= 3


def test_a_silent_camera_ends_it(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.source = ScriptedSource(camera.clock, [noisy(1), *[None] * 1_000])
    with pytest.raises(DeviceError, match="scripted delivers no frames"):
        camera.record(60.0)
    assert camera.writer.frames == 1


def test_a_lost_camera_ends_it_and_what_was_recorded_can_be_played(tmp_path: Path) -> None:
    camera = Camera(tmp_path)
    camera.source = ScriptedSource(camera.clock, [noisy(1), DeviceLost("gone")])
    with pytest.raises(DeviceLost, match="gone"):
        camera.record(60.0)
    camera.writer.close()
    assert len(play(tmp_path / "session")) == 1


# --- playing -------------------------------------------------------------------------------------


def test_a_frame_comes_no_sooner_than_it_was_recorded(tmp_path: Path) -> None:
    clock = FakeClock()
    source = ReplaySource(write(tmp_path / "s", [noisy(1), noisy(2)], 5.0), clock)
    source.open()
    assert source.next_frame(0.0) is not None
    assert source.next_frame(0.0) is None
    clock.advance(4.9)
    assert source.next_frame(0.0) is None
    clock.advance(0.2)
    frame = source.next_frame(0.0)
    assert frame is not None
    assert frame.captured_mono_s == pytest.approx(1_005.0)
    assert source.position_s == pytest.approx(5.0)
    assert source.is_over


def test_what_is_asked_for_late_is_not_left_out(tmp_path: Path) -> None:
    source, clock = player_of(write(tmp_path / "s", [noisy(seed) for seed in range(5)]))
    source.open()
    clock.advance(60.0)
    frames = [source.next_frame(0.0) for _ in range(5)]
    assert [frame.sequence for frame in frames if frame is not None] == [1, 2, 3, 4, 5]


def test_opened_again_in_the_middle_it_goes_on_and_at_its_end_it_begins_anew(
    tmp_path: Path,
) -> None:
    source, _ = player_of(write(tmp_path / "s", [noisy(1), noisy(2)]))
    taken = []
    for _ in range(4):
        source.open()
        taken.append(source.next_frame(1.0))
        source.close()
    pictures = [frame.pixels for frame in taken if frame is not None]
    assert len(pictures) == 4
    assert [frame.sequence for frame in taken if frame is not None] == [1, 2, 3, 4]
    for pixels, seed in zip(pictures, (1, 2, 1, 2), strict=True):
        assert np.array_equal(pixels, noisy(seed))


def _remove(path: Path) -> None:
    path.unlink()


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _swell(path: Path) -> None:
    os.truncate(path, MAX_FILE_BYTES + 1)


def _make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_remove, _cut_off, _swell, _make_a_folder])
def test_a_file_that_cannot_be_used_is_skipped_with_one_warning(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path / "s", [noisy(seed) for seed in range(3)])
    damage(folder / "000002.png")
    frames = play(folder)
    assert len(frames) == 2
    assert np.array_equal(frames[1].pixels, noisy(2))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "000002.png is skipped: " in record.message


def test_many_bad_files_do_not_hold_it_up_beyond_the_time_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", [noisy(seed) for seed in range(5)], 0.0)
    for path in folder.glob("*.png"):
        path.unlink()
    source, _ = player_of(folder)
    source.open()
    assert [source.next_frame(0.0) for _ in range(4)] == [None] * 4
    assert not source.is_over, "it looked at more than one in no time"


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([""], "line 1: "),
        (["no JSON"], "line 1: "),
        (["[]"], "line 1: "),
        (['{"session":2,"camera":"x","grey":false}'], "line 1: session: "),
        ([HEAD, HEAD], "line 2: "),
        ([HEAD, LINE.format(n=1, at_s=0), LINE.format(n=1, at_s=1)], "line 3: it does not follow"),
        ([HEAD, LINE.format(n=1, at_s=5), LINE.format(n=2, at_s=4)], "line 3: it does not follow"),
        ([HEAD, LINE.format(n=1, at_s="NaN")], "line 2: "),
        ([HEAD, LINE.format(n=1, at_s=-1)], "line 2: at_s: "),
        ([HEAD, LINE.format(n=1, at_s=1e9)], "line 2: at_s: "),
        ([HEAD, LINE.format(n=0, at_s=0)], "line 2: sequence: "),
        ([HEAD, '{"sequence":1,"at_s":0,"file":"../../etc/passwd"}'], "line 2: file: "),
        ([HEAD, '{"sequence":1,"at_s":0,"file":"/etc/passwd"}'], "line 2: file: "),
        ([HEAD, '{"sequence":1,"at_s":0,"file":"a.png","more":1}'], "line 2: more: "),
    ],
)
def test_a_bad_session_file_is_one_error_that_names_the_line(
    tmp_path: Path, lines: list[str], fault: str
) -> None:
    folder = write_by_hand(tmp_path / "s", *lines)
    source = ReplaySource(folder, FakeClock())
    with pytest.raises(DeviceNotFound) as caught:
        source.open()
    assert str(caught.value).startswith(f"{folder / SESSION_FILE}, {fault}")
    assert "\n" not in str(caught.value)


def test_a_last_line_that_was_cut_off_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_by_hand(tmp_path / "s", HEAD, LINE.format(n=1, at_s=0), '{"seq', end="")
    assert read_session(folder).frames == (FrameLine(sequence=1, at_s=0.0, file="000001.png"),)
    assert "its last line was cut off" in caplog.text


def test_what_is_no_session_says_so(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="no recorded session"):
        read_session(tmp_path)
    with pytest.raises(DeviceNotFound, match="no recorded session"):
        read_session(tmp_path / "absent")
    folder = write_by_hand(tmp_path / "large", HEAD)
    os.truncate(folder / SESSION_FILE, MAX_SESSION_FILE_BYTES + 1)
    with pytest.raises(DeviceNotFound, match="too large"):
        read_session(folder)
    empty = write_by_hand(tmp_path / "empty", end="")
    with pytest.raises(DeviceNotFound, match="line 1: there is none"):
        read_session(empty)


def test_a_session_without_frames_is_over_at_once(tmp_path: Path) -> None:
    source, _ = player_of(write_by_hand(tmp_path / "s", HEAD))
    source.open()
    assert source.is_over
    assert source.next_frame(0.1) is None


def test_a_huge_picture_in_a_session_is_not_decoded(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", [noisy(1)])
    header = bytearray(encode_picture(noisy(1)))
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    (folder / "000001.png").write_bytes(header)
    assert play(folder) == []
