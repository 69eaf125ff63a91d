"""Drift: what a reference plate says, and what the people last admitted say. Pure.

Two independent witnesses. The plate is a measurement: what the thermometer shows too much of it
is taken off every reading, up to a limit. The people are a suspicion: their median raises an alarm,
and may correct slowly if the configuration says so. Only people below the threshold count, so that
a fever is never learned; the correction moves by at most RATE_C_PER_H and never beyond LIMIT_C, so
that neither a bus of feverish people nor a cold morning becomes normal within a day.
"""

from __future__ import annotations

import statistics
from collections import deque

from gated.sensors.agreement import MAD_TO_SD
from gated.units import MonoSeconds

PLATE_SAMPLES = 30
PLATE_EVERY_S = 1.0
COHORT = 50
COHORT_MIN = 15
"""Fewer people than this say nothing: correction and alarm are frozen."""
RATE_C_PER_H = 0.05
LIMIT_C = 0.5
SECONDS_AN_HOUR = 3_600.0
SETTLED_SD_C = 0.9
"""Robust standard deviation of body temperatures above which the faces are not settled: a forehead
spot alone spreads by 0.64 °C (study, docs/drivers.md); faces just come in from the cold by 1.45
(Dzien 2020)."""


class PlateWatch:
    """What a thermometer shows too much of its reference plate."""

    def __init__(self) -> None:
        self._errors_c: deque[float] = deque(maxlen=PLATE_SAMPLES)
        self._seen_at: MonoSeconds | None = None

    def feed(self, error_c: float, at: MonoSeconds) -> None:
        """Take one look: shown minus true. Looks that follow too fast are left out."""
        if self._seen_at is None or at - self._seen_at >= PLATE_EVERY_S:
            self._errors_c.append(error_c)
            self._seen_at = at

    def error_c(self) -> float | None:
        """Return the median error of the last looks; None: not seen often enough yet."""
        if len(self._errors_c) < PLATE_SAMPLES:
            return None
        return statistics.median(self._errors_c)

    def age_s(self, at: MonoSeconds) -> float | None:
        """Return how long ago the plate was last seen; None: never."""
        return None if self._seen_at is None else at - self._seen_at


class Cohort:
    """The body temperatures of the people last admitted by one thermometer."""

    def __init__(self, expected_c: float) -> None:
        self.expected_c = expected_c
        self._bodies_c: deque[float] = deque(maxlen=COHORT)
        self._offset_c = 0.0
        self._moved_at: MonoSeconds | None = None

    def admit(self, body_c: float, at: MonoSeconds) -> None:
        """Take one admitted person, measured without the correction; move the correction on."""
        self._bodies_c.append(body_c)
        shift_c = self.shift_c()
        if shift_c is not None and self._moved_at is not None:
            # An hour at most: after a night the first people must not move it by a night's step.
            elapsed_s = min(at - self._moved_at, SECONDS_AN_HOUR)
            step_c = RATE_C_PER_H * elapsed_s / SECONDS_AN_HOUR
            wanted_c = min(max(-shift_c, -LIMIT_C), LIMIT_C)
            self._offset_c += min(max(wanted_c - self._offset_c, -step_c), step_c)
        self._moved_at = at

    def shift_c(self) -> float | None:
        """Return how far their median is from what is expected; None: too few."""
        if len(self._bodies_c) < COHORT_MIN:
            return None
        return statistics.median(self._bodies_c) - self.expected_c

    @property
    def offset_c(self) -> float:
        """The slow correction, to be added to a body temperature: −LIMIT_C … LIMIT_C."""
        return self._offset_c

    def is_unsettled(self) -> bool:
        """Return whether these people differ more than settled faces do."""
        if len(self._bodies_c) < COHORT_MIN:
            return False
        median_c = statistics.median(self._bodies_c)
        deviations_c = [abs(body_c - median_c) for body_c in self._bodies_c]
        return MAD_TO_SD * statistics.median(deviations_c) > SETTLED_SD_C
