"""The thread that owns one thermometer: samples → presence and plateaus → readings."""

from __future__ import annotations

import math
import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from gated.clock import Clock
from gated.errors import WrongChip
from gated.messages import DriftNoticed, MeasureAgain, Reading, ReadingTaken
from gated.sensors.compensation import CompensationRules, compensate
from gated.sensors.owner import Fitted, Publish, SensorWorker
from gated.sensors.port import AmbientSample, DistanceSample, TemperatureSample, Thermometer
from gated.sensors.sampling import Finding, Plateau, Sampling, SamplingRules, TooFar
from gated.sensors.witnesses import Witnesses
from gated.units import MonoSeconds
from gated.vocabulary import Reason, Site

LOOK_AGAIN_S = 0.13
"""A slow chip that has repeated itself is asked again this soon, against the rule of the quiet bus:
these readings only say whether it is frozen."""
PLATE_MAX_AGE_S = 10.0

Newest = Callable[[], AmbientSample | None]


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a thermometer; each may be called from its thread at any time."""

    ambient: Newest
    distances: Callable[[], Sequence[DistanceSample]] | None = None  # the last ones, oldest first
    plate: Newest | None = None  # the reference plate's own sensor


class ThermometerWorker(SensorWorker[Thermometer]):
    """Owns one thermometer.

    Whoever is owed a reading gets exactly one: a number, or the reason why there is none. Whoever
    stands too far away is told so, again and again, and is still owed one.

    Args:
        fitted: the device; its bus belongs to this thread alone.
        beside: returns the newest air temperature, distance and plate temperature.
        clock: for samples and their age.
        publish: must not block.
        requests: drained before each read; those for other thermometers are dropped.
        rules: replaced by ``set_rules``.
    """

    def __init__(
        self,
        fitted: Fitted[Thermometer],
        *,
        beside: Beside,
        clock: Clock,
        publish: Publish,
        requests: queue.Queue[MeasureAgain] | queue.SimpleQueue[MeasureAgain],
        rules: CompensationRules,
    ) -> None:
        super().__init__(fitted, clock, publish)
        self._beside = beside
        self._requests = requests
        self._rules = rules
        self._sampling: Sampling | None = None
        self._witnesses = Witnesses(has_plate=beside.plate is not None)
        self._chip_id = ""
        self._distance_at_s = -math.inf  # of the newest that was looked at
        self._was_hasty = False

    @property
    def chip_id(self) -> str:
        """The identity of the chip last seen; "" before the first. May be read from any thread."""
        return self._chip_id

    def set_rules(self, rules: CompensationRules) -> None:
        """Use ``rules`` from the next plateau on. May be called from any thread."""
        self._rules = rules

    def _greet(self, device: Thermometer) -> None:
        self._chip_id = device.chip_id
        calibration = self._rules.calibration
        if calibration.chip_id not in {None, device.chip_id}:
            name = self._fitted.name
            raise WrongChip(
                f"{name}: calibration {calibration.name} was made with chip {calibration.chip_id}, "
                f"this is {device.chip_id}: gated calibrate confirm {name}",
                device=name,
            )

    def _period_s(self, device: Thermometer) -> float:
        settle_s = device.traits.settle_s
        if self._sampling is not None and self._sampling.is_doubtful:
            self._was_hasty = settle_s > LOOK_AGAIN_S
            return min(LOOK_AGAIN_S, settle_s)
        was_hasty, self._was_hasty = self._was_hasty, False
        # The hasty look was right: keep the pace, or one chance repeat in 18 makes somebody wait.
        return settle_s - LOOK_AGAIN_S if was_hasty else settle_s

    def _use(self, device: Thermometer) -> None:
        if self._sampling is None:
            rules = SamplingRules.for_traits(device.traits)
            if self._rules.max_distance_m is not None:
                rules = replace(rules, max_distance_m=self._rules.max_distance_m)
            self._sampling = Sampling(self._fitted.name, rules)
        if self._is_asked():
            self._sampling.measure_again()
        sample = device.read()
        for finding in self._sense(self._sampling, sample, is_again=self._was_hasty):
            if isinstance(finding, Plateau):
                self._publish_reading(self._read_plateau(finding, device))
            elif isinstance(finding, TooFar):
                self._refuse(Reason.OUT_OF_DISTANCE, finding.distance_m)
            else:
                self._publish(finding)
        self._witnesses.feed(sample, sees_plate=self._sees_plate(self._sampling, device))
        self._look_at_plate(device, sample.taken_at)

    def _sense(
        self, sampling: Sampling, sample: TemperatureSample, *, is_again: bool
    ) -> Iterator[Finding]:
        """Yield what follows from one more sample, and from the distances since the last one."""
        distances = self._beside.distances() if self._beside.distances is not None else ()
        for distance in distances:
            if distance.taken_at > self._distance_at_s:
                self._distance_at_s = distance.taken_at
                yield from sampling.watch_distance(distance)
        if is_again:
            yield from sampling.look_again(sample)
        else:
            yield from sampling.feed(sample, distances[-1] if distances else None)

    def _sees_plate(self, sampling: Sampling, device: Thermometer) -> bool:
        plate_m = self._rules.plate_distance_m
        is_spot = device.traits.site is Site.FOREHEAD_SPOT
        return is_spot and plate_m is not None and sampling.sees_as_far_as(plate_m)

    def _look_at_plate(self, device: Thermometer, at: MonoSeconds) -> None:
        plate = None if self._beside.plate is None else self._beside.plate()
        ambient = self._beside.ambient()
        if plate is None or ambient is None or at - plate.taken_at > PLATE_MAX_AGE_S:
            return
        self._witnesses.look_at_plate(plate, ambient, device.traits, self._rules)
        self._tell_drift(at)

    def _after_loss(self, reason: Reason) -> None:
        is_owed = self._sampling is not None and self._sampling.is_owed
        if self._is_asked() or is_owed:
            self._refuse(reason)
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
        instrument = self._witnesses.instrument(
            self._fitted.name,
            device,
            at=plateau.taken_at,
            # The chip has its power from the board, and warms up with it.
            powered_s=self._clock.boottime_ms() / 1_000,
            rules=self._rules,
        )
        reading = compensate(plateau, self._beside.ambient(), instrument, self._rules)
        if self._beside.distances is not None and plateau.distance_m is None:
            # It stood still, but nobody knows where: the distance sensor is silent.
            reading = replace(reading, body_c=None, refusal=reading.refusal or Reason.SENSOR_LOST)
        if self._sampling is not None:
            surroundings_c = self._sampling.surroundings_c(plateau.taken_at)
            reading = replace(reading, surroundings_c=surroundings_c)
        self._witnesses.admit(reading, self._rules)
        self._tell_drift(plateau.taken_at)
        return reading

    def _tell_drift(self, at: MonoSeconds) -> None:
        change = self._witnesses.drift_change(self._rules)
        if change is not None:
            is_drifting, detail = change
            self._publish(DriftNoticed(self._fitted.name, is_drifting, detail, at))

    def _refuse(self, reason: Reason, distance_m: float | None = None) -> None:
        self._publish_reading(
            Reading(
                thermometer=self._fitted.name,
                taken_at=self._clock.monotonic_s(),
                body_c=None,
                distance_m=distance_m,
                calibration=self._rules.calibration.name,
                refusal=reason,
            )
        )

    def _publish_reading(self, reading: Reading) -> None:
        self._publish(ReadingTaken(reading, self._clock.monotonic_s()))
