"""Codes drawn from segno's matrices, seen from the front, and taken apart again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import segno
from numpy.typing import NDArray

from gated.scanner.decoders import ZxingDecoder
from gated.scanner.grid import (
    CERTAIN_FIT,
    MARGIN_HALVES,
    Grid,
    draw_modules,
    known_modules,
    measure_fit,
    measure_plain_fit,
    place_grid,
    prepare,
    read_modules,
)
from gated.scanner.picture import Pixels, blur, fill_quadrilateral, shrink, smear
from gated.scanner.regions import Homography, Levels, flatten, map_points, project

Matrix = NDArray[np.int8]

TEXT = "GP1:" + "K7Q9" * 20
VERSIONS = range(1, 41)
UNIT_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)

CODEWORDS = (
    26, 44, 70, 100, 134, 172, 196, 242, 292, 346, 404, 466, 532, 581, 655, 733, 815, 901, 991,
    1085, 1156, 1258, 1364, 1474, 1588, 1706, 1828, 1921, 2051, 2185, 2323, 2465, 2611, 2761, 2876,
    3034, 3196, 3362, 3532, 3706,
)  # fmt: skip
"""Of each version, as printed in ISO/IEC 18004, table 1."""
REMAINDER_BITS = (0, *(7,) * 5, *(0,) * 7, *(3,) * 7, *(4,) * 7, *(3,) * 7, *(0,) * 6)
FORMAT_MODULES = 30
VERSION_MODULES = 36  # from version 7 on


def _matrix(version: int, mask: int = 1, text: str = "GP1:ABC") -> Matrix:
    """Return a code's modules: 1 dark, 0 light."""
    code = segno.make_qr(text, version=version, mask=mask, error="m", boost_error=False)
    return np.array([list(row) for row in code.matrix], np.int8)


def _certain(matrix: Matrix) -> Levels:
    """Return the answers that leave no doubt."""
    return 1 - 2 * matrix.astype(np.float32)


# --- what is known -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_code_shows_what_is_known_of_its_width(version: int) -> None:
    for mask in (0, 3, 6):
        matrix = _matrix(version, mask)
        known = known_modules(17 + 4 * version)
        assert np.array_equal(np.where(known >= 0, matrix, -1), known), mask


def test_only_data_and_format_and_version_are_not_known() -> None:
    unknown = [np.count_nonzero(known_modules(17 + 4 * version) < 0) for version in VERSIONS]
    assert unknown == [
        8 * words + bits + FORMAT_MODULES + (VERSION_MODULES if version >= 7 else 0)
        for version, words, bits in zip(VERSIONS, CODEWORDS, REMAINDER_BITS, strict=True)
    ]


# --- placing -------------------------------------------------------------------------------------

SIDE_PX, MARGIN_PX = 240, 36
WHOLE_PX = SIDE_PX + 2 * MARGIN_PX


def _stand(matrix: Matrix, rng: np.random.Generator) -> tuple[Pixels, Homography]:
    """Return the code, its corners up to 1.5 modules off a square, and where its modules are."""
    modules, quiet = len(matrix), 4
    module_px = SIDE_PX / modules
    corners = UNIT_SQUARE * SIDE_PX + MARGIN_PX + rng.uniform(-1.5, 1.5, (4, 2)) * module_px
    homography = map_points(UNIT_SQUARE * modules, corners)
    outer = project(UNIT_SQUARE * (modules + 2 * quiet) - quiet, homography)
    light = np.pad(1 - matrix.astype(np.uint8), quiet, constant_values=1)
    card = 255 * light.repeat(8, 0).repeat(8, 1)
    small = shrink(card, round(1.6 * SIDE_PX * (1 + 2 * quiet / modules)))
    table = np.full((WHOLE_PX, WHOLE_PX, 3), 128, np.uint8)
    seen = fill_quadrilateral(
        np.repeat(small[..., np.newaxis], 3, axis=2), outer.astype(np.float32), table
    )
    blurred = blur(seen, 0.5 * module_px)[..., 0]
    return _expose(blurred, 3.0, rng), homography


def _expose(grey: Pixels, noise_levels: float, rng: np.random.Generator) -> Pixels:
    exposed = grey + rng.normal(0, noise_levels, grey.shape)
    return np.asarray(np.clip(exposed, 0, 255), np.uint8)


def _finders(homography: Homography, modules: int) -> NDArray[np.float64]:
    far = modules - 3.5
    return project(np.array([[3.5, 3.5], [far, 3.5], [3.5, far]]), homography)


def _error_modules(placed: Homography, true: Homography, modules: int) -> float:
    """Return how far the modules are from where they're said to be, on average."""
    places = np.stack(np.meshgrid(*[np.arange(modules) + 0.5] * 2), axis=-1)
    apart = project(places, placed) - project(places, true)
    return float(np.hypot(apart[..., 0], apart[..., 1]).mean()) * modules / SIDE_PX


@pytest.mark.parametrize("version", [1, 2, 4, 7, 10, 14])
def test_a_code_seen_at_a_slant_is_placed_by_its_three_finders(version: int) -> None:
    rng = np.random.default_rng(version)
    matrix = _matrix(version, text="GP1:ABC")
    for _ in range(4):
        flat, true = _stand(matrix, rng)
        modules, module_px = len(matrix), SIDE_PX / len(matrix)
        placed = place_grid(prepare(flat, module_px), _finders(true, modules), module_px)
        assert placed is not None
        assert placed[0] == modules
        assert placed[2] > 0.9
        assert _error_modules(placed[1], true, modules) < 0.3


def test_finders_found_half_a_module_off_and_a_wrong_module_width_do_no_harm() -> None:
    rng = np.random.default_rng(5)
    errors = []
    for version in (2, 3, 5, 7, 10, 12) * 3:
        matrix = _matrix(version)
        flat, true = _stand(matrix, rng)
        modules, module_px = len(matrix), SIDE_PX / len(matrix)
        off = rng.uniform(-0.5, 0.5, (3, 2)) * module_px
        placed = place_grid(
            prepare(flat, module_px),
            _finders(true, modules) + off,
            module_px * rng.uniform(0.96, 1.04),
        )
        assert placed is not None
        assert placed[0] == modules
        errors.append(_error_modules(placed[1], true, modules))
    assert np.median(errors) < 0.3
    assert max(errors) < 0.9  # the equaliser makes up for it: it looks farther than that


@pytest.mark.parametrize("kind", ["noise", "blocks", "checks", "flat"])
def test_where_there_is_no_code_most_grids_are_refused_and_none_is_certain(kind: str) -> None:
    rng = np.random.default_rng(7)
    y, x = np.indices((WHOLE_PX, WHOLE_PX)) // 8
    blocks = rng.integers(0, 2, (WHOLE_PX // 8, WHOLE_PX // 8)).repeat(8, 0).repeat(8, 1)
    picture = {
        "noise": rng.integers(0, 256, (WHOLE_PX, WHOLE_PX)),
        "blocks": blocks * 255,
        "checks": (x + y) % 2 * 255,
        "flat": np.full((WHOLE_PX, WHOLE_PX), 90),
    }[kind].astype(np.uint8)
    fits = []
    for modules in (21, 25, 33, 41, 57):
        module_px = SIDE_PX / modules
        own = map_points(UNIT_SQUARE * modules, UNIT_SQUARE * SIDE_PX + MARGIN_PX)
        levels = prepare(picture, module_px)
        for _ in range(4):
            finders = _finders(own, modules) + rng.uniform(-1, 1, (3, 2)) * module_px
            placed = place_grid(levels, finders, module_px)
            fits.append(0.0 if placed is None else placed[2])
    assert max(fits) < CERTAIN_FIT
    assert fits.count(0.0) >= (20 if kind == "flat" else 10)


def test_before_anything_is_moved_a_code_fits_already_and_what_is_none_does_not() -> None:
    rng = np.random.default_rng(2)
    codes, others = [], []
    for version in (2, 4, 7, 10):
        matrix = _matrix(version)
        modules, module_px = len(matrix), SIDE_PX / len(matrix)
        flat, true = _stand(matrix, rng)
        other = rng.integers(0, 2, matrix.shape).astype(np.int8)
        random, own = _stand(other, rng)
        codes.append(
            measure_plain_fit(prepare(flat, module_px), _finders(true, modules), module_px)
        )
        others.append(
            measure_plain_fit(prepare(random, module_px), _finders(own, modules), module_px)
        )
        placed = place_grid(prepare(flat, module_px), _finders(true, modules), module_px)
        assert placed is not None
        assert codes[-1] <= placed[2]
    assert min(codes) > 0.3
    assert max(others) < 0.1


def test_a_grid_of_another_width_or_a_module_aside_or_turned_does_not_fit() -> None:
    rng = np.random.default_rng(3)
    flat, true = _stand(_matrix(4), rng)
    levels = prepare(flat, SIDE_PX / 33)
    wider = map_points(UNIT_SQUARE * 37, project(UNIT_SQUARE * 33, true))
    aside = map_points(UNIT_SQUARE * 33, project(UNIT_SQUARE * 33 + (2, 0), true))
    turned = map_points(UNIT_SQUARE * 33, project(np.roll(UNIT_SQUARE, 1, axis=0) * 33, true))
    assert measure_fit(levels, true, 33) > 0.9
    assert measure_fit(levels, wider, 37) < CERTAIN_FIT
    assert measure_fit(levels, aside, 33) < CERTAIN_FIT
    assert measure_fit(levels, turned, 33) < 0.7


def test_a_grid_is_scaled_with_its_picture() -> None:
    grid = Grid(21, UNIT_SQUARE.astype(np.float32), 0.5)
    scaled = grid.scaled(3.0)
    assert (scaled.modules, scaled.fit) == (21, 0.5)
    assert np.array_equal(scaled.corners, 3 * UNIT_SQUARE)


# --- the modules ---------------------------------------------------------------------------------

PX = 8  # of a module
QUIET = 6


def _photograph(matrix: Matrix, spoil: Callable[[Pixels], Pixels], noise_levels: float) -> Pixels:
    grey = np.pad((1 - matrix) * 170.0 + 40, QUIET, constant_values=210)
    card = grey.repeat(PX, 0).repeat(PX, 1).astype(np.uint8)
    return _expose(spoil(card), noise_levels, np.random.default_rng(3))


def _halves(photo: Pixels, modules: int) -> Levels:
    """Return its levels every half module, as ``read_modules`` takes them."""
    corners = (UNIT_SQUARE * modules + QUIET) * PX
    return prepare(flatten(photo, corners.astype(np.float32), 2 * modules, MARGIN_HALVES - 0.5), 2)


def _wrong_share(is_dark: NDArray[np.bool_], matrix: Matrix) -> float:
    """Return how many of the modules that aren't known are wrong."""
    return float((is_dark != matrix)[known_modules(len(matrix)) < 0].mean())


BLURS: dict[str, Callable[[Pixels], Pixels]] = {
    "smeared across over two modules": lambda card: smear(card, 2 * PX, 0),
    "smeared down over two modules": lambda card: smear(card, 2 * PX, 90),
    "out of focus": lambda card: blur(card, 0.8 * PX),
}


@pytest.mark.parametrize("kind", BLURS)
@pytest.mark.parametrize("version", [5, 7, 10])
def test_a_blur_that_spoils_one_module_of_ten_is_undone(version: int, kind: str) -> None:
    matrix = _matrix(version, text=TEXT)
    modules = len(matrix)
    photo = _photograph(matrix, BLURS[kind], noise_levels=1.0)
    halves = _halves(photo, modules)
    middles = slice(MARGIN_HALVES, MARGIN_HALVES + 2 * modules - 1, 2)
    assert _wrong_share(halves[middles, middles] < 0.5, matrix) > 0.1
    assert ZxingDecoder().read(photo).texts == ()
    answers = list(read_modules([halves], np.ones_like(halves), modules))
    assert len(answers) == 2
    assert _wrong_share(answers[-1] < 0, matrix) < 0.015
    assert _wrong_share(answers[-1] < 0, matrix) <= _wrong_share(answers[0] < 0, matrix)
    assert ZxingDecoder().read(draw_modules(answers[-1])).texts == (TEXT,)


def _ring(card: Pixels) -> Pixels:
    """Return ``card`` as cheap cameras deliver it: sharpened far too much."""
    sharp = 2.5 * card.astype(np.float32) - 1.5 * blur(card, 1.2 * PX)
    return np.asarray(np.clip(sharp, 0, 255), np.uint8)


def test_ringing_is_undone_too() -> None:
    matrix = _matrix(6, text=TEXT)
    halves = _halves(_photograph(matrix, _ring, noise_levels=2.0), len(matrix))
    *_, answers = read_modules([halves], np.ones_like(halves), len(matrix))
    assert np.array_equal(answers < 0, matrix == 1)


def test_a_second_channel_helps_against_noise() -> None:
    matrix = _matrix(7, text=TEXT)
    spoil = BLURS["out of focus"]
    one = _halves(_photograph(matrix, spoil, noise_levels=12.0), len(matrix))
    rng = np.random.default_rng(99)
    twin = _photograph(matrix, spoil, noise_levels=0.0)
    other = _halves(_expose(twin, 12.0, rng), len(matrix))
    trust = np.ones_like(one)
    *_, alone = read_modules([one], trust, len(matrix))
    *_, both = read_modules([one, other], trust, len(matrix))
    assert _wrong_share(both < 0, matrix) < 0.8 * _wrong_share(alone < 0, matrix)


@pytest.mark.parametrize("patch", [12, 16])
def test_what_cannot_be_seen_has_no_answer_and_spoils_no_other(patch: int) -> None:
    """A reflex: white all over."""
    matrix = _matrix(7, text=TEXT)
    modules, first = len(matrix), 14
    photo = _photograph(matrix, lambda card: blur(card, 0.5 * PX), noise_levels=2.0)
    low, high = (QUIET + first) * PX, (QUIET + first + patch) * PX
    photo[low:high, low:high] = 255
    halves = _halves(photo, modules)
    blind = np.s_[first : first + patch, first : first + patch]
    trust = np.ones_like(halves)
    low, high = MARGIN_HALVES + 2 * first, MARGIN_HALVES + 2 * (first + patch) - 1
    trust[low:high, low:high] = 0
    is_seen = np.ones_like(matrix, bool)
    is_seen[blind] = False

    def wrong(trusted: Levels) -> list[int]:
        answers = read_modules([halves], trusted, modules)
        return [int((((each < 0) != matrix) & is_seen).sum()) for each in answers]

    for answers in read_modules([halves], trust, modules):
        assert np.array_equal(answers[blind], np.zeros((patch, patch)))
    heeded, unheeded = wrong(trust), wrong(np.ones_like(trust))
    assert heeded[-1] <= 5  # beside it
    assert heeded[0] < unheeded[0]
    assert heeded[-1] < unheeded[-1]


def test_half_trusted_answers_count_half() -> None:
    matrix = _matrix(3)
    halves = _halves(_photograph(matrix, lambda card: blur(card, 2.0), 1.0), len(matrix))
    whole = list(read_modules([halves], np.ones_like(halves), len(matrix)))
    half = list(read_modules([halves], np.full_like(halves, 0.5), len(matrix)))
    assert half[0] == pytest.approx(whole[0] / 2, abs=0.02)
    assert half[1] == pytest.approx(whole[1] / 2, abs=0.02)


# --- drawing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 6, 7, 14, 25, 40])
def test_true_answers_are_read_whatever_they_say_of_known_modules(version: int) -> None:
    matrix = _matrix(version)
    doubtful = np.random.default_rng(version).normal(0, 1, matrix.shape).astype(np.float32)
    answers = np.where(known_modules(len(matrix)) >= 0, doubtful, 0.01 * _certain(matrix))
    assert ZxingDecoder().read(draw_modules(_certain(matrix))).texts == ("GP1:ABC",)
    assert ZxingDecoder().read(draw_modules(answers)).texts == ("GP1:ABC",)


def test_a_code_is_drawn_as_it_is_with_a_quiet_zone() -> None:
    matrix = _matrix(2)
    drawn = draw_modules(_certain(matrix))
    expected = np.pad(255 * (1 - matrix.astype(np.int16)), 4, constant_values=255)
    assert np.array_equal(drawn, expected.repeat(2, 0).repeat(2, 1))


def test_answers_made_up_by_chance_are_never_read() -> None:
    rng = np.random.default_rng(0)
    decoder = ZxingDecoder()
    for number in range(400):
        modules = 21 + 4 * (number % 15)
        drawn = draw_modules(rng.normal(0, 1, (modules, modules)).astype(np.float32))
        assert decoder.read(drawn).texts == ()
