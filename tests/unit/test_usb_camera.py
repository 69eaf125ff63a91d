"""A USB camera: what its driver is asked for and really gives, and what of it is believed."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
import pytest

from gated.clock import Clock, FakeClock
from gated.errors import DeviceLost
from gated.scanner.frames import Region, Wish
from gated.scanner.picture import Pixels
from gated.scanner.sources.v4l2 import FAILED_READS, TIMED_OUT_AFTER_S, UsbCamera
from gated.scanner.usb_modes import MJPG, YUYV, Mode, Property, negotiate
from tests.frame_sources import (
    CLOCK,
    MOST_S,
    TIMEOUT_S,
    EndlessCapture,
    ScriptedCapture,
    noisy,
)

WANTED = Mode(160, 90, 10.0)
BY_HAND, BY_ITSELF = 1.0, 3.0


def camera_of(capture: ScriptedCapture, clock: Clock = CLOCK, wanted: Mode = WANTED) -> UsbCamera:
    return UsbCamera("/dev/video0", wanted, clock, lambda _: capture)


def code_of(pixels: str) -> float:
    return float(int.from_bytes(pixels.encode(), "little"))


class Webcam(ScriptedCapture):
    """A driver that has what it has, whatever it's asked for.

    Args:
        clock: moved by each frame.
        mode: the one it has.
        formats: the pixel formats it has.
        frames: what it delivers; None: without end.
    """

    def __init__(
        self,
        clock: FakeClock,
        mode: Mode,
        formats: Iterable[str] = (MJPG, YUYV),
        frames: Iterable[Pixels | None] | None = None,
    ) -> None:
        endless = (noisy(seed) for seed in range(1_000))
        super().__init__(endless if frames is None else frames)
        self._clock = clock
        self._interval_s = 1.0 / mode.frame_rate_hz
        self._formats = {code_of(pixels) for pixels in formats}
        self.properties = {
            Property.WIDTH: mode.width,
            Property.HEIGHT: mode.height,
            Property.FRAME_RATE: mode.frame_rate_hz,
            Property.FOURCC: code_of(YUYV),
            Property.AUTO_EXPOSURE: BY_ITSELF,
            Property.EXPOSURE: 200.0,
            Property.BUFFERS: 4.0,
        }
        self.ignores = {Property.WIDTH, Property.HEIGHT, Property.FRAME_RATE}

    def grab(self) -> bool:
        self._clock.advance(self._interval_s)
        return super().grab()

    def set(self, prop: int, value: float) -> bool:
        if prop == Property.FOURCC and value not in self._formats:
            return False
        return super().set(prop, value)

    @property
    def exposure(self) -> tuple[float, float]:
        return self.properties[Property.AUTO_EXPOSURE], self.properties[Property.EXPOSURE]


# --- what it's asked for -------------------------------------------------------------------------


def test_motion_jpeg_is_asked_for_first_and_one_buffer() -> None:
    driver = Webcam(FakeClock(), Mode(1_280, 720, 10.0))
    assert negotiate(driver, Mode(1_280, 720, 10.0)) == Mode(1_280, 720, 10.0, MJPG)
    assert driver.asked[0] == (Property.FOURCC, code_of(MJPG))
    assert driver.properties[Property.BUFFERS] == 1.0


def test_a_driver_without_motion_jpeg_is_asked_for_uncompressed_frames() -> None:
    driver = Webcam(FakeClock(), Mode(1_280, 720, 10.0), formats=[YUYV])
    assert negotiate(driver, Mode(1_280, 720, 10.0)).pixels == YUYV


@pytest.mark.parametrize(
    ("given", "level", "told"),
    [
        (Mode(640, 480, 30.0), "WARNING", "the camera gives 640 x 480 at 30 Hz MJPG"),
        (Mode(1_280, 720, 5.0), "WARNING", "the camera gives 1280 x 720 at 5 Hz MJPG"),
        (Mode(1_280, 720, 30.0), "INFO", "the camera gives 1280 x 720 at 30 Hz MJPG"),
    ],
)
def test_another_mode_than_was_asked_for_is_said_once(
    given: Mode, level: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wanted, clock = Mode(1_280, 720, 10.0), FakeClock()
    camera = UsbCamera("/dev/video0", wanted, clock, lambda _: Webcam(clock, given))
    for _ in range(2):
        camera.open()
        camera.close()
    (record,) = caplog.records
    assert record.levelname == level
    assert record.message == f"/dev/video0: asked for 1280 x 720 at 10 Hz MJPG, {told}"


def test_a_driver_that_tells_nothing_is_used_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    capture = ScriptedCapture([noisy(1)])
    camera = camera_of(capture)
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is not None
    assert "the camera gives 0 x 0 unknown" in caplog.text


# --- how often -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate_hz", "per_second"), [(30.0, 10), (15.0, 10), (10.0, 10), (5.0, 5), (60.0, 10)]
)
def test_what_is_more_than_was_asked_for_is_passed_over_undecoded(
    rate_hz: float, per_second: int
) -> None:
    clock = FakeClock()
    webcam = Webcam(clock, Mode(160, 90, rate_hz))
    camera = camera_of(webcam, clock)
    camera.open()
    began_s, frames = clock.elapsed_s, 0
    while clock.elapsed_s - began_s < 10.0:
        frames += camera.next_frame(0.0) is not None
    assert frames == pytest.approx(10 * per_second, abs=2)
    assert webcam.retrieved == frames


def test_unsteady_frames_at_the_wanted_rate_are_all_taken() -> None:
    clock = FakeClock()
    webcam = Webcam(clock, Mode(160, 90, 1_000.0))
    camera = camera_of(webcam, clock)
    camera.open()
    for late_s in (0.0, 0.02, 0.0, 0.015, 0.0, 0.02):
        webcam._interval_s = 0.09 + late_s
        assert camera.next_frame(0.0) is not None


# --- what is no frame ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [np.zeros((0, 0, 3), np.uint8), np.zeros(0, np.uint8), noisy(9, shape=(45, 160, 3))],
    ids=["without pixels", "a line of nothing", "half"],
)
def test_a_frame_of_another_size_is_none(odd: Pixels) -> None:
    clock = FakeClock()
    frames = [noisy(1), odd, noisy(2), odd, odd]
    camera = camera_of(Webcam(clock, WANTED, frames=frames), clock)
    camera.open()
    taken = [camera.next_frame(0.0) for _ in frames]
    sequences = [None if frame is None else frame.sequence for frame in taken]
    assert sequences == [1, None, 2, None, None]


def test_a_new_size_is_a_lost_camera_and_taken_once_it_is_opened_again() -> None:
    clock = FakeClock()
    small = [noisy(seed, shape=(45, 80, 3)) for seed in range(30)]
    camera = camera_of(Webcam(clock, WANTED, frames=[noisy(1), *small]), clock)
    camera.open()
    assert camera.next_frame(0.0) is not None
    for _ in range(FAILED_READS - 1):
        assert camera.next_frame(0.0) is None
    with pytest.raises(DeviceLost, match="no frames"):
        camera.next_frame(0.0)
    camera._open_capture = lambda _: Webcam(clock, WANTED, frames=small)
    camera.close()
    camera.open()
    assert camera.next_frame(0.0) is not None


def test_an_empty_first_frame_does_not_set_the_size() -> None:
    clock = FakeClock()
    frames = [np.zeros((0, 0, 3), np.uint8), noisy(1)]
    camera = camera_of(Webcam(clock, WANTED, frames=frames), clock)
    camera.open()
    assert camera.next_frame(0.0) is None
    assert camera.next_frame(0.0) is not None


def test_a_repeated_frame_is_not_believed() -> None:
    capture = EndlessCapture()
    capture.pixels = noisy(1)
    camera = camera_of(capture)
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is not None
    assert camera.next_frame(TIMEOUT_S) is None
    camera.close()
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is None, "the frame of before was taken for a new one"


def test_a_read_that_says_true_after_a_timeout_is_not_believed() -> None:
    clock = FakeClock()
    takes_s = iter([0.1, TIMED_OUT_AFTER_S, 0.1])
    pictures = [noisy(seed) for seed in range(3)]

    class SlowCapture(ScriptedCapture):
        def grab(self) -> bool:
            clock.advance(next(takes_s))
            return super().grab()

    camera = camera_of(SlowCapture(pictures), clock)
    camera.open()
    frames = [camera.next_frame(TIMEOUT_S) for _ in pictures]
    assert [None if frame is None else frame.sequence for frame in frames] == [1, None, 2]


def test_timeouts_that_say_true_are_a_lost_camera() -> None:
    clock = FakeClock()

    class TimedOutCapture(EndlessCapture):
        def grab(self) -> bool:
            clock.advance(TIMED_OUT_AFTER_S)
            self.pixels = noisy(int(clock.elapsed_s))
            return True

    camera = camera_of(TimedOutCapture(), clock)
    camera.open()
    for _ in range(FAILED_READS - 1):
        assert camera.next_frame(TIMEOUT_S) is None
    with pytest.raises(DeviceLost, match="no frames"):
        camera.next_frame(TIMEOUT_S)


def test_a_camera_without_frames_is_lost_after_some_reads_and_can_be_opened_again() -> None:
    captures = iter([ScriptedCapture([]), ScriptedCapture([noisy(1)])])
    camera = UsbCamera("/dev/video0", WANTED, CLOCK, lambda _: next(captures))
    camera.open()
    with pytest.raises(DeviceLost, match="no frames"):
        camera.next_frame(FAILED_READS * MOST_S)
    camera.close()
    camera.open()
    assert camera.next_frame(TIMEOUT_S) is not None


# --- what it attends to --------------------------------------------------------------------------


def test_a_wish_moves_the_exposure_from_what_the_camera_had_found_and_back() -> None:
    webcam = Webcam(FakeClock(), WANTED)
    camera = camera_of(webcam)
    camera.open()
    camera.attend(Wish(exposure_steps=-1.0))
    assert webcam.exposure == (BY_HAND, 100.0)
    camera.attend(Wish(exposure_steps=2.0))
    assert webcam.exposure == (BY_HAND, 800.0), "of what it had found, not of the last wish"
    camera.attend(Wish(Region(0.0, 0.0, 0.5, 0.5)))
    assert webcam.exposure[0] == BY_ITSELF
    camera.attend(None)
    assert webcam.exposure[0] == BY_ITSELF


def test_the_exposure_is_given_back_before_the_camera_is_closed() -> None:
    webcam = Webcam(FakeClock(), WANTED)
    camera = camera_of(webcam)
    camera.open()
    camera.attend(Wish(exposure_steps=-1.0))
    camera.close()
    assert webcam.exposure[0] == BY_ITSELF


def test_a_camera_that_somebody_left_at_a_fixed_exposure_is_freed_from_it() -> None:
    webcam = Webcam(FakeClock(), WANTED)
    webcam.properties[Property.AUTO_EXPOSURE] = BY_HAND
    camera_of(webcam).open()
    assert webcam.exposure[0] == BY_ITSELF


@pytest.mark.parametrize("lacks", [Property.AUTO_EXPOSURE, Property.EXPOSURE])
def test_a_driver_that_does_not_let_its_exposure_be_moved_is_left_alone(
    lacks: Property, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    webcam = Webcam(FakeClock(), Mode(160, 90, 10.0, MJPG))
    del webcam.properties[lacks]
    camera = camera_of(webcam)
    camera.open()
    for _ in range(3):
        camera.attend(Wish(exposure_steps=-1.0))
    assert webcam.properties.get(Property.AUTO_EXPOSURE, BY_ITSELF) == BY_ITSELF
    assert [record.levelno for record in caplog.records] == [logging.DEBUG]
