"""A way to a broker that can be silent, half open, slow, cut, or talk nonsense."""

from __future__ import annotations

import contextlib
import enum
import random
import socket
import struct
import threading

from gated.simulation.broker import HOST

_CHUNK_BYTES = 16_384
_TICK_S = 0.05
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST
_GARBAGE_BYTES = 200


class Weather(enum.Enum):
    """What the network does to what passes."""

    GOOD = "good"
    SILENT = "silent"  # swallows everything, also of new connections, and tells nobody
    HALF_OPEN = "half open"  # the broker's end is closed, the other end is not told
    SLOW = "slow"
    GARBAGE = "garbage"  # between two packets, and to whoever connects
    CUT = "cut"  # resets everything


class _Way:
    """One connection through the network: two sockets and what happened to them."""

    def __init__(self, near: socket.socket, far: socket.socket | None) -> None:
        self.near = near
        self.far = far
        self.is_swallowed = far is None

    def other(self, side: socket.socket) -> socket.socket | None:
        return self.far if side is self.near else self.near

    def reset(self) -> None:
        for side in (self.near, self.far):
            if side is not None:
                _reset(side)


class BadNetwork:
    """Forwards ``port`` to a broker's. A thread for each direction of each connection."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._server = socket.create_server((HOST, 0))
        self.port = int(self._server.getsockname()[1])
        self._weather = Weather.GOOD
        self._bytes_a_second = 0
        self._rng = random.Random(0)
        self._ways: list[_Way] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    # --- the weather --------------------------------------------------------------------------

    def fall_silent(self) -> None:
        self._weather = Weather.SILENT
        for way in self._list():
            way.is_swallowed = True

    def half_open(self) -> None:
        """Close the broker's end of what there is, and leave new connections unanswered."""
        self._weather = Weather.HALF_OPEN
        for way in self._list():
            way.is_swallowed = True
            if way.far is not None:
                _reset(way.far)

    def slow_down(self, bytes_a_second: int) -> None:
        self._bytes_a_second = bytes_a_second
        self._weather = Weather.SLOW

    def talk_garbage(self, seed: int) -> None:
        """Say nonsense after the next packet of every connection, and to every new one."""
        self._rng = random.Random(seed)
        self._weather = Weather.GARBAGE

    def cut(self) -> None:
        self._weather = Weather.CUT
        self._reset(self._list())

    def heal(self) -> None:
        """Forward everything again. Connections that lost bytes are reset, as routers do."""
        self._weather = Weather.GOOD
        self._reset([way for way in self._list() if way.is_swallowed])

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._reset(self._list())
        self._thread.join()

    # --- forwarding ---------------------------------------------------------------------------

    def _list(self) -> list[_Way]:
        with self._lock:
            return list(self._ways)

    def _reset(self, ways: list[_Way]) -> None:
        for way in ways:
            way.reset()
        with self._lock:
            self._ways = [way for way in self._ways if way not in ways]

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self._admit(near)

    def _admit(self, near: socket.socket) -> None:
        weather = self._weather
        far: socket.socket | None = None
        if weather is Weather.CUT:
            _reset(near)
            return
        if weather is Weather.GARBAGE:
            with contextlib.suppress(OSError):
                near.sendall(self._rng.randbytes(_GARBAGE_BYTES))
            _reset(near)
            return
        if weather not in (Weather.SILENT, Weather.HALF_OPEN):
            try:
                far = socket.create_connection((HOST, self._broker_port), timeout=2)
            except OSError:
                _reset(near)
                return
            far.settimeout(None)
        way = _Way(near, far)
        with self._lock:
            self._ways.append(way)
        for side in (near, far):
            if side is not None:
                threading.Thread(target=self._forward, args=(way, side), daemon=True).start()

    def _forward(self, way: _Way, side: socket.socket) -> None:
        packets = _Packets()
        with contextlib.suppress(OSError):
            while data := side.recv(_CHUNK_BYTES):
                other = way.other(side)
                if way.is_swallowed or other is None:
                    continue
                if self._weather is Weather.SLOW:
                    self._trickle(other, data)
                elif self._weather is Weather.GARBAGE and packets.ends_after(data):
                    other.sendall(data + self._rng.randbytes(_GARBAGE_BYTES))
                    way.is_swallowed = True
                    continue
                else:
                    other.sendall(data)
                packets.pass_by(data)
        if not way.is_swallowed:
            self._reset([way])

    def _trickle(self, other: socket.socket, data: bytes) -> None:
        step = max(1, round(self._bytes_a_second * _TICK_S))
        for at in range(0, len(data), step):
            other.sendall(data[at : at + step])
            if self._weather is Weather.SLOW:
                self._stop.wait(_TICK_S)


class _Packets:
    """Follows one direction of MQTT far enough to know where a packet ends.

    Nonsense in the middle of one would be a changed payload, which no broker can tell from a good
    one: that is what TLS is for. What a network says by mistake begins where a packet could.
    """

    def __init__(self) -> None:
        self._left = 0  # of the packet whose length is known
        self._head = b""  # of one whose length is not

    def ends_after(self, data: bytes) -> bool:
        """Return whether a packet ends with ``data``."""
        left, head = self._after(data)
        return left == 0 and not head

    def pass_by(self, data: bytes) -> None:
        self._left, self._head = self._after(data)

    def _after(self, data: bytes) -> tuple[int, bytes]:
        left, head, at = self._left, self._head, 0
        while at < len(data):
            if left:
                step = min(left, len(data) - at)
                left, at = left - step, at + step
                continue
            head, at = head + data[at : at + 1], at + 1
            if len(head) > 1 and not head[-1] & 0x80:  # MQTT 5.0, 1.5.5
                left = sum((byte & 0x7F) << (7 * n) for n, byte in enumerate(head[1:]))
                head = b""
        return left, head


def _reset(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
    side.close()
