"""The threads that own a sensor: open, read at the chip's pace, lose it, find it again."""

from __future__ import annotations

import logging
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import BaseModel

from gated.clock import Clock
from gated.errors import (
    BusError,
    ChecksumError,
    DeviceError,
    DeviceLost,
    SensorFault,
)
from gated.messages import (
    DeviceChanged,
    MeasureAgain,
    PresenceEnded,
    PresenceStarted,
    Reading,
    ReadingTaken,
)
from gated.sensors.bus import I2CBus
from gated.sensors.compensation import CompensationRules, Instrument, compensate
from gated.sensors.port import (
    AmbientSample,
    AmbientSensor,
    Device,
    Driver,
    Pause,
    Thermometer,
)
from gated.sensors.sampling import Plateau, Sampling, SamplingRules
from gated.vocabulary import Reason

log = logging.getLogger(__name__)

LOST_AFTER_FAILURES = 5
LOST_AFTER_S = 1.5
"""Slow chips do not get five tries: two void samples without a good one for so long are a loss."""
SLOW_FAILURE_S = 0.5
"""So long does a read fail only on a bus that hangs: the kernel gives each message up to 1 s."""
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 10.0
WAIT_SLICE_S = 0.5  # a worker beats at least once a second
AMBIENT_EVERY_S = 1.0

SensorEvent = PresenceStarted | PresenceEnded | ReadingTaken | DeviceChanged
Publish = Callable[[SensorEvent], None]

DeviceT = TypeVar("DeviceT", bound=Device)


@dataclass(frozen=True, slots=True)
class Fitted(Generic[DeviceT]):
    """One device as the configuration describes it."""

    name: str
    driver: Driver[DeviceT]
    options: BaseModel
    open_bus: Callable[[], I2CBus]  # the worker closes what this opens


class _SensorWorker(ABC, Generic[DeviceT]):
    """Keeps one device open, and tells once when it is lost and once when it works (again).

    A void sample is counted and dropped; the fifth in a row, two or more over LOST_AFTER_S (or one
    of a bus that hangs), or a bus that has gone, lose the device, which is then closed and opened
    anew with capped back-off, for ever.
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
            while True:
                yield self._period_s(device)
                began_s = self._clock.monotonic_s()
                try:
                    self._use(device)
                except (BusError, ChecksumError, SensorFault) as exc:
                    failures += 1
                    now_s = self._clock.monotonic_s()
                    is_long = now_s - good_at_s >= LOST_AFTER_S
                    is_sure = failures > 1 or now_s - began_s >= SLOW_FAILURE_S
                    if failures >= LOST_AFTER_FAILURES or (is_long and is_sure):
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


class ThermometerWorker(_SensorWorker[Thermometer]):
    """Owns one thermometer: samples → presence and plateaus → readings.

    Whoever is owed a reading gets exactly one: a number, or the reason why there is none.

    Args:
        fitted: the device; its bus belongs to this thread alone.
        ambient: returns the newest air temperature, from any thread.
        clock: for samples and their age.
        publish: must not block.
        requests: drained before each read; those for other thermometers are dropped.
        rules: replaced by ``set_rules``.
    """

    def __init__(
        self,
        fitted: Fitted[Thermometer],
        *,
        ambient: Callable[[], AmbientSample | None],
        clock: Clock,
        publish: Publish,
        requests: queue.Queue[MeasureAgain] | queue.SimpleQueue[MeasureAgain],
        rules: CompensationRules,
    ) -> None:
        super().__init__(fitted, clock, publish)
        self._ambient = ambient
        self._requests = requests
        self._rules = rules
        self._sampling: Sampling | None = None

    def set_rules(self, rules: CompensationRules) -> None:
        """Use ``rules`` from the next plateau on. May be called from any thread."""
        self._rules = rules

    def _period_s(self, device: Thermometer) -> float:
        return device.traits.settle_s

    def _use(self, device: Thermometer) -> None:
        if self._sampling is None:
            rules = SamplingRules.for_traits(device.traits)
            self._sampling = Sampling(self._fitted.name, rules)
        if self._is_asked():
            self._sampling.measure_again()
        for finding in self._sampling.feed(device.read()):
            if isinstance(finding, Plateau):
                self._publish_reading(self._read_plateau(finding, device))
            else:
                self._publish(finding)

    def _after_loss(self, reason: Reason) -> None:
        is_owed = self._sampling is not None and self._sampling.is_owed
        if self._is_asked() or is_owed:
            now = self._clock.monotonic_s()
            self._publish_reading(
                Reading(thermometer=self._fitted.name, taken_at=now, body_c=None, refusal=reason)
            )
        if self._sampling is not None:
            self._sampling.give_up()

    def _is_asked(self) -> bool:
        is_asked = False
        while True:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return is_asked
            is_asked |= request.thermometer == self._fitted.name

    def _read_plateau(self, plateau: Plateau, device: Thermometer) -> Reading:
        instrument = Instrument(
            name=self._fitted.name,
            chip_id=device.chip_id,
            traits=device.traits,
            # The chip has its power from the board, and warms up with it.
            powered_s=self._clock.boottime_ms() / 1_000,
        )
        reading = compensate(plateau, self._ambient(), instrument, self._rules)
        if self._sampling is None:
            return reading
        return replace(reading, surroundings_c=self._sampling.surroundings_c(plateau.taken_at))

    def _publish_reading(self, reading: Reading) -> None:
        self._publish(ReadingTaken(reading, self._clock.monotonic_s()))


class AmbientWorker(_SensorWorker[AmbientSensor]):
    """Owns the ambient sensor and keeps its newest sample, however old: users judge its age."""

    def __init__(self, fitted: Fitted[AmbientSensor], *, clock: Clock, publish: Publish) -> None:
        super().__init__(fitted, clock, publish)
        self._newest: AmbientSample | None = None
        self._has_read = False

    def newest(self) -> AmbientSample | None:
        """Return the newest sample, or None before the first. May be called from any thread."""
        return self._newest

    def _period_s(self, device: AmbientSensor) -> float:  # noqa: ARG002 - every ambient sensor alike
        return AMBIENT_EVERY_S if self._has_read else 0.0

    def _use(self, device: AmbientSensor) -> None:
        self._has_read = True
        self._newest = device.read()

    def _after_loss(self, reason: Reason) -> None:
        """Nothing to tell: the newest sample grows old by itself."""


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
    if isinstance(cause, SensorFault):
        return Reason.SENSOR_FAULT
    return Reason.SENSOR_LOST
