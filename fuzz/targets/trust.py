"""The trust folder: any file gives keys of known kinds, or sentences about what is wrong."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fuzz import mutators, school, trees
from fuzz.files import written
from fuzz.target import Escape, Target
from gated.credentials.keys import public_key_set
from gated.credentials.signatures import key_fingerprint, supported_public_key
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import KNOWN_USES

_VACCINATION_USAGE = x509.ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.2")


def _run(data: bytes) -> bool:
    trust = load_trust(written(data, "key").parent)
    for problem in trust.problems:
        if not problem.isprintable():
            raise Escape("a sentence about a file that a terminal would obey")
    for key_id, keys in trust.keys.items():
        for key in keys:
            if type(key_id) is not bytes or key_id not in key.key_ids:
                raise Escape("a key under an id that it does not have")
            if supported_public_key(key.key) is None or key.fingerprint != key_fingerprint(key.key):
                raise Escape("a key of another kind than promised")
            if key.uses is not None and not key.uses <= KNOWN_USES:
                raise Escape("a use that is not known")
            key.is_in_force(school.NOW)
    return bool(trust.keys)


def _seeds() -> list[bytes]:
    public = school.MINISTRY.public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = school.SCHOOL.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = _certificate(school.MINISTRY)
    der = certificate.public_bytes(serialization.Encoding.DER)
    in_pem = certificate.public_bytes(serialization.Encoding.PEM)
    numbers = public.public_numbers()
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": school.base64url(numbers.x.to_bytes(32, "big")),
        "y": school.base64url(numbers.y.to_bytes(32, "big")),
    }
    shc = {**jwk, "kid": "abc", "use": "sig", "alg": "ES256", "gated_issuer": "https://example.org"}
    did = {
        "@context": "https://w3.org/ns/did/v1",
        "id": school.NZ_ISSUER,
        "verificationMethod": [
            {
                "id": f"{school.NZ_ISSUER}#key-1",
                "controller": school.NZ_ISSUER,
                "type": "JsonWebKey2020",
                "publicKeyJwk": jwk,
            }
        ],
        "assertionMethod": [f"{school.NZ_ISSUER}#key-1"],
    }
    company = {**jwk, "gated_uses": ["WeCom", "GP1/visitor", "GP1/attendant"]}
    return [
        public_key_set(school.SCHOOL.public_key()).encode(),
        *(json.dumps(document).encode() for document in ({"keys": [shc, company]}, jwk, did)),
        der,
        in_pem,
        in_pem + pem,
        base64.b64encode(der),
        pem,
        private,
    ]


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fuzz")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2021, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2031, 1, 1, tzinfo=UTC))
        .add_extension(x509.ExtendedKeyUsage([_VACCINATION_USAGE]), critical=False)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )


TARGET = Target(run=_run, seeds=_seeds, mutate=mutators.of_tree(trees.JSON), max_cpu_ms=1_000.0)
"""A file of keys is read at the start and on reload, not while somebody waits."""
