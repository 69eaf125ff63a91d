"""The real process, ``gated uplink --config FILE``: killed at any moment, small, and over TLS."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gated.clock import SystemClock
from gated.simulation.broker import HOST
from tests.brokers import BrokerUnderTest, Mosquitto, wait_until
from tests.config_texts import of_uplink
from tests.uplink_rig import GATE, SITE, TOPICS, FakeCollector, GateRig, Subscriber

PATIENCE_S = 20.0
Collect = Callable[[Subscriber], None]
NewMosquitto = Callable[..., Mosquitto]


class UplinkProcess:
    """``gated uplink`` in a process of its own."""

    def __init__(self, rig: GateRig, broker: str, *more: str) -> None:
        self._log = rig.folder / "uplink.log"
        file = rig.folder / "gated.toml"
        file.write_text(
            of_uplink(SITE, GATE, broker, rig.folder, *more),
            encoding="utf-8",
        )
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gated", "uplink", "--config", file], stdout=log, stderr=log
            )

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@contextlib.contextmanager
def uplink_process(rig: GateRig, broker: str, *more: str) -> Iterator[UplinkProcess]:
    uplink = UplinkProcess(rig, broker, *more)
    try:
        yield uplink
    finally:
        uplink.kill()


def test_killed_in_the_middle_of_a_drain_nothing_is_lost_and_only_resends_are_double(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(900)  # fewer than mosquitto queues for one client
    collector = FakeCollector(broker.port)
    collect(collector)
    url = f"mqtt://{HOST}:{broker.port}"
    for share in (100, 400):
        with uplink_process(gate, url, "window = 1") as uplink:
            assert wait_until(lambda share=share: len(set(collector.seqs())) > share, PATIENCE_S), (  # type: ignore[misc]  # bound now
                uplink.log()
            )
            uplink.kill()
    assert len(set(collector.seqs())) < 900  # it was indeed in the middle
    with uplink_process(gate, url) as uplink:
        assert wait_until(lambda: gate.backlog() == 0, 2 * PATIENCE_S), uplink.log()
        assert uplink.stop() == 0
    stored = collector.stored[gate.ledger.epoch]
    assert sorted(stored) == list(range(1, 901))
    assert collector.changed == []


def test_the_brokers_will_tells_that_a_killed_uplink_is_gone(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(1)
    watcher = Subscriber(broker.port, "watcher", (TOPICS.state,))
    collect(watcher)
    with uplink_process(gate, f"mqtt://{HOST}:{broker.port}") as uplink:
        assert wait_until(lambda: bool(watcher.states()), PATIENCE_S), uplink.log()
        uplink.kill()
        assert wait_until(lambda: watcher.states()[-1]["online"] is False, PATIENCE_S)
    assert watcher.states()[-1]["session"] == watcher.states()[0]["session"]


def test_an_absent_broker_is_no_reason_to_end_and_a_wrong_password_file_is(
    gate: GateRig, tmp_path: Path
) -> None:
    gate.record(1)
    with uplink_process(gate, "mqtt://127.0.0.1:1") as uplink:
        assert wait_until(lambda: "cannot reach mqtt://127.0.0.1:1" in uplink.log(), PATIENCE_S)
        assert uplink.process.poll() is None
        assert uplink.stop() == 0
        assert "Traceback" not in uplink.log()
    more = f'password_file = "{tmp_path}/missing"'
    with uplink_process(gate, "mqtt://127.0.0.1:1", more) as uplink:
        assert uplink.process.wait(PATIENCE_S) == 78
        assert "missing" in uplink.log()
        assert "Traceback" not in uplink.log()


def test_a_second_uplink_on_the_same_files_is_refused(gate: GateRig) -> None:
    gate.record(1)
    with uplink_process(gate, "mqtt://127.0.0.1:1") as first:
        assert wait_until(lambda: "cannot reach" in first.log(), PATIENCE_S)
        with uplink_process(gate, "mqtt://127.0.0.1:1") as second:
            assert second.process.wait(PATIENCE_S) == 74
        assert "another gated uplink runs" in first.log()
        assert first.process.poll() is None


def test_the_uplink_is_small_and_loads_neither_numpy_nor_opencv(
    broker: BrokerUnderTest, gate: GateRig, collect: Collect
) -> None:
    gate.record(500)
    collect(FakeCollector(broker.port))
    with uplink_process(gate, f"mqtt://{HOST}:{broker.port}") as uplink:
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S), uplink.log()
        proc = Path("/proc") / str(uplink.process.pid)
        maps = (proc / "maps").read_text(encoding="utf-8")
        assert "numpy" not in maps
        assert "cv2" not in maps
        rollup = (proc / "smaps_rollup").read_text(encoding="utf-8")
        pss_kb = next(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:"))
        assert pss_kb <= 45_000


# --- TLS ------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority with one server certificate."""

    def __init__(self, folder: Path, server: x509.GeneralName) -> None:
        self.ca_file = folder / "ca.pem"
        self.certificate_file = folder / "server.pem"
        self.key_file = folder / "server.key"
        ca_key, key = (
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP256R1()),
        )
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        ca = (
            _certificate(ca_name, ca_name, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
        certificate = (
            _certificate(name, ca_name, key.public_key())
            .add_extension(x509.SubjectAlternativeName([server]), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.ca_file.write_bytes(ca.public_bytes(pem))
        self.certificate_file.write_bytes(certificate.public_bytes(pem))
        self.key_file.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = SystemClock().now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def tls_mosquitto(new_mosquitto: NewMosquitto, authority: Authority) -> Mosquitto:
    return new_mosquitto(
        listener="allow_anonymous true\n"
        f"certfile {authority.certificate_file}\nkeyfile {authority.key_file}"
    )


def test_tls_delivers_to_a_broker_whose_certificate_fits(
    new_mosquitto: NewMosquitto, gate: GateRig, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, x509.IPAddress(ipaddress.ip_address(HOST)))
    mosquitto = tls_mosquitto(new_mosquitto, authority)
    gate.record(5)
    more = f'ca_file = "{authority.ca_file}"'
    with uplink_process(gate, f"mqtts://{HOST}:{mosquitto.port}", more) as uplink:
        assert wait_until(lambda: "connected to mqtts://" in uplink.log(), PATIENCE_S), uplink.log()
        assert uplink.stop() == 0


@pytest.mark.parametrize("fault", ["another host's name", "another authority"])
def test_tls_refuses_a_broker_that_is_not_the_one(
    fault: str, new_mosquitto: NewMosquitto, gate: GateRig, tmp_path: Path
) -> None:
    host = "10.9.9.9" if fault == "another host's name" else HOST
    authority = Authority(tmp_path, x509.IPAddress(ipaddress.ip_address(host)))
    mosquitto = tls_mosquitto(new_mosquitto, authority)
    gate.record(5)
    more = f'ca_file = "{authority.ca_file}"' if fault == "another host's name" else ""
    with uplink_process(gate, f"mqtts://{HOST}:{mosquitto.port}", more) as uplink:
        assert wait_until(lambda: "its certificate is refused" in uplink.log(), PATIENCE_S)
        assert "connected to" not in uplink.log()
        assert uplink.stop() == 0
