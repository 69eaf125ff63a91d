"""CBOR (RFC 8949) as strictly as signed codes need it. The only file that imports cbor2.

A decoder for everybody's data does things that a gate must not do for a stranger: it compiles
regular expressions (tag 35), builds cyclic values (tags 28, 29), numbers of any size (tags 2 to 5)
and lets the second of two equal keys win. Allowed here: maps with integer or text keys, arrays,
64-bit integers, text, bytes, booleans, null, finite floats, and the tags of a signed CWT.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, Union

import cbor2

from gated.credentials.malformed import MalformedCode

MAX_BYTES = 65_536
"""No code needs more, inflated or not; checked before anything is decoded."""

MAX_ITEMS = 1_000
"""Values, keys, containers and tags together; a health certificate has about 70. Without a bound a
code of 140 characters inflates to 65,000 empty maps, which take 128 ms to decode (measured)."""

MAX_DEPTH = 8
"""Nested containers and tags. A signed health certificate has 5 (measured on published cases)."""

COSE_SIGN1_TAG = 18
"""RFC 9052 §2."""

CWT_TAG = 61
"""RFC 8392 §6."""

_ALLOWED_TAGS = (COSE_SIGN1_TAG, CWT_TAG)

# RFC 8949 §3: the head of an item.
_INFO_MASK = 31
_FIRST_WIDTH_INFO = 24
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_MAJORS_WITH_CONTENT = (2, 3)  # bytes and text
_DATE_TAG = 0  # RFC 8949 §3.4.1, a text in the form of RFC 3339
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value under one of the two allowed tags."""

    tag: int
    value: CborValue


CborKey: TypeAlias = int | str
CborValue: TypeAlias = Union[  # noqa: UP007 a forward reference cannot stand in an X | Y alias
    bool, int, float, str, bytes, list["CborValue"], dict[CborKey, "CborValue"], Tagged, None
]


class _NoOtherTags(Mapping[int, Callable[[object, bool], object]]):
    """Refuses every tag but the allowed ones before cbor2 acts on its content.

    cbor2 asks this mapping first and falls back to its own decoders for what is absent; a list of
    the tags that it knows would be out of date with its next version.
    """

    def __init__(self, *, is_date_tag_allowed: bool) -> None:
        self._is_date_tag_allowed = is_date_tag_allowed

    def __getitem__(self, tag: int) -> Callable[[object, bool], object]:
        if tag in _ALLOWED_TAGS:
            raise KeyError(tag)
        if tag == _DATE_TAG and self._is_date_tag_allowed:
            return _text_of_date
        return _refuse_tag

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _refuse_tag(_value: object, _immutable: bool) -> NoReturn:
    raise cbor2.CBORDecodeError("a tag that is not allowed")


def _text_of_date(value: object, _immutable: bool) -> str:
    if not isinstance(value, str):
        raise cbor2.CBORDecodeError("a date that is not a text")
    return value


def decode(
    data: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_items: int = MAX_ITEMS,
    is_date_tag_allowed: bool = False,
) -> CborValue:
    """Return the one value that ``data`` holds, of at most ``max_bytes`` and ``max_items``.

    With ``is_date_tag_allowed`` a date that is tagged as one (tag 0) counts as its text.

    Raises: MalformedCode: too long, too many items, not well-formed, trailing bytes, a repeated
        key, a type or tag that is not allowed, a number that is not finite or beyond 64 bits,
        nested too deeply.
    """
    if len(data) > max_bytes:
        raise MalformedCode("CBOR: too long")
    if not _has_at_most(max_items, data):
        raise MalformedCode("CBOR: too many items")
    stream = io.BytesIO(data)
    try:
        value: object = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_NoOtherTags(is_date_tag_allowed=is_date_tag_allowed),
            max_depth=MAX_DEPTH,
            allow_duplicate_keys=False,
        ).decode()
    except cbor2.CBORError as exc:
        raise MalformedCode("CBOR: not well-formed, or not allowed in a code") from exc
    if stream.tell() != len(data):
        raise MalformedCode("CBOR: trailing bytes")
    return _plain(value)


def _has_at_most(max_items: int, data: bytes) -> bool:
    """Return whether ``data`` has no more items; what is not well-formed is the decoder's to find.

    Children follow their container's head, so one pass over all heads meets every item.
    """
    at = 0
    for _ in range(max_items):
        if at >= len(data):
            return True
        major, info = data[at] >> 5, data[at] & _INFO_MASK
        at += 1
        number = info
        if info >= _FIRST_WIDTH_INFO:
            width = _WIDTHS.get(info, 0)
            number = int.from_bytes(data[at : at + width], "big")
            at += width
        if major in _MAJORS_WITH_CONTENT:
            at += number
    return at >= len(data)


def _plain(value: object) -> CborValue:
    """Return ``value`` in plain types. Its depth is bounded by the decoder."""
    if value is None or isinstance(value, bool | str | bytes):
        return value
    if isinstance(value, int):
        if not _MIN_INT <= value <= _MAX_INT:
            raise MalformedCode("CBOR: an integer beyond 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise MalformedCode("CBOR: a number that is not finite")
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, cbor2.CBORTag):
        return Tagged(value.tag, _plain(value.value))
    raise MalformedCode("CBOR: a type that is not allowed")


def _plain_key(key: object) -> CborKey:
    plain = _plain(key)
    if isinstance(plain, bool) or not isinstance(plain, int | str):
        raise MalformedCode("CBOR: a map key that is neither an integer nor a text")
    return plain


def encode(value: CborValue) -> bytes:
    """Return ``value`` in the deterministic encoding: shortest forms, sorted keys."""
    return cbor2.dumps(_with_tags(value), canonical=True)


def _with_tags(value: CborValue) -> object:
    if isinstance(value, Tagged):
        return cbor2.CBORTag(value.tag, _with_tags(value.value))
    if isinstance(value, list):
        return [_with_tags(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_tags(item) for key, item in value.items()}
    return value
