"""Certification authorities for tests: they sign brokers, gates and requests."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gated.clock import SystemClock
from gated.simulation.broker import HOST

LOOPBACK = x509.IPAddress(ipaddress.ip_address(HOST))
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
DAY = timedelta(days=1)
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def name_of(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Authority:
    """A CA; ``pem`` is its own certificate. Lives are given in days from now."""

    def __init__(self, name: str, *, begins: float = -1, ends: float = 365) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name_of(name)
        own = self._key.public_key()
        signed = (
            self._builder(self._name, own, begins, ends)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = signed.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """Its private key, for those who sign by themselves."""
        return key_pem(self._key)

    def sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        begins: float = -1,
        ends: float = 90,
        usage: x509.ObjectIdentifier | None = CLIENT,
        holder: x509.GeneralName | None = None,
    ) -> bytes:
        """Return the certificate in PEM form."""
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = self._builder(subject, key, begins, ends).add_extension(issuer, critical=False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if holder is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([holder]), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    def pair(self, common_name: str, *, begins: float = -1, ends: float = 90) -> bytes:
        """Return a client's key and certificate, as one file holds them."""
        key = ec.generate_private_key(ec.SECP256R1())
        return key_pem(key) + self.sign(
            name_of(common_name), key.public_key(), begins=begins, ends=ends
        )

    def server(self, folder: Path, holder: x509.GeneralName = LOOPBACK) -> Path:
        """Write a broker's key and certificate to one file; return its path."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self.sign(name_of("broker"), key.public_key(), usage=SERVER, holder=holder)
        path = folder / "broker.pem"
        path.write_bytes(key_pem(key) + signed)
        return path

    def answer(self, request: bytes) -> bytes:
        """Return the certificate for a request in PEM form, as a CA would."""
        asked = x509.load_pem_x509_csr(request)
        assert asked.is_signature_valid
        key = asked.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return self.sign(asked.subject, key)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, begins: float, ends: float
    ) -> x509.CertificateBuilder:
        now: datetime = SystemClock().now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins * DAY)
            .not_valid_after(now + ends * DAY)
        )


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
