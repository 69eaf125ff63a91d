"""The example files, the reference and the schema: they say what the models say."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

from gated.config import (
    CollectorConfig,
    GateConfig,
    load_collector,
    load_gate,
    parse_collector,
    parse_gate,
    schema,
)
from gated.config.keys import catalogue
from gated.config.reference import example, reference

ROOT = Path(__file__).resolve().parents[2]
MODELS = (GateConfig, CollectorConfig)

NOT_THE_DEFAULT = {
    "uplink.password_file": "a broker that people can reach needs one",
    "outputs.voice.driver": "the example has a loudspeaker",
    "temperature.ambient": "nothing can be judged without",
    "temperature.thermometers[].distance": "who stands too far away reads too cold",
    "outputs.call_staff": "somebody must hear the call",
    "outputs.lamps": "visitors need a prompt",
    "outputs.lamps.observe": "the same",
    "outputs.relay.line": "one of the two ways to wire it",
    "inputs.passage": "the passage outcome needs it",
    "inputs.attendant_button": "staff release visitors with it",
}


def uncommented(text: str) -> str:
    """Return ``text`` with the keys behind a # switched on."""
    return re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE)


def alternatives(text: str) -> str:
    """Return the lines of ``text`` that stand for another one, each in its section."""
    lines = re.findall(r"^(?:\[\w+\]|#  [a-z_]+ = .*)", text, flags=re.MULTILINE)
    return "\n".join(line.removeprefix("#  ") for line in lines)


def keys_in(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        path = f"{prefix}{name}"
        yield path, value
        if isinstance(value, dict):
            yield from keys_in(value, f"{path}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from keys_in(value[0], f"{path}[].")


def values_of_example(model: type[BaseModel]) -> dict[str, object]:
    text = example(model)
    other = dict(keys_in(tomllib.loads(alternatives(text))))
    return other | dict(keys_in(tomllib.loads(uncommented(text))))


@pytest.mark.parametrize("model", MODELS)
def test_the_example_names_every_key_there_is(model: type[BaseModel]) -> None:
    named = values_of_example(model)

    assert {key.path for key in catalogue(model)} <= named.keys()


@pytest.mark.parametrize("model", MODELS)
def test_the_example_shows_the_defaults(model: type[BaseModel]) -> None:
    shown = dict(keys_in(tomllib.loads(example(model))))
    differing = set()
    for key in catalogue(model):
        if key.is_required or key.path not in shown or isinstance(key.default, BaseModel):
            continue
        default = list(key.default) if isinstance(key.default, tuple) else key.default
        default = str(default) if isinstance(default, Path) else default
        if shown[key.path] != default:
            differing.add(key.path)

    assert differing == ({*NOT_THE_DEFAULT} if model is GateConfig else set())


@pytest.mark.parametrize("model", MODELS)
def test_the_example_shows_bounds_and_choices_where_they_are_needed(model: type[BaseModel]) -> None:
    text = uncommented(example(model))
    sections = {part.partition("]")[0]: part for part in re.split(r"^\[", text, flags=re.MULTILINE)}
    for key in catalogue(model):
        if key.lowest is None and not key.choices:
            continue
        section, *between, name = key.path.split(".")
        near = sections[section]
        if not between:  # a key of its own line says it there; inline tables say it above
            (near,) = (line for line in near.splitlines() if line.startswith(f"{name} = "))
        assert key.allowed("–") in near, key.path


@pytest.mark.parametrize("text", [example(GateConfig), uncommented(example(GateConfig))])
def test_the_example_is_a_configuration(text: str) -> None:
    assert parse_gate(text, "example").gate.name == "east-1"


def test_the_collectors_example_is_a_configuration() -> None:
    assert parse_collector(example(CollectorConfig), "example").collector.name == "centre-1"


@pytest.mark.parametrize(
    ("shipped", "model"), [("gated.toml", GateConfig), ("collector.toml", CollectorConfig)]
)
def test_the_example_in_the_repository_is_the_one_in_the_package(
    shipped: str, model: type[BaseModel]
) -> None:
    assert (ROOT / "config" / shipped).read_text(encoding="utf-8") == example(model)


def test_the_demos_configuration_has_two_thermometers_and_stays_on_this_machine() -> None:
    config = load_gate(ROOT / "config/demo.toml")

    assert {t.name: t.mount_height_m for t in config.temperature.thermometers} == {
        "child": 1.10,
        "adult": 1.60,
    }
    assert config.uplink.endpoint.is_loopback
    assert load_collector(ROOT / "config/collector.toml").collector.endpoint.is_loopback


def test_the_reference_in_the_docs_is_up_to_date() -> None:
    written = (ROOT / "docs/config-reference.md").read_text(encoding="utf-8")

    assert written == reference(), "run: gated config reference > docs/config-reference.md"


@pytest.mark.parametrize("model", MODELS)
def test_every_key_is_explained_in_both_languages(model: type[BaseModel]) -> None:
    for key in catalogue(model):
        assert key.en.endswith("."), key.path
        assert re.search("[\u4e00-\u9fff]", key.zh), key.path


@pytest.mark.parametrize("model", MODELS)
def test_a_key_with_a_unit_says_it_in_its_name_too(model: type[BaseModel]) -> None:
    suffix_of = {"°C": "_c", "s": "_s", "m": "_m", "ms": "_ms", "Hz": "_hz", "d": "_days",
                 "B": "_bytes", "MB": "_mb", "%": "_percent"}  # fmt: skip
    for key in catalogue(model):
        if key.unit in suffix_of:
            assert key.path.endswith(suffix_of[key.unit]), key.path


def test_the_live_keys_are_the_rules_and_not_the_wiring() -> None:
    live = {key.path for key in catalogue(GateConfig) if key.is_live}
    tables = {path.partition(".")[0] for path in live}

    wired = {"gate", "scanner", "credentials", "outputs", "uplink"}
    assert tables == {"temperature", "checks", "certificates", "visit", *wired}
    assert {p for p in live if p.partition(".")[0] in wired} == {
        "gate.languages",
        "credentials.revocations_max_age_days",
        "credentials.when_revocations_old",
        "scanner.colour",
        "outputs.voice.volume_percent",
        "uplink.keep_person_days",
    }
    not_live = {k.path for k in catalogue(GateConfig) if not k.is_live and not k.is_table}
    assert not {p for p in not_live if p.startswith(("checks.", "visit."))}
    assert {p for p in not_live if p.startswith("temperature.")} == {
        p
        for p in not_live
        if p.startswith(
            ("temperature.thermometers", "temperature.ambient.", "temperature.reference.")
        )
    }


def test_no_key_of_a_collector_is_live_because_a_collector_does_not_reload() -> None:
    assert [key.path for key in catalogue(CollectorConfig) if key.is_live] == []
    assert "sudo systemctl restart gated-collector" in reference()


def test_the_schema_is_json_and_carries_bounds_units_and_both_languages() -> None:
    loaded = json.loads(json.dumps(schema()))

    threshold = loaded["$defs"]["TemperatureSettings"]["properties"]["fever_threshold_c"]
    assert (threshold["minimum"], threshold["maximum"], threshold["default"]) == (36.0, 40.0, 37.3)
    assert (threshold["unit"], threshold["live"]) == ("°C", True)
    assert "发热" in threshold["description_zh"]
    assert loaded["additionalProperties"] is False
    assert "collector" in schema(CollectorConfig)["properties"]
