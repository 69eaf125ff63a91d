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

_TIGHT = 0.9
"""Beyond this part of ``max_bytes`` acked events are given up, however young."""


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """How much of the disk the ledger may use and leaves alone, in bytes."""

    max_bytes: int = 2**30
    min_free_bytes: int = 2 * 2**20
    ballast_bytes: int = 4 * 2**20
    reuse_bytes: int = 2**20  # free inside the database: enough to record without growing


@dataclass(frozen=True, slots=True)
class Usage:
    """The database's pages, in bytes: those that hold something, and those free for reuse."""

    used_bytes: int
    free_inside_bytes: int


def ballast_of(database: Path) -> Path:
    """Return where the ballast of ``database`` lies."""
    return database.with_name(f"{database.stem}.ballast")


class Room:
    """The room for one database, and the ballast beside it."""

    def __init__(self, path: Path, limits: RoomLimits) -> None:
        self._path = path
        self._limits = limits
        self._ballast = ballast_of(path)

    def require(self, usage: Usage) -> None:
        """Raise LedgerFull, saying what to do, if an event may not be recorded now."""
        limits = self._limits
        if usage.used_bytes > limits.max_bytes:
            raise LedgerFull(
                f"{self._path} holds {usage.used_bytes // 1024} kB, its limit is"
                f" {limits.max_bytes // 1024} kB; see why the collector does not acknowledge"
            )
        free, needed = free_bytes(self._path), self._needed_bytes()
        if free < needed and usage.free_inside_bytes < limits.reuse_bytes:
            raise LedgerFull(
                f"{free // 1024} kB free in {self._path.parent}, {needed // 1024} kB needed;"
                " make room on the disk"
            )

    def is_tight(self, usage: Usage) -> bool:
        """Return whether recording will end soon unless something is deleted."""
        if usage.used_bytes > self._limits.max_bytes * _TIGHT:
            return True
        is_disk_short = free_bytes(self._path) * _TIGHT < self._needed_bytes()
        return is_disk_short and usage.free_inside_bytes < 2 * self._limits.reuse_bytes

    def _needed_bytes(self) -> int:
        # Twice, so that what was just given up to deletions does not count as room to record.
        ballast = 0 if self._ballast.exists() else 2 * self._limits.ballast_bytes
        return self._limits.min_free_bytes + ballast

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
        if free_bytes(self._path) < self._needed_bytes():
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
