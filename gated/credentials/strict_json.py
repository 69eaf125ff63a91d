"""JSON (RFC 8259) as strictly as signed codes need it.

A decoder for everybody's data lets the second of two equal names win, reads NaN and 1e999, and
hands out half surrogate pairs that break the next encoder. None of that passes here.
"""

from __future__ import annotations

import json
import math
from typing import NoReturn, TypeAlias, Union

from gated.credentials.malformed import MalformedCode

MAX_BYTES = 65_536
"""No code needs more, inflated or not; checked before anything is decoded."""

MAX_DEPTH = 32
"""Nested objects and lists. A health card has 11; its resources may bring more that we ignore."""

_MAX_DIGITS = 19
"""An integer of 64 bits."""

JsonValue: TypeAlias = Union[  # noqa: UP007 a forward reference cannot stand in an X | Y alias
    bool, int, float, str, list["JsonValue"], dict[str, "JsonValue"], None
]


def decode(data: bytes) -> JsonValue:
    """Return the one value that ``data`` holds.

    Raises: MalformedCode: too long, not UTF-8, not JSON, a repeated name, a number that is not
        finite or beyond 64 bits, half a surrogate pair, nested too deeply.
    """
    if len(data) > MAX_BYTES:
        raise MalformedCode("JSON: too long")
    try:
        value: JsonValue = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_int,
        )
        _check_depth(value, MAX_DEPTH)
        # Only names and texts can hold half a pair; the encoder finds it wherever it is.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except MalformedCode:
        raise
    except (ValueError, RecursionError) as exc:
        raise MalformedCode("JSON: not well-formed, or not allowed in a code") from exc
    return value


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedCode("JSON: a repeated name")
    return members


def _refuse_constant(_text: str) -> NoReturn:
    raise MalformedCode("JSON: a number that is not finite")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedCode("JSON: a number that is not finite")
    return number


def _int(text: str) -> int:
    if len(text.removeprefix("-")) > _MAX_DIGITS:
        raise MalformedCode("JSON: an integer beyond 64 bits")
    return int(text)


def _check_depth(value: JsonValue, depth_left: int) -> None:
    if not isinstance(value, list | dict):
        return
    if not depth_left:
        raise MalformedCode("JSON: nested too deeply")
    for item in value.values() if isinstance(value, dict) else value:
        _check_depth(item, depth_left - 1)
