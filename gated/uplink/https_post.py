"""Posts over HTTPS: bounded in time and bytes, on any server; a connection for each.

The standard library's time-outs hold for each read: a server that sends a byte a second would keep
us for as long as it likes. Here the whole answer has one deadline. Redirects are not followed, and
proxies of the environment not used. No connection is kept: what a server sends after its answer, or
late, would be taken for the answer to the next question, which is about somebody else.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gated.clock import Clock
from gated.config.verifier import PlatformAddress
from gated.credentials.platform import MAX_ANSWER_BYTES
from gated.credentials.questions import AskFailure
from gated.units import MonoSeconds

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_HEAD_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Posted:
    """A whole answer."""

    status: int
    body: bytes


class HttpsPost:
    """Posts to one address. One thread's.

    Args:
        context: verifies the server's certificate and name.
    """

    def __init__(self, address: PlatformAddress, context: ssl.SSLContext, clock: Clock) -> None:
        self._address = address
        self._context = context
        self._clock = clock

    def post(
        self, body: bytes, headers: Mapping[str, str], until: MonoSeconds
    ) -> Posted | AskFailure:
        """Return the answer to ``body``, or why there is none by ``until``."""
        wire = self._connect(until)
        if not isinstance(wire, _Wire):
            return wire
        try:
            return self._exchange(wire, body, headers, until)
        finally:
            wire.hang_up()

    # --- the connection -----------------------------------------------------------------------

    def _connect(self, until: MonoSeconds) -> _Wire | AskFailure:
        """Return a new connection to any of the server's addresses, or why there is none."""
        host, port = self._address.host, self._address.port
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return AskFailure.NAME
        for family, kind, protocol, _, where in found:
            plain = socket.socket(family, kind, protocol)
            try:
                plain.settimeout(self._left_s(until))
                plain.connect(where)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                plain.settimeout(self._left_s(until))
                secured = self._context.wrap_socket(
                    plain,
                    server_hostname=host,
                    suppress_ragged_eofs=False,  # an answer that was cut is none
                )
            except TimeoutError:
                plain.close()
                return AskFailure.TOO_SLOW
            except ssl.SSLError:
                plain.close()
                return AskFailure.TLS
            except OSError:
                plain.close()
                continue
            return _Wire(secured, self._clock)
        return AskFailure.UNREACHABLE

    def _left_s(self, until: MonoSeconds) -> float:
        """Return the time that is left. Raises: TimeoutError: none is."""
        left_s = until - self._clock.monotonic_s()
        if left_s <= 0.0:
            raise TimeoutError
        return left_s

    # --- one question over it -----------------------------------------------------------------

    def _exchange(
        self, wire: _Wire, body: bytes, headers: Mapping[str, str], until: MonoSeconds
    ) -> Posted | AskFailure:
        wire.begin(until, MAX_HEAD_BYTES + MAX_ANSWER_BYTES)
        connection = http.client.HTTPSConnection(self._address.host, self._address.port)
        connection.auto_open = 0  # it must never connect by itself: without our deadline
        connection.sock = wire  # all that it asks of a socket
        try:
            connection.request("POST", self._address.target, body, dict(headers))
            response = connection.getresponse()
            content = response.read(MAX_ANSWER_BYTES + 1)
            is_whole = response.length in (0, None)
            response.close()
        except _TooMuch:
            return AskFailure.GARBLED
        except TimeoutError:
            return AskFailure.TOO_SLOW
        except (OSError, http.client.IncompleteRead):  # hung up; an SSLError is an OSError
            return AskFailure.UNREACHABLE
        except (http.client.HTTPException, ValueError):
            return AskFailure.GARBLED
        if len(content) > MAX_ANSWER_BYTES:
            return AskFailure.GARBLED
        if not is_whole:
            return AskFailure.UNREACHABLE
        return Posted(response.status, content)


class _TooMuch(Exception):
    """The server sends more than an answer may have."""


class _Wire:
    """A secured socket as ``http.client`` uses one, with a bound on each answer.

    ``close`` does nothing: ``http.client`` calls it before it has read an answer that ends with the
    connection. Whoever made the wire hangs up.
    """

    def __init__(self, secured: ssl.SSLSocket, clock: Clock) -> None:
        self._socket = secured
        self._clock = clock
        self._until = MonoSeconds(0.0)
        self._bytes_left = 0

    def begin(self, until: MonoSeconds, most_bytes: int) -> None:
        """Bound everything until the next ``begin``."""
        self._until, self._bytes_left = until, most_bytes

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(self._left_s())
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))

    def take(self, buffer: WriteableBuffer) -> int:
        """Fill ``buffer`` with what comes next. Raises: TimeoutError, OSError, _TooMuch."""
        self._socket.settimeout(self._left_s())
        count = self._socket.recv_into(buffer)
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise _TooMuch
        return count

    def _left_s(self) -> float:
        left_s = self._until - self._clock.monotonic_s()
        if left_s <= 0.0:
            raise TimeoutError
        return left_s

    def close(self) -> None:
        """Do nothing; see above."""

    def hang_up(self) -> None:
        self._socket.close()


class _Incoming(io.RawIOBase):
    """What comes over a wire, as a file."""

    def __init__(self, wire: _Wire) -> None:
        super().__init__()
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._wire.take(buffer)
