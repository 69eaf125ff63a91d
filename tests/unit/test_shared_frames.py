"""The frames in a file that the simulation writes: never an old one, never a torn one."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gated.errors import DeviceLost, DeviceNotFound, StorageError
from gated.scanner.sources.shared import HEADER, PIXELS_AT, SharedFrames, SharedFrameWriter
from gated.units import MonoSeconds
from tests.frame_sources import CLOCK, MOST_S, TIMEOUT_S, noisy


@pytest.fixture
def frame_file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "frame"


def test_a_frame_that_lay_there_before_is_not_handed_out(frame_file: Path) -> None:
    writer = SharedFrameWriter(frame_file, 160, 90)
    writer.write(noisy(1), MonoSeconds(5.0))
    source = SharedFrames(frame_file, CLOCK)
    source.open()
    assert source.next_frame(TIMEOUT_S) is None
    writer.write(noisy(2), MonoSeconds(6.0))
    frame = source.next_frame(MOST_S)
    assert frame is not None
    assert frame.captured_mono_s == 6.0
    source.close()
    writer.close()
    writer.close()


def test_a_frame_that_is_being_written_is_not_handed_out(frame_file: Path) -> None:
    writer = SharedFrameWriter(frame_file, 160, 90)
    source = SharedFrames(frame_file, CLOCK)
    source.open()
    half_way = HEADER.pack(b"gatedF01", 7, 3, 1.0, 160, 90)  # an odd counter
    with frame_file.open("r+b") as file:
        file.write(half_way)
    assert source.next_frame(TIMEOUT_S) is None
    writer.write(noisy(1), MonoSeconds(2.0))
    assert source.next_frame(MOST_S) is not None
    source.close()
    writer.close()


def test_no_torn_frame_is_ever_handed_out(frame_file: Path) -> None:
    """Every frame is of one level; a torn one would show two."""
    shape = (1_000, 1_600, 3)
    writer = SharedFrameWriter(frame_file, shape[1], shape[0])
    source = SharedFrames(frame_file, CLOCK)
    source.open()
    stop = threading.Event()

    def write() -> None:
        for level in itertools.cycle(range(256)):
            if stop.wait(0.001):
                return
            writer.write(np.full(shape, level, np.uint8), CLOCK.monotonic_s())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        frames = [source.next_frame(MOST_S) for _ in range(20)]
    finally:
        stop.set()
        thread.join()
        source.close()
        writer.close()
    whole = [frame for frame in frames if frame is not None]
    assert len(whole) == 20
    assert all(int(frame.pixels.min()) == int(frame.pixels.max()) for frame in whole)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda fd: os.ftruncate(fd, 0), id="emptied"),
        pytest.param(lambda fd: os.ftruncate(fd, 10), id="header cut off"),
        pytest.param(lambda fd: os.ftruncate(fd, PIXELS_AT + 100), id="pixels cut off"),
        pytest.param(lambda fd: os.pwrite(fd, b"x" * 64, 0), id="another magic"),
        pytest.param(
            lambda fd: os.pwrite(fd, HEADER.pack(b"gatedF01", 2, 9, 1.0, 0, 90), 0), id="no width"
        ),
        pytest.param(
            lambda fd: os.pwrite(fd, HEADER.pack(b"gatedF01", 2, 9, 1.0, 2**31, 90), 0),
            id="a huge width",
        ),
        pytest.param(
            lambda fd: os.pwrite(fd, HEADER.pack(b"gatedF01", 2, 9, 1.0, 4_000, 4_000), 0),
            id="more than there is",
        ),
    ],
)
def test_a_damaged_file_is_a_lost_device(frame_file: Path, damage: Callable[[int], object]) -> None:
    writer = SharedFrameWriter(frame_file, 160, 90)
    source = SharedFrames(frame_file, CLOCK)
    source.open()
    writer.write(noisy(1), MonoSeconds(1.0))
    with frame_file.open("r+b") as file:
        damage(file.fileno())
    with pytest.raises(DeviceLost):
        source.next_frame(TIMEOUT_S)
    source.close()
    writer.close()


@pytest.mark.parametrize("content", [b"", b"gatedF01", bytes(200)])
def test_a_file_without_frames_cannot_be_opened(frame_file: Path, content: bytes) -> None:
    frame_file.parent.mkdir()
    frame_file.write_bytes(content)
    with pytest.raises(DeviceNotFound):
        SharedFrames(frame_file, CLOCK).open()


def test_an_absent_file_cannot_be_opened_yet(frame_file: Path) -> None:
    with pytest.raises(DeviceNotFound, match="no frames at"):
        SharedFrames(frame_file, CLOCK).open()


def test_a_writer_that_was_restarted_is_found_again(frame_file: Path) -> None:
    first = SharedFrameWriter(frame_file, 160, 90)
    source = SharedFrames(frame_file, CLOCK)
    source.open()
    first.close()
    second = SharedFrameWriter(frame_file, 80, 60)
    with pytest.raises(DeviceLost, match="replaced"):
        source.next_frame(10 * MOST_S)
    source.close()
    source.open()
    second.write(noisy(1, shape=(60, 80, 3)), MonoSeconds(1.0))
    frame = source.next_frame(MOST_S)
    assert frame is not None
    assert frame.pixels.shape == (60, 80, 3)
    source.close()
    second.close()


def test_the_writer_refuses_a_frame_of_another_shape(frame_file: Path) -> None:
    writer = SharedFrameWriter(frame_file, 160, 90)
    with pytest.raises(ValueError, match="promised"):
        writer.write(noisy(1, shape=(60, 80, 3)), MonoSeconds(1.0))
    writer.close()


def test_a_file_that_cannot_be_made_or_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="cannot make"):
        SharedFrameWriter(tmp_path / "plain" / "frame", 160, 90)
    writer = SharedFrameWriter(tmp_path / "frame", 160, 90)
    writer.close()
    with pytest.raises(StorageError, match="cannot write"):
        writer.write(noisy(1), MonoSeconds(1.0))
