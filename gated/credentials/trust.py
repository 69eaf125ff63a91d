"""Reads the trust folder: every file in it, whatever its name, into a ``TrustList``.

A name that begins with a dot is left out: a file that is being written, or was at a power cut.

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
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gated.credentials import wecom
from gated.credentials.json_keys import read_json
from gated.credentials.key_entries import (
    NO_KEY,
    PRIVATE_KEY,
    UNSUPPORTED_KEY,
    Entry,
    Problem,
    loaded,
)
from gated.credentials.signatures import KEY_ID_BYTES, key_fingerprint, supported_public_key
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.vocabulary import EvidenceKind

MAX_FILE_BYTES = 8 * 1024 * 1024
"""A country's whole list of signers has about 2."""

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

_PEM_BLOCK = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----.+?-----END (?P=label)-----", re.DOTALL
)
_PEM_BEGIN = b"-----BEGIN "
_UTF8_BOM = b"\xef\xbb\xbf"  # some editors put it in front
_DER_SEQUENCE = b"\x30"  # ITU-T X.690: what every certificate and key begins with


def load_trust(folder: Path) -> TrustList:
    """Return the keys in the files of ``folder``. Never raises: see ``TrustList.problems``."""
    try:
        paths = key_files(folder)
    except OSError as exc:
        return TrustList(problems=(f"trust folder {folder}: cannot be read ({exc.strerror})",))
    files = [read_key_file(path) for path in paths]
    keys = [key for file in files for key in file.keys]
    problems = [f"trust folder, {file.name!a}: {each}" for file in files for each in file.problems]
    if len(wecom.wecom_keys(keys)) > wecom.MAX_KEYS:
        problems.append(f"trust folder: more than {wecom.MAX_KEYS} WeCom keys; some are not tried")
    return TrustList.of(keys, problems)


def key_files(folder: Path) -> list[Path]:
    """Return the files of a trust folder, by name. Raises: OSError."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


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


def _key_file(name: str, entries: Iterable[Entry]) -> KeyFile:
    found = tuple(entries)
    problems = [entry.sentence for entry in found if isinstance(entry, Problem)]
    return KeyFile(
        name=name,
        keys=tuple(entry for entry in found if isinstance(entry, TrustedKey)),
        problems=tuple(problems),
        has_private_key=any(each.endswith(PRIVATE_KEY.sentence) for each in problems),
    )


def _read_file(path: Path) -> Iterator[Entry]:
    if not path.is_file():  # opening a pipe would wait for its writer
        yield Problem("not a file; only files directly in the trust folder are read")
        return
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        yield Problem(f"cannot be read ({exc.strerror})")
        return
    yield from _read_data(data, path.name)


def _read_data(data: bytes, source: str) -> Iterator[Entry]:
    if len(data) > MAX_FILE_BYTES:
        yield Problem("larger than 8 MiB, so not a file of keys")
        return
    text = data.removeprefix(_UTF8_BOM).strip()
    if text.startswith(b"{"):
        yield from read_json(text, source)
    elif _PEM_BEGIN in text:
        yield from _read_pem(text, source)
    else:
        yield _read_der(data, source)


# --- certificates and bare keys ------------------------------------------------------------------


def _read_pem(text: bytes, source: str) -> Iterator[Entry]:
    number = 0
    for number, block in enumerate(_PEM_BLOCK.finditer(text), start=1):
        entry = _read_pem_block(block["label"], block[0], source)
        if isinstance(entry, Problem):
            entry = Problem(f"block {number}: {entry.sentence}")
        yield entry
    if not number:
        yield Problem("a PEM file without a complete block; copy it again")
    elif _PEM_BEGIN in _PEM_BLOCK.sub(b"", text):
        yield Problem("a PEM file with a block that is cut off; copy it again")


def _read_pem_block(label: bytes, block: bytes, source: str) -> Entry:
    if label.endswith(b"PRIVATE KEY"):
        return PRIVATE_KEY
    if label.endswith(b"CERTIFICATE"):
        certificate = loaded(x509.load_pem_x509_certificate, block)
        return NO_KEY if certificate is None else _from_certificate(certificate, source)
    public_key = loaded(serialization.load_pem_public_key, block)
    return NO_KEY if public_key is None else _from_bare_key(public_key, source)


def _read_der(data: bytes, source: str) -> Entry:
    if not data.startswith(_DER_SEQUENCE):
        try:
            data = base64.b64decode(b"".join(data.split()), validate=True)
        except binascii.Error:
            return NO_KEY
    certificate = loaded(x509.load_der_x509_certificate, data)
    if certificate is not None:
        return _from_certificate(certificate, source)
    public_key = loaded(serialization.load_der_public_key, data)
    if public_key is not None:
        return _from_bare_key(public_key, source)
    private_key = loaded(lambda der: serialization.load_der_private_key(der, None), data)
    return NO_KEY if private_key is None else PRIVATE_KEY


def _from_certificate(certificate: x509.Certificate, source: str) -> Entry:
    key = supported_public_key(loaded(lambda _der: certificate.public_key(), b""))
    if key is None:
        return UNSUPPORTED_KEY
    try:
        valid_from, valid_until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except ValueError:  # the year 0 is found only when it is asked for
        return NO_KEY
    der = certificate.public_bytes(serialization.Encoding.DER)
    return TrustedKey(
        certifies=_certified_by(certificate),
        key=key,
        key_ids=(hashlib.sha256(der).digest()[:KEY_ID_BYTES],),
        fingerprint=key_fingerprint(key),
        source=source,
        valid_from=valid_from,
        valid_until=valid_until,
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


def _from_bare_key(public_key: object, source: str) -> Entry:
    key = supported_public_key(public_key)
    if key is None:
        return UNSUPPORTED_KEY
    fingerprint = key_fingerprint(key)
    return TrustedKey(key=key, key_ids=(fingerprint,), fingerprint=fingerprint, source=source)
