"""From what the chip saw to a body temperature: pure, strictly increasing, bounded.

Supply voltage, emissivity and reflection, this device's calibration, the drift that a reference
plate shows, then the slope-1 rule ``body = skin + a − b · ambient`` and, where it is switched on,
the slow correction by the people last admitted. Slope 1 is a promise: a skin that is 1 °C hotter
gives a body that is 1 °C hotter. A regression fitted by least squares would shrink every value to
the mean and find a fifth of the fevers at a forehead spot; nothing of that kind may come between.
Each step stands in the record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gated.errors import ConfigError
from gated.messages import Reading
from gated.sensors.port import AmbientSample, Traits
from gated.sensors.sampling import Plateau
from gated.sensors.site import SITES, SiteOffset, body_c
from gated.units import KELVIN_OFFSET_K
from gated.vocabulary import Reason, Site, TemperatureFlag

MIN_OBJECT_C, MAX_OBJECT_C = -100.0, 400.0
"""What any chip here can show at all."""
MAX_BODY_C = 45.0
"""No living person is this hot: a cup, a lamp, or a fault."""
SPREAD_IN_NOISE = 6.0
"""Highest minus lowest sample, in standard deviations, that chance alone exceeds in fewer than one
of 1,000 windows of up to nine samples: more is movement."""
QUALITY_GOOD = "good"
QUALITY_EXTRAPOLATED = "extrapolated"


@dataclass(frozen=True, slots=True)
class DeviceCalibration:
    """One device against a reference at two points: ``true = gain · shown + offset_c``."""

    name: str = "default"
    gain: float = 1.0
    offset_c: float = 0.0
    chip_id: str | None = None  # the chip it was taken with; None: any

    def __post_init__(self) -> None:
        """Refuse a record that could turn hotter into colder."""
        if not (self.gain > 0 and math.isfinite(self.gain) and math.isfinite(self.offset_c)):
            raise ConfigError(f"calibration {self.name}: gain must be above 0, both must be finite")


@dataclass(frozen=True, slots=True)
class CompensationRules:
    """What the controller makes of configuration and calibration for one thermometer.

    Swapped as a whole on reload.
    """

    calibration: DeviceCalibration = field(default_factory=DeviceCalibration)
    site: Site | None = None  # None: as the thermometer measures
    site_a_c: float | None = None  # None: the site's published one
    site_b: float | None = None
    emissivity: float = 0.98  # human skin
    reflected_c: float | None = None  # None: surroundings as warm as the air
    ambient_min_c: float = 5.0  # outside these nothing is judged
    ambient_max_c: float = 35.0
    known_ambient_min_c: float = 18.0  # outside these the fit is extrapolated, and says so
    known_ambient_max_c: float = 30.0
    ambient_max_age_s: float = 60.0
    cold_face_below_c: float = 34.5
    max_face_contrast_c: float = 2.0  # arrays: forehead below the face's hottest spot
    max_spread_c: float = 0.4  # or SPREAD_IN_NOISE times the chip's noise, if that is more
    warm_up_s: float = 900.0
    gradient_noted_c_per_min: float = 0.2
    gradient_refused_c_per_min: float = 1.0
    max_distance_m: float | None = None  # None: as far as a forehead fills the optics
    plate_emissivity: float = 0.95
    plate_distance_m: float | None = None  # of a spot's plate; None: it is never looked at
    plate_every_s: float = 600.0
    max_drift_c: float = 0.5
    corrects_by_cohort: bool = False
    alarms_by_cohort: bool = True
    cohort_expected_c: float = 36.85
    cohort_alarm_c: float = 0.4
    admitted_below_c: float = 37.3  # people below this teach the cohort

    def __post_init__(self) -> None:
        """Refuse an emissivity that is none."""
        if not (0 < self.emissivity <= 1 and 0 < self.plate_emissivity <= 1):
            raise ConfigError(f"emissivity {self.emissivity} is not above 0 and at most 1")

    def site_offset(self, traits: Traits) -> SiteOffset:
        """Return the way from skin to body for a thermometer of these traits."""
        published = SITES[self.site or traits.site]
        return SiteOffset(
            a_c=published.a_c if self.site_a_c is None else self.site_a_c,
            b=published.b if self.site_b is None else self.site_b,
        )


@dataclass(frozen=True, slots=True)
class Instrument:
    """The thermometer as compensation sees it, at the moment of a reading."""

    name: str
    chip_id: str
    traits: Traits
    powered_s: float  # since when it has had power
    die_rate_c_per_min: float | None = None  # None: not watched for long enough
    has_plate: bool = False
    plate_error_c: float | None = None  # shown minus true; None: not known
    plate_age_s: float | None = None  # None: never seen
    cohort_offset_c: float = 0.0  # to be added
    is_drifting: bool = False  # the people last admitted say so
    is_unsettled: bool = False


def true_surface_c(object_c: float, ambient_c: float, emissivity: float) -> float:
    """Return the surface's own temperature in °C, the reflected surroundings taken out.

    ``object_c`` is what a sensor set to emissivity 1 shows; the surroundings are taken to be as
    warm as the air. NaN where no surface could look like that.
    """
    if not MIN_OBJECT_C <= object_c <= MAX_OBJECT_C:
        return math.nan
    seen_k4 = (object_c + KELVIN_OFFSET_K) ** 4
    reflected_k4 = (1 - emissivity) * (ambient_c + KELVIN_OFFSET_K) ** 4
    own_k4 = (seen_k4 - reflected_k4) / emissivity
    return own_k4**0.25 - KELVIN_OFFSET_K if own_k4 > 0 else math.nan


def surface_c(
    object_c: float, ambient_c: float, supply_error_c: float, rules: CompensationRules
) -> float:
    """Return what the chip's reading says of the skin's own temperature, before calibration."""
    reflected_c = ambient_c if rules.reflected_c is None else rules.reflected_c
    return true_surface_c(object_c - supply_error_c, reflected_c, rules.emissivity)


def calibrated_c(surface: float, calibration: DeviceCalibration) -> float:
    """Return a surface temperature as this device's calibration has it."""
    return calibration.gain * surface + calibration.offset_c


def skin_c(
    object_c: float,
    ambient_c: float,
    supply_error_c: float,
    rules: CompensationRules,
    drift_c: float = 0.0,
) -> float:
    """Return the skin temperature in °C, strictly increasing in ``object_c``."""
    surface = surface_c(object_c, ambient_c, supply_error_c, rules)
    return calibrated_c(surface, rules.calibration) - drift_c


def plate_error_c(
    shown_c: float, plate_c: float, ambient_c: float, traits: Traits, rules: CompensationRules
) -> float:
    """Return what the thermometer shows too much of a reference plate of ``plate_c``, in °C."""
    surface = true_surface_c(shown_c - traits.supply_error_c, ambient_c, rules.plate_emissivity)
    return calibrated_c(surface, rules.calibration) - plate_c


def compensate(
    plateau: Plateau,
    ambient: AmbientSample | None,
    instrument: Instrument,
    rules: CompensationRules,
) -> Reading:
    """Return the reading that a plateau gives: a finite body temperature, or why there is none.

    The cold-face limit is compared with the *body* temperature: a raw forehead spot of 34.5 °C is
    what a healthy person shows, and the same limit on it would refuse nearly everybody. Somebody
    who has just come in from the cold shows up to 3.4 °C too little; what is left of that above
    the limit cannot be told from a healthy face by one spot. An array sees more: the forehead cools
    more than the corners of the eyes.
    """
    ambient_c = _usable_ambient_c(ambient, plateau, rules)
    surface = skin = body = offset_c = None
    drift_c = instrument.plate_error_c or 0.0
    if ambient_c is not None:
        supply_error_c = instrument.traits.supply_error_c
        surface = surface_c(plateau.object_c, ambient_c, supply_error_c, rules)
        skin = skin_c(plateau.object_c, ambient_c, supply_error_c, rules, drift_c)
        body = body_c(skin, ambient_c, rules.site_offset(instrument.traits))
        offset_c = body - skin
        if rules.corrects_by_cohort:
            body += instrument.cohort_offset_c
    refusal = _refuse(body, ambient_c, plateau, instrument, rules)
    flags = _flags(ambient_c, instrument, rules)
    return Reading(
        thermometer=instrument.name,
        taken_at=plateau.taken_at,
        body_c=body if refusal is None else None,
        object_c=plateau.object_c,
        die_c=plateau.die_c,
        surface_c=_finite(surface),
        drift_c=drift_c if instrument.has_plate else None,
        skin_c=_finite(skin),
        site_offset_c=_finite(offset_c),
        cohort_offset_c=instrument.cohort_offset_c if rules.corrects_by_cohort else None,
        forehead_c=plateau.forehead_c,
        ambient_c=ambient_c,
        distance_m=plateau.distance_m,
        samples=plateau.samples,
        spread_c=plateau.spread_c,
        quality=QUALITY_EXTRAPOLATED if TemperatureFlag.EXTRAPOLATED in flags else QUALITY_GOOD,
        flags=flags,
        calibration=rules.calibration.name,
        refusal=refusal,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _flags(
    ambient_c: float | None, instrument: Instrument, rules: CompensationRules
) -> tuple[TemperatureFlag, ...]:
    """Return what should be known of a reading that is judged all the same."""
    is_known = ambient_c is not None and (
        rules.known_ambient_min_c <= ambient_c <= rules.known_ambient_max_c
    )
    rate = instrument.die_rate_c_per_min
    age_s = instrument.plate_age_s
    told = {
        TemperatureFlag.EXTRAPOLATED: not is_known,
        TemperatureFlag.GRADIENT: rate is not None and abs(rate) > rules.gradient_noted_c_per_min,
        TemperatureFlag.REFERENCE_UNSEEN: instrument.has_plate
        and (age_s is None or age_s > rules.plate_every_s),
        TemperatureFlag.DRIFTING: instrument.is_drifting,
        TemperatureFlag.UNSETTLED: instrument.is_unsettled,
    }
    return tuple(flag for flag, is_told in told.items() if is_told)


def _usable_ambient_c(
    ambient: AmbientSample | None, plateau: Plateau, rules: CompensationRules
) -> float | None:
    if ambient is None or not math.isfinite(ambient.ambient_c):
        return None
    is_old = plateau.taken_at - ambient.taken_at > rules.ambient_max_age_s
    return None if is_old else ambient.ambient_c


def _refuse(
    body: float | None,
    ambient_c: float | None,
    plateau: Plateau,
    instrument: Instrument,
    rules: CompensationRules,
) -> Reason | None:
    """Return why this cannot be judged. Allow-list form: NaN passes no comparison."""
    traits, rate = instrument.traits, instrument.die_rate_c_per_min
    if traits.is_presence_only:
        return Reason.UNCALIBRATED
    if rules.calibration.chip_id not in {None, instrument.chip_id}:
        return Reason.WRONG_CALIBRATION
    is_settling = rate is not None and not abs(rate) <= rules.gradient_refused_c_per_min
    if instrument.powered_s < rules.warm_up_s or is_settling:
        return Reason.WARMING_UP
    if ambient_c is None:
        return Reason.NO_AMBIENT
    if not rules.ambient_min_c <= ambient_c <= rules.ambient_max_c:
        return Reason.AMBIENT_OUT_OF_RANGE
    if not abs(instrument.plate_error_c or 0.0) <= rules.max_drift_c:
        return Reason.UNCALIBRATED
    if body is None or not body <= MAX_BODY_C:
        return Reason.SENSOR_FAULT
    if not plateau.spread_c <= max(rules.max_spread_c, SPREAD_IN_NOISE * traits.noise_c):
        return Reason.SPREAD_TOO_LARGE
    if plateau.forehead_c is not None and not (
        plateau.object_c - plateau.forehead_c <= rules.max_face_contrast_c
    ):
        return Reason.COLD_FACE
    return None if body >= rules.cold_face_below_c else Reason.COLD_FACE
