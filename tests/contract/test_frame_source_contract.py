"""What every source of frames keeps to, and what is particular to each."""

from __future__ import annotations

import itertools
import os
import pkgutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gated.clock import SystemClock
from gated.config import parse_gate
from gated.errors import ConfigError, DeviceError, DeviceLost, DeviceNotFound, StorageError
from gated.scanner import sources
from gated.scanner.frames import Frame, FrameSource
from gated.scanner.picture import Capture, Pixels, encode_picture
from gated.scanner.sources import make_source, picamera2
from gated.scanner.sources.pictures import PictureSource
from gated.scanner.sources.shared import HEADER, PIXELS_AT, SharedFrames, SharedFrameWriter
from gated.scanner.sources.v4l2 import FAILED_READS, UsbCamera
from gated.scanner.sources.video import VideoSource
from gated.units import MonoSeconds
from tests.config_texts import MINIMAL
from tests.frame_sources import ScriptedCapture, noisy

CLOCK = SystemClock()
TIMEOUT_S = 0.05
MOST_S = 2.0
"""Far above the time-out, far below for ever: the machine may be busy."""
SHAPE = (90, 160, 3)


@dataclass
class Bench:
    """A source, and the hand that puts the next real frame before it."""

    source: FrameSource
    show: Callable[[Pixels], None]


class EndlessCapture:
    """A driver that repeats the last frame until there's a new one, as OpenCV was seen to do."""

    def __init__(self) -> None:
        self.pixels: Pixels | None = None

    def read(self) -> Pixels | None:
        return None if self.pixels is None else self.pixels.copy()

    def close(self) -> None:
        pass


def _pictures(folder: Path) -> Bench:
    names = itertools.count()
    (folder / "first").mkdir()

    def show(pixels: Pixels) -> None:
        (folder / "first" / f"{next(names):03}.png").write_bytes(encode_picture(pixels))

    return Bench(PictureSource([folder / "first"], CLOCK), show)


def _video(folder: Path) -> Bench:
    frames: list[Pixels] = []
    return Bench(
        VideoSource(folder / "v.avi", CLOCK, lambda _: ScriptedCapture(_drain(frames))),
        frames.append,
    )


def _drain(frames: list[Pixels]) -> Iterator[Pixels | None]:
    while True:
        yield frames.pop(0) if frames else None


def _v4l2(folder: Path) -> Bench:
    capture = EndlessCapture()

    def show(pixels: Pixels) -> None:
        capture.pixels = pixels

    return Bench(UsbCamera("/dev/video0", CLOCK, lambda: capture), show)


def _shared(folder: Path) -> Bench:
    writer = SharedFrameWriter(folder / "frame", SHAPE[1], SHAPE[0])
    return Bench(
        SharedFrames(folder / "frame", CLOCK),
        lambda pixels: writer.write(pixels, CLOCK.monotonic_s()),
    )


BENCHES: dict[str, Callable[[Path], Bench]] = {
    "pictures": _pictures,
    "shared": _shared,
    "v4l2": _v4l2,
    "video": _video,
}
NOT_WIRED = {"picamera2"}


@pytest.fixture(params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = BENCHES[request.param](tmp_path)
    yield made
    made.source.close()


def _take(bench: Bench, number: int) -> list[Frame]:
    """Open the source and return ``number`` frames, each shown after the one before was taken."""
    taken: list[Frame] = []
    if not isinstance(bench.source, PictureSource):
        bench.source.open()
    else:  # a folder's pictures are listed when it's opened
        for seed in range(number):
            bench.show(noisy(seed, shape=SHAPE))
        bench.source.open()
    for seed in range(number):
        if not isinstance(bench.source, PictureSource):
            bench.show(noisy(seed, shape=SHAPE))
        frame = bench.source.next_frame(MOST_S)
        assert frame is not None
        taken.append(frame)
    return taken


# --- every source --------------------------------------------------------------------------------


def test_every_source_stands_in_this_suite() -> None:
    found = {module.name for module in pkgutil.iter_modules(sources.__path__)}
    assert found == BENCHES.keys() | NOT_WIRED


def test_each_real_frame_comes_once_with_a_growing_sequence(bench: Bench) -> None:
    before_s = CLOCK.monotonic_s()
    frames = _take(bench, 4)
    assert [int(frame.pixels.sum()) for frame in frames] == [
        int(noisy(seed, shape=SHAPE).sum()) for seed in range(4)
    ]
    assert [frame.sequence for frame in frames] == [1, 2, 3, 4]
    times = [frame.captured_mono_s for frame in frames]
    assert times == sorted(times)
    assert before_s <= times[0] <= times[-1] <= CLOCK.monotonic_s()
    assert bench.source.next_frame(TIMEOUT_S) is None


def test_a_wait_in_vain_ends_in_time(bench: Bench) -> None:
    _take(bench, 1)
    began_s = time.monotonic()
    assert bench.source.next_frame(TIMEOUT_S) is None
    assert TIMEOUT_S * 0.5 < time.monotonic() - began_s < MOST_S


def test_frames_stay_what_they_were_when_others_follow(bench: Bench) -> None:
    first, *_ = _take(bench, 3)
    assert np.array_equal(first.pixels, noisy(0, shape=SHAPE))


def test_closing_twice_or_before_opening_does_no_harm(bench: Bench) -> None:
    bench.source.close()
    bench.source.close()
    _take(bench, 1)
    bench.source.close()
    bench.source.close()


def test_a_source_that_is_not_open_says_so(bench: Bench) -> None:
    with pytest.raises(DeviceLost, match="not open"):
        bench.source.next_frame(TIMEOUT_S)
    _take(bench, 1)
    bench.source.close()
    with pytest.raises(DeviceLost, match="not open"):
        bench.source.next_frame(TIMEOUT_S)


def test_a_source_has_a_name_for_messages(bench: Bench) -> None:
    assert bench.source.name


# --- pictures ------------------------------------------------------------------------------------


def test_an_unreadable_picture_is_one_warning_and_the_others_still_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.png").write_bytes(b"garbage")
    (tmp_path / "b.png").write_bytes(encode_picture(noisy(1)))
    (tmp_path / "notes.txt").write_text("not a picture")
    source = PictureSource([tmp_path], CLOCK)
    source.open()
    assert source.next_frame(TIMEOUT_S) is not None
    assert source.next_frame(TIMEOUT_S) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="absent"):
        PictureSource([tmp_path / "absent"], CLOCK).open()


# --- the USB camera ------------------------------------------------------------------------------


def test_a_repeated_frame_is_not_believed() -> None:
    capture = EndlessCapture()
    capture.pixels = noisy(1)
    camera = UsbCamera("/dev/video0", CLOCK, lambda: capture)
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is not None
    assert camera.next_frame(TIMEOUT_S) is None
    camera.close()
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is None, "the frame of before was taken for a new one"


def test_a_camera_without_frames_is_lost_after_some_reads_and_can_be_opened_again() -> None:
    captures = iter([ScriptedCapture([]), ScriptedCapture([noisy(1)])])
    camera = UsbCamera("/dev/video0", CLOCK, lambda: next(captures))
    camera.open()
    with pytest.raises(DeviceLost, match="no frames"):
        camera.next_frame(FAILED_READS * MOST_S)
    camera.close()
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is not None


# --- the shared file -----------------------------------------------------------------------------


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


# --- by configuration ----------------------------------------------------------------------------


@pytest.mark.parametrize("camera", ["v4l2", "pictures", "picamera2"])
def test_the_configured_source_is_made(camera: str) -> None:
    text = MINIMAL.replace('camera = "v4l2"', f'camera = "{camera}"\ndevice = "/no/such/device"')
    source = make_source(parse_gate(text, "gated.toml").scanner, CLOCK)
    with pytest.raises(DeviceNotFound):
        source.open()
    source.close()


def test_a_gate_without_a_camera_has_nothing_to_scan_with() -> None:
    text = MINIMAL.replace('camera = "v4l2"', 'camera = "none"')
    with pytest.raises(ConfigError, match="none"):
        make_source(parse_gate(text, "gated.toml").scanner, CLOCK)


def test_the_raspberry_pi_camera_says_what_to_use_instead() -> None:
    camera = picamera2.PiCamera()
    with pytest.raises(DeviceNotFound, match="v4l2"):
        camera.open()
    with pytest.raises(DeviceError):
        camera.next_frame(TIMEOUT_S)
    camera.close()


def test_a_real_video_file_ends_after_its_last_frame(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    path.write_bytes(_clip([noisy(seed, shape=(64, 64, 3)) for seed in range(3)]))
    source = VideoSource(path, CLOCK)
    source.open()
    frames = [source.next_frame(TIMEOUT_S) for _ in range(4)]
    assert [None if frame is None else frame.sequence for frame in frames] == [1, 2, 3, None]
    source.close()


def _clip(frames: list[Pixels]) -> bytes:
    """Return a Motion JPEG video: JPEG files one after another are one."""
    return b"".join(encode_picture(frame, ".jpg") for frame in frames)


def test_stand_ins_keep_to_the_protocols() -> None:
    capture: Capture = ScriptedCapture([])
    assert capture.read() is None
