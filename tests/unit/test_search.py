"""Where codes are found in rendered frames; zxing says where they are."""

from __future__ import annotations

import numpy as np
import pytest
import segno
from numpy.typing import NDArray

from gated.scanner.decoders import ZxingDecoder
from gated.scanner.grid import CERTAIN_FIT, Grid
from gated.scanner.picture import Pixels, blur, darkest_channel, enlarge, to_grey
from gated.scanner.regions import Corners, level_at
from gated.scanner.search import Search
from gated.simulation.screens import HEIGHT_PX, WIDTH_PX, Hold, Shown, render_empty, render_shown
from gated.vocabulary import CodeColour

SHORT = "GP1:" + "K7Q9" * 8
LONG = "GP1:" + "K7Q$ 9P60GO0Y906PC.W2" * 9  # as long as a pass
WIDTHS = {SHORT: 25, LONG: 49}
"""Of the phone's codes, in modules."""
MOST_SQUARES, MOST_CANDIDATES = 5, 2
"""That a search looks at, and looks closer at."""


def _true_corners(view: Pixels) -> Corners:
    """Return where zxing reads the code; far ones are enlarged for it."""
    for factor in (1, 2):
        codes = ZxingDecoder().read(enlarge(view, factor)).codes
        if codes:
            return codes[0].scaled(1 / factor).corners
    raise AssertionError("zxing can't read it")


def _miss_modules(grid: Grid, true: Corners) -> float:
    """Return how far its corners are off on average; they must be told in the same order."""
    apart = grid.corners - true
    module_px = np.hypot(*(true - np.roll(true, 1, axis=0)).T).mean() / grid.modules
    assert np.hypot(*apart.T).max() < 1.25 * module_px  # the one without a finder: zxing's is rough
    return float(np.hypot(*apart.T).mean() / module_px)


def _best(search: Search, suspects: tuple[Corners, ...] = ()) -> Grid:
    return max(search.find_grids(suspects), key=lambda grid: grid.fit)


def _render(text: str, seed: int, hold: Hold, colour: CodeColour = CodeColour.BLACK) -> Pixels:
    return render_shown(Shown(text, hold=hold, colour=colour), seed)


@pytest.mark.parametrize(("share", "level"), [(0.0, 0), (0.04, 4), (0.75, 75), (1.0, 100)])
def test_of_levels_a_share_lies_below_the_one_that_is_told(share: float, level: int) -> None:
    levels = np.random.default_rng(1).permutation(101).astype(np.uint8)
    assert level_at(levels, share) == level
    assert level_at(np.stack([levels, levels]), share) == level
    assert level_at(levels[:1], share) == levels[0]


# --- where codes are -----------------------------------------------------------------------------


def test_the_texts_of_these_tests_make_codes_as_wide_as_they_say() -> None:
    made = {
        text: len(segno.make_qr(text, error="m", boost_error=False).matrix[0]) for text in WIDTHS
    }
    assert made == WIDTHS


@pytest.mark.parametrize("tilt_deg", [0, 15, 30, 45])
@pytest.mark.parametrize(
    ("text", "code_px", "seeds"),
    [
        (SHORT, 60, (0, 1)),
        (SHORT, 330, (0, 1)),
        (LONG, 150, (1,)),
        (LONG, 330, (0, 2)),
        (LONG, 600, (0,)),  # others are held up partly outside the frame
    ],
    ids=lambda value: f"{len(value)}" if isinstance(value, str) else str(value),
)
def test_a_code_is_found_within_a_module_of_where_it_is(
    text: str, code_px: int, seeds: tuple[int, ...], tilt_deg: int
) -> None:
    for seed in seeds:
        if (code_px, tilt_deg) == (600, 30):
            seed = 3
        frame = _render(text, seed, Hold(code_px=code_px, tilt_deg=tilt_deg))
        search = Search(darkest_channel(frame), to_grey(frame))
        grid = _best(search)
        assert grid.modules == WIDTHS[text]
        assert grid.fit > 0.9
        assert _miss_modules(grid, _true_corners(darkest_channel(frame))) < 1
        assert search.has_code


@pytest.mark.parametrize("colour", [colour for colour in CodeColour if colour != CodeColour.NONE])
def test_a_code_of_any_colour_is_found(colour: CodeColour) -> None:
    view = darkest_channel(_render(LONG, 4, Hold(code_px=250, tilt_deg=12), colour))
    assert _miss_modules(_best(Search(view)), _true_corners(view)) < 1


@pytest.mark.parametrize(
    "hold",
    [
        Hold(code_px=250, unsharp_px=3.5),
        Hold(smear_px=14),
        Hold(brightness=0.1, veil_levels=60, unsharp_px=3),
        Hold(glare=0.45),
        Hold(code_px=75, unsharp_px=0.9),
    ],
    ids=["unsharp", "smeared", "dark", "glare", "far"],
)
def test_a_code_that_no_decoder_reads_is_found_where_it_would_be_read(hold: Hold) -> None:
    spoilt = darkest_channel(_render(LONG, 1, hold))
    clean = darkest_channel(_render(LONG, 1, Hold(code_px=hold.code_px)))
    assert ZxingDecoder().read(spoilt).texts == ()
    grid = _best(Search(spoilt))
    assert grid.modules == WIDTHS[LONG]
    assert grid.fit >= CERTAIN_FIT
    assert _miss_modules(grid, _true_corners(clean)) < 1


def test_what_is_taken_apart_is_the_code() -> None:
    view = darkest_channel(_render(LONG, 2, Hold(tilt_deg=20)))
    search = Search(view)
    *_, answers = search.read_grid(_best(search))
    matrix = segno.make_qr(LONG, error="m", boost_error=False).matrix
    assert np.array_equal(answers < 0, np.array([list(row) for row in matrix]) == 1)


def test_two_codes_are_both_found() -> None:
    left, right = (
        darkest_channel(_render(LONG, 1, Hold(code_px=200, tilt_deg=tilt))) for tilt in (5, 25)
    )
    middle = int(_true_corners(left).mean(axis=0)[0])
    both = np.concatenate(
        [left[:, middle - 150 : middle + 150], right[:, middle - 150 : middle + 150]], axis=1
    )
    found = {
        int(grid.corners.mean(axis=0)[0] // 300)
        for grid in Search(both).find_grids()
        if grid.fit > 0.9
    }
    assert found == {0, 1}


@pytest.mark.parametrize("cut", [(1, 0), (0, 1), (3, 5), (7, 2)])
def test_a_picture_of_odd_size_is_no_harder(cut: tuple[int, int]) -> None:
    whole = darkest_channel(_render(SHORT, 1, Hold()))
    down, across = cut
    grid = _best(Search(np.ascontiguousarray(whole[down:, across:])))
    assert grid.modules == WIDTHS[SHORT]
    moved = Grid(grid.modules, grid.corners + np.array([across, down], np.float32), grid.fit)
    assert _miss_modules(moved, _true_corners(whole)) < 1


def test_a_grid_is_found_once_for_all_that_ask() -> None:
    search = Search(darkest_channel(_render(SHORT, 1, Hold())))
    grids = list(search.find_grids())
    assert all(one is other for one, other in zip(grids, search.find_grids(), strict=True))
    assert max(search.fit_of(candidate) for candidate in search.candidates) == _best(search).fit


# --- how far away --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_near_and_far_codes_are_found(seed: int) -> None:
    for code_px in (330, 45):
        view = darkest_channel(_render(SHORT, seed, Hold(code_px=code_px)))
        assert Search(view).has_code


def test_what_is_suspected_is_found_beside_more_than_is_looked_for() -> None:
    """Two other codes are clearer, and no more than two are taken apart."""
    near, far = (darkest_channel(_render(SHORT, 0, Hold(code_px=px))) for px in (250, 70))
    view = np.concatenate([blur(far, 0.8), near, near], axis=1)
    true = _true_corners(far)
    found = [grid.corners[:, 0].min() > WIDTH_PX for grid in Search(view).find_grids()]
    assert found == [True, True]
    rng = np.random.default_rng(1)
    for _ in range(4):
        suspect = np.asarray(true + rng.uniform(-2, 2, (4, 2)), np.float32)
        search = Search(view)
        search.suspect(suspect)
        assert search.is_code_found
        for grid in (next(search.find_grids()), next(Search(view).find_grids([suspect]))):
            assert (grid.modules, grid.fit > 0.9) == (WIDTHS[SHORT], True)
            assert _miss_modules(grid, true) < 1


def test_of_two_codes_the_suspected_one_is_told_first() -> None:
    near, far = (darkest_channel(_render(SHORT, 0, Hold(code_px=px))) for px in (200, 100))
    view = np.concatenate([near, far], axis=1)
    suspects = [_true_corners(near), _true_corners(far) + np.array([WIDTH_PX, 0], np.float32)]
    first = [next(Search(view).find_grids([suspect])) for suspect in suspects]
    assert [grid.corners[:, 0].mean() > WIDTH_PX for grid in first] == [False, True]


@pytest.mark.parametrize("turn", range(4))
def test_from_whichever_corner_a_suspect_is_told_the_code_is_the_same(turn: int) -> None:
    view = darkest_channel(_render(SHORT, 0, Hold(code_px=250)))
    true = _true_corners(view)
    grid = next(Search(view).find_grids([np.roll(true, turn, axis=0)]))
    assert _miss_modules(grid, true) < 1


def test_a_suspect_that_is_none_yields_nothing() -> None:
    empty = darkest_channel(render_empty(1))
    square = np.array([[100, 100], [300, 100], [300, 300], [100, 300]], np.float32)
    outside = square - 5_000
    point = np.full((4, 2), 50, np.float32)
    assert list(Search(empty).find_grids([square, outside, point])) == []


# --- bit by bit ----------------------------------------------------------------------------------


def _advance_to_end(search: Search) -> int:
    """Return how many bits it took."""
    bits = 0
    while not search.is_over:
        search.advance()
        bits += 1
    return bits


def test_bit_by_bit_the_same_is_found_as_at_once() -> None:
    for view in (
        darkest_channel(_render(LONG, 1, Hold(tilt_deg=15))),
        _tile(4, 1),
        darkest_channel(render_empty(1)),
    ):
        slow, quick = Search(view), Search(view)
        assert _advance_to_end(slow) <= 1 + MOST_SQUARES + MOST_CANDIDATES
        slow.advance()  # there's nothing left to do
        assert slow.is_code_found == quick.has_code
        found = [[each.corners.tolist() for each in one.candidates] for one in (slow, quick)]
        assert found[0] == found[1]


def test_a_clear_code_is_found_in_the_second_bit() -> None:
    search = Search(darkest_channel(_render(LONG, 1, Hold())))
    found = []
    for _ in range(2):
        search.advance()
        found.append(search.is_code_found)
    assert found == [False, True]
    assert not search.is_over


def test_a_code_once_found_ends_no_search_of_the_rest() -> None:
    near, far = (darkest_channel(_render(SHORT, 0, Hold(code_px=px))) for px in (200, 100))
    search = Search(np.concatenate([near, far], axis=1))
    assert search.has_code
    assert not search.is_over
    middles = {int(grid.corners[:, 0].mean() // WIDTH_PX) for grid in search.find_grids()}
    assert middles == {0, 1}
    assert search.is_over


def test_what_may_be_a_code_and_may_not_is_settled_for_who_takes_it_apart_only() -> None:
    """Three finders a little askew, and neither timing nor alignment patterns."""
    search = Search(_tile(1, 3))
    doubtful = [each for each in search.candidates if search.look_closer(each).third >= 0.5]
    assert not search.has_code
    assert [search.find_grid(each) for each in doubtful] == [None] * len(doubtful)


# --- where there is none -------------------------------------------------------------------------


def test_no_candidate_is_clear_with_nobody_there() -> None:
    for seed in range(8):
        search = Search(darkest_channel(render_empty(seed)))
        assert not search.has_code
        assert list(search.find_grids()) == []


def _tile(finders: int, seed: int) -> Pixels:
    """Return a square of random blocks that shows so many finders in its corners."""
    rng = np.random.default_rng(seed)
    tile = rng.integers(0, 2, (33, 33)).astype(np.uint8)
    ring = np.zeros((9, 9), np.uint8)
    ring[1:-1, 1:-1] = 1
    ring[2:-2, 2:-2] = 0
    ring[3:-3, 3:-3] = 1
    for corner in range(finders):
        turned = np.rot90(np.pad(tile, 1), corner)
        turned[:9, :9] = ring
        tile = np.rot90(turned, -corner)[1:-1, 1:-1].copy()
    frame = np.full((HEIGHT_PX, WIDTH_PX), 220, np.uint8)
    frame[200:398, 500:698] = np.where(tile > 0, 30, 220).repeat(6, 0).repeat(6, 1)
    return blur(frame, 1.0)


def test_three_corners_have_a_finder_and_the_fourth_has_none() -> None:
    """So has a code. Keys and tiles look alike in all four, and text in none."""
    clear = {n: sum(Search(_tile(n, seed)).has_code for seed in range(1, 13)) for n in (0, 1, 3, 4)}
    # Of random blocks, two may look like finders of another size; that costs time, not truth.
    assert clear.pop(1) <= 2
    assert clear == {0: 0, 3: 12, 4: 0}


def _even(shape: tuple[int, int]) -> list[Pixels]:
    rng = np.random.default_rng(1)
    return [
        np.zeros(shape, np.uint8),
        np.full(shape, 255, np.uint8),
        rng.integers(100, 108, shape).astype(np.uint8),
        np.linspace(0, 255, shape[0] * shape[1]).reshape(shape).astype(np.uint8),
    ]


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 2), (2, 1), (3, 3), (63, 65), (127, 129), (5, 2_000), (2_001, 7), (301, 533)],
)
def test_flat_and_tiny_and_odd_pictures_hold_nothing(shape: tuple[int, int]) -> None:
    for picture in _even(shape):
        search = Search(picture, picture)
        assert search.candidates == ()
        assert not search.has_code
        assert list(search.find_grids()) == []


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (40, 31)])
def test_a_picture_too_small_for_a_code_can_be_suspected_all_the_same(
    shape: tuple[int, int],
) -> None:
    corners: NDArray[np.float32] = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.float32)
    for picture in _even(shape):
        assert list(Search(picture).find_grids([corners])) == []
