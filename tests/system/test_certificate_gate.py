"""A whole gate whose certificate ends: told once, renewed by the command line, never restarted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.contents import Kind
from gated.mqtt.certificates import describe, read_certificates
from gated.mqtt.own_pairs import FOLDER
from tests.authorities import Authority
from tests.brokers import Mosquitto
from tests.gate_processes import PATIENCE_S, ask_gated, wait_for
from tests.gate_rig import StagedGate

EXPIRING, REFUSED = "certificate_expiring", "certificate_refused"


class CertifiedGate(StagedGate):
    """A gate with a certificate of five days left, at a broker that wants one."""

    def __init__(self, folder: Path, centre: Path) -> None:
        self.ca = Authority("school CA")
        centre.mkdir()
        (centre / "ca.pem").write_bytes(self.ca.pem)
        self.ca.server(centre)
        self.broker = Mosquitto(
            centre,
            listener=f"cafile {centre}/ca.pem\ncertfile {centre}/broker.pem\n"
            f"keyfile {centre}/broker.pem\nrequire_certificate true\n"
            "use_identity_as_username true",
        )
        self.broker.start()
        super().__init__(folder, broker=f"mqtts://127.0.0.1:{self.broker.port}")
        own = folder / "gate.pem"
        own.write_bytes(self.ca.pair("east-1", begins=-85, ends=5))
        keys = f'ca_file = "{centre}/ca.pem"\ncert_file = "{own}"\nkey_file = "{own}"'
        self.change("[uplink]", f"[uplink]\n{keys}")

    @property
    def in_force(self) -> Path:
        return self.state / FOLDER / "in-force.pem"

    def alarms(self) -> list[object]:
        return [event.body["alarm"] for event in self.of_kind(Kind.ALARM)]

    def certificate(self, *words: str) -> str:
        done = ask_gated("certificate", *words, "--config", str(self.config_file))
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    def has_something_due(self) -> bool:
        return bool(self.status().get("certificates"))

    def install(self, answer: bytes) -> None:
        file = self.folder / "answer.pem"
        file.write_bytes(answer)
        self.certificate("install", str(file))


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CertifiedGate]:
    folder = tmp_path_factory.mktemp("t")
    gate = CertifiedGate(folder / "g", folder / "centre")
    try:
        gate.start()
        yield gate
        assert gate.stop() == 0, gate.log()
        assert "Traceback" not in gate.log()
    finally:
        gate.close()
        gate.broker.kill()


def test_a_gate_tells_of_the_end_once_and_is_renewed_while_it_works(gate: CertifiedGate) -> None:
    alarm = gate.wait_event(Kind.ALARM, alarm=EXPIRING, device="uplink")
    assert str(alarm.body["detail"]).startswith("certificate east-1: 4 days left, until ")
    wait_for(gate.has_something_due, "a status that says so", log=gate.log)
    assert "to be renewed now, ends within 7 days" in gate.certificate("show")
    connected = "connected to mqtts://"
    wait_for(lambda: gate.log().count(connected) == 1, "a connection", log=gate.log)

    gate.stop()
    gate.start()
    wait_for(gate.has_something_due, "a look at the files", log=gate.log)
    assert gate.alarms().count(EXPIRING) == 1
    wait_for(lambda: gate.log().count(connected) == 2, "a connection", log=gate.log)

    gate.install(gate.ca.answer(gate.certificate("request").encode()))
    wait_for(gate.in_force.exists, "the new certificate in force", log=gate.log)
    assert describe(read_certificates(gate.in_force)[0]).issuer == "CN=school CA"
    wait_for(lambda: not gate.has_something_due(), "all is well", log=gate.log)
    assert gate.log().count(connected) == 3
    assert gate.alarms().count(EXPIRING) == 1
    assert REFUSED not in gate.alarms()


def test_a_gate_tells_that_its_new_certificate_is_not_accepted(gate: CertifiedGate) -> None:
    strangers = Authority("a CA that the broker does not know")
    ca = gate.folder / "strangers.pem"
    ca.write_bytes(strangers.pem)
    answer = gate.folder / "answer.pem"
    answer.write_bytes(strangers.answer(gate.certificate("request").encode()))
    gate.certificate("install", str(answer), "--ca", str(ca))
    alarm = gate.wait_event(Kind.ALARM, alarm=REFUSED, within_s=2 * PATIENCE_S)
    assert str(alarm.body["detail"]).startswith("the new certificate is not accepted: ")
    assert "was not accepted" in gate.certificate("show")
    assert not gate.in_force.exists()
