"""The camera of a Raspberry Pi, by picamera2. Not wired yet: opening it says so."""

from __future__ import annotations

from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.frames import Frame


class PiCamera:
    """Refuses to open. It keeps to the protocol, so that the scanner reports it and goes on."""

    name = "picamera2"

    def open(self) -> None:
        raise DeviceNotFound(
            "the Raspberry Pi camera is not supported yet (picamera2 comes with Raspberry Pi OS): "
            'use a USB camera, with scanner.camera = "v4l2"',
            device=self.name,
        )

    def next_frame(self, timeout_s: float) -> Frame | None:
        del timeout_s
        raise DeviceLost("the Raspberry Pi camera is not open", device=self.name)

    def close(self) -> None:
        """There's nothing to close."""


def make(settings: ScannerSettings, clock: Clock) -> PiCamera:
    del settings, clock
    return PiCamera()
