"""From the configuration to what the pure core and the sensors work with."""

from __future__ import annotations

from gated.config import GateConfig
from gated.config.devices import ColourUse
from gated.config.explain import rules_version
from gated.controller.inputs import ModeRules
from gated.policy import Rules, TemperatureRules
from gated.sensors.compensation import SPOT_FOREHEAD, CompensationRules, SiteOffset
from gated.visit.state import Lane, Timing
from gated.vocabulary import Mode

SECONDS_AN_HOUR = 3_600.0


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
        denies_red_and_yellow=config.scanner.colour is ColourUse.DENY_RED_YELLOW,
        direction=config.gate.direction,
        zone=config.gate.zone,
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


def compensation_rules(config: GateConfig) -> CompensationRules:
    temperature = config.temperature
    site = SPOT_FOREHEAD
    if (temperature.offset_a_c, temperature.offset_b) != (site.a_c, site.b):
        site = SiteOffset(temperature.offset_a_c, temperature.offset_b)
    return CompensationRules(
        site=site,
        emissivity=temperature.emissivity,
        ambient_min_c=temperature.ambient_min_c,
        ambient_max_c=temperature.ambient_max_c,
        known_ambient_min_c=temperature.extrapolated_below_c,
        known_ambient_max_c=temperature.extrapolated_above_c,
        cold_face_below_c=temperature.cold_face_below_c,
        max_spread_c=temperature.max_spread_c,
        warm_up_s=temperature.warm_up_s,
    )
