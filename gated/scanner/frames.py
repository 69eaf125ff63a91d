"""What a camera delivers, and what every source of frames must keep to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gated.errors import DeviceNotFound
from gated.scanner.picture import Pixels
from gated.units import MonoSeconds

MOST_EXPOSURE_STEPS = 2.0
"""Four times the light, or a quarter of it."""
_WHOLE = 1.0 + 1e-6  # sums of shares are rounded


class NoCamera(DeviceNotFound):
    """This machine has no such camera at all: where the choice is automatic, another one is tried.

    Any other DeviceNotFound is of a camera that is there and can't be used.
    """


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


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the frame, in shares of its width and height, 0 to 1, from its top left corner."""

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        right, bottom = self.x + self.width, self.y + self.height
        if not (0.0 <= self.x < right <= _WHOLE and 0.0 <= self.y < bottom <= _WHOLE):
            raise ValueError(f"{self} is no part of a frame")


@dataclass(frozen=True, slots=True)
class Wish:
    """What would make a code in view easier to read.

    Attributes:
        region: what to focus on; None: as configured.
        exposure_steps: how much brighter (+) or darker (−) than configured, in EV, −2 to 2.
    """

    region: Region | None = None
    exposure_steps: float = 0.0

    def __post_init__(self) -> None:
        if not abs(self.exposure_steps) <= MOST_EXPOSURE_STEPS:
            raise ValueError(f"{self.exposure_steps} EV are more than {MOST_EXPOSURE_STEPS:g}")


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

    def attend(self, wish: Wish | None) -> None:
        """Ask the camera to focus and expose for a part of what it sees; None: as configured.

        It may be ignored, and is forgotten when the source is closed. Never blocks, never fails.
        """

    def close(self) -> None:
        """Stop delivering. Idempotent, also on a source that was never opened."""
