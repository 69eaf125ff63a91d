"""The centre's CA for gates: signs what a claim asks, and says which certificates count no more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gated.collector.claim_book import Issued
from gated.config.claims import ClaimSettings
from gated.config.secret import read_secret
from gated.errors import ConfigError, WireError
from gated.mqtt.certificates import describe, read_certificates

_PEM = serialization.Encoding.PEM
_NO_REQUEST = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)
"""What the library raises for bytes that a stranger chose."""
_CLOCKS_DIFFER = timedelta(hours=1)
"""A gate whose clock is a little behind must not take its certificate for one of the future."""
_AuthorityKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class GateAuthority:
    """Signs gates.

    Args:
        certificate: the CA's own.
        key: its private key.
        days: how long a gate's certificate lives.
    """

    def __init__(self, certificate: x509.Certificate, key: _AuthorityKey, days: int) -> None:
        self.certificate = certificate
        self._key = key
        self._life = timedelta(days=days)

    def sign(self, csr_pem: str, user: str, now: datetime) -> tuple[x509.Certificate, str]:
        """Return (the certificate, it and the CA's in PEM) for the key in ``csr_pem``.

        The request says nothing but which key it is; the name is ours.

        Raises: WireError: no request, or signed with another key; ConfigError: the CA has ended, or
            can sign no such name.
        """
        self.check_life(now)
        try:
            csr = x509.load_pem_x509_csr(csr_pem.encode())
            key = csr.public_key()
            if not (csr.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey)):
                raise WireError("the request is not signed by its own elliptic key")
        except _NO_REQUEST as exc:
            raise WireError("no certificate request") from exc
        try:
            signed = self._sign(key, user, now)
        except ValueError as exc:
            raise ConfigError(f"{self._name} cannot sign {user!a}: {exc} (无法签发)") from exc
        chain = b"".join(each.public_bytes(_PEM) for each in (signed, self.certificate))
        return signed, chain.decode("ascii")

    def check_life(self, now: datetime) -> None:
        """Raise ConfigError if the CA's own certificate has ended."""
        end = self.certificate.not_valid_after_utc
        if now >= end:
            raise ConfigError(
                f"{self._name} ended on {end:%Y-%m-%d %H:%M} UTC, and with it all that it signed: "
                "make a new one (签发闸机证书的 CA 已过期)"
            )

    @property
    def _name(self) -> str:
        return f"the CA for gates ({describe(self.certificate).name})"

    def _sign(self, key: ec.EllipticCurvePublicKey, user: str, now: datetime) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)]))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - _CLOCKS_DIFFER, self.certificate.not_valid_before_utc))
            .not_valid_after(min(now + self._life, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_FOR_SIGNING, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(self._key_identifier(), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def revocation_list(self, issued: Iterable[Issued], now: datetime) -> bytes:
        """Return the CRL in PEM form. A broker that has it lets in none that is on it.

        Raises: ConfigError: the CA has ended.
        """
        self.check_life(now)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - _CLOCKS_DIFFER)
            # As long as the CA: a broker refuses everybody once its list has ended.
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(self._key_identifier(), critical=False)
        )
        for each in issued:
            if each.revoked_at is not None:
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(each.serial)
                    .revocation_date(each.revoked_at)
                    .build()
                )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        try:
            own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


_FOR_SIGNING = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def load_authority(settings: ClaimSettings) -> GateAuthority | None:
    """Return the CA for gates; None: none is configured. Raises: ConfigError: it is unusable."""
    if settings.ca_cert_file is None or settings.ca_key_file is None:
        return None
    certificate = read_certificates(settings.ca_cert_file)[0]
    key = _load_key(settings.ca_key_file)
    if key.public_key() != certificate.public_key():
        raise ConfigError(
            f"{settings.ca_key_file} is not the key of {settings.ca_cert_file} "
            f"({describe(certificate).name}) (私钥与证书不符)"
        )
    return GateAuthority(certificate, key, settings.certificate_days)


def _load_key(path: Path) -> _AuthorityKey:
    try:
        key = serialization.load_pem_private_key(read_secret(path).reveal().encode(), password=None)
    except (ValueError, TypeError) as exc:
        raise ConfigError(f"{path}: no private key without a password (私钥无法使用)") from exc
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ConfigError(f"{path}: neither an elliptic nor an RSA key (私钥类型不支持)")
    return key
