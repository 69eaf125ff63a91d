"""One HTTP POST that ends in time, whatever the server does: the only file that knows h11.

Time-outs of libraries hold for each read, so a server that sends a byte a second keeps them for
ever. Here the whole exchange has one deadline, and bounds. Redirects are not followed, proxies of
the environment not used, and no connection is kept: what a server sends after its answer, or late,
would be taken for the answer to the next question, which is about somebody else.
"""

from __future__ import annotations

import enum
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import h11

from gated.clock import Clock
from gated.units import MonoSeconds

MAX_HEAD_BYTES = 16_384
MAX_HEADERS = 100
_CHUNK_BYTES = 4_096
_BEGINNING = b"HTTP/"
_HTTP_PORT, _HTTPS_PORT = 80, 443


class PostFailure(enum.StrEnum):
    """Why there is no status."""

    NAME = "its name cannot be resolved"
    UNREACHABLE = "it cannot be reached, or it hung up"
    TLS = "its certificate is not believed"
    TOO_SLOW = "it does not answer in time"
    GARBLED = "it answers something else than HTTP"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; ``body`` is empty where none is wanted."""

    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post. ``is_tls`` is false for this machine alone (the configuration checks it)."""

    host: str
    port: int
    path: str  # with the query
    is_tls: bool


class HttpPost:
    """Posts to one target.

    Args:
        context: verifies the server's certificate and name; None: without TLS.
        max_answer_bytes: of the answer's body; 0: only the status is wanted.
    """

    def __init__(
        self,
        target: Target,
        context: ssl.SSLContext | None,
        clock: Clock,
        *,
        max_answer_bytes: int = 0,
    ) -> None:
        self._target = target
        self._context = context
        self._clock = clock
        self._max_answer_bytes = max_answer_bytes

    def post(
        self, body: bytes, headers: Mapping[str, str], until: MonoSeconds
    ) -> Answer | PostFailure:
        """Return the answer to ``body``, or why there is none by ``until``.

        The name is looked up by the system, which may take longer than that.
        """
        wire = self._connect(until)
        if isinstance(wire, PostFailure):
            return wire
        with wire:
            try:
                return self._exchange(wire, body, headers, until)
            except TimeoutError:
                return PostFailure.TOO_SLOW
            except OSError:  # hung up; an SSLError is one
                return PostFailure.UNREACHABLE

    def _connect(self, until: MonoSeconds) -> socket.socket | PostFailure:
        """Return a connection to any of the target's addresses."""
        target = self._target
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return PostFailure.NAME
        for family, kind, protocol, _, where in found:
            try:
                plain = socket.socket(family, kind, protocol)
            except OSError:  # a name may have addresses of a family that this system has not
                continue
            try:
                plain.settimeout(self._left_s(until))
                plain.connect(where)
                if self._context is None:
                    return plain
                plain.settimeout(self._left_s(until))
                return self._context.wrap_socket(
                    plain, server_hostname=target.host, suppress_ragged_eofs=False
                )
            except TimeoutError:
                plain.close()
                return PostFailure.TOO_SLOW
            except ssl.SSLError:
                plain.close()
                return PostFailure.TLS
            except OSError:
                plain.close()
        return PostFailure.UNREACHABLE

    def _exchange(
        self, wire: socket.socket, body: bytes, headers: Mapping[str, str], until: MonoSeconds
    ) -> Answer | PostFailure:
        speech = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        said = {
            "host": self._host(),
            "content-length": str(len(body)),
            "connection": "close",
            **headers,
        }
        request = h11.Request(method="POST", target=self._target.path, headers=list(said.items()))
        parts = (request, h11.Data(data=body), h11.EndOfMessage())
        wire.settimeout(self._left_s(until))
        wire.sendall(b"".join(speech.send(part) or b"" for part in parts))
        left_bytes = MAX_HEAD_BYTES + self._max_answer_bytes
        answer: Answer | None = None
        has_hung_up = False
        while left_bytes >= 0:
            try:
                event = speech.next_event()
            except h11.RemoteProtocolError:  # also an answer of which only a part came
                is_cut = has_hung_up and (answer is not None or _may_be_http(speech))
                return PostFailure.UNREACHABLE if is_cut else PostFailure.GARBLED
            match event:
                case h11.NEED_DATA:
                    wire.settimeout(self._left_s(until))
                    data = wire.recv(_CHUNK_BYTES)
                    left_bytes -= len(data)  # any number of 1xx answers may come before the last
                    has_hung_up = not data
                    speech.receive_data(data)
                case h11.InformationalResponse():
                    pass  # the answer comes behind it (RFC 9110 §15.2)
                case h11.Response(status_code=status) if _is_usual(event):
                    answer = Answer(status)
                    if not self._max_answer_bytes:
                        return answer
                case h11.Data(data=data) if answer is not None:
                    answer = Answer(answer.status, answer.body + bytes(data))
                    if len(answer.body) > self._max_answer_bytes:
                        return PostFailure.GARBLED
                case h11.EndOfMessage() if answer is not None:
                    return answer
                case _:
                    return PostFailure.GARBLED
        return PostFailure.GARBLED

    def _host(self) -> str:
        target = self._target
        name = f"[{target.host}]" if ":" in target.host else target.host
        is_usual = target.port == (_HTTPS_PORT if target.is_tls else _HTTP_PORT)
        return name if is_usual else f"{name}:{target.port}"

    def _left_s(self, until: MonoSeconds) -> float:
        """Return the time that is left. Raises: TimeoutError: none is."""
        left_s = until - self._clock.monotonic_s()
        if left_s <= 0.0:
            raise TimeoutError
        return left_s


def _is_usual(response: h11.Response) -> bool:
    """Return whether it is of a version that we speak; h11 lets others pass."""
    return response.http_version in (b"1.0", b"1.1") and len(response.headers) <= MAX_HEADERS


def _may_be_http(speech: h11.Connection) -> bool:
    """Return whether what came, of which no head was made, began as an answer does."""
    rest, _ = speech.trailing_data
    return rest[: len(_BEGINNING)] == _BEGINNING[: len(rest)]
