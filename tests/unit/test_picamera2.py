"""The Raspberry Pi camera: what it asks of the library, what it believes, and how that fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pytest

from gated.clock import FakeClock
from gated.config import ScannerSettings
from gated.config.devices import Metering
from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.frames import NoCamera
from gated.scanner.pi_controls import PiOptions
from gated.scanner.picture import to_grey
from gated.scanner.sources.picamera2 import PiCamera, PicameraModule, make
from gated.simulation.picamera import FOCUS_LIMITS, LIMITS, RESOLUTION, PicameraDesk, Sensor
from tests.frame_sources import CLOCK, MOST_S, TIMEOUT_S, noisy
from tests.picamera_rig import (
    HASTY,
    QUICK,
    SHAPE,
    SIZE,
    Attach,
    set_up_desk,
    take,
    take_until_lost,
    wait_for,
)


@pytest.fixture
def desk() -> Iterator[PicameraDesk]:
    with set_up_desk() as made:
        yield made


@pytest.fixture
def attach(desk: PicameraDesk) -> Iterator[Attach]:
    attach = Attach(desk)
    yield attach
    attach.close()


# --- what it asks of the library -----------------------------------------------------------------


def test_a_life_from_opening_to_closing_calls_this_and_nothing_else(
    desk: PicameraDesk, attach: Attach
) -> None:
    camera = attach()
    camera.open()
    take(camera)
    take(camera)
    camera.close()
    assert desk.calls == [
        "global_camera_info()",
        "Picamera2()",
        "create_video_configuration()",
        "configure()",
        "start()",
        "capture_request(wait=2)",
        "capture_request(wait=2)",
        "cancel_all_and_flush()",
        "close()",
    ]
    assert desk.camera is None, "another process could not have it now"


def test_it_asks_for_colour_few_buffers_fresh_frames_and_short_exposures(
    desk: PicameraDesk, attach: Attach
) -> None:
    attach().open()
    assert desk.configuration == {
        "main": {"format": "RGB888", "size": (160, 90), "stride": 512},
        "raw": None,
        "buffer_count": 4,
        "queue": False,
        "controls": {
            "FrameDurationLimits": (100_000, 100_000),
            "AeEnable": True,
            "AeMeteringMode": 0,
            "AeExposureMode": 1,
            "ExposureValue": -0.5,
            "NoiseReductionMode": 1,
        },
        "sensor": {"output_size": (2_304, 1_296)},
    }


def test_a_frame_of_more_than_half_the_sensor_is_taken_from_all_of_it(desk: PicameraDesk) -> None:
    size = (RESOLUTION[0] // 2 + 2, 90)
    desk.sensor = Sensor.SILENT
    camera = PiCamera(size, 10.0, CLOCK, load_module=desk.load, at_exit=lambda _: None)
    camera.open()
    camera.close()
    assert desk.configuration["sensor"] == {"output_size": RESOLUTION}


@pytest.mark.parametrize(("rate_hz", "shortest_us"), [(30.0, 33_333), (60.0, 16_667)])
def test_a_fast_camera_may_slow_down_in_low_light(
    desk: PicameraDesk, attach: Attach, rate_hz: float, shortest_us: int
) -> None:
    attach(frame_rate_hz=rate_hz).open()
    assert desk.configuration["controls"]["FrameDurationLimits"] == (shortest_us, 100_000)


def test_a_slow_camera_stays_as_slow_as_it_was_asked_to_be(
    desk: PicameraDesk, attach: Attach
) -> None:
    attach(frame_rate_hz=2.0).open()
    assert desk.configuration["controls"]["FrameDurationLimits"] == (500_000, 500_000)


def focus_of(desk: PicameraDesk) -> dict[str, object]:
    controls = desk.configuration["controls"]
    return {name: controls[name] for name in FOCUS_LIMITS if name in controls}


def test_a_camera_with_a_focus_motor_keeps_focusing_on_what_is_near(
    desk: PicameraDesk, attach: Attach
) -> None:
    desk.controls = {**LIMITS, **FOCUS_LIMITS}
    attach().open()
    assert focus_of(desk) == {"AfMode": 2, "AfRange": 1, "AfSpeed": 1}


@pytest.mark.parametrize(("focus_m", "dioptres"), [(0.2, 5.0), (0.05, 15.0), (10.0, 0.1)])
def test_a_configured_distance_is_focused_on_for_good_as_far_as_the_lens_goes(
    desk: PicameraDesk, attach: Attach, focus_m: float, dioptres: float
) -> None:
    desk.controls = {**LIMITS, **FOCUS_LIMITS}
    attach(options=PiOptions(focus_m=focus_m)).open()
    assert focus_of(desk) == {"AfMode": 0, "LensPosition": dioptres}


def test_a_distance_for_a_camera_without_a_focus_motor_is_a_warning(
    desk: PicameraDesk, attach: Attach, caplog: pytest.LogCaptureFixture
) -> None:
    attach(options=PiOptions(focus_m=0.2)).open()
    assert focus_of(desk) == {}
    assert [record.message for record in caplog.records] == [
        "scanner.focus_m is set, but this camera has no focus motor"
    ]


@pytest.mark.parametrize(("metering", "number"), list(zip(Metering, (0, 1, 2), strict=True)))
def test_exposure_and_metering_are_as_configured(
    desk: PicameraDesk, attach: Attach, metering: Metering, number: int
) -> None:
    attach(options=PiOptions(exposure_value=1.5, metering=metering)).open()
    controls = desk.configuration["controls"]
    assert (controls["ExposureValue"], controls["AeMeteringMode"]) == (1.5, number)


def test_without_colour_the_brightness_alone_is_delivered_without_the_padding_of_lines(
    desk: PicameraDesk, attach: Attach
) -> None:
    camera = attach(options=PiOptions(is_grey=True))
    camera.open()
    assert desk.configuration["main"] == {"format": "YUV420", "size": SIZE, "stride": 192}
    pixels = take(camera).pixels
    assert np.array_equal(pixels, to_grey(noisy(0)))
    assert pixels.base is None, "the chroma is kept alive with it"


def test_the_settings_of_the_configuration_reach_the_camera() -> None:
    settings = ScannerSettings.model_validate(
        {
            "camera": "picamera2",
            "focus_m": 0.3,
            "exposure_value": 2.0,
            "metering": "spot",
            "colour": "off",
        }
    )
    assert make(settings, CLOCK)._options == PiOptions(0.3, 2.0, Metering.SPOT, is_grey=True)


def test_a_control_that_a_camera_lacks_is_left_alone(desk: PicameraDesk, attach: Attach) -> None:
    desk.controls = {name: LIMITS[name] for name in ("AeEnable", "FrameDurationLimits")}
    camera = attach()
    camera.open()
    assert set(desk.configuration["controls"]) == {"AeEnable", "FrameDurationLimits"}
    assert take(camera).sequence == 1


def test_colours_arrive_as_blue_green_red_without_the_padding_of_lines(
    desk: PicameraDesk, attach: Attach
) -> None:
    scene = np.zeros(SHAPE, np.uint8)
    scene[..., 0], scene[..., 2] = 200, 10  # blue
    desk.show(scene)
    camera = attach()
    camera.open()
    assert np.array_equal(take(camera).pixels, scene)


def test_a_frame_is_of_the_time_of_its_arrival(desk: PicameraDesk, attach: Attach) -> None:
    clock = FakeClock(elapsed_s=77.0)
    camera = attach(clock=clock)
    camera.open()
    assert take(camera).captured_mono_s == 77.0


# --- freshness -----------------------------------------------------------------------------------


def test_a_stuck_sensor_delivers_its_frame_once(desk: PicameraDesk, attach: Attach) -> None:
    desk.sensor = Sensor.STUCK
    camera = attach()
    camera.open()
    assert take(camera).sequence == 1
    assert camera.next_frame(TIMEOUT_S) is None
    desk.show(noisy(1))
    assert np.array_equal(take(camera).pixels, noisy(1))


def test_a_stuck_sensor_does_not_deliver_its_frame_again_after_a_reopening(
    desk: PicameraDesk, attach: Attach
) -> None:
    desk.sensor = Sensor.STUCK
    camera = attach()
    camera.open()
    take(camera)
    camera.close()
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is None


def test_frames_without_a_time_are_not_believed(desk: PicameraDesk, attach: Attach) -> None:
    desk.is_timed = False
    camera = attach()
    camera.open()
    assert "SensorTimestamp" in str(take_until_lost(camera))


# --- it cannot be opened -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        ModuleNotFoundError("No module named 'picamera2'"),
        ModuleNotFoundError("No module named 'libcamera'"),
        ValueError("numpy.dtype size changed, may indicate binary incompatibility"),
    ],
    ids=str,
)
def test_without_the_library_one_sentence_says_how_to_get_it_or_do_without(
    failure: Exception,
) -> None:
    def load() -> PicameraModule:
        raise failure

    camera = PiCamera(SIZE, 10.0, CLOCK, load_module=load, at_exit=lambda _: None)
    with pytest.raises(DeviceNotFound) as caught:
        camera.open()
    assert str(caught.value) == (
        f"picamera2 cannot be loaded ({failure}): apt install python3-picamera2 and make the "
        "virtual environment with --system-site-packages, or use a USB camera with "
        'scanner.camera = "v4l2"'
    )
    assert caught.value.device == "picamera2"


def test_without_a_camera_it_says_where_to_look_and_finds_one_plugged_in_later(
    desk: PicameraDesk, attach: Attach
) -> None:
    desk.is_plugged = False
    camera = attach()
    with pytest.raises(NoCamera, match=r"no camera found: .*rpicam-hello --list-cameras"):
        camera.open()
    assert desk.calls == ["global_camera_info()"]
    desk.is_plugged = True
    camera.open()
    assert take(camera).sequence == 1


def test_a_camera_of_another_process_is_named_as_such_until_that_one_ends(
    desk: PicameraDesk, attach: Attach
) -> None:
    desk.is_taken = True
    camera = attach()
    with pytest.raises(DeviceNotFound, match="in use by another process"):
        camera.open()
    desk.is_taken = False
    camera.open()
    assert take(camera).sequence == 1


def test_two_sources_in_one_process_do_not_share_the_camera(
    desk: PicameraDesk, attach: Attach
) -> None:
    first, second = attach(), attach()
    first.open()
    with pytest.raises(DeviceNotFound, match="in use"):
        second.open()
    assert take(first).sequence == 1


def test_a_usb_camera_found_by_libcamera_is_sent_to_v4l2(
    desk: PicameraDesk, attach: Attach
) -> None:
    desk.delivers = "MJPEG"
    with pytest.raises(NoCamera, match=r"MJPEG.*v4l2"):
        attach().open()
    assert desk.camera is None


@pytest.mark.parametrize("call", ["create_video_configuration", "configure", "start"])
def test_a_camera_that_fails_to_start_is_closed_again(
    desk: PicameraDesk, attach: Attach, call: str
) -> None:
    desk.failing[call] = RuntimeError("Failed to start camera: Remote I/O error.")
    camera = attach()
    with pytest.raises(DeviceNotFound, match=r"cannot be opened: .*Remote I/O error$"):
        camera.open()
    assert desk.calls[-1] == "close()"
    assert desk.camera is None
    desk.failing.clear()
    camera.open()
    assert take(camera).sequence == 1


def test_a_camera_that_starts_slowly_is_waited_for_frame_by_frame(
    desk: PicameraDesk, attach: Attach
) -> None:
    desk.hanging.add("start")
    camera = attach(HASTY)
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is None
    desk.let_go()
    assert take(camera).sequence == 1


def test_a_slow_start_that_fails_in_the_end_is_said_when_a_frame_is_asked_for(
    desk: PicameraDesk, attach: Attach
) -> None:
    desk.hanging.add("Picamera2")
    camera = attach(HASTY)
    camera.open()
    wait_for(lambda: "Picamera2()" in desk.calls)
    desk.is_plugged = False  # so it fails once it goes on
    desk.let_go()
    assert isinstance(take_until_lost(camera), DeviceNotFound)
    with pytest.raises(DeviceLost, match="did not start"):
        camera.next_frame(MOST_S)


# --- it stops delivering -------------------------------------------------------------------------


def test_a_camera_without_frames_is_lost_and_a_new_one_is_opened_when_they_are_back(
    desk: PicameraDesk, attach: Attach
) -> None:
    camera = attach(QUICK)
    desk.sensor = Sensor.SILENT
    camera.open()
    failure = take_until_lost(camera)
    assert isinstance(failure, DeviceLost)
    assert "delivers no frames for 0.05 s: check the ribbon cable" in str(failure)
    camera.close()
    camera.open()
    desk.sensor = Sensor.RUNNING

    def delivers() -> bool:
        try:
            return camera.next_frame(MOST_S) is not None
        except DeviceLost:  # a wait as short as this one may be too short for a busy machine
            camera.close()
            camera.open()
            return False

    wait_for(delivers)
    assert desk.calls[:9] == [
        "global_camera_info()",
        "Picamera2()",
        "create_video_configuration()",
        "configure()",
        "start()",
        "capture_request(wait=0.05)",
        "cancel_all_and_flush()",
        "close()",
        "global_camera_info()",
    ]


def test_a_short_wait_in_vain_leaves_the_capture_where_it_is(
    desk: PicameraDesk, attach: Attach
) -> None:
    camera = attach()
    desk.sensor = Sensor.SILENT
    camera.open()
    assert [camera.next_frame(0.0) for _ in range(5)] == [None] * 5
    desk.sensor = Sensor.RUNNING
    take(camera)
    assert desk.calls.count("capture_request(wait=2)") == 1
    assert desk.camera is not None
    wait_for(lambda: desk.camera is not None and desk.camera.free_buffers == 4)


def test_an_error_of_the_library_is_a_lost_camera(desk: PicameraDesk, attach: Attach) -> None:
    camera = attach()
    camera.open()
    desk.failing["capture_request"] = RuntimeError("Camera has been closed")
    with pytest.raises(DeviceLost, match="Raspberry Pi camera failed: Camera has been closed"):
        camera.next_frame(MOST_S)


def test_a_camera_that_does_not_close_cleanly_is_one_warning(
    desk: PicameraDesk, attach: Attach, caplog: pytest.LogCaptureFixture
) -> None:
    camera = attach()
    camera.open()
    desk.failing["close"] = RuntimeError("Closing failed")
    camera.close()
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.WARNING, "the Raspberry Pi camera did not close cleanly: Closing failed")
    ]
