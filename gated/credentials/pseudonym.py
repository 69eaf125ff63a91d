"""Person and pass references under the site key: the same at every lane, meaningless without it.

A reference is ``<key id>:<16 hex digits>``, HMAC-SHA-256 cut to 64 bits. Destroying the site key
ends every link from a record to a person, also in copies nobody knows of.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from gated.config.files import as_handed_over
from gated.durable import write_new_private_file
from gated.errors import ConfigError

SITE_KEY_BYTES = 32
_REFERENCE_HEX_DIGITS = 16
_HOLDER_DOMAIN = b"gated holder 1"
_PASS_DOMAIN = b"gated pass 1"
_PHONE_DOMAIN = b"gated phone 1"
_KEY_ID_DOMAIN = b"gated site key 1"


@dataclass(frozen=True, slots=True)
class SiteKey:
    """The secret that a site's lanes share, and its public id (``k`` and 4 hex digits)."""

    key: bytes = field(repr=False)
    key_id: str


def holder_ref(site_key: bytes, key_id: str, scope: bytes, subject: str) -> str:
    """Return the reference to the holder who is called ``subject`` in ``scope`` (``Proof``).

    The scope of a pass is its signing key's fingerprint: two issuers' ``s-0412`` are two people.
    """
    return _reference(site_key, key_id, _HOLDER_DOMAIN, scope, subject.encode())


def pass_ref(site_key: bytes, key_id: str, scope: bytes, code_id: bytes) -> str:
    """Return the reference to one pass or certificate, by which its uses are counted."""
    return _reference(site_key, key_id, _PASS_DOMAIN, scope, code_id)


def phone_key(site_key: bytes, issuer: bytes, cti: bytes) -> bytes:
    """Return the key of the phone that shows the changing pass ``cti``: a secret of its holder.

    ``issuer`` is the fingerprint of the key that signed the pass.
    """
    return _digest(site_key, _PHONE_DOMAIN, issuer, cti)


def _reference(site_key: bytes, key_id: str, domain: bytes, *parts: bytes) -> str:
    digest = _digest(site_key, domain, *parts).hex()
    return f"{key_id}:{digest[:_REFERENCE_HEX_DIGITS]}"


def _digest(site_key: bytes, domain: bytes, *parts: bytes) -> bytes:
    # Each part with its length: no two lists of parts become the same bytes.
    message = b"".join(len(part).to_bytes(4, "big") + part for part in (domain, *parts))
    return hmac.digest(site_key, message, hashlib.sha256)


def make_site_key(path: Path) -> SiteKey:
    """Return a new site key, written to ``path`` (0600). Raises: GatedError: it exists already."""
    text = new_site_key()
    write_new_private_file(path, text)
    return parse_site_key(text, str(path))


def new_site_key() -> bytes:
    """Return a new site key as its file holds it."""
    return base64.b64encode(secrets.token_bytes(SITE_KEY_BYTES)) + b"\n"


def load_site_key(path: Path) -> SiteKey:
    """Return the site key in ``path``. Raises: ConfigError: not 32 readable bytes of base64."""
    try:
        with as_handed_over(path).open("rb") as file:
            text = file.read(4 * SITE_KEY_BYTES)
    except OSError as exc:
        raise ConfigError(
            f"site key {path}: cannot be read ({exc.strerror}): copy the site's key there, or make "
            f"it, once for all gates of the site, with gated pass sitekey --out {path}"
        ) from exc
    return parse_site_key(text, str(path))


def parse_site_key(text: bytes, origin: str) -> SiteKey:
    """Return the site key in ``text``. Raises: ConfigError: not 32 bytes of base64."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as exc:
        raise ConfigError(f"site key {origin}: not base64; copy the office's file again") from exc
    if len(key) != SITE_KEY_BYTES:
        raise ConfigError(f"site key {origin}: not 32 bytes; copy the office's file again")
    return SiteKey(key, _id_of(key))


def _id_of(key: bytes) -> str:
    return f"k{hmac.digest(key, _KEY_ID_DOMAIN, hashlib.sha256).hex()[:4]}"
