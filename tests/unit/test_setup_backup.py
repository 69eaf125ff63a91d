"""``gated backup`` and ``gated restore``: the configuration moves, the identity stays."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from gated.cli import main
from gated.config import GateConfig, load_gate
from gated.config.explain import dump_toml
from gated.credentials.pseudonym import make_site_key
from gated.errors import ExitCode
from gated.sensors.calibration import Calibration, CalibrationFolder
from tests.authorities import Authority
from tests.config_texts import MINIMAL
from tests.setup_rig import ISSUER, PASSWORD, Card

WAV = b"RIFF" + bytes(40)
CALIBRATION = Calibration(
    thermometer="child", version=7, chip_id="123456789abcdef0", made_at="2026-11-01T08:00:00+08:00",
    made_by="technician", offset_c=0.2,
)  # fmt: skip


@pytest.fixture
def card(tmp_path: Path) -> Card:
    """A gate that is set up, with everything that a gate may have."""
    card = Card(tmp_path / "old")
    (card.boot / "ca.pem").write_bytes(Authority("broker CA").pem)
    voice = card.etc / "voice"
    tables = (
        MINIMAL.replace(
            "[outputs]", f'[outputs]\nvoice = {{ driver = "alsa", folder = "{voice}" }}'
        )
        + f'[paths]\nstate = "{tmp_path / "state"}"\n[visit]\nhold_s = 7.0\n'
        + f'[credentials]\nduty_list_file = "{card.etc / "duty.list"}"\n'
    )
    card.ask_for(f'mqtt_password = "{PASSWORD}"\nca = "ca.pem"\ntrust = ["{ISSUER}"]', tables)
    assert main(["setup", "--file", str(card.file), "--config", str(card.config)]) == ExitCode.OK
    (voice / "zh-Hans").mkdir(parents=True)
    (voice / "zh-Hans" / "go.wav").write_bytes(WAV)
    (card.etc / "duty.list").write_text("k4:9c41f07be2d85a13\n")
    (tmp_path / "state").mkdir()
    CalibrationFolder(tmp_path / "state" / "calibrations").save(CALIBRATION)
    (tmp_path / "state" / "ledger.db").write_bytes(b"records")
    return card


def backup(card: Card, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    file = card.boot / "gate.zip"
    capsys.readouterr()
    assert main(["backup", str(file), "--config", str(card.config)]) == ExitCode.OK
    return file, capsys.readouterr().out


def restore(file: Path, card: Card, *arguments: str) -> int:
    return main(["restore", str(file), "--config", str(card.config), *arguments])


def test_everything_that_makes_a_gate_is_in_it_and_nothing_that_makes_it_this_gate(
    card: Card, capsys: pytest.CaptureFixture[str]
) -> None:
    file, said = backup(card, capsys)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert set(members) == {
        "about.txt", "setup.toml", "ca.pem", f"trust/{ISSUER}", "calibrations/child.7.json",
        "voice/zh-Hans/go.wav",
    }  # fmt: skip
    everything = b"\n".join(members.values())
    site_key = (card.etc / "site.key").read_bytes().strip()
    for secret in (b"east-1", PASSWORD.encode(), site_key, b"9c41f07be2d85a13", b"mqtt.password"):
        assert secret not in everything, secret
    assert "hold_s = 7.0" in members["setup.toml"].decode()
    for left_out in ("site.key", "mqtt.password", "duty.list"):
        assert str(card.etc / left_out) in said


def test_another_gate_is_made_of_it(
    card: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = backup(card, capsys)
    new = Card(tmp_path / "new")
    make_site_key(new.boot / "site.key")
    (new.boot / "password").write_text("another\n")
    arguments = ["--gate", "west-2", "--site-key", str(new.boot / "site.key")]
    assert restore(file, new, *arguments, "--mqtt-password", str(new.boot / "password")) == 0
    old, now = load_gate(card.config), load_gate(new.config)
    assert now.gate.name == "west-2"
    assert now.uplink.ca_file == new.etc / "ca.pem"
    assert (new.etc / "site.key").read_bytes() == (new.boot / "site.key").read_bytes()
    assert (new.etc / "mqtt.password").read_text() == "another\n"
    assert (new.etc / "trust" / ISSUER).read_bytes() == (new.boot / ISSUER).read_bytes()
    same = {"gate": old.gate, "uplink": old.uplink, "credentials": old.credentials}
    assert dump_toml(now.model_copy(update=same)) == dump_toml(old)


def test_the_card_of_a_dead_gate_is_backed_up_from_where_it_is_mounted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card, state = tmp_path / "media", tmp_path / "media" / "var/lib/gated"
    etc = card / "etc/gated"
    (etc / "trust").mkdir(parents=True)
    (etc / "gated.toml").write_text(MINIMAL, encoding="utf-8")
    (etc / "trust" / ISSUER).write_bytes((Card(tmp_path / "x").boot / ISSUER).read_bytes())
    make_site_key(etc / "site.key")
    state.mkdir(parents=True)
    CalibrationFolder(state / "calibrations").save(CALIBRATION)
    file = tmp_path / "old.zip"
    words = ["--root", str(card), "--config", "/etc/gated/gated.toml"]
    assert main(["backup", str(file), *words]) == ExitCode.OK
    assert "/etc/gated/site.key" in capsys.readouterr().out
    with zipfile.ZipFile(file) as archive:
        assert set(archive.namelist()) == {
            "about.txt", "setup.toml", f"trust/{ISSUER}", "calibrations/child.7.json",
        }  # fmt: skip


def test_calibrations_and_recordings_are_put_where_the_configuration_has_them(
    card: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = backup(card, capsys)
    state, voice = tmp_path / "state", card.etc / "voice" / "zh-Hans" / "go.wav"
    (state / "calibrations" / "child.7.json").unlink()
    voice.unlink()
    assert restore(file, Card(tmp_path / "new"), "--gate", "west-2") == ExitCode.OK
    assert CalibrationFolder(state / "calibrations").load("child") == CALIBRATION
    assert voice.read_bytes() == WAV


def test_without_a_name_nothing_is_restored(
    card: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = backup(card, capsys)
    new = Card(tmp_path / "new")
    assert restore(file, new) == ExitCode.FAILED  # pytest's standard input is nobody
    assert "--gate NAME" in capsys.readouterr().err
    assert not new.etc.exists()


def test_a_gate_that_is_configured_is_not_overwritten(
    card: Card, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = backup(card, capsys)
    before = card.etc_files()
    assert restore(file, card, "--gate", "west-2") == ExitCode.FAILED
    assert "--replace" in capsys.readouterr().err
    assert card.etc_files() == before


def test_a_backup_never_replaces_a_file(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    file, _ = backup(card, capsys)
    assert main(["backup", str(file), "--config", str(card.config)]) == ExitCode.FAILED
    assert "exists already" in capsys.readouterr().err


def changed(file: Path, name: str, data: bytes) -> bytes:
    with zipfile.ZipFile(file) as archive:
        members = {each: archive.read(each) for each in archive.namelist()} | {name: data}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return packed.getvalue()


BAD = {
    "outside": ("../evil", b"x", "in no backup"),
    "absolute": ("/etc/passwd", b"x", "in no backup"),
    "a hidden key": ("trust/.hidden", b"x", "plain file name"),
    "a private key": ("trust/key.pem", Authority("x").pair("x"), "private key"),
    "no calibration": ("calibrations/child.8.json", json.dumps({}).encode(), "no calibration"),
    "another version's key": ("setup.toml", b"[gate]\ncolour = 1\n", "unknown key"),
    "no text": ("setup.toml", b"\xff\xfe", "not UTF-8"),
    "a CA": ("ca.pem", b"-----BEGIN NOTHING-----", "no certificates"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_backup_is_refused_whole(
    card: Card, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, data, reason = BAD[what]
    file, _ = backup(card, capsys)
    file.write_bytes(changed(file, name, data))
    new = Card(tmp_path / "new")
    assert restore(file, new, "--gate", "west-2") == ExitCode.CONFIG
    assert reason in capsys.readouterr().err
    assert not new.etc.exists()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip at all"])
def test_what_is_no_zip_is_refused(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gate.zip").write_bytes(data)
    new = Card(tmp_path / "new")
    assert restore(tmp_path / "gate.zip", new, "--gate", "west-2") == ExitCode.CONFIG
    assert "cannot be read as a backup" in capsys.readouterr().err


def test_the_page_says_what_is_in_it() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/setup.md").read_text(encoding="utf-8")
    for member in ("setup.toml", "trust/", "ca.pem", "platform-ca.pem", "calibrations/", "voice/"):
        assert f"`{member}`" in page
    assert {"gate", "uplink", "verifier"} <= set(GateConfig.model_fields)
