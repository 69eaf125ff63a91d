"""Secrets stand in files of their own, never in the configuration."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import NoReturn

from gated.config.files import as_handed_over, read_small_file
from gated.errors import ConfigError

MAX_SECRET_BYTES = 65_536


class Secret:
    """A text that shows itself to nobody who does not ask by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself. Never log or store it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(********)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not serialised")


def read_secret(path: Path) -> Secret:
    """Return the secret in the file at ``path``, without white space around it.

    Raises: ConfigError: missing, unreadable, open to everybody, empty, too long or not text.
    """
    try:
        data = read_small_file(
            as_handed_over(path),
            most_bytes=MAX_SECRET_BYTES,
            forbidden_mode=stat.S_IRWXO,
            why=f"holds a secret but is open to everybody on this machine: chmod o= {path}",
        )
    except FileNotFoundError as exc:
        raise ConfigError(f"{path} is missing: it should hold one secret") from exc
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        # Without the cause: its message would quote a byte of the secret.
        raise ConfigError(f"{path} is not text in UTF-8") from None
    if not text:
        raise ConfigError(f"{path} is empty: it should hold one secret")
    return Secret(text)
