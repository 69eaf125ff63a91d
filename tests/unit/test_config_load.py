"""The values in a configuration: what is refused, and what the refusal says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.config import (
    CollectorConfig,
    GateConfig,
    load_collector,
    parse_collector,
    parse_gate,
)
from gated.errors import ConfigError
from gated.vocabulary import Check, Direction, Mode, WhenNotJudged
from tests.config_texts import MINIMAL, refusal, with_keys


def test_what_the_file_leaves_out_has_the_defaults_of_the_design() -> None:
    config = parse_gate(MINIMAL, "gated.toml")

    judged = config.temperature
    assert (judged.fever_threshold_c, judged.fever_threshold_inclusive) == (37.3, True)
    assert (judged.guard_below_c, judged.guard_above_c, judged.max_attempts) == (0.1, 0.5, 2)
    assert judged.when_not_judged is WhenNotJudged.SEE_STAFF
    assert (judged.offset_a_c, judged.offset_b, judged.emissivity) == (None, None, 0.98)
    assert config.checks.anti_passback is Check.SOFT
    assert config.gate.direction is Direction.IN
    assert config.visit.initial_mode is Mode.NORMAL
    assert (config.visit.hint_after_s, config.visit.staff_after_s) == (3.0, 15.0)
    assert config.uplink.keep_person_days == 14
    assert config.client_id == "gate.lixin-primary.east-1"


def test_keys_of_a_thermometer_that_are_not_ours_are_handed_to_its_driver() -> None:
    (thermometer,) = parse_gate(MINIMAL, "gated.toml").temperature.thermometers

    assert thermometer.options == {"variant": "DCI"}


def test_a_configuration_cannot_be_changed_after_loading() -> None:
    config = parse_gate(MINIMAL, "gated.toml")

    with pytest.raises(ValueError, match="frozen"):
        config.temperature.fever_threshold_c = 39.0


@pytest.mark.parametrize(
    ("section", "line", "expected"),
    [
        (
            "temperature",
            "fever_threshold_c = 73",
            "temperature.fever_threshold_c = 73 : must be 36.0 … 40.0 °C (允许 36.0–40.0 °C)",
        ),
        (
            "temperature",
            "fever_threshold_c = nan",
            "temperature.fever_threshold_c = nan : must be 36.0 … 40.0 °C (允许 36.0–40.0 °C)",
        ),
        (
            "temperature",
            "guard_above_c = inf",
            "temperature.guard_above_c = inf : must be 0.0 … 2.0 °C (允许 0.0–2.0 °C)",
        ),
        (
            "temperature",
            'guard_above_c = "0.5"',
            'temperature.guard_above_c = "0.5" : must be 0.0 … 2.0 °C (允许 0.0–2.0 °C)',
        ),
        (
            "temperature",
            "max_attempts = true",
            "temperature.max_attempts = true : must be a whole number, 1 … 4 (允许 1–4)",
        ),
        (
            "checks",
            'credential = "firm"',
            'checks.credential = "firm" : must be one of (只能是) hard | soft | off',
        ),
        (
            "temperature",
            "fever_threshold_inclusive = 1",
            "temperature.fever_threshold_inclusive = 1 : must be true or false (须为true 或 false)",
        ),
        (
            "uplink",
            f"window = 0x{'F' * 5_000}",
            "uplink.window = a very large number : must be a whole number, 1 … 1000 (允许 1–1000)",
        ),
        (
            "gate",
            'languages = ["zh-Hans", "fr"]',
            'gate.languages[#2] = "fr" : must be one of (只能是) zh-Hans | en',
        ),
        (
            "checks",
            "anti_passback_reset = 04:00:00",
            'checks.anti_passback_reset = 04:00:00 : must look like (格式如) "04:00"',
        ),
        (
            "temperature",
            "ambient = 3",
            "temperature.ambient = 3 : must be a table (须为表)",
        ),
    ],
)
def test_an_error_names_path_value_bounds_and_unit(section: str, line: str, expected: str) -> None:
    assert refusal(with_keys(section, line)) == [expected]


@pytest.mark.parametrize(
    ("section", "line", "expected"),
    [
        ("temperature", "guard_bellow_c = 0.1", "did you mean guard_below_c?"),
        ("temperature", "hold_s = 5.0", "did you mean visit.hold_s?"),
        ("temprature", "guard_below_c = 0.1", "did you mean temperature?"),
        ("uplink", "password_fil = 'x'", "did you mean password_file?"),
    ],
)
def test_an_unknown_key_suggests_the_key_that_was_meant(
    section: str, line: str, expected: str
) -> None:
    (fault,) = refusal(with_keys(section, line))

    assert "unknown key" in fault
    assert expected in fault


def test_a_misspelt_key_of_a_thermometer_is_found_although_drivers_have_keys_of_their_own() -> None:
    (fault,) = refusal(MINIMAL.replace("mount_height_m", "mount_hieght_m"))

    assert fault.startswith("temperature.thermometers[child].mount_height_m : is missing")
    assert fault.endswith("(found mount_hieght_m)")


def test_all_errors_are_reported_together() -> None:
    faults = refusal(
        """
        [gate]
        site = "Lixin Primary"
        timezone = "Asia/Shangai"
        [temperature]
        fever_threshold_c = 35.9
        thermometers = [
          { name = "a", driver = "mlx90614", bus = "/dev/i2c-1", mount_height_m = 9 },
          { name = "b", driver = "MLX 90614", bus = "i2c-1", mount_height_m = 1.1, variant = nan },
        ]
        [checks]
        anti_passback = "hard"
        [outputs]
        relay = { line = "GPIO17", pulse_s = 60, active_low = true }
        [uplink]
        broker = "http://10.8.0.1"
        """
    )

    assert [fault.split(" ")[0] for fault in faults] == [
        "gate.site",
        "gate.name",
        "gate.timezone",
        "temperature.fever_threshold_c",
        "temperature.thermometers[a].mount_height_m",
        "temperature.thermometers[b].driver",
        "temperature.thermometers[b].bus",
        "temperature.thermometers[b].variant",
        "checks.anti_passback",
        "scanner",
        "outputs.relay.pulse_s",
        "outputs.relay.active_low",
        "uplink.broker",
    ]


def thermometers(*pairs: tuple[str, str]) -> str:
    entries = "".join(
        f'{{ name = "{name}", driver = "mlx90614", bus = "{bus}", mount_height_m = 1.1 }}, '
        for name, bus in pairs
    )
    before, _, rest = MINIMAL.partition("thermometers = [")
    return f"{before}thermometers = [{entries}]{rest.partition(']')[2]}"


def test_two_thermometers_of_one_name_are_refused() -> None:
    (fault,) = refusal(thermometers(("child", "/dev/i2c-1"), ("child", "/dev/i2c-3")))

    assert 'two are called "child"' in fault


def test_two_thermometers_on_one_bus_are_refused_with_the_reason() -> None:
    (fault,) = refusal(thermometers(("child", "/dev/i2c-1"), ("adult", "/dev/i2c-1")))

    assert "one infrared sensor per bus" in fault


def test_a_gate_needs_a_thermometer() -> None:
    (fault,) = refusal(thermometers())

    assert "must be a list of tables with 1 … 8 entries" in fault


@pytest.mark.parametrize(
    ("section", "line", "expected"),
    [
        ("gate", 'zone = "Yard"', "must be 1-63 of a-z 0-9 and -"),
        ("gate", 'languages = ["en", "en"]', "each language once"),
        ("temperature", "ambient_max_c = 20.0\nambient_min_c = 20.0", "must be above ambient_min"),
        ("temperature", "extrapolated_below_c = 31.0", "must be above extrapolated_below_c"),
        ("visit", "hint_after_s = 20.0", "= 15.0 (default) : must be above hint_after_s = 20.0 s"),
        ("visit", "hold_s = 20.0", "must not be below hold_s = 20.0 s"),
        ("outputs", 'buzzer = { line = "GPIO17" }', "GPIO17 is wired to outputs.relay.line and"),
        ("inputs", 'contact = { line = "GPIO17" }', "GPIO17 is wired to outputs.relay.line and"),
        ("uplink", 'cert_file = "/etc/gated/own.pem"', "cert_file and key_file go together"),
        ("credentials", 'trust = "a\\u0000b"', "character that cannot be printed"),
        ("credentials", f'trust = "{"a" * 1_001}"', "is too long"),
        ("scanner", 'device = ""', "is empty"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    section: str, line: str, expected: str
) -> None:
    (fault,) = refusal(with_keys(section, line))

    assert expected in fault


def test_hard_anti_passback_is_accepted_with_an_exit_reader() -> None:
    text = with_keys("checks", 'anti_passback = "hard"', "exit_reader = true")

    assert parse_gate(text, "gated.toml").checks.anti_passback is Check.HARD


def test_where_uses_are_told_is_no_name_of_a_gate() -> None:
    (fault,) = refusal(MINIMAL.replace("east-1", "uses"))

    assert "reserved" in fault


def test_the_collectors_name_is_refused_as_a_site() -> None:
    (fault,) = refusal(MINIMAL.replace("lixin-primary", "collector"))

    assert "reserved" in fault


@pytest.mark.parametrize(
    ("url", "host", "port", "is_tls"),
    [
        ("mqtts://10.8.0.1", "10.8.0.1", 8883, True),
        ("mqtts://broker.example:1234", "broker.example", 1234, True),
        ("mqtt://127.0.0.1", "127.0.0.1", 1883, False),
        ("mqtt://localhost:1884/", "localhost", 1884, False),
        ("mqtt://[::1]:1884", "::1", 1884, False),
    ],
)
def test_a_broker_is_named_by_a_url(url: str, host: str, port: int, is_tls: bool) -> None:
    text = MINIMAL.replace("mqtts://10.8.0.1:8883", url)

    endpoint = parse_gate(text, "gated.toml").uplink.endpoint

    assert (endpoint.host, endpoint.port, endpoint.is_tls) == (host, port, is_tls)


@pytest.mark.parametrize(
    "url",
    [
        "10.8.0.1:8883",
        "http://10.8.0.1",
        "mqtts://",
        "mqtts://10.8.0.1:0",
        "mqtts://10.8.0.1:99999",
        "mqtts://10.8.0.1/gates",
        "mqtts://[::1",
        "mqtt://10.8.0.1:1883",
        "mqtt://localhost.example:1883",
    ],
)
def test_a_broker_that_is_no_url_or_not_safe_is_refused(url: str) -> None:
    (fault,) = refusal(MINIMAL.replace("mqtts://10.8.0.1:8883", url))

    assert fault.startswith("uplink.broker")


def test_a_broker_without_tls_may_be_allowed_inside_a_tunnel() -> None:
    text = with_keys("uplink", "allow_plain = true").replace("mqtts:", "mqtt:")

    assert not parse_gate(text, "gated.toml").uplink.endpoint.is_tls


def test_the_mqtt_user_is_the_gates_name_when_there_is_a_password() -> None:
    assert parse_gate(MINIMAL, "gated.toml").mqtt_user is None
    named = parse_gate(with_keys("uplink", 'password_file = "/etc/gated/pw"'), "gated.toml")
    assert named.mqtt_user == "east-1"


# --- the collector ----------------------------------------------------------------------------

COLLECTOR = '[collector]\nname = "centre-1"\nbroker = "mqtt://127.0.0.1:1883"\n'


@pytest.mark.parametrize(
    ("line", "demand"),
    [
        ('enough = [{ products = "EU/1/20/1528" }]', "must be a list of texts in quotes (须为"),
        ("enough = [{ products = [207] }]", "must be a text in quotes (须为"),
        ('enough = "all"', "must be a list of tables with 0 … 32 entries"),
    ],
)
def test_a_list_is_asked_for_by_what_is_in_it(line: str, demand: str) -> None:
    (fault,) = (f for f in refusal(with_keys("certificates", line)) if "must be" in f)
    assert demand in fault


def test_a_collector_listens_on_this_machine_only_unless_it_has_a_token(tmp_path: Path) -> None:
    path = tmp_path / "collector.toml"
    path.write_text(COLLECTOR)
    settings = load_collector(path).collector
    assert (settings.listen_host, settings.listen_port) == ("127.0.0.1", 8080)

    with pytest.raises(ConfigError, match=r"token_file : is required"):
        parse_collector(COLLECTOR + 'listen = "0.0.0.0:8080"\n', "collector.toml")

    opened = COLLECTOR + 'listen = "[::]:80"\ntoken_file = "/etc/gated/token"\n'
    settings = parse_collector(opened, "collector.toml").collector
    assert (settings.listen_host, settings.listen_port) == ("::", 80)


@pytest.mark.parametrize("listen", ["8080", ":8080", "host:", "host:0", "host:65536", "host:８0"])
def test_a_listening_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"must be \"HOST:PORT\""):
        parse_collector(f'{COLLECTOR}listen = "{listen}"\n', "collector.toml")


# --- whatever comes -----------------------------------------------------------------------------

_SCALARS = """
    "x" "" 1 -1 nan inf 1e400 0xFFFFFFFFFFFFFFFFFFFF true 37.3 07:00:00 2026-11-23
    "mqtts://a:b@c" "/dev/i2c-1" "hard" "\\u0000" @
"""
_VALUES = st.recursive(
    st.sampled_from(_SCALARS.split()),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda vs: f"[{', '.join(vs)}]")
        | st.dictionaries(st.sampled_from(["name", "bus", "line", "driver", "x"]), inner).map(
            lambda d: "{" + ", ".join(f"{k} = {v}" for k, v in d.items()) + "}"
        )
    ),
    max_leaves=5,
)
_KEYS = st.sampled_from(
    [f"{section}.{key}" for section, field in GateConfig.model_fields.items()
     for key in getattr(field.annotation, "model_fields", {})]
    + list(GateConfig.model_fields)
    + ["collector.listen", "collector.broker", "collector", "x", '"a\\nb"']
)  # fmt: skip


@given(st.text() | st.lists(st.tuples(_KEYS, _VALUES)).map(
    lambda pairs: MINIMAL.replace("[gate]", "\n".join(f"{k} = {v}" for k, v in pairs) + "\n[gate]")
) | st.dictionaries(_KEYS, _VALUES).map(
    lambda pairs: "\n".join(f"{key} = {value}" for key, value in pairs.items())
))  # fmt: skip
def test_any_text_gives_a_configuration_or_one_clear_refusal(text: str) -> None:
    for parse in (parse_gate, parse_collector):
        try:
            config = parse(text, "gated.toml")
        except ConfigError as exc:
            message = str(exc)
        else:
            assert isinstance(config, GateConfig | CollectorConfig)
            continue
        message.encode()  # can be printed, whatever the text held
        assert message.startswith("gated.toml")
