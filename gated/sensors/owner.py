"""The thread that owns one sensor: open, read at the chip's pace, lose it, find it again."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from gated.clock import Clock
from gated.errors import (
    BusError,
    ChecksumError,
    DeviceError,
    DeviceLost,
    SensorFault,
    WrongChip,
)
from gated.messages import DeviceChanged, DriftNoticed, PresenceEnded, PresenceStarted, ReadingTaken
from gated.sensors.bus import I2CBus
from gated.sensors.port import Device, Driver, Pause
from gated.vocabulary import Reason

log = logging.getLogger(__name__)

LOST_AFTER_FAILURES = 5
LOST_AFTER_S = 1.5
"""Slow chips do not get five tries: two void samples without a good one for so long are a loss."""
AGAIN_S = 0.6
"""After a void sample a slow chip is asked again this soon: its loss shows within 2 s."""
SLOW_FAILURE_S = 0.5
"""So long does a read fail only on a bus that hangs: the kernel gives each message up to 1 s, and
two of them would be too long to wait for."""
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 10.0
WAIT_SLICE_S = 0.5  # a worker beats at least once a second

SensorEvent = PresenceStarted | PresenceEnded | ReadingTaken | DeviceChanged | DriftNoticed
Publish = Callable[[SensorEvent], None]

DeviceT = TypeVar("DeviceT", bound=Device)


@dataclass(frozen=True, slots=True)
class Fitted(Generic[DeviceT]):
    """One device as the configuration describes it."""

    name: str
    driver: Driver[DeviceT]
    options: BaseModel
    open_bus: Callable[[], I2CBus]  # the worker closes what this opens


class SensorWorker(ABC, Generic[DeviceT]):
    """Keeps one device open, and tells once when it is lost and once when it works (again).

    A void sample is counted and dropped; the fifth in a row, two or more over LOST_AFTER_S, one of
    a bus that hangs, or a bus that has gone, lose the device, which is then closed and opened anew
    with capped back-off, for ever.
    """

    def __init__(self, fitted: Fitted[DeviceT], clock: Clock, publish: Publish) -> None:
        self._fitted = fitted
        self._clock = clock
        self._publish = publish
        self._is_working: bool | None = None  # None: not known yet

    @abstractmethod
    def _period_s(self, device: DeviceT) -> float:
        """Return how long the bus is left quiet before each read."""

    @abstractmethod
    def _use(self, device: DeviceT) -> None:
        """Take one sample and publish what follows. Raises: DeviceError: it is void."""

    def _greet(self, device: DeviceT) -> None:
        """The device has just been opened. Raises: DeviceError: this one may not be used."""

    @abstractmethod
    def _after_loss(self, reason: Reason) -> None:
        """The device has been lost, or is still lost after one more try."""

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Work until ``stop`` is set."""
        with closing(self.steps(stop.wait)) as steps:
            for wait_s in steps:
                if _wait(stop, beat, wait_s):
                    return

    def steps(self, pause: Pause) -> Generator[float]:
        """Do one piece of work after another; yield how long to wait before each. Never ends."""
        retry_s = RETRY_FIRST_S
        while True:
            try:
                with closing(self._fitted.open_bus()) as bus:
                    yield from self._session(bus, pause)
            except DeviceError as exc:
                if self._is_working:
                    retry_s = RETRY_FIRST_S
                self._lose(exc)
            yield retry_s
            retry_s = min(2 * retry_s, RETRY_MAX_S)

    def _session(self, bus: I2CBus, pause: Pause) -> Generator[float]:
        fitted, failures = self._fitted, 0
        good_at_s = self._clock.monotonic_s()
        with fitted.driver.make(bus, fitted.options, self._clock, pause) as device:
            self._greet(device)
            while True:
                period_s = self._period_s(device)
                yield min(period_s, AGAIN_S) if failures else period_s
                began_s = self._clock.monotonic_s()
                try:
                    self._use(device)
                except (BusError, ChecksumError, SensorFault) as exc:
                    failures += 1
                    now_s = self._clock.monotonic_s()
                    is_hung = now_s - began_s >= SLOW_FAILURE_S
                    is_long = failures > 1 and now_s - good_at_s >= LOST_AFTER_S
                    if failures >= LOST_AFTER_FAILURES or is_long or is_hung:
                        raise DeviceLost(str(exc), device=fitted.name) from exc
                    log.debug("%s: void sample: %s", fitted.name, exc)
                else:
                    failures, good_at_s = 0, self._clock.monotonic_s()
                    self._find()

    def _lose(self, exc: DeviceError) -> None:
        if self._is_working is not False:
            log.warning("%s lost: %s", self._fitted.name, exc)
            self._tell(is_working=False, reason=str(exc))
        cause = exc.__cause__ if isinstance(exc, DeviceLost) else exc
        self._after_loss(_reason_of(cause))

    def _find(self) -> None:
        if self._is_working is not True:
            log.info("%s works", self._fitted.name)
            self._tell(is_working=True, reason="")

    def _tell(self, *, is_working: bool, reason: str) -> None:
        self._is_working = is_working
        now = self._clock.monotonic_s()
        self._publish(DeviceChanged(self._fitted.name, is_working, reason, now))


def _wait(stop: threading.Event, beat: Callable[[], None], wait_s: float) -> bool:
    """Wait ``wait_s`` seconds, beating; return True as soon as ``stop`` is set."""
    beat()
    while wait_s > 0 and not stop.wait(min(wait_s, WAIT_SLICE_S)):
        wait_s -= WAIT_SLICE_S
        beat()
    return stop.is_set()


def _reason_of(cause: BaseException | None) -> Reason:
    if isinstance(cause, ChecksumError):
        return Reason.CHECKSUM
    if isinstance(cause, WrongChip):
        return Reason.WRONG_CALIBRATION
    if isinstance(cause, SensorFault):
        return Reason.SENSOR_FAULT
    return Reason.SENSOR_LOST
