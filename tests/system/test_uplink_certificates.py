"""Certificates change while records flow, at a real mosquitto that knows gates by theirs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from gated.mqtt.address import TlsFiles
from gated.mqtt.own_pairs import FOLDER, OwnPairs
from gated.simulation.broker import HOST, free_port
from tests.authorities import Authority
from tests.brokers import Mosquitto, wait_until
from tests.failed_handshakes import FAILED_HANDSHAKES
from tests.faults.clock import WrongClock
from tests.uplink_rig import GATE, SITE, FakeCollector, GateRig, Subscriber, running_uplink

PATIENCE_S = 20.0
Collect = Callable[[Subscriber], None]

pytestmark = FAILED_HANDSHAKES


class Centre:
    """A broker that wants certificates from gates, and from the collector beside it nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clients = folder / "clients.pem"
        self._acl = folder / "acl"
        self.plain_port = free_port()
        self.broker = Mosquitto(
            folder,
            options=f"acl_file {self._acl}\nlistener {self.plain_port} {HOST}\n"
            "allow_anonymous true",
            listener=f"cafile {self._clients}\ncertfile {folder}/broker.pem\n"
            f"keyfile {folder}/broker.pem\nrequire_certificate true\n"
            "use_identity_as_username true",
        )
        self._acl.write_text(
            "topic readwrite #\n"  # for who comes without a name: the collector
            f"pattern write gates/v1/{SITE}/%u/#\n"
            f"pattern read gates/v1/{SITE}/%u/#\n"
            "pattern read gates/v1/collector/+/state\n",
            encoding="utf-8",
        )
        self._acl.chmod(0o600)

    def start(self, own: Authority, *clients: Authority) -> None:
        """Start with a certificate of ``own``, or again with another one."""
        self.broker.stop()
        own.server(self._folder)
        self._clients.write_bytes(b"".join(one.pem for one in clients))
        self.broker.start()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    folder = tmp_path / "centre"
    folder.mkdir()
    centre = Centre(folder)
    yield centre
    centre.broker.kill()


@pytest.fixture
def old() -> Authority:
    return Authority("old CA")


@pytest.fixture
def new() -> Authority:
    return Authority("new CA")


def files(gate: GateRig, pair: bytes, *authorities: Authority) -> TlsFiles:
    """Write the files that the configuration names."""
    ca, certificate, key = (gate.folder / name for name in ("ca.pem", "gate.pem", "gate.key"))
    ca.write_bytes(b"".join(one.pem for one in authorities))
    begin = pair.index(b"-----BEGIN CERT")
    certificate.write_bytes(pair[begin:])
    key.write_bytes(pair[:begin])
    return TlsFiles(ca, certificate, key)


def pairs_of(gate: GateRig, tls: TlsFiles) -> OwnPairs:
    folder = gate.folder / FOLDER
    folder.mkdir()
    return OwnPairs(folder, tls)


def queue_five(centre: Centre, gate: GateRig, collect: Collect) -> None:
    """Have five records to be delivered, and somebody at the broker who takes them."""
    collect(FakeCollector(centre.plain_port))
    gate.record(5)


@pytest.fixture
def tls(centre: Centre, gate: GateRig, collect: Collect, old: Authority) -> TlsFiles:
    """A gate with five records for a broker that takes its certificate, everything of one CA."""
    centre.start(old, old)
    queue_five(centre, gate, collect)
    return files(gate, old.pair(GATE), old)


def drained(gate: GateRig) -> bool:
    return wait_until(lambda: gate.backlog() == 0, PATIENCE_S)


def test_the_broker_moves_to_a_new_ca_without_a_restart_of_the_gate(
    centre: Centre, gate: GateRig, collect: Collect, old: Authority, new: Authority
) -> None:
    tls = files(gate, old.pair(GATE), old, new)
    centre.start(old, old)
    collector = FakeCollector(centre.plain_port)
    collect(collector)
    gate.record(20)
    with running_uplink(gate, centre.broker.port, tls=tls):
        assert drained(gate)
        centre.start(new, old)
        gate.record(20)
        assert drained(gate)
    assert sorted(collector.stored[gate.ledger.epoch]) == list(range(1, 41))


def test_a_ca_file_that_is_replaced_counts_from_the_next_connection_on(
    centre: Centre,
    gate: GateRig,
    collect: Collect,
    old: Authority,
    new: Authority,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tls = files(gate, old.pair(GATE), old)
    centre.start(new, old)
    queue_five(centre, gate, collect)
    with running_uplink(gate, centre.broker.port, tls=tls):
        assert wait_until(lambda: "its certificate is refused" in caplog.text, PATIENCE_S)
        assert gate.stored_ack() is None
        assert tls.ca is not None
        tls.ca.write_bytes(old.pem + new.pem)
        assert drained(gate)


def test_a_new_pair_takes_over_while_records_flow_and_nothing_is_lost(
    centre: Centre,
    gate: GateRig,
    collect: Collect,
    old: Authority,
    new: Authority,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    tls = files(gate, old.pair(GATE), old, new)
    pairs = pairs_of(gate, tls)
    centre.start(old, old, new)
    collector = FakeCollector(centre.plain_port)
    collect(collector)
    gate.record(100)
    fresh = new.pair(GATE)
    recorded = 100
    with running_uplink(gate, centre.broker.port, tls=tls):
        assert drained(gate)
        assert pairs.in_force() == tls
        pairs.put_new(fresh)

        def is_in_force() -> bool:
            nonlocal recorded
            gate.record(10)  # they flow all the while
            recorded += 10
            return pairs.in_force().certificate == pairs.in_force_file

        assert wait_until(is_in_force, PATIENCE_S)
        assert pairs.in_force_file.read_bytes() == fresh
        assert pairs.new() is None
        assert drained(gate)
        centre.start(new, new)  # nobody believes the old CA any more
        gate.record(10)
        assert drained(gate)
    assert sorted(collector.stored[gate.ledger.epoch]) == list(range(1, recorded + 11))
    assert collector.changed == []
    assert "the broker accepts the new certificate of east-1" in caplog.text
    assert "does not accept" not in caplog.text


@pytest.mark.parametrize("flaw", ["unknown CA", "another gate's", "no pair at all"])
def test_a_new_pair_that_is_not_let_in_leaves_the_old_one_at_work(
    centre: Centre,
    gate: GateRig,
    collect: Collect,
    old: Authority,
    new: Authority,
    caplog: pytest.LogCaptureFixture,
    flaw: str,
) -> None:
    tls = files(gate, old.pair(GATE), old)
    pairs = pairs_of(gate, tls)
    centre.start(old, old)
    collector = FakeCollector(centre.plain_port)
    collect(collector)
    bad = {
        "unknown CA": new.pair(GATE),
        "another gate's": old.pair("west-1"),
        "no pair at all": old.pem,
    }[flaw]
    with running_uplink(gate, centre.broker.port, tls=tls):
        gate.record(10)
        assert drained(gate)
        pairs.put_new(bad)
        assert wait_until(lambda: "does not accept the new certificate" in caplog.text, PATIENCE_S)
        gate.record(10)
        assert drained(gate)
        assert wait_until(lambda: pairs.refusal() is not None, PATIENCE_S)
    assert pairs.in_force() == tls
    assert pairs.new() == bad
    assert sorted(collector.stored[gate.ledger.epoch]) == list(range(1, 21))
    assert collector.changed == []


def test_a_first_certificate_comes_to_a_gate_that_has_none(
    centre: Centre, gate: GateRig, collect: Collect, old: Authority
) -> None:
    tls = TlsFiles(files(gate, old.pair(GATE), old).ca)
    pairs = pairs_of(gate, tls)
    pairs.put_new(old.pair(GATE))
    centre.start(old, old)
    queue_five(centre, gate, collect)
    with running_uplink(gate, centre.broker.port, tls=tls):
        assert drained(gate)
        assert wait_until(pairs.in_force_file.exists, PATIENCE_S)


def test_an_expired_pair_in_force_does_not_keep_the_new_one_out(
    centre: Centre, gate: GateRig, collect: Collect, old: Authority
) -> None:
    tls = files(gate, old.pair(GATE, begins=-10, ends=-1), old)
    pairs = pairs_of(gate, tls)
    pairs.put_new(old.pair(GATE))
    centre.start(old, old)
    queue_five(centre, gate, collect)
    with running_uplink(gate, centre.broker.port, tls=tls):
        assert drained(gate)


def test_a_broker_of_another_name_is_refused_whoever_signed_it(
    centre: Centre, gate: GateRig, old: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    tls = files(gate, old.pair(GATE), old)
    centre.start(old, old)
    centre.broker.stop()
    old.server(gate.folder.parent / "centre", x509.DNSName("elsewhere.example.org"))
    centre.broker.start()
    gate.record(1)
    with running_uplink(gate, centre.broker.port, tls=tls):
        assert wait_until(lambda: "its certificate is refused" in caplog.text, PATIENCE_S)
    assert gate.backlog() == 1


def connections(centre: Centre) -> int:
    """Return how many came to the port that speaks TLS."""
    return centre.broker.log().count(f"on port {centre.broker.port}.")


def test_with_a_clock_at_1970_records_wait_and_nobody_is_bothered(
    centre: Centre, gate: GateRig, tls: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    before = connections(centre)  # the rig's own look whether it listens
    clock = WrongClock(speed=3)
    clock.offset_s = -clock.now().timestamp()
    with running_uplink(gate, centre.broker.port, tls=tls, clock=clock) as uplink:
        assert wait_until(lambda: "the clock says 1970-01-01" in caplog.text, PATIENCE_S)
        beats = uplink.beats
        assert wait_until(lambda: uplink.beats > beats + 10, PATIENCE_S)
        assert connections(centre) == before
        assert gate.backlog() == 5
        clock.offset_s = 0.0
        assert drained(gate)
    assert caplog.text.count("the clock says") == 1


def test_a_record_from_the_future_does_not_keep_records_here_for_ever(
    centre: Centre, gate: GateRig, tls: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    clock = WrongClock(offset_s=-86_400, speed=100)  # the floor is today, the clock says yesterday
    with running_uplink(gate, centre.broker.port, tls=tls, clock=clock):
        assert drained(gate)
    assert "the clock says" in caplog.text
