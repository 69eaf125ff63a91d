"""From what the chip saw to a body temperature: pure, strictly increasing, bounded.

Supply voltage, emissivity, this device's calibration, then the slope-1 rule
``body = skin + a − b · ambient``. Slope 1 is a promise: a skin that is 1 °C hotter gives a body
that is 1 °C hotter. A regression fitted by least squares would shrink every value to the mean and
find a fifth of the fevers at a forehead spot; nothing of that kind may come between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gated.errors import ConfigError
from gated.messages import Reading
from gated.sensors.port import AmbientSample, Traits
from gated.sensors.sampling import Plateau
from gated.units import KELVIN_OFFSET_K
from gated.vocabulary import Reason

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
class SiteOffset:
    """Where on the face one looks: ``body = skin + a_c − b · ambient``."""

    a_c: float
    b: float


SPOT_FOREHEAD = SiteOffset(a_c=5.64, b=0.146)
"""Fitted on 1,020 people with oral reference at 20–29 °C, camera A of PhysioNet
face-oral-temp-data 1.0.0 (doi 10.13026/3bhc-9065, CC0): mean of five forehead points. Camera B of
the same study gives 5.60 and 0.141."""


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
    """What the controller makes of the configuration, swapped as a whole on reload."""

    calibration: DeviceCalibration = field(default_factory=DeviceCalibration)
    site: SiteOffset = SPOT_FOREHEAD
    emissivity: float = 0.98  # human skin
    ambient_min_c: float = 5.0  # outside these nothing is judged
    ambient_max_c: float = 35.0
    known_ambient_min_c: float = 18.0  # outside these the fit is extrapolated, and says so
    known_ambient_max_c: float = 30.0
    ambient_max_age_s: float = 60.0
    cold_face_below_c: float = 34.5
    max_spread_c: float = 0.4  # or SPREAD_IN_NOISE times the chip's noise, if that is more
    warm_up_s: float = 900.0

    def __post_init__(self) -> None:
        """Refuse an emissivity that is none."""
        if not 0 < self.emissivity <= 1:
            raise ConfigError(f"emissivity {self.emissivity} is not above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Instrument:
    """The thermometer as compensation sees it."""

    name: str
    chip_id: str
    traits: Traits
    powered_s: float  # since when it has had power


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


def skin_c(
    object_c: float, ambient_c: float, supply_error_c: float, rules: CompensationRules
) -> float:
    """Return the skin temperature in °C, strictly increasing in ``object_c``."""
    surface_c = true_surface_c(object_c - supply_error_c, ambient_c, rules.emissivity)
    return rules.calibration.gain * surface_c + rules.calibration.offset_c


def body_c(skin: float, ambient_c: float, site: SiteOffset) -> float:
    """Return the body temperature in °C that a skin temperature stands for. Slope 1 in ``skin``."""
    return skin + site.a_c - site.b * ambient_c


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
    the limit cannot be told from a healthy face by one spot.
    """
    ambient_c = _usable_ambient_c(ambient, plateau, rules)
    skin = body = None
    if ambient_c is not None:
        skin = skin_c(plateau.object_c, ambient_c, instrument.traits.supply_error_c, rules)
        body = body_c(skin, ambient_c, rules.site)
    refusal = _refuse(body, ambient_c, plateau.spread_c, instrument, rules)
    is_known = ambient_c is not None and (
        rules.known_ambient_min_c <= ambient_c <= rules.known_ambient_max_c
    )
    return Reading(
        thermometer=instrument.name,
        taken_at=plateau.taken_at,
        body_c=body if refusal is None else None,
        skin_c=skin if skin is not None and math.isfinite(skin) else None,
        ambient_c=ambient_c,
        samples=plateau.samples,
        spread_c=plateau.spread_c,
        quality=QUALITY_GOOD if is_known else QUALITY_EXTRAPOLATED,
        calibration=rules.calibration.name,
        refusal=refusal,
    )


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
    spread_c: float,
    instrument: Instrument,
    rules: CompensationRules,
) -> Reason | None:
    """Return why this cannot be judged. Allow-list form: NaN passes no comparison."""
    if rules.calibration.chip_id not in {None, instrument.chip_id}:
        return Reason.WRONG_CALIBRATION
    if instrument.powered_s < rules.warm_up_s:
        return Reason.WARMING_UP
    if ambient_c is None:
        return Reason.NO_AMBIENT
    if not rules.ambient_min_c <= ambient_c <= rules.ambient_max_c:
        return Reason.AMBIENT_OUT_OF_RANGE
    if body is None or not body <= MAX_BODY_C:
        return Reason.SENSOR_FAULT
    if not spread_c <= max(rules.max_spread_c, SPREAD_IN_NOISE * instrument.traits.noise_c):
        return Reason.SPREAD_TOO_LARGE
    return None if body >= rules.cold_face_below_c else Reason.COLD_FACE
