"""The scanner's eyes: the camera and each serial scanner, lost and found once each."""

from __future__ import annotations

import pytest

from gated.clock import FakeClock
from gated.config import ScannerSettings
from gated.controller.scanner_watch import STARTS_WITHIN_S, ScannerWatch, eye_names
from gated.messages import DeviceChanged
from gated.scanner.sighting import CAMERA, CameraState, ScannerHealth

PAPER = {"name": "paper", "device": "/dev/serial/by-id/usb-scanner-if00"}


class Watched:
    def __init__(self, *names: str) -> None:
        self.clock = FakeClock()
        self.told: list[tuple[str, bool, str]] = []
        self.watch = ScannerWatch(names, self.clock, self._take)

    def _take(self, changed: DeviceChanged) -> None:
        self.told.append((changed.device, changed.is_working, changed.reason))

    def hear(self, device: str, state: CameraState = CameraState.OK, reason: str = "") -> None:
        self.watch.hear(ScannerHealth(1, 0, state, reason, device=device))

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.watch.watch()


def test_a_scanner_that_starts_in_time_is_not_told() -> None:
    gate = Watched(CAMERA)
    gate.wait(STARTS_WITHIN_S)
    gate.hear(CAMERA)
    gate.wait(2.0)
    assert gate.told == []


def test_an_eye_that_goes_silent_is_told_once_and_its_return_once() -> None:
    gate = Watched(CAMERA, "paper")
    gate.hear(CAMERA)
    gate.hear("paper")
    for _ in range(5):
        gate.wait(1.0)
        gate.hear("paper")
    silent = (CAMERA, False, "no sign of life from the scanner")
    assert gate.told == [silent]
    gate.hear(CAMERA)
    gate.hear(CAMERA)
    assert gate.told == [silent, (CAMERA, True, "")]


def test_each_eye_says_for_itself_what_ails_it() -> None:
    gate = Watched(CAMERA, "paper")
    gate.hear(CAMERA)
    gate.hear("paper")
    gate.hear("paper", CameraState.NO_FRAMES, "unplugged")
    gate.hear("paper", CameraState.NO_FRAMES, "unplugged")
    gate.hear(CAMERA, CameraState.SAME_FRAME)
    assert gate.told == [("paper", False, "unplugged"), (CAMERA, False, "same_frame")]


def test_an_eye_that_nobody_configured_is_not_heard() -> None:
    gate = Watched(CAMERA)
    gate.hear("stranger", CameraState.NO_FRAMES)
    assert gate.told == []


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"camera": "v4l2"}, (CAMERA,)),
        ({"camera": "v4l2", "serial": (PAPER,)}, (CAMERA, "paper")),
        ({"camera": "none", "serial": (PAPER,)}, ("paper",)),
        # without any eye the missing camera is told, not nothing
        ({"camera": "none"}, (CAMERA,)),
    ],
)
def test_the_eyes_are_those_of_the_configuration(
    settings: dict[str, object], names: tuple[str, ...]
) -> None:
    assert eye_names(ScannerSettings.model_validate(settings)) == names
