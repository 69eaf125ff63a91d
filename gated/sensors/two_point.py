"""Calibrating one thermometer against a reference surface: when it is steady, and the line. Pure.

``true = gain · shown + offset_c``, where ``shown`` is the surface's temperature as the thermometer
has it, supply and the *reference's* emissivity taken out (``true_surface_c``). It is applied to
skin after the skin's own emissivity; that the two differ costs 3 % of the correction: 0.01 °C of
0.3.
"""

from __future__ import annotations

import enum
import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gated.errors import GatedError
from gated.sensors.calibration import ReferencePoint
from gated.sensors.port import Traits
from gated.sensors.steadiness import SECONDS_A_MINUTE, DieWatch
from gated.units import MonoSeconds

SAMPLES, WINDOW_S = 60, 60.0
"""At least so many, over at least so long: a drift of 0.2 °C/min then shows in any chip's noise."""
MIN_SAMPLES, MAX_SAMPLES = 10, 600
PACE_S = 0.5
"""No faster than this, whatever the chip can do."""
MIN_SPAN_C = 3.0
"""Two points that are nearer say nothing of a gain: 0.03 °C of noise on either would be 1 %."""
GAIN_MIN, GAIN_MAX = 0.97, 1.03
MAX_CORRECTION_C = 2.0
MAX_RESIDUAL_C = 0.15
POINT_MIN_C, POINT_MAX_C = 28.0, 45.0
"""What lies farther from a skin's 30–40 °C says nothing of it."""
MAX_DRIFT_C_PER_MIN = 0.15
MIN_SD_LIMIT_C = 0.1
SD_IN_NOISE = 2.0
PLATE_NEAR_C, MAX_PLATE_C_PER_MIN = 1.0, 0.3
"""A plate that changes faster has another temperature at its face than at its sensor."""


class NotCalibrated(GatedError):
    """What was measured is no calibration. Handled by the command line; nothing is written."""


# --- is it steady? -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """One sample of the reference."""

    shown_c: float  # emissivity and supply taken out
    reference_c: float  # the surface's true temperature
    die_c: float
    at: MonoSeconds


class Unsteady(enum.Enum):
    """Why the last looks are not yet a point."""

    PLATE = "plate"  # not yet at what was asked for, or still on its way
    FEW = "few"  # not long enough yet
    DIE = "die"  # the chip itself warms or cools
    DRIFT = "drift"
    FAR = "far"  # no thermometer is so wrong: it looks at something else
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Steadiness:
    """When looks count as steady."""

    samples: int
    period_s: float  # the bus is left quiet for so long before each
    max_sd_c: float
    max_die_c_per_min: float

    @classmethod
    def of(cls, traits: Traits, max_die_c_per_min: float, samples: int | None = None) -> Steadiness:
        """Return the limits for one thermometer variant; None: as many samples as it needs."""
        period_s = max(traits.settle_s, PACE_S)
        return cls(
            samples=samples or max(SAMPLES, math.ceil(WINDOW_S / period_s)),
            period_s=period_s,
            max_sd_c=max(MIN_SD_LIMIT_C, SD_IN_NOISE * traits.noise_c),
            max_die_c_per_min=max_die_c_per_min,
        )


class Window:
    """The last looks at one reference temperature.

    Args:
        wanted_c: what the plate is asked to come to; None: any temperature is right.
    """

    def __init__(self, limits: Steadiness, wanted_c: float | None = None) -> None:
        self._limits = limits
        self._wanted_c = wanted_c
        self._looks: deque[Look] = deque(maxlen=limits.samples)
        self._die = DieWatch()

    def feed(self, look: Look) -> None:
        self._looks.append(look)
        self._die.feed(look.die_c, look.at)

    @property
    def count(self) -> int:
        return len(self._looks)

    @property
    def die_c_per_min(self) -> float | None:
        """None: not known yet."""
        return self._die.rate_c_per_min

    @property
    def shown_c(self) -> float:
        """The mean; NaN before the first look."""
        return statistics.fmean(look.shown_c for look in self._looks) if self._looks else math.nan

    @property
    def reference_c(self) -> float:
        """The mean; NaN before the first look."""
        looks = self._looks
        return statistics.fmean(look.reference_c for look in looks) if looks else math.nan

    @property
    def sd_c(self) -> float:
        """Standard deviation of the errors; 0 before the second look."""
        return statistics.stdev(self._errors_c()) if self.count > 1 else 0.0

    @property
    def drift_c_per_min(self) -> float:
        """Least-squares slope of the errors: a plate and a reading may cool in step."""
        slope, _ = self._slope(self._errors_c())
        return slope

    def unsteady(self) -> Unsteady | None:
        """Return why these looks are no point yet; None: they are one."""
        if not self._looks:
            return Unsteady.FEW
        if self._is_plate_on_its_way():
            return Unsteady.PLATE
        limits, die_c_per_min = self._limits, self.die_c_per_min
        is_far = not abs(self.shown_c - self.reference_c) <= MAX_CORRECTION_C
        if self.count < limits.samples or die_c_per_min is None:
            return Unsteady.FAR if is_far else Unsteady.FEW
        if abs(die_c_per_min) > limits.max_die_c_per_min:
            return Unsteady.DIE
        slope, error = self._slope(self._errors_c())
        if abs(slope) > MAX_DRIFT_C_PER_MIN + error:
            return Unsteady.DRIFT
        if is_far:
            return Unsteady.FAR
        return None if self.sd_c <= limits.max_sd_c else Unsteady.NOISE

    def _is_plate_on_its_way(self) -> bool:
        references_c = [look.reference_c for look in self._looks]
        wanted_c = references_c[-1] if self._wanted_c is None else self._wanted_c
        slope, error = self._slope(references_c)
        is_near = abs(references_c[-1] - wanted_c) <= PLATE_NEAR_C
        return not is_near or abs(slope) > MAX_PLATE_C_PER_MIN + error

    def point(self) -> ReferencePoint:
        """Return the looks as one point."""
        return ReferencePoint(
            reference_c=round(self.reference_c, 3),
            shown_c=round(self.shown_c, 4),
            sd_c=round(self.sd_c, 4),
            samples=self.count,
        )

    def _errors_c(self) -> list[float]:
        return [look.shown_c - look.reference_c for look in self._looks]

    def _slope(self, values_c: Sequence[float]) -> tuple[float, float]:
        """Return the least-squares slope and its standard error, in °C/min; 0 of few looks."""
        times_s = [look.at for look in self._looks]
        count = len(times_s)
        if count < 3:  # noqa: PLR2004 - a line and what is left of it
            return 0.0, 0.0
        mean_s, mean_c = statistics.fmean(times_s), statistics.fmean(values_c)
        spread_s2 = sum((at - mean_s) ** 2 for at in times_s)
        pairs = zip(times_s, values_c, strict=True)
        slope = sum((at - mean_s) * (value - mean_c) for at, value in pairs) / spread_s2
        left_c2 = sum((value - mean_c) ** 2 for value in values_c) - slope**2 * spread_s2
        error = math.sqrt(max(left_c2, 0.0) / (count - 2) / spread_s2)
        return slope * SECONDS_A_MINUTE, error * SECONDS_A_MINUTE


# --- the line ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """``true = gain · shown + offset_c``."""

    gain: float
    offset_c: float
    residuals_c: tuple[float, ...]  # of each point: line minus reference


def fit(points: Sequence[ReferencePoint]) -> Line:
    """Return the line through the points: an offset from one, by least squares from more.

    Raises: NotCalibrated: they are too near to each other, or no sound thermometer shows that.
    """
    if not points:
        raise NotCalibrated("no point was measured")
    for point in points:
        if not abs(point.reference_c - point.shown_c) <= MAX_CORRECTION_C:
            raise NotCalibrated(
                f"at {point.reference_c:g} °C the thermometer shows {point.shown_c:.2f} °C: more "
                f"than {MAX_CORRECTION_C:g} °C off is no matter of calibration. {_LOOK_AT}"
            )
    shown_c = [point.shown_c for point in points]
    reference_c = [point.reference_c for point in points]
    mean_shown_c, mean_reference_c = statistics.fmean(shown_c), statistics.fmean(reference_c)
    gain = 1.0
    if len(points) > 1:
        span_c = max(reference_c) - min(reference_c)
        if span_c < MIN_SPAN_C:
            raise NotCalibrated(
                f"the points are {span_c:.1f} °C apart; a gain needs {MIN_SPAN_C:g} °C, better 5: "
                "take about 33 and about 38 °C, or one point alone (两点至少相差 3 °C)"
            )
        spread = sum((shown - mean_shown_c) ** 2 for shown in shown_c)
        together = sum(
            (shown - mean_shown_c) * (reference - mean_reference_c)
            for shown, reference in zip(shown_c, reference_c, strict=True)
        )
        gain = together / spread if spread > 0 else math.inf
        if not GAIN_MIN <= gain <= GAIN_MAX:
            raise NotCalibrated(
                f"a gain of {gain:.3f} is outside {GAIN_MIN:g}–{GAIN_MAX:g}. {_LOOK_AT}"
            )
    offset_c = mean_reference_c - gain * mean_shown_c
    residuals_c = tuple(
        gain * shown + offset_c - reference
        for shown, reference in zip(shown_c, reference_c, strict=True)
    )
    worst_c = max(residuals_c, key=abs)
    if abs(worst_c) > MAX_RESIDUAL_C:
        raise NotCalibrated(
            f"the points do not lie on one line: {worst_c:+.2f} °C at one of them. Was the "
            "reference still warming, or a temperature mistyped? (各点不在一条直线上)"
        )
    return Line(gain, offset_c, residuals_c)


_LOOK_AT = (
    "Does the reference fill the view (docs/drivers.md has the distances)? Is it the variant that "
    "the configuration names? Is the emissivity the reference's? "
    "(参考面是否充满视场、型号与发射率是否正确)"
)
