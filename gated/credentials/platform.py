"""What is said between gate and platform: the signed request, the one word of the answer. Pure.

The interface: docs/verifier.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from gated.config.verifier import PlatformResult
from gated.credentials.questions import AskFailure
from gated.errors import WireError
from gated.wire import parse_json

APP_ID, TIMESTAMP, NONCE, SIGNATURE = "X-App-Id", "X-Timestamp", "X-Nonce", "X-Signature"
MIN_KEY_BYTES = 16
MAX_ANSWER_BYTES = 16_384
_MAX_WORD_CHARACTERS = 64
_REFUSES_US = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
)
_OF_THIS_CODE = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
"""Errors that one bad code may cause. They must not pass for a failure of the platform: anybody
could shut it for everybody by showing such a code twice."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a request was made, and its number used once."""

    timestamp_ms: int  # Unix time
    nonce: str


@dataclass(frozen=True, slots=True)
class Signer:
    """Who asks, where, and with which secret."""

    app_id: str
    target: str  # path and query of the URL
    key: bytes = field(repr=False)

    def headers(self, body: bytes, stamp: Stamp) -> dict[str, str]:
        """Return the headers of the request that ``body`` is posted with."""
        return {
            "Content-Type": "application/json",
            "Accept": "application/json",
            APP_ID: self.app_id,
            TIMESTAMP: str(stamp.timestamp_ms),
            NONCE: stamp.nonce,
            SIGNATURE: self.signature(body, stamp),
        }

    def signature(self, body: bytes, stamp: Stamp) -> str:
        """Return HMAC-SHA-256 in hex over method, target, app id, time, nonce and body's hash."""
        signed = "\n".join(
            (
                "POST",
                self.target,
                self.app_id,
                str(stamp.timestamp_ms),
                stamp.nonce,
                hashlib.sha256(body).hexdigest(),
            )
        )
        return hmac.digest(self.key, signed.encode(), hashlib.sha256).hex()


def request_body(token: str) -> bytes:
    """Return what is posted about ``token``."""
    return json.dumps({"code": token}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one platform says its results."""

    member: tuple[str, ...]  # the way to the value in the answer's JSON
    results: Mapping[str, PlatformResult]  # of the value, as text


def read_answer(status: int, body: bytes, dialect: Dialect) -> PlatformResult | AskFailure:
    """Return the one word of an answer that matters here.

    Everything else in it, such as a masked name or ID number, is dropped.
    """
    if status in _OF_THIS_CODE:
        return AskFailure.UNCLEAR
    if status in _REFUSES_US:
        return AskFailure.REFUSES_US
    if status != HTTPStatus.OK:
        return AskFailure.ERROR
    if len(body) > MAX_ANSWER_BYTES:
        return AskFailure.GARBLED
    try:
        answer = parse_json(body)
    except WireError:
        return AskFailure.GARBLED
    word = _word_at(answer, dialect.member)
    return dialect.results.get(word, AskFailure.UNCLEAR)


def _word_at(answer: object, member: tuple[str, ...]) -> str:
    """Return the value at ``member`` as text; "" for what can be no result."""
    for name in member:
        if not isinstance(answer, dict):
            return ""
        answer = answer.get(name)
    if isinstance(answer, bool) or not isinstance(answer, str | int):
        return ""
    # A number of thousands of digits cannot even be written out.
    if isinstance(answer, int) and answer.bit_length() > _MAX_WORD_CHARACTERS:
        return ""
    word = str(answer)
    return word if len(word) <= _MAX_WORD_CHARACTERS else ""
