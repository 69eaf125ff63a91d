"""Frames of 1280 x 720 px without a QR code in which nothing may be read. Seeded.

Codes of every other symbology that zxing-cpp can write, on a phone in a room; what looks like a
code to a decoder (chequers, tiles, a keyboard, text, three finder patterns around rubbish), on a
phone and across the whole frame; people; and what a camera shows when it shows nothing.
"""

from __future__ import annotations

import importlib
import math
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.scans.rendered import (
    HEIGHT_PX,
    WIDTH_PX,
    Exposure,
    Picture,
    draw_background,
    draw_page,
    draw_pose,
    expose,
    project,
    warp,
)
from gated.scanner.picture import Pixels

SYMBOLOGIES = {
    "Aztec": "Rail ticket 4711, second class",
    "AztecRune": "25",
    "Codabar": "A1234567B",
    "Code128": "Gate-0815",
    "Code39": "GATE 39",
    "Code93": "GATE93",
    "CompactPDF417": "Boarding pass 0815",
    "DXFilmEdge": "012345/12A",
    "DataBarExp": "[01]98898765432106",
    "DataBarLtd": "0123456789012",
    "DataBarOmni": "0123456789012",
    "DataBarStk": "0123456789012",
    "DataMatrix": "https://hc.example.cn/v?t=4711",
    "EAN13": "590123412345",
    "EAN8": "9638507",
    "ITF": "123456",
    "MaxiCode": "parcel 0815",
    "MicroPDF417": "pass 12",
    "MicroQRCode": "12345",
    "PDF417": "Boarding pass 0815, gate 7, seat 12A",
    "RMQRCode": "GATE RMQR 12",
    "Telepen": "GATE",
    "UPCA": "03600029145",
    "UPCE": "0123456",
}
"""What is written in each, by its name in zxing-cpp 3."""
POSES = 3
"""Each code and each surface is held up so often."""
PEOPLE = 12

_CARD_PX = 480
_TILTS_DEG = (4.0, 22.0, 38.0)
_SIDES_PX = (330.0, 430.0, 220.0)
_COLOURS = ("black", "green", "red")
_LETTERS = np.array(list(string.ascii_letters + string.digits + "   "))


@dataclass(frozen=True, slots=True)
class EmptyCell:
    """The arguments of one frame; ``pose`` is None where it isn't held up but fills the frame."""

    group: str
    name: str
    pose: int | None
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Empty:
    """A frame without a QR code; ``group`` says what is in it."""

    name: str
    group: str
    pixels: Pixels
    jpeg: bytes


def empty_cells(seed: int) -> Iterator[EmptyCell]:
    """Return every frame's arguments."""
    for pose in range(POSES):
        for name in SYMBOLOGIES:
            yield EmptyCell("symbology", name, pose, seed)
        for name in SURFACES:
            yield EmptyCell("surface", name, pose, seed)
    for name in SURFACES:
        yield EmptyCell("surface", name, None, seed)
    for number in range(PEOPLE):
        yield EmptyCell("people", f"person {number}", None, seed)
    for name in NOTHING:
        yield EmptyCell("nothing", name, None, seed)


def render_empty(cell: EmptyCell) -> Empty | None:
    """Return the frame of ``cell``, or None if it's of a symbology that can't be written."""
    pose = POSES if cell.pose is None else cell.pose
    rng = np.random.default_rng([cell.seed, pose, *cell.name.encode()])
    if cell.pose is not None:
        card = write_symbology(cell.name) if cell.group == "symbology" else SURFACES[cell.name](rng)
        if card is None:
            return None
        light = _hold_up(card, pose, rng)
    elif cell.group == "surface":
        light = _fill_frame(SURFACES[cell.name](rng))
    else:
        light = draw_person(rng) if cell.group == "people" else NOTHING[cell.name](rng)
    light = cv2.GaussianBlur(np.asarray(light, np.float32), (0, 0), 0.6)
    pixels, jpeg = expose(light, Exposure(), rng)
    name = cell.name if cell.pose is None else f"{cell.name} {pose}"
    return Empty(name, cell.group, pixels, jpeg)


def render_empties(seed: int) -> Iterator[Empty]:
    """Yield every frame, each once."""
    for cell in empty_cells(seed):
        empty = render_empty(cell)
        if empty is not None:
            yield empty


def _hold_up(card: Picture, pose: int, rng: Generator) -> Picture:
    page = draw_page(card, _COLOURS[pose], rng, modules=1)
    homography = project(page, draw_pose(rng, _SIDES_PX[pose], _TILTS_DEG[pose]))
    seen, share = warp(page, homography, _SIDES_PX[pose])
    return np.asarray(seen * share + draw_background(rng) * (1 - share))


def missing_symbologies() -> tuple[str, ...]:
    """Return the symbologies that the installed zxing-cpp can't write."""
    return tuple(name for name in SYMBOLOGIES if write_symbology(name) is None)


# --- codes of other kinds ------------------------------------------------------------------------


def write_symbology(name: str) -> Picture | None:
    """Return a square white card with the code, or None if zxing-cpp can't write it."""
    try:
        zxing: Any = importlib.import_module("zxingcpp")
        code = zxing.create_barcode(SYMBOLOGIES[name], getattr(zxing.BarcodeFormat, name))
        small = np.array(zxing.write_barcode_to_image(code, scale=1))
    except (ImportError, AttributeError, ValueError):
        return None
    return _mount(small)


def _mount(small: Pixels) -> Picture:
    """Return a grey picture, enlarged by whole pixels, in the middle of a white card."""
    factor = max(1, (_CARD_PX - 40) // max(small.shape))
    large = cv2.resize(small, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    card = np.full((_CARD_PX, _CARD_PX), 255, np.float32)
    top, left = (_CARD_PX - large.shape[0]) // 2, (_CARD_PX - large.shape[1]) // 2
    card[top : top + large.shape[0], left : left + large.shape[1]] = large
    return np.repeat(card[..., None], 3, axis=2)


# --- surfaces ------------------------------------------------------------------------------------


def _draw_chequers(rng: Generator) -> Picture:
    count = int(rng.integers(8, 30))
    return _enlarge(np.indices((count, count)).sum(0) % 2)


def _draw_modules(rng: Generator) -> Picture:
    count = int(rng.integers(21, 58))
    return _enlarge(rng.integers(0, 2, (count, count)))


def _draw_spoilt_code(rng: Generator) -> Picture:
    """Return three finder patterns around random modules: found as a code, and never valid."""
    count = 17 + 4 * int(rng.integers(2, 12))
    cells = rng.integers(0, 2, (count, count))
    finder = np.zeros((8, 8), np.int64)
    finder[:7, :7] = 1
    finder[1:6, 1:6] = 0
    finder[2:5, 2:5] = 1
    cells[:8, :8] = finder
    cells[:8, -8:] = finder[:, ::-1]
    cells[-8:, :8] = finder[::-1]
    cells[6, 8:-8] = cells[8:-8, 6] = (np.arange(count - 16) + 1) % 2
    return _enlarge(1 - np.pad(cells, 4))


def _draw_tiles(rng: Generator) -> Picture:
    card = np.full((_CARD_PX, _CARD_PX, 3), 90, np.float32)
    step = int(rng.integers(30, 80))
    for y in range(0, _CARD_PX, step):
        for x in range(0, _CARD_PX, step):
            shade = rng.uniform(150, 230, 3).astype(np.float32)
            card[y + 3 : y + step, x + 3 : x + step] = shade
    return card


def _draw_keyboard(rng: Generator) -> Picture:
    card = np.full((_CARD_PX, _CARD_PX, 3), 40, np.float32)
    key = int(rng.integers(34, 50))
    for row, y in enumerate(range(20, _CARD_PX - key, key + 6)):
        for x in range(12 + 11 * (row % 3), _CARD_PX - key, key + 6):
            cv2.rectangle(card, (x, y), (x + key, y + key), (200, 200, 200), -1)
            letter = str(rng.choice(_LETTERS))
            _write(card, letter, (x + key // 4, y + key * 3 // 4), 0.7)
    return card


def _draw_text(rng: Generator) -> Picture:
    card = np.full((_CARD_PX, _CARD_PX, 3), 250, np.float32)
    scale = rng.uniform(0.3, 0.8)
    for y in range(30, _CARD_PX - 10, int(34 * scale) + 6):
        line = "".join(rng.choice(_LETTERS, int(rng.integers(10, int(45 / scale / 2)))))
        _write(card, line, (15, y), scale)
    return card


def _draw_stripes(rng: Generator) -> Picture:
    """Return a blind, or a barcode that is none."""
    edges = np.cumsum(rng.integers(2, 14, 200))
    levels = (np.searchsorted(edges, np.arange(_CARD_PX)) % 2) * 215.0 + 20
    stripes = np.tile(levels.astype(np.float32), (_CARD_PX, 1))
    return np.repeat(stripes[..., None], 3, axis=2)


def _draw_targets(rng: Generator) -> Picture:
    """Return rings and nested squares: what a finder pattern is made of, without the rest."""
    card = np.full((_CARD_PX, _CARD_PX, 3), 255, np.float32)
    for _ in range(9):
        x, y = (int(at) for at in rng.integers(50, _CARD_PX - 50, 2))
        unit = int(rng.integers(3, 9))
        is_round = rng.random() < 0.5
        for half, level in ((7, 0), (5, 255), (3, 0)):
            reach, colour = half * unit // 2, (level, level, level)
            if is_round:
                cv2.circle(card, (x, y), reach, colour, -1)
            else:
                cv2.rectangle(card, (x - reach, y - reach), (x + reach, y + reach), colour, -1)
    return card


SURFACES: dict[str, Callable[[Generator], Picture]] = {
    "chequers": _draw_chequers,
    "modules": _draw_modules,
    "spoilt-code": _draw_spoilt_code,
    "tiles": _draw_tiles,
    "keyboard": _draw_keyboard,
    "text": _draw_text,
    "stripes": _draw_stripes,
    "targets": _draw_targets,
}


def _enlarge(cells: NDArray[np.int64]) -> Picture:
    """Return cells of 0 (black) and 1 (white) as a card."""
    small = np.asarray(cells * 255, np.uint8)
    size = (_CARD_PX, _CARD_PX)
    card = cv2.resize(small, size, interpolation=cv2.INTER_NEAREST).astype(np.float32)
    return np.repeat(card[..., None], 3, axis=2)


def _fill_frame(card: Picture) -> Picture:
    """Return the middle of ``card`` across the whole frame."""
    whole = cv2.resize(card, (WIDTH_PX, WIDTH_PX), interpolation=cv2.INTER_LINEAR)
    top = (WIDTH_PX - HEIGHT_PX) // 2
    return np.asarray(whole[top : top + HEIGHT_PX])


def _write(card: Picture, text: str, at: tuple[int, int], scale: float) -> None:
    ink = np.zeros(card.shape[:2], np.uint8)  # OpenCV 5 writes on nothing else
    cv2.putText(ink, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 1, cv2.LINE_AA)
    card += (30.0 - card) * (ink[..., None] / np.float32(255))


# --- people, and nothing -------------------------------------------------------------------------


def draw_person(rng: Generator) -> Picture:
    """Return somebody before the camera: a head, hair, eyes, a patterned shirt."""
    scene = np.ascontiguousarray(draw_background(rng), np.float32)
    x, y = int(rng.uniform(400, 880)), int(rng.uniform(220, 330))
    head = int(rng.uniform(70, 150))
    skin = np.array([90, 120, 170]) * rng.uniform(0.5, 1.3)
    shirt = rng.uniform(30, 220, 3)
    shoulders = (int(head * 2.0), int(head * 2.4))
    cv2.ellipse(scene, (x, y + head * 3), shoulders, 0, 0, 360, _bgr(shirt), -1)
    for line in range(y + head * 3 // 2, HEIGHT_PX, int(rng.integers(12, 40))):
        cv2.line(scene, (x - head, line), (x + head, line), _bgr(shirt * 0.5), 5)
    tall = int(head * 1.3)
    cv2.ellipse(scene, (x, y - head // 4), (int(head * 1.1), tall), 0, 0, 360, (25, 30, 35), -1)
    cv2.ellipse(scene, (x, y), (head, tall), 0, 0, 360, _bgr(skin), -1)
    for side in (-1, 1):
        eye = (x + side * head * 2 // 5, y - head // 5)
        cv2.circle(scene, eye, head // 8, (235, 235, 235), -1)
        cv2.circle(scene, eye, head // 14, (30, 30, 30), -1)
    mouth = (x, y + head * 3 // 5)
    cv2.ellipse(scene, mouth, (head // 3, head // 8), 0, 0, 180, (70, 70, 150), 4)
    return cv2.GaussianBlur(scene, (0, 0), 1.5)


def _bgr(levels: NDArray[Any]) -> list[float]:
    return [float(level) for level in levels]


def _flat(level: float) -> Callable[[Generator], Picture]:
    return lambda _: np.full((HEIGHT_PX, WIDTH_PX, 3), level, np.float32)


def _draw_rough(rng: Generator) -> Picture:
    return rng.uniform(0, 255, (HEIGHT_PX, WIDTH_PX, 3)).astype(np.float32)


def _draw_coarse(rng: Generator) -> Picture:
    levels = rng.uniform(0, 255, (HEIGHT_PX // 8, WIDTH_PX // 8)).astype(np.float32)
    size = (WIDTH_PX, HEIGHT_PX)
    rough = cv2.resize(levels, size, interpolation=cv2.INTER_NEAREST)
    return np.repeat(rough[..., None], 3, axis=2)


def _draw_slope(rng: Generator) -> Picture:
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(np.float32)
    along = x * np.float32(math.cos(angle)) + y * np.float32(math.sin(angle))
    levels = 255 * (along - along.min()) / np.ptp(along)
    return np.repeat(levels[..., None], 3, axis=2)


NOTHING: dict[str, Callable[[Generator], Picture]] = {
    "black": _flat(0),
    "white": _flat(255),
    "grey": _flat(110),
    "noise": _draw_rough,
    "coarse-noise": _draw_coarse,
    "slope": _draw_slope,
    **{f"room {number}": draw_background for number in range(6)},
}
