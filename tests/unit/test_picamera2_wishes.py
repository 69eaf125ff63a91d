"""What a Raspberry Pi camera does when it's asked to attend to a part of what it sees."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator

import pytest

from gated.scanner.frames import Region, Wish
from gated.scanner.pi_controls import Box, PiOptions, seen_part, wished_controls
from gated.simulation.picamera import FOCUS_LIMITS, LIMITS, PicameraDesk
from tests.picamera_rig import Attach, set_up_desk, take


@pytest.fixture
def desk() -> Iterator[PicameraDesk]:
    with set_up_desk() as made:
        yield made


@pytest.fixture
def attach(desk: PicameraDesk) -> Iterator[Attach]:
    attach = Attach(desk)
    yield attach
    attach.close()


CORNER = Wish(Region(0.5, 0.5, 0.5, 0.5), exposure_steps=-1.0)
ON_SENSOR = (2_304, 1_296, 2_304, 1_296)


def test_a_wish_moves_focus_and_exposure_with_the_next_frames_and_can_be_taken_back(
    desk: PicameraDesk, attach: Attach
) -> None:
    desk.controls = {**LIMITS, **FOCUS_LIMITS}
    camera = attach()
    camera.open()
    camera.attend(CORNER)
    take(camera)
    take(camera)
    changed = {name: desk.in_force[name] for name in ("ExposureValue", "AfMetering", "AfWindows")}
    assert changed == {"ExposureValue": -1.5, "AfMetering": 1, "AfWindows": [ON_SENSOR]}
    camera.attend(CORNER)
    take(camera)
    camera.attend(None)
    take(camera)
    take(camera)
    assert (desk.in_force["ExposureValue"], desk.in_force["AfMetering"]) == (-0.5, 0)
    assert sum(call.startswith("set_controls") for call in desk.calls) == 2, "once for each wish"


def test_a_wish_leaves_a_fixed_focus_alone_and_stays_within_the_cameras_exposure(
    desk: PicameraDesk, attach: Attach
) -> None:
    desk.controls = {**LIMITS, **FOCUS_LIMITS, "ExposureValue": (-2.0, 2.0, 0.0)}
    camera = attach(options=PiOptions(focus_m=0.2, exposure_value=1.0))
    camera.open()
    camera.attend(Wish(CORNER.region, exposure_steps=2.0))
    take(camera)
    take(camera)
    assert "AfWindows" not in desk.in_force
    assert desk.in_force["ExposureValue"] == 2.0


def test_a_wish_is_heeded_on_the_cameras_thread_and_never_blocks(
    desk: PicameraDesk, attach: Attach
) -> None:
    camera = attach()
    camera.attend(CORNER)  # not open: of no use, but no harm
    camera.open()
    take(camera)
    assert not any(call.startswith("set_controls") for call in desk.calls)
    desk.hanging.add("set_controls")
    camera.attend(CORNER)
    assert camera.next_frame(0.0) is None
    desk.let_go()
    take(camera)


def test_a_wish_that_is_refused_costs_no_frame(
    desk: PicameraDesk, attach: Attach, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.failing["set_controls"] = RuntimeError("Control ExposureValue is not advertised")
    camera = attach()
    camera.open()
    camera.attend(CORNER)
    assert [take(camera).sequence for _ in range(3)] == [1, 2, 3]
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]


def test_a_wish_does_not_outlive_a_closing(desk: PicameraDesk, attach: Attach) -> None:
    camera = attach()
    camera.open()
    camera.attend(CORNER)
    camera.close()
    camera.open()
    take(camera)
    assert not any(call.startswith("set_controls") for call in desk.calls)


@pytest.mark.parametrize(
    ("crop", "size", "expected"),
    [
        ((0, 0, 4_608, 2_592), (1_280, 720), (0, 0, 4_608, 2_592)),
        ((0, 0, 3_280, 2_464), (1_280, 720), (0, 309, 3_280, 1_845)),  # 4:3 seen as 16:9
        ((100, 50, 1_600, 900), (600, 900), (600, 50, 600, 900)),
        ((0, 0, 0, 0), (1_280, 720), None),
        (None, (1_280, 720), None),
    ],
)
def test_the_part_of_the_sensor_that_a_frame_shows(
    crop: object, size: tuple[int, int], expected: Box | None
) -> None:
    assert seen_part(crop, size) == expected


def test_without_knowing_what_the_sensor_sees_a_region_is_left_out() -> None:
    assert wished_controls(CORNER, PiOptions(), {**LIMITS, **FOCUS_LIMITS}, None) == {
        "ExposureValue": -1.5,
        "AfMetering": 0,
    }


@pytest.mark.parametrize(
    "part",
    [
        (-0.1, 0.0, 0.5, 0.5),
        (0.6, 0.0, 0.5, 0.5),
        (0.0, 0.6, 0.5, 0.5),
        (0.0, 0.0, 0.0, 1.0),
        (math.nan, 0.0, 1.0, 1.0),
    ],
)
def test_a_region_lies_in_the_frame(part: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="no part of a frame"):
        Region(*part)


def test_a_wish_is_of_two_steps_at_most() -> None:
    assert Region(0.1, 0.2, 0.9, 0.8).height == 0.8, "sums of shares are rounded"
    for steps in (2.1, -2.1, math.nan):
        with pytest.raises(ValueError, match="more than 2"):
            Wish(exposure_steps=steps)
