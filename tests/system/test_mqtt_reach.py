"""Whether a broker can be reached: real brokers, plain, with TLS, with certificates of clients."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.errors import BrokerUnavailable
from gated.mqtt.address import BrokerAddress, TlsFiles
from gated.mqtt.reach import reach
from gated.simulation.broker import HOST
from tests.authorities import Authority
from tests.brokers import Mosquitto

CA = Authority("CA of the broker")


def address(port: int, tls: TlsFiles | None = None) -> BrokerAddress:
    return BrokerAddress(HOST, port, "school/east-1", tls=tls)


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind((HOST, 0))
        yield taken.getsockname()[1]


def test_a_port_where_nobody_listens_is_said(closed_port: int) -> None:
    with pytest.raises(BrokerUnavailable, match="connection refused"):
        reach(address(closed_port))


def test_a_name_that_cannot_be_one_is_said() -> None:
    with pytest.raises(BrokerUnavailable):
        reach(BrokerAddress("a" * 70, 1883, "x"))


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


def test_a_plain_broker_is_reached_without_a_word(plain: Mosquitto) -> None:
    reach(address(plain.port))
    assert "New client connected" not in plain.log()


def test_a_broker_that_does_not_speak_tls_is_said(plain: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    with pytest.raises(BrokerUnavailable):
        reach(address(plain.port, TlsFiles(tmp_path / "ca.pem")))


@pytest.fixture
def wants_certificates(tmp_path: Path) -> Iterator[Mosquitto]:
    pem = CA.server(tmp_path)
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    broker = Mosquitto(
        tmp_path,
        listener=f"cafile {tmp_path}/ca.pem\ncertfile {pem}\nkeyfile {pem}\n"
        "require_certificate true\nuse_identity_as_username true",
    )
    broker.start()
    yield broker
    broker.stop()


def test_with_a_certificate_that_the_broker_takes(
    wants_certificates: Mosquitto, tmp_path: Path
) -> None:
    (tmp_path / "own.pem").write_bytes(CA.pair("east-1"))
    reach(address(wants_certificates.port, TlsFiles(tmp_path / "ca.pem", tmp_path / "own.pem")))


def test_without_one_and_with_a_strangers(wants_certificates: Mosquitto, tmp_path: Path) -> None:
    ca, own = tmp_path / "ca.pem", tmp_path / "own.pem"
    with pytest.raises(BrokerUnavailable):
        reach(address(wants_certificates.port, TlsFiles(ca)))
    own.write_bytes(Authority("another").pair("east-1"))
    with pytest.raises(BrokerUnavailable):
        reach(address(wants_certificates.port, TlsFiles(ca, own)))


def test_a_broker_of_another_ca_is_refused(wants_certificates: Mosquitto, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("another").pem)
    with pytest.raises(BrokerUnavailable, match="its certificate is refused"):
        reach(address(wants_certificates.port, TlsFiles(other)))
