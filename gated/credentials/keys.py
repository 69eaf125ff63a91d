"""The office's signing keys: made here, kept in a file that only its owner reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gated.credentials.key_sets import to_key_set
from gated.credentials.signatures import PrivateKey, key_fingerprint
from gated.credentials.trusted_keys import USE_ANY_PASS, TrustedKey
from gated.durable import write_new_private_file
from gated.errors import ConfigError, GatedError

_MAX_KEY_FILE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a new key pair lies."""

    private_path: Path
    public_path: Path
    key_id: bytes


def make_key_pair(
    folder: Path, name: str, uses: frozenset[str] = frozenset({USE_ANY_PASS})
) -> KeyPair:
    """Return a new Ed25519 key pair, written to ``folder``: NAME.key.pem (0600), NAME.jwks.json.

    Gates let it sign what ``uses`` names (``KNOWN_USES``).

    Raises: GatedError: one of the two exists already or cannot be written.
    """
    if Path(name).name != name or name.startswith("."):
        raise GatedError(f"--name {name!a} is not a plain file name")
    private_path, public_path = folder / f"{name}.key.pem", folder / f"{name}.jwks.json"
    if public_path.exists():
        raise GatedError(f"{public_path} exists already and stays as it is; choose another --name")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise GatedError(f"{folder}: cannot be made ({exc.strerror})") from exc
    write_new_private_file(private_path, pem)
    try:
        public_path.write_text(public_key_set(key.public_key(), uses), encoding="utf-8")
    except OSError as exc:
        raise GatedError(f"{public_path}: cannot be written ({exc.strerror})") from exc
    return KeyPair(private_path, public_path, key_fingerprint(key.public_key()))


def public_key_set(key: Ed25519PublicKey, uses: frozenset[str] = frozenset({USE_ANY_PASS})) -> str:
    """Return the JWK Set (RFC 7517, 8037) for trust folders; ``key`` may sign ``uses``."""
    fingerprint = key_fingerprint(key)
    signer = TrustedKey(key=key, key_ids=(fingerprint,), fingerprint=fingerprint, source="")
    return to_key_set([signer], uses, None).decode()


def load_private_key(path: Path) -> PrivateKey:
    """Return the signing key in the PEM file ``path``: Ed25519, or P-256 made elsewhere.

    Raises: ConfigError: unreadable, encrypted, or another kind of key.
    """
    try:
        with path.open("rb") as file:
            pem = file.read(_MAX_KEY_FILE_BYTES)
        key = serialization.load_pem_private_key(pem, password=None)
    except OSError as exc:
        raise ConfigError(f"key {path}: cannot be read ({exc.strerror})") from exc
    except TypeError as exc:
        raise ConfigError(f"key {path}: is encrypted; use one made by 'gated pass keygen'") from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ConfigError(
            f"key {path}: not a private key in PEM; the one that ends in .key.pem is"
        ) from exc
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ConfigError(f"key {path}: neither Ed25519 nor P-256; make one with 'gated pass keygen'")
