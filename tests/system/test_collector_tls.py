from __future__ import annotations

import logging
import shutil
import socket
import ssl
import subprocess
import threading
import warnings
from pathlib import Path

import pytest
from cryptography import x509

from gated.clock import SystemClock
from gated.collector.broker import BrokerConnection
from gated.collector.main import make_ingest
from gated.collector.sqlite_store import SqliteStore
from gated.config.load import parse_collector
from gated.errors import BrokerUnavailable, ConfigError
from gated.mqtt.address import BrokerAddress, TlsFiles
from gated.simulation.broker import free_port
from tests.authorities import LOOPBACK, Authority
from tests.brokers import Mosquitto, listens, wait_until
from tests.failed_handshakes import FAILED_HANDSHAKES

pytestmark = FAILED_HANDSHAKES


def certified(folder: Path, holder: x509.GeneralName = LOOPBACK) -> tuple[Path, Path]:
    """Return (key and certificate of a broker that is ``holder``, the CA that signed it)."""
    authority, ca = Authority("school CA"), folder / "ca.pem"
    ca.write_bytes(authority.pem)
    return authority.server(folder, holder), ca


def speaks_tls(pem: Path) -> str:
    """Return the lines of a listener with the key and certificate in ``pem``."""
    return f"allow_anonymous true\ncertfile {pem}\nkeyfile {pem}"


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
    pem, ca = certified(tmp_path, holder)
    if not is_trusted:
        ca.write_bytes(Authority("another CA").pem)
    broker = Mosquitto(tmp_path, listener=speaks_tls(pem))
    broker.start()
    try:
        if complaint is None:
            open_and_close(broker.port, ca)
        else:
            with pytest.raises(BrokerUnavailable, match=complaint):
                open_and_close(broker.port, ca)
    finally:
        broker.stop()


def test_a_broker_without_tls_is_not_talked_to_in_the_clear(tmp_path: Path) -> None:
    _, ca = certified(tmp_path)
    broker = Mosquitto(tmp_path)
    broker.start()
    try:
        with pytest.raises(BrokerUnavailable):
            open_and_close(broker.port, ca)
    finally:
        broker.stop()


def test_a_collector_outlives_files_that_are_just_being_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pem, ca = certified(tmp_path)
    whole = ca.read_bytes()
    broker = Mosquitto(tmp_path, listener=speaks_tls(pem))
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
        ca.write_bytes(whole)
        assert wait_until(lambda: caplog.text.count("connected") == 2, 20)
    finally:
        stop.set()
        thread.join(20)
        store.close()
        broker.stop()
    assert not thread.is_alive()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_server_that_speaks_only_tls_1_1_is_not_talked_to(tmp_path: Path) -> None:
    pem, ca = certified(tmp_path)
    port = free_port()
    words = ("-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", "-cert", pem, "-key", pem)
    server = subprocess.Popen(
        ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", *words],
        stdin=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: listens(port), 10)
        with pytest.raises(BrokerUnavailable):
            open_and_close(port, ca)
        old = ssl.create_default_context(cafile=ca)
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
