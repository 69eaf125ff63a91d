"""Which USB camera is meant where none is named."""

from __future__ import annotations

from pathlib import Path

from gated.config.devices import DEFAULT_VIDEO_DEVICE

BY_ID = Path("/dev/v4l/by-id")
_CAPTURES = "*-video-index0"  # a camera's other nodes carry no pictures


def find_usb_camera(device: str, by_id: Path = BY_ID) -> str:
    """Return the first USB camera by its stable name, unless ``device`` names one itself.

    The default is no name: on a Raspberry Pi 5, /dev/video0 belongs to the ribbon cable.
    """
    if device != DEFAULT_VIDEO_DEVICE:
        return device
    return next((str(path) for path in sorted(by_id.glob(_CAPTURES))), device)
