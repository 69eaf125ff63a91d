"""The optics against the tables of the measured research."""

from __future__ import annotations

import pytest

from gated.optics import FOREHEAD_RADIUS_M, reach_m
from gated.simulation.optics import (
    FACE_RADIUS_M,
    Thing,
    View,
    clothing_c,
    is_torso_behind,
    seen_c,
    seen_past_c,
    share_in_disc,
    vertical_miss_m,
)


@pytest.mark.parametrize(
    ("fov_deg", "forehead_mm", "face_mm"),
    [
        (5, (386, 311), (881, 711)),
        (10, (192, 155), (440, 355)),
        (12, (160, 129), (366, 295)),
        (35, (53, 43), (122, 98)),
        (50, (36, 29), (83, 67)),
        (90, (17, 14), (38, 31)),
    ],
)
def test_the_distances_at_which_a_disc_fills_95_and_99_percent(
    fov_deg: float, forehead_mm: tuple[int, int], face_mm: tuple[int, int]
) -> None:
    for radius_m, expected in ((FOREHEAD_RADIUS_M, forehead_mm), (FACE_RADIUS_M, face_mm)):
        found = [1_000 * reach_m(fov_deg, share, radius_m) for share in (0.95, 0.99)]
        assert found == [pytest.approx(mm, abs=0.6) for mm in expected]


def test_a_well_aimed_disc_gives_the_share_of_its_distance() -> None:
    distance_m = reach_m(5.0)
    assert share_in_disc(FOREHEAD_RADIUS_M, distance_m, 0.0, 5.0) == pytest.approx(0.95)


def test_an_empty_view_is_as_warm_as_the_air() -> None:
    assert seen_c(None, 5.0, 22.0) == 22.0


@pytest.mark.parametrize(
    ("ambient_c", "too_cold_by_c"),
    [(10.0, 0.44), (16.0, 0.34), (22.0, 0.24), (28.0, 0.13), (32.0, 0.05)],
)
def test_skin_that_fills_the_spot_looks_colder_by_its_reflection(
    ambient_c: float, too_cold_by_c: float
) -> None:
    view = View(distance_m=0.02, forehead_c=34.5)
    assert 34.5 - seen_c(view, 5.0, ambient_c) == pytest.approx(too_cold_by_c, abs=0.006)


def test_a_90_degree_chip_at_arm_s_length_sees_mostly_background() -> None:
    view = View(distance_m=0.30, forehead_c=34.5, is_torso_behind=False)
    assert seen_c(view, 90.0, 22.0) < 24.0


def test_a_tall_person_shows_clothing_to_the_low_thermometer() -> None:
    above_m = vertical_miss_m(1.80, 1.10)
    view = View(0.30, 34.5, above_m=above_m, is_torso_behind=is_torso_behind(1.80, 1.10))
    assert seen_c(view, 5.0, 22.0) == pytest.approx(clothing_c(22.0), abs=0.5)


def test_a_child_is_seen_by_the_low_thermometer_and_not_by_the_high_one() -> None:
    assert vertical_miss_m(1.15, 1.10) == 0.0
    above_m = vertical_miss_m(1.15, 1.60)
    view = View(0.30, 34.5, above_m=above_m, is_torso_behind=is_torso_behind(1.15, 1.60))
    assert seen_c(view, 5.0, 22.0) == pytest.approx(22.0, abs=0.5)


def test_somebody_beside_the_gate_is_not_seen() -> None:
    assert seen_c(View(0.30, 34.5, aside_m=1.0), 5.0, 22.0) == pytest.approx(22.0, abs=0.05)


def test_what_the_head_does_not_fill_shows_what_is_behind() -> None:
    view = View(0.50, 34.5, is_torso_behind=False)
    before_air, before_wall = seen_c(view, 5.0, 22.0), seen_c(view, 5.0, 22.0, behind_c=32.0)
    assert before_wall > before_air
    near = View(0.20, 34.5)
    assert seen_c(near, 5.0, 22.0, behind_c=32.0) == pytest.approx(
        seen_c(near, 5.0, 22.0), abs=0.02
    )
    assert seen_c(None, 5.0, 22.0, behind_c=32.0) == 32.0


def test_skin_reflects_the_surroundings_and_not_the_air() -> None:
    view = View(0.02, 34.5)
    in_the_sun = seen_c(view, 5.0, 22.0, reflected_c=52.0)
    assert in_the_sun - seen_c(view, 5.0, 22.0) == pytest.approx(0.02 * 30, rel=0.2)


def test_a_cup_before_a_face_is_seen_in_its_place() -> None:
    cup = Thing(0.10, 0.04, 60.0, emissivity=1.0)
    assert seen_past_c(cup, 5.0, 22.0, 34.0) == pytest.approx(60.0, abs=0.01)
    aside = Thing(0.10, 0.04, 60.0, aside_m=0.5)
    assert seen_past_c(aside, 5.0, 22.0, 34.0) == pytest.approx(34.0, abs=0.01)
    shiny = Thing(0.10, 0.04, 60.0, emissivity=0.1)
    assert seen_past_c(shiny, 5.0, 22.0, 34.0) < 30.0
