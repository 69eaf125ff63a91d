"""From the configuration to the rules of the pure core; requests of the own command line."""

from __future__ import annotations

import json

import pytest

from gated.config import parse_gate
from gated.controller.control import ModeRequest, decode_request, encode_request
from gated.controller.rules import compensation_rules, lane_of, policy_rules
from gated.errors import WireError
from gated.sensors.calibration import Calibration
from gated.sensors.compensation import DeviceCalibration
from gated.sensors.port import Traits
from gated.sensors.site import SITES, SiteOffset
from gated.vocabulary import Check, Direction, Mode, Site, WhenNotJudged
from tests.config_texts import MINIMAL, with_keys

# --- from the configuration ----------------------------------------------------------------------


def test_the_policy_takes_every_rule_from_the_configuration() -> None:
    config = parse_gate(
        with_keys(
            "temperature",
            "fever_threshold_c = 37.5",
            "fever_threshold_inclusive = false",
            "guard_below_c = 0.2",
            "guard_above_c = 0.4",
            'when_not_judged = "admit_and_list"',
        ),
        "gated.toml",
    )
    rules = policy_rules(config).temperature
    assert (rules.fever_threshold_c, rules.fever_threshold_inclusive) == (37.5, False)
    assert (rules.guard_below_c, rules.guard_above_c) == (0.2, 0.4)
    assert rules.when_not_judged is WhenNotJudged.ADMIT_AND_LIST


def test_the_defaults_of_the_configuration_are_the_rule_of_the_design() -> None:
    rules = policy_rules(parse_gate(MINIMAL, "gated.toml"))
    temperature = rules.temperature
    assert (temperature.fever_threshold_c, temperature.fever_threshold_inclusive) == (37.3, True)
    assert (temperature.guard_below_c, temperature.guard_above_c) == (0.1, 0.5)
    assert (temperature.max_attempts, temperature.stale_after_s) == (2, 2.0)
    assert temperature.when_not_judged is WhenNotJudged.SEE_STAFF
    assert (rules.check_temperature, rules.check_credential) == (Check.HARD, Check.HARD)
    assert rules.check_anti_passback is Check.SOFT
    assert rules.direction is Direction.IN


def test_the_lane_has_its_thermometers_from_the_lowest_to_the_highest() -> None:
    child = next(line for line in MINIMAL.splitlines() if '"child"' in line)
    adult = child.replace('"child"', '"adult"').replace("1.1", "1.6").replace("i2c-1", "i2c-3")
    text = MINIMAL.replace(child, f"{adult},\n{child}")
    lane = lane_of(parse_gate(text, "gated.toml"), "seed")
    assert (lane.thermometers, lane.id_seed) == (("child", "adult"), "seed")
    assert not lane.has_passage_sensor


def test_the_rhythm_of_a_visit_comes_from_the_configuration() -> None:
    text = with_keys("visit", "hint_after_s = 4.0", "staff_after_s = 20.0", "hold_s = 6.0")
    timing = lane_of(parse_gate(text, "gated.toml"), "seed").timing
    assert (timing.hint_after_s, timing.staff_after_s, timing.hold_s) == (4.0, 20.0, 6.0)


def test_the_compensation_takes_the_sites_own_offset() -> None:
    text = with_keys("temperature", "offset_a_c = 3.9")
    default, own = site_offset(MINIMAL), site_offset(text)
    assert own.a_c == 3.9
    assert own.b == default.b
    assert default == SITES[Site.FOREHEAD_SPOT]
    assert site_offset(text, calibration(site_a_c=4.4)).a_c == 4.4
    assert site_offset(text, calibration()).a_c == 3.9


def test_the_site_of_the_file_comes_before_the_thermometers_own() -> None:
    text = MINIMAL.replace("mount_height_m = 1.1", 'mount_height_m = 1.1, site = "hottest"')
    assert site_offset(text) == SITES[Site.HOTTEST]


def test_a_calibration_binds_its_readings_to_its_chip() -> None:
    config = parse_gate(MINIMAL, "gated.toml")
    taken = calibration(gain=1.01, offset_c=-0.3)
    device = compensation_rules(config, config.temperature.thermometers[0], taken).calibration
    assert device == DeviceCalibration("child.3", 1.01, -0.3, "00ab")


def site_offset(text: str, taken: Calibration | None = None) -> SiteOffset:
    config = parse_gate(text, "gated.toml")
    rules = compensation_rules(config, config.temperature.thermometers[0], taken)
    return rules.site_offset(Traits(fov_deg=5, settle_s=0.65, noise_c=0.1, supply_error_c=0))


def calibration(**values: float) -> Calibration:
    return Calibration.model_validate(
        {
            "thermometer": "child",
            "version": 3,
            "chip_id": "00ab",
            "made_at": "2026-11-26T10:00:00+08:00",
            "made_by": "staff",
            **values,
        }
    )


# --- requests of this machine's own command line -------------------------------------------------


def test_a_request_is_read_as_it_was_written() -> None:
    request = ModeRequest(mode=Mode.CLOSED, drill=True, for_s=3_600.0, by="office")
    assert decode_request(encode_request(request)) == request


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"closed",
        b"{}",
        b"\xff",
        json.dumps({"v": 2, "by": "x"}).encode(),
        json.dumps({"by": "x", "mode": "open"}).encode(),
        json.dumps({"by": "x" * 65, "mode": "closed"}).encode(),
        json.dumps({"by": "x", "mode": "closed", "for_s": 0}).encode(),
        json.dumps({"by": "x", "mode": "closed", "for_s": -1}).encode(),
        json.dumps({"by": "x", "mode": "closed", "for_s": 1e12}).encode(),
        b'{"by":"x","mode":"closed","for_s":NaN}',
        json.dumps({"by": "x", "mode": "closed", "relay": "energise"}).encode(),
        json.dumps({"by": "x"}).encode(),
        json.dumps({"by": "x", "drill": True, "for_s": 60}).encode(),  # of which mode?
    ],
)
def test_what_is_no_request_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_request(payload)
