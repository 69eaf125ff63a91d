"""What speaks for or against a thermometer while it works."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.messages import Reading
from gated.sensors.compensation import CompensationRules, DeviceCalibration, Instrument
from gated.sensors.drift import COHORT_MIN, PLATE_SAMPLES
from gated.sensors.port import AmbientSample, TemperatureSample, Traits
from gated.sensors.witnesses import Witnesses
from gated.units import MonoSeconds

RULES = CompensationRules(plate_emissivity=1.0)
TRAITS = Traits(fov_deg=5.0, settle_s=0.65, noise_c=0.10, supply_error_c=0.0)


class Chip:
    chip_id = "00ab"
    traits = TRAITS


def sample(
    at_s: float, object_c: float = 22.0, reference_c: float | None = None
) -> TemperatureSample:
    return TemperatureSample(object_c, 25.0, MonoSeconds(at_s), reference_c=reference_c)


def air(celsius: float, at_s: float) -> AmbientSample:
    return AmbientSample(celsius, None, MonoSeconds(at_s))


def look(witnesses: Witnesses, shown_c: float, plate_c: float, *, sees_plate: bool = True) -> None:
    for second in range(PLATE_SAMPLES):
        witnesses.feed(sample(second, shown_c), sees_plate=sees_plate)
        witnesses.look_at_plate(air(plate_c, second), air(22.0, second), TRAITS, RULES)


def instrument(
    witnesses: Witnesses, rules: CompensationRules = RULES, at_s: float = 31.0
) -> Instrument:
    return witnesses.instrument(
        "adult",
        Chip(),  # type: ignore[arg-type] # what a thermometer says of itself
        at=MonoSeconds(at_s),
        powered_s=9_999.0,
        rules=rules,
    )


def admit(
    witnesses: Witnesses, body_c: float, count: int = COHORT_MIN, rules: CompensationRules = RULES
) -> None:
    for second in range(count):
        witnesses.admit(Reading("adult", MonoSeconds(second * 60.0), body_c), rules)


def test_a_spot_sees_the_plate_while_nothing_stands_before_it() -> None:
    witnesses = Witnesses(has_plate=True)
    look(witnesses, 35.4, 35.0)
    assert instrument(witnesses).plate_error_c == pytest.approx(0.4)
    assert instrument(witnesses).plate_age_s == pytest.approx(2.0)


def test_what_stands_before_the_plate_is_no_plate() -> None:
    witnesses = Witnesses(has_plate=True)
    look(witnesses, 34.0, 35.0, sees_plate=False)
    assert instrument(witnesses).plate_error_c is None
    assert instrument(witnesses).plate_age_s is None


def test_an_array_sees_the_plate_beside_a_person() -> None:
    witnesses = Witnesses(has_plate=True)
    for second in range(PLATE_SAMPLES):
        witnesses.feed(sample(second, 34.0, reference_c=35.2), sees_plate=False)
        witnesses.look_at_plate(air(35.0, second), air(22.0, second), TRAITS, RULES)
    assert instrument(witnesses).plate_error_c == pytest.approx(0.2)


def test_an_array_that_is_not_told_where_the_plate_stands_sees_none() -> None:
    witnesses = Witnesses(has_plate=True)
    for second in range(PLATE_SAMPLES):
        witnesses.feed(sample(second, 22.0), sees_plate=False)
        witnesses.look_at_plate(air(35.0, second), air(22.0, second), TRAITS, RULES)
    assert instrument(witnesses).plate_error_c is None


def test_a_drift_is_told_once_and_its_end_once() -> None:
    witnesses = Witnesses(has_plate=True)
    look(witnesses, 35.2, 35.0)
    assert witnesses.drift_change(RULES) is None
    look(witnesses, 35.7, 35.0)
    assert witnesses.drift_change(RULES) is None  # the looks of the same seconds are left out
    for second in range(100, 100 + PLATE_SAMPLES):
        witnesses.feed(sample(second, 35.7), sees_plate=True)
        witnesses.look_at_plate(air(35.0, second), air(22.0, second), TRAITS, RULES)
    assert witnesses.drift_change(RULES) == (True, "reference plate +0.70 °C")
    assert witnesses.drift_change(RULES) is None
    for second in range(200, 200 + PLATE_SAMPLES):
        witnesses.feed(sample(second, 35.1), sees_plate=True)
        witnesses.look_at_plate(air(35.0, second), air(22.0, second), TRAITS, RULES)
    assert witnesses.drift_change(RULES) == (False, "")


def test_people_who_are_all_colder_than_people_are_raise_an_alarm() -> None:
    witnesses = Witnesses(has_plate=False)
    admit(witnesses, 36.15)
    assert witnesses.drift_change(RULES) == (True, "people -0.70 °C")
    assert instrument(witnesses).is_drifting


def test_the_alarm_by_people_can_be_switched_off() -> None:
    witnesses = Witnesses(has_plate=False)
    rules = replace(RULES, alarms_by_cohort=False)
    admit(witnesses, 36.0, rules=rules)
    assert witnesses.drift_change(rules) is None
    assert not instrument(witnesses, rules).is_drifting


def test_a_fever_teaches_nothing() -> None:
    witnesses = Witnesses(has_plate=False)
    admit(witnesses, 36.85)
    for _ in range(100):
        witnesses.admit(Reading("adult", MonoSeconds(5_000.0), 38.5), RULES)
    assert witnesses.drift_change(RULES) is None
    assert instrument(witnesses).cohort_offset_c == 0.0


def test_what_the_cohort_learns_from_is_without_its_own_correction() -> None:
    witnesses = Witnesses(has_plate=False)
    for second in range(COHORT_MIN):
        corrected = Reading("adult", MonoSeconds(second), 37.1, cohort_offset_c=0.4)
        witnesses.admit(corrected, RULES)
    assert witnesses.drift_change(RULES) is None


def test_readings_without_a_number_are_left_out() -> None:
    witnesses = Witnesses(has_plate=False)
    for _ in range(COHORT_MIN):
        witnesses.admit(Reading("adult", MonoSeconds(0.0), None), RULES)
    assert instrument(witnesses).cohort_offset_c == 0.0
    assert witnesses.drift_change(RULES) is None


def test_a_new_calibration_begins_with_nobody() -> None:
    witnesses = Witnesses(has_plate=False)
    rules = replace(RULES, corrects_by_cohort=True)
    admit(witnesses, 36.2, count=COHORT_MIN + 10, rules=rules)
    assert instrument(witnesses, rules).cohort_offset_c > 0.0
    recalibrated = replace(rules, site_a_c=6.8)
    admit(witnesses, 36.85, count=1, rules=recalibrated)
    assert instrument(witnesses, recalibrated).cohort_offset_c == 0.0


def test_a_new_calibration_begins_with_no_look_at_the_plate() -> None:
    witnesses = Witnesses(has_plate=True)
    look(witnesses, 35.4, 35.0)
    assert instrument(witnesses).plate_error_c == pytest.approx(0.4)
    recalibrated = replace(RULES, calibration=DeviceCalibration("2026-11-20", offset_c=-0.4))
    assert instrument(witnesses, recalibrated).plate_error_c is None
    assert instrument(witnesses, recalibrated).plate_age_s is None


def test_another_threshold_does_not_forget_the_plate() -> None:
    witnesses = Witnesses(has_plate=True)
    look(witnesses, 35.4, 35.0)
    raised = replace(RULES, admitted_below_c=37.5)
    assert instrument(witnesses, raised).plate_error_c == pytest.approx(0.4)
