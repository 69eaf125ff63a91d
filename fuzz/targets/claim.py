"""Claims: what is held before a new gate's camera, what the centre answers, what it is to sign."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fuzz import mutators, school, trees
from fuzz.target import Escape, Target
from gated.claim_codes import Offer, make_code, parse_offer
from gated.claims import Answer, ClaimProblem, read_answer
from gated.collector.claim_signing import GateAuthority
from gated.errors import WireError

_NOW = school.NOW
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gates")])
_KEY = ec.derive_private_key(123_456_789, ec.SECP256R1())
_AUTHORITY = GateAuthority(
    x509.CertificateBuilder(_NAME, _NAME, _KEY.public_key(), 1)
    .not_valid_before(_NOW)
    .not_valid_after(_NOW + timedelta(days=365))
    .sign(_KEY, SHA256()),
    _KEY,
    days=90,
)
_CSR = x509.CertificateSigningRequestBuilder(_NAME).sign(_KEY, SHA256()).public_bytes(Encoding.PEM)
_OFFER = Offer(make_code(()), "mqtts://broker.example:8884", "q83vEjRWeJCrze8SNFZ4kA")


def _run(data: bytes) -> bool:
    readers = (_shown, _answered, _signed)
    try:
        return readers[(data[0] if data else 0) % len(readers)](data[1:])
    except WireError as exc:
        if not str(exc).isprintable():
            raise Escape("a sentence that a terminal would obey") from exc
        return False


def _shown(data: bytes) -> bool:
    offer = parse_offer(data.decode(errors="replace"))
    if parse_offer(offer.uri) != offer:
        raise Escape("an offer that says something else when it is passed on")
    return True


def _answered(data: bytes) -> bool:
    read_answer(data)
    return True


def _signed(data: bytes) -> bool:
    certificate, _ = _AUTHORITY.sign(data.decode(errors="replace"), "east-1", _NOW)
    if certificate.subject.rfc4514_string() != "CN=east-1":
        raise Escape("a name that the centre has not given")
    return True


TARGET = Target(
    run=_run,
    seeds=lambda: [
        b"\0" + _OFFER.uri.encode(),
        b"\0" + _OFFER.code.grouped.lower().encode(),
        b"\1" + Answer(problem=ClaimProblem.USED).model_dump_json().encode(),
        b"\1" + Answer(exchange="09" * 32, sealed="AAAA").model_dump_json().encode(),
        b"\2" + _CSR,
    ],
    mutate=mutators.of_layers([mutators.of_bytes, mutators.of_tree(trees.JSON), mutators.of_bytes]),
)
