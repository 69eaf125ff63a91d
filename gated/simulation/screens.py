"""What a person holds up, as the camera sees it: rendered phones and paper, and real photographs.

The light's way is followed in its order: a page is drawn, put into the scene in perspective, seen
through slightly unsharp optics, exposed, and covered with the sensor's noise. Everything is a pure
function of its arguments, the seed included.
"""

from __future__ import annotations

import copy
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gated.errors import DeviceError
from gated.scanner.picture import (
    Pixels,
    Unreadable,
    blur,
    enlarge,
    fill_quadrilateral,
    read_picture,
    shrink,
    smear,
)
from gated.vocabulary import CodeColour

WIDTH_PX: Final = 1280
HEIGHT_PX: Final = 720

_BGR: Final = {
    CodeColour.NONE: (0, 0, 0),
    CodeColour.BLACK: (0, 0, 0),
    CodeColour.GREEN: (25, 173, 26),
    CodeColour.YELLOW: (0, 195, 255),  # the amber of Chinese health codes
    CodeColour.ORANGE: (0, 128, 255),
    CodeColour.RED: (64, 67, 230),
    CodeColour.PURPLE: (160, 0, 128),
    CodeColour.GREY: (140, 140, 140),
    CodeColour.UNSURE: (200, 90, 30),  # blue: no status has it
}
_WHITE: Final = 255
_PAGE: Final = 245
_CASE: Final = 18
_INK: Final = 90
_QUIET_MODULES: Final = 4
_NOISE_LEVELS: Final = 8  # of 255: an indoor camera's
_FOCAL_PX: Final = 1100.0
_GREY: Final = 128
_MODULE_PX: Final = 12
_LAMP: Final = 2.7
"""How much brighter than white a mirrored lamp is: its blob is saturated out to its diameter."""
_SMALL: Final = 2.0
"""A photograph that fits the frame twice over is shown at twice its size."""


@dataclass(frozen=True, slots=True)
class Hold:
    """How somebody holds the thing up.

    Attributes:
        code_px: width of the code in the frame when it's held flat: small is far away, more than
            720 doesn't fit.
        tilt_deg: how far it leans away, in a direction that the seed gives.
        unsharp_px: how far it's out of focus.
        brightness: of the screen, or of the light upon the paper; 1.0 is full.
        veil_levels: of 255, the light that the surface mirrors: black is this bright.
        glare: diameter of the lamp that a glossy surface mirrors, in widths of the code; 0 is none.
        smear_px: how far it moves during one exposure, in a direction that the seed gives.
    """

    code_px: float = 330.0
    tilt_deg: float = 6.0
    unsharp_px: float = 0.6
    brightness: float = 1.0
    veil_levels: float = 0.0
    glare: float = 0.0
    smear_px: float = 0.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A code that somebody holds up: what it says, on what, in which colour, and how.

    Attributes:
        is_paper: a printed pass, black on white; a phone otherwise.
    """

    text: str
    is_paper: bool = False
    hold: Hold = Hold()
    colour: CodeColour = CodeColour.BLACK


def render_empty(seed: int) -> Pixels:
    """Return the place with nobody in it, 720 x 1280 x 3. Other seeds are other places."""
    return add_noise(_enter(seed)[0], seed)


def render_shown(shown: Shown, seed: int = 0) -> Pixels:
    """Return what is held up, at the place of ``render_empty(seed)``.

    Raises: ValueError: if no QR code holds the text.
    """
    draw = _paper if shown.is_paper else _phone
    return add_noise(draw(shown, *_enter(seed)), seed)


def render_phone(
    text: str, colour: CodeColour = CodeColour.BLACK, seed: int = 0, hold: Hold | None = None
) -> Pixels:
    """Return a phone that shows ``text`` as a QR code with modules of ``colour``.

    As ``render_shown``.
    """
    return render_shown(Shown(text, hold=hold or Hold(), colour=colour), seed)


def render_paper(text: str, seed: int = 0, hold: Hold | None = None) -> Pixels:
    """Return a printed pass that shows ``text``, black on white. As ``render_shown``."""
    return render_shown(Shown(text, is_paper=True, hold=hold or Hold()), seed)


def fit_photo(path: Path) -> Pixels:
    """Return a real photograph as a frame, 720 x 1280 x 3, with grey where it doesn't reach.

    A large one is shrunk to fit; a small one is doubled where it fits, and never stretched
    otherwise: resampling by odd factors costs codes.

    Raises: DeviceError: if the file can't be used.
    """
    photo = read_picture(path)
    if isinstance(photo, Unreadable):
        raise DeviceError(f"{path}: {photo.reason}", device=str(path))
    height, width = photo.shape[:2]
    fit = min(WIDTH_PX / width, HEIGHT_PX / height)
    if fit < 1:
        photo = shrink(photo, max(1, math.floor(max(height, width) * fit)))
    elif fit >= _SMALL:
        photo = enlarge(photo, 2.0)
    height, width = photo.shape[:2]
    frame = np.full((HEIGHT_PX, WIDTH_PX, 3), _GREY, np.uint8)
    top, left = (HEIGHT_PX - height) // 2, (WIDTH_PX - width) // 2
    frame[top : top + height, left : left + width] = photo
    return frame


def add_noise(frame: Pixels, seed: int) -> Pixels:
    """Return ``frame`` with the noise of one exposure, 0 to 7 levels. Takes about 3 ms."""
    noise = np.frombuffer(np.random.default_rng(seed).bytes(frame.size), np.uint8)
    room = np.minimum(frame, _WHITE - _NOISE_LEVELS + 1)
    return room + (noise % _NOISE_LEVELS).reshape(frame.shape)


# --- the page ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the code is on the page: its middle and its width, in px of the page."""

    x: float
    y: float
    width: float


def _phone(shown: Shown, place: Pixels, rng: np.random.Generator) -> Pixels:
    card, modules = _draw_code(shown.text, shown.colour, level="m")
    side = card.shape[0]
    page = np.full((2 * side, round(1.12 * side), 3), _PAGE, np.uint8)
    page[: round(0.32 * side)] = np.array(_BGR[shown.colour], np.float32) * 0.9 + 10
    top, left = round(0.54 * side), (page.shape[1] - side) // 2
    page[top : top + side, left : left + side] = card
    for line in range(5):  # of text below the code
        y = top + side + round(side * (0.06 + 0.07 * line))
        page[y : y + side // 40, left : left + round(side * rng.uniform(0.3, 0.9))] = _INK
    border = round(0.05 * page.shape[1])
    phone = np.pad(page, ((border, border), (border, border), (0, 0)), constant_values=_CASE)
    code = _Place(border + left + side / 2, border + top + side / 2, modules * _MODULE_PX)
    return _hold_up(phone, code, place, rng, shown.hold)


def _paper(shown: Shown, place: Pixels, rng: np.random.Generator) -> Pixels:
    card, modules = _draw_code(shown.text, CodeColour.BLACK, level="q")
    side = card.shape[0]
    sheet = np.full((round(1.25 * side), 2 * side, 3), _PAGE, np.uint8)
    sheet[side // 8 : side // 8 + side, side // 12 : side // 12 + side] = card
    for line in range(4):
        y = round(side * (0.3 + 0.17 * line))
        right = round(side * rng.uniform(1.4, 1.9))
        sheet[y : y + side // 30, round(1.15 * side) : right] = _INK
    code = _Place(side // 12 + side / 2, side // 8 + side / 2, modules * _MODULE_PX)
    return _hold_up(sheet, code, place, rng, shown.hold)


@functools.lru_cache(maxsize=8)  # searching the best mask takes segno 40 ms
def _draw_code(text: str, colour: CodeColour, *, level: str) -> tuple[Pixels, int]:
    """Return a white square with the code and its quiet zone, and the code's size in modules."""
    import segno

    try:
        code = segno.make_qr(text, error=level, boost_error=False)
    except segno.DataOverflowError as exc:
        raise ValueError(f"no QR code holds {len(text)} characters") from exc
    dark = np.array([list(row) for row in code.matrix], np.uint8)
    modules = dark.shape[0]
    grid = np.pad(dark, _QUIET_MODULES).repeat(_MODULE_PX, 0).repeat(_MODULE_PX, 1)
    card = np.full((*grid.shape, 3), _WHITE, np.uint8)
    card[grid > 0] = _BGR[colour]
    return card, modules


def _enter(seed: int) -> tuple[Pixels, np.random.Generator]:
    """Return the place of ``seed``, and the generator for what is held up there."""
    place, rng = _furnish(seed)
    return place, copy.deepcopy(rng)


@functools.lru_cache(maxsize=2)
def _furnish(seed: int) -> tuple[Pixels, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return _render_place(rng), rng


def _render_place(rng: np.random.Generator) -> Pixels:
    """Return a blurred indoor scene."""
    coarse = rng.uniform(20, 150, (9, 16, 3)).astype(np.uint8)
    place = enlarge(coarse, WIDTH_PX / 16)
    for _ in range(10):
        left, top = rng.integers(0, (WIDTH_PX, HEIGHT_PX))
        width, height = rng.integers(60, 400, 2)
        place[top : top + height, left : left + width] = rng.uniform(10, 170, 3)
    drained = place.mean(axis=2, keepdims=True)  # indoor scenes aren't neon
    return blur((0.5 * place + 0.5 * drained).astype(np.uint8), 4.0)


def _hold_up(
    page: Pixels, code: _Place, place: Pixels, rng: np.random.Generator, hold: Hold
) -> Pixels:
    """Return ``place`` with ``page`` held up before it, the code near the middle of the frame."""
    scale = hold.code_px / code.width
    # Shrunk by area first: a perspective alone would skip pixels and break thin modules.
    lit = _light(page, code, rng, hold)
    small = shrink(lit, max(1, round(max(page.shape[:2]) * min(1.0, 1.6 * scale))))
    height, width = page.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    flat = np.c_[(corners - (code.x, code.y)) * scale, np.zeros(4)]
    turned = flat @ _rotation(rng, hold.tilt_deg).T
    middle = np.array([WIDTH_PX / 2, HEIGHT_PX / 2]) + rng.uniform((-120, -50), (120, 50))
    seen = _FOCAL_PX * turned[:, :2] / (_FOCAL_PX + turned[:, 2:]) + middle
    frame = blur(fill_quadrilateral(small, seen.astype(np.float32), place), hold.unsharp_px)
    if hold.smear_px:
        left, top = np.maximum(seen.min(axis=0) - hold.smear_px, 0).astype(int)
        right, bottom = np.maximum(seen.max(axis=0) + hold.smear_px, 0).astype(int)
        moving = np.s_[top:bottom, left:right]  # the place behind stands still
        frame[moving] = smear(frame[moving], hold.smear_px, rng.uniform(0, 180))
    return frame


def _light(page: Pixels, code: _Place, rng: np.random.Generator, hold: Hold) -> Pixels:
    """Return ``page`` as bright as it's held: its own light, and what its surface mirrors."""
    if hold.brightness == 1 and not hold.veil_levels and not hold.glare:
        return page
    light = page * np.float32(hold.brightness) + np.float32(hold.veil_levels)
    if hold.glare:
        # A twin, so that what comes after is the same with and without a reflex.
        across, down = copy.deepcopy(rng).uniform(-0.12, 0.12, 2) * code.width
        radius = hold.glare * code.width / 2
        left, top = (max(0, int(n - 2 * radius)) for n in (code.x + across, code.y + down))
        lit = light[top : top + int(4 * radius), left : left + int(4 * radius)]
        y, x = np.ogrid[top : top + lit.shape[0], left : left + lit.shape[1]]
        far_squared = ((x - code.x - across) ** 2 + (y - code.y - down) ** 2) / radius**2
        lamp = _WHITE * _LAMP * np.exp(-(far_squared**2))
        lit += lamp[..., np.newaxis].astype(np.float32)
    return np.asarray(np.minimum(light, _WHITE), np.uint8)


def _rotation(rng: np.random.Generator, tilt_deg: float) -> NDArray[np.float64]:
    """Return a 3 x 3 rotation: a roll of up to 12°, then a tilt about an axis in the plane."""
    roll = math.radians(rng.uniform(-12, 12))
    axis = rng.uniform(0, 2 * math.pi)
    tilt = math.radians(tilt_deg)
    x, y = math.cos(axis), math.sin(axis)
    cross = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])
    about_axis = np.eye(3) + math.sin(tilt) * cross + (1 - math.cos(tilt)) * cross @ cross
    rolled = np.array(
        [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    )
    return np.asarray(about_axis @ rolled, np.float64)
