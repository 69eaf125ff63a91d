"""Makes SMART Health Cards, good ones and bad ones, signed by a laboratory of our own."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec

from gated.credentials import shc, signatures
from gated.credentials.signatures import PrivateKey
from tests.signed_codes import trusted_key

LAB_KEY = ec.derive_private_key(1_195, ec.SECP256R1())
LAB_PUBLIC = LAB_KEY.public_key()
ISSUER = "https://lab.example/cards"
NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
HEADER: Mapping[str, object] = {"zip": "DEF", "alg": "ES256", "kid": "lab-1"}

PATIENT: Mapping[str, object] = {
    "resourceType": "Patient",
    "name": [{"family": "Anyperson", "given": ["Jane"]}],
    "birthDate": "1961-01-20",
}

Changes = Mapping[str, object]


trusted = partial(trusted_key, key=LAB_PUBLIC, key_id=b"lab-1", issuer=ISSUER)


def changed(members: Changes, changes: Changes | None) -> dict[str, object]:
    return {k: v for k, v in {**members, **(changes or {})}.items() if v is not None}


def bundle_of(*resources: object) -> dict[str, object]:
    """Return the bundle of ``resources``, the first of which is "resource:0"."""
    entries: Sequence[object] = [
        {"fullUrl": f"resource:{number}", "resource": resource}
        for number, resource in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def card_payload(
    changes: Changes | None = None, *, vc: Changes | None = None, subject: Changes | None = None
) -> bytes:
    """Return the payload of a good card, with ``changes``; None takes a member out."""
    bundle = bundle_of(PATIENT)
    credential = changed(
        {
            "type": ["https://smarthealth.cards#health-card"],
            "credentialSubject": changed({"fhirVersion": "4.0.1", "fhirBundle": bundle}, subject),
        },
        vc,
    )
    start_s = NOW.timestamp()
    return json.dumps(changed({"iss": ISSUER, "nbf": start_s, "vc": credential}, changes)).encode()


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(packed: bytes, key: PrivateKey = LAB_KEY, header: object = HEADER) -> str:
    parts = f"{base64url(json.dumps(header).encode())}.{base64url(packed)}"
    return f"{parts}.{base64url(signatures.sign(parts.encode(), key))}"


def sealed(payload: bytes, key: PrivateKey = LAB_KEY, header: object = HEADER) -> str:
    return shc.encode_digits(signed(deflated(payload), key, header))
