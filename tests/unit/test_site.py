"""From skin to body: slope 1, strictly increasing, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.sensors.site import SITES, SiteOffset, body_c
from gated.vocabulary import Site

EXACT_C = 1e-9  # a float's rounding, far below a µ°C
SKINS_C = st.floats(25.0, 43.0)
AIRS_C = st.floats(5.0, 35.0)  # what is judged at all
STEPS_C = st.floats(0.001, 5.0)
ANY_SITE = st.sampled_from(Site)


@pytest.mark.parametrize(
    ("site", "healthy_c"),
    [(Site.FOREHEAD_SPOT, 36.77), (Site.FOREHEAD_MAX, 36.99), (Site.HOTTEST, 37.01)],
)
def test_a_usual_face_in_usual_air_is_a_usual_body(site: Site, healthy_c: float) -> None:
    skin_c = {Site.FOREHEAD_SPOT: 34.0, Site.FOREHEAD_MAX: 35.22, Site.HOTTEST: 35.65}[site]
    assert body_c(skin_c, 23.0, SITES[site]) == pytest.approx(healthy_c, abs=0.005)


def test_every_site_has_its_constants() -> None:
    assert set(SITES) == set(Site)


def test_staff_may_give_a_and_b_alone() -> None:
    assert body_c(34.0, 20.0, SiteOffset(5.0, 0.1)) == 37.0


def test_where_the_skin_is_colder_more_is_added() -> None:
    added_c = [body_c(0.0, 22.0, SITES[site]) for site in Site]
    assert added_c == sorted(added_c, reverse=True)


@given(skin_c=SKINS_C, air_c=AIRS_C, step_c=STEPS_C, site=ANY_SITE)
def test_skin_that_is_hotter_gives_a_body_hotter_by_exactly_as_much(
    skin_c: float, air_c: float, step_c: float, site: Site
) -> None:
    rise_c = body_c(skin_c + step_c, air_c, SITES[site]) - body_c(skin_c, air_c, SITES[site])
    assert rise_c == pytest.approx(step_c, abs=EXACT_C)


@given(air_c=AIRS_C, site=ANY_SITE)
def test_what_is_added_is_bounded(air_c: float, site: Site) -> None:
    assert 0 < body_c(0.0, air_c, SITES[site]) < 6.0


@given(skin_c=SKINS_C, cooler_c=AIRS_C, step_c=STEPS_C, site=ANY_SITE)
def test_the_same_skin_in_warmer_air_is_a_colder_body(
    skin_c: float, cooler_c: float, step_c: float, site: Site
) -> None:
    warmer = body_c(skin_c, cooler_c + step_c, SITES[site])
    assert warmer < body_c(skin_c, cooler_c, SITES[site])
