"""Phones that show a coloured QR code, as a camera of 1280 x 720 px sees them. Seeded.

A cleaned copy of the generator ``rendered_codes.py`` that came with the requirements: the same
arguments give the same picture, bit for bit (with the same OpenCV). The light's way is followed in
its order: a page is drawn, put into the scene in perspective, seen through optics that are out of
focus or moving, covered with a screen's moiré and with glare, exposed and clipped, covered with the
sensor's noise, and stored as JPEG. The parts are also what ``streams`` and ``empties`` are made of.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import segno
from numpy.random import Generator
from numpy.typing import NDArray

from gated.scanner.picture import Pixels

WIDTH_PX, HEIGHT_PX = 1280, 720
FOCAL_PX = 1100.0
SIDE_PX = 330.0
"""Width of the code when it's held flat."""
COLOURS = {
    "black": (0, 0, 0),
    "green": (26, 173, 25),
    "yellow": (255, 195, 0),  # the usual amber of Chinese health codes
    "lemon": (255, 225, 30),  # a paler one: the worst case
    "red": (230, 67, 64),
}
"""Red, green, blue of the dark modules."""
KINDS = (
    "clean",
    "tilt",
    "motion",
    "defocus",
    "glare",
    "moire",
    "lowlight",
    "jpeg",
    "small",
    "overexp",
    "warm",
    "mixed",
)
SEVERITIES = (1, 2, 3, 4, 5)
PAYLOADS = ("token", "dcc")
"""A signed link of 90 bytes (QR version 6 to 8), a pass of 480 characters (version 14)."""

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_MODULE_PX = 12  # on the page
_QUIET_MODULES = 4

Picture = NDArray[Any]
"""Light, height x width x 3 in the order blue, green, red; float32 or float64, 255 is white."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a phone shows.

    Attributes:
        pixels: the phone, its rim included.
        box: the code's corners on it, 4 x 2: top left, top right, bottom right, bottom left.
        modules: of the code, across.
    """

    pixels: Picture
    box: NDArray[np.float32]
    modules: int


@dataclass(frozen=True, slots=True)
class Pose:
    """How the phone is held before the camera."""

    roll_rad: float
    axis_rad: float  # of the tilt, in the frame's plane
    tilt_rad: float
    centre_px: NDArray[np.float64]  # where the code's middle is
    side_px: float


@dataclass(frozen=True, slots=True)
class Exposure:
    gain: float = 1.0
    blue: float = 1.0
    red: float = 1.0
    noise: float = 2.0
    jpeg_quality: int = 90


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """One frame, and what is true of it.

    Attributes:
        jpeg: the frame as it was stored; ``pixels`` is what this decodes to.
        corners: of the code in the frame, 4 x 2.
    """

    pixels: Pixels
    jpeg: bytes
    text: str
    colour: str
    modules: int
    module_px: float
    has_logo: bool
    tilt_deg: float
    corners: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cell:
    """The arguments of one picture."""

    colour: str
    kind: str
    severity: int
    seed: int
    payload: str

    @property
    def name(self) -> str:
        return f"{self.colour}-{self.kind}-{self.severity}-{self.payload}-{self.seed}"


def cells(seed: int) -> Iterator[Cell]:
    """Return 560 pictures' arguments: 5 colours x 56 cells x 2 payloads."""
    for number, payload in enumerate(PAYLOADS):
        for kind in KINDS:
            for severity in (0,) if kind == "clean" else SEVERITIES:
                for colour in COLOURS:
                    yield Cell(colour, kind, severity, seed + number, payload)


# --- the page ------------------------------------------------------------------------------------


def draw_payload(kind: str, rng: Generator) -> str:
    """Return a random text of a ``kind`` of ``PAYLOADS``."""
    if kind == "token":
        return "https://hc.example.cn/v?t=" + "".join(_BASE62[i] for i in rng.integers(0, 62, 64))
    if kind == "dcc":
        return "HC1:" + "".join(_BASE45[i] for i in rng.integers(0, 45, 476))
    raise ValueError(kind)


def draw_code(text: str, colour: str, *, has_logo: bool) -> tuple[Picture, int]:
    """Return the code on white (red, green, blue) with its quiet zone, and its width in modules."""
    matrix = _encode(text, "q" if has_logo else "m")
    modules = matrix.shape[0]
    mask = cv2.resize(
        np.pad(matrix, _QUIET_MODULES),
        None,
        fx=_MODULE_PX,
        fy=_MODULE_PX,
        interpolation=cv2.INTER_NEAREST,
    )
    side = mask.shape[0]
    rgb = np.array(COLOURS[colour], np.float32)
    card = np.full((side, side, 3), 255, np.float32)
    card[mask > 0] = rgb
    if has_logo:  # a badge of 20 % of the code's width
        half, middle = int(0.20 * modules * _MODULE_PX) // 2, side // 2
        low, high = middle - half - 6, middle + half + 6
        cv2.rectangle(card, (low, low), (high, high), (255, 255, 255), -1)
        cv2.circle(card, (middle, middle), half, [float(level) for level in rgb], -1)
        ends = (middle - half // 2, middle), (middle + half // 2, middle)
        cv2.line(card, *ends, (255, 255, 255), max(3, half // 5))
    return card, modules


@functools.lru_cache(maxsize=4)  # the five colours of a cell, one after the other
def _encode(text: str, error: str) -> NDArray[np.uint8]:
    code = segno.make(text, error=error, boost_error=False, micro=False)
    return np.array([[1 if cell else 0 for cell in row] for row in code.matrix], np.uint8)


def draw_page(card: Picture, colour: str, rng: Generator, modules: int) -> Page:
    """Return a phone page with a coloured header, the card, and some bars for text."""
    side = card.shape[0]
    rgb = np.array(COLOURS[colour], np.float32)
    width, height = int(card.shape[1] * 1.12), int(side * 2.0)
    page = np.full((height, width, 3), 245, np.float32)
    page[: int(height * 0.16)] = rgb * 0.9 + 10
    top, left = int(height * 0.27), (width - card.shape[1]) // 2
    page[top : top + side, left : left + card.shape[1]] = card
    for line in range(5):
        y = top + side + int(height * (0.03 + 0.035 * line))
        right = left + int(card.shape[1] * rng.uniform(0.3, 0.9))
        corner = (right, y + int(height * 0.012))
        cv2.rectangle(page, (left, y), corner, (90, 90, 90), -1)
    rim = int(width * 0.05)
    whole: Picture = cv2.copyMakeBorder(
        page, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=(18, 18, 18)
    )
    quiet = _QUIET_MODULES * _MODULE_PX
    x0, x1 = left + rim + quiet, left + rim + card.shape[1] - quiet
    y0, y1 = top + rim + quiet, top + rim + side - quiet
    box = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)
    return Page(whole[..., ::-1].copy(), box, modules)


# --- the scene -----------------------------------------------------------------------------------


def draw_background(rng: Generator) -> Picture:
    """Return an indoor scene without detail, float32."""
    coarse = rng.uniform(20, 150, (9, 16, 3)).astype(np.float32)
    scene = cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    for _ in range(14):
        corners = rng.integers(0, [WIDTH_PX, HEIGHT_PX], (3, 2)).astype(np.int32)
        cv2.fillPoly(scene, [corners], [float(level) for level in rng.uniform(10, 170, 3)])
    grey = scene.mean(2, keepdims=True)  # half of the colour is taken out: rooms aren't neon
    blurred = cv2.GaussianBlur(0.5 * scene + 0.5 * grey, (0, 0), 4)
    return np.asarray(np.clip(blurred, 0, 255))


def draw_pose(rng: Generator, side_px: float, tilt_deg: float) -> Pose:
    """Return a random pose with the code near the middle."""
    roll_rad = math.radians(rng.uniform(-15, 15))
    axis_rad = rng.uniform(0, 2 * math.pi)
    x, y = WIDTH_PX / 2 + rng.uniform(-120, 120), HEIGHT_PX / 2 + rng.uniform(-50, 50)
    return Pose(roll_rad, axis_rad, math.radians(tilt_deg), np.array([x, y]), side_px)


def project(page: Page, pose: Pose) -> NDArray[np.float64]:
    """Return the homography from ``page`` to the frame."""
    middle = page.box.mean(0)
    scale = pose.side_px / np.linalg.norm(page.box[1] - page.box[0])
    axis = np.array([math.cos(pose.axis_rad), math.sin(pose.axis_rad), 0.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    sine, cosine = math.sin(pose.tilt_rad), math.cos(pose.tilt_rad)
    tilt = np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)
    sine, cosine = math.sin(pose.roll_rad), math.cos(pose.roll_rad)
    roll = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    height, width = page.pixels.shape[:2]
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    there = np.c_[(outline - middle) * scale, np.zeros(4)] @ (tilt @ roll).T
    seen = FOCAL_PX * there[:, :2] / (FOCAL_PX + there[:, 2:3]) + pose.centre_px
    return np.asarray(cv2.getPerspectiveTransform(outline, seen.astype(np.float32)), np.float64)


def warp(page: Page, homography: NDArray[np.float64], side_px: float) -> tuple[Picture, Picture]:
    """Return the page as the camera sees it, and what share of each pixel it covers."""
    # Shrunk before it is warped, so that each pixel is the mean of the area that it covers.
    factor = min(1.0, float(1.6 * side_px / np.linalg.norm(page.box[1] - page.box[0])))
    small = cv2.resize(page.pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    back = [page.pixels.shape[1] / small.shape[1], page.pixels.shape[0] / small.shape[0], 1.0]
    onto = homography @ np.diag(back)
    size = (WIDTH_PX, HEIGHT_PX)
    seen = cv2.warpPerspective(
        small, onto, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    whole = np.ones(small.shape[:2], np.float32)
    share = cv2.warpPerspective(whole, onto, size, flags=cv2.INTER_LINEAR)
    return seen, share[..., None]


def see_corners(page: Page, homography: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the code's corners in the frame, 4 x 2."""
    return np.asarray(cv2.perspectiveTransform(page.box[None], homography)[0], np.float32)


def measure_side_px(corners: NDArray[np.float32]) -> float:
    return float(np.sqrt(abs(cv2.contourArea(corners))))


# --- optics, screen, glare -----------------------------------------------------------------------


def make_disc(radius_px: float) -> NDArray[np.float32]:
    """Return the kernel of a lens out of focus."""
    size = math.ceil(radius_px) * 2 + 1
    y, x = np.mgrid[:size, :size] - size // 2
    kernel = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return np.asarray(kernel / kernel.sum(), np.float32)


def make_line(length_px: float, angle_rad: float) -> NDArray[np.float32]:
    """Return the kernel of a movement while exposed."""
    size = math.ceil(length_px) | 1
    kernel = np.zeros((size * 4, size * 4), np.float32)
    middle = size * 2
    dx, dy = math.cos(angle_rad) * length_px * 2, math.sin(angle_rad) * length_px * 2
    start = (int(middle - dx), int(middle - dy))
    cv2.line(kernel, start, (int(middle + dx), int(middle + dy)), 1.0, 3)
    kernel = np.asarray(cv2.resize(kernel, (size, size), interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(kernel / kernel.sum(), np.float32)


def add_moire(light: Picture, amount: float, rng: Generator) -> None:
    """Lay three channels' bands and the screen's refresh over ``light``, in place."""
    y, x = _grid()
    for channel in range(3):
        period, angle, phase = rng.uniform(4, 14), rng.uniform(0, math.pi), rng.uniform(0, 6.3)
        along = x * math.cos(angle) + y * math.sin(angle)
        bands = 0.5 + 0.5 * np.sin(along * 6.2832 / period + phase)
        light[..., channel] *= 1 - amount * bands
    refresh = 0.5 + 0.5 * np.sin(y * 6.2832 / 90 + rng.uniform(0, 6.3))
    light *= (1 - 0.5 * amount * refresh)[..., None]


def add_glare(
    light: Picture, centre_px: NDArray[np.float64], across_px: float, down_px: float
) -> Picture:
    """Return ``light`` with the spot of a lamp."""
    y, x = _grid()
    spot = np.exp(-(((x - centre_px[0]) / across_px) ** 2 + ((y - centre_px[1]) / down_px) ** 2))
    return np.asarray(light + (420 * spot)[..., None])


def _grid() -> NDArray[np.float32]:
    return np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(np.float32)


# --- the sensor ----------------------------------------------------------------------------------


def expose(light: Picture, how: Exposure, rng: Generator) -> tuple[Pixels, bytes]:
    """Return the frame that a camera delivers, and the JPEG that it is decoded from."""
    levels = light * how.gain + 6
    levels[..., 0] *= how.blue
    levels[..., 2] *= how.red
    levels = np.clip(levels, 0, 255)
    noise = rng.standard_normal(levels.shape, dtype=np.float32)
    levels = levels + noise * (how.noise * np.sqrt(0.3 + levels / 255))
    frame = np.clip(levels, 0, 255).astype(np.uint8)
    return store(frame, how.jpeg_quality)


def store(frame: Pixels, jpeg_quality: int = 90) -> tuple[Pixels, bytes]:
    """Return ``frame`` as JPEG gives it back, and the JPEG."""
    data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8), data.tobytes()


# --- one picture ---------------------------------------------------------------------------------

# What each kind does at severities 1 to 5.
_TILT_DEG = {"tilt": (15, 30, 45, 55, 65), "mixed": (10, 18, 25, 32, 40)}
_SIZE = (0.70, 0.50, 0.40, 0.32, 0.25)
_DEFOCUS_PX = {"defocus": (1.5, 2.5, 3.5, 4.5, 6), "mixed": (0.8, 1.1, 1.5, 2, 2.6)}
_SMEAR_PX = {"motion": (4, 8, 12, 16, 24), "mixed": (2, 4, 6, 8, 11)}
_MOIRE = (0.10, 0.20, 0.30, 0.40, 0.50)
_GLARE = (0.08, 0.13, 0.19, 0.26, 0.35)
_EXPOSURES = {
    "lowlight": [
        Exposure(gain=gain, noise=noise)
        for gain, noise in zip((0.50, 0.30, 0.20, 0.12, 0.07), (4, 5, 6, 7, 8), strict=True)
    ],
    "overexp": [Exposure(gain=gain) for gain in (1.2, 1.5, 1.9, 2.4, 3.2)],
    "warm": [
        Exposure(blue=blue, red=red)
        for blue, red in zip(
            (0.80, 0.65, 0.50, 0.38, 0.28), (1.05, 1.1, 1.15, 1.2, 1.25), strict=True
        )
    ],
    "jpeg": [Exposure(jpeg_quality=quality) for quality in (40, 25, 15, 10, 6)],
    "mixed": [
        Exposure(gain=gain, noise=noise, jpeg_quality=quality)
        for gain, noise, quality in zip(
            (1.1, 1.25, 1.4, 1.6, 1.9), (3, 4, 5, 6, 8), (80, 70, 60, 50, 40), strict=True
        )
    ],
}


def render(cell: Cell, *, has_logo: bool | None = None) -> Rendered:
    """Return the picture of ``cell``. Every second token has a logo, unless it's said."""
    # The colour isn't part of the seed: the five of one cell share text, pose and noise.
    kind, at = cell.kind, cell.severity - 1
    rng = np.random.default_rng(
        [cell.seed, KINDS.index(kind), cell.severity, PAYLOADS.index(cell.payload)]
    )
    text = draw_payload(cell.payload, rng)
    if has_logo is None:
        has_logo = bool(rng.random() < 0.5)
    has_logo = has_logo and cell.payload != "dcc"
    card, modules = draw_code(text, cell.colour, has_logo=has_logo)
    page = draw_page(card, cell.colour, rng, modules)
    tilt_deg = rng.uniform(0, 8)
    is_spoilt = at >= 0
    if is_spoilt and kind in _TILT_DEG:
        tilt_deg = _TILT_DEG[kind][at]
    side_px = SIDE_PX * _SIZE[at] if is_spoilt and kind == "small" else SIDE_PX
    homography = project(page, draw_pose(rng, side_px, tilt_deg))
    background = draw_background(rng)
    seen, share = warp(page, homography, side_px)
    light: Picture = seen * share + background * (1 - share)
    corners = see_corners(page, homography)
    seen_px = measure_side_px(corners)
    if is_spoilt and kind in _SMEAR_PX:
        line = make_line(_SMEAR_PX[kind][at], rng.uniform(0, math.pi))
        light = cv2.filter2D(light, -1, line)
    if is_spoilt and kind in _DEFOCUS_PX:
        light = cv2.filter2D(light, -1, make_disc(_DEFOCUS_PX[kind][at]))
    light = cv2.GaussianBlur(light, (0, 0), 0.6)
    if is_spoilt and kind == "moire":
        add_moire(light, _MOIRE[at], rng)
    if is_spoilt and kind == "glare":
        across_px = _GLARE[at] * seen_px
        centre_px = corners.mean(0) + rng.uniform(-0.32, 0.32, 2) * seen_px
        light = add_glare(light, centre_px, across_px, across_px * rng.uniform(0.7, 1.4))
    how = _EXPOSURES[kind][at] if is_spoilt and kind in _EXPOSURES else Exposure()
    pixels, jpeg = expose(light, how, rng)
    return Rendered(
        pixels,
        jpeg,
        text,
        cell.colour,
        modules,
        seen_px / modules,
        has_logo,
        float(tilt_deg),
        corners,
    )
