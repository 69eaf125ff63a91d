"""The optics against the tables of the measured research."""

from __future__ import annotations

import pytest

from gated.optics import FOREHEAD_RADIUS_M, reach_m
from gated.simulation.optics import (
    FACE_RADIUS_M,
    View,
    clothing_c,
    is_torso_behind,
    seen_c,
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
