"""Reads public keys in JSON: JWK Sets and JWKs (RFC 7517, RFC 8037), and DID documents."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gated.credentials.key_entries import PRIVATE_KEY, UNSUPPORTED_KEY, Entry, Problem, loaded
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trusted_keys import KNOWN_USES, TrustedKey

USES_MEMBER = "gated_uses"
ISSUER_MEMBER = "gated_issuer"
"""Our own JWK members (RFC 7517 §4 leaves room for them)."""

_COORDINATE_BYTES = 32  # of an Ed25519 key too
_DID_KEY_TYPES = ("JsonWebKey2020", "JsonWebKey")  # the first is NZCP's, the second its successor


def read_json(text: bytes, source: str) -> Iterator[Entry]:
    """Yield the keys in ``text``: a JWK Set, one JWK, or a DID document. Never raises."""
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError):
        yield Problem("not readable as JSON; copy it again")
        return
    if isinstance(document, dict) and "verificationMethod" in document:
        yield from _from_did_document(document, source)
        return
    keys = document.get("keys", [document]) if isinstance(document, dict) else None
    if not isinstance(keys, list):
        yield Problem('JSON, but not a key set: the member "keys" is not a list')
        return
    for number, jwk in enumerate(keys, start=1):
        for entry in _from_jwk(jwk, source):
            if isinstance(entry, Problem) and len(keys) > 1:
                yield Problem(f"key {number}: {entry.sentence}")
            else:
                yield entry


def _from_jwk(jwk: object, source: str) -> Iterator[Entry]:
    """Yield the key in ``jwk``, and what is wrong with it: an unknown use costs no other."""
    if not isinstance(jwk, dict):
        yield Problem("not a JSON Web Key")
        return
    if "d" in jwk or "k" in jwk:
        yield PRIVATE_KEY
        return
    if jwk.get("use", "sig") != "sig":
        yield Problem('not a key for signatures ("use")')
        return
    key = _public_key_of_jwk(jwk)
    if key is None:
        yield UNSUPPORTED_KEY
        return
    fingerprint = key_fingerprint(key)
    kid = jwk.get("kid")
    if kid is not None and not isinstance(kid, str):
        yield Problem('"kid" is not a text')
        return
    uses = jwk.get(USES_MEMBER, [])
    if not isinstance(uses, list):
        uses = [uses]
    issuer = jwk.get(ISSUER_MEMBER)
    if issuer is not None and not isinstance(issuer, str):
        yield Problem(f'"{ISSUER_MEMBER}" is not a text')
        return
    known = frozenset(use for use in uses if isinstance(use, str) and use in KNOWN_USES)
    if len(known) < len(uses):
        yield Problem(f'"{USES_MEMBER}" names a use that is not known; it permits nothing')
    yield TrustedKey(
        key=key,
        key_ids=_key_ids_of(kid) if kid else (fingerprint,),
        fingerprint=fingerprint,
        source=source,
        uses=known if USES_MEMBER in jwk else None,
        issuer=issuer,
    )


def _from_did_document(document: Mapping[str, object], source: str) -> Iterator[Entry]:
    """Yield the keys that a DID document (W3C DID Core §5.3.2) lets sign assertions."""
    did, methods = document.get("id"), document.get("verificationMethod")
    asserting = document.get("assertionMethod")
    if not isinstance(did, str) or not isinstance(methods, list) or not isinstance(asserting, list):
        yield Problem('a DID document without "id", "verificationMethod" or "assertionMethod"')
        return
    for number, method in enumerate(methods, start=1):
        name = method.get("id") if isinstance(method, dict) else None
        if not isinstance(method, dict) or not isinstance(name, str) or name not in asserting:
            continue
        jwk = method.get("publicKeyJwk")
        if isinstance(jwk, dict) and "d" in jwk:
            yield Problem(f"key {number}: {PRIVATE_KEY.sentence}")
            continue
        key = None
        if isinstance(jwk, dict) and method.get("type") in _DID_KEY_TYPES:
            key = _public_key_of_jwk(jwk)
        if not name.startswith(f"{did}#") or key is None:
            yield Problem(f"key {number}: {UNSUPPORTED_KEY.sentence}")
            continue
        yield TrustedKey(
            key=key,
            key_ids=(name.removeprefix(f"{did}#").encode(errors="surrogatepass"),),
            fingerprint=key_fingerprint(key),
            source=source,
            issuer=did,
        )


def _public_key_of_jwk(
    jwk: Mapping[str, object],
) -> Ed25519PublicKey | ec.EllipticCurvePublicKey | None:
    x, y = _coordinate(jwk.get("x")), _coordinate(jwk.get("y"))
    kind = (jwk.get("kty"), jwk.get("crv"))
    if kind == ("OKP", "Ed25519") and x is not None:
        return loaded(Ed25519PublicKey.from_public_bytes, x)
    if kind == ("EC", "P-256") and x is not None and y is not None:
        point = b"\x04" + x + y  # SEC 1 §2.3.3, uncompressed
        return loaded(
            lambda data: ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data), point
        )
    return None


def _coordinate(value: object) -> bytes | None:
    decoded = _base64url(value) if isinstance(value, str) else None
    return decoded if decoded is not None and len(decoded) == _COORDINATE_BYTES else None


def _key_ids_of(kid: str) -> tuple[bytes, ...]:
    decoded = _base64url(kid)
    as_text = kid.encode("utf-8", errors="surrogatepass")  # JSON can hold half a surrogate pair
    return (as_text,) if not decoded else (decoded, as_text)


def _base64url(text: str) -> bytes | None:
    """Return the bytes of ``text`` in base64url (or base64, as some lists have it), or None."""
    standard = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError:
        return None
