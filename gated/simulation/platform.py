"""A provincial platform that exists only in a scenario: HTTPS under a CA of its own.

It behaves as real ones do. A request must be signed, fresh and new; the answer is a number beside a
masked name and ID number; and it can be slow, hang, hang up, drip, talk nonsense or be away.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import hmac
import http.server
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Self

from gated.clock import Clock
from gated.config.verifier import PlatformResult, TokenCharacters, WhenUnreachable
from gated.simulation.authority import HOST, server_context
from gated.simulation.office import PROVINCE, TOKEN_DIGITS

TARGET = "/api/v1/verify"
APP_ID = "demo-gate"
SECRET = "the demo's own secret, known to all"  # noqa: S105 - of a platform that does not exist
RESULT_MEMBER = "data.healthStatus"
NUMBERS: Mapping[PlatformResult, int] = {
    PlatformResult.GREEN: 1,
    PlatformResult.YELLOW: 2,
    PlatformResult.RED: 3,
    PlatformResult.EXPIRED: 4,
    PlatformResult.DOES_NOT_EXIST: 5,
    PlatformResult.VERIFICATION_FAILED: 6,
    PlatformResult.TIME_OUT: 7,
    PlatformResult.GREY: 8,
}
"""One vendor's; another has 0 for red and 1 for green."""
MASKED_NAME, MASKED_ID = "张*", "3****************8"
WINDOW_MS = 300_000
"""A request this much older or newer than the platform's clock is refused."""
MAX_NONCES = 10_000
MAX_REQUEST_BYTES = 8_192
DRIP_EVERY_S = 0.2


class Mood(enum.Enum):
    """How the platform takes the next requests."""

    ANSWERS = "answers"
    SLOW = "slow"  # answers after ``slow_s``
    HANGS = "hangs"  # takes the request and says nothing
    HANGS_UP = "hangs_up"  # closes in place of an answer
    CUTS = "cuts"  # closes in the middle of the answer
    DRIPS = "drips"  # a byte now and then
    ERROR = "error"  # 500
    REDIRECTS = "redirects"
    NONSENSE = "nonsense"  # a page in place of the answer
    FLOODS = "floods"  # an answer without an end


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in."""

    token: str = field(repr=False)
    refused: str  # why; "": it was answered
    connection: int  # the client's port: the same for requests over one connection


class SimulatedPlatform:
    """Serves in threads of its own between ``start`` and ``stop``.

    Args:
        folder: the CA's certificate and the secret are written here.
        port: where it listens; 0 for any.
    """

    def __init__(self, folder: Path, clock: Clock, *, port: int = 0) -> None:
        self.ca_file = folder / "platform-ca.pem"
        self.key_file = folder / "platform.key"
        self.mood = Mood.ANSWERS
        self.slow_s = 0.5
        self.unknown = PlatformResult.DOES_NOT_EXIST  # what it says of a token it does not know
        self.asked: list[Asked] = []
        self._clock = clock
        self._results: dict[str, PlatformResult] = {}
        self._nonces: dict[str, None] = {}  # the oldest first
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._context = server_context(folder, self.ca_file, clock)
        self.key_file.write_text(SECRET + "\n", encoding="utf-8")
        self.key_file.chmod(0o600)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self._port}{TARGET}"

    def know(self, token: str, result: PlatformResult) -> None:
        """Answer ``result`` when asked about ``token``."""
        self._results[token] = result

    def start(self) -> None:
        """Listen again. Raises: OSError: the port is taken."""
        if self._server is None:
            server = _Server((HOST, self._port), self, self._context)
            self._port = int(server.server_address[1])
            self._server = server
            self._thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="platform"
            )
            self._thread.start()

    def stop(self) -> None:
        """Be away: nobody listens, and open connections end. Idempotent."""
        if self._server is not None:
            self._server.end_connections()
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- one request --------------------------------------------------------------------------

    def answer(self, headers: Mapping[str, str], body: bytes, port: int) -> tuple[int, bytes]:
        """Return (status, body) for one request."""
        refused = self._why_refused(headers, body)
        try:
            token = json.loads(body)["code"]
        except (ValueError, TypeError, KeyError):
            token, refused = "", refused or "no code"
        self.asked.append(Asked(str(token), refused, port))
        if refused:
            said: dict[str, object] = {"code": 40_101, "message": refused, "data": None}
            return HTTPStatus.UNAUTHORIZED, _json(said)
        result = self._results.get(str(token), self.unknown)
        data = {"healthStatus": NUMBERS[result], "name": MASKED_NAME, "idCardNo": MASKED_ID}
        return HTTPStatus.OK, _json({"code": 0, "message": "ok", "data": data})

    def _why_refused(self, headers: Mapping[str, str], body: bytes) -> str:
        made_ms, nonce = headers.get("X-Timestamp", ""), headers.get("X-Nonce", "")
        app_id, given = headers.get("X-App-Id", ""), headers.get("X-Signature", "")
        if app_id != APP_ID:
            return "who?"
        # Written out as docs/verifier.md says it, and not by the gate's own function.
        digest = hashlib.sha256(body).hexdigest()
        signed = f"POST\n{TARGET}\n{app_id}\n{made_ms}\n{nonce}\n{digest}"
        wanted = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, given):
            return "signature"
        now_ms = self._clock.now().timestamp() * 1_000
        if not made_ms.isdigit() or abs(now_ms - int(made_ms)) > WINDOW_MS:
            return "time"
        if nonce in self._nonces:
            return "seen before"
        self._nonces[nonce] = None
        if len(self._nonces) > MAX_NONCES:
            del self._nonces[next(iter(self._nonces))]
        return ""


def verifier_of(platform: SimulatedPlatform) -> dict[str, object]:
    """Return ``[verifier]`` for a gate that asks ``platform`` about the scenario's codes."""
    length = len(PROVINCE) + TOKEN_DIGITS
    return {
        "enabled": True,
        "url": platform.url,
        "app_id": APP_ID,
        "key_file": platform.key_file,
        "ca_file": platform.ca_file,
        "tokens": (
            {
                "prefix": PROVINCE,
                "min_characters": length,
                "max_characters": length,
                "characters": TokenCharacters.HEX,
            },
        ),
        "result_member": RESULT_MEMBER,
        "results": tuple({"says": str(n), "means": result} for result, n in NUMBERS.items()),
        "cache_s": 0.0,  # each person is asked about, so that something can be seen
        "when_unreachable": WhenUnreachable.LAST_ANSWER,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], platform: SimulatedPlatform, context: ssl.SSLContext
    ) -> None:
        self.platform = platform
        self.is_ending = threading.Event()
        self._context = context
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        plain, where = super().get_request()
        # The handshake is the handler's: a client that stalls in it must not stop the others.
        secured = self._context.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        self._open.add(secured)
        return secured, where

    def shutdown_request(self, request: object) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type]  # a socket

    def end_connections(self) -> None:
        self.is_ending.set()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the play."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client, or the scenario, ended it
            super().handle()

    def do_POST(self) -> None:
        platform = self.server.platform
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_REQUEST_BYTES or self.path != TARGET:
            self.close_connection = True
            self._say(HTTPStatus.NOT_FOUND, b"{}")
            return
        body, mood = self.rfile.read(int(length)), platform.mood
        status, content = platform.answer(dict(self.headers.items()), body, self.client_address[1])
        if mood is Mood.SLOW:
            self.server.is_ending.wait(platform.slow_s)
        if mood in (Mood.ANSWERS, Mood.SLOW):
            self._say(status, content)
        else:
            self._misbehave(mood, content)

    def _misbehave(self, mood: Mood, content: bytes) -> None:
        ending = self.server.is_ending
        self.close_connection = mood in (Mood.HANGS_UP, Mood.CUTS)
        match mood:
            case Mood.HANGS:
                ending.wait()
            case Mood.CUTS:
                self._head(HTTPStatus.OK, len(content))
                self.wfile.write(content[: len(content) // 2])
            case Mood.DRIPS:
                self._head(HTTPStatus.OK, len(content))
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    if ending.wait(DRIP_EVERY_S):
                        return
            case Mood.ERROR:
                self._say(HTTPStatus.INTERNAL_SERVER_ERROR, b"java.lang.NullPointerException")
            case Mood.REDIRECTS:
                self.send_response(HTTPStatus.TEMPORARY_REDIRECT)
                self.send_header("Location", self.server.platform.url)
                self.send_header("Content-Length", "0")
                self.end_headers()
            case Mood.NONSENSE:
                self._say(HTTPStatus.OK, "<html>请登录校园网</html>".encode())
            case Mood.FLOODS:
                self.send_response(HTTPStatus.OK)
                self.end_headers()
                while not ending.is_set():
                    self.wfile.write(b" " * 65_536)

    def _say(self, status: int, content: bytes) -> None:
        self._head(status, len(content))
        self.wfile.write(content)

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:  # to standard error otherwise
        """Keep quiet."""
