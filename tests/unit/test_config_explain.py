"""What a configuration says of itself: changes, the rules' name, warnings, and no secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from gated.config import (
    ThermometerSettings,
    changed_keys,
    dump_toml,
    masked,
    parse_gate,
    rules_version,
    warnings,
    with_paths,
)
from gated.config.doubts import Optics
from gated.config.explain import rows
from gated.optics import reach_m
from tests.config_texts import MINIMAL, with_keys

DISTANCE = ', distance = { driver = "vl53l1x", bus = "/dev/i2c-4" }'
SHIPPED = Path(__file__).resolve().parents[2] / "gated/config/example.toml"


def test_changes_are_split_into_live_ones_and_those_that_need_a_restart() -> None:
    old = parse_gate(MINIMAL, "gated.toml")
    text = with_keys("temperature", "fever_threshold_c = 37.5", "warm_up_s = 60.0")
    text = text.replace("east-1", "east-2").replace("/dev/i2c-1", "/dev/i2c-3")
    text = text.replace("[outputs]", '[outputs]\nvoice = { driver = "alsa", volume_percent = 60 }')
    text = text.replace("[scanner]", '[scanner]\ncolour = "off"\nwidth = 640')
    new = parse_gate(f"{text}keep_person_days = 7\n", "new")

    changed = changed_keys(old, new)

    assert changed.live == (
        "temperature.fever_threshold_c",
        "temperature.warm_up_s",
        "scanner.colour",
        "outputs.voice.volume_percent",
        "uplink.keep_person_days",
    )
    assert changed.needs_restart == (
        "gate.name",
        "temperature.thermometers",
        "scanner.width",
        "outputs.voice.driver",
    )


def test_a_table_that_comes_or_goes_is_a_change() -> None:
    old = parse_gate(MINIMAL, "gated.toml")
    new = parse_gate(with_keys("outputs", 'buzzer = { line = "GPIO25" }'), "gated.toml")

    assert changed_keys(old, new).needs_restart == ("outputs.buzzer.line",)
    assert changed_keys(new, old).needs_restart == ("outputs.buzzer.line",)


def test_nothing_changed_is_false() -> None:
    old, new = (parse_gate(MINIMAL, name) for name in ("old", "new"))

    assert not changed_keys(old, new)


@pytest.mark.parametrize(
    ("section", "line", "is_a_rule"),
    [
        ("temperature", "guard_below_c = 0.2", True),
        ("checks", 'credential = "soft"', True),
        ("visit", "hold_s = 6.0", True),
        ("scanner", 'colour = "off"', True),
        ("certificates", 'category = "staff"', True),
        ("credentials", 'when_revocations_old = "hard"', True),
        ("credentials", 'trust = "/elsewhere"', False),
        ("verifier", 'when_unreachable = "deny"', True),
        ("verifier", "time_out_s = 3.0", False),
        ("scanner", "width = 640", False),
        ("ledger", "keep_acked_days = 3", False),
    ],
)
def test_the_rules_have_a_new_name_when_and_only_when_a_rule_changes(
    section: str, line: str, is_a_rule: bool
) -> None:
    before = rules_version(parse_gate(MINIMAL, "gated.toml"))
    after = rules_version(parse_gate(with_keys(section, line), "gated.toml"))

    assert (before != after) is is_a_rule
    assert before[:2] == "r-"
    assert len(bytes.fromhex(before[2:])) == 4


def test_the_rules_name_does_not_depend_on_whether_a_default_is_spelt_out() -> None:
    spelt = parse_gate(with_keys("temperature", "fever_threshold_c = 37.3"), "gated.toml")

    assert rules_version(spelt) == rules_version(parse_gate(MINIMAL, "gated.toml"))


def test_a_dumped_configuration_loads_to_the_same() -> None:
    for text in (MINIMAL, SHIPPED.read_text(encoding="utf-8")):
        config = parse_gate(text, "gated.toml")

        assert parse_gate(dump_toml(config), "dumped") == config


def test_odd_texts_survive_a_dump() -> None:
    config = parse_gate(
        with_keys("credentials", 'trust = "C:\\\\学校 \\"x\\""').replace(
            'variant = "DCI"', '"odd key" = -0.5, flag = false'
        ),
        "gated.toml",
    )

    assert parse_gate(dump_toml(config), "dumped") == config


def test_what_may_be_a_secret_is_hidden_wherever_it_stands() -> None:
    text = MINIMAL.replace('variant = "DCI"', 'token = "hunter2", api_key = "hunter2"')
    config = parse_gate(text, "gated.toml")

    shown = masked(config) + "".join(row.value for row in rows(config))

    assert "hunter2" not in shown
    assert "********" in shown


def test_rows_tell_what_is_set_from_what_is_default() -> None:
    by_path = {row.path: row for row in rows(parse_gate(MINIMAL, "gated.toml"))}

    assert by_path["gate.name"].is_set
    assert by_path["outputs.relay.line"].is_set
    assert not by_path["outputs.relay.pulse_s"].is_set
    assert not by_path["visit.hold_s"].is_set
    assert by_path["temperature.thermometers[child]"].is_set
    threshold = by_path["temperature.fever_threshold_c"]
    assert (threshold.value, threshold.unit, threshold.is_live) == ("37.3", "°C", True)


def test_places_can_be_exchanged_and_are_checked_again(tmp_path: Path) -> None:
    config = parse_gate(MINIMAL, "gated.toml")

    moved = with_paths(
        config,
        state=tmp_path,
        run=tmp_path / "run",
        broker="mqtt://127.0.0.1:1999",
        trust=tmp_path / "trust",
        site_key_file=tmp_path / "key",
    )

    assert (moved.paths.state, moved.paths.run) == (tmp_path, tmp_path / "run")
    assert moved.uplink.endpoint.port == 1999
    assert moved.temperature == config.temperature
    with pytest.raises(ValueError, match="mqtt:// sends"):
        with_paths(config, broker="mqtt://10.8.0.1")


# --- warnings -----------------------------------------------------------------------------------


def test_the_example_that_ships_gives_no_warning() -> None:
    config = parse_gate(SHIPPED.read_text(encoding="utf-8"), "example")

    assert warnings(config, {"child": Optics(5.0), "adult": Optics(12.0)}) == []


VERIFIER = """
[verifier]
enabled = true
url = "https://platform.example/verify"
key_file = "/etc/gated/verifier.key"
tokens = [{ prefix = "", min_characters = 20 }]
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (with_keys("checks", 'dynamic_when_unknown = "soft"'), "old picture of a changing pass"),
        (
            with_keys("certificates", 'enough = [{ name = "x", evidence = "any" }]'),
            "enough[x]: any certificate at all",
        ),
        (
            with_keys("certificates", 'enough = [{ name = "x", evidence = "test" }]'),
            "enough[x]: a negative test counts however old",
        ),
        (with_keys("credentials", 'when_revocations_old = "hard"'), "does nothing without"),
        (MINIMAL + VERIFIER, "payment codes"),
    ],
)
def test_what_would_let_in_or_give_away_too_much_is_doubted(text: str, expected: str) -> None:
    plain = warnings(parse_gate(MINIMAL, "gated.toml"))
    (doubt,) = set(warnings(parse_gate(text, "gated.toml"))) - set(plain)
    assert expected in doubt


def test_the_same_with_what_was_missing_is_not_doubted() -> None:
    text = with_keys(
        "certificates",
        'enough = [{ name = "x", evidence = "any", formats = ["NZCP"] },'
        ' { name = "y", evidence = "test", max_age_h = 48.0 }]',
    ) + VERIFIER.replace('prefix = ""', 'prefix = "HS"')
    plain = parse_gate(MINIMAL, "gated.toml")
    assert warnings(parse_gate(text, "gated.toml")) == warnings(plain)


@pytest.mark.parametrize(
    ("fov_deg", "distance_mm"),
    [(5, 386), (10, 192), (12, 160), (35, 53), (50, 36), (90, 17)],
)
def test_the_distance_at_which_a_forehead_fills_the_view(fov_deg: float, distance_mm: int) -> None:
    assert reach_m(fov_deg) * 1_000 == pytest.approx(distance_mm, abs=0.6)


def test_wide_optics_are_doubted_and_narrow_ones_not() -> None:
    config = parse_gate(MINIMAL, "gated.toml")

    narrow = warnings(config, {"child": Optics(13.0)})
    (wide,) = set(warnings(config, {"child": Optics(90.0)})) - set(narrow)

    assert "temperature.thermometers[child]" in wide
    assert "17 mm" in wide


def test_a_thermometer_for_presence_is_doubted() -> None:
    config = parse_gate(MINIMAL, "gated.toml")
    told = warnings(config, {"child": Optics(5.0, is_presence_only=True)})
    assert any("for presence only" in line for line in told)


def test_an_array_that_is_not_told_where_the_plate_stands_is_doubted() -> None:
    plate = 'reference = { driver = "tmp117", bus = "/dev/i2c-0", seen_by = "child" }'
    seen = {"child": Optics(3.4, finds_faces=True)}
    told = warnings(parse_gate(with_keys("temperature", plate), "gated.toml"), seen)
    assert any("has no reference_box" in line for line in told)
    spot = warnings(parse_gate(with_keys("temperature", plate), "gated.toml"))
    assert not any("reference_box" in line for line in spot)


@pytest.mark.parametrize(
    ("distance", "distance_m", "missing"),
    [
        ("", "", "its distance"),
        ("", ", distance_m = 1.0", "its distance"),
        (DISTANCE, "", "temperature.reference.distance_m"),
        (DISTANCE, ", distance_m = 1.0", None),
    ],
)
def test_a_spot_that_will_never_look_at_its_plate_is_doubted(
    distance: str, distance_m: str, missing: str | None
) -> None:
    plate = (
        f'reference = {{ driver = "tmp117", bus = "/dev/i2c-0", seen_by = "child"{distance_m} }}'
    )
    text = with_keys("temperature", plate).replace(
        "mount_height_m = 1.1", f"mount_height_m = 1.1{distance}"
    )
    told = warnings(parse_gate(text, "gated.toml"), {"child": Optics(5.0)})
    doubts = [line for line in told if "never looks at the reference plate" in line]
    assert len(doubts) == (0 if missing is None else 1)
    assert missing is None or f"without {missing}:" in doubts[0]


def test_a_distance_beyond_the_optics_is_doubted() -> None:
    text = MINIMAL.replace("mount_height_m = 1.1", "mount_height_m = 1.1, max_distance_m = 0.5")
    told = warnings(parse_gate(text, "gated.toml"), {"child": Optics(5.0)})
    assert any("0.39 m" in line for line in told)


@pytest.mark.parametrize("which", ["ambient", "reference", "distance"])
def test_whatever_talks_on_a_thermometers_bus_is_doubted(which: str) -> None:
    beside = 'driver = "tmp117", bus = "/dev/i2c-1"'
    if which == "distance":
        text = MINIMAL.replace("mount_height_m", f"distance = {{ {beside} }}, mount_height_m")
    else:
        seen = ', seen_by = "child"' if which == "reference" else ""
        text = with_keys("temperature", f"{which} = {{ {beside}{seen} }}")
    told = warnings(parse_gate(text, "gated.toml"))
    assert any(which in line and "shares /dev/i2c-1" in line for line in told)


@pytest.mark.parametrize(
    ("section", "line", "expected"),
    [
        ("temperature", "fever_threshold_c = 38.1", "temperature.fever_threshold_c = 38.1 °C"),
        ("temperature", 'when_not_judged = "admit_and_list"', "admit_and_list"),
        (
            "temperature",
            'ambient = { driver = "sht3x", bus = "/dev/i2c-1" }',
            "temperature.ambient shares /dev/i2c-1 with thermometer child",
        ),
        ("checks", 'temperature = "soft"', 'checks.temperature = "soft"'),
        ("checks", 'credential = "off"', 'checks.credential = "off"'),
        ("clock", 'source = "system"', 'clock.source = "system"'),
    ],
)
def test_what_is_legal_but_probably_not_meant_is_named(
    section: str, line: str, expected: str
) -> None:
    before = warnings(parse_gate(MINIMAL, "gated.toml"))
    after = warnings(parse_gate(with_keys(section, line), "gated.toml"))

    (added,) = set(after) - set(before)
    assert expected in added


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("GPIO17", "GPIO4", "pulls GPIO0 to GPIO8 up"),
        ("GPIO17", "GPIO14", "serial console"),
        ('"v4l2"', '"none"', "nobody enters"),
        ('"v4l2"', '"pictures"', "tests at the desk"),
        ("[uplink]", "[uplink]\nallow_plain = true", "in the clear"),
    ],
)
def test_doubtful_wiring_and_places_are_named(old: str, new: str, expected: str) -> None:
    text = MINIMAL.replace(old, new)
    if "allow_plain" in new:
        text = text.replace("mqtts:", "mqtt:")

    assert any(expected in doubt for doubt in warnings(parse_gate(text, "gated.toml")))


def test_a_gate_that_cannot_tell_anybody_anything_is_doubted() -> None:
    doubts = "\n".join(warnings(parse_gate(MINIMAL, "gated.toml")))

    for key in ("temperature.ambient", "outputs.call_staff", "neither lamps nor voice",
                "inputs.passage", "inputs.attendant_button", "neither password_file"):  # fmt: skip
        assert key in doubts


def test_a_thermometers_options_leave_out_the_keys_that_are_ours() -> None:
    thermometer = ThermometerSettings.model_validate(
        {"name": "a", "driver": "x", "bus": "/dev/i2c-1", "mount_height_m": 1, "address": 0x5B}
    )

    assert thermometer.options == {"address": 0x5B}
