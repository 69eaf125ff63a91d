"""Presence and plateau from a stream of samples: pure, no device, no clock.

A person who walks up warms the view until they stand still; what is wanted is the temperature on
that plateau. First sample, mean and maximum were compared on simulated approaches and are wrong by
−9, −1.3 and +0.2 °C; the plateau by less than 0.05 °C (docs/drivers.md).

Two limits by design: whoever does not look at least 30 °C warm is not seen as a person (clothing of
a tall person before the low thermometer should not be one; above an ambient of about 26 °C it may
be, and then reads as a cold face), and a background hotter than a face hides people.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass
from typing import Self

from gated.errors import SensorFault
from gated.messages import PresenceEnded, PresenceStarted
from gated.sensors.port import TemperatureSample, Traits
from gated.units import MonoSeconds

FAST_PERIOD_S = 0.25
"""Chips that settle within this fill a sliding window of ``FAST_WINDOW_S``; others three points."""
FAST_WINDOW_S = 0.8
FAST_MIN_SAMPLES = 4
SLOW_MIN_SAMPLES = 3
BACKGROUND_EVERY_S = 1.0
BACKGROUND_SAMPLES = 30
SURROUNDINGS_SAMPLES = 3
SURROUNDINGS_MAX_AGE_S = 30.0
"""What was seen with nobody there says nothing about the light much later."""
STUCK_SAMPLES = 30
"""Identical readings in a row that no working chip gives: even a noise of only 1.5 steps of 0.02 K
repeats itself thirty times less than once in a thousand years."""


@dataclass(frozen=True, slots=True)
class SamplingRules:
    """What counts as a person, and as standing still. Sources: docs/drivers.md."""

    presence_samples: int
    min_samples: int
    window_s: float
    presence_rise_c: float  # above the background
    max_deviation_c: float  # of any sample in the window from its median
    presence_min_c: float = 30.0
    leave_drop_c: float = 1.5  # below the threshold of coming
    leave_s: float = 0.5
    exchange_drop_c: float = 2.0  # below their own plateau: they left, or somebody else came
    turning_away_c: float = 0.5  # from one sample to the next: somebody goes
    max_fall_c_per_s: float = 0.4
    max_rise_c_per_s: float = 0.25  # stricter: who still comes nearer reads too cold
    max_mad_c: float = 0.2  # median absolute deviation

    @classmethod
    def for_traits(cls, traits: Traits) -> Self:
        """Return the rules for one thermometer variant."""
        is_fast = traits.settle_s <= FAST_PERIOD_S
        return cls(
            presence_samples=3 if is_fast else 2,
            min_samples=FAST_MIN_SAMPLES if is_fast else SLOW_MIN_SAMPLES,
            # slightly less than two periods, so that exactly three points are enough
            window_s=FAST_WINDOW_S if is_fast else (SLOW_MIN_SAMPLES - 1) * traits.settle_s * 0.95,
            presence_rise_c=max(3.0, 6 * traits.noise_c),
            max_deviation_c=max(0.25, 5 * traits.noise_c),
        )


@dataclass(frozen=True, slots=True)
class Plateau:
    """The view was still for one window."""

    object_c: float  # the higher of the medians of the window and of its newer half
    samples: int
    spread_c: float  # highest minus lowest sample
    taken_at: MonoSeconds  # of the last sample


Finding = PresenceStarted | PresenceEnded | Plateau


class Sampling:
    """Finds people and plateaus in the samples of one thermometer.

    One plateau is found for each presence as soon as one holds, and one more, sharing no sample
    with any before, for each ``measure_again``.
    """

    def __init__(self, thermometer: str, rules: SamplingRules) -> None:
        self._thermometer = thermometer
        self._rules = rules
        self._window: deque[TemperatureSample] = deque()
        self._background: deque[float] = deque(maxlen=BACKGROUND_SAMPLES)
        self._background_at: MonoSeconds | None = None
        self._is_present = False
        self._is_owed = False
        self._threshold_c = rules.presence_min_c
        self._plateau_c: float | None = None  # of whoever is present
        self._before_c = -math.inf  # the sample before, for telling coming from going
        self._warm_samples = 0
        self._last_warm_at: MonoSeconds | None = None
        self._last_c: float | None = None
        self._repeats = 0

    @property
    def is_present(self) -> bool:
        """Whether somebody stands there."""
        return self._is_present

    @property
    def is_owed(self) -> bool:
        """Whether somebody stands there who still waits for a plateau."""
        return self._is_present and self._is_owed

    def surroundings_c(self, at: MonoSeconds) -> float | None:
        """Return the coldest view of the last seconds before ``at`` with nobody there, or None.

        The coldest: somebody who is still on the way warms the last one or two.
        """
        if self._background_at is None or at - self._background_at > SURROUNDINGS_MAX_AGE_S:
            return None
        return min(list(self._background)[-SURROUNDINGS_SAMPLES:])

    def measure_again(self) -> None:
        """Find one more plateau of whoever is present, from samples yet to come."""
        if self._is_present:
            self._window.clear()
            self._is_owed = True

    def give_up(self) -> None:
        """The sensor was lost: drop the samples before the gap; nothing more is owed."""
        self._window.clear()
        self._is_owed = False

    def feed(self, sample: TemperatureSample) -> tuple[Finding, ...]:
        """Take one good sample and return what follows from it.

        Raises: SensorFault: the chip repeats one value.
        """
        self._watch_for_repeats(sample.object_c)
        if self._is_present:
            return self._feed_present(sample)
        return self._feed_absent(sample)

    def _feed_absent(self, sample: TemperatureSample) -> tuple[Finding, ...]:
        self._threshold_c = self._presence_threshold_c()
        before_c, self._before_c = self._before_c, sample.object_c
        if sample.object_c < self._threshold_c:
            self._warm_samples = 0
            self._window.clear()
            self._learn_background(sample)
            return ()
        if sample.object_c < before_c - self._rules.turning_away_c:
            self._warm_samples = 0  # somebody on the way out; who comes gets warmer
            self._window.clear()
            return ()
        self._warm_samples += 1
        self._last_warm_at = sample.taken_at
        self._window.append(sample)
        if self._warm_samples < self._rules.presence_samples:
            return ()
        self._is_present = self._is_owed = True
        started = PresenceStarted(self._thermometer, sample.taken_at)
        return (started, *self._find_plateau())

    def _feed_present(self, sample: TemperatureSample) -> tuple[Finding, ...]:
        if self._plateau_c is not None and self._has_moved_off(sample.object_c, self._plateau_c):
            return (self._end_presence(sample),)
        if sample.object_c >= self._threshold_c - self._rules.leave_drop_c:
            self._last_warm_at = sample.taken_at
            self._window.append(sample)
            return self._find_plateau()
        self._window.clear()
        # Slow chips see one person leave and the next one come within two samples: a single cold
        # one must do. Missing an exchange would let somebody in on another's temperature.
        if (
            self._last_warm_at is not None
            and sample.taken_at - self._last_warm_at < self._rules.leave_s
        ):
            return ()
        return (self._end_presence(sample),)

    def _has_moved_off(self, object_c: float, plateau_c: float) -> bool:
        """Return whether this can no longer be whoever was measured.

        The next in a queue is warm, too, but fills less of the view while they come up: a spot of
        5° has them 2 °C below their own plateau until about 1 m. Without this, who steps in behind
        somebody who leaves would be let in on that person's temperature.
        """
        return object_c < plateau_c - self._rules.exchange_drop_c

    def _end_presence(self, sample: TemperatureSample) -> PresenceEnded:
        self._is_present = self._is_owed = False
        self._plateau_c = None
        self._warm_samples = 0
        self._before_c = sample.object_c
        self._window.clear()
        return PresenceEnded(self._thermometer, sample.taken_at)

    def _find_plateau(self) -> tuple[Plateau, ...]:
        rules, window = self._rules, self._window
        while len(window) > rules.min_samples and (
            window[-1].taken_at - window[1].taken_at >= rules.window_s
        ):
            window.popleft()
        span_s = window[-1].taken_at - window[0].taken_at
        # Void samples leave gaps; a window twice as long as meant says nothing about now.
        if len(window) < rules.min_samples or not rules.window_s <= span_s <= 2 * rules.window_s:
            return ()
        values_c = [sample.object_c for sample in window]
        median_c = statistics.median(values_c)
        deviations_c = [abs(value_c - median_c) for value_c in values_c]
        is_still = (
            -rules.max_fall_c_per_s < slope_c_per_s(window) < rules.max_rise_c_per_s
            and statistics.median(deviations_c) < rules.max_mad_c
            and max(deviations_c) < rules.max_deviation_c
        )
        if not (self._is_owed and is_still):
            return ()
        self._is_owed = False
        # The approach leaves the older half too cold, never too hot: the higher median is nearer.
        newer_c = statistics.median(values_c[len(values_c) // 2 :])
        spread_c = max(values_c) - min(values_c)
        plateau = Plateau(max(median_c, newer_c), len(window), spread_c, window[-1].taken_at)
        window.clear()
        self._plateau_c = plateau.object_c
        return (plateau,)

    def _presence_threshold_c(self) -> float:
        if not self._background:
            # Whatever is in view at the start is the background: a wall in the sun must not pass
            # for a person. Somebody who stands there already is seen once they have stepped away.
            return math.inf
        # The lower quartile: somebody who stood there at the start is outvoted in seconds.
        background_c = sorted(self._background)[len(self._background) // 4]
        return max(self._rules.presence_min_c, background_c + self._rules.presence_rise_c)

    def _learn_background(self, sample: TemperatureSample) -> None:
        if (
            self._background_at is None
            or sample.taken_at - self._background_at >= BACKGROUND_EVERY_S
        ):
            self._background.append(sample.object_c)
            self._background_at = sample.taken_at

    def _watch_for_repeats(self, object_c: float) -> None:
        self._repeats = self._repeats + 1 if object_c == self._last_c else 1
        self._last_c = object_c
        if self._repeats >= STUCK_SAMPLES:
            raise SensorFault(
                f"{self._thermometer}: {object_c:.2f} °C {self._repeats} times in a row: stuck",
                device=self._thermometer,
            )


def slope_c_per_s(window: deque[TemperatureSample]) -> float:
    """Return the least-squares slope of ``window``, which spans more than no time, in °C/s."""
    mean_s = statistics.fmean(sample.taken_at for sample in window)
    mean_c = statistics.fmean(sample.object_c for sample in window)
    upper = sum((s.taken_at - mean_s) * (s.object_c - mean_c) for s in window)
    return upper / sum((s.taken_at - mean_s) ** 2 for s in window)
