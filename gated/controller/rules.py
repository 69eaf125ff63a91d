"""From the configuration to what the pure core and the sensors work with."""

from __future__ import annotations

from dataclasses import replace

from gated.config import GateConfig, ThermometerSettings
from gated.config.devices import ColourUse
from gated.config.explain import rules_version
from gated.config.verifier import WhenUnreachable
from gated.controller.inputs import ModeRules
from gated.judgement import TemperatureRules
from gated.policy import ClockRules, Rules
from gated.sensors.calibration import Calibration
from gated.sensors.compensation import CompensationRules, DeviceCalibration
from gated.visit.state import Lane, Timing
from gated.vocabulary import BaselineUse, Mode

SECONDS_AN_HOUR = 3_600.0
SECONDS_A_MINUTE = 60.0


def policy_rules(config: GateConfig) -> Rules:
    temperature, checks = config.temperature, config.checks
    return Rules(
        version=rules_version(config),
        temperature=TemperatureRules(
            fever_threshold_c=temperature.fever_threshold_c,
            fever_threshold_inclusive=temperature.fever_threshold_inclusive,
            guard_below_c=temperature.guard_below_c,
            guard_above_c=temperature.guard_above_c,
            max_attempts=temperature.max_attempts,
            stale_after_s=temperature.stale_after_s,
            when_not_judged=temperature.when_not_judged,
        ),
        check_temperature=checks.temperature,
        check_credential=checks.credential,
        check_anti_passback=checks.anti_passback,
        clock=ClockRules(
            static_when_holdover=checks.static_when_holdover,
            static_when_unknown=checks.static_when_unknown,
            dynamic_when_holdover=checks.dynamic_when_holdover,
            dynamic_when_unknown=checks.dynamic_when_unknown,
        ),
        denies_red_and_yellow=config.scanner.colour is ColourUse.DENY_RED_YELLOW,
        direction=config.gate.direction,
        zone=config.gate.zone,
        sends_unverified_to_staff=config.verifier.when_unreachable is not WhenUnreachable.DENY,
    )


def lane_of(config: GateConfig, id_seed: str) -> Lane:
    """Return the lane as the state machine knows it. ``id_seed`` makes visit ids unlike others'."""
    visit = config.visit
    by_height = sorted(config.temperature.thermometers, key=lambda t: t.mount_height_m)
    return Lane(
        rules=policy_rules(config),
        timing=Timing(
            hint_after_s=visit.hint_after_s,
            staff_after_s=visit.staff_after_s,
            hold_s=visit.hold_s,
            hold_slow_s=visit.hold_slow_s,
            held_open_after_s=visit.held_open_after_s,
            credential_hold_s=visit.credential_hold_s,
            release_within_s=visit.release_within_s,
            pulse_s=config.outputs.relay.pulse_s,
        ),
        thermometers=tuple(thermometer.name for thermometer in by_height),
        has_passage_sensor=config.inputs.passage is not None,
        has_contact=config.inputs.contact is not None,
        id_seed=id_seed,
    )


def mode_rules(config: GateConfig) -> ModeRules:
    key = config.inputs.key_mode
    return ModeRules(
        key=Mode.CLOSED if key is None else key.mode,
        observe_for_s=config.visit.observe_for_h * SECONDS_AN_HOUR,
    )


def compensation_rules(
    config: GateConfig, thermometer: ThermometerSettings, calibration: Calibration | None
) -> CompensationRules:
    """Return what one thermometer's readings go through.

    Its own calibration comes before the file's offset_a_c and offset_b.
    """
    temperature, reference = config.temperature, config.temperature.reference
    a_c, b, device = temperature.offset_a_c, temperature.offset_b, DeviceCalibration()
    if calibration is not None:
        a_c = a_c if calibration.site_a_c is None else calibration.site_a_c
        b = b if calibration.site_b is None else calibration.site_b
        device = DeviceCalibration(
            calibration.name, calibration.gain, calibration.offset_c, calibration.chip_id
        )
    rules = CompensationRules(
        calibration=device,
        site=thermometer.site,
        site_a_c=a_c,
        site_b=b,
        emissivity=temperature.emissivity,
        reflected_c=temperature.reflected_c,
        ambient_min_c=temperature.ambient_min_c,
        ambient_max_c=temperature.ambient_max_c,
        known_ambient_min_c=temperature.extrapolated_below_c,
        known_ambient_max_c=temperature.extrapolated_above_c,
        cold_face_below_c=temperature.cold_face_below_c,
        max_face_contrast_c=temperature.face_contrast_max_c,
        max_spread_c=temperature.max_spread_c,
        warm_up_s=temperature.warm_up_s,
        gradient_noted_c_per_min=temperature.gradient_noted_c_per_min,
        gradient_refused_c_per_min=temperature.gradient_refused_c_per_min,
        max_distance_m=thermometer.max_distance_m,
        corrects_by_cohort=temperature.baseline is BaselineUse.CORRECT,
        alarms_by_cohort=temperature.baseline is not BaselineUse.OFF,
        cohort_expected_c=temperature.baseline_expected_c,
        cohort_alarm_c=temperature.baseline_alarm_c,
        admitted_below_c=temperature.fever_threshold_c,
    )
    if reference is None:
        return rules
    return replace(
        rules,
        plate_emissivity=reference.emissivity,
        plate_distance_m=reference.distance_m,
        plate_every_s=reference.every_min * SECONDS_A_MINUTE,
        max_drift_c=reference.max_drift_c,
    )
