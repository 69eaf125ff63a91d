"""A status platform's answers, and what controller and uplink say to each other about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fuzz import mutators, trees
from fuzz.target import Escape, Target
from gated.config.verifier import PlatformResult
from gated.credentials.platform import Dialect, read_answer
from gated.credentials.questions import (
    Answer,
    AskFailure,
    Question,
    decode_answer,
    decode_question,
    encode,
)
from gated.errors import WireError

_DIALECT = Dialect(
    ("data", "status"),
    MappingProxyType({"green": PlatformResult.GREEN, "0": PlatformResult.RED}),
)
_ID = "0123456789abcdef" * 2


def _is_answer(data: bytes) -> bool:
    found = read_answer(200, data, _DIALECT)
    if not isinstance(found, PlatformResult | AskFailure):
        raise Escape("neither a result nor a failure")
    if found is PlatformResult.GREEN and b"green" not in data.replace(b"\\u00", b""):
        return _is_green_in_escapes(data)
    return found is PlatformResult.GREEN


def _is_green_in_escapes(data: bytes) -> bool:
    if b"\\" not in data:
        raise Escape("green without the word")
    return True


def _is_datagram(decode: Callable[[bytes], Question | Answer], data: bytes) -> bool:
    try:
        said = decode(data)
    except WireError as exc:
        if not str(exc).isprintable():
            raise Escape("a sentence that a terminal would obey") from exc
        return False
    if decode(encode(said)) != said:
        raise Escape("something else when it is said again")
    return True


_READERS: Mapping[int, Callable[[bytes], bool]] = {
    0: _is_answer,
    1: lambda data: _is_datagram(decode_answer, data),
    2: lambda data: _is_datagram(decode_question, data),
}

TARGET = Target(
    run=lambda data: _READERS[(data[0] if data else 0) % len(_READERS)](data[1:]),
    seeds=lambda: [
        b'\0{"code":0,"data":{"status":"green","name":"*'.ljust(60, b"x") + b'"}}',
        b'\0{"data":{"status":0}}',
        b"\1" + encode(Answer(id=_ID, result=PlatformResult.GREEN)),
        b"\1" + encode(Answer(id=_ID, failure=AskFailure.TLS)),
        b"\2" + encode(Question(id=_ID, token="三" * 8, until_boot_ms=7)),
    ],
    mutate=mutators.of_layers([mutators.of_tree(trees.JSON)] * len(_READERS)),
    max_bytes=20_000,
)
