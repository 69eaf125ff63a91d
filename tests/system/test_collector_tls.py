from __future__ import annotations

import datetime as dt
import gc
import ipaddress
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gated.clock import SystemClock
from gated.collector.broker import BrokerConnection
from gated.collector.main import make_ingest
from gated.collector.sqlite_store import SqliteStore
from gated.config.load import parse_collector
from gated.errors import BrokerUnavailable, ConfigError
from gated.mqtt.address import BrokerAddress, TlsFiles
from gated.simulation.broker import free_port
from tests.brokers import Mosquitto, listens, wait_until

# paho leaves a socket whose handshake failed to the garbage collector, which closes it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning",
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(autouse=True)
def _collect_what_paho_left() -> Iterator[None]:
    yield
    gc.collect()  # here, where it is expected, and not in somebody else's test


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def self_signed(folder: Path, name: str, holder: x509.GeneralName) -> tuple[Path, Path]:
    """Return (certificate, key): a certificate that vouches for ``holder`` and for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([holder]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def open_and_close(port: int, ca: Path) -> None:
    clock = SystemClock()
    address = BrokerAddress("127.0.0.1", port, "gated-collector-tls", tls=TlsFiles(ca=ca))
    connection = BrokerConnection(address, will_topic="gates/v1/x", will=b"", clock=clock)
    try:
        connection.open(["gates/v1/+/+/rec/+"], lambda: None)
        connection.pump(0.5)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("holder", "is_trusted", "complaint"),
    [
        (LOOPBACK, True, None),
        (LOOPBACK, False, "certificate is refused"),
        (x509.DNSName("elsewhere.example.org"), True, "certificate is refused"),
    ],
)
def test_only_the_broker_that_its_certificate_names_is_talked_to(
    tmp_path: Path, holder: x509.GeneralName, complaint: str | None, *, is_trusted: bool
) -> None:
    certificate, key = self_signed(tmp_path, "broker", holder)
    other, _ = self_signed(tmp_path, "other", LOOPBACK)
    broker = Mosquitto(
        tmp_path, listener=f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}"
    )
    broker.start()
    try:
        ca = certificate if is_trusted else other
        if complaint is None:
            open_and_close(broker.port, ca)
        else:
            with pytest.raises(BrokerUnavailable, match=complaint):
                open_and_close(broker.port, ca)
    finally:
        broker.stop()


def test_a_broker_without_tls_is_not_talked_to_in_the_clear(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path, "broker", LOOPBACK)
    broker = Mosquitto(tmp_path)
    broker.start()
    try:
        with pytest.raises(BrokerUnavailable):
            open_and_close(broker.port, certificate)
    finally:
        broker.stop()


def test_a_collector_outlives_files_that_are_just_being_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    certificate, key = self_signed(tmp_path, "broker", LOOPBACK)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificate.read_bytes())
    broker = Mosquitto(
        tmp_path, listener=f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}"
    )
    broker.start()
    store = SqliteStore(tmp_path / "records.db", keep_person_days=14)
    keys = f'name = "centre"\nbroker = "mqtts://127.0.0.1:{broker.port}"\nca_file = "{ca}"\n'
    settings = parse_collector(f"[collector]\n{keys}", "collector.toml").collector
    ingest = make_ingest(settings, store, SystemClock())
    stop = threading.Event()
    thread = threading.Thread(target=ingest.run, args=(stop, lambda: None))
    thread.start()
    try:
        assert wait_until(lambda: "connected" in caplog.text, 20)
        ca.write_bytes(b"")
        broker.stop()
        broker.start()
        assert wait_until(lambda: "cannot use the TLS files" in caplog.text, 20)
        ca.write_bytes(certificate.read_bytes())
        assert wait_until(lambda: caplog.text.count("connected") == 2, 20)
    finally:
        stop.set()
        thread.join(20)
        store.close()
        broker.stop()
    assert not thread.is_alive()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_server_that_speaks_only_tls_1_1_is_not_talked_to(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "broker", LOOPBACK)
    port = free_port()
    words = ("-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", "-cert", certificate, "-key", key)
    server = subprocess.Popen(
        ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", *words],
        stdin=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: listens(port), 10)
        with pytest.raises(BrokerUnavailable):
            open_and_close(port, certificate)
        old = ssl.create_default_context(cafile=certificate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with (
            socket.create_connection(("127.0.0.1", port), 10) as plain,
            old.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
        ):
            assert sock.version() == "TLSv1.1"  # it was there, and its version was the reason
    finally:
        server.kill()
        server.wait(10)


def test_a_certificate_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.pem"):
        open_and_close(1, tmp_path / "nothing.pem")
