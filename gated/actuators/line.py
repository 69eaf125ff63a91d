"""Output lines: one wire that is energised or not. The port, and the simulated wire.

The simulated wire obeys a real one's rules: it starts de-energised, has one owner, tells its level
to whoever watches the other end, and falls with its owner: who drives it is named with each level,
so that the other end can watch that process (``gated.simulation.owners``).
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gated.errors import ActuationError


class OutputLine(Protocol):
    """One output. Implementations start de-energised and are de-energised by ``close``."""

    def set(self, *, energised: bool) -> None:
        """Drive the line. Raises: ActuationError: it could not be driven."""

    def check(self) -> None:
        """Leave the line as it is. Raises: ActuationError: it is no longer there."""

    def close(self) -> None:
        """De-energise and let go. Idempotent."""


OpenLine = Callable[[], OutputLine]
"""Takes one line. Raises: ActuationError: it cannot be taken; says why, and how to mend it."""


class SocketLine:
    """A simulated wire: each change of level is a datagram to the socket at ``path``.

    Raises: ActuationError: another owner holds the line, or ``path`` is too long for a socket.
    """

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            # An abstract name vanishes with its owner, as a GPIO line is freed with its process.
            self._socket.bind(f"\0gated-line/{self._path}/{name}")
        except OSError as exc:
            self._socket.close()
            is_taken = exc.errno == errno.EADDRINUSE
            hint = "has another owner" if is_taken else f"cannot be taken: {exc.strerror or exc}"
            raise ActuationError(f"line {name} {hint}", device=name) from exc
        self._socket.setblocking(False)
        self._is_closed = False
        self.set(energised=False)

    def set(self, *, energised: bool) -> None:
        if self._is_closed:
            raise ActuationError(f"line {self._name} is closed", device=self._name)
        level = {"line": self._name, "energised": energised, "pid": os.getpid()}
        try:
            self._socket.sendto(json.dumps(level).encode(), self._path)
        except OSError as exc:
            if energised:
                raise ActuationError(
                    f"line {self._name}: nothing there", device=self._name
                ) from exc

    def check(self) -> None:
        if self._is_closed:
            raise ActuationError(f"line {self._name} is closed", device=self._name)

    def close(self) -> None:
        if self._is_closed:
            return
        self.set(energised=False)
        self._is_closed = True
        self._socket.close()


class AbsentLine:
    """An output that the configuration leaves out."""

    def set(self, *, energised: bool) -> None:
        """Do nothing: there is no wire."""

    def check(self) -> None:
        """Nothing is missing: there should be no wire."""

    def close(self) -> None:
        """Do nothing: there is no wire."""
