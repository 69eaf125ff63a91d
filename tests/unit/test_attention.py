from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.scanner.attention import EXPOSURE_STEPS, Attention
from gated.scanner.frames import Region, Wish
from gated.scanner.unread import Unread
from gated.vocabulary import UnreadCause

WIDTH_PX, HEIGHT_PX = 1_000.0, 500.0


def _code(
    cause: UnreadCause | None = None, x_px: float = 500, y_px: float = 250, side_px: float = 100
) -> Unread:
    return Unread(cause, x_px, y_px, side_px)


def _look(*views: list[Unread]) -> list[Wish | None]:
    """Return what is wished for after each of ``views``."""
    attention = Attention()
    wishes = []
    for found in views:
        attention.look(found, WIDTH_PX, HEIGHT_PX)
        wishes.append(attention.wish)
    return wishes


def _steps(*causes: UnreadCause | None) -> list[float]:
    """Return the exposure steps after each frame that shows one code."""
    wishes = _look(*([_code(cause)] for cause in causes))
    return [wish.exposure_steps for wish in wishes if wish is not None]


def _numbers(region: Region | None) -> tuple[float, ...]:
    assert region is not None
    return (region.x, region.y, region.width, region.height)


# --- nothing -------------------------------------------------------------------------------------


def test_at_first_nothing_is_asked_for() -> None:
    assert Attention().wish is None


def test_with_nothing_in_view_nothing_is_asked_for() -> None:
    assert _look([], []) == [None, None]


def test_once_nothing_is_in_view_what_was_asked_for_is_taken_back() -> None:
    dark, *_ = _look([_code(UnreadCause.TOO_DARK)])
    assert dark is not None
    assert _look([_code(UnreadCause.TOO_DARK)], [], [_code()]) == [
        dark,
        None,
        Wish(dark.region, 0.0),
    ]


# --- where ---------------------------------------------------------------------------------------


def test_the_region_is_the_code_and_half_a_width_of_what_surrounds_it() -> None:
    (wish,) = _look([_code(x_px=500, y_px=250, side_px=100)])
    assert wish is not None
    assert _numbers(wish.region) == pytest.approx((0.425, 0.35, 0.15, 0.3))
    assert wish.exposure_steps == 0.0


@pytest.mark.parametrize(
    ("x_px", "y_px", "region"),
    [
        (0, 250, (0.0, 0.35, 0.075, 0.3)),
        (1_000, 250, (0.925, 0.35, 0.075, 0.3)),
        (500, 0, (0.425, 0.0, 0.15, 0.15)),
        (500, 500, (0.425, 0.85, 0.15, 0.15)),
        (10, 490, (0.0, 0.83, 0.085, 0.17)),
    ],
)
def test_the_region_ends_where_the_frame_does(
    x_px: float, y_px: float, region: tuple[float, ...]
) -> None:
    (wish,) = _look([_code(x_px=x_px, y_px=y_px)])
    assert wish is not None
    assert _numbers(wish.region) == pytest.approx(region)


def test_a_code_larger_than_the_frame_asks_for_all_of_it() -> None:
    assert _look([_code(side_px=5_000)]) == [Wish(Region(0.0, 0.0, 1.0, 1.0))]


@pytest.mark.parametrize(("x_px", "y_px"), [(-75, 250), (1_100, 250), (500, -80), (500, 9_000)])
def test_of_a_code_that_is_not_in_the_frame_only_the_light_is_asked_for(
    x_px: float, y_px: float
) -> None:
    assert _look([_code(UnreadCause.TOO_DARK, x_px, y_px)]) == [Wish(None, 1.0)]


@given(
    x_px=st.floats(-3_000, 3_000),
    y_px=st.floats(-3_000, 3_000),
    side_px=st.floats(0, 5_000),
    width_px=st.floats(1, 5_000),
    height_px=st.floats(1, 5_000),
)
def test_wherever_a_code_is_the_wish_is_one_that_a_camera_can_be_given(
    x_px: float, y_px: float, side_px: float, width_px: float, height_px: float
) -> None:
    attention = Attention()
    attention.look([_code(None, x_px, y_px, side_px)], width_px, height_px)
    assert attention.wish is not None
    region = attention.wish.region  # made, so it's a part of the frame
    is_seen = (
        abs(x_px - width_px / 2) < (width_px + 1.4 * side_px) / 2
        and abs(y_px - height_px / 2) < (height_px + 1.4 * side_px) / 2
        and side_px > 0.01
    )
    assert region is not None or not is_seen


def test_the_first_of_several_codes_is_the_one_that_counts() -> None:
    first = _code(UnreadCause.TOO_DARK, x_px=300)
    second = _code(UnreadCause.GLARE, x_px=700)
    assert _look([first, second]) == _look([first])
    assert _look([second, first]) == _look([second])
    assert _look([first]) != _look([second])


def test_the_region_follows_the_code() -> None:
    here, there = [_code(x_px=300)], [_code(x_px=600, side_px=200)]
    assert _look(here, there) == [*_look(here), *_look(there)]


# --- how bright ----------------------------------------------------------------------------------


def test_a_dark_code_asks_for_light_and_a_bright_one_for_less() -> None:
    assert {cause: _steps(cause) for cause in UnreadCause} == {
        cause: [
            {
                UnreadCause.TOO_DARK: 1.0,
                UnreadCause.TOO_BRIGHT: -1.0,
                UnreadCause.GLARE: -1.0,
            }.get(cause, 0.0)
        ]
        for cause in UnreadCause
    }
    assert _steps(None) == [0.0]


@pytest.mark.parametrize("cause", EXPOSURE_STEPS)
def test_what_was_asked_for_stays_while_the_code_is_held_up(cause: UnreadCause) -> None:
    asked = EXPOSURE_STEPS[cause]
    assert _steps(cause, None, UnreadCause.BLURRED, cause, UnreadCause.TOO_SMALL) == [asked] * 5


def test_another_cause_asks_for_something_else() -> None:
    assert _steps(
        UnreadCause.BLURRED, UnreadCause.TOO_DARK, UnreadCause.GLARE, None, UnreadCause.TOO_DARK
    ) == [0.0, 1.0, -1.0, -1.0, 1.0]
