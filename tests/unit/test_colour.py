"""The colour of a code: rendered phones in many lights, photographs, and nonsense."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from gated.scanner.colour import ColourReading, read_colour
from gated.scanner.picture import (
    Pixels,
    Unreadable,
    darkest_channel,
    read_picture,
)
from gated.simulation.screens import Hold, render_empty, render_paper, render_phone
from gated.vocabulary import CodeColour

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "qr"
TEXT = "GP1:" + "K7Q$ 9P60GO0Y906PC.W2" * 9  # as long as a pass
SHORT = "GP1:A"
COLOURS = [c for c in CodeColour if c not in {CodeColour.NONE, CodeColour.UNSURE}]
STATUS_COLOURS = [CodeColour.BLACK, CodeColour.GREEN, CodeColour.YELLOW, CodeColour.RED]

Corners = NDArray[np.float32]


def _corners(frame: Pixels) -> Corners:
    """Return where a decoder sees the code."""
    (code, *_) = zxingcpp.read_barcodes(darkest_channel(frame))
    own = code.position
    corners = (own.top_left, own.top_right, own.bottom_right, own.bottom_left)
    return np.array([(corner.x, corner.y) for corner in corners], np.float32)


@functools.cache
def _shown(
    colour: CodeColour, hold: Hold | None = None, text: str = TEXT
) -> tuple[Pixels, Corners]:
    """Return the part of a frame around a code, and the code's corners in it."""
    frame = render_phone(text, colour, 4, hold)
    corners = _corners(frame)
    left, top = np.maximum(corners.min(axis=0) - 60, 0).astype(int)
    right, bottom = (corners.max(axis=0) + 60).astype(int)
    return frame[top:bottom, left:right], corners - np.array((left, top), np.float32)


def _relit(frame: Pixels, gains: tuple[float, float, float], veil: float = 0) -> Pixels:
    """Return ``frame`` with its channels times ``gains``, and a veil over it, in levels."""
    light = frame * np.array(gains, np.float32) + np.float32(veil)
    return np.asarray(np.minimum(light, 255), np.uint8)


# --- what it's for -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [SHORT, TEXT], ids=len)
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_is_told(colour: CodeColour, text: str) -> None:
    reading = read_colour(*_shown(colour, None, text))
    assert reading.colour is colour
    assert 0.2 < reading.confidence <= 1


@pytest.mark.parametrize(
    "hold",
    [
        Hold(code_px=150),
        Hold(code_px=600),
        Hold(tilt_deg=40),
        Hold(unsharp_px=2.5),
        Hold(brightness=0.5, veil_levels=40),
        Hold(brightness=0.4, glare=0.25),
    ],
    ids=str,
)
@pytest.mark.parametrize("colour", STATUS_COLOURS)
def test_a_status_is_told_however_it_is_held(colour: CodeColour, hold: Hold) -> None:
    assert read_colour(*_shown(colour, hold)).colour is colour


@pytest.mark.parametrize(
    "gains",
    [(0.28, 1, 1.25), (0.5, 0.9, 1), (1, 0.8, 0.5), (0.65, 1, 0.7), (0.9, 0.6, 0.9), (2, 2, 2)],
    ids=["bulb", "warm", "blue", "green", "magenta", "overexposed"],
)
@pytest.mark.parametrize("colour", STATUS_COLOURS)
def test_a_status_is_told_in_every_light(
    colour: CodeColour, gains: tuple[float, float, float]
) -> None:
    frame, corners = _shown(colour)
    assert read_colour(_relit(frame, gains), corners).colour is colour


def test_paper_is_black_on_white() -> None:
    frame = render_paper(TEXT, 4)
    assert read_colour(frame, _corners(frame)).colour is CodeColour.BLACK


@pytest.mark.parametrize("name", ["phone-green.webp", "phone-yellow.webp"])
def test_the_photographs_have_the_colours_of_their_names(name: str) -> None:
    photo = read_picture(GOLDEN / name)
    assert not isinstance(photo, Unreadable)
    assert read_colour(photo, _corners(photo)).colour == name.removesuffix(".webp")[6:]


@pytest.mark.parametrize("colour", STATUS_COLOURS)
def test_coarse_jpeg_keeps_the_colour(colour: CodeColour) -> None:
    frame, corners = _shown(colour)
    # Colour as the coarsest JPEG keeps it: one for 16 x 16 px, whatever the modules in them.
    height, width = (n // 16 for n in frame.shape[:2])
    whole = frame[: height * 16, : width * 16]
    grey = whole.mean(axis=2, keepdims=True)
    tints = (whole - grey).reshape(height, 16, width, 16, 3).mean(axis=(1, 3))
    coarse = np.clip(grey + tints.repeat(16, 0).repeat(16, 1), 0, 255).astype(np.uint8)
    assert read_colour(coarse, corners).colour is colour


@pytest.mark.parametrize("colour", STATUS_COLOURS)
def test_a_badge_of_another_colour_does_not_count(colour: CodeColour) -> None:
    frame, corners = _shown(colour)
    x, y = corners.mean(axis=0).astype(int)
    painted = frame.copy()
    painted[y - 45 : y + 45, x - 45 : x + 45] = (200, 60, 20)
    assert read_colour(painted, corners).colour is colour


@pytest.mark.parametrize("colour", STATUS_COLOURS)
def test_corners_may_be_a_module_off(colour: CodeColour) -> None:
    frame, corners = _shown(colour)
    rng = np.random.default_rng(1)
    for _ in range(10):
        moved = corners + rng.uniform(-7, 7, (4, 2)).astype(np.float32)
        assert read_colour(frame, moved).colour is colour


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_it_does_not_matter_which_way_up_the_code_is(turns: int, is_mirrored: bool) -> None:
    frame, corners = _shown(CodeColour.GREEN)
    turned = np.roll(corners, turns, axis=0)[:: -1 if is_mirrored else 1]
    assert read_colour(frame, turned).colour is CodeColour.GREEN


# --- unsure --------------------------------------------------------------------------------------


def test_a_colour_that_no_status_has_is_unsure() -> None:
    assert read_colour(*_shown(CodeColour.UNSURE)).colour is CodeColour.UNSURE


def test_grey_frames_have_no_colour() -> None:
    frame, corners = _shown(CodeColour.RED)
    assert read_colour(darkest_channel(frame), corners) == ColourReading(CodeColour.NONE, 0.0)


def test_grey_under_a_lamp_that_clips_red_is_not_a_red_code() -> None:
    frame, corners = _shown(CodeColour.GREY)
    reading = read_colour(_relit(frame, (0.4, 1.1, 1.6)), corners)
    assert reading.colour in {CodeColour.GREY, CodeColour.UNSURE}


def test_orange_that_is_overexposed_is_never_surely_yellow() -> None:
    frame, corners = _shown(CodeColour.ORANGE)
    for exposure in (1.1, 1.25, 1.5, 2.0, 3.0):
        reading = read_colour(_relit(frame, (exposure,) * 3), corners)
        assert reading.colour is not CodeColour.YELLOW or reading.confidence <= 0.5


def test_in_the_dark_and_where_nothing_is_the_colour_is_unsure() -> None:
    frame, corners = _shown(CodeColour.RED)
    for gone in (_relit(frame, (0.02, 0.02, 0.02)), np.zeros_like(frame), np.full_like(frame, 255)):
        assert read_colour(gone, corners).colour is CodeColour.UNSURE


@pytest.mark.parametrize(
    "corners",
    [
        [(100, 100)] * 4,
        [(100, 100), (110, 100), (110, 110), (100, 110)],
        [(100, 100), (400, 100), (100, 400), (400, 400)],  # crossed
        [(100, 100), (400, 100), (700, 100), (900, 100)],  # a line
        [(-900, 100), (-600, 100), (-600, 400), (-900, 400)],
        [(1_200, 500), (1_900, 500), (1_900, 900), (1_200, 900)],
        [(100, 100), (400, 100), (float("nan"), 400), (100, 400)],
        [(100, 100), (400, 100), (float("inf"), 400), (100, 400)],
        [(-3e38, -3e38), (3e38, -3e38), (3e38, 3e38), (-3e38, 3e38)],
    ],
)
def test_corners_that_are_no_codes_are_unsure(corners: list[tuple[float, float]]) -> None:
    frame, _ = _shown(CodeColour.RED)
    reading = read_colour(frame, np.array(corners, np.float32))
    assert reading == ColourReading(CodeColour.UNSURE, 0.0)


@pytest.mark.parametrize("shift", [(-1, 0), (1, 0), (0, -1), (0, 1)])
def test_a_code_that_reaches_out_of_the_frame_a_little_is_told(shift: tuple[int, int]) -> None:
    frame, corners = _shown(CodeColour.RED)
    low, high = corners.min(axis=0), corners.max(axis=0)
    left, top = np.where(np.array(shift) > 0, low + 15, 0).astype(int)
    right, bottom = np.where(np.array(shift) < 0, high - 15, frame.shape[1::-1]).astype(int)
    part = frame[top:bottom, left:right]
    assert read_colour(part, corners - np.array((left, top), np.float32)).colour is CodeColour.RED


# --- properties ----------------------------------------------------------------------------------


@settings(max_examples=50)
@given(
    st.sampled_from(STATUS_COLOURS),
    st.tuples(*[st.floats(0.35, 1.0)] * 3),
    st.floats(0.4, 1.0),
)
def test_the_colour_of_the_light_does_not_matter(
    colour: CodeColour, gains: tuple[float, float, float], exposure: float
) -> None:
    frame, corners = _shown(colour)
    blue, green, red = (exposure * gain for gain in gains)
    assert read_colour(_relit(frame, (blue, green, red)), corners).colour is colour


@settings(max_examples=50)
@given(st.tuples(*[st.floats(0.2, 3.0)] * 3), st.floats(0, 120))
def test_red_is_never_green_and_green_never_red(
    gains: tuple[float, float, float], veil: float
) -> None:
    for colour, other in ((CodeColour.RED, CodeColour.GREEN), (CodeColour.GREEN, CodeColour.RED)):
        frame, corners = _shown(colour)
        assert read_colour(_relit(frame, gains, veil), corners).colour is not other


@given(
    hnp.arrays(np.float32, (4, 2), elements=st.floats(-400, 1_700, width=32)),
    st.sampled_from([(720, 1280, 3), (1, 1, 3), (40, 2, 3), (300, 301, 3)]),
)
def test_no_corners_raise(corners: Corners, shape: tuple[int, ...]) -> None:
    reading = read_colour(render_empty(4)[: shape[0], : shape[1]], corners)
    assert 0 <= reading.confidence <= 1


@given(hnp.arrays(np.float32, (4, 2)))
def test_not_even_corners_that_are_no_numbers_raise(corners: Corners) -> None:
    assert 0 <= read_colour(render_empty(4), corners).confidence <= 1


@given(hnp.arrays(np.uint8, (24, 24, 3)))
def test_no_picture_raises(pixels: Pixels) -> None:
    corners = np.array([(1, 1), (23, 1), (23, 23), (1, 23)], np.float32)
    assert 0 <= read_colour(pixels, corners).confidence <= 1


def test_an_even_picture_is_unsure() -> None:
    corners = np.array([(100, 100), (400, 100), (400, 400), (100, 400)], np.float32)
    for level in (0, 1, 8, 128, 255):
        frame = np.full((500, 500, 3), level, np.uint8)
        assert read_colour(frame, corners).colour is CodeColour.UNSURE
