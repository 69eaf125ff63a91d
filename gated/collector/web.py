"""The page and the JSON API: the only file that knows Starlette and uvicorn.

No name and no reference to a person is ever sent. Live entries are server-sent events whose id is
the entry's, so a browser that was away asks for exactly what it missed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import UTC, date, datetime, tzinfo
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gated.clock import Clock, TimeQuality
from gated.collector.guard import Guard, PageToken
from gated.collector.intake import to_ms
from gated.collector.render import gate_json, report_json
from gated.collector.report import bounds_ms, daily_report
from gated.collector.store import Entry, Lane, Reader
from gated.collector.texts import all_texts
from gated.config.broker import is_loopback
from gated.errors import ConfigError, GatedError, StorageError
from gated.wire import is_name

log = logging.getLogger(__name__)

MAX_ENTRIES = 500
"""At most this many entries in one answer; a browser that missed more starts afresh."""
MAX_VIEWERS = 50
LOOK_EVERY_S = 0.25
KEEP_ALIVE_S = 15.0
RECONNECT_MS = 2_000
LATE_MS = 120_000
"""An entry that took longer than this to arrive is marked as sent later."""
STOP_GRACE_S = 2
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/elements.js": ("elements.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_MAX_ID_DIGITS = 18
_ENTRY_FIELDS = tuple(field.name for field in fields(Entry))


class Page:
    """Answers requests. Each has a reader of its own, on a thread of its own.

    Args:
        open_reader: returns a new reader; it is closed after use.
        clock: the time in answers and reports.
        zone: the time zone of reports.
        stop: set when the process ends, so that live streams end too.
    """

    def __init__(
        self,
        open_reader: Callable[[], Reader],
        *,
        clock: Clock,
        zone: tzinfo,
        stop: threading.Event,
    ) -> None:
        self._open_reader = open_reader
        self._clock = clock
        self._zone = zone
        self._stop = stop
        self._viewers = 0
        folder = files("gated.collector") / "pages"
        self._files = {
            path: (folder.joinpath(name).read_bytes(), media_type)
            for path, (name, media_type) in _FILES.items()
        }

    def app(self, *, token: PageToken | None) -> Starlette:
        """Return the application. Without ``token`` it answers to this machine's own names only."""
        return Starlette(
            routes=[
                *(Route(path, self._file) for path in _FILES),
                Route("/texts.json", self._texts),
                Route("/api/entries", self._entries),
                Route("/api/gates", self._gates),
                Route("/api/report", self._report),
                Route("/events", self._events),
                Route("/healthz", self._health),
            ],
            middleware=[Middleware(Guard, token=token)],
            exception_handlers={StorageError: _unavailable, ValueError: _bad_request},
        )

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        reader = self._open_reader()
        try:
            yield reader
        finally:
            reader.close()

    def _file(self, request: Request) -> Response:
        content, media_type = self._files[request.url.path]
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    def _texts(self, _request: Request) -> Response:
        return JSONResponse(all_texts(), headers={"Cache-Control": "no-cache"})

    def _health(self, _request: Request) -> Response:
        with self._reader() as reader:
            return JSONResponse({"ok": True, "last_entry": reader.last_id()})

    def _entries(self, request: Request) -> Response:
        limit = _number(request, "limit", 100, low=1, high=MAX_ENTRIES)
        after = _number(request, "after", 0, low=0, high=2**63 - 1)
        lane, day = _lane(request), _day(request)
        span_ms = None if day is None else bounds_ms(day, self._zone)
        with self._reader() as reader:
            if "after" in request.query_params or lane is not None or day is not None:
                entries = reader.entries(after=after, limit=limit, lane=lane, span_ms=span_ms)
            else:
                entries = reader.latest_entries(limit)
        is_full = len(entries) == limit
        found = {
            "entries": [entry_json(entry) for entry in entries],
            "next": entries[-1].id if is_full else None,  # ask on with after=…; null: that was all
        }
        return _unless_known(request, JSONResponse(found))

    def _gates(self, _request: Request) -> Response:
        now = self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds")
        with self._reader() as reader, reader.snapshot():
            found = [gate_json(gate) for gate in reader.gates()]
        return JSONResponse({"now": now, "gates": found})

    def _report(self, request: Request) -> Response:
        now = self._clock.now()
        day = _day(request) or now.astimezone(self._zone).date()
        with self._reader() as reader:
            return JSONResponse(report_json(daily_report(reader, day, self._zone, now)))

    # --- live entries ----------------------------------------------------------------------------

    def _events(self, request: Request) -> Response:
        if self._viewers >= MAX_VIEWERS:
            return JSONResponse({"error": "too many viewers"}, status_code=503)
        said = request.headers.get("last-event-id") or request.query_params.get("after", "")
        after = (
            int(said) if said.isascii() and said.isdigit() and len(said) <= _MAX_ID_DIGITS else None
        )
        return StreamingResponse(
            self._stream(after),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},  # a proxy must not hold events back
        )

    async def _stream(self, after: int | None) -> AsyncIterator[str]:
        self._viewers += 1
        reader: Reader | None = None
        try:
            reader = await run_in_threadpool(self._open_reader)
            yield f"retry: {RECONNECT_MS}\n\n"
            last = await run_in_threadpool(reader.last_id)
            if after is None or not 0 <= last - after <= MAX_ENTRIES:
                # Too much was missed, or the database is another one: start from what is newest.
                if after is not None:
                    yield "event: reset\ndata: {}\n\n"
                after = last
            silent_s = 0.0
            while not self._stop.is_set():
                entries = await run_in_threadpool(reader.entries, after=after, limit=MAX_ENTRIES)
                for entry in entries:
                    data = json.dumps(entry_json(entry), ensure_ascii=False)
                    yield f"id: {entry.id}\nevent: entry\ndata: {data}\n\n"
                    after = entry.id
                silent_s = 0.0 if entries else silent_s + LOOK_EVERY_S
                if silent_s >= KEEP_ALIVE_S:
                    silent_s = 0.0
                    yield ": still here\n\n"
                await _pause(LOOK_EVERY_S)
        finally:
            self._viewers -= 1
            if reader is not None:
                reader.close()


class PageServer:
    """The worker that serves the page. The port is taken at once, so that a failure is early.

    Raises: ConfigError: ``host`` can be reached by others and there is no token.
        GatedError: the address cannot be used.
    """

    def __init__(
        self,
        page: Page,
        *,
        host: str,
        port: int,
        token: PageToken | None,
    ) -> None:
        if token is None and not is_loopback(host):
            raise ConfigError(f"the page on {host} needs a token_file: others could read it")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=128)
        except OSError as exc:
            raise GatedError(
                f"the page cannot listen on {host}:{port}: {exc.strerror}; "
                "choose another address with `listen`"
            ) from exc
        self._app = page.app(token=token)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve until ``stop``."""
        config = uvicorn.Config(
            self._app,
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,  # a first request carries the token in its address
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=STOP_GRACE_S,
            limit_concurrency=4 * MAX_VIEWERS,
        )
        asyncio.run(self._serve(uvicorn.Server(config), stop, beat))

    async def _serve(
        self, server: uvicorn.Server, stop: threading.Event, beat: Callable[[], None]
    ) -> None:
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        while not (stop.is_set() or serving.done()):
            beat()
            await _pause(LOOK_EVERY_S)
        server.should_exit = True
        await serving
        self.close()

    def close(self) -> None:
        """Give the port back. Idempotent."""
        self._socket.close()


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return ``entry`` as the page and the API show it."""
    shown = {name: getattr(entry, name) for name in _ENTRY_FIELDS}
    received_ms = shown.pop("received_at_ms")
    received = datetime.fromtimestamp(received_ms / 1_000, tz=UTC)
    shown["received_at"] = received.isoformat(timespec="milliseconds")
    is_dated = entry.at is not None and entry.time_quality != TimeQuality.UNKNOWN
    shown["late"] = is_dated and received_ms - to_ms(entry.at or "") > LATE_MS
    return shown


def _number(request: Request, name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number of the query. Raises: ValueError: none, or out of range."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        raise ValueError(f"{name}: a whole number from {low} to {high}")
    return int(text)


def _day(request: Request) -> date | None:
    """Return the day of the query, or None. Raises: ValueError: it is none."""
    text = request.query_params.get("day")
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as exc:
        raise ValueError("day: write it like 2026-11-23") from exc


def _lane(request: Request) -> Lane | None:
    """Return the gate of the query, or None. Raises: ValueError: it is none."""
    text = request.query_params.get("gate")
    if text is None:
        return None
    site, _, gate = text.partition("/")
    if not (is_name(site) and is_name(gate)):
        raise ValueError("gate: write it like lixin-primary/east-1")
    return Lane(site, gate)


def _unless_known(request: Request, answer: Response) -> Response:
    """Return ``answer`` with its tag, or that whoever asks has it already (RFC 9110 §13.1.2)."""
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = {said.strip().removeprefix("W/") for said in _said_tags(request)}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


def _said_tags(request: Request) -> list[str]:
    return request.headers.get("if-none-match", "").split(",")


def _unavailable(_request: Request, exc: Exception) -> Response:
    return JSONResponse({"error": str(exc)}, status_code=503)


def _bad_request(_request: Request, exc: Exception) -> Response:
    return JSONResponse({"error": str(exc)}, status_code=400)


async def _pause(for_s: float) -> None:
    """Let other tasks run for ``for_s``."""
    with suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            await asyncio.Event().wait()
