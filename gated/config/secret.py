"""Secrets stand in files of their own, never in the configuration."""

from __future__ import annotations

import os
import stat
from pathlib import Path

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

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not serialised")


def read_secret(path: Path) -> Secret:
    """Return the secret in the file at ``path``, without white space around it.

    Raises: ConfigError: missing, unreadable, readable by everybody, empty, too long or not text.
    """
    try:
        # One handle for the check and the reading: the file cannot be swapped in between.
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{path} is not a file: it should hold one secret")
            if mode & stat.S_IRWXO:
                raise ConfigError(
                    f"{path} holds a secret but is open to everybody: chmod o= {path}"
                )
            data = file.read(MAX_SECRET_BYTES + 1)
    except FileNotFoundError as exc:
        raise ConfigError(f"{path} is missing: it should hold one secret") from exc
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(data) > MAX_SECRET_BYTES:
        raise ConfigError(f"{path} is too long for a secret")
    try:
        text = data.decode().strip()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not text in UTF-8") from exc
    if not text:
        raise ConfigError(f"{path} is empty: it should hold one secret")
    return Secret(text)
