"""Who may see the page, and the headers that every answer carries. Plain ASGI, no framework."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from gated.errors import ConfigError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "gated_page"
COOKIE_AGE_S = 30 * 86_400
MIN_TOKEN_CHARACTERS = 16
OPEN_PATHS = frozenset({"/healthz"})
"""What monitoring may ask without a token; it says nothing about anybody."""
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_ASK_FOR_IT = (
    "这里需要口令:请用带 ?token=… 的网址打开。\n"
    "A token is needed: open the address that ends in ?token=…\n"
)
_WRONG_HOST = "Not a name of this machine.\n"


class PageToken:
    """The token that opens the page, and the cookie that stands for it.

    Raises: ConfigError: too short to resist guessing.
    """

    def __init__(self, token: str) -> None:
        if len(token) < MIN_TOKEN_CHARACTERS:
            raise ConfigError(
                f"the page's token is too short: at least {MIN_TOKEN_CHARACTERS} characters, "
                "for example from `openssl rand -hex 16`"
            )
        self._token = token.encode()
        # The cookie is not the token: whoever reads a browser's cookies cannot give it away.
        self.cookie = hmac.new(self._token, b"gated page", hashlib.sha256).hexdigest()

    def opens(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="replace"), self._token)

    def is_cookie(self, value: str) -> bool:
        return hmac.compare_digest(value.encode(errors="replace"), self.cookie.encode())


class Guard:
    """Lets a request through, or answers it.

    Without a token only requests that name this machine are answered: otherwise any web page could
    read ours through a name that it lets point to 127.0.0.1.
    """

    def __init__(self, app: App, token: PageToken | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = dict(message["headers"])
                message["headers"] = [*message["headers"], *_headers_missing_in(given)]
            await send(message)

        answer = self._answer(scope)
        if answer is None:
            await self._app(scope, receive, send_secured)
            return
        status, headers, text = answer
        plain = [(b"content-type", b"text/plain; charset=utf-8"), *headers]
        await send_secured({"type": "http.response.start", "status": status, "headers": plain})
        await send_secured({"type": "http.response.body", "body": text.encode()})

    def _answer(self, scope: Scope) -> tuple[int, list[tuple[bytes, bytes]], str] | None:
        """Return what to answer instead of the page, or None to let the request through."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if self._token is None:
            is_local = _host(headers.get(b"host", "")) in LOCAL_NAMES
            return None if is_local else (400, [], _WRONG_HOST)
        if scope["path"] in OPEN_PATHS or _is_known(self._token, headers):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if self._token.opens(dict(query).get("token", "")):
            # Once, then by cookie: the address bar and other people's eyes should not keep it.
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            # quote(): a path like //elsewhere must not become another host
            place = "/" + quote(scope["path"].lstrip("/")) + (f"?{rest}" if rest else "")
            cookie = (
                f"{COOKIE}={self._token.cookie}; Path=/; HttpOnly; SameSite=Lax; "
                f"Max-Age={COOKIE_AGE_S}"
            )
            if scope.get("scheme") == "https":
                cookie += "; Secure"
            return 303, [(b"location", place.encode()), (b"set-cookie", cookie.encode())], ""
        return 401, [(b"www-authenticate", b'Bearer realm="gated"')], _ASK_FOR_IT


def _headers_missing_in(given: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    wanted = SECURITY_HEADERS | {"cache-control": "no-store"}
    pairs = [(name.encode(), value.encode()) for name, value in wanted.items()]
    return [(name, value) for name, value in pairs if name not in given]


def _is_known(token: PageToken, headers: dict[bytes, str]) -> bool:
    scheme, _, given = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.opens(given.strip()):
        return True
    try:
        found = SimpleCookie(headers.get(b"cookie", "")).get(COOKIE)
    except CookieError:
        return False
    return found is not None and token.is_cookie(found.value)


def _host(header: str) -> str:
    """Return the host of a Host header, without its port."""
    host, _, port = header.rpartition(":")
    return (host if host and port.isdigit() else header).lower()
