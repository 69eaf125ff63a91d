"""``gated setup --file`` and ``--boot``: all of it or nothing; secrets leave the boot folder."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gated.cli import main
from gated.clock import SystemClock
from gated.config import load_gate
from gated.credentials.keys import public_key_set
from gated.credentials.pseudonym import load_site_key, new_site_key
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trust import load_trust
from gated.doctor.host import Answer
from gated.errors import CannotWrite, ExitCode
from gated.setup.boot import RESULT_FILE, BootSetup
from tests.authorities import Authority
from tests.config_texts import MINIMAL
from tests.setup_rig import ISSUER, PASSWORD, Card


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def setup(card: Card, *arguments: str) -> int:
    return main(["setup", "--file", str(card.file), "--config", str(card.config), *arguments])


def test_a_file_sets_a_gate_up(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    (card.boot / "ca.pem").write_bytes(Authority("broker CA").pem)
    site_key = new_site_key().decode().strip()
    card.ask_for(
        f'mqtt_password = "{PASSWORD}"\nsite_key = "{site_key}"\nca = "ca.pem"\n'
        f'trust = ["{ISSUER}"]'
    )
    assert setup(card) == ExitCode.OK
    config = load_gate(card.config)
    assert (config.gate.site, config.gate.name) == ("lixin-primary", "east-1")
    assert config.uplink.password_file == card.etc / "mqtt.password"
    assert config.uplink.ca_file == card.etc / "ca.pem"
    assert card.etc_files()["mqtt.password"].decode().strip() == PASSWORD
    assert card.etc_files()["site.key"].decode().strip() == site_key
    assert set(card.etc_files()) == {
        "gated.toml", "site.key", "mqtt.password", "ca.pem", f"trust/{ISSUER}",
    }  # fmt: skip
    assert "发热阈值" in card.config.read_text(encoding="utf-8")
    said = capsys.readouterr().out
    assert PASSWORD not in said
    assert "gated doctor" in said
    assert main(["config", "check", str(card.config)]) == ExitCode.OK


def test_secrets_are_open_to_nobody_else(card: Card) -> None:
    card.ask_for(f'mqtt_password = "{PASSWORD}"')
    setup(card)
    for name in ("mqtt.password", "site.key"):
        assert stat.S_IMODE((card.etc / name).stat().st_mode) & stat.S_IRWXO == 0
    assert stat.S_IMODE(card.config.stat().st_mode) == 0o644


def test_a_site_key_is_made_once_and_then_kept(card: Card) -> None:
    card.ask_for("")
    setup(card)
    first = load_site_key(card.etc / "site.key")
    card.ask_for("replace = true", MINIMAL.replace("east-1", "east-2"))
    assert setup(card) == ExitCode.OK
    assert load_site_key(card.etc / "site.key") == first


def test_what_is_there_is_replaced_only_when_told_to_and_kept(
    card: Card, capsys: pytest.CaptureFixture[str]
) -> None:
    card.ask_for(f'mqtt_password = "{PASSWORD}"')
    setup(card)
    before = card.etc_files()
    card.ask_for('mqtt_password = "another"', MINIMAL.replace("east-1", "east-2"))
    assert setup(card) == ExitCode.FAILED
    assert "--replace" in capsys.readouterr().err
    assert card.etc_files() == before
    assert setup(card, "--replace") == ExitCode.OK
    after = card.etc_files()
    kept = {name: data for name, data in after.items() if ".old-" in name}
    assert sorted(kept.values()) == sorted([before["gated.toml"], before["mqtt.password"]])
    assert load_gate(card.config).gate.name == "east-2"


def test_a_key_that_was_replaced_opens_nothing_any_more(card: Card) -> None:
    card.ask_for(f'trust = ["{ISSUER}"]')
    setup(card)
    leaked = (card.boot / ISSUER).read_bytes()
    renewed = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    (card.boot / ISSUER).write_text(public_key_set(renewed), encoding="utf-8")
    assert setup(card, "--replace") == ExitCode.OK
    trust = load_trust(load_gate(card.config).credentials.trust)
    assert trust.problems == ()
    assert {key.fingerprint for keys in trust.keys.values() for key in keys} == {
        key_fingerprint(renewed)
    }
    ((name, kept),) = ((n, data) for n, data in card.etc_files().items() if ".old-" in n)
    assert kept == leaked
    assert re.fullmatch(rf"trust-{ISSUER}\.old-\d{{8}}-\d{{6}}", name)


def test_the_same_once_more_changes_nothing(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    card.ask_for(f'mqtt_password = "{PASSWORD}"')
    setup(card)
    before = card.etc_files()
    assert setup(card) == ExitCode.OK
    assert "nothing was changed" in capsys.readouterr().out
    assert card.etc_files() == before


BAD = {
    "a wrong key": ("", MINIMAL.replace("site =", "sight ="), "unknown key"),
    "a threshold": ("", MINIMAL + "[visit]\nhold_s = 99.0\n", "1.0 … 30.0 s"),
    "a driver's key": ("", MINIMAL.replace('"DCI"', '"XYZ"'), "variant"),
    "no TOML": ("", "[gate", "not TOML"),
    "a word of setup": ("colour = 1", MINIMAL, "unknown key"),
    "a site key": ('site_key = "short"', MINIMAL, "site key"),
    "a missing file": ('trust = ["nobody.jwks.json"]', MINIMAL, "is missing"),
    "a file elsewhere": ('trust = ["../office.jwks.json"]', MINIMAL, "beside this one"),
    "no certificate": (f'ca = "{ISSUER}"', MINIMAL, "no certificates"),
    "an empty password": ('mqtt_password = " "', MINIMAL, "empty"),
    "no broker": ("", MINIMAL.replace("broker", "# broker"), "uplink.broker"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_changes_nothing_and_says_why(
    card: Card, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    setup_table, tables, reason = BAD[name]
    card.ask_for(setup_table, tables)
    assert setup(card) != ExitCode.OK
    assert reason in capsys.readouterr().err
    assert not card.etc.exists()


def test_a_private_key_among_the_issuers_is_refused(
    card: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pass", "keygen", "--out", str(tmp_path), "--name", "office"]) == ExitCode.OK
    (card.boot / "office.key.pem").write_bytes((tmp_path / "office.key.pem").read_bytes())
    card.ask_for('trust = ["office.key.pem"]')
    assert setup(card) == ExitCode.CONFIG
    assert "private key" in capsys.readouterr().err
    assert not card.etc.exists()


# --- the boot partition --------------------------------------------------------------------------


class Systemctl:
    def __init__(self, complaint: str = "") -> None:
        self.asked: list[Sequence[str]] = []
        self._complaint = complaint

    def __call__(self, command: Sequence[str]) -> Answer:
        self.asked.append(command)
        return Answer(1 if self._complaint else 0, self._complaint)


def boot(card: Card, systemctl: Systemctl) -> ExitCode:
    setup = BootSetup(
        card.config,
        folders=(card.boot / "absent", card.boot),
        run=systemctl,
        has_systemd=True,
    )
    return setup.apply(SystemClock(), lambda _: None)[0]


def result_of(card: Card) -> str:
    data = (card.boot / RESULT_FILE).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")  # Notepad's mark of UTF-8
    assert b"\r\n" in data
    return data.decode("utf-8-sig")


def test_a_file_on_the_boot_partition_is_applied_deleted_and_answered(card: Card) -> None:
    card.ask_for(f'mqtt_password = "{PASSWORD}"\ntrust = ["{ISSUER}"]')
    systemctl = Systemctl()
    assert boot(card, systemctl) == ExitCode.OK
    assert load_gate(card.config).gate.name == "east-1"
    assert not card.file.exists()
    assert systemctl.asked == [("systemctl", "enable", "--now", "--no-block", "gated.target")]
    result = result_of(card)
    assert "设置成功" in result
    assert "it was set up" in result
    for path in card.boot.iterdir():
        assert PASSWORD.encode() not in path.read_bytes(), path


def test_a_bad_file_on_the_boot_partition_stays_and_the_result_says_what_is_wrong(
    card: Card,
) -> None:
    card.ask_for(f'mqtt_password = "{PASSWORD}"', MINIMAL.replace('"GPIO17"', "17"))
    systemctl = Systemctl()
    assert boot(card, systemctl) == ExitCode.CONFIG
    assert card.file.exists()
    assert not card.etc.exists()
    assert systemctl.asked == []
    result = result_of(card)
    assert "设置失败" in result
    assert "outputs.relay.line" in result
    assert PASSWORD not in result


def test_mended_it_is_applied_at_the_next_start(card: Card) -> None:
    card.ask_for("", MINIMAL.replace('"GPIO17"', "17"))
    boot(card, Systemctl())
    card.ask_for("start = false")
    systemctl = Systemctl()
    assert boot(card, systemctl) == ExitCode.OK
    assert systemctl.asked == []
    assert "设置成功" in result_of(card)


def test_a_power_cut_before_the_file_was_deleted_does_no_harm(card: Card) -> None:
    card.ask_for(f'mqtt_password = "{PASSWORD}"')
    asked_for = card.file.read_bytes()
    boot(card, Systemctl())
    card.file.write_bytes(asked_for)  # as if it had never been deleted
    before = card.etc_files()
    assert boot(card, Systemctl()) == ExitCode.OK
    assert card.etc_files() == before
    assert not card.file.exists()


def test_secrets_that_could_not_be_deleted_are_told_of_and_the_gate_is_set_up(card: Card) -> None:
    def fail(file: Path) -> None:
        raise CannotWrite(f"{file} holds secrets and could not be deleted")

    card.ask_for("")
    setup = BootSetup(card.config, folders=(card.boot,), has_systemd=False, erase=fail)
    code, _ = setup.apply(SystemClock(), lambda _: None)
    assert code == ExitCode.CANNOT_WRITE
    assert load_gate(card.config).gate.name == "east-1"
    assert "it was set up" in result_of(card)
    assert "could not be deleted" in result_of(card)


def test_a_gate_that_does_not_start_says_so_in_the_result(card: Card) -> None:
    card.ask_for("")
    assert boot(card, Systemctl("Unit gated.target not found.")) == ExitCode.OK
    assert "Unit gated.target not found." in result_of(card)


def test_without_a_file_nothing_is_done(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(card.boot)
    assert main(["setup", "--config", str(card.config), "--boot", folder]) == ExitCode.OK
    assert "nothing to do" in capsys.readouterr().out
    assert not (card.boot / RESULT_FILE).exists()
