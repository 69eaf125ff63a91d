"""The memory of the scanner process: what leaks ends itself while it still can say so. Linux only.

Native libraries take strangers' pictures apart in this process. The unit's MemoryMax is the outer
bound: beyond it the kernel kills without a word.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gated.clock import Clock
from gated.errors import ExitCode, GatedError
from gated.units import MonoSeconds

MAX_OWN_MB: Final = 300
"""Four times what the scanner needs (72 MB on x86_64, whatever the camera's size); MemoryMax=400M
counts some pages of files too."""
LOOK_EVERY_S: Final = 1.0
_STATM: Final = Path("/proc/self/statm")
_PAGES_IN_MB: Final = 2**20 // os.sysconf("SC_PAGE_SIZE")


class TooMuchMemory(GatedError):
    """This process has grown beyond its bound. The worker guard ends it; another one is started."""

    exit_code = ExitCode.UNAVAILABLE


def measure_own_mb() -> int:
    """Return the resident memory that is this process's alone, in MB: no pages of files."""
    resident, of_files = (int(n) for n in _STATM.read_bytes().split()[1:3])
    return (resident - of_files) // _PAGES_IN_MB


class MemoryWatch:
    """Says when there's too much. Used by one thread.

    Args:
        clock: for when to look.
        max_mb: at most so much is in order.
        measure_mb: looks.
    """

    def __init__(
        self,
        clock: Clock,
        max_mb: int = MAX_OWN_MB,
        measure_mb: Callable[[], int] = measure_own_mb,
    ) -> None:
        self._clock = clock
        self._max_mb = max_mb
        self._measure_mb = measure_mb
        self._due_at = clock.monotonic_s()

    def check(self) -> None:
        """Look, if it's time to. Raises: TooMuchMemory."""
        now = self._clock.monotonic_s()
        if now < self._due_at:
            return
        self._due_at = MonoSeconds(now + LOOK_EVERY_S)
        own_mb = self._measure_mb()
        if own_mb > self._max_mb:
            raise TooMuchMemory(
                f"{own_mb} MB of memory are more than {self._max_mb}: the scanner starts anew"
            )
