"""The centre's side of a claim: each code has one end, and what is over keeps no secret."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gated.claim_codes import ClaimCode, make_code
from gated.claims import (
    Grant,
    Request,
    answer_topic,
    open_grant,
    read_answer,
    request_topic,
    seal_request,
)
from gated.clock import FakeClock
from gated.collector.claim_book import MAX_FAILURES, Claim, ClaimBook
from gated.collector.claim_desk import ClaimDesk
from gated.collector.claim_signing import load_authority
from gated.config.claims import ClaimSettings
from gated.errors import ConfigError
from gated.mqtt.certificates import parse_certificates, why_not_for_client
from tests.authorities import Authority, name_of

SITE_KEY = "c2VjcmV0IHNpdGUga2V5"
CA = Authority("school CA", begins=-30)


class Centre:
    def __init__(self, folder: Path, *, has_ca: bool = True) -> None:
        self.clock = FakeClock()
        self.book = ClaimBook(folder / "claims")
        (folder / "ca.pem").write_bytes(CA.pem)
        (folder / "ca.key").write_bytes(CA.key_pem)
        (folder / "ca.key").chmod(0o600)
        settings = ClaimSettings(ca_cert_file=folder / "ca.pem", ca_key_file=folder / "ca.key")
        self.authority = load_authority(settings if has_ca else ClaimSettings())
        self.desk = ClaimDesk(self.book, self.authority, self.clock)

    def new(
        self, gate: str = "east-1", *, replaces: bool = False, user: str | None = None
    ) -> ClaimCode:
        now = self.clock.now()
        with self.book.locked():
            code = make_code({claim.id for claim in self.book.claims()})
            grant = Grant(
                site="lixin-primary", gate=gate, config="", ca=CA.pem.decode(), site_key=SITE_KEY
            )
            self.book.put(
                Claim(
                    id=code.id, site="lixin-primary", gate=gate, user=user or gate, made_at=now,
                    expires_at=now + timedelta(minutes=60), key=code.key().hex(), grant=grant,
                    replaces=replaces,
                )
            )  # fmt: skip
        return code

    def ask(self, code: ClaimCode, letter: bytes, *, is_retained: bool = False) -> str:
        """Return the problem, or "granted"."""
        answered = self.desk.answer(request_topic(code.id), letter, is_retained=is_retained)
        assert answered is not None
        topic, answer = answered
        assert topic == answer_topic(code.id)
        problem = read_answer(answer).problem
        return "granted" if problem is None else problem.value


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return Centre(tmp_path)


class Machine:
    """A new one, with keys of its own."""

    def __init__(self, gate: str | None = None, *, is_rsa: bool = False) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        signer = rsa.generate_private_key(65_537, 2_048) if is_rsa else self.key
        builder = x509.CertificateSigningRequestBuilder().subject_name(name_of("mallory"))
        csr = builder.sign(signer, SHA256()).public_bytes(Encoding.PEM).decode()
        self.exchange = X25519PrivateKey.generate()
        self.request = Request(
            csr=csr, exchange=self.exchange.public_key().public_bytes_raw().hex(), gate=gate
        )

    def letter(self, code: ClaimCode) -> bytes:
        return seal_request(code.key(), code.id, self.request)


def test_a_machine_gets_the_gates_name_whatever_it_calls_itself(centre: Centre) -> None:
    code, machine = centre.new(), Machine("lixin-primary/east-1")
    letter = machine.letter(code)
    answered = centre.desk.answer(request_topic(code.id), letter, is_retained=False)
    assert answered is not None
    grant = open_grant(code.key(), letter, machine.exchange, read_answer(answered[1]))
    chain = parse_certificates(grant.certificate.encode(), "given")
    assert chain[0].subject == name_of("east-1")
    assert chain[0].public_key() == machine.key.public_key()
    assert why_not_for_client(chain[:1], chain[1:], centre.clock.now()) is None
    assert grant.site_key == SITE_KEY


def test_what_is_over_keeps_no_secret(centre: Centre, tmp_path: Path) -> None:
    used, spent, expired = centre.new("a"), centre.new("b"), centre.new("c")
    assert centre.ask(used, Machine().letter(used)) == "granted"
    assert [centre.ask(spent, b"guess") for _ in range(MAX_FAILURES)][-1] == "spent"
    centre.clock.advance(3_600)
    assert centre.ask(expired, Machine().letter(expired)) == "expired"
    for code in (used, spent, expired):
        text = (tmp_path / "claims" / f"{code.id}.json").read_text(encoding="utf-8")
        assert SITE_KEY not in text
        assert code.key().hex() not in text
        assert "key" not in json.loads(text)
    centre.clock.advance(8 * 86_400)
    assert centre.ask(used, b"anything") == "unknown"
    assert centre.book.claims() == []


def test_a_code_ends_by_its_first_use_by_failures_and_by_time(centre: Centre) -> None:
    code = centre.new()
    for _ in range(MAX_FAILURES - 1):
        assert centre.ask(code, b"guess") == "unreadable"
    assert centre.ask(code, Machine("lixin-primary/west-2").letter(code)) == "wrong_gate"
    letter = Machine().letter(code)
    assert centre.ask(code, letter, is_retained=True) == "retained"
    assert centre.ask(code, letter) == "granted"
    assert centre.ask(code, letter) == "granted"  # the same answer, for the same machine
    assert centre.ask(code, Machine().letter(code)) == "used"
    assert centre.ask(code, b"guess") == "used"
    assert len(centre.book.issued()) == 1


@pytest.mark.parametrize(
    "request_",
    [
        Request(csr="no request", exchange="09" + "00" * 31),
        Machine(is_rsa=True).request,
        Request(csr=Machine().request.csr, exchange="00" * 32),
    ],
    ids=["no CSR", "another kind of key", "a useless exchange"],
)
def test_a_sealed_request_that_makes_no_sense_uses_nothing_up(
    centre: Centre, request_: Request
) -> None:
    code = centre.new()
    assert centre.ask(code, seal_request(code.key(), code.id, request_)) == "unreadable"
    assert centre.ask(code, Machine().letter(code)) == "granted"


def test_a_letter_that_is_too_long_is_not_opened(centre: Centre) -> None:
    code = centre.new()
    request = Machine().request.model_copy(update={"software": "x" * 10_000})
    assert centre.ask(code, seal_request(code.key(), code.id, request)) == "unreadable"


def test_a_centre_without_a_ca_says_so(tmp_path: Path) -> None:
    centre = Centre(tmp_path, has_ca=False)
    code = centre.new()
    assert centre.ask(code, Machine().letter(code)) == "not_signing"


@pytest.mark.parametrize("after_end_s", [60.0, 7_200.0])
def test_a_ca_that_has_ended_signs_nothing_and_uses_nothing_up(
    centre: Centre, after_end_s: float
) -> None:
    assert centre.authority is not None
    left = centre.authority.certificate.not_valid_after_utc - centre.clock.now()
    centre.clock.advance(left.total_seconds() + after_end_s)
    code = centre.new()
    assert centre.ask(code, Machine().letter(code)) == "not_signing"
    assert not centre.book.issued()
    claim = centre.book.claim(code.id)
    assert claim is not None
    assert claim.is_open(centre.clock.now())


@pytest.mark.parametrize("user", ["x" * 65, "闸" * 22])
def test_a_user_that_no_certificate_can_name_is_not_signed(centre: Centre, user: str) -> None:
    code = centre.new(user=user)  # as somebody's hand may have written it
    assert centre.ask(code, Machine().letter(code)) == "not_signing"


def test_a_ca_whose_key_is_another_one_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    (tmp_path / "ca.key").write_bytes(Authority("other").key_pem)
    (tmp_path / "ca.key").chmod(0o600)
    with pytest.raises(ConfigError, match="is not the key of"):
        load_authority(
            ClaimSettings(ca_cert_file=tmp_path / "ca.pem", ca_key_file=tmp_path / "ca.key")
        )


def test_a_damaged_file_is_no_open_door(centre: Centre, tmp_path: Path) -> None:
    code = centre.new()
    (tmp_path / "claims" / f"{code.id}.json").write_text("{")
    topic, letter = request_topic(code.id), Machine().letter(code)
    assert centre.desk.answer(topic, letter, is_retained=False) is None


def test_two_machines_at_once_are_one_gate(centre: Centre, tmp_path: Path) -> None:
    code = centre.new()
    letters = [Machine().letter(code) for _ in range(4)]
    answers: list[str] = []
    desks = [ClaimDesk(centre.book, centre.desk._authority, centre.clock) for _ in letters]

    def ask(desk: ClaimDesk, letter: bytes) -> None:
        answered = desk.answer(request_topic(code.id), letter, is_retained=False)
        assert answered is not None
        answers.append(str(read_answer(answered[1]).problem))

    threads = [threading.Thread(target=ask, args=pair) for pair in zip(desks, letters, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)
    assert sorted(answers) == ["None", "used", "used", "used"]
    assert len(centre.book.issued()) == 1


def test_a_new_machine_ends_the_certificates_of_the_old_one_and_of_no_other(
    centre: Centre,
) -> None:
    for gate in ("east-1", "west-2"):
        code = centre.new(gate)
        assert centre.ask(code, Machine().letter(code)) == "granted"
    code = centre.new("east-1", replaces=True)
    assert [each.revoked_at for each in centre.book.issued()] == [None, None]  # not used yet
    assert centre.ask(code, Machine().letter(code)) == "granted"
    issued = centre.book.issued()
    assert [(each.gate, each.revoked_at is not None) for each in issued] == [
        ("east-1", True), ("west-2", False), ("east-1", False),
    ]  # fmt: skip
    authority = centre.desk._authority
    assert authority is not None
    listed = x509.load_pem_x509_crl(authority.revocation_list(issued, centre.clock.now()))
    assert [each.serial_number for each in listed] == [issued[0].serial]
    assert listed.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type]


def test_a_claim_whose_file_somebody_changed_is_not_answered_and_ends_nothing(
    centre: Centre,
) -> None:
    code, other = centre.new(), centre.new("west-1")
    claim = centre.book.claim(code.id)
    assert claim is not None
    centre.book.put(claim.without_secrets())
    letter = Machine().letter(code)
    assert centre.desk.answer(request_topic(code.id), letter, is_retained=False) is None
    assert centre.ask(other, Machine().letter(other)) == "granted"
