# ruff: noqa: ANN401  the library has no types
"""Lets Picamera2 0.3.38 run on libcamera 0.4's virtual cameras, which show pictures from a folder.

Everything else is Picamera2's own. So it proves our calls and what is done with frames; a Pi's
sensor, image processor and buffers only a Pi can show. Loaded by a line at the end of the guest's
picamera2 package.
"""

from __future__ import annotations

import mmap
from typing import Any

from picamera2.allocators import LibcameraAllocator
from picamera2.picamera2 import Picamera2

SIZE = (640, 480)
DELIVERED = "NV12"  # all that the pipeline has; it begins with the same plane as YUV420
ASKED_FOR = "YUV420"


class WholeBuffer:
    """Maps a frame's planes. libcamera 0.4 says for a virtual camera that 0 bytes were used."""

    def __init__(self, _allocator: object, buffer: Any, _write: bool) -> None:
        self._planes = buffer.planes
        self._map: mmap.mmap | None = None

    def __enter__(self) -> mmap.mmap:
        length = sum(plane.length for plane in self._planes)
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        self._map = mmap.mmap(self._planes[0].fd, length, mmap.MAP_SHARED, protection)
        return self._map

    def __exit__(self, *_: object) -> None:
        try:
            if self._map is not None:
                self._map.close()
        except BufferError:
            pass  # an array still looks into it, and frees it


class Allocator(LibcameraAllocator):  # type: ignore[misc]  # it has no types
    """The pipeline refuses buffers of one plane, which Picamera2's own allocator makes."""

    def __init__(self, camera: Any) -> None:
        super().__init__(camera)
        self.sync = WholeBuffer


class VirtualCamera(Picamera2):  # type: ignore[misc]  # it has no types
    """A Picamera2 of 640 x 480 in grey."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.allocator = Allocator(self.camera)

    def _get_raw_modes(self) -> list[dict[str, Any]]:
        return [{"format": "SBGGR8", "size": SIZE}]  # the pipeline knows no raw stream

    def create_video_configuration(self, main: Any = None, **named: Any) -> Any:
        named.pop("sensor", None)
        return super().create_video_configuration({**(main or {}), "format": DELIVERED}, **named)

    def camera_configuration(self, *given: Any) -> Any:
        found = super().camera_configuration(*given)
        if isinstance(found, dict) and found["main"]["format"] == DELIVERED:
            found = {**found, "main": {**found["main"], "format": ASKED_FOR}}
        return found
