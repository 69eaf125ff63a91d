"""Rendering: sizes, shares at edges, reflection, and that near things hide far ones."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gated.simulation.optics import View, clothing_c
from gated.simulation.thermal_scene import (
    Lens,
    Look,
    MovingScene,
    Shape,
    cup,
    hand,
    head,
    lamp,
    plate,
    render,
    wall,
)
from tests.array_rig import BAB, seen, somebody

BLACK = 1.0


def k4(value_c: float) -> float:
    return (value_c + 273.15) ** 4


def test_an_empty_view_is_as_warm_as_the_air() -> None:
    assert render((), 22.0, BAB) == pytest.approx(np.full((24, 32), 22.0), abs=1e-9)


def test_what_fills_the_view_is_seen_with_its_reflection() -> None:
    filled_c = render([Shape(34.5, 0.1, 1.0, 1.0, is_round=False)], 22.0, BAB)
    expected_c = (0.98 * k4(34.5) + 0.02 * k4(22.0)) ** 0.25 - 273.15
    assert filled_c == pytest.approx(np.full((24, 32), expected_c), abs=1e-9)
    assert expected_c == pytest.approx(34.26, abs=0.005)


def test_at_an_edge_radiances_mix_by_their_shares() -> None:
    half = Shape(60.0, 1.0, 5.0, 5.0, aside_m=5.0, is_round=False, emissivity=BLACK)
    seen_c = render([half], 20.0, Lens(5, 8, 10.0, 16.0))
    row_k4 = [k4(value) for value in seen_c[2].tolist()]
    shares = [(value - k4(20.0)) / (k4(60.0) - k4(20.0)) for value in row_k4]
    assert shares[:3] == pytest.approx([0.0] * 3, abs=0.02)
    assert shares[5:] == pytest.approx([1.0] * 3, abs=0.02)
    assert shares[3] + shares[4] == pytest.approx(1.0, abs=0.01)
    assert 0.05 < shares[3] < 0.2


def test_half_of_a_pixel_s_sensitivity_lies_half_a_pixel_off_its_axis() -> None:
    """Melexis' definition of a field of view: a thin line is seen half as strongly there."""
    strengths = []
    for angle_deg in (0.5, 1.0):  # the fifth of eight pixels of 1° looks half a degree aside
        aside_m = math.tan(math.radians(angle_deg))
        line = Shape(500.0, 1.0, 0.0009, 5.0, aside_m=aside_m, is_round=False, emissivity=BLACK)
        seen_c = render([line], 20.0, Lens(3, 8, 3.0, 8.0))
        strengths.append(k4(float(seen_c[1, 4])) - k4(20.0))
    assert strengths[1] / strengths[0] == pytest.approx(0.5, abs=0.03)


@given(
    radius_m=st.floats(0.02, 0.06),
    distance_m=st.floats(0.4, 1.0),
    aside_m=st.floats(-0.1, 0.1),
    above_m=st.floats(-0.04, 0.04),
)
@settings(max_examples=50)
def test_a_disc_is_as_large_and_where_it_should_be(
    radius_m: float, distance_m: float, aside_m: float, above_m: float
) -> None:
    disc = Shape(40.0, distance_m, radius_m, radius_m, aside_m, above_m, emissivity=BLACK)
    seen_c = render([disc], 20.0, BAB)
    share = (((seen_c + 273.15) ** 4) - k4(20.0)) / (k4(40.0) - k4(20.0))
    rows = (np.arange(24) + 0.5 - 12) * 35 / 24
    columns = (np.arange(32) + 0.5 - 16) * 55 / 32
    height_deg = math.degrees(math.atan((above_m) / distance_m))
    aside_deg = math.degrees(math.atan(aside_m / distance_m))
    assert (share.sum(axis=0) @ columns) / share.sum() == pytest.approx(aside_deg, abs=0.3)
    assert (share.sum(axis=1) @ rows) / share.sum() == pytest.approx(-height_deg, abs=0.3)
    half_deg = math.degrees(math.atan(radius_m / distance_m))
    area = math.pi * half_deg**2 / (35 / 24 * 55 / 32)
    assert share.sum() == pytest.approx(area, rel=0.08, abs=0.5)


def test_the_nearer_hides_the_farther() -> None:
    near, far = Shape(10.0, 0.4, 0.2, 0.2), Shape(80.0, 0.5, 0.1, 0.1)
    assert render([near, far], 20.0, BAB).max() < 21.0
    assert render([far, near], 20.0, BAB).max() < 21.0


def test_what_is_beside_the_view_is_not_seen() -> None:
    aside = [cup(80.0, 0.4, 2.0), lamp(100.0, 1.0, 0.0, 5.0), plate(37.0, 0.5, -3.0, 0.0)]
    assert render(aside, 22.0, BAB) == pytest.approx(np.full((24, 32), 22.0), abs=1e-6)


def test_a_head_has_a_forehead_hair_a_neck_and_clothes() -> None:
    picture_c = seen(somebody(0.4, above_m=0.06))
    column = picture_c[:, 15].tolist()
    assert max(column) == pytest.approx(34.26, abs=0.02)
    at = column.index(max(column))
    assert column[0] < column[at]
    assert 24.0 < column[max(at - 5, 0)] < 30.0, "hair"
    far_c = seen(somebody(1.5))
    assert float(far_c[-1, 16]) == pytest.approx(clothing_c(22.0), abs=0.3)


def test_a_child_s_head_is_smaller_and_a_near_one_larger() -> None:
    def pixels(distance_m: float, look: Look | None = None) -> int:
        shapes = somebody(distance_m, above_m=0.05, look=look)
        return int(np.count_nonzero(seen(shapes) > 31.0))

    assert pixels(0.5, Look(size=0.8)) < 0.8 * pixels(0.5)
    assert pixels(0.4) > 1.3 * pixels(0.5)


@pytest.mark.parametrize(
    ("look", "cooler"),
    [
        (Look(has_mask=True), True),
        (Look(has_glasses=True), True),
        (Look(hat_brim_m=0.02), True),
        (Look(has_scarf=True), True),
        (Look(mouth_c=37.0), False),
        (Look(is_bald=True), False),
        (Look(canthi_above_forehead_c=2.0), False),
    ],
)
def test_what_is_worn_is_seen(look: Look, cooler: bool) -> None:
    plain_c, other_c = (seen(somebody(0.4, above_m=0.06, look=each)) for each in (None, look))
    difference_c = other_c - plain_c
    if cooler:
        assert difference_c.min() < -0.5
    else:
        assert difference_c.max() > 0.1
        assert difference_c.min() > -0.05


def test_an_open_mouth_is_the_hottest_thing_in_a_face() -> None:
    picture_c = seen(somebody(0.35, above_m=0.05, look=Look(mouth_c=37.0)))
    row = int(np.unravel_index(int(picture_c.argmax()), picture_c.shape)[0])
    assert float(picture_c.max()) > 35.5
    assert row > 14


def test_a_hand_has_fingers_above_its_palm() -> None:
    picture_c = seen(hand(34.0, 0.25, 0.0, 0.0))
    assert float(picture_c[12, 16]) == pytest.approx(33.77, abs=0.05)
    assert 25.0 < float(picture_c[3, 13:19].mean()) < 33.0


def test_a_strip_of_wall_goes_from_top_to_bottom() -> None:
    picture_c = seen([wall(40.0, 2.0, 0.0, 0.2)])
    assert float(np.ptp(picture_c[:, 16])) < 1e-6


def test_it_is_pure() -> None:
    shapes = head(View(0.4, 34.5), 22.0, Look(mouth_c=37.0))
    assert (render(shapes, 22.0, BAB) == render(shapes, 22.0, BAB)).all()


def test_a_scene_moves_with_time() -> None:
    scene = MovingScene(
        lambda at_s: head(View(1.5 - at_s, 34.5), 22.0) if at_s > 0 else (), lambda at_s: 22 + at_s
    )
    assert scene.picture(0.0, 24, 32, 35.0, 55.0) == pytest.approx(np.full((24, 32), 22.0))
    near = scene.picture(1.0, 24, 32, 35.0, 55.0)
    assert near.max() > 34.0
    assert float(near[0, 0]) == pytest.approx(23.0, abs=0.01)
    assert scene.picture(1.0, 12, 16, 75.0, 110.0).shape == (12, 16)


def test_a_full_scene_is_drawn_within_three_milliseconds() -> None:
    shapes = [
        *somebody(0.4, look=Look(has_mask=True, has_glasses=True, hat_brim_m=0.03)),
        *hand(34.0, 0.35, 0.1, 0.0),
        cup(60.0, 0.4, 0.15),
        lamp(100.0, 1.0, 0.3, 0.2),
        wall(36.0, 2.0, -0.8, 0.2),
    ]
    render(shapes, 22.0, BAB)
    took_s = []
    for _ in range(15):
        began_s = time.thread_time()
        render(shapes, 22.0, BAB)
        took_s.append(time.thread_time() - began_s)
    assert min(took_s) < 0.003
