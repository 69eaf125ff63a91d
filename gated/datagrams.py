"""Unix datagrams between the gate's processes: bounded, never blocking for the sender.

A receiver knows its sender by SO_PASSCRED: the kernel says which user sent each datagram.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from gated.errors import StorageError

log = logging.getLogger(__name__)

MAX_DATAGRAM_BYTES = 32_768
"""A sighting of 4,296 characters in UTF-8 (17 kB) with its frame around it."""
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_ANCILLARY_BYTES = socket.CMSG_SPACE(_CREDENTIALS.size)
_LISTEN_FDS_START = 3  # sd_listen_fds(3)


@dataclass(frozen=True, slots=True)
class Datagram:
    payload: bytes
    pid: int
    uid: int


class Receiver:
    """A bound datagram socket, inherited from systemd by name or made at ``path``.

    Raises: StorageError: if it cannot be bound.
    """

    def __init__(self, path: Path, *, allowed_uids: frozenset[int] | None = None) -> None:
        self.path = path
        self._allowed = allowed_uids if allowed_uids is not None else frozenset({0, os.geteuid()})
        inherited = _inherited(path.stem)
        self._owns_path = inherited is None
        self._socket = inherited if inherited is not None else _bind(path)
        if inherited is not None:
            _learn_senders(inherited)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._socket.fileno()

    def receive(self, timeout_s: float = 0.0) -> Datagram | None:
        """Return the next datagram of an allowed user, or None after ``timeout_s``.

        A truncated datagram, or one of a user who is not allowed, is dropped.
        """
        self._socket.settimeout(timeout_s)
        try:
            payload, ancillary, flags, _ = self._socket.recvmsg(
                MAX_DATAGRAM_BYTES, _ANCILLARY_BYTES
            )
        except (BlockingIOError, TimeoutError, InterruptedError):
            return None
        pid = uid = -1
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                pid, uid, _ = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])
        if flags & socket.MSG_TRUNC or uid not in self._allowed:
            return None
        return Datagram(payload, pid, uid)

    def close(self) -> None:
        """Close the socket. Idempotent. The path stays when it belongs to systemd."""
        self._socket.close()
        if self._owns_path:
            self.path.unlink(missing_ok=True)


class Sender:
    """Sends to a path that may not be there yet, or may not be there any more."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def send(self, payload: bytes) -> bool:
        """Return whether the kernel took ``payload``.

        Never blocks; a receiver that is full or absent loses it.

        Raises: StorageError: the path cannot be a socket's, or may not be written to.
        """
        try:
            self._socket.sendto(payload, self._path)
        except OSError as exc:
            if exc.errno in (
                errno.EAGAIN,
                errno.ENOENT,
                errno.ECONNREFUSED,
                errno.ENOBUFS,
                errno.EMSGSIZE,
            ):
                return False
            raise StorageError(f"cannot send to {self._path}: {exc.strerror or exc}") from exc
        return True

    def close(self) -> None:
        self._socket.close()


class Nudge:
    """Wakes whoever reads what was just written, and looks by itself a moment later.

    So one that cannot be sent is said once, and stops nobody.
    """

    def __init__(self, path: Path) -> None:
        self._sender = Sender(path)
        self._is_failing = False

    def send(self) -> None:
        try:
            self._sender.send(b"1")
        except StorageError as exc:
            if not self._is_failing:
                log.warning("%s; what is there is found a moment later", exc)
            self._is_failing = True
        else:
            self._is_failing = False

    def close(self) -> None:
        self._sender.close()


def _bind(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        _learn_senders(bound)  # before anybody can send
        bound.bind(str(path))
        path.chmod(0o660)
    except OSError as exc:
        bound.close()
        raise StorageError(f"cannot make the socket {path}: {exc.strerror or exc}") from exc
    return bound


def _learn_senders(receiving: socket.socket) -> None:
    receiving.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)


def _inherited(name: str) -> socket.socket | None:
    """Return systemd's socket of this name (sd_listen_fds_with_names(3)), or None."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    if name not in names:
        return None
    return socket.socket(fileno=os.dup(_LISTEN_FDS_START + names.index(name)))
