"""Health certificates in their envelopes, as issuers make them, and keys that are trusted."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from gated.credentials import base45, cose
from gated.credentials.signatures import PrivateKey, PublicKey, key_fingerprint
from gated.credentials.trusted_keys import TrustedKey
from gated.credentials.verify import Verification
from gated.vocabulary import CredentialStatus, EvidenceKind


def trusted_key(
    key: PublicKey,
    *,
    key_id: bytes | None = None,
    issuer: str | None = None,
    uses: Iterable[str] | None = None,
    certifies: frozenset[EvidenceKind] | None = None,
    valid_until: datetime | None = None,
    source: str = "a file",
) -> TrustedKey:
    """Return ``key`` as the trust folder gives it; without ``key_id`` under its fingerprint."""
    fingerprint = key_fingerprint(key)
    return TrustedKey(
        key,
        (key_id or fingerprint,),
        fingerprint,
        source,
        None if uses is None else frozenset(uses),
        valid_until=valid_until,
        issuer=issuer,
        certifies=certifies,
    )


def self_signed(
    key: PrivateKey | rsa.RSAPrivateKey,
    *extensions: x509.ExtensionType,
    since: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    until: datetime = datetime(2030, 1, 1, tzinfo=UTC),
    serial: int = 1,
) -> x509.Certificate:
    """Return a certificate of ``key``, by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test only")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(since)
        .not_valid_after(until)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256())


def hc1_text(message: bytes) -> str:
    """Return the text of an HC1 code around a signed message."""
    return "HC1:" + base45.encode(zlib.compress(message))


def hc1_code(payload: bytes, key: PrivateKey, key_id: bytes) -> str:
    return hc1_text(cose.sign1(payload, key, key_id))


def nzcp_text(message: bytes) -> str:
    """Return the text of an NZCP code around a signed message."""
    return "NZCP:/1/" + base64.b32encode(message).decode().rstrip("=")


def nzcp_code(payload: bytes, key: PrivateKey, key_id: bytes) -> str:
    return nzcp_text(cose.sign1(payload, key, key_id))


def check_is_no_grant(result: Verification) -> None:
    """Check that a code is refused with a reason, and says nothing without a good signature."""
    assert result.status is not CredentialStatus.VALID
    assert result.reasons[0].value == result.status.value
    if result.signer is None:
        assert (result.proof, result.valid_from, result.valid_until) == (None, None, None)
