"""``gated certificate``: the key of a request stays, an answer must fit it, what is in force."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gated.cli import main
from gated.mqtt.address import TlsFiles, tls_context
from gated.mqtt.certificates import common_name
from gated.mqtt.own_pairs import FOLDER, OwnPairs
from tests.authorities import CLIENT, SERVER, Authority, name_of
from tests.config_texts import with_keys

ROOT = Path(__file__).resolve().parents[2]
CA = Authority("school CA")


@dataclass
class Gate:
    folder: Path

    def __post_init__(self) -> None:
        self.pairs = OwnPairs(self.folder / FOLDER, TlsFiles())
        self.ca.write_bytes(CA.pem)
        self.configure()

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def configure(self, *uplink: str) -> None:
        text = with_keys("paths", f'state = "{self.folder}"')
        keys = "\n".join((f'ca_file = "{self.ca}"', *uplink))
        text = text.replace("[uplink]\n", f"[uplink]\n{keys}\n")
        (self.folder / "gated.toml").write_text(text, encoding="utf-8")

    def run(self, *words: str) -> int:
        action, *others = words
        return main(["certificate", action, *others, "--config", str(self.folder / "gated.toml")])

    def request(self, *words: str) -> bytes:
        assert self.run("request", "--out", str(self.folder / "gate.csr"), *words) == 0
        return (self.folder / "gate.csr").read_bytes()

    def install(self, answer: bytes, *words: str) -> int:
        (self.folder / "answer.pem").write_bytes(answer)
        return self.run("install", str(self.folder / "answer.pem"), *words)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setenv("GATED_LANG", "en")
    return Gate(tmp_path)


def test_a_request_names_the_gate_and_its_key_stays(gate: Gate) -> None:
    asked = x509.load_pem_x509_csr(gate.request())
    assert asked.is_signature_valid
    assert asked.subject == name_of("east-1")
    assert gate.pairs.request_key.stat().st_mode & 0o777 == 0o600
    assert gate.pairs.folder.stat().st_mode & 0o777 == 0o700


def test_a_request_goes_to_standard_output_and_nothing_else_does(
    gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate.run("request") == 0
    said = capsys.readouterr()
    assert x509.load_pem_x509_csr(said.out.encode()).subject == name_of("east-1")
    assert "gated certificate install" in said.err


def test_asking_again_is_the_same_request_until_another_key_is_wanted(gate: Gate) -> None:
    first, again = (x509.load_pem_x509_csr(gate.request()) for _ in range(2))
    other = x509.load_pem_x509_csr(gate.request("--new"))
    assert first.public_key() == again.public_key()
    assert first.public_key() != other.public_key()


def test_the_subject_of_the_certificate_in_force_is_kept(gate: Gate) -> None:
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "立新小学"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "east-1"),
        ]
    )
    own = gate.folder / "gate.pem"
    own.write_bytes(CA.sign(subject, ec.generate_private_key(ec.SECP256R1()).public_key()))
    gate.configure(f'cert_file = "{own}"', f'key_file = "{own}"')
    assert x509.load_pem_x509_csr(gate.request()).subject == subject


def test_the_answer_waits_for_its_trial_as_one_file(gate: Gate) -> None:
    assert gate.install(CA.answer(gate.request())) == 0
    assert gate.pairs.new() is not None
    assert gate.pairs.new_file.stat().st_mode & 0o777 == 0o600
    tls_context(gate.pairs.with_new())
    assert not gate.pairs.request_key.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for somebody else")
def test_what_root_makes_belongs_to_the_services_user(gate: Gate) -> None:
    os.chown(gate.folder, 4711, 4712)
    answer = CA.answer(gate.request())
    owner = gate.pairs.request_key.stat()
    assert (owner.st_uid, owner.st_gid) == (4711, 4712)
    assert gate.install(answer) == 0
    assert gate.pairs.folder.stat().st_uid == gate.pairs.new_file.stat().st_uid == 4711


# Ends the process, as a power cut would, just before its n-th step that changes a file's name,
# content or existence. An audit hook: the code under test is the real one.
CUT = """
import os, sys
from gated.cli import main
at_step, steps = int(sys.argv[1]), 0
def cut(event, args):
    global steps
    writes = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.chmod", "os.chown"):
        steps += 1
        if steps == at_step:
            os._exit(9)
sys.addaudithook(cut)
sys.exit(main(sys.argv[2:]))
"""


def cut_at(step: int, *words: str) -> int:
    """Run ``gated certificate`` with a power cut at ``step``; return the exit code, 9 if cut."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", CUT, str(step), "certificate", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 9), done.stderr
    return done.returncode


def test_a_power_cut_at_any_step_of_request_and_install_costs_no_more_than_another_try(
    gate: Gate,
) -> None:
    config = ("--config", str(gate.folder / "gated.toml"))
    cuts = 0
    while cut_at(cuts + 1, "request", *config) != 0:
        cuts += 1
        assert not gate.pairs.request_key.exists() or gate.pairs.request_key.stat().st_size
    assert cuts >= 3  # the folder, the new file, its name
    answer = gate.folder / "answer.pem"
    answer.write_bytes(CA.answer(gate.request()))
    cuts = 0
    while cut_at(cuts + 1, "install", str(answer), *config) != 0:
        cuts += 1
        if gate.pairs.new() is not None:
            tls_context(gate.pairs.with_new())
        assert gate.pairs.request_key.exists()  # so that it can be installed again
    assert cuts >= 3  # the new file, its name, the key's end
    assert gate.pairs.new() is not None


def key_of(request: bytes) -> ec.EllipticCurvePublicKey:
    key = x509.load_pem_x509_csr(request).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


@pytest.mark.parametrize(
    ("flaw", "complaint"),
    [
        ("other key", "the keys differ"),
        ("other name", "is of west-1, but the broker knows this gate as east-1"),
        ("other CA", "none of these CAs signed it: school CA"),
        ("for servers", "leaves clientAuth out"),
        ("ended", "not now"),
        ("not yet", "not now"),
        ("no PEM", "no certificates in PEM form"),
    ],
)
def test_an_answer_that_the_broker_would_refuse_changes_nothing(
    gate: Gate, capsys: pytest.CaptureFixture[str], flaw: str, complaint: str
) -> None:
    key, name = key_of(gate.request()), name_of("east-1")
    answers: dict[str, Callable[[], bytes]] = {
        "other key": lambda: CA.pair("east-1"),
        "other name": lambda: CA.sign(name_of("west-1"), key),
        "other CA": lambda: Authority("school CA 2").sign(name, key),
        "for servers": lambda: CA.sign(name, key, usage=SERVER),
        "ended": lambda: CA.sign(name, key, begins=-9, ends=-1),
        "not yet": lambda: CA.sign(name, key, begins=1),
        "no PEM": lambda: b"\x30\x82",
    }
    assert gate.install(answers[flaw]()) != 0
    assert complaint in capsys.readouterr().err
    assert gate.pairs.new() is None
    assert gate.pairs.request_key.exists()


def test_without_a_request_there_is_nothing_to_install(
    gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate.install(CA.pair("east-1")) == 1
    assert "no request is open" in capsys.readouterr().err


@pytest.mark.parametrize("usage", [CLIENT, None])
def test_gates_may_have_a_ca_of_their_own(gate: Gate, usage: x509.ObjectIdentifier | None) -> None:
    gates = Authority("gates' CA")
    (gate.folder / "gates.pem").write_bytes(gates.pem)
    answer = gates.sign(name_of("east-1"), key_of(gate.request()), usage=usage)
    assert gate.install(answer) == 1
    assert gate.install(answer, "--ca", str(gate.folder / "gates.pem")) == 0


def test_the_user_of_the_configuration_is_the_name(gate: Gate) -> None:
    gate.configure('user = "gate-7"')
    request = gate.request()
    assert common_name(x509.load_pem_x509_csr(request).subject) == "gate-7"
    assert gate.install(CA.answer(request)) == 0


def test_show_says_until_when_each_certificate_lives(
    gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    new = CA.pair("east-1", begins=-100, ends=20.5)
    gate.request()
    gate.pairs.put_new(new)
    gate.pairs.take_over(new)
    assert gate.run("show") == 1
    shown = capsys.readouterr().out
    assert "certificate east-1\n  subject  CN=east-1\n  issuer   CN=school CA\n" in shown
    assert "20 days left" in shown
    assert "to be renewed now, ends within 30 days" in shown
    assert "CA school CA" in shown
    assert "a request is open" in shown
    assert gate.run("show", "--json") == 1
    facts = json.loads(capsys.readouterr().out)
    own, ca = facts["certificates"]
    assert (own["what"], own["name"], own["days_left"]) == ("certificate", "east-1", 20)
    assert (own["stage"], ca["stage"]) == ("within_30_days", "ok")
    assert (facts["new"], facts["refused"], facts["is_requested"]) == (None, None, True)


def test_show_tells_of_a_new_one_and_why_it_was_not_accepted(
    gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate.run("show") == 0
    assert "no certificate of its own in force" in capsys.readouterr().out
    gate.install(CA.answer(gate.request()))
    assert gate.run("show") == 0
    assert "waits for its trial" in capsys.readouterr().out
    new = gate.pairs.new()
    assert new is not None
    gate.pairs.refuse(
        new,
        "it refuses us: Not authorized",
        x509.load_pem_x509_certificates(CA.pem)[0].not_valid_before_utc,
    )
    assert gate.run("show") == 1
    assert "the old one is used: it refuses us: Not authorized" in capsys.readouterr().out


def test_show_looks_at_files_without_a_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATED_LANG", "zh")
    (tmp_path / "collector.pem").write_bytes(CA.pair("centre"))
    assert main(["certificate", "show", str(tmp_path / "collector.pem")]) == 0
    assert "证书 centre" in capsys.readouterr().out
    assert main(["certificate", "show", str(tmp_path / "none.pem")]) == 78


def test_a_gate_without_tls_is_told_so(gate: Gate, capsys: pytest.CaptureFixture[str]) -> None:
    text = with_keys("paths", f'state = "{gate.folder}"')
    text = text.replace("mqtts://10.8.0.1", "mqtt://127.0.0.1")
    (gate.folder / "gated.toml").write_text(text, encoding="utf-8")
    assert gate.run("show") == 1
    assert "uses no certificates" in capsys.readouterr().err
