"""What speaks for or against one thermometer while it works: its die, a plate, the people. Pure."""

from __future__ import annotations

from gated.messages import Reading
from gated.sensors.compensation import CompensationRules, Instrument, plate_error_c
from gated.sensors.drift import Cohort, PlateWatch
from gated.sensors.port import AmbientSample, TemperatureSample, Thermometer, Traits
from gated.sensors.steadiness import DieWatch
from gated.units import MonoSeconds

CALM_SHARE = 0.5
"""An alarm ends when half of its limit is reached: at the limit itself it would flicker."""


class Witnesses:
    """One thermometer's, over all the people it measures."""

    def __init__(self, *, has_plate: bool) -> None:
        self._has_plate = has_plate
        self._die = DieWatch()
        self._plate = PlateWatch()
        self._plate_scale: tuple[object, ...] = ()
        self._cohort: Cohort | None = None
        self._scale: tuple[object, ...] = ()
        self._plate_shown: tuple[float, MonoSeconds] | None = None
        self._is_drifting = False

    def feed(self, sample: TemperatureSample, *, sees_plate: bool) -> None:
        """Take one sample. ``sees_plate``: a spot whose view is known to be the plate's alone."""
        self._die.feed(sample.die_c, sample.taken_at)
        shown_c = sample.reference_c
        if shown_c is None and sees_plate:
            shown_c = sample.object_c
        self._plate_shown = None if shown_c is None else (shown_c, sample.taken_at)

    def look_at_plate(
        self, plate: AmbientSample, ambient: AmbientSample, traits: Traits, rules: CompensationRules
    ) -> None:
        """Compare what the last sample shows of the plate with the plate's own sensor."""
        if self._plate_shown is None:
            return
        shown_c, at = self._plate_shown
        error_c = plate_error_c(shown_c, plate.ambient_c, ambient.ambient_c, traits, rules)
        self._plate_under(rules).feed(error_c, at)

    def _plate_under(self, rules: CompensationRules) -> PlateWatch:
        """Return the looks at the plate; those under another calibration say nothing under this."""
        scale = (rules.calibration, rules.plate_emissivity)
        if self._plate_scale != scale:
            self._plate, self._plate_scale = PlateWatch(), scale
        return self._plate

    def admit(self, reading: Reading, rules: CompensationRules) -> None:
        """Let the cohort learn from somebody below the threshold; from nobody else."""
        scale = (rules.cohort_expected_c, rules.calibration, rules.site_a_c, rules.site_b)
        if self._cohort is None or self._scale != scale:
            # People on another scale say nothing about this one.
            self._cohort, self._scale = Cohort(rules.cohort_expected_c), scale
        if reading.body_c is None or not reading.body_c < rules.admitted_below_c:
            return
        self._cohort.admit(reading.body_c - (reading.cohort_offset_c or 0.0), reading.taken_at)

    def instrument(
        self,
        name: str,
        device: Thermometer,
        *,
        at: MonoSeconds,
        powered_s: float,
        rules: CompensationRules,
    ) -> Instrument:
        """Return the thermometer as compensation sees it at this moment."""
        cohort, plate_watch = self._cohort, self._plate_under(rules)
        return Instrument(
            name=name,
            chip_id=device.chip_id,
            traits=device.traits,
            powered_s=powered_s,
            die_rate_c_per_min=self._die.rate_c_per_min,
            has_plate=self._has_plate,
            plate_error_c=plate_watch.error_c(),
            plate_age_s=plate_watch.age_s(at),
            cohort_offset_c=0.0 if cohort is None else cohort.offset_c,
            is_drifting=rules.alarms_by_cohort and self._is_drifting,
            is_unsettled=cohort is not None and cohort.is_unsettled(),
        )

    def drift_change(self, rules: CompensationRules) -> tuple[bool, str] | None:
        """Return (whether it drifts now, in words) when that has changed, else None."""
        suspects = [
            ("reference plate", self._plate_under(rules).error_c(), rules.max_drift_c),
            ("people", self._cohort_shift_c(rules), rules.cohort_alarm_c),
        ]
        limit = CALM_SHARE if self._is_drifting else 1.0
        told = [
            f"{name} {error_c:+.2f} °C"
            for name, error_c, most_c in suspects
            if error_c is not None and abs(error_c) > limit * most_c
        ]
        if bool(told) == self._is_drifting:
            return None
        self._is_drifting = bool(told)
        return self._is_drifting, "; ".join(told)

    def _cohort_shift_c(self, rules: CompensationRules) -> float | None:
        if self._cohort is None or not rules.alarms_by_cohort:
            return None
        return self._cohort.shift_c()
