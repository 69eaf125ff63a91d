"""Single keys from a terminal, without Enter."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from typing import Any, Self, TextIO

_MOST_KEYS = 64
"""Of one look: somebody leans on the keyboard."""


class Keyboard:
    """The terminal that this program was started from; silent where there is none.

    A context: within it keys come one by one and are not echoed, and Ctrl-C is still a signal. The
    terminal is as it was afterwards, whatever happened, and does not get keys that nobody took.

    Args:
        beside: where the questions are shown; it must be a terminal, too. None: standard output.
    """

    def __init__(self, beside: TextIO | None = None) -> None:
        self._descriptor = _terminal(beside or sys.stdout)
        self._was: list[Any] = []
        self.is_lost = False
        """The terminal has hung up: nobody will press anything any more."""

    @property
    def is_there(self) -> bool:
        return self._descriptor is not None

    def read(self, wait_s: float = 0.0) -> str:
        """Return the keys that were pressed since the last call; waits for one, if it is told to.

        A signal whose handler returns does not end the wait.
        """
        if self._descriptor is None or not _is_in_front(self._descriptor):
            return ""
        if not select.select([self._descriptor], [], [], wait_s)[0]:
            return ""
        try:
            keys = os.read(self._descriptor, _MOST_KEYS)
        except OSError:  # EIO: it has hung up
            keys = b""
        self.is_lost = not keys
        return keys.decode("ascii", errors="ignore")

    def __enter__(self) -> Self:
        if self._descriptor is not None:
            self._was = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor, termios.TCSANOW)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None and _is_in_front(self._descriptor):
            with contextlib.suppress(termios.error):  # it has hung up
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._was)


def _terminal(beside: TextIO) -> int | None:
    """Return the descriptor of the terminal that is ours to use, or None."""
    if sys.stdin is None or not (sys.stdin.isatty() and beside.isatty()):
        return None
    descriptor = sys.stdin.fileno()
    return descriptor if _is_in_front(descriptor) else None


def _is_in_front(descriptor: int) -> bool:
    """Return whether the terminal is ours now: touching it from the background would stop us."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # not a terminal with jobs: nobody else asks for its keys
        return True
