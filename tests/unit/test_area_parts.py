"""What the search for a face is made of: blocks, neighbours, regions, boxes."""

from __future__ import annotations

import numpy as np
import pytest

from gated.sensors.area import Box, grown, hottest_c, regions, smoothed


def test_the_hottest_block_needs_three_pixels() -> None:
    picture_c = np.full((4, 4), 30.0)
    picture_c[1:3, 1:3] = [[35.0, 35.2], [35.4, np.nan]]
    allowed = np.isfinite(picture_c)
    assert hottest_c(picture_c, allowed, picture_c) == pytest.approx(35.2)
    allowed[1, 1] = False
    assert hottest_c(picture_c, allowed, picture_c) == pytest.approx(
        (35.2 + 30 + 30 + 35.4) / 4, abs=2
    )
    assert hottest_c(picture_c, np.zeros((4, 4), dtype=bool), picture_c) is None


def test_a_block_is_measured_where_it_is_chosen() -> None:
    measured_c = np.arange(16.0).reshape(4, 4)
    chosen_c = np.zeros((4, 4))
    chosen_c[0:2, 0:2] = 1.0
    everywhere = np.ones((4, 4), dtype=bool)
    assert hottest_c(measured_c, everywhere, chosen_c) == pytest.approx((0 + 1 + 4 + 5) / 4)


def test_growing_goes_diagonally_and_stops_at_the_edges() -> None:
    mask = np.zeros((5, 6), dtype=bool)
    mask[0, 0] = True
    assert np.count_nonzero(grown(mask, 1)) == 4
    assert np.count_nonzero(grown(mask, 2)) == 9
    assert np.count_nonzero(mask) == 1
    assert grown(mask, 9).all()


def test_regions_are_connected_and_large_enough() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[0:3, 0:3] = True
    mask[3, 3] = True  # touches it by a corner
    mask[0:2, 6:8] = True  # too small
    mask[6:8, 4:8] = True
    sizes = [int(np.count_nonzero(region)) for region in regions(mask)]
    assert sizes == [10, 8]


def test_smoothing_leaves_out_what_is_not_usable() -> None:
    picture_c = np.array([[1.0, 9.0, np.nan], [3.0, 5.0, 7.0]])
    usable = np.array([[True, False, False], [True, True, True]])
    smooth_c = smoothed(picture_c, usable)
    assert smooth_c[0, 0] == pytest.approx((1 + 3 + 5) / 3)
    assert smooth_c[1, 2] == pytest.approx((5 + 7) / 2)
    assert np.isnan(smoothed(picture_c, np.zeros((2, 3), dtype=bool))).all()


def test_boxes_overlap_by_what_they_share() -> None:
    assert Box(0, 0, 4, 4).overlap(Box(0, 0, 4, 4)) == 1.0
    assert Box(0, 0, 4, 4).overlap(Box(0, 2, 4, 6)) == pytest.approx(1 / 3)
    assert Box(0, 0, 4, 4).overlap(Box(4, 4, 8, 8)) == 0.0
