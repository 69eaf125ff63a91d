"""The plateau in a sliding window of samples: when the view is still, and what it then shows. Pure.

Everything that goes wrong while somebody stands there (still coming nearer, an aim that wanders off
the forehead, hair, a hand) makes a sample too cold, never too hot. So a window counts only if it is
about as hot as anything seen in the last seconds, and a spot's coldest sample is left out. Arrays
look for the forehead themselves: they lose no aim.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from gated.sensors.port import TemperatureSample, Traits
from gated.units import MonoSeconds
from gated.vocabulary import Site

FAST_PERIOD_S = 0.25
"""Chips that settle within this fill a sliding window of ``FAST_WINDOW_S``; others three points."""
FAST_WINDOW_S = 0.7
FAST_SAMPLES = 4
SLOW_SAMPLES = 3
SLOW_WINDOW = 0.95 * (SLOW_SAMPLES - 1)
"""In periods: exactly three points are enough."""
PLATEAU_NOISE_C = 0.075
"""So much may chance move the mean of a fast chip's window (standard deviation): noisy chips need
more samples."""
INSIDE_SHARE = 0.75
"""Of a window's samples: who sways at the edge of the reach is not measured by the noise of the
distance sensor."""
PEAK_S = 5.0
PEAK_NOISE = 3.5
"""Standard deviations that the hottest of a few values is above their plateau, once in 200."""
SLOPE_NOISE = 2.5
"""Standard deviations of a slope that is chance alone, once in 80."""


@dataclass(frozen=True, slots=True)
class PlateauRules:
    """What counts as standing still. Sources: docs/drivers.md."""

    noise_c: float  # standard deviation of one sample
    min_samples: int
    window_s: float
    max_deviation_c: float  # of any sample in the window from its median
    max_mad_c: float  # median absolute deviation
    peak_samples: int  # what was hottest is a mean of so many samples in a row
    max_below_peak_c: float  # below the hottest of the last PEAK_S
    coldest_left_out: int = 1
    max_fall_c_per_s: float = 0.4
    max_rise_c_per_s: float = 0.15  # stricter: who still comes nearer reads too cold
    max_shift_m: float = 0.05  # of anybody who stands

    @classmethod
    def for_traits(cls, traits: Traits) -> Self:
        """Return the rules for one thermometer variant."""
        is_fast = traits.settle_s <= FAST_PERIOD_S
        min_samples = SLOW_SAMPLES
        if is_fast:
            against_noise = math.ceil((traits.noise_c / PLATEAU_NOISE_C) ** 2)
            min_samples = max(FAST_SAMPLES, against_noise)
        peak_samples = min_samples // 2
        peak_noise_c = traits.noise_c / math.sqrt(peak_samples)
        return cls(
            noise_c=traits.noise_c,
            min_samples=min_samples,
            window_s=FAST_WINDOW_S if is_fast else SLOW_WINDOW * traits.settle_s,
            max_deviation_c=max(0.25, 5 * traits.noise_c),
            max_mad_c=max(0.2, 1.5 * traits.noise_c),
            peak_samples=peak_samples,
            max_below_peak_c=max(0.3, PEAK_NOISE * peak_noise_c),
            coldest_left_out=1 if traits.site is Site.FOREHEAD_SPOT else 0,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """A sample, and how far away was what it shows."""

    sample: TemperatureSample
    has_distance: bool = False
    distance_m: float | None = None  # None: not known, or nothing in the distance sensor's range
    is_inside: bool = True  # near enough to be measured, as far as anybody knows

    @property
    def taken_at(self) -> MonoSeconds:
        return self.sample.taken_at

    @property
    def object_c(self) -> float:
        return self.sample.object_c


@dataclass(frozen=True, slots=True)
class Plateau:
    """The view was still for one window."""

    object_c: float  # mean, of a spot without its coldest sample
    samples: int
    spread_c: float  # highest minus lowest sample
    taken_at: MonoSeconds  # of the last sample
    die_c: float = math.nan  # median
    forehead_c: float | None = None  # median of the samples that have one
    distance_m: float | None = None  # median; None: no distance was known of any sample


class PlateauWindow:
    """The last samples of whoever is present."""

    def __init__(self, rules: PlateauRules) -> None:
        self._rules = rules
        self._looks: deque[Look] = deque()
        self._recent: deque[Look] = deque()  # for the peak

    def clear(self) -> None:
        """Use none of the samples so far."""
        self._looks.clear()
        self._recent.clear()

    def take(self, look: Look) -> None:
        """Add a sample; drop what it leaves behind."""
        looks, recent = self._looks, self._recent
        recent.append(look)
        while look.taken_at - recent[0].taken_at > PEAK_S:
            recent.popleft()
        if looks and looks[-1].has_distance != look.has_distance:
            looks.clear()
        while looks and abs(_m(looks[0]) - _m(look)) > self._rules.max_shift_m:
            looks.popleft()
        looks.append(look)
        while looks and self._is_oldest_needless():
            looks.popleft()

    def _is_oldest_needless(self) -> bool:
        looks, window_s = self._looks, self._rules.window_s
        newest_s = looks[-1].taken_at
        # Void samples leave gaps; a window twice as long as meant says nothing about now.
        if not looks[0].is_inside or newest_s - looks[0].taken_at > 2 * window_s:
            return True
        later = [look for look in looks if look.is_inside][1:]
        is_enough = len(later) >= self._rules.min_samples
        return is_enough and newest_s - later[0].taken_at >= window_s

    def find(self) -> Plateau | None:
        """Return the plateau that ends with the newest sample, if the view has been still."""
        rules = self._rules
        looks = [look for look in self._looks if look.is_inside]
        if len(looks) < max(rules.min_samples, INSIDE_SHARE * len(self._looks)):
            return None
        if looks[-1].taken_at - looks[0].taken_at < rules.window_s:
            return None
        values_c = [look.object_c for look in looks]
        object_c = statistics.fmean(sorted(values_c)[rules.coldest_left_out :])
        median_c = statistics.median(values_c)
        deviations_c = [abs(value_c - median_c) for value_c in values_c]
        if not (
            self._is_level(looks)
            and statistics.median(deviations_c) < rules.max_mad_c
            and max(deviations_c) < rules.max_deviation_c
            and object_c > self._peak_c() - rules.max_below_peak_c
        ):
            return None
        samples = [look.sample for look in looks]
        return Plateau(
            object_c=object_c,
            samples=len(samples),
            spread_c=max(values_c) - min(values_c),
            taken_at=samples[-1].taken_at,
            die_c=statistics.median(sample.die_c for sample in samples),
            forehead_c=_median_of_known(sample.forehead_c for sample in samples),
            distance_m=_median_of_known(look.distance_m for look in looks),
        )

    def _peak_c(self) -> float:
        """Return the hottest mean of a few samples in a row, also from where nobody is measured."""
        seen_c = [look.object_c for look in self._recent]
        count = self._rules.peak_samples
        return max(sum(seen_c[n : n + count]) for n in range(len(seen_c) - count + 1)) / count

    def _is_level(self, looks: Sequence[Look]) -> bool:
        rules, slope = self._rules, _slope_c_per_s(looks)
        # A known distance says by itself who still comes nearer: chance alone then costs no time.
        by_chance = 0.0
        if looks[-1].has_distance:
            by_chance = SLOPE_NOISE * rules.noise_c / math.sqrt(_spread_s2(looks))
        fall, rise = max(rules.max_fall_c_per_s, by_chance), max(rules.max_rise_c_per_s, by_chance)
        return -fall < slope < rise


def _slope_c_per_s(looks: Sequence[Look]) -> float:
    """Return the least-squares slope of a window, which spans more than no time."""
    mean_s = statistics.fmean(look.taken_at for look in looks)
    mean_c = statistics.fmean(look.object_c for look in looks)
    upper = sum((look.taken_at - mean_s) * (look.object_c - mean_c) for look in looks)
    return upper / _spread_s2(looks)


def _spread_s2(looks: Iterable[Look]) -> float:
    times_s = [look.taken_at for look in looks]
    mean_s = statistics.fmean(times_s)
    return sum((at_s - mean_s) ** 2 for at_s in times_s)


def _median_of_known(values: Iterable[float | None]) -> float | None:
    known: Sequence[float] = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _m(look: Look) -> float:
    """Return the distance; one number for everybody of whom none is known."""
    return 0.0 if look.distance_m is None else look.distance_m
