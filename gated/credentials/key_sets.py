"""Writes JWK Sets (RFC 7517, 8037) that say what their keys may sign."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gated.credentials.json_keys import ISSUER_MEMBER, USES_MEMBER
from gated.credentials.signatures import P256_COORDINATE_BYTES
from gated.credentials.trusted_keys import TrustedKey
from gated.errors import GatedError


def to_key_set(
    keys: Iterable[TrustedKey], uses: frozenset[str] | None, issuer: str | None
) -> bytes:
    """Return the set of ``keys``, restricted to ``uses`` and bound to ``issuer``.

    Args:
        keys: each under its own key id.
        uses: of ``KNOWN_USES``; None: as each key's own file says.
        issuer: a DID or URL; None: as each key's own file says.

    Raises: GatedError: a certificate, whose validity a JWK cannot carry, or an RSA key.
    """
    jwks = [_to_jwk(key, key.uses if uses is None else uses, issuer or key.issuer) for key in keys]
    return json.dumps({"keys": jwks}, indent=2).encode() + b"\n"


def _to_jwk(key: TrustedKey, uses: frozenset[str] | None, issuer: str | None) -> dict[str, object]:
    if key.valid_until is not None:
        raise GatedError(
            f"{key.source!a} is a certificate: it counts for health certificates, within its own "
            "validity, and cannot be given other uses or an issuer; add it without --for and "
            "--issuer (证书只用于健康证明，不能用 --for)"
        )
    jwk = {**_numbers(key), "kid": _kid(key), "use": "sig"}
    if uses is not None:
        jwk[USES_MEMBER] = sorted(uses)
    if issuer is not None:
        jwk[ISSUER_MEMBER] = issuer
    return jwk


def _numbers(key: TrustedKey) -> dict[str, object]:
    public = key.key
    if isinstance(public, Ed25519PublicKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(raw)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        x, y = (
            _base64url(number.to_bytes(P256_COORDINATE_BYTES, "big"))
            for number in (point.x, point.y)
        )
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    raise GatedError(
        f"{key.source!a} is an RSA key: it signs health certificates only; add it without --for "
        "and --issuer (RSA 密钥只用于健康证明)"
    )


def _kid(key: TrustedKey) -> str:
    """Return the ``kid`` that gives the key the ids it has already."""
    text = key.key_ids[-1]  # of a JWK's kid its text; else the bare key's id
    if text == key.fingerprint:
        return _base64url(text)
    return text.decode("utf-8", errors="surrogatepass")


def _base64url(data: bytes) -> str:
    """Return ``data`` in base64url without padding, as JWKs have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
