"""Certificates as files hold them: whose they are, who signed them, how long they live."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gated.config.files import read_small_file
from gated.errors import ConfigError
from gated.mqtt.certificate_life import LifeStage, life_stage, renewal_due_at

MAX_FILE_BYTES = 262_144
_MAX_NAME_CHARACTERS = 64
_MAX_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Certificate:
    """What people and rules want to know of one certificate."""

    name: str  # the subject's common name, or all of the subject
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    fingerprint: str  # SHA-256, the first 16 hex digits

    @property
    def renewal_due_at(self) -> datetime:
        return renewal_due_at(self.not_before, self.not_after)

    def stage(self, now: datetime) -> LifeStage:
        return life_stage(self.not_before, self.not_after, now)


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates in the PEM file at ``path``, which may hold a key as well.

    Raises: ConfigError: missing, unreadable, or without a certificate.
    """
    try:
        data = read_small_file(path, most_bytes=MAX_FILE_BYTES, forbidden_mode=0, why="")
    except FileNotFoundError as exc:
        raise ConfigError(f"{path} is missing: it should hold certificates in PEM form") from exc
    return parse_certificates(data, str(path))


def parse_certificates(data: bytes, name: str) -> list[x509.Certificate]:
    """Return the certificates in ``data``. Raises: ConfigError: there is none, or a broken one."""
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as exc:
        raise ConfigError(
            f"{name}: no certificates in PEM form, which begin with "
            "-----BEGIN CERTIFICATE----- (不是 PEM 证书)"
        ) from exc


def describe(certificate: x509.Certificate) -> Certificate:
    """Return what ``certificate`` says."""
    subject = certificate.subject.rfc4514_string()
    name = common_name(certificate.subject) or subject
    return Certificate(
        name=_printable(name)[:_MAX_NAME_CHARACTERS],
        subject=_printable(subject),
        issuer=_printable(certificate.issuer.rfc4514_string()),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex()[:16],
    )


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)  # other people chose it


def common_name(name: x509.Name) -> str | None:
    """Return the common name in ``name``; None if it has none, or several."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else None


def why_not_for_client(
    chain: Sequence[x509.Certificate], authorities: Iterable[x509.Certificate], now: datetime
) -> str | None:
    """Return why a broker that trusts ``authorities`` would refuse the client; None: it would not.

    Args:
        chain: the client's certificate, then the intermediate ones that were given with it.
        authorities: the CAs that sign clients.
        now: the wall clock.
    """
    leaf, known = chain[0], list(authorities)
    for certificate in chain:
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return (
                f"{describe(certificate).name} is valid from "
                f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} to "
                f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, not now (不在有效期内)"
            )
    if not _is_for_clients(leaf):
        return "its extended key usage leaves clientAuth out (用途不含客户端认证)"
    if not _leads_to(leaf, chain[1:], known):
        names = ", ".join(describe(one).name for one in known) or "none"
        return f"none of these CAs signed it: {names} (不是由这些 CA 签发)"
    return None


def _is_for_clients(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def _leads_to(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
) -> bool:
    """Return whether signatures lead from ``leaf`` to an authority."""
    below = leaf
    for _ in range(_MAX_CHAIN):
        if any(_signed(authority, below) for authority in authorities):
            return True
        above = next((one for one in intermediates if _signed(one, below)), None)
        if above is None or above == below:
            return False
        below = above
    return False


def _signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
