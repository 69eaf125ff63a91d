"""The key that signs commands, and the number that rises with each of them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gated.credentials.keys import KeyPair, load_private_key, make_key_pair
from gated.credentials.trusted_keys import USE_COMMANDS, USE_CONFIG, USE_TRUST
from gated.deeds import MAX_COUNTER
from gated.errors import CannotWrite, ConfigError, GatedError

COUNTER_SUFFIX = ".counter"
_DIGITS = len(str(MAX_COUNTER))


def make_command_key(
    folder: Path, name: str, *, may_configure: bool = False, may_trust: bool = False
) -> KeyPair:
    """Return a new key pair that signs commands: NAME.key.pem (0600) and NAME.jwks.json.

    With ``may_configure`` also those that change a gate's configuration, with ``may_trust`` those
    that change whose passes it believes.

    Raises: GatedError: one of the two exists already or cannot be written.
    """
    uses = {USE_COMMANDS}
    if may_configure:
        uses.add(USE_CONFIG)
    if may_trust:
        uses.add(USE_TRUST)
    return make_key_pair(folder, name, frozenset(uses))


def load_command_key(path: Path) -> Ed25519PrivateKey:
    """Return the signing key in ``path``. Raises: ConfigError: unusable, or no Ed25519 key."""
    key = load_private_key(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            f"key {path}: not Ed25519, which commands are signed with; make one with "
            "'gated command keygen' (须为 Ed25519 密钥)"
        )
    return key


def next_counter(key_path: Path, now_ms: int) -> int:
    """Return a number that this key has never signed, and remember it durably beside the key.

    It follows the clock, so that two copies of a key do not count against each other for long.

    Raises: GatedError: the file beside the key cannot be used, or the clock is far off.
    """
    path = key_path.with_name(key_path.name + COUNTER_SUFFIX)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # two commands at once: each its own number
            text = os.pread(descriptor, _DIGITS + 1, 0)
            if text and not (text.isdigit() and len(text) == _DIGITS):
                raise GatedError(
                    f"{path}: holds no number; restore it, or make a new key (计数文件损坏)"
                )
            counter = max(int(text or b"0") + 1, now_ms)
            if counter > MAX_COUNTER:
                raise GatedError(f"{path}: this key is used up; make a new one (密钥计数用尽)")
            os.pwrite(descriptor, b"%0*d" % (_DIGITS, counter), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise CannotWrite(f"{path}: cannot be written ({exc.strerror}) (无法写入)") from exc
    return counter
