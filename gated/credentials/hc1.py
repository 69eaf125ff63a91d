"""HC1, EU and WHO health certificates: ``HC1:`` + base45(zlib(COSE_Sign1(CWT))).

Envelope and claims are HCERT 1.0 (EU) and 1.1 (WHO, GDHCN), which agree in all that is read here;
sections are those of 1.1.0. The certificate under ``hcert`` key 1: ``gated.credentials.dcc``.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gated.credentials import base45, cbor, cose
from gated.credentials.cbor import CborKey, CborValue
from gated.credentials.dcc import HealthCertificate, parse_health_certificate
from gated.credentials.malformed import MalformedCode
from gated.credentials.numeric_date import moment_of
from gated.credentials.proof import Examined, Proof
from gated.credentials.signatures import Algorithm, algorithm_of
from gated.credentials.signers import find_cose_signers, proven
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.vocabulary import EvidenceKind, Reason

PREFIX = "HC1:"
FORMAT = "HC1"

SCOPE = FORMAT.encode()
"""Whoever signed: a holder keeps name and date of birth from one issuer's key to the next."""

# HCERT §3.3
CLAIM_ISSUER, CLAIM_EXPIRES_AT, CLAIM_ISSUED_AT, CLAIM_HCERT = 1, 4, 6, -260
HCERT_DCC = 1

ALGORITHMS = (Algorithm.ES256, Algorithm.PS256)
"""HCERT §3.3.2; an Ed25519 key signs no health certificates."""

MAX_INFLATED_BYTES = cbor.MAX_BYTES
MAX_ISSUER_CHARACTERS = 80
"""A country code by the specification, which gives it no bound."""

REVOCATION_HASH_BYTES = 16
"""The EU gateway's lists hold the first 128 bits of a SHA-256."""

_COSE_SIGN1_TAG = b"\xd2"
_CBOR_ARRAY = 4  # major type, the upper three bits (RFC 8949 §3)


@dataclass(frozen=True, slots=True)
class Hc1Claims:
    """What the token around a certificate says. True only under a good signature."""

    issuer: str  # a country, empty if it isn't said
    issued_at: datetime
    expires_at: datetime
    certificate: HealthCertificate


def open_envelope(text: str) -> cose.Sign1:
    """Return the signed message in ``text``, of which nothing has been checked yet.

    Raises: MalformedCode: not ``HC1:`` and base45 of a compressed COSE_Sign1, to the last byte.
    """
    if not text.startswith(PREFIX):
        raise MalformedCode("HC1: the prefix is missing")
    message = _inflate(base45.decode(text[len(PREFIX) :]))
    if message[:1] and message[0] >> 5 == _CBOR_ARRAY:
        # RFC 8392 §7.2: without a tag the application says what it is, and here it is always this.
        message = _COSE_SIGN1_TAG + message
    return cose.parse_sign1(message)


def _inflate(data: bytes) -> bytes:
    """Return ``data`` inflated. What isn't compressed is refused: HCERT §4.2.1 has it as a must."""
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(data, MAX_INFLATED_BYTES)
    except zlib.error as exc:
        raise MalformedCode("HC1: not compressed, or broken") from exc
    if not inflater.eof:
        raise MalformedCode("HC1: cut off, or too long when inflated")
    if inflater.unused_data:
        raise MalformedCode("HC1: trailing bytes")
    return inflated


def examine(text: str, now: datetime, trust: TrustList) -> Examined:
    """Return what the certificate in ``text`` proves. Raises: MalformedCode.

    Signed content that is no certificate is unsupported: a health link, the WHO's proposed DDCC.
    """
    message = open_envelope(text)
    signers = find_cose_signers(message, now, trust)
    if isinstance(signers, Reason):
        return Examined((signers,))
    claims = parse_claims(message.payload)
    if claims is None:
        return Examined((Reason.UNSUPPORTED,))
    may_certify = partial(_may_certify, kind=claims.certificate.kind)
    return proven(partial(_proof_of, claims, message), signers, claims.issuer, may_certify)


def _may_certify(signer: TrustedKey, kind: EvidenceKind) -> bool:
    return (
        algorithm_of(signer.key) in ALGORITHMS
        and signer.may_sign_certificate(FORMAT)
        and (signer.certifies is None or kind in signer.certifies)
    )


def parse_claims(payload: bytes) -> Hc1Claims | None:
    """Return the claims in ``payload``, or None if its ``hcert`` holds other content only.

    Claims that we do not know are ignored, as RFC 8392 §3 wants it.

    Raises: MalformedCode: a claim is missing, of another type or out of its bounds, or the
        certificate is not as its schema has it.
    """
    claims = cbor.decode(payload, is_date_tag_allowed=True)
    if not isinstance(claims, dict):
        raise MalformedCode("HC1: the claims are not a map")
    hcert = claims.get(CLAIM_HCERT)
    if not isinstance(hcert, dict) or not hcert:
        raise MalformedCode("HC1: no health certificate")
    if HCERT_DCC not in hcert:
        return None
    issuer = claims.get(CLAIM_ISSUER, "")
    if not isinstance(issuer, str) or len(issuer) > MAX_ISSUER_CHARACTERS:
        raise MalformedCode("HC1: the issuer is not a short text")
    return Hc1Claims(
        issuer=issuer,
        issued_at=_numeric_date(claims, CLAIM_ISSUED_AT),
        expires_at=_numeric_date(claims, CLAIM_EXPIRES_AT),
        certificate=parse_health_certificate(hcert[HCERT_DCC]),
    )


def _numeric_date(claims: Mapping[CborKey, CborValue], key: int) -> datetime:
    """Return a required NumericDate (RFC 8392 §2): an integer, or a float as RFC 8392 allows."""
    moment = moment_of(claims.get(key), may_have_fraction=True)
    if moment is None:
        raise MalformedCode(f"HC1: claim {key} is missing, or not a time")
    return moment


def _proof_of(claims: Hc1Claims, message: cose.Sign1) -> Proof:
    certificate = claims.certificate
    ids = revocation_ids(claims, message)
    return Proof(
        scope=SCOPE,
        subject=certificate.holder,
        code_id=ids[0],
        valid_from=claims.issued_at,
        valid_until=claims.expires_at,
        statements=(certificate.statement,),
        born=certificate.born,
        revocation_ids=ids,
    )


def revocation_ids(claims: Hc1Claims, message: cose.Sign1) -> tuple[bytes, bytes, bytes]:
    """Return what the EU gateway's lists call a certificate: UCI, COUNTRYCODEUCI, SIGNATURE."""
    certificate_id = claims.certificate.certificate_id
    in_country = (claims.issuer or claims.certificate.country) + certificate_id
    return (
        _revocation_hash(certificate_id.encode()),
        _revocation_hash(in_country.encode()),
        _revocation_hash(_lasting_part(message)),
    )


def _lasting_part(message: cose.Sign1) -> bytes:
    """Return the part of a signature that its copies share. Of an ECDSA signature that is r.

    Anybody can make a second good signature out of r and n − s.
    """
    if message.algorithm == Algorithm.ES256:
        return message.signature[: len(message.signature) // 2]
    return message.signature


def _revocation_hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:REVOCATION_HASH_BYTES]
