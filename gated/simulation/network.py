"""The way from a gate to its broker, whose plug can be pulled."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import Self

from gated.simulation.broker import HOST

_CHUNK_BYTES = 65_536
_TICK_S = 0.05
_SEND_WITHIN_S = 5.0
"""For an end that takes nothing any more; its connection is ended then."""


class Network:
    """Forwards whatever connects to ``port`` to a broker's, in a thread of its own.

    While the plug is out, what is under way on open connections waits, as TCP's own repetitions
    make it wait, and comes through if the plug is in again before either end gives up. New
    connections end at once.
    """

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._server = socket.create_server((HOST, 0))
        self.port = int(self._server.getsockname()[1])
        self._is_out = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._forward, name="network")

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    def pull(self) -> None:
        self._is_out.set()

    def plug_in(self) -> None:
        self._is_out.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._server.close()

    def _forward(self) -> None:
        other: dict[socket.socket, socket.socket] = {}
        while not self._stop.is_set():
            watched = [self._server] if self._is_out.is_set() else [self._server, *other]
            ready, _, _ = select.select(watched, [], [], _TICK_S)
            for end in ready:
                if end is self._server:
                    other |= self._admit()
                elif end in other and not _pass_on(end, other[end]):  # else just closed with it
                    for closed in (end, other[end]):
                        closed.close()
                        del other[closed]
        for end in other:
            end.close()

    def _admit(self) -> dict[socket.socket, socket.socket]:
        """Return both ends of a new connection, each by the other; none if nobody is reached."""
        near, _ = self._server.accept()
        if not self._is_out.is_set():
            with contextlib.suppress(OSError):
                far = socket.create_connection((HOST, self._broker_port), _SEND_WITHIN_S)
                near.settimeout(_SEND_WITHIN_S)
                return {near: far, far: near}
        near.close()
        return {}


def _pass_on(end: socket.socket, other: socket.socket) -> bool:
    """Pass on what has come from ``end``; return whether the connection still holds."""
    try:
        data = end.recv(_CHUNK_BYTES)
        other.sendall(data)
    except OSError:
        return False
    return bool(data)
