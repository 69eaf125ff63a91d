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

MAX_DEPTH = 8
"""Nested containers and tags. A signed health certificate has 5 (measured on published cases)."""

COSE_SIGN1_TAG = 18
"""RFC 9052 §2."""

CWT_TAG = 61
"""RFC 8392 §6."""

_ALLOWED_TAGS = (COSE_SIGN1_TAG, CWT_TAG)
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

    def __getitem__(self, tag: int) -> Callable[[object, bool], object]:
        if tag in _ALLOWED_TAGS:
            raise KeyError(tag)
        return _refuse_tag

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _refuse_tag(_value: object, _immutable: bool) -> NoReturn:
    raise cbor2.CBORDecodeError("a tag that is not allowed")


def decode(data: bytes) -> CborValue:
    """Return the one value that ``data`` holds.

    Raises: MalformedCode: too long, not well-formed, trailing bytes, a repeated key, a type or tag
        that is not allowed, a number that is not finite or beyond 64 bits, nested too deeply.
    """
    if len(data) > MAX_BYTES:
        raise MalformedCode("CBOR: too long")
    stream = io.BytesIO(data)
    try:
        value: object = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_NoOtherTags(),
            max_depth=MAX_DEPTH,
            allow_duplicate_keys=False,
        ).decode()
    except cbor2.CBORError as exc:
        raise MalformedCode("CBOR: not well-formed, or not allowed in a code") from exc
    if stream.tell() != len(data):
        raise MalformedCode("CBOR: trailing bytes")
    return _plain(value)


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
