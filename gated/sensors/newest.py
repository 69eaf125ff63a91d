"""The workers that keep the newest sample of a sensor beside the thermometers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from gated.clock import Clock
from gated.sensors.owner import Fitted, Publish, SensorWorker
from gated.sensors.port import AmbientSample, Device, DistanceSample
from gated.vocabulary import Reason

AMBIENT_EVERY_S = 1.0
DISTANCE_EVERY_S = 0.1
"""Somebody walking comes 7 cm nearer meanwhile."""

RECENT = 16
"""More than a thermometer leaves between two of its samples, but for optics K."""

SampleT = TypeVar("SampleT", bound=AmbientSample | DistanceSample)
SampleT_co = TypeVar("SampleT_co", covariant=True)


class Readable(Device, Protocol[SampleT_co]):
    """A device that gives samples."""

    def read(self) -> SampleT_co: ...


class NewestWorker(SensorWorker[Readable[SampleT]], Generic[SampleT]):
    """Owns one sensor and keeps its newest sample, however old: users judge its age.

    Args:
        every_s: how long the bus is left quiet before each read but the first.
    """

    def __init__(
        self, fitted: Fitted[Readable[SampleT]], *, every_s: float, clock: Clock, publish: Publish
    ) -> None:
        super().__init__(fitted, clock, publish)
        self._every_s = every_s
        self._recent: tuple[SampleT, ...] = ()  # replaced as a whole: read by other threads
        self._has_read = False

    def newest(self) -> SampleT | None:
        """Return the newest sample, or None before the first. May be called from any thread."""
        return self._recent[-1] if self._recent else None

    def recent(self) -> Sequence[SampleT]:
        """Return the last RECENT samples, oldest first. May be called from any thread."""
        return self._recent

    def _period_s(self, device: Readable[SampleT]) -> float:  # noqa: ARG002 - each alike
        return self._every_s if self._has_read else 0.0

    def _use(self, device: Readable[SampleT]) -> None:
        self._has_read = True
        self._recent = (*self._recent[1 - RECENT :], device.read())

    def _after_loss(self, reason: Reason) -> None:
        """Nothing to tell: the newest sample grows old by itself."""
