"""Pictures as arrays. With regions.py the one place that knows OpenCV.

OpenCV runs on one thread here: the scanner has one core's share to spend, and a pool of idle
threads costs memory. Everything is ``uint8``: height x width x 3 in the order blue, green, red, or
height x width for grey.
"""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.headers import measure_picture

# OpenCV reads these once, when it is loaded. Its own 10 s would starve the watchdog.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # the call for it differs between releases
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: our own line says what is wrong
try:
    import cv2
except ImportError as exc:  # not installed, or a system library of it is missing
    _missing = str(exc)
else:
    _missing = ""
    cv2.setNumThreads(1)
    # A file on a network drive that has gone is waited for like this, and not for 30 s.
    _VIDEO_PARAMETERS = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 2_000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 1_000,
    ]  # fmt: skip

log = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]

MAX_PIXELS = 40_000_000
"""More than any camera of a phone delivers by default; 120 MB once decoded."""
MAX_FILE_BYTES = 64 * 1024 * 1024
_COLOUR_AXES = 3
_SHARPEN_RADIUS_PX = 1.5


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


def encode_qr(text: str) -> Pixels:
    """Return ``text`` as a QR code, one pixel a module, with its quiet zone. Grey."""
    return np.asarray(cv2.QRCodeEncoder.create().encode(text), np.uint8)


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


# --- captures ------------------------------------------------------------------------------------


class OpenCvCapture:
    """``cv2.VideoCapture`` with our errors: a camera's device or a video file, by its path.

    ``gated.scanner.captures`` and ``usb_modes`` say how it's used.

    Raises: DeviceNotFound: if OpenCV is missing.
    """

    def __init__(self, path: str, *, is_video: bool) -> None:
        require_opencv()
        self._path = path
        api = cv2.CAP_FFMPEG if is_video else cv2.CAP_V4L2
        self._capture = cv2.VideoCapture(path, api, _VIDEO_PARAMETERS if is_video else [])

    @property
    def is_open(self) -> bool:
        return self._capture.isOpened()

    def read(self) -> Pixels | None:
        return self.retrieve() if self.grab() else None

    def grab(self) -> bool:
        try:
            return self._capture.grab()
        except cv2.error as exc:
            raise DeviceLost(f"{self._path} failed: {exc.err}", device=self._path) from exc

    def retrieve(self) -> Pixels | None:
        try:
            is_there, pixels = self._capture.retrieve()
        except cv2.error as exc:
            raise DeviceLost(f"{self._path} failed: {exc.err}", device=self._path) from exc
        # The stubs do not say so, but there may be no picture all the same.
        whole: object = pixels
        return np.asarray(pixels, np.uint8) if is_there and whole is not None else None

    def get(self, prop: int) -> float:
        return self._capture.get(prop)

    def set(self, prop: int, value: float) -> bool:
        return self._capture.set(prop, value)

    def close(self) -> None:
        self._capture.release()
