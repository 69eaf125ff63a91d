"""The stand-in for picamera2 keeps to the library's rules."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from gated.scanner.picture import Pixels, to_grey
from gated.simulation.picamera import (
    FOCUS_LIMITS,
    LIMITS,
    PicameraDesk,
    Sensor,
    SimulatedCamera,
    SimulatedRequest,
)
from tests.frame_sources import MOST_S, TIMEOUT_S, noisy
from tests.picamera_rig import SIZE, set_up_desk, wait_for


@pytest.fixture
def desk() -> Iterator[PicameraDesk]:
    with set_up_desk() as made:
        yield made


def opened(desk: PicameraDesk, *, queue: bool = False) -> SimulatedCamera:
    """Return a started camera of the desk's module, taken without the source."""
    camera = desk.load().Picamera2()
    main = {"format": "RGB888", "size": SIZE}
    camera.configure(camera.create_video_configuration(main, buffer_count=4, queue=queue))
    camera.start()
    return camera


def map_main(desk: PicameraDesk, request: SimulatedRequest) -> Pixels:
    with desk.load().MappedArray(request, "main", write=False) as mapped:
        assert mapped.array is not None
        return mapped.array


def test_a_capture_that_timed_out_swallows_a_late_frame_and_its_buffer(desk: PicameraDesk) -> None:
    desk.sensor = Sensor.SILENT
    camera = opened(desk)
    for _ in range(4):
        with pytest.raises(TimeoutError):
            camera.capture_request(wait=0.0)
    assert camera.free_buffers == 4
    desk.sensor = Sensor.RUNNING
    wait_for(lambda: camera.free_buffers == 0)
    with pytest.raises(TimeoutError):
        camera.capture_request(wait=TIMEOUT_S)
    camera.close()


def test_a_kept_frame_is_an_old_frame(desk: PicameraDesk) -> None:
    camera = opened(desk, queue=True)
    wait_for(lambda: camera.free_buffers == 3)
    desk.sensor = Sensor.SILENT
    desk.show(noisy(1))
    request = camera.capture_request(wait=MOST_S)
    assert np.array_equal(map_main(desk, request), noisy(0))
    camera.close()


def test_an_array_kept_beyond_release_is_written_over(desk: PicameraDesk) -> None:
    camera = opened(desk)
    request = camera.capture_request(wait=MOST_S)
    kept = map_main(desk, request)
    assert np.array_equal(kept, noisy(0))
    assert not kept.flags.c_contiguous, "the lines are padded"
    desk.sensor = Sensor.SILENT
    request.release()
    assert not np.array_equal(kept, noisy(0))
    with pytest.raises(KeyError):
        map_main(desk, request)
    with pytest.raises(RuntimeError, match="ref_count"):
        request.release()
    camera.close()


def test_bgr888_lies_in_memory_as_red_green_blue(desk: PicameraDesk) -> None:
    camera = desk.load().Picamera2()
    camera.configure(camera.create_video_configuration({"format": "BGR888", "size": SIZE}))
    camera.start()
    pixels = map_main(desk, camera.capture_request(wait=MOST_S))
    assert np.array_equal(pixels, noisy(0)[..., ::-1])
    camera.close()


def test_yuv420_begins_with_the_brightness_and_keeps_its_padding(desk: PicameraDesk) -> None:
    camera = desk.load().Picamera2()
    camera.configure(camera.create_video_configuration({"format": "YUV420", "size": SIZE}))
    camera.start()
    array = map_main(desk, camera.capture_request(wait=MOST_S))
    assert array.shape == (135, 192), "3/2 of 90 lines, each padded to 64 bytes"
    assert np.array_equal(array[:90, :160], to_grey(noisy(0)))
    assert (array[90:] == 128).all()
    camera.close()


def test_controls_go_out_with_the_next_request_that_is_given_back(desk: PicameraDesk) -> None:
    camera = opened(desk)
    request = camera.capture_request(wait=MOST_S)
    camera.set_controls({"ExposureValue": 1.0})
    assert desk.in_force == {"FrameDurationLimits": (33_333, 33_333)}
    desk.sensor = Sensor.SILENT
    request.release()
    assert desk.in_force["ExposureValue"] == 1.0
    camera.close()


@pytest.mark.parametrize(
    ("controls", "error"),
    [
        ({"AfMode": 9}, ValueError),
        ({"ExposureValue": 8.1}, ValueError),
        ({"FrameDurationLimits": (1, 33_333)}, ValueError),
        ({"AfWindows": [(0, 0, 70_000, 10)]}, ValueError),
        ({"Brightness": 1.0}, RuntimeError),
    ],
)
def test_controls_that_are_unknown_or_out_of_their_limits_are_refused(
    desk: PicameraDesk, controls: dict[str, object], error: type[Exception]
) -> None:
    desk.controls = {**LIMITS, **FOCUS_LIMITS}
    camera = opened(desk)
    with pytest.raises(error):
        camera.set_controls(controls)
    camera.close()


def test_stopping_waits_behind_a_queued_capture_and_closing_does_not(desk: PicameraDesk) -> None:
    desk.sensor = Sensor.SILENT
    camera = opened(desk)
    with pytest.raises(TimeoutError):
        camera.capture_request(wait=0.0)
    stopping = threading.Thread(target=camera.stop, daemon=True)
    stopping.start()
    stopping.join(TIMEOUT_S)
    assert stopping.is_alive()
    camera.cancel_all_and_flush()
    stopping.join(MOST_S)
    assert not stopping.is_alive()
    camera.close()
    camera = opened(desk)
    with pytest.raises(TimeoutError):
        camera.capture_request(wait=0.0)
    camera.close()
    assert desk.camera is None


def test_a_second_owner_learns_why_only_from_the_cause(desk: PicameraDesk) -> None:
    camera = desk.load().Picamera2()
    with pytest.raises(RuntimeError, match="sequence did not complete") as caught:
        desk.load().Picamera2()
    assert str(caught.value.__cause__) == "Failed to acquire camera: Device or resource busy"
    camera.close()


def test_what_the_library_refuses_is_refused(desk: PicameraDesk) -> None:
    desk.is_plugged = False
    with pytest.raises(RuntimeError, match="No camera number 0 found"):
        desk.load().Picamera2()
    desk.is_plugged = True
    camera = desk.load().Picamera2()
    with pytest.raises(RuntimeError, match="has not been configured"):
        camera.start()
    main = {"format": "RGB888", "size": SIZE}
    with pytest.raises(RuntimeError, match="AfMode is not advertised"):
        camera.configure(camera.create_video_configuration(main, controls={"AfMode": 2}))
    camera.configure(camera.create_video_configuration(main))
    camera.start()
    with pytest.raises(RuntimeError, match="must be stopped"):
        camera.configure(camera.create_video_configuration(main))
    camera.close()
