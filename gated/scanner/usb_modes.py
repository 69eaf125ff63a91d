"""What a USB camera is asked for, what it really gives, and how its exposure is moved.

V4L2 drivers answer a wish for a size or a rate with what they have, and say nothing. So all is read
back. Motion JPEG is wanted first: over USB 2.0, 1280 x 720 uncompressed (YUYV) is 10 Hz at best.
"""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)

MJPG, YUYV = "MJPG", "YUYV"
_CHARACTERS = 4
_BYTE = 8
_FRAMES_KEPT = 1  # a queue of frames is a queue of old frames
_BY_HAND, _BY_ITSELF = 1, 3  # V4L2_EXPOSURE_MANUAL, V4L2_EXPOSURE_APERTURE_PRIORITY


class Property(enum.IntEnum):
    """OpenCV's numbers (CAP_PROP_…)."""

    WIDTH = 3
    HEIGHT = 4
    FRAME_RATE = 5
    FOURCC = 6
    EXPOSURE = 15  # in 100 µs
    AUTO_EXPOSURE = 21
    BUFFERS = 38


class Driver(Protocol):
    """A camera's driver: ``cv2.VideoCapture``, as far as it's used here."""

    def get(self, prop: int) -> float:
        """Return a property, 0 or -1 if the driver doesn't have it."""

    def set(self, prop: int, value: float) -> bool:
        """Return whether the driver took it; what it made of it is another question."""


@dataclass(frozen=True, slots=True)
class Mode:
    """Size of a frame in px, rate in Hz (0: not told), pixel format."""

    width: int
    height: int
    frame_rate_hz: float
    pixels: str = MJPG

    def __str__(self) -> str:
        rate = f" at {self.frame_rate_hz:g} Hz" if self.frame_rate_hz > 0.0 else ""
        return f"{self.width} x {self.height}{rate} {self.pixels}"


def negotiate(driver: Driver, wanted: Mode) -> Mode:
    """Ask ``driver`` for ``wanted``, or YUYV if it has no Motion JPEG. Return what it gives."""
    driver.set(Property.FOURCC, _code(wanted.pixels))
    if _pixels(driver) != wanted.pixels:
        driver.set(Property.FOURCC, _code(YUYV))
    driver.set(Property.WIDTH, wanted.width)
    driver.set(Property.HEIGHT, wanted.height)
    driver.set(Property.FRAME_RATE, wanted.frame_rate_hz)
    driver.set(Property.BUFFERS, _FRAMES_KEPT)
    return Mode(
        width=int(driver.get(Property.WIDTH)),
        height=int(driver.get(Property.HEIGHT)),
        frame_rate_hz=max(0.0, round(driver.get(Property.FRAME_RATE), 2)),
        pixels=_pixels(driver),
    )


def report(device: str, wanted: Mode, given: Mode) -> None:
    """Log what ``device`` gives if it's another mode than was ``wanted``."""
    if given == wanted:
        return
    is_worse = (given.width, given.height) != (wanted.width, wanted.height)
    is_worse = is_worse or 0.0 < given.frame_rate_hz < wanted.frame_rate_hz
    level = logging.WARNING if is_worse else logging.INFO
    log.log(level, "%s: asked for %s, the camera gives %s", device, wanted, given)


class Exposure:
    """Moves a camera's exposure away from what it finds by itself, and gives it back.

    A driver keeps what it was told when the device is closed, in other processes too. So the camera
    is set to expose by itself at the start, whoever left it otherwise.

    Args:
        driver: of the open camera.
        device: as messages name it.
    """

    def __init__(self, driver: Driver, device: str) -> None:
        self._driver = driver
        self._device = device
        self._own: float | None = None  # what the camera had found when it was moved, in 100 µs
        self._is_refused = False
        if not driver.set(Property.AUTO_EXPOSURE, _BY_ITSELF):
            self._refuse()

    def move(self, steps: float) -> None:
        """Expose by ``steps`` EV longer (+) or shorter (−); 0: by itself again."""
        if self._is_refused:
            return
        if steps == 0.0:
            self.give_back()
            return
        if self._own is None:
            self._own = self._driver.get(Property.EXPOSURE)
        is_taken = (
            self._own > 0.0
            and self._driver.set(Property.AUTO_EXPOSURE, _BY_HAND)
            and self._driver.set(Property.EXPOSURE, max(1.0, round(self._own * 2.0**steps)))
        )
        if not is_taken:
            self.give_back()
            self._refuse()

    def give_back(self) -> None:
        """Let the camera expose by itself again. Idempotent."""
        if self._own is not None:
            self._driver.set(Property.AUTO_EXPOSURE, _BY_ITSELF)
            self._own = None

    def _refuse(self) -> None:
        self._is_refused = True
        log.debug("%s does not let its exposure be moved", self._device)


def _pixels(driver: Driver) -> str:
    code = int(driver.get(Property.FOURCC))
    letters = "".join(chr(code >> _BYTE * n & 0xFF) for n in range(_CHARACTERS))
    return letters if letters.isprintable() and letters.strip() else "unknown"


def _code(pixels: str) -> int:
    return sum(ord(letter) << _BYTE * n for n, letter in enumerate(pixels))
