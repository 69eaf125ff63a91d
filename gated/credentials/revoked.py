"""The plain list of revoked passes and keys: one id a line, in hex, as ``gated pass show`` has it.

Not signed and of no age: whoever can write the file is believed. Signed ones: ``revocation``.
"""

from __future__ import annotations

from pathlib import Path

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
        try:
            ids.add(bytes.fromhex(text))
        except ValueError as exc:
            raise ConfigError(f"revocation list {path}: no id in hex in line {number}") from exc
    return frozenset(ids)
