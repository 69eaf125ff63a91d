"""Reads small files that a person maintains: regular ones only, and with sane permissions."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gated.errors import ConfigError


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
