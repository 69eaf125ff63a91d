"""Who holds the energised lines of a stage up: a wire falls with its owner."""

from __future__ import annotations

import os
import select


class Owners:
    """The owners of energised simulated lines, seen from the wires' other end.

    A dead process drives nothing, and nobody sends "low" for it: so its end is watched (pidfd), and
    known at the moment at which the kernel would free a real line.
    """

    def __init__(self) -> None:
        self._owners: dict[str, int] = {}  # energised line → its owner's pidfd

    def take(self, line: str, pid: int, *, energised: bool) -> None:
        """Note a level, as ``pid`` told it. Raises: ProcessLookupError: that owner is no more."""
        self._forget(line)
        if energised:
            self._owners[line] = os.pidfd_open(pid)

    def filenos(self) -> list[int]:
        """Return what becomes readable when an owner dies."""
        return list(self._owners.values())

    def fallen(self) -> list[str]:
        """Return the lines whose owner has died while they were energised; each once."""
        if not self._owners:
            return []
        dead, _, _ = select.select(self.filenos(), [], [], 0.0)
        lines = [line for line, owner in self._owners.items() if owner in dead]
        for line in lines:
            self._forget(line)
        return lines

    def close(self) -> None:
        """Watch nobody any more. Idempotent."""
        for line in tuple(self._owners):
            self._forget(line)

    def _forget(self, line: str) -> None:
        if line in self._owners:
            os.close(self._owners.pop(line))
