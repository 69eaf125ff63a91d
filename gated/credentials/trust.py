"""Reads the trust folder: every file in it, whatever its name, into a ``TrustList``.

Certificates (PEM, several in one file; DER; the bare base64 of DER), JWK Sets and single JWKs in
JSON, public keys in PEM or DER. One level: sub-folders are not read. What cannot be used is told in
one line each, and the rest still counts. A private key is refused: it must not lie on a gate.

DID documents (``did:web``, as New Zealand's issuer publishes): the keys of their assertionMethod.

Key ids: of a certificate the first 8 bytes of the SHA-256 of its DER; of a JWK its ``kid``, both
base64url-decoded (where it decodes) and as its text; of a bare key, and of a JWK without ``kid``,
the first 8 bytes of the SHA-256 of its SubjectPublicKeyInfo; of a DID document's key its fragment.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gated.credentials import wecom
from gated.credentials.signatures import KEY_ID_BYTES, key_fingerprint, supported_public_key
from gated.credentials.trusted_keys import KNOWN_USES, TrustedKey, TrustList
from gated.vocabulary import EvidenceKind

MAX_FILE_BYTES = 8 * 1024 * 1024
"""A country's whole list of signers has about 2."""

USES_MEMBER = "gated_uses"
ISSUER_MEMBER = "gated_issuer"
"""Our own JWK members (RFC 7517 §4 leaves room for them)."""

_EVIDENCE_OF_OID = {
    f"1.3.6.1.4.1.{arc}.{number}": evidence
    for arc in ("1847.2021.1", "0.1847.2021.1")
    for number, evidence in enumerate(
        (EvidenceKind.TEST, EvidenceKind.VACCINATION, EvidenceKind.RECOVERY), start=1
    )
}
"""Extended key usages of the EU DCC (its technical specifications), and their older form."""

_EXTENDED_KEY_USAGE = bytes.fromhex("0603551d25")  # DER of 2.5.29.37
_NO_EXTENDED_KEY_USAGE = _EXTENDED_KEY_USAGE + bytes.fromhex("04023000")  # an empty sequence

_COORDINATE_BYTES = 32
_DID_KEY_TYPES = ("JsonWebKey2020", "JsonWebKey")  # the first is NZCP's, the second its successor
_PEM_BLOCK = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----.+?-----END (?P=label)-----", re.DOTALL
)
_UTF8_BOM = b"\xef\xbb\xbf"  # some editors put it in front
_DER_SEQUENCE = b"\x30"  # ITU-T X.690: what every certificate and key begins with
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Problem:
    """An entry, or part of one, that cannot be used: a sentence for the maintainer."""

    sentence: str


_Entry: TypeAlias = TrustedKey | _Problem
_PRIVATE_KEY = _Problem("a private key, refused; delete it here and keep it with the office only")
_NO_KEY = _Problem("neither certificates nor keys; take it out of the folder")
_UNSUPPORTED_KEY = _Problem("a kind of key that is not used here (Ed25519, P-256, RSA 2048–4096)")


def load_trust(folder: Path) -> TrustList:
    """Return the keys in the files of ``folder``. Never raises: see ``TrustList.problems``."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as exc:
        return TrustList(problems=(f"trust folder {folder}: cannot be read ({exc.strerror})",))
    files = [read_key_file(path) for path in paths]
    keys = [key for file in files for key in file.keys]
    problems = [f"trust folder, {file.name!a}: {each}" for file in files for each in file.problems]
    if len(wecom.wecom_keys(keys)) > wecom.MAX_KEYS:
        problems.append(f"trust folder: more than {wecom.MAX_KEYS} WeCom keys; some are not tried")
    return TrustList.of(keys, problems)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The keys in one file, and what in it cannot be used: one sentence each."""

    name: str
    keys: tuple[TrustedKey, ...]
    problems: tuple[str, ...]
    has_private_key: bool


def read_key_file(path: Path) -> KeyFile:
    """Return what is in the file at ``path``. Never raises."""
    return _key_file(path.name, _read_file(path))


def parse_key_file(data: bytes, name: str) -> KeyFile:
    """Return what is in ``data``, a file called ``name``. Never raises."""
    return _key_file(name, _read_data(data, name))


def _key_file(name: str, entries: Iterable[_Entry]) -> KeyFile:
    found = tuple(entries)
    problems = [entry.sentence for entry in found if isinstance(entry, _Problem)]
    return KeyFile(
        name=name,
        keys=tuple(entry for entry in found if isinstance(entry, TrustedKey)),
        problems=tuple(problems),
        has_private_key=any(each.endswith(_PRIVATE_KEY.sentence) for each in problems),
    )


def _read_file(path: Path) -> Iterator[_Entry]:
    if not path.is_file():  # opening a pipe would wait for its writer
        yield _Problem("not a file; only files directly in the trust folder are read")
        return
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        yield _Problem(f"cannot be read ({exc.strerror})")
        return
    yield from _read_data(data, path.name)


def _read_data(data: bytes, source: str) -> Iterator[_Entry]:
    if len(data) > MAX_FILE_BYTES:
        yield _Problem("larger than 8 MiB, so not a file of keys")
        return
    text = data.removeprefix(_UTF8_BOM).strip()
    if text.startswith(b"{"):
        yield from _read_json(text, source)
    elif b"-----BEGIN " in text:
        yield from _read_pem(text, source)
    else:
        yield _read_der(data, source)


def _loaded(load: Callable[[bytes], _T], data: bytes) -> _T | None:
    """Return what ``load`` makes of ``data``, None if it cannot."""
    try:
        return load(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


# --- certificates and bare keys ------------------------------------------------------------------


def _read_pem(text: bytes, source: str) -> Iterator[_Entry]:
    number = 0
    for number, block in enumerate(_PEM_BLOCK.finditer(text), start=1):
        entry = _read_pem_block(block["label"], block[0], source)
        if isinstance(entry, _Problem):
            entry = _Problem(f"block {number}: {entry.sentence}")
        yield entry
    if not number:
        yield _Problem("a PEM file without a complete block; copy it again")


def _read_pem_block(label: bytes, block: bytes, source: str) -> _Entry:
    if label.endswith(b"PRIVATE KEY"):
        return _PRIVATE_KEY
    if label.endswith(b"CERTIFICATE"):
        certificate = _loaded(x509.load_pem_x509_certificate, block)
        return _NO_KEY if certificate is None else _from_certificate(certificate, source)
    public_key = _loaded(serialization.load_pem_public_key, block)
    return _NO_KEY if public_key is None else _from_bare_key(public_key, source)


def _read_der(data: bytes, source: str) -> _Entry:
    if not data.startswith(_DER_SEQUENCE):
        try:
            data = base64.b64decode(b"".join(data.split()), validate=True)
        except binascii.Error:
            return _NO_KEY
    certificate = _loaded(x509.load_der_x509_certificate, data)
    if certificate is not None:
        return _from_certificate(certificate, source)
    public_key = _loaded(serialization.load_der_public_key, data)
    if public_key is not None:
        return _from_bare_key(public_key, source)
    private_key = _loaded(lambda der: serialization.load_der_private_key(der, None), data)
    return _NO_KEY if private_key is None else _PRIVATE_KEY


def _from_certificate(certificate: x509.Certificate, source: str) -> _Entry:
    key = supported_public_key(_loaded(lambda _der: certificate.public_key(), b""))
    if key is None:
        return _UNSUPPORTED_KEY
    der = certificate.public_bytes(serialization.Encoding.DER)
    return TrustedKey(
        certifies=_certified_by(certificate),
        key=key,
        key_ids=(hashlib.sha256(der).digest()[:KEY_ID_BYTES],),
        fingerprint=key_fingerprint(key),
        source=source,
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
    )


def _certified_by(certificate: x509.Certificate) -> frozenset[EvidenceKind] | None:
    """Return what the certificate is for; None when none of the known usages is named.

    One extension that cannot be read hides all of them: then the usages are looked for by their
    bytes, and other usages alone permit nothing.
    """
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return _certified_by_bytes(certificate.tbs_certificate_bytes)
    named = {_EVIDENCE_OF_OID.get(usage.dotted_string) for usage in usages} - {None}
    return frozenset(kind for kind in named if kind is not None) or None


def _certified_by_bytes(certificate: bytes) -> frozenset[EvidenceKind] | None:
    # Some issuers write an empty list of usages and mean none (RFC 5280 would have it left out).
    certificate = certificate.replace(_NO_EXTENDED_KEY_USAGE, b"")
    if _EXTENDED_KEY_USAGE not in certificate:
        return None
    return frozenset(
        evidence
        for dotted, evidence in _EVIDENCE_OF_OID.items()
        if _oid_bytes(x509.ObjectIdentifier(dotted)) in certificate
    )


def _oid_bytes(oid: x509.ObjectIdentifier) -> bytes:
    """Return ``oid`` in DER: what a list of this one usage holds, without the list's own head."""
    return x509.ExtendedKeyUsage([oid]).public_bytes()[2:]


def _from_bare_key(public_key: object, source: str) -> _Entry:
    key = supported_public_key(public_key)
    if key is None:
        return _UNSUPPORTED_KEY
    fingerprint = key_fingerprint(key)
    return TrustedKey(key=key, key_ids=(fingerprint,), fingerprint=fingerprint, source=source)


# --- JSON Web Keys (RFC 7517, RFC 8037) ----------------------------------------------------------


def _read_json(text: bytes, source: str) -> Iterator[_Entry]:
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError):
        yield _Problem("not readable as JSON; copy it again")
        return
    if isinstance(document, dict) and "verificationMethod" in document:
        yield from _from_did_document(document, source)
        return
    keys = document.get("keys", [document]) if isinstance(document, dict) else None
    if not isinstance(keys, list):
        yield _Problem('JSON, but not a key set: the member "keys" is not a list')
        return
    for number, jwk in enumerate(keys, start=1):
        for entry in _from_jwk(jwk, source):
            if isinstance(entry, _Problem) and len(keys) > 1:
                yield _Problem(f"key {number}: {entry.sentence}")
            else:
                yield entry


def _from_jwk(jwk: object, source: str) -> Iterator[_Entry]:
    """Yield the key in ``jwk``, and what is wrong with it: an unknown use costs no other."""
    if not isinstance(jwk, dict):
        yield _Problem("not a JSON Web Key")
        return
    if "d" in jwk or "k" in jwk:
        yield _PRIVATE_KEY
        return
    if jwk.get("use", "sig") != "sig":
        yield _Problem('not a key for signatures ("use")')
        return
    key = _public_key_of_jwk(jwk)
    if key is None:
        yield _UNSUPPORTED_KEY
        return
    fingerprint = key_fingerprint(key)
    kid = jwk.get("kid")
    if kid is not None and not isinstance(kid, str):
        yield _Problem('"kid" is not a text')
        return
    uses = jwk.get(USES_MEMBER, [])
    if not isinstance(uses, list):
        uses = [uses]
    issuer = jwk.get(ISSUER_MEMBER)
    if issuer is not None and not isinstance(issuer, str):
        yield _Problem(f'"{ISSUER_MEMBER}" is not a text')
        return
    known = frozenset(use for use in uses if isinstance(use, str) and use in KNOWN_USES)
    if len(known) < len(uses):
        yield _Problem(f'"{USES_MEMBER}" names a use that is not known; it permits nothing')
    yield TrustedKey(
        key=key,
        key_ids=_key_ids_of(kid) if kid else (fingerprint,),
        fingerprint=fingerprint,
        source=source,
        uses=known if USES_MEMBER in jwk else None,
        issuer=issuer,
    )


def _from_did_document(document: Mapping[str, object], source: str) -> Iterator[_Entry]:
    """Yield the keys that a DID document (W3C DID Core §5.3.2) lets sign assertions."""
    did, methods = document.get("id"), document.get("verificationMethod")
    asserting = document.get("assertionMethod")
    if not isinstance(did, str) or not isinstance(methods, list) or not isinstance(asserting, list):
        yield _Problem('a DID document without "id", "verificationMethod" or "assertionMethod"')
        return
    for number, method in enumerate(methods, start=1):
        if not isinstance(method, dict) or method.get("id") not in asserting:
            continue
        name, jwk = method["id"], method.get("publicKeyJwk")
        if isinstance(jwk, dict) and "d" in jwk:
            yield _Problem(f"key {number}: {_PRIVATE_KEY.sentence}")
            continue
        key = None
        if isinstance(jwk, dict) and method.get("type") in _DID_KEY_TYPES:
            key = _public_key_of_jwk(jwk)
        if not isinstance(name, str) or not name.startswith(f"{did}#") or key is None:
            yield _Problem(f"key {number}: {_UNSUPPORTED_KEY.sentence}")
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
        return _loaded(Ed25519PublicKey.from_public_bytes, x)
    if kind == ("EC", "P-256") and x is not None and y is not None:
        point = b"\x04" + x + y  # SEC 1 §2.3.3, uncompressed
        return _loaded(
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
