"""Single keys from the demo's terminal, without Enter."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from typing import Any, Self

_MOST_KEYS = 64
"""Of one look: somebody leans on the keyboard."""


class Keyboard:
    """The terminal that this program was started from; silent where there is none.

    A context: within it keys come one by one and are not echoed, and Ctrl-C is still a signal. The
    terminal is as it was afterwards, whatever happened, and does not get keys that nobody took.
    """

    def __init__(self) -> None:
        self._descriptor = _terminal()
        self._was: list[Any] = []

    @property
    def is_there(self) -> bool:
        return self._descriptor is not None

    def read(self) -> str:
        """Return the keys that were pressed since the last call; does not wait."""
        if self._descriptor is None or not _is_in_front(self._descriptor):
            return ""
        if not select.select([self._descriptor], [], [], 0.0)[0]:
            return ""
        return os.read(self._descriptor, _MOST_KEYS).decode("ascii", errors="ignore")

    def __enter__(self) -> Self:
        if self._descriptor is not None:
            self._was = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor, termios.TCSANOW)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None and _is_in_front(self._descriptor):
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._was)


def _terminal() -> int | None:
    """Return the descriptor of the terminal that is ours to use, or None."""
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    descriptor = sys.stdin.fileno()
    return descriptor if _is_in_front(descriptor) else None


def _is_in_front(descriptor: int) -> bool:
    """Return whether the terminal is ours now: touching it from the background would stop us."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # not a terminal with jobs: nobody else asks for its keys
        return True
