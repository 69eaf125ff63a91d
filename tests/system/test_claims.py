"""A new gate claims its identity: real broker, access rules, TLS and collector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gated.claim_codes import ClaimCode
from gated.claims import (
    Request,
    answer_topic,
    open_grant,
    read_answer,
    request_topic,
    seal_request,
)
from gated.cli import main
from gated.clock import SystemClock
from gated.config import GateConfig, load_gate
from gated.errors import ExitCode, WireError
from gated.mqtt.address import BrokerAddress, TlsFiles, broker_address
from gated.mqtt.certificates import describe, read_certificates
from gated.mqtt.connection import Connection
from gated.mqtt.happenings import Confirmed, Connected, Received, Subscribed
from gated.printing import save_qr
from gated.setup.claim import ClaimFailed
from gated.setup.claim_link import exchange_letters
from gated.simulation.broker import HOST
from gated.wire import GateTopics
from tests.authorities import Authority, name_of
from tests.claim_rig import ClaimCentre, claimant
from tests.config_texts import MINIMAL
from tests.failed_handshakes import FAILED_HANDSHAKES
from tests.setup_rig import ISSUER, Card

pytestmark = FAILED_HANDSHAKES

CLOCK = SystemClock()
WAIT_S = 20.0


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClaimCentre]:
    centre = ClaimCentre(tmp_path_factory.mktemp("c") / "centre")
    try:
        centre.start()
        yield centre
        assert "Traceback" not in centre.collector.log()
    finally:
        centre.close()


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def published(config: GateConfig, topic: str) -> int:
    """Return the broker's reason code for one publish of the gate."""
    connection = Connection(
        broker_address(config.uplink, "test"), will_topic=None, will=b"", clock=CLOCK
    )
    connection.dial()
    try:
        until_s = CLOCK.monotonic_s() + WAIT_S
        while CLOCK.monotonic_s() < until_s:
            connection.pump(0.2)
            for happening in connection.happenings():
                if isinstance(happening, Connected):
                    connection.publish(topic, b"{}")
                elif isinstance(happening, Confirmed):
                    return happening.code
    finally:
        connection.close()
    raise AssertionError("no answer")


def setup(card: Card, *words: str) -> int:
    return main(["setup", *words, "--config", str(card.config)])


def test_a_typed_code_makes_a_gate_of_a_machine(
    centre: ClaimCentre, card: Card, capsys: pytest.CaptureFixture[str]
) -> None:
    being_written = centre.folder / "trust" / f".{ISSUER}.new"
    being_written.write_bytes(b"{")
    offer = centre.new_code(capsys)
    being_written.unlink()
    typed = offer.code.grouped.lower().replace("-", " ")
    assert setup(card, "--claim", typed, "--broker", centre.claims_url) == ExitCode.OK
    said = capsys.readouterr().out
    assert "gate lixin-primary/east-1" in said
    config = load_gate(card.config)
    assert (config.gate.site, config.gate.name) == ("lixin-primary", "east-1")
    files = card.etc_files()
    assert files["site.key"] == (centre.folder / "site.key").read_bytes()
    assert files["ca.pem"] == centre.ca.pem
    assert files[f"trust/{ISSUER}"] == (centre.folder / "trust" / ISSUER).read_bytes()
    own = read_certificates(card.etc / "gate.pem")[0]
    assert describe(own).name == "east-1"
    assert b"PRIVATE KEY" in files["gate.key"]
    # The broker lets it in under its own name, and nowhere else.
    assert published(config, GateTopics("lixin-primary", "east-1").state) < 0x80
    assert published(config, GateTopics("lixin-primary", "west-2").state) == 0x87
    kept = (centre.folder / "claims" / f"{offer.code.id}.json").read_text()
    everything = centre.collector.log() + kept
    assert offer.code.text not in everything.replace("-", "")
    assert files["site.key"].decode().strip() not in everything


def test_the_key_is_made_on_the_device(
    centre: ClaimCentre, card: Card, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = centre.new_code(capsys, gate="lixin-primary/west-9")
    wishes = claimant(gate="lixin-primary/west-9").claim(offer)
    assert wishes.key is not None
    assert all(wishes.key not in p.read_bytes() for p in centre.folder.rglob("*") if p.is_file())


def test_a_code_is_good_once(centre: ClaimCentre, capsys: pytest.CaptureFixture[str]) -> None:
    offer = centre.new_code(capsys, gate="lixin-primary/once")
    claimant().claim(offer)
    with pytest.raises(ClaimFailed, match="was used already"):
        claimant().claim(offer)


def address_of(centre: ClaimCentre) -> BrokerAddress:
    return BrokerAddress(
        HOST,
        int(centre.claims_url.rpartition(":")[2]),
        client_id="somebody",
        username="claim",
        password="claim",
        tls=TlsFiles(ca=centre.folder / "ca.pem"),
    )


def letter_for(code: ClaimCode, exchange: str = "02" * 32) -> bytes:
    return seal_request(code.key(), code.id, Request(csr="none", exchange=exchange))


def test_a_letter_that_is_kept_by_the_broker_gives_nothing(
    centre: ClaimCentre, capsys: pytest.CaptureFixture[str]
) -> None:
    code = centre.new_code(capsys, gate="lixin-primary/kept").code
    connection = Connection(address_of(centre), will_topic=None, will=b"", clock=CLOCK)
    connection.dial()
    heard: list[bytes] = []
    until_s = CLOCK.monotonic_s() + WAIT_S
    while CLOCK.monotonic_s() < until_s and not heard:
        connection.pump(0.2)
        for happening in connection.happenings():
            match happening:
                case Connected():
                    connection.subscribe((answer_topic(code.id),))
                case Subscribed():
                    connection.publish(request_topic(code.id), letter_for(code), retain=True)
                case Received():
                    heard.append(happening.payload)
                case _:
                    pass
    assert heard == [b'{"v":1,"problem":"retained"}']
    centre.collector.end()
    centre.start()  # now it comes once more, by itself
    claim = centre.book.claim(code.id)
    assert claim is not None
    assert claim.is_open(CLOCK.now())
    connection.publish(request_topic(code.id), b"", retain=True)
    connection.flush()
    connection.close()


def test_five_wrong_attempts_spend_a_code(
    centre: ClaimCentre, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = centre.new_code(capsys, gate="lixin-primary/guessed")
    answers = [
        exchange_letters(address_of(centre), offer.code.id, b"guess %d" % n, CLOCK, WAIT_S)
        for n in range(5)
    ]
    assert [b"unreadable" in answer for answer in answers] == [True] * 4 + [False]
    assert b"spent" in answers[-1]
    with pytest.raises(ClaimFailed, match="spent"):
        claimant().claim(offer)


def test_the_same_letter_gets_the_same_answer(
    centre: ClaimCentre, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer that was lost on the way comes again; nobody else can read it."""
    code = centre.new_code(capsys, gate="lixin-primary/lost").code
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(name_of("new")).sign(key, SHA256())
    exchange = X25519PrivateKey.generate()
    letter = seal_request(
        code.key(),
        code.id,
        Request(
            csr=csr.public_bytes(Encoding.PEM).decode(),
            exchange=exchange.public_key().public_bytes_raw().hex(),
        ),
    )
    first, second = (
        exchange_letters(address_of(centre), code.id, letter, CLOCK, WAIT_S) for _ in range(2)
    )
    assert first == second
    assert open_grant(code.key(), letter, exchange, read_answer(first)).gate == "lost"
    with pytest.raises(WireError):
        open_grant(code.key(), letter, X25519PrivateKey.generate(), read_answer(first))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"gate": "lixin-primary/other"}, "another gate"),
        ({"broker": "mqtts://127.0.0.1:1"}, "no answer within"),
    ],
)
def test_a_claim_at_the_wrong_place_gives_nothing(
    centre: ClaimCentre,
    changes: dict[str, str],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = f"lixin-primary/wrong-{len(reason)}"
    offer = centre.new_code(capsys, gate=name)
    hasty = claimant(broker=changes.get("broker"), gate=changes.get("gate"))
    if "broker" in changes:
        hasty = replace(hasty, within_s=2.0)
    with pytest.raises(ClaimFailed, match=reason):
        hasty.claim(offer)
    claimant(gate=name).claim(offer)  # it is still good


def test_an_unknown_code_and_a_withdrawn_one_give_nothing(
    centre: ClaimCentre, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = centre.new_code(capsys, gate="lixin-primary/withdrawn")
    assert centre.command("cancel", offer.code.id.lower()) == ExitCode.OK
    with pytest.raises(ClaimFailed, match="knows no such code"):
        claimant().claim(offer)


def test_another_ca_than_the_codes_is_not_believed(
    centre: ClaimCentre, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = centre.new_code(capsys, gate="lixin-primary/pinned")
    with pytest.raises(ClaimFailed, match="not the one of the code"):
        claimant().claim(replace(offer, ca_pin="AAAAAAAAAAAAAAAAAAAAAA"))


def test_a_broker_that_the_ca_has_not_signed_is_not_believed(
    centre: ClaimCentre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("another CA").pem)
    centre.change("[claims]", f'[claims]\ngate_ca_file = "{other}"')
    try:
        offer = centre.new_code(capsys, gate="lixin-primary/between")
    finally:
        centre.change(f'\ngate_ca_file = "{other}"', "")
    with pytest.raises(ClaimFailed, match="not the one that the centre means"):
        claimant().claim(offer)


def test_with_a_ca_of_ones_own_a_stranger_hears_nothing(
    centre: ClaimCentre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("another CA").pem)
    offer = centre.new_code(capsys, gate="lixin-primary/own-ca")
    with pytest.raises(ClaimFailed, match="its certificate is refused"):
        replace(claimant(ca=other), within_s=2.0).claim(offer)
    claim = centre.book.claim(offer.code.id)
    assert claim is not None
    assert claim.failures == 0


def test_a_gate_that_is_configured_does_not_use_a_code_up(
    centre: ClaimCentre, card: Card, capsys: pytest.CaptureFixture[str]
) -> None:
    card.ask_for("")
    assert setup(card, "--file", str(card.file)) == ExitCode.OK
    before = card.etc_files()
    offer = centre.new_code(capsys, gate="lixin-primary/second")
    assert setup(card, "--claim", offer.uri) == ExitCode.FAILED
    assert card.etc_files() == before
    assert setup(card, "--claim", offer.uri, "--replace") == ExitCode.OK
    assert load_gate(card.config).gate.name == "second"


def test_a_code_is_read_by_the_gates_own_camera(
    centre: ClaimCentre, card: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = centre.new_code(capsys, gate="lixin-primary/seen")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    save_qr("something else", pictures / "1.png")
    save_qr(offer.uri, pictures / "2.png")
    words = ["--claim-by-camera", "--camera", "pictures", "--device", str(pictures)]
    assert setup(card, *words) == ExitCode.OK
    assert load_gate(card.config).gate.name == "seen"


def test_a_backups_configuration_goes_with_a_claimed_identity(
    centre: ClaimCentre, card: Card, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = Card(tmp_path / "old")
    old.ask_for("", MINIMAL.replace("1.1,", "1.25,") + "[visit]\nhold_s = 7.0\n")
    assert setup(old, "--file", str(old.file)) == ExitCode.OK
    backup = tmp_path / "old.zip"
    assert main(["backup", str(backup), "--config", str(old.config)]) == ExitCode.OK
    offer = centre.new_code(capsys, gate="lixin-primary/heir")

    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    assert setup(card, "--claim", offer.uri, "--backup", str(broken)) == ExitCode.CONFIG
    assert setup(card, "--claim", offer.uri, "--backup", str(backup)) == ExitCode.OK
    config = load_gate(card.config)
    assert (config.gate.name, config.visit.hold_s) == ("heir", 7.0)
    assert config.temperature.thermometers[0].mount_height_m == 1.25
    assert config.uplink.broker == centre.url  # not the one of the backup
    assert (card.etc / "site.key").read_bytes() == (centre.folder / "site.key").read_bytes()


def test_a_code_on_the_boot_partition_is_enough(
    centre: ClaimCentre, card: Card, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = centre.new_code(capsys, gate="lixin-primary/booted")
    card.file.write_text(f'[setup]\nclaim = "{offer.uri}"\nstart = false\n', encoding="utf-8")
    assert setup(card, "--boot", str(card.boot)) == ExitCode.OK
    assert load_gate(card.config).gate.name == "booted"
    assert not card.file.exists()
    assert "lixin-primary/booted" in (card.boot / "gated-setup.result.txt").read_text()


def test_a_claim_waits_for_the_time_too(
    centre: ClaimCentre, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Raspberry Pi has none before the network brings it."""
    offer = centre.new_code(capsys, gate="lixin-primary/timeless")
    said: list[str] = []

    class LateClock(SystemClock):
        def now(self) -> datetime:
            return super().now() if said else datetime(1970, 1, 1, tzinfo=UTC)

    late = replace(claimant(), clock=LateClock(), tell=lambda text: said.append(text[1]))
    assert late.claim(offer).certificate is not None
    assert said == ["waiting: the clock says 1970-01-01, set it (请对时)"]


def test_a_claim_waits_for_a_collector_that_is_away(
    centre: ClaimCentre, capsys: pytest.CaptureFixture[str]
) -> None:
    offer = centre.new_code(capsys, gate="lixin-primary/patient")
    centre.collector.end()
    hasty = replace(claimant(), within_s=1.0)
    with pytest.raises(ClaimFailed, match="no answer within"):
        hasty.claim(offer)
    centre.start()  # the broker hands it the letter of somebody who has gone
    with pytest.raises(ClaimFailed, match="was used already"):
        claimant().claim(offer)
