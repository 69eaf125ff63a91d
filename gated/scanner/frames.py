"""What a camera delivers, and what every source of frames must keep to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gated.scanner.picture import Pixels
from gated.units import MonoSeconds


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        pixels: height x width x 3 (blue, green, red) or height x width (grey), uint8.
        sequence: grows with every real frame of the source; never given twice.
        captured_mono_s: when it was taken (or, where the source can't say, received).
    """

    pixels: Pixels
    sequence: int
    captured_mono_s: MonoSeconds


class FrameSource(Protocol):
    """A camera, or something that stands in for one. Used by one thread.

    Implementations must never return a frame a second time, must not hand out a frame that was
    waiting since before ``open``, and must not block beyond the time-out (a driver that can't be
    interrupted may take 1 s longer).
    """

    @property
    def name(self) -> str:
        """The device as messages name it."""

    def open(self) -> None:
        """Start delivering. May be called again after ``close``.

        Raises: DeviceNotFound. CameraHung: nothing in this process helps; let it end.
        """

    def next_frame(self, timeout_s: float) -> Frame | None:
        """Return the next frame, or None if none came within ``timeout_s``.

        Raises: DeviceLost: if the source failed or isn't open; close it and open it again.
            CameraHung: as ``open``.
        """

    def close(self) -> None:
        """Stop delivering. Idempotent, also on a source that was never opened."""
