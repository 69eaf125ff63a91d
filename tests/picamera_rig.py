"""A Raspberry Pi camera on a desk, sources attached to it, and bounded waits for both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gated.clock import Clock
from gated.errors import DeviceError
from gated.scanner.frames import Frame
from gated.scanner.pi_controls import PiOptions
from gated.scanner.sources.picamera2 import Limits, PiCamera
from gated.simulation.picamera import PicameraDesk
from tests.frame_sources import CLOCK, MOST_S, TIMEOUT_S, noisy

SHAPE = (90, 160, 3)
SIZE = (160, 90)
PATIENT = Limits()
HASTY = Limits(wait_s=TIMEOUT_S)
QUICK = Limits(frame_s=TIMEOUT_S, wait_s=TIMEOUT_S)


class Attach:
    """Makes sources on a desk; ``close`` closes them, whatever hung."""

    def __init__(self, desk: PicameraDesk) -> None:
        self._desk = desk
        self._cameras: list[PiCamera] = []
        self._hooks: list[Callable[[], None]] = []

    def __call__(
        self,
        limits: Limits = PATIENT,
        clock: Clock = CLOCK,
        *,
        options: PiOptions | None = None,
        frame_rate_hz: float = 10.0,
    ) -> PiCamera:
        camera = PiCamera(
            SIZE,
            frame_rate_hz,
            clock,
            options=options,
            load_module=self._desk.load,
            limits=limits,
            at_exit=self._hooks.append,
        )
        self._cameras.append(camera)
        return camera

    def close(self) -> None:
        self._desk.let_go()
        for camera in self._cameras:
            camera.close()


@contextmanager
def set_up_desk() -> Iterator[PicameraDesk]:
    hooks: list[Callable[[], None]] = []
    desk = PicameraDesk(at_exit=hooks.append)
    desk.show(noisy(0))
    yield desk
    desk.let_go()


def take(camera: PiCamera) -> Frame:
    """Return a frame; as long as it's bounded, how long it takes is the machine's affair."""
    for _ in range(100):
        frame = camera.next_frame(MOST_S)
        if frame is not None:
            return frame
    raise AssertionError("no frame came")


def take_until_lost(camera: PiCamera) -> DeviceError:
    """Ask for frames until the source says that it's lost."""
    for _ in range(1_000):
        try:
            camera.next_frame(MOST_S)
        except DeviceError as exc:
            return exc
    raise AssertionError("it never said so")


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline_s = CLOCK.monotonic_s() + MOST_S
    pause = threading.Event()
    while not is_so():
        assert CLOCK.monotonic_s() < deadline_s
        pause.wait(0.005)
