"""Pictures as arrays: the one file that knows OpenCV.

OpenCV runs on one thread here: the scanner has one core's share to spend, and a pool of idle
threads costs memory. Everything is ``uint8``: height x width x 3 in the order blue, green, red, or
height x width for grey.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.headers import measure_picture

# OpenCV reads this once, when it is loaded. Its own 10 s would starve the watchdog.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
try:
    import cv2
except ImportError as exc:  # not installed, or a system library of it is missing
    _missing = str(exc)
else:
    _missing = ""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]

MAX_PIXELS = 40_000_000
"""More than any camera of a phone delivers by default; 120 MB once decoded."""
MAX_FILE_BYTES = 64 * 1024 * 1024
_COLOUR_AXES = 3
_SHARPEN_RADIUS_PX = 1.5
TEXTURE_CELLS = 5
_MAX_ASPECT = 1.4
_MIN_FILL = 0.78  # of a square's area: the rest are bites that a reflex takes
_MIN_FILL_UPRIGHT = 0.45  # of the upright box around a turned square


def require_opencv() -> None:
    """Raise DeviceNotFound, saying what to install, unless OpenCV can be used."""
    if _missing:
        raise DeviceNotFound(
            f"OpenCV cannot be loaded ({_missing}): install opencv-python, or python3-opencv of "
            "the distribution",
            device="scanner",
        )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A picture that can't be used, and why, in words for the person who handed it in."""

    reason: str


# --- files ---------------------------------------------------------------------------------------


def read_picture(path: Path) -> Pixels | Unreadable:
    """Return the picture in the file at ``path`` in colour."""
    try:
        if not path.is_file():
            return Unreadable("no such file" if not path.exists() else "not a file")
        if path.stat().st_size > MAX_FILE_BYTES:
            return Unreadable(f"larger than {MAX_FILE_BYTES // 1024 // 1024} MB")
        data = path.read_bytes()
    except OSError as exc:
        return Unreadable(f"cannot be read: {exc.strerror}")
    return parse_picture(data)


def parse_picture(data: bytes) -> Pixels | Unreadable:
    """Return the picture in ``data`` (PNG, JPEG, WebP or BMP) in colour."""
    if not data:
        return Unreadable("empty file")
    size = measure_picture(data)
    if size is None:
        return Unreadable("not a PNG, JPEG, WebP or BMP picture")
    if size.pixels > MAX_PIXELS:
        return Unreadable(
            f"{size.width_px} x {size.height_px} pixels are more than "
            f"{MAX_PIXELS // 1_000_000} million"
        )
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        decoded = None
    # The stubs do not say so, but None is how imdecode reports a damaged picture.
    pixels: object = decoded
    if not isinstance(pixels, np.ndarray) or pixels.size == 0:
        return Unreadable("damaged or cut off")
    return np.asarray(pixels, np.uint8)


def encode_picture(pixels: Pixels, suffix: str = ".png") -> bytes:
    """Return ``pixels`` as a file's bytes, in the format of ``suffix``."""
    return bytes(cv2.imencode(suffix, pixels)[1])


# --- views ---------------------------------------------------------------------------------------


def to_grey(pixels: Pixels) -> Pixels:
    """Return the brightness as the eye weighs it, height x width."""
    if pixels.ndim < _COLOUR_AXES:
        return pixels
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def darkest_channel(pixels: Pixels) -> Pixels:
    """Return min(B, G, R), height x width: a yellow module is as dark in it as a black one."""
    if pixels.ndim < _COLOUR_AXES:
        return pixels
    blue, green, red = cv2.split(pixels)
    return np.asarray(cv2.min(cv2.min(blue, green), red), np.uint8)


def shrink(pixels: Pixels, long_side_px: int) -> Pixels:
    """Return ``pixels`` with its longer side at most ``long_side_px``; never enlarged."""
    height, width = pixels.shape[:2]
    if max(height, width) <= long_side_px:
        return pixels
    scale = long_side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def enlarge(pixels: Pixels, factor: float) -> Pixels:
    """Return ``pixels`` scaled up by ``factor``."""
    scaled = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return np.asarray(scaled, np.uint8)


def sharpen(grey: Pixels) -> Pixels:
    """Return ``grey`` with its edges doubled (unsharp mask)."""
    blurred = cv2.GaussianBlur(grey, (0, 0), _SHARPEN_RADIUS_PX)
    return np.asarray(cv2.addWeighted(grey, 2.0, blurred, -1.0, 0.0), np.uint8)


def blur(pixels: Pixels, radius_px: float) -> Pixels:
    """Return ``pixels`` out of focus by ``radius_px`` (standard deviation)."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), radius_px), np.uint8)


def smear(pixels: Pixels, length_px: float, angle_deg: float) -> Pixels:
    """Return ``pixels`` moved by ``length_px`` in the direction ``angle_deg`` while exposed."""
    reach = math.ceil(length_px / 2)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    steps = np.linspace(-length_px / 2, length_px / 2, 8 * reach + 1)
    angle = math.radians(angle_deg)
    x = np.rint(reach + steps * math.cos(angle)).astype(int)
    y = np.rint(reach + steps * math.sin(angle)).astype(int)
    np.add.at(kernel, (y, x), 1.0 / len(steps))
    return np.asarray(cv2.filter2D(pixels, -1, kernel), np.uint8)


def fill_quadrilateral(pixels: Pixels, corners: NDArray[np.float32], onto: Pixels) -> Pixels:
    """Return ``onto`` with ``pixels`` drawn in perspective between four ``corners``.

    Args:
        pixels: height x width x 3.
        corners: 4 x 2, in px of ``onto``: top left, top right, bottom right, bottom left.
        onto: height x width x 3; left as it is.
    """
    height, width = pixels.shape[:2]
    own = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    homography = cv2.getPerspectiveTransform(own, corners)
    size = (onto.shape[1], onto.shape[0])
    drawn = cv2.warpPerspective(pixels, homography, size, flags=cv2.INTER_LINEAR)
    whole = np.full((height, width), 255, np.uint8)
    mask = cv2.warpPerspective(whole, homography, size, flags=cv2.INTER_LINEAR)
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.maximum(np.ceil(corners.max(axis=0)).astype(int) + 2, 0)
    there = np.s_[top:bottom, left:right]
    share = (mask[there].astype(np.float32) / 255.0)[..., np.newaxis]
    mixed = onto.copy()
    mixed[there] = drawn[there].astype(np.float32) * share + onto[there] * (1.0 - share)
    return mixed


# --- what looks like a code ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Square:
    """A region that is about as wide as it's high.

    Attributes:
        x, y: of its middle, in cells of the map that it was found in.
        width, height: along its own sides, in cells.
        turn_deg: how far these are turned.
        texture: the map's level well inside.
    """

    x: float
    y: float
    width: float
    height: float
    turn_deg: float
    texture: float

    def corners(self) -> NDArray[np.float32]:
        """Return its corners, 4 x 2 in cells, in the order of ``cv2.boxPoints``."""
        box = ((self.x, self.y), (self.width, self.height), self.turn_deg)
        return np.asarray(cv2.boxPoints(box), np.float32)


def measure_texture(grey: Pixels) -> NDArray[np.float32]:
    """Return how much ``grey`` changes from pixel to pixel, in levels, in cells of 2 x 2 px.

    Counted is what changes both across and down, each on average over 5 x 5 cells: much in a code,
    little along the edge of a phone or a door.
    """
    height, width = (max(0, n - 1) // 2 * 2 for n in grey.shape)
    if not height or not width:
        return np.zeros((1, 1), np.float32)
    here, beside, below = grey[:height, :width], grey[:height, 1 : width + 1], grey[1 : height + 1]
    across, down = (
        cv2.resize(cv2.absdiff(there, here), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for there in (beside, below[:, :width])
    )
    over = (TEXTURE_CELLS, TEXTURE_CELLS)
    smooth = (cv2.blur(change.astype(np.float32), over) for change in (across, down))
    return np.asarray(cv2.min(*smooth), np.float32)


def find_squares(
    texture: NDArray[np.float32], threshold: float, shortest: int, longest: int
) -> list[Square]:
    """Return the squares of cells above ``threshold``, ``shortest`` to ``longest`` cells wide."""
    above = np.asarray(texture > threshold, np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=4)
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    shorter, longer = np.minimum(width, height), np.maximum(width, height)
    is_likely = (shorter >= shortest) & (longer <= longest) & (longer < _MAX_ASPECT * shorter)
    is_likely &= stats[:, cv2.CC_STAT_AREA] > _MIN_FILL_UPRIGHT * width * height
    is_likely[0] = False  # what is below the threshold
    found = []
    for label in np.nonzero(is_likely)[0]:
        left, top, wide, high = (int(n) for n in stats[label, :4])
        there = np.s_[top : top + high, left : left + wide]
        mask = np.asarray(labels[there] == label, np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        outline = max(outlines, key=cv2.contourArea)
        (x, y), (own_width, own_height), turn_deg = cv2.minAreaRect(outline)
        area = own_width * own_height
        if area == 0 or cv2.contourArea(outline) < _MIN_FILL * area:
            continue
        if max(own_width, own_height) < _MAX_ASPECT * min(own_width, own_height):
            inside = float(np.percentile(texture[there][mask > 0], 75))
            # An average over so many cells rises from outside in over as many.
            missing = 1 + 2 * TEXTURE_CELLS * (threshold / inside - 0.5)
            found.append(
                Square(
                    x=left + x + 0.5,
                    y=top + y + 0.5,
                    width=own_width + missing,
                    height=own_height + missing,
                    turn_deg=turn_deg,
                    texture=inside,
                )
            )
    return found


def flatten(grey: Pixels, corners: NDArray[np.float32], side_px: int, margin_px: int) -> Pixels:
    """Return the square between ``corners`` (4 x 2, in px) seen from the front.

    It is ``side_px`` wide, with ``margin_px`` of what surrounds it.
    """
    low, high = float(margin_px), float(margin_px + side_px)
    onto = np.array([[low, high], [low, low], [high, low], [high, high]], np.float32)
    whole = (side_px + 2 * margin_px, side_px + 2 * margin_px)
    homography = cv2.getPerspectiveTransform(corners, onto)
    seen = cv2.warpPerspective(grey, homography, whole, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)


def find_likeness(grey: Pixels, template: Pixels) -> float:
    """Return how much the place most like ``template`` is like it, −1 to 1, whatever the light."""
    return float(cv2.matchTemplate(grey, template, cv2.TM_CCOEFF_NORMED).max())


# --- captures ------------------------------------------------------------------------------------


class Capture(Protocol):
    """Something that delivers one picture after another."""

    def read(self) -> Pixels | None:
        """Return the next picture, or None if there is none (any more).

        Raises: DeviceLost: if the device or the file failed.
        """

    def close(self) -> None:
        """Let go of the device. Idempotent."""


class _OpenCvCapture:
    def __init__(self, capture: cv2.VideoCapture, device: str) -> None:
        self._capture = capture
        self._device = device

    def read(self) -> Pixels | None:
        try:
            is_there, pixels = self._capture.read()
        except cv2.error as exc:
            raise DeviceLost(f"{self._device} failed: {exc.err}", device=self._device) from exc
        return np.asarray(pixels, np.uint8) if is_there else None

    def close(self) -> None:
        self._capture.release()


def open_video(path: Path) -> Capture:
    """Return the frames of a video file. Raises: DeviceNotFound."""
    require_opencv()
    if not path.is_file():
        raise DeviceNotFound(f"{path}: no such video file", device=str(path))
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise DeviceNotFound(f"{path} cannot be opened as a video", device=str(path))
    return _OpenCvCapture(capture, str(path))


def open_camera(device: str, *, width: int, height: int, frame_rate_hz: float) -> Capture:
    """Return the frames of a USB camera (V4L2). Raises: DeviceNotFound."""
    require_opencv()
    if not Path(device).exists():
        raise DeviceNotFound(
            f"no camera at {device}: plug it in, or set scanner.device", device=device
        )
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    capture.set(cv2.CAP_PROP_FPS, frame_rate_hz)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a queue of frames is a queue of old frames
    if not capture.isOpened():
        capture.release()
        raise DeviceNotFound(why_no_camera(device), device=device)
    return _OpenCvCapture(capture, device)


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
