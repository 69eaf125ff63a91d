"""What delivers one picture after another: a USB camera's driver, or a video file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gated.errors import DeviceNotFound
from gated.scanner.frames import NoCamera
from gated.scanner.picture import MAX_PIXELS, OpenCvCapture, Pixels
from gated.scanner.usb_modes import Driver, Property


class Capture(Protocol):
    """Something that delivers one picture after another."""

    def read(self) -> Pixels | None:
        """Return the next picture, or None if there is none (any more).

        Raises: DeviceLost: if the device or the file failed.
        """

    def close(self) -> None:
        """Let go of the device. Idempotent."""


class CameraCapture(Driver, Protocol):
    """A USB camera whose pictures can be passed over without decoding them."""

    def grab(self) -> bool:
        """Wait for the next picture. Return whether one came. Raises: DeviceLost."""

    def retrieve(self) -> Pixels | None:
        """Return the picture that was grabbed, or None if it's damaged. Raises: DeviceLost."""

    def close(self) -> None:
        """Let go of the device. Idempotent."""


def open_video(path: Path) -> Capture:
    """Return the frames of a video file. Raises: DeviceNotFound."""
    try:
        is_file = path.is_file()
    except OSError:  # a folder on the way may not be looked into
        is_file = False
    if not is_file:
        raise DeviceNotFound(f"{path}: no such video file", device=str(path))
    capture = OpenCvCapture(str(path), is_video=True)
    width, height = int(capture.get(Property.WIDTH)), int(capture.get(Property.HEIGHT))
    if not capture.is_open or width * height == 0:
        capture.close()
        raise DeviceNotFound(f"{path} cannot be opened as a video", device=str(path))
    if width * height > MAX_PIXELS:
        capture.close()
        raise DeviceNotFound(
            f"{path}: its frames of {width} x {height} pixels are more than "
            f"{MAX_PIXELS // 1_000_000} million",
            device=str(path),
        )
    return capture


def open_camera(device: str) -> CameraCapture:
    """Return a USB camera (V4L2) in the mode that its driver is in. Raises: DeviceNotFound."""
    if not os.path.lexists(device):
        raise NoCamera(f"no camera at {device}: plug it in, or set scanner.device", device=device)
    capture = OpenCvCapture(device, is_video=False)
    if not capture.is_open:
        capture.close()
        raise DeviceNotFound(why_no_camera(device), device=device)
    return capture


def why_no_camera(device: str, open_node: Callable[[str, int], int] = os.open) -> str:
    """Return why OpenCV could not open ``device``: all that it says itself is that it failed."""
    try:
        os.close(open_node(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except PermissionError:
        return f"{device} may not be opened by this user: add it to the group video"
    except OSError as exc:
        return f"{device} cannot be opened: {exc.strerror}"
    return (
        f"{device} is no camera, or another process uses it: stop that one, or set scanner.device"
    )
