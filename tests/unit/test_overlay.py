"""What the centre sets over the technician's file: live keys, all or nothing, and taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gated import cli
from gated.config import GateConfig
from gated.config.load import load_gate
from gated.config.overlay import (
    MAX_BYTES,
    OVERLAY_FILE,
    ConfigValue,
    load_in_force,
    overlay_keys,
    read_overlay,
    with_overlay,
)
from gated.contents import CommandReason
from gated.controller.pushed_config import PushedConfig
from gated.deeds import RollBackConfig, SetConfig
from gated.errors import ConfigError
from gated.vocabulary import Check
from tests.config_texts import with_keys


@dataclass
class Bench:
    """A gate's file and its state folder."""

    root: Path
    reloads: int = 0
    config: GateConfig = field(init=False)

    def __post_init__(self) -> None:
        self.file = self.root / "gated.toml"
        self.state = self.root / "state"
        self.state.mkdir()
        self.edit("checks", 'anti_passback = "off"')
        self.config = load_gate(self.file)
        self.pushed = PushedConfig(self.file, lambda: self.config, self.reload)

    def edit(self, table: str, *lines: str) -> None:
        text = with_keys(table, *lines)
        self.file.write_text(f'{text}\n[paths]\nstate = "{self.state}"\n', encoding="utf-8")
        self.file.chmod(0o644)

    def reload(self) -> None:
        self.reloads += 1
        self.config = load_in_force(self.file).config

    def push(self, values: dict[str, ConfigValue]) -> tuple[CommandReason | None, str]:
        return self.pushed.put(SetConfig(values))

    @property
    def in_force(self) -> tuple[Check, float]:
        return self.config.checks.anti_passback, self.config.temperature.fever_threshold_c


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_is_pushed_holds_over_the_file_and_is_taken_back(bench: Bench) -> None:
    technicians = bench.file.read_bytes()
    assert bench.push({"temperature.fever_threshold_c": 37.5}) == (None, "")
    assert bench.in_force == (Check.OFF, 37.5)
    assert bench.push({"checks.anti_passback": "soft"}) == (None, "")
    assert bench.in_force == (Check.SOFT, 37.3), "these hold, and no others"
    assert bench.pushed.put(RollBackConfig()) == (None, "")
    assert bench.in_force == (Check.OFF, 37.5)
    assert bench.pushed.put(RollBackConfig()) == (None, "")
    assert bench.in_force == (Check.SOFT, 37.3)
    assert bench.push({}) == (None, "")
    assert bench.in_force == (Check.OFF, 37.3)
    assert bench.reloads == 5
    assert bench.file.read_bytes() == technicians


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"temperature.fever_threshold_c": 55.0}, "fever_threshold_c"),
        ({"temperature.fever_threshold_c": "37.5"}, "fever_threshold_c"),
        ({"checks.anti_passback": "hard"}, "exit_reader"),
        ({"checks.anti_passback": "soft", "gate.name": "west-1"}, "gate.name"),
        ({"uplink.broker": "mqtts://elsewhere:8883"}, "uplink.broker"),
        ({"credentials.trust": "/srv/keys"}, "credentials.trust"),
        ({"checks.nothing": 1}, "checks.nothing"),
        ({"checks": "off"}, "checks"),
        ({"certificates.enough": ["x"]}, "certificates.enough"),
    ],
)
def test_one_wrong_value_leaves_everything_as_it_was(
    values: dict[str, ConfigValue], says: str, bench: Bench
) -> None:
    bench.push({"temperature.fever_threshold_c": 37.5})
    before = (bench.state / OVERLAY_FILE).read_bytes()
    why, detail = bench.push(values)
    assert why is CommandReason.CONFIG_REFUSED
    assert says in detail
    assert "\n" not in detail
    assert (bench.state / OVERLAY_FILE).read_bytes() == before
    assert (bench.reloads, bench.in_force) == (1, (Check.OFF, 37.5))


def test_nothing_that_says_who_is_believed_or_where_things_are_can_be_pushed() -> None:
    keys = overlay_keys()
    assert {"checks.credential", "temperature.fever_threshold_c", "gate.languages"} <= keys
    settings = {
        "gate": {"site", "name", "direction", "zone", "timezone"},
        "credentials": {
            "trust", "site_key_file", "persons_list_file", "duty_list_file", "revocation_file",
            "revocations",
        },
        "uplink": {"broker", "user", "password_file", "ca_file", "cert_file", "key_file"},
        "paths": {"state", "run"},
        "clock": {"source"},
        "outputs": {"relay", "call_staff", "lamps"},
    }  # fmt: skip
    assert not keys & {f"{table}.{key}" for table, names in settings.items() for key in names}


def test_an_overlay_that_does_not_fit_the_file_any_more_is_out_of_force_and_said(
    bench: Bench,
) -> None:
    bench.push({"visit.staff_after_s": 10.0, "checks.anti_passback": "soft"})
    assert load_in_force(bench.file).problem == ""
    bench.edit("visit", "hint_after_s = 20.0", "staff_after_s = 30.0")
    found = load_in_force(bench.file)
    assert "out of force" in found.problem
    assert found.config == load_gate(bench.file)


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"v": 2}', b"[" * 9_000, b" " * MAX_BYTES])
def test_a_damaged_overlay_holds_nothing_and_can_be_replaced(damaged: bytes, bench: Bench) -> None:
    (bench.state / OVERLAY_FILE).write_bytes(damaged)
    with pytest.raises(ConfigError):
        read_overlay(bench.state)
    assert load_in_force(bench.file).config == load_gate(bench.file)
    assert bench.push({"temperature.fever_threshold_c": 37.5}) == (None, "")
    assert bench.in_force == (Check.OFF, 37.5)


def test_a_technician_sees_what_the_centre_has_set(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.push({"checks.anti_passback": "soft"})
    assert cli.main(["config", "show", str(bench.file)]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["checks.anti_passback", "set", "live", '"off"'] in shown
    assert shown[-1] == ["checks.anti_passback", "centre", "live", '"soft"']


def test_without_an_overlay_the_file_holds(bench: Bench) -> None:
    found = load_in_force(bench.file)
    assert (found.config, found.problem) == (load_gate(bench.file), "")
    assert with_overlay(found.config, {}) == found.config


def test_a_state_folder_that_cannot_be_written_is_said(bench: Bench) -> None:
    (bench.state / OVERLAY_FILE).mkdir()
    why, _ = bench.push({"temperature.fever_threshold_c": 37.5})
    assert why is CommandReason.NOT_WRITABLE
    assert bench.reloads == 0
