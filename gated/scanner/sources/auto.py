"""The camera that is there: one of a Raspberry Pi, else one on USB. Never anything but a camera.

Only a kind of camera that this machine doesn't have at all is passed over (``NoCamera``). One that
is there and can't be used is an error: after a restart, a gate should not look through another
camera, which points elsewhere. What was chosen, and why not the others, is one line in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.frames import Frame, FrameSource, NoCamera, Wish
from gated.scanner.sources import picamera2, v4l2
from gated.scanner.usb_cameras import find_usb_camera

log = logging.getLogger(__name__)


class AutoSource:
    """Delivers the frames of the first kind of camera that is there.

    It's looked for anew at each opening. A slow start may tell only later that there is none; then
    the next kind is opened in its place.

    Args:
        kinds: {name: source}, the preferred one first.
    """

    def __init__(self, kinds: Mapping[str, FrameSource]) -> None:
        self._kinds = kinds
        self._left: list[str] = []
        self._chosen: str | None = None
        self._told: str | None = None
        self._refused: list[str] = []
        self._sequence = 0

    @property
    def name(self) -> str:
        return "auto" if self._chosen is None else f"auto ({self._kinds[self._chosen].name})"

    def open(self) -> None:
        """Open the first camera there is. Raises: DeviceNotFound, CameraHung."""
        self.close()
        self._left = list(self._kinds)
        self._refused = []
        self._choose()

    def next_frame(self, timeout_s: float) -> Frame | None:
        if self._chosen is None:
            raise DeviceLost("no camera is chosen: it is not open", device=self.name)
        try:
            frame = self._kinds[self._chosen].next_frame(timeout_s)
        except NoCamera as exc:
            self._refuse(exc)
            self._choose()
            return None
        if frame is None:
            return None
        self._tell()
        self._sequence += 1
        return replace(frame, sequence=self._sequence)

    def attend(self, wish: Wish | None) -> None:
        if self._chosen is not None:
            self._kinds[self._chosen].attend(wish)

    def close(self) -> None:
        for source in self._kinds.values():
            source.close()
        self._chosen = None

    def _choose(self) -> None:
        while self._left:
            self._chosen = self._left.pop(0)
            try:
                self._kinds[self._chosen].open()
            except NoCamera as exc:
                self._refuse(exc)
            except DeviceNotFound:
                self._chosen = None
                raise
            else:
                return
        raise DeviceNotFound(
            f'scanner.camera = "auto" finds no camera: {"; ".join(self._refused)}', device="auto"
        )

    def _refuse(self, exc: NoCamera) -> None:
        if self._chosen is not None:
            self._kinds[self._chosen].close()
            self._refused.append(f"{self._chosen}: {exc}")
        self._chosen = None

    def _tell(self) -> None:
        """Say what was chosen once its first frame is there; again only if it's another one."""
        if self._chosen is None or self._told == self.name:
            return
        self._told = self.name
        others = f", since {'; '.join(self._refused)}" if self._refused else ""
        log.log(
            logging.WARNING if self._refused else logging.INFO,
            'scanner.camera = "auto": %s is used%s',
            self._kinds[self._chosen].name,
            others,
        )


def make(settings: ScannerSettings, clock: Clock) -> AutoSource:
    usb = v4l2.UsbCamera(
        settings.device,
        v4l2.mode_of(settings),
        clock,
        locate=lambda: find_usb_camera(settings.device),
    )
    return AutoSource({"picamera2": picamera2.make(settings, clock), "v4l2": usb})
