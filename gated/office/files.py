"""Files that the office writes: whole or not at all, and read by their owner only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gated.commands.printing import CannotWrite


def write_private_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, durably, in the place of what was there; mode 0600.

    Raises: CannotWrite.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as exc:
        raise CannotWrite(f"{path}: cannot be written ({exc.strerror}) (无法写入)") from exc


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
