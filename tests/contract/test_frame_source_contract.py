"""What every source of frames keeps to, and what is particular to each."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from gated.config import Camera, parse_gate
from gated.errors import ConfigError, DeviceLost, DeviceNotFound
from gated.scanner import sources
from gated.scanner.captures import CameraCapture, Capture
from gated.scanner.frames import Frame
from gated.scanner.picture import Pixels, encode_picture
from gated.scanner.recording import SessionWriter
from gated.scanner.sources import make_source
from gated.scanner.sources.auto import AutoSource
from gated.scanner.sources.picamera2 import PiCamera
from gated.scanner.sources.pictures import PictureSource
from gated.scanner.sources.replay import ReplaySource
from gated.scanner.sources.shared import SharedFrames, SharedFrameWriter
from gated.scanner.sources.test_pattern import Pattern, PatternSource
from gated.scanner.sources.v4l2 import UsbCamera
from gated.scanner.sources.video import VideoSource
from gated.scanner.usb_modes import Mode
from gated.simulation.picamera import PicameraDesk, Sensor
from gated.units import MonoSeconds
from tests.config_texts import MINIMAL
from tests.frame_sources import (
    CLOCK,
    TIMEOUT_S,
    Bench,
    EndlessCapture,
    FrameSourceContract,
    ScriptedCapture,
    ScriptedFrameSourceContract,
    noisy,
)

SHAPE = (90, 160, 3)
FASTEST = Mode(160, 90, 60.0)


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

    yield Bench(UsbCamera("/dev/video0", FASTEST, CLOCK, lambda _: capture), show=show)


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


def _auto(folder: Path) -> Iterator[Bench]:
    """The Raspberry Pi's camera is not there; the one on USB is."""
    (usb,) = _v4l2(folder)
    desk = PicameraDesk(is_plugged=False, at_exit=lambda _: None)
    pi = PiCamera((160, 90), 10.0, CLOCK, load_module=desk.load, at_exit=lambda _: None)
    yield Bench(AutoSource({"picamera2": pi, "v4l2": usb.source}), show=usb.show)


def _replay(folder: Path) -> Iterator[Bench]:
    def lay_out(number: int) -> None:
        writer = SessionWriter(folder / "session", "bench")
        for seed in range(number):
            at = MonoSeconds(seed * 0.001)
            writer.add(Frame(noisy(seed, shape=SHAPE), seed + 1, at))
        writer.close()

    yield Bench(ReplaySource(folder / "session", CLOCK), lay_out=lay_out)


def _test_pattern(folder: Path) -> Iterator[Bench]:
    yield Bench(PatternSource(Pattern(SHAPE[1], SHAPE[0]), 60.0, CLOCK))


SCRIPTED: dict[str, Callable[[Path], Iterator[Bench]]] = {
    "auto": _auto,
    "picamera2": _picamera2,
    "pictures": _pictures,
    "replay": _replay,
    "shared": _shared,
    "v4l2": _v4l2,
    "video": _video,
}
FREE: dict[str, Callable[[Path], Iterator[Bench]]] = {"test_pattern": _test_pattern}
"""Those that show what they like, when they like."""


def _set_up(name: str, folder: Path) -> Iterator[Bench]:
    for made in {**SCRIPTED, **FREE}[name](folder):
        yield made
        made.source.close()


class TestEverySource(ScriptedFrameSourceContract):
    @pytest.fixture(params=sorted(SCRIPTED))
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
        yield from _set_up(request.param, tmp_path)


class TestEveryFreeSource(FrameSourceContract):
    @pytest.fixture(params=sorted(FREE))
    def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
        yield from _set_up(request.param, tmp_path)


def test_every_source_stands_in_this_suite() -> None:
    found = {module.name for module in pkgutil.iter_modules(sources.__path__)}
    assert found == SCRIPTED.keys() | FREE.keys()


# --- by configuration ----------------------------------------------------------------------------


CONFIGURABLE = sorted(set(Camera) - {Camera.NONE})
CAN_BE_ABSENT = sorted(set(CONFIGURABLE) - {Camera.TEST_PATTERN})
ITS_OWN_MODULES = {Camera.AUTO: {"auto", "picamera2", "v4l2"}}
"""All others load their own alone."""


def _without_a_camera(camera: Camera) -> str:
    return MINIMAL.replace('camera = "v4l2"', f'camera = "{camera}"\ndevice = "/no/such/device"')


@pytest.mark.parametrize("camera", CAN_BE_ABSENT)
def test_the_configured_source_is_made_and_no_other_stands_in_when_it_is_absent(
    camera: Camera,
) -> None:
    if camera in {Camera.PICAMERA2, Camera.AUTO} and find_spec("picamera2") is not None:
        pytest.skip("this machine has picamera2")
    source = make_source(parse_gate(_without_a_camera(camera), "gated.toml").scanner, CLOCK)
    assert type(source).__module__ == f"gated.scanner.sources.{camera}"
    for _ in range(2):  # the second time as well
        with pytest.raises(DeviceNotFound):
            source.open()
        with pytest.raises(DeviceLost, match="not open"):
            source.next_frame(TIMEOUT_S)
    source.close()


def test_no_choice_of_camera_loads_the_simulation_or_another_source(tmp_path: Path) -> None:
    for camera in CONFIGURABLE:
        (tmp_path / f"{camera}.toml").write_text(_without_a_camera(camera), encoding="utf-8")
    script = """
import pathlib, sys
from gated.clock import SystemClock
from gated.config import load_gate
from gated.errors import DeviceError
from gated.scanner.sources import make_source
from gated.scanner.sources.auto import AutoSource
HOME = "gated.scanner.sources."
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.toml")):
    source = make_source(load_gate(path).scanner, SystemClock())
    try:
        source.open()
    except DeviceError:
        pass  # it isn't there
    source.close()
    mine = sorted(name for name in sys.modules if name.startswith(HOME))
    print(path.stem, *[name.removeprefix(HOME) for name in mine])
    for name in mine:
        del sys.modules[name]
print(*[name for name in sys.modules if "simulation" in name])
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    *loaded, simulated, end = run.stdout.split("\n")
    assert {line.split()[0]: set(line.split()[1:]) for line in loaded} == {
        camera.value: ITS_OWN_MODULES.get(camera, {camera.value}) for camera in CONFIGURABLE
    }
    assert (simulated, end) == ("", "")


@pytest.mark.parametrize("camera", CONFIGURABLE)
def test_what_is_no_camera_is_a_warning(camera: Camera, caplog: pytest.LogCaptureFixture) -> None:
    make_source(parse_gate(_without_a_camera(camera), "gated.toml").scanner, CLOCK)
    warned = [record.levelname for record in caplog.records]
    is_camera = camera in {Camera.AUTO, Camera.PICAMERA2, Camera.V4L2}
    assert warned == ([] if is_camera else ["WARNING"])
    assert all("is no camera" in record.message for record in caplog.records)


def test_a_gate_without_a_camera_has_nothing_to_scan_with() -> None:
    text = MINIMAL.replace('camera = "v4l2"', 'camera = "none"')
    with pytest.raises(ConfigError, match="none"):
        make_source(parse_gate(text, "gated.toml").scanner, CLOCK)


def test_stand_ins_keep_to_the_protocols() -> None:
    capture: Capture = ScriptedCapture([])
    camera: CameraCapture = ScriptedCapture([])
    assert capture.read() is None
    assert not camera.grab()
