"""The automatic choice of a camera: which, why not the others, and never anything but a camera."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.config import Camera, ScannerSettings
from gated.errors import DeviceError, DeviceLost, DeviceNotFound
from gated.scanner.frames import Frame, FrameSource, NoCamera, Wish
from gated.scanner.picture import Pixels
from gated.scanner.sources import make_source
from gated.scanner.sources.auto import AutoSource
from gated.scanner.sources.v4l2 import UsbCamera
from gated.scanner.usb_cameras import find_usb_camera
from gated.scanner.usb_modes import Mode
from tests.frame_sources import CLOCK, ScriptedCapture, ScriptedSource, noisy


class Kind(ScriptedSource):
    """A camera of some kind, which can be missing or broken.

    Attributes:
        at_open: what opening it raises.
        at_frame: what its next frame raises, once.
    """

    def __init__(self, name: str, frames: list[Pixels | None] | None = None) -> None:
        super().__init__(FakeClock(), frames or [noisy(seed) for seed in range(9)])
        self.name = name
        self.at_open: DeviceError | None = None
        self.at_frame: DeviceError | None = None

    def open(self) -> None:
        if self.at_open is not None:
            raise self.at_open
        super().open()

    def next_frame(self, timeout_s: float) -> Frame | None:
        failure, self.at_frame = self.at_frame, None
        if failure is not None:
            raise failure
        return super().next_frame(timeout_s)


class Rig:
    def __init__(self) -> None:
        self.pi, self.usb = Kind("picamera2"), Kind("/dev/video0")
        kinds: dict[str, FrameSource] = {"picamera2": self.pi, "v4l2": self.usb}
        self.auto = AutoSource(kinds)

    def without_pi(self) -> None:
        self.pi.at_open = NoCamera("picamera2 cannot be loaded", device="picamera2")


def test_the_raspberry_pis_own_camera_is_preferred(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rig = Rig()
    rig.auto.open()
    assert rig.auto.next_frame(0.0) is not None
    assert rig.auto.next_frame(0.0) is not None
    assert (rig.pi.opened, rig.usb.opened) == (1, 0)
    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("INFO", 'scanner.camera = "auto": picamera2 is used')
    ]
    assert rig.auto.name == "auto (picamera2)"


def test_without_one_the_usb_camera_is_used_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.without_pi()
    for _ in range(3):  # said once, however often it's opened
        rig.auto.open()
        assert rig.auto.next_frame(0.0) is not None
        rig.auto.close()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message == (
        'scanner.camera = "auto": /dev/video0 is used, since picamera2: picamera2 cannot be loaded'
    )


def test_a_slow_start_that_finds_no_camera_makes_room_for_the_next_kind() -> None:
    rig = Rig()
    rig.pi.at_frame = NoCamera("no camera found: check the ribbon cable")
    rig.auto.open()
    assert rig.auto.next_frame(0.0) is None
    frame = rig.auto.next_frame(0.0)
    assert frame is not None
    assert rig.auto.name == "auto (/dev/video0)"


def test_without_any_camera_everything_that_was_tried_is_said() -> None:
    rig = Rig()
    rig.without_pi()
    rig.usb.at_open = NoCamera("no camera at /dev/video0: plug it in, or set scanner.device")
    with pytest.raises(DeviceNotFound) as caught:
        rig.auto.open()
    assert str(caught.value) == (
        'scanner.camera = "auto" finds no camera: picamera2: picamera2 cannot be loaded; '
        "v4l2: no camera at /dev/video0: plug it in, or set scanner.device"
    )
    with pytest.raises(DeviceLost, match="not open"):
        rig.auto.next_frame(0.0)


def test_the_last_kind_may_turn_out_to_be_missing_too() -> None:
    rig = Rig()
    rig.without_pi()
    rig.usb.at_frame = NoCamera("it was none")
    rig.auto.open()
    with pytest.raises(DeviceNotFound, match=r"finds no camera: .*it was none"):
        rig.auto.next_frame(0.0)


def test_a_camera_that_is_there_and_in_use_is_not_passed_over() -> None:
    rig = Rig()
    rig.pi.at_open = DeviceNotFound("the Raspberry Pi camera is in use by another process")
    with pytest.raises(DeviceNotFound, match="in use"):
        rig.auto.open()
    assert rig.usb.opened == 0
    rig.pi.at_open = None
    rig.auto.open()
    assert rig.auto.next_frame(0.0) is not None


def test_another_choice_after_a_reopening_is_said_and_its_frames_are_numbered_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    rig = Rig()
    rig.auto.open()
    assert [frame.sequence for frame in map(rig.auto.next_frame, (0.0, 0.0)) if frame] == [1, 2]
    rig.pi.at_frame = DeviceLost("the Raspberry Pi camera failed")
    with pytest.raises(DeviceLost):
        rig.auto.next_frame(0.0)
    rig.without_pi()
    rig.auto.open()
    frame = rig.auto.next_frame(0.0)
    assert frame is not None
    assert frame.sequence == 3
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]


def test_wishes_go_to_the_chosen_camera() -> None:
    rig = Rig()
    rig.auto.attend(Wish())
    rig.auto.open()
    rig.auto.attend(Wish(exposure_steps=1.0))
    assert (rig.pi.wishes, rig.usb.wishes) == ([Wish(exposure_steps=1.0)], [])


def test_nothing_but_cameras_is_tried() -> None:
    source = make_source(ScannerSettings(camera=Camera.AUTO), CLOCK)
    assert isinstance(source, AutoSource)
    assert [type(kind).__module__.rpartition(".")[2] for kind in source._kinds.values()] == [
        "picamera2",
        "v4l2",
    ]


def test_where_no_device_is_named_the_first_usb_camera_by_its_stable_name_is_taken(
    tmp_path: Path,
) -> None:
    for name in ("usb-B-video-index0", "usb-A-video-index1", "usb-A-video-index0", "notes"):
        (tmp_path / name).touch()
    assert find_usb_camera("/dev/video0", tmp_path) == str(tmp_path / "usb-A-video-index0")
    assert find_usb_camera("/dev/video7", tmp_path) == "/dev/video7"
    assert find_usb_camera("/dev/video0", tmp_path / "absent") == "/dev/video0"


def test_the_device_is_looked_for_at_each_opening() -> None:
    devices = iter(["/dev/a", "/dev/b"])
    opened: list[str] = []

    def open_capture(device: str) -> ScriptedCapture:
        opened.append(device)
        return ScriptedCapture([])

    camera = UsbCamera(
        "/dev/video0", Mode(160, 90, 10.0), CLOCK, open_capture, locate=lambda: next(devices)
    )
    camera.open()
    camera.open()
    assert opened == ["/dev/a", "/dev/b"]
    assert camera.name == "/dev/b"
