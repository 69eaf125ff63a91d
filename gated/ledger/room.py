"""Room on the disk: a reserve below which nothing is recorded, and ballast that deletions can use.

On a full disk SQLite can neither delete nor checkpoint, so room is kept in a file of our own. It is
given up when the disk is full, so that acked events can be deleted; events that are *recorded* wait
until there is room for the ballast again, or until deletions have left room inside the database.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gated.errors import LedgerFull, StorageError
from gated.ledger.files import free_bytes


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """How much of the disk the ledger leaves alone, in bytes."""

    min_free_bytes: int = 2 * 2**20
    ballast_bytes: int = 4 * 2**20
    reuse_bytes: int = 2**20  # free inside the database: enough to record without growing


class Room:
    """The room beside one database. ``free_inside`` is what the caller knows of its free pages."""

    def __init__(self, path: Path, limits: RoomLimits) -> None:
        self._path = path
        self._limits = limits
        self._ballast = path.with_name(f"{path.stem}.ballast")

    def require(self, free_inside_bytes: int) -> None:
        """Raise LedgerFull if an event may not be recorded now."""
        needed_bytes = self._limits.min_free_bytes
        if not self._ballast.exists():
            needed_bytes += self._limits.ballast_bytes
        free = free_bytes(self._path)
        if free >= needed_bytes or free_inside_bytes >= self._limits.reuse_bytes:
            return
        raise LedgerFull(
            f"{free // 1024} kB free in {self._path.parent}, {needed_bytes // 1024} kB needed;"
            " make room on the disk"
        )

    def give_up_ballast(self) -> bool:
        """Return whether there was ballast to give up. Raises: StorageError."""
        try:
            self._ballast.unlink()
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise StorageError(f"cannot remove {self._ballast}: {exc.strerror}") from exc
        return True

    def restore_ballast(self) -> bool:
        """Return whether the ballast is there, making it if the disk has room for it."""
        if self._ballast.exists():
            return True
        wanted_bytes = self._limits.ballast_bytes
        if free_bytes(self._path) < wanted_bytes + self._limits.min_free_bytes:
            return False
        try:
            descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(descriptor, 0, wanted_bytes)
            finally:
                os.close(descriptor)
        except OSError:
            self._ballast.unlink(missing_ok=True)  # half of it would pass for the whole
            return False
        return True
