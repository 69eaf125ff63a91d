"""From object to body temperature: vectors, refusals, and the promises of monotony and slope 1."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.errors import ConfigError
from gated.sensors.compensation import (
    MAX_BODY_C,
    CompensationRules,
    DeviceCalibration,
    Instrument,
    compensate,
    plate_error_c,
    skin_c,
    true_surface_c,
)
from gated.sensors.port import AmbientSample, Traits
from gated.sensors.sampling import Plateau
from gated.sensors.site import SITES, body_c
from gated.units import MonoSeconds
from gated.vocabulary import Reason, Site, TemperatureFlag

AT = MonoSeconds(2_000.0)
DCI = Traits(fov_deg=5.0, settle_s=0.65, noise_c=0.10, supply_error_c=0.0)
INSTRUMENT = Instrument("adult", chip_id="123456789abcdef0", traits=DCI, powered_s=86_400.0)
RULES = CompensationRules()
SPOT = SITES[Site.FOREHEAD_SPOT]
AIR_22 = AmbientSample(22.0, 45.0, AT)


def plateau(object_c: float, spread_c: float = 0.1) -> Plateau:
    return Plateau(object_c, samples=3, spread_c=spread_c, taken_at=AT)


def seen_of_skin(skin: float, ambient_c: float, emissivity: float = 0.98) -> float:
    """What a perfect sensor shows of skin: the inverse of the emissivity correction."""
    k4 = emissivity * (skin + 273.15) ** 4 + (1 - emissivity) * (ambient_c + 273.15) ** 4
    return float(k4**0.25 - 273.15)


@pytest.mark.parametrize(
    ("emissivity", "ambient_c", "correction_c"),
    [
        (0.98, 10.0, 0.44),
        (0.98, 16.0, 0.34),
        (0.98, 22.0, 0.24),
        (0.98, 28.0, 0.13),
        (0.98, 32.0, 0.05),
        (0.95, 22.0, 0.62),
    ],
)
def test_the_emissivity_correction_has_the_published_size(
    emissivity: float, ambient_c: float, correction_c: float
) -> None:
    correction = true_surface_c(34.5, ambient_c, emissivity) - 34.5
    assert correction == pytest.approx(correction_c, abs=0.02)


def test_the_correction_gives_back_the_skin() -> None:
    assert true_surface_c(seen_of_skin(34.5, 22.0), 22.0, 0.98) == pytest.approx(34.5, abs=1e-9)


def test_a_forehead_spot_becomes_a_body_temperature_by_the_fitted_line() -> None:
    reading = compensate(plateau(seen_of_skin(34.0, 22.0)), AIR_22, INSTRUMENT, RULES)
    assert reading.skin_c == pytest.approx(34.0)
    assert reading.body_c == pytest.approx(34.0 + SPOT.a_c - SPOT.b * 22.0)
    assert (reading.refusal, reading.quality, reading.calibration) == (None, "good", "default")
    assert (reading.ambient_c, reading.samples, reading.spread_c) == (22.0, 3, 0.1)
    assert (reading.thermometer, reading.taken_at) == ("adult", AT)


def test_a_supply_of_3v3_at_a_3v0_part_is_taken_out_again() -> None:
    at_3v3 = replace(DCI, supply_error_c=0.18)
    instrument = replace(INSTRUMENT, traits=at_3v3)
    shifted = compensate(plateau(33.98), AIR_22, instrument, RULES)
    nominal = compensate(plateau(33.80), AIR_22, INSTRUMENT, RULES)
    assert shifted.body_c == pytest.approx(nominal.body_c)


def test_the_device_calibration_comes_after_the_physics() -> None:
    rules = replace(RULES, calibration=DeviceCalibration("adult.7", gain=1.01, offset_c=-0.2))
    expected = 1.01 * skin_c(34.0, 22.0, 0.0, RULES) - 0.2
    assert skin_c(34.0, 22.0, 0.0, rules) == pytest.approx(expected)
    assert compensate(plateau(34.0), AIR_22, INSTRUMENT, rules).calibration == "adult.7"


def test_a_calibration_of_another_chip_is_refused() -> None:
    rules = replace(RULES, calibration=DeviceCalibration("adult.7", chip_id="00000000000000ff"))
    reading = compensate(plateau(34.0), AIR_22, INSTRUMENT, rules)
    assert (reading.body_c, reading.refusal) == (None, Reason.WRONG_CALIBRATION)


def test_a_calibration_of_this_chip_is_used() -> None:
    calibration = DeviceCalibration("adult.7", chip_id=INSTRUMENT.chip_id)
    rules = replace(RULES, calibration=calibration)
    assert compensate(plateau(34.0), AIR_22, INSTRUMENT, rules).refusal is None


@pytest.mark.parametrize("gain", [0.0, -1.0, math.nan, math.inf])
def test_a_calibration_that_could_turn_hot_into_cold_does_not_exist(gain: float) -> None:
    with pytest.raises(ConfigError):
        DeviceCalibration("broken", gain=gain)


@pytest.mark.parametrize("emissivity", [0.0, -0.5, 1.01, math.nan])
def test_an_emissivity_that_is_none_is_refused(emissivity: float) -> None:
    with pytest.raises(ConfigError):
        CompensationRules(emissivity=emissivity)


@pytest.mark.parametrize(
    ("ambient", "refusal"),
    [
        (None, Reason.NO_AMBIENT),
        (AmbientSample(math.nan, 45.0, AT), Reason.NO_AMBIENT),
        (AmbientSample(math.inf, 45.0, AT), Reason.NO_AMBIENT),
        (AmbientSample(22.0, 45.0, MonoSeconds(AT - 60.1)), Reason.NO_AMBIENT),
        (AmbientSample(4.9, 45.0, AT), Reason.AMBIENT_OUT_OF_RANGE),
        (AmbientSample(35.1, 45.0, AT), Reason.AMBIENT_OUT_OF_RANGE),
    ],
)
def test_air_that_is_unknown_old_or_extreme_is_refused(
    ambient: AmbientSample | None, refusal: Reason
) -> None:
    reading = compensate(plateau(34.0), ambient, INSTRUMENT, RULES)
    assert (reading.body_c, reading.refusal) == (None, refusal)


def test_an_ambient_sample_of_exactly_sixty_seconds_is_still_good() -> None:
    air = AmbientSample(22.0, 45.0, MonoSeconds(AT - 60.0))
    assert compensate(plateau(34.0), air, INSTRUMENT, RULES).refusal is None


@pytest.mark.parametrize(
    ("ambient_c", "quality"),
    [(17.9, "extrapolated"), (18.0, "good"), (30.0, "good"), (30.1, "extrapolated")],
)
def test_air_outside_the_studied_range_is_marked(ambient_c: float, quality: str) -> None:
    reading = compensate(plateau(34.5), AmbientSample(ambient_c, 45.0, AT), INSTRUMENT, RULES)
    assert (reading.refusal, reading.quality) == (None, quality)


def test_a_cold_face_is_refused_by_its_body_temperature() -> None:
    def reading_of_body(value_c: float) -> Reason | None:
        skin = value_c - body_c(0.0, 22.0, SPOT)
        return compensate(plateau(seen_of_skin(skin, 22.0)), AIR_22, INSTRUMENT, RULES).refusal

    assert reading_of_body(34.49) is Reason.COLD_FACE
    assert reading_of_body(34.51) is None


def test_a_raw_forehead_of_33_6_degrees_is_a_normal_reading_not_a_cold_face() -> None:
    reading = compensate(plateau(33.6), AIR_22, INSTRUMENT, RULES)
    assert reading.body_c == pytest.approx(36.8, abs=0.1)


def test_a_hot_cup_is_no_person() -> None:
    reading = compensate(plateau(60.0), AIR_22, INSTRUMENT, RULES)
    assert (reading.body_c, reading.refusal) == (None, Reason.SENSOR_FAULT)


def test_nothing_is_judged_while_the_chip_warms_up() -> None:
    cold = replace(INSTRUMENT, powered_s=899.0)
    assert compensate(plateau(34.0), AIR_22, cold, RULES).refusal is Reason.WARMING_UP
    warm = replace(INSTRUMENT, powered_s=900.0)
    assert compensate(plateau(34.0), AIR_22, warm, RULES).refusal is None


@pytest.mark.parametrize(
    ("noise_c", "spread_c", "refusal"),
    [
        (0.05, 0.40, None),
        (0.05, 0.41, Reason.SPREAD_TOO_LARGE),
        (0.10, 0.59, None),  # six times this chip's noise is more than the limit
        (0.10, 0.61, Reason.SPREAD_TOO_LARGE),
        (0.10, math.nan, Reason.SPREAD_TOO_LARGE),
    ],
)
def test_a_spread_beyond_limit_and_noise_is_refused(
    noise_c: float, spread_c: float, refusal: Reason | None
) -> None:
    instrument = replace(INSTRUMENT, traits=replace(DCI, noise_c=noise_c))
    assert compensate(plateau(34.0, spread_c), AIR_22, instrument, RULES).refusal is refusal


@given(object_c=st.floats(allow_nan=True, allow_infinity=True, width=64))
def test_a_reading_is_a_finite_human_number_or_a_refusal(object_c: float) -> None:
    try:
        reading = compensate(plateau(object_c), AIR_22, INSTRUMENT, RULES)
    except OverflowError:
        pytest.fail("an absurd input must be refused, not raise")
    if reading.refusal is None:
        assert reading.body_c is not None
        assert RULES.cold_face_below_c <= reading.body_c <= MAX_BODY_C
    else:
        assert reading.body_c is None
    assert reading.skin_c is None or math.isfinite(reading.skin_c)


object_steps = st.integers(min_value=0x27AD, max_value=0x7FFF)
judged_air = st.floats(min_value=5.0, max_value=35.0)


@given(lower=object_steps, ambient_c=judged_air, emissivity=st.floats(0.8, 1.0))
def test_one_step_of_the_sensor_more_is_always_strictly_more_body_temperature(
    lower: int, ambient_c: float, emissivity: float
) -> None:
    rules = replace(RULES, emissivity=emissivity)

    def body_of(raw: int) -> float:
        skin = skin_c(raw * 0.02 - 273.15, ambient_c, 0.0, rules)
        return body_c(skin, ambient_c, rules.site_offset(DCI))

    before, after = body_of(lower), body_of(lower + 1)
    assert math.isnan(before) or after > before


@given(skin=st.floats(30.0, 42.0), fever_c=st.floats(0.01, 5.0), ambient_c=judged_air)
def test_nothing_pulls_a_fever_back_to_the_mean(
    skin: float, fever_c: float, ambient_c: float
) -> None:
    def body_of(value_c: float) -> float:
        seen = seen_of_skin(value_c, ambient_c)
        return body_c(skin_c(seen, ambient_c, 0.0, RULES), ambient_c, RULES.site_offset(DCI))

    assert body_of(skin + fever_c) - body_of(skin) == pytest.approx(fever_c, abs=1e-6)


# --- what speaks against a reading ----------------------------------------------------------------


def test_each_step_stands_in_the_reading() -> None:
    rules = replace(
        RULES,
        calibration=DeviceCalibration("adult.7", gain=1.01, offset_c=-0.2),
        corrects_by_cohort=True,
    )
    instrument = replace(INSTRUMENT, has_plate=True, plate_error_c=0.15, cohort_offset_c=0.05)
    reading = compensate(plateau(34.0), AIR_22, instrument, rules)
    assert (reading.object_c, reading.drift_c, reading.cohort_offset_c) == (34.0, 0.15, 0.05)
    assert reading.surface_c is not None
    assert reading.skin_c is not None
    assert reading.site_offset_c is not None
    assert reading.surface_c == pytest.approx(34.24, abs=0.01)
    assert reading.skin_c == pytest.approx(1.01 * reading.surface_c - 0.2 - 0.15)
    assert reading.body_c == pytest.approx(reading.skin_c + reading.site_offset_c + 0.05)


def test_the_cohort_corrects_only_where_it_is_switched_on() -> None:
    instrument = replace(INSTRUMENT, cohort_offset_c=0.3)
    off = compensate(plateau(34.0), AIR_22, instrument, RULES)
    assert off.body_c == compensate(plateau(34.0), AIR_22, INSTRUMENT, RULES).body_c
    assert off.cohort_offset_c is None


@pytest.mark.parametrize(
    ("rate", "refusal", "flags"),
    [
        (None, None, ()),
        (0.1, None, ()),
        (0.3, None, (TemperatureFlag.GRADIENT,)),
        (-0.3, None, (TemperatureFlag.GRADIENT,)),
        (1.1, Reason.WARMING_UP, (TemperatureFlag.GRADIENT,)),
        (-1.1, Reason.WARMING_UP, (TemperatureFlag.GRADIENT,)),
        (math.nan, Reason.WARMING_UP, ()),
    ],
)
def test_a_chip_that_warms_or_cools_is_marked_and_beyond_a_limit_refused(
    rate: float | None, refusal: Reason | None, flags: tuple[TemperatureFlag, ...]
) -> None:
    instrument = replace(INSTRUMENT, die_rate_c_per_min=rate)
    reading = compensate(plateau(34.0), AIR_22, instrument, RULES)
    assert (reading.refusal, reading.flags) == (refusal, flags)


@pytest.mark.parametrize("error_c", [0.51, -0.51, math.nan])
def test_a_thermometer_that_the_plate_disproves_judges_nobody(error_c: float) -> None:
    instrument = replace(INSTRUMENT, has_plate=True, plate_error_c=error_c, plate_age_s=1.0)
    reading = compensate(plateau(34.0), AIR_22, instrument, RULES)
    assert (reading.body_c, reading.refusal) == (None, Reason.UNCALIBRATED)


@pytest.mark.parametrize(("age_s", "is_told"), [(None, True), (601.0, True), (599.0, False)])
def test_a_plate_not_seen_for_long_is_marked(age_s: float | None, is_told: bool) -> None:
    instrument = replace(INSTRUMENT, has_plate=True, plate_age_s=age_s)
    reading = compensate(plateau(34.0), AIR_22, instrument, RULES)
    assert reading.refusal is None
    assert (TemperatureFlag.REFERENCE_UNSEEN in reading.flags) is is_told


def test_drifting_and_unsettled_are_marked() -> None:
    instrument = replace(INSTRUMENT, is_drifting=True, is_unsettled=True)
    flags = compensate(plateau(34.0), AIR_22, instrument, RULES).flags
    assert flags == (TemperatureFlag.DRIFTING, TemperatureFlag.UNSETTLED)


def test_a_thermometer_for_presence_judges_nobody() -> None:
    instrument = replace(INSTRUMENT, traits=replace(DCI, is_presence_only=True))
    assert compensate(plateau(34.0), AIR_22, instrument, RULES).refusal is Reason.UNCALIBRATED


def test_an_array_tells_a_cold_forehead_from_a_cool_one() -> None:
    def refusal(forehead_c: float) -> Reason | None:
        seen = replace(plateau(34.6), forehead_c=forehead_c)
        return compensate(seen, AIR_22, INSTRUMENT, RULES).refusal

    assert refusal(32.7) is None
    assert refusal(32.5) is Reason.COLD_FACE


def test_a_cold_sky_reflected_by_the_skin_is_taken_out() -> None:
    under_sky = replace(RULES, reflected_c=-20.0)
    warm = skin_c(34.0, 22.0, 0.0, RULES)
    assert skin_c(34.0, 22.0, 0.0, under_sky) == pytest.approx(warm + 0.62, abs=0.05)


def test_the_plates_own_emissivity_is_taken_out() -> None:
    shown = seen_of_skin(35.0, 22.0, emissivity=0.95)
    assert plate_error_c(shown, 35.0, 22.0, DCI, RULES) == pytest.approx(0.0, abs=1e-9)
    calibrated = replace(RULES, calibration=DeviceCalibration("adult.7", offset_c=-0.2))
    assert plate_error_c(shown, 35.0, 22.0, DCI, calibrated) == pytest.approx(-0.2)


@given(
    object_c=st.floats(20.0, 45.0),
    step_c=st.floats(0.02, 5.0),
    ambient_c=judged_air,
    drift_c=st.floats(-0.5, 0.5),
    cohort_c=st.floats(-0.5, 0.5),
    gain=st.floats(0.97, 1.03),
)
def test_the_whole_way_is_strictly_increasing_and_shrinks_nothing(
    object_c: float, step_c: float, ambient_c: float, drift_c: float, cohort_c: float, gain: float
) -> None:
    rules = replace(
        RULES, calibration=DeviceCalibration("adult.7", gain=gain), corrects_by_cohort=True
    )
    instrument = replace(
        INSTRUMENT, has_plate=True, plate_error_c=drift_c, cohort_offset_c=cohort_c
    )
    air = AmbientSample(ambient_c, 45.0, AT)
    colder = compensate(plateau(object_c), air, instrument, rules)
    hotter = compensate(plateau(object_c + step_c), air, instrument, rules)
    assert colder.skin_c is not None
    assert hotter.skin_c is not None
    assert hotter.skin_c - colder.skin_c >= 0.97 * step_c
    if colder.body_c is not None and hotter.body_c is not None:
        assert hotter.body_c - colder.body_c == pytest.approx(hotter.skin_c - colder.skin_c)
