"""The search for the face: scenes with a known answer, noise, and what must not be measured."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gated.sensors.area import (
    FaceArea,
    Mask,
    Picture,
    PixelSize,
    Problem,
    find_face,
    grown,
    hottest_c,
    smoothed,
)
from gated.simulation.thermal_scene import Look, Shape, cup, hand, lamp, plate, wall
from tests.array_rig import AMBIENT_C, BAB, ArrayRig, seen, somebody

PIXEL = PixelSize(35 / 24, 55 / 32)
NOISE_C = 0.283  # of a pixel at 8 Hz
PICTURES = 160
WINDOW = 4  # pictures in 0.8 s
SKIN_SEEN_C = 34.26  # 34.5 °C at emissivity 0.98 in air of 22 °C


def find(picture_c: Picture, left_out: Mask | None = None) -> FaceArea:
    return find_face(picture_c, PIXEL, chosen_in_c=picture_c, left_out=left_out)


def noisy(still_c: Picture, seed: int, count: int = PICTURES) -> list[FaceArea]:
    """Return what is found picture by picture, each chosen in those before it."""
    chance = np.random.default_rng(seed)
    found, earlier_c = [], still_c + chance.normal(0.0, NOISE_C, still_c.shape)
    for _ in range(count):
        picture_c = still_c + chance.normal(0.0, NOISE_C, still_c.shape)
        found.append(find_face(picture_c, PIXEL, chosen_in_c=earlier_c))
        earlier_c = (earlier_c + picture_c) / 2
    return found


def windows_c(found: Sequence[FaceArea]) -> list[float]:
    values_c = [area.object_c for area in found]
    return [statistics.median(values_c[at : at + WINDOW]) for at in range(0, len(values_c), WINDOW)]


# --- a face ---------------------------------------------------------------------------------------

GROWN_UP = Look()
SCENES: dict[str, tuple[Picture, float]] = {
    "at 0.3 m": (seen(somebody(0.3, above_m=0.02)), SKIN_SEEN_C),
    "at 0.4 m": (seen(somebody(0.4)), SKIN_SEEN_C),
    "at 0.5 m": (seen(somebody(0.5)), SKIN_SEEN_C),
    "at 0.56 m": (seen(somebody(0.56)), SKIN_SEEN_C),
    "at 0.6 m, not quite filled": (seen(somebody(0.6)), SKIN_SEEN_C),
    "aside and low": (seen(somebody(0.45, aside_m=0.1, above_m=0.04)), SKIN_SEEN_C),
    "a child at 0.3 m": (seen(somebody(0.3, look=Look(size=0.8))), SKIN_SEEN_C),
    "a child at 0.45 m": (seen(somebody(0.45, look=Look(size=0.8))), SKIN_SEEN_C),
    "a mask": (seen(somebody(0.4, look=Look(has_mask=True))), SKIN_SEEN_C),
    "glasses": (seen(somebody(0.4, look=Look(has_glasses=True))), SKIN_SEEN_C),
    "both": (seen(somebody(0.4, look=Look(has_mask=True, has_glasses=True))), SKIN_SEEN_C),
    "a hat": (seen(somebody(0.4, look=Look(hat_brim_m=0.03))), SKIN_SEEN_C),
    "a hat in the eyes": (seen(somebody(0.4, look=Look(hat_brim_m=0.0))), SKIN_SEEN_C),
    "bald": (seen(somebody(0.4, look=Look(is_bald=True))), SKIN_SEEN_C),
    "a scarf": (seen(somebody(0.4, look=Look(has_scarf=True))), SKIN_SEEN_C),
    "a mouth wide open": (seen(somebody(0.45, above_m=0.05, look=Look(mouth_c=37.0))), SKIN_SEEN_C),
    "a mouth wide open at 0.35 m": (
        seen(somebody(0.35, above_m=0.05, look=Look(mouth_c=37.0))),
        SKIN_SEEN_C,
    ),
    "hat and open mouth": (
        seen(somebody(0.4, above_m=0.05, look=Look(hat_brim_m=0.0, mouth_c=37.0))),
        SKIN_SEEN_C,
    ),
    "a fever": (seen(somebody(0.4, forehead_c=38.5)), 38.19),
    "a cold face": (
        seen(
            somebody(
                0.4,
                forehead_c=31.0,
                look=Look(face_below_forehead_c=2.0, nose_below_forehead_c=5.0),
            )
        ),
        30.83,
    ),
    "a lamp behind": (seen(somebody(0.4), [lamp(150, 1.0, -0.35, 0.1)]), SKIN_SEEN_C),
    "a wall in the sun": (seen(somebody(0.4), [wall(36.5, 2.0, 0.7, 0.3)]), SKIN_SEEN_C),
    "all walls at 32 °C": (
        seen(somebody(0.4), [Shape(32.0, 3.0, 5.0, 5.0, is_round=False)]),
        SKIN_SEEN_C,
    ),
    "somebody behind": (seen(somebody(0.4), somebody(1.2, aside_m=0.3)), SKIN_SEEN_C),
}
AIRS = [(10.0, 33.55), (16.0, 34.21), (28.0, 35.52), (32.0, 35.97), (34.0, 36.19)]
for _air_c, _shown_c in AIRS:
    _forehead_c = 33.04 + 0.094 * _air_c  # of somebody well, by Site.FOREHEAD_MAX
    _shapes = somebody(0.4, forehead_c=_forehead_c, ambient_c=_air_c)
    SCENES[f"air of {_air_c} °C"] = (seen(_shapes, ambient_c=_air_c), _shown_c)


@pytest.mark.parametrize("name", SCENES)
def test_a_face_is_found_and_measured_without_bias(name: str) -> None:
    still_c, shown_c = SCENES[name]
    found = noisy(still_c, seed=len(name))
    medians_c = windows_c(found)
    assert statistics.mean(medians_c) == pytest.approx(shown_c, abs=0.05)
    assert statistics.stdev(medians_c) <= 0.10
    assert sum(area.is_clear for area in found) >= 0.95 * len(found)


@pytest.mark.parametrize("heat_c", [45.0, 60.0, 80.0])
@pytest.mark.parametrize("aside_m", [0.12, 0.14, 0.2])
def test_a_hot_cup_beside_the_face_adds_nothing(heat_c: float, aside_m: float) -> None:
    still_c = seen(somebody(0.4), [cup(heat_c, 0.4, aside_m, -0.05)])
    medians_c = windows_c(noisy(still_c, seed=int(heat_c)))
    assert statistics.mean(medians_c) == pytest.approx(SKIN_SEEN_C, abs=0.05)
    assert statistics.stdev(medians_c) <= 0.10


def test_a_hot_cup_before_the_face_is_not_clear_and_adds_nothing() -> None:
    found = noisy(seen(somebody(0.4), [cup(60, 0.35, 0.03, -0.12)]), seed=3)
    assert not any(area.is_clear for area in found)
    assert {Problem.HOT_BESIDE} <= found[0].problems
    assert statistics.mean(windows_c(found)) == pytest.approx(SKIN_SEEN_C, abs=0.05)


def test_a_cup_a_step_away_leaves_the_face_clear() -> None:
    found = noisy(seen(somebody(0.5), [cup(70, 0.5, 0.2, -0.05)]), seed=4)
    assert all(area.is_clear for area in found)


def test_the_place_chosen_in_the_same_picture_reads_too_high() -> None:
    """This is why it is chosen in another one."""
    still_c = seen(somebody(0.3))
    chance = np.random.default_rng(1)
    pictures = [still_c + chance.normal(0, NOISE_C, still_c.shape) for _ in range(40)]
    naive_c = [hottest_c(p, np.isfinite(p) & (still_c > 33.0), p) for p in pictures]
    assert statistics.mean(c for c in naive_c if c is not None) > SKIN_SEEN_C + 0.15
    other_c = [
        hottest_c(p, np.isfinite(p) & (still_c > 33.0), before)
        for before, p in itertools.pairwise(pictures)
    ]
    assert statistics.mean(c for c in other_c if c is not None) < SKIN_SEEN_C + 0.03


@pytest.mark.parametrize(("pattern_c", "bias_c"), [(0.15, 0.10), (0.3, 0.22)])
def test_what_the_pixels_differ_by_stays_in_the_reading(pattern_c: float, bias_c: float) -> None:
    """No other picture takes that out: a unit's calibration does, on the average."""
    still_c = seen(somebody(0.4))
    chance = np.random.default_rng(5)
    means_c = [
        statistics.mean(windows_c(noisy(still_c + chance.normal(0, pattern_c, (24, 32)), n, 12)))
        for n in range(12)
    ]
    assert -0.05 < statistics.mean(means_c) - SKIN_SEEN_C < bias_c


def test_the_forehead_is_told_apart_from_the_eyes() -> None:
    warmer_eyes = Look(face_below_forehead_c=-1.0)
    area = find(seen(somebody(0.3, forehead_c=33.5, look=warmer_eyes)))
    assert area.object_c == pytest.approx(SKIN_SEEN_C, abs=0.05)
    assert area.forehead_c is not None
    assert area.forehead_c < area.object_c


@pytest.mark.parametrize("aside_m", [0.09, 0.1, 0.11, 0.12, 0.13, 0.16])
@pytest.mark.parametrize("above_m", [-0.05, -0.02, 0.0])
def test_a_hand_beside_the_face_is_not_taken_for_it(aside_m: float, above_m: float) -> None:
    found = noisy(seen(somebody(0.4), hand(33.5, 0.39, aside_m, above_m)), seed=6, count=40)
    clear_c = [area.object_c for area in found if area.is_clear]
    if len(clear_c) >= WINDOW:
        assert statistics.median(clear_c) == pytest.approx(SKIN_SEEN_C, abs=0.1)


@pytest.mark.parametrize(("aside_m", "above_m"), [(0.03, -0.02), (0.0, -0.1), (-0.05, 0.0)])
def test_a_hand_before_the_face_can_only_lower_the_reading(aside_m: float, above_m: float) -> None:
    found = noisy(seen(somebody(0.4), hand(33.5, 0.3, aside_m, above_m)), seed=7, count=80)
    assert statistics.mean(windows_c(found)) < SKIN_SEEN_C + 0.05


# --- what must not be measured --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "still_c", "problem"),
    [
        ("far away", seen(somebody(1.0)), Problem.TOO_SMALL),
        ("at the left edge", seen(somebody(0.4, aside_m=-0.2)), Problem.CUT_OFF),
        ("at the right edge", seen(somebody(0.4, aside_m=0.18)), Problem.CUT_OFF),
        ("above the picture", seen(somebody(0.4, above_m=0.14)), Problem.CUT_OFF),
        ("below the picture", seen(somebody(0.4, above_m=-0.12)), Problem.TOO_LOW),
        (
            "two faces",
            seen(somebody(0.45, aside_m=-0.1), somebody(0.45, aside_m=0.1)),
            Problem.TWO_FACES,
        ),
        (
            "a face and a head-sized thing as warm as 41 °C",
            seen(somebody(0.5, aside_m=-0.1), [Shape(41.0, 0.5, 0.08, 0.10, 0.13)]),
            Problem.TWO_FACES,
        ),
        ("a forearm across", seen([Shape(34.0, 0.4, 0.13, 0.02, is_round=False)]), None),
    ],
)
def test_what_is_no_whole_single_face_is_not_clear(
    name: str, still_c: Picture, problem: Problem | None
) -> None:
    found = noisy(still_c, seed=len(name), count=20)
    assert sum(area.is_clear for area in found) <= 1
    if problem is not None:
        assert sum(problem in area.problems for area in found) >= 19


def test_whoever_is_not_clear_is_warm_all_the_same() -> None:
    """Presence goes by ``object_c``."""
    for distance_m in (0.7, 1.0, 1.3):
        assert find(seen(somebody(distance_m))).object_c > 32.0


def test_of_two_the_nearer_is_measured_when_the_other_is_far() -> None:
    area = find(seen(somebody(0.4, aside_m=-0.05), somebody(1.0, aside_m=0.3, forehead_c=37.0)))
    assert area.is_clear
    assert area.object_c == pytest.approx(SKIN_SEEN_C, abs=0.05)


@pytest.mark.parametrize(
    ("name", "still_c"),
    [
        ("nothing", seen()),
        ("a cup", seen([cup(60, 0.4, 0.0)])),
        ("a lamp", seen([lamp(200, 1.0, 0.1, 0.1)])),
        ("cup and lamp", seen([cup(80, 0.4, 0.05), lamp(100, 1.0, -0.3, 0.1)])),
        ("somebody clothed without a head", seen([Shape(28.0, 0.5, 0.2, 0.5, above_m=-0.3)])),
        ("a warm wall in a cold room", seen([wall(16.0, 2.0, 0.5, 0.5)], ambient_c=10.0)),
    ],
)
def test_nobody_is_the_background(name: str, still_c: Picture) -> None:
    found = noisy(still_c, seed=len(name), count=20)
    assert {area.problems for area in found} == {frozenset({Problem.NOBODY})}
    for area in found:
        assert area.object_c == pytest.approx(float(np.median(still_c)), abs=0.5)
        assert (area.box, area.forehead_c) == (None, None)


@pytest.mark.parametrize("even_c", [-20.0, 5.0, 22.0, 34.0, 37.3, 41.9, 60.0, 250.0])
def test_an_even_view_is_nobody_however_warm(even_c: float) -> None:
    found = noisy(np.full((24, 32), even_c), seed=1, count=20)
    assert not any(area.is_clear for area in found)
    assert found[0].object_c == pytest.approx(even_c, abs=0.3)


def test_a_reference_plate_as_warm_as_skin_is_never_a_face() -> None:
    still_c = seen([plate(37.0, 0.5, 0.15, 0.05)])
    assert find(still_c).box is not None
    left_out = grown(still_c > 30.0, 2)
    assert find(still_c, left_out).problems == {Problem.NOBODY}
    both_c = seen(somebody(0.5, aside_m=-0.05), [plate(37.0, 0.5, 0.17, 0.05)])
    left_out = np.zeros_like(both_c, dtype=bool)
    left_out[:, 22:] = True
    area = find(both_c, left_out)
    assert area.is_clear
    assert area.object_c == pytest.approx(SKIN_SEEN_C, abs=0.05)


def test_broken_pixels_in_the_forehead_are_passed_over() -> None:
    still_c = seen(somebody(0.4)).copy()
    box = find(still_c).box
    assert box is not None
    still_c[box.top + 1, (box.left + box.right) // 2] = np.nan
    still_c[box.top + 3, box.left + 4] = np.nan
    medians_c = windows_c(noisy(still_c, seed=2))
    assert statistics.mean(medians_c) == pytest.approx(SKIN_SEEN_C, abs=0.05)


def test_what_is_warmer_than_a_face_is_taken_away_no_more_than_twice() -> None:
    """A wall in the sun, a warmer one, then a face: so many levels are looked at, and no more."""
    walls = [wall(41.5, 2.0, 0.85, 0.15), wall(37.8, 2.0, -0.85, 0.15)]
    assert find(seen(somebody(0.45), walls)).is_clear
    area = find(seen(somebody(0.45, forehead_c=31.0), walls, [wall(34.0, 3.0, 0.7, 0.3)]))
    assert not area.is_clear


def test_a_picture_of_nothing_is_no_number() -> None:
    assert np.isnan(find(np.full((24, 32), np.nan)).object_c)


# --- any picture ----------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10_000),
    spread_c=st.floats(0.01, 30.0),
    level_c=st.floats(-30.0, 60.0),
    dark=st.floats(0.0, 0.9),
)
@settings(max_examples=150)
def test_any_picture_gives_a_value_it_contains(
    seed: int, spread_c: float, level_c: float, dark: float
) -> None:
    chance = np.random.default_rng(seed)
    picture_c = chance.normal(level_c, spread_c, (24, 32))
    picture_c = picture_c if seed % 2 else smoothed(picture_c, np.ones((24, 32), dtype=bool))
    picture_c[chance.random((24, 32)) < dark] = np.nan
    area = find_face(picture_c, PIXEL, chosen_in_c=chance.normal(30, 5, (24, 32)))
    if np.isfinite(picture_c).any():
        assert np.nanmin(picture_c) <= area.object_c <= np.nanmax(picture_c)
        if area.box is not None:
            assert area.object_c <= 42.0
    if area.is_clear:
        assert area.box is not None


@given(
    distance_m=st.floats(0.28, 0.55),
    aside_m=st.floats(-0.05, 0.05),
    above_m=st.floats(-0.01, 0.03),
    forehead_c=st.floats(32.0, 39.0),
    ambient_c=st.floats(10.0, 30.0),
)
@settings(max_examples=80)
def test_any_whole_face_without_noise_is_read_to_a_twentieth(
    distance_m: float, aside_m: float, above_m: float, forehead_c: float, ambient_c: float
) -> None:
    shapes = somebody(
        distance_m,
        forehead_c=forehead_c,
        ambient_c=ambient_c,
        aside_m=aside_m,
        above_m=above_m * distance_m / 0.3,
    )
    area = find(seen(shapes, ambient_c=ambient_c))
    shown_k4 = 0.98 * (forehead_c + 273.15) ** 4 + 0.02 * (ambient_c + 273.15) ** 4
    assert area.is_clear, area.problems
    assert area.object_c == pytest.approx(shown_k4**0.25 - 273.15, abs=0.05)


@given(st.floats(0.0, 3.0))
@settings(max_examples=30)
def test_a_hotter_forehead_reads_hotter(more_c: float) -> None:
    cooler = find(seen(somebody(0.4, forehead_c=34.0))).object_c
    assert find(seen(somebody(0.4, forehead_c=34.0 + more_c))).object_c >= cooler


def test_mirrored_it_is_the_same_face() -> None:
    still_c = seen(somebody(0.4, aside_m=0.06))
    area, mirrored = find(still_c), find(np.ascontiguousarray(still_c[:, ::-1]))
    assert area.box is not None
    assert mirrored.box is not None
    assert (32 - mirrored.box.right, 32 - mirrored.box.left) == (area.box.left, area.box.right)
    assert mirrored.object_c == pytest.approx(area.object_c, abs=0.01)


def test_through_the_chip_the_median_of_a_window_is_within_its_bounds() -> None:
    """All of it: chip model with its noise and its die's, driver, search."""
    rig = ArrayRig(somebody(0.4), seed=7)
    with rig.thermometer:
        samples = rig.samples(80)[2:]
    assert all(sample.is_clear for sample in samples)
    values_c = [sample.object_c for sample in samples]
    medians_c = [statistics.median(values_c[n : n + WINDOW]) for n in range(0, 76, WINDOW)]
    assert statistics.mean(medians_c) == pytest.approx(SKIN_SEEN_C, abs=0.05)
    assert statistics.stdev(medians_c) <= 0.10


def test_the_scenes_are_as_warm_as_they_say() -> None:
    assert AMBIENT_C == 22.0
    assert seen(somebody(0.3)).shape == (BAB.rows, BAB.columns)
    assert float(seen(somebody(0.25)).max()) == pytest.approx(SKIN_SEEN_C, abs=0.1)
