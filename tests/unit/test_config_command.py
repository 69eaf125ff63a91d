"""``gated config``: what a technician sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gated.cli import main
from gated.errors import ExitCode
from tests.config_texts import MINIMAL

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gated.toml"
    path.write_text(MINIMAL)
    return path


def test_a_good_file_is_ok_with_its_warnings(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(MINIMAL.replace("DCI", "DAA"))

    assert main(["config", "check", str(file)]) == ExitCode.OK

    out = capsys.readouterr().out
    assert out.startswith(f"{file}: ok\n")
    assert "warning: temperature.ambient is not set" in out
    assert "with 90° optics" in out


def test_a_bad_file_lists_every_error_and_exits_78(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(MINIMAL.replace("1.1,", "9,").replace("GPIO17", "17"))

    assert main(["config", "check", str(file)]) == ExitCode.CONFIG

    err = capsys.readouterr().err
    assert "has 2 errors" in err
    assert "temperature.thermometers[child].mount_height_m = 9 : must be 0.5 … 2.5 m" in err
    assert 'outputs.relay.line = "17" : must look like' in err


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"DCI"', '"XXX"', 'temperature.thermometers[child].variant = "XXX" : must be'),
        ("variant", "varient", "varient : unknown key (没有这个键): did you mean variant?"),
        ("mlx90614", "mlx90613", "temperature.thermometers[child] : driver 'mlx90613' is not"),
        ("mlx90614", "sht3x", "temperature.thermometers[child] : driver"),
    ],
)
def test_the_drivers_check_their_own_keys(
    file: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, expected: str
) -> None:
    file.write_text(MINIMAL.replace(old, new))

    assert main(["config", "check", str(file)]) == ExitCode.CONFIG

    assert expected in capsys.readouterr().err


def test_the_driver_of_the_air_thermometer_checks_its_keys(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ambient = 'ambient = { driver = "sht3x", bus = "/dev/i2c-0", address = 0x99 }\n'
    file.write_text(MINIMAL.replace("[temperature]\n", f"[temperature]\n{ambient}"))

    assert main(["config", "check", str(file)]) == ExitCode.CONFIG

    assert "temperature.ambient.address = 153 : must be a whole number" in capsys.readouterr().err


@pytest.mark.parametrize("text", [MINIMAL, MINIMAL.replace("GPIO17", "17"), "no toml"])
def test_programs_get_json(file: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    file.write_text(text)

    code = main(["config", "check", "--json", str(file)])

    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is (text == MINIMAL)
    assert code == (ExitCode.OK if answer["ok"] else ExitCode.CONFIG)
    assert bool(answer["errors"]) is not answer["ok"]


def test_the_file_is_the_one_of_the_environment_unless_named(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATED_CONFIG", str(file))

    assert main(["config", "check"]) == ExitCode.OK

    assert capsys.readouterr().out.startswith(f"{file}: ok")


def test_a_collectors_file_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "config/collector.toml"

    assert main(["config", "check", str(path)]) == ExitCode.OK
    assert main(["config", "show", str(path)]) == ExitCode.OK

    assert "collector.name" in capsys.readouterr().out


def test_show_tells_what_is_in_force(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", str(file)]) == ExitCode.OK
    set_only = capsys.readouterr().out
    assert main(["config", "show", "--all", str(file)]) == ExitCode.OK
    everything = capsys.readouterr().out

    assert "fever_threshold_c" not in set_only
    (line,) = (line for line in everything.splitlines() if "fever_threshold_c" in line)
    assert line.split() == ["temperature.fever_threshold_c", "default", "live", "37.3", "°C"]


def test_show_as_toml_can_be_loaded_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--toml", str(file)]) == ExitCode.OK
    file.write_text(capsys.readouterr().out)

    assert main(["config", "check", str(file)]) == ExitCode.OK


def test_a_bad_file_is_not_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(MINIMAL.replace("GPIO17", "17"))

    assert main(["config", "show", str(file)]) == ExitCode.CONFIG
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "beginning"),
    [
        (["example"], "# /etc/gated/gated.toml"),
        (["example", "--collector"], "# /etc/gated/collector.toml"),
        (["reference"], "# Configuration reference"),
        (["schema"], "{"),
    ],
)
def test_what_ships_is_printed(
    arguments: list[str], beginning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", *arguments]) == ExitCode.OK

    assert capsys.readouterr().out.startswith(beginning)
