"""Reads small files that a person maintains: regular ones only, and with sane permissions."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gated.errors import ConfigError

HANDED_OVER = Path("/etc/gated")
"""Secrets in this folder are root's alone; a unit's process gets copies of those that it needs."""
NOT_THERE = b"-"
"""What a unit's ``SetCredential=`` hands over in place of a file that is not there."""


def as_handed_over(path: Path) -> Path:
    """Return the copy of ``path`` that the service manager made for this process, or ``path``.

    The units say which files [systemd.exec(5), LoadCredential=].
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or path.parent != HANDED_OVER:
        return path
    copy = Path(folder) / path.name
    try:
        with copy.open("rb") as file:
            is_there = file.read(len(NOT_THERE) + 1) != NOT_THERE
    except OSError:
        return path
    return copy if is_there else path


def read_small_file(path: Path, *, most_bytes: int, forbidden_mode: int, why: str) -> bytes:
    """Return the bytes of the file at ``path``.

    Args:
        path: a regular file.
        most_bytes: a longer file is refused.
        forbidden_mode: permission bits of which none may be set.
        why: what to say if one is.

    Raises: ConfigError: missing, unreadable, no file, too long, or with forbidden permissions.
        FileNotFoundError: missing; the caller knows what should be there.
    """
    try:
        # One handle for the checks and the reading: the file cannot be swapped in between.
        # Non-blocking: opening a pipe would otherwise wait for its writer for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            mode = os.fstat(handle).st_mode
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{path} is not a file")
            if mode & forbidden_mode:
                raise ConfigError(f"{path} {why}")
            data = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise
    except IsADirectoryError as exc:
        raise ConfigError(f"{path} is a folder, not a file") from exc
    except PermissionError as exc:
        raise ConfigError(f"{path} may not be read by this user: try sudo") from exc
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise ConfigError(f"{str(path)!r} cannot be read: {exc}") from exc
    if len(data) > most_bytes:
        raise ConfigError(f"{path} is longer than {most_bytes:,} bytes: this cannot be right")
    return data
