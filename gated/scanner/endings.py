"""Whether the scanner process before this one died: crashed or killed, it couldn't say so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gated.errors import StorageError

MARK_NAME: Final = "scanner.running"
"""In the run folder, which a reboot empties: there from a scanner's start to its end in order."""


@contextlib.contextmanager
def marked_running(run: Path) -> Iterator[bool]:
    """Give whether the gate's last scanner process died. For the holder of the scanner lock.

    Raises: StorageError: if the run folder can't be written to.
    """
    mark = run / MARK_NAME
    try:
        has_died = mark.exists()
        mark.unlink(missing_ok=True)  # it may be another user's
        mark.touch()
    except OSError as exc:
        raise StorageError(f"cannot make {mark}: {exc.strerror}") from exc
    try:
        yield has_died
    finally:
        with contextlib.suppress(OSError):
            mark.unlink(missing_ok=True)
