"""A real HTTP server that takes alarms, or misbehaves in every way that one can."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

HOST = "127.0.0.1"
SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_STOP_S = 5.0


@dataclass(frozen=True)
class Delivery:
    """One request, as it came."""

    headers: dict[str, str]
    body: bytes
    answer: object

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    def is_genuine(self) -> bool:
        """Return whether the signature is the sender's: what a receiver has to check."""
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        digest = hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()
        return self.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = receiver.next_answer()
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.deliveries.append(Delivery(headers, body, answer))
        self.close_connection = True
        if isinstance(answer, int):
            self.send_response(answer)
            if 300 <= answer < 400:
                self.send_header("Location", f"http://{HOST}:{receiver.port}/elsewhere")
            self.end_headers()
        elif answer == "hang":
            receiver.stop.wait()
        elif answer == "die in the middle":
            self.wfile.write(b"HTTP/1.1 20")
        elif answer == "garbage":
            self.wfile.write(b"\x00\x01nothing like HTTP\r\n\r\n")
        elif answer == "trickle":
            for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1_000:
                if receiver.stop.wait(0.05):
                    break
                self.wfile.write(bytes([byte]))
        elif answer == "endless head":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000)
        elif answer == "endless 100":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000)
        else:
            assert answer == "hang up"

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # whoever asked has gone
            return

    def log_message(self, *_args: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver


class Receiver:
    """Answers 204, unless ``answers`` says otherwise for the next requests; ``always`` for all."""

    def __init__(self) -> None:
        self.answers: deque[object] = deque()
        self.always: object = 204
        self.deliveries: list[Delivery] = []
        self.stop = threading.Event()
        self.port = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/alarms?school=1"

    def next_answer(self) -> object:
        return self.answers.popleft() if self.answers else self.always

    def taken(self) -> list[Delivery]:
        """Return what it has said that it has."""
        return [d for d in self.deliveries if isinstance(d.answer, int) and d.answer < 300]

    def start(self) -> None:
        self.stop.clear()
        self._server = _Server((HOST, self.port), _Handler)
        self._server.receiver = self
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="receiver"
        )
        self._thread.start()

    def end(self) -> None:
        self.stop.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(_STOP_S)
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()
