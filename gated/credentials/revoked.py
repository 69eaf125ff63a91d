"""The plain list of revoked passes and keys: one id a line, in hex, as ``gated pass show`` has it.

Not signed and of no age: whoever can write the file is believed. Signed ones: ``revocation``.
"""

from __future__ import annotations

from pathlib import Path

from gated.credentials.revocation import MAX_ID_BYTES, MIN_ID_BYTES
from gated.errors import ConfigError

_UTF8_BOM = b"\xef\xbb\xbf"  # some editors put it in front
MAX_FILE_BYTES = 4 * 1024 * 1024


def load_revoked(path: Path) -> frozenset[bytes]:
    """Return the ids (a pass's cti, a key's fingerprint) in ``path``.

    Raises: ConfigError: unreadable, or a line that is no id, named by its number. One wrong line
        refuses the file: skipping it would let in what it stands for.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"revocation list {path}: cannot be read ({exc.strerror})") from exc
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"revocation list {path}: larger than 4 MiB")
    ids: set[bytes] = set()
    lines = data.removeprefix(_UTF8_BOM).decode("ascii", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        ident = _id_of(text)
        if ident is None:
            raise ConfigError(f"revocation list {path}: no id in hex in line {number}")
        ids.add(ident)
    return frozenset(ids)


def _id_of(text: str) -> bytes | None:
    """Return the id in ``text``. One that was cut off is none: it would revoke nothing."""
    try:
        ident = bytes.fromhex(text)
    except ValueError:
        return None
    return ident if MIN_ID_BYTES <= len(ident) <= MAX_ID_BYTES else None
