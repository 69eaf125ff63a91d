"""What every source of frames keeps to, and what is particular to each."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.config import Camera, parse_gate
from gated.errors import ConfigError, DeviceLost, DeviceNotFound
from gated.scanner import sources
from gated.scanner.picture import Capture, Pixels, encode_picture
from gated.scanner.sources import make_source
from gated.scanner.sources.picamera2 import PiCamera
from gated.scanner.sources.pictures import PictureSource
from gated.scanner.sources.shared import SharedFrames, SharedFrameWriter
from gated.scanner.sources.v4l2 import FAILED_READS, TIMED_OUT_AFTER_S, UsbCamera
from gated.scanner.sources.video import VideoSource
from gated.simulation.picamera import PicameraDesk, Sensor
from tests.config_texts import MINIMAL
from tests.frame_sources import (
    CLOCK,
    MOST_S,
    TIMEOUT_S,
    Bench,
    ScriptedCapture,
    ScriptedFrameSourceContract,
    noisy,
)

SHAPE = (90, 160, 3)


class EndlessCapture:
    """A driver that repeats the last frame until there's a new one, as OpenCV was seen to do."""

    def __init__(self) -> None:
        self.pixels: Pixels | None = None

    def read(self) -> Pixels | None:
        return None if self.pixels is None else self.pixels.copy()

    def close(self) -> None:
        pass


def _pictures(folder: Path) -> Iterator[Bench]:
    (folder / "first").mkdir()

    def lay_out(number: int) -> None:  # a folder's pictures are listed when it's opened
        for seed in range(number):
            path = folder / "first" / f"{seed:03}.png"
            path.write_bytes(encode_picture(noisy(seed, shape=SHAPE)))

    yield Bench(PictureSource([folder / "first"], CLOCK), lay_out=lay_out)


def _video(folder: Path) -> Iterator[Bench]:
    frames: list[Pixels] = []

    def show(seed: int) -> None:
        frames.append(noisy(seed, shape=SHAPE))

    def open_capture(_: Path) -> Capture:
        return ScriptedCapture(_drain(frames))

    yield Bench(VideoSource(folder / "v.avi", CLOCK, open_capture), show=show)


def _drain(frames: list[Pixels]) -> Iterator[Pixels | None]:
    while True:
        yield frames.pop(0) if frames else None


def _v4l2(folder: Path) -> Iterator[Bench]:
    capture = EndlessCapture()

    def show(seed: int) -> None:
        capture.pixels = noisy(seed, shape=SHAPE)

    yield Bench(UsbCamera("/dev/video0", CLOCK, lambda: capture), show=show)


def _shared(folder: Path) -> Iterator[Bench]:
    writer = SharedFrameWriter(folder / "frame", SHAPE[1], SHAPE[0])

    def show(seed: int) -> None:
        writer.write(noisy(seed, shape=SHAPE), CLOCK.monotonic_s())

    yield Bench(SharedFrames(folder / "frame", CLOCK), show=show)
    writer.close()


def _picamera2(folder: Path) -> Iterator[Bench]:
    hooks: list[Callable[[], None]] = []
    desk = PicameraDesk(sensor=Sensor.STUCK, at_exit=hooks.append)

    def show(seed: int) -> None:
        desk.show(noisy(seed, shape=SHAPE))

    size = (SHAPE[1], SHAPE[0])
    yield Bench(PiCamera(size, 10.0, CLOCK, load_module=desk.load, at_exit=hooks.append), show=show)
    desk.let_go()


BENCHES: dict[str, Callable[[Path], Iterator[Bench]]] = {
    "picamera2": _picamera2,
    "pictures": _pictures,
    "shared": _shared,
    "v4l2": _v4l2,
    "video": _video,
}


@pytest.fixture(params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    for made in BENCHES[request.param](tmp_path):
        yield made
        made.source.close()


class TestEverySource(ScriptedFrameSourceContract):
    pass


def test_every_source_stands_in_this_suite() -> None:
    found = {module.name for module in pkgutil.iter_modules(sources.__path__)}
    assert found == BENCHES.keys()


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


def test_a_read_that_says_true_after_a_timeout_is_not_believed() -> None:
    clock = FakeClock()
    takes_s = iter([0.1, TIMED_OUT_AFTER_S, 0.1])
    pictures = [noisy(seed) for seed in range(3)]

    class SlowCapture(ScriptedCapture):
        def read(self) -> Pixels | None:
            clock.advance(next(takes_s))
            return super().read()

    camera = UsbCamera("/dev/video0", clock, lambda: SlowCapture(pictures))
    camera.open()
    frames = [camera.next_frame(TIMEOUT_S) for _ in pictures]
    assert [None if frame is None else frame.sequence for frame in frames] == [1, None, 2]


def test_timeouts_that_say_true_are_a_lost_camera() -> None:
    clock = FakeClock()

    class TimedOutCapture(EndlessCapture):
        def read(self) -> Pixels | None:
            clock.advance(TIMED_OUT_AFTER_S)
            return noisy(int(clock.elapsed_s))

    camera = UsbCamera("/dev/video0", clock, TimedOutCapture)
    camera.open()
    for _ in range(FAILED_READS - 1):
        assert camera.next_frame(TIMEOUT_S) is None
    with pytest.raises(DeviceLost, match="no frames"):
        camera.next_frame(TIMEOUT_S)


def test_a_camera_without_frames_is_lost_after_some_reads_and_can_be_opened_again() -> None:
    captures = iter([ScriptedCapture([]), ScriptedCapture([noisy(1)])])
    camera = UsbCamera("/dev/video0", CLOCK, lambda: next(captures))
    camera.open()
    with pytest.raises(DeviceLost, match="no frames"):
        camera.next_frame(FAILED_READS * MOST_S)
    camera.close()
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is not None


# --- by configuration ----------------------------------------------------------------------------


CONFIGURABLE = sorted(set(Camera) - {Camera.NONE})


def _without_a_camera(camera: Camera) -> str:
    return MINIMAL.replace('camera = "v4l2"', f'camera = "{camera}"\ndevice = "/no/such/device"')


@pytest.mark.parametrize("camera", CONFIGURABLE)
def test_the_configured_source_is_made_and_no_other_stands_in_when_it_is_absent(
    camera: Camera,
) -> None:
    if camera is Camera.PICAMERA2 and find_spec("picamera2") is not None:
        pytest.skip("this machine has picamera2")
    source = make_source(parse_gate(_without_a_camera(camera), "gated.toml").scanner, CLOCK)
    assert type(source).__module__ == f"gated.scanner.sources.{camera}"
    for _ in range(2):  # the second time as well
        with pytest.raises(DeviceNotFound):
            source.open()
        with pytest.raises(DeviceLost, match="not open"):
            source.next_frame(TIMEOUT_S)
    source.close()


def test_no_choice_of_camera_loads_the_simulation(tmp_path: Path) -> None:
    for camera in CONFIGURABLE:
        (tmp_path / f"{camera}.toml").write_text(_without_a_camera(camera), encoding="utf-8")
    script = """
import pathlib, sys
from gated.clock import SystemClock
from gated.config import load_gate
from gated.errors import DeviceError
from gated.scanner.sources import make_source
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.toml")):
    source = make_source(load_gate(path).scanner, SystemClock())
    try:
        source.open()
    except DeviceError:
        pass  # it isn't there
    source.close()
    print(path.stem, *[name for name in sys.modules if "simulation" in name or
                       name in ("gated.scanner.sources.shared", "gated.scanner.sources.video")])
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert run.stdout.split("\n") == [*CONFIGURABLE, ""]


def test_a_gate_without_a_camera_has_nothing_to_scan_with() -> None:
    text = MINIMAL.replace('camera = "v4l2"', 'camera = "none"')
    with pytest.raises(ConfigError, match="none"):
        make_source(parse_gate(text, "gated.toml").scanner, CLOCK)


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
