"""JSON from the network: one object, UTF-8, finite, each name once."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.errors import WireError
from gated.wire import parse_json

FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.booleans())
def test_every_object_that_json_can_say_is_read(value: dict[str, object], ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse_json(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"nonsense",
        b'{"a":1',
        b'{"a":1}}',
        b"{'a':1}",
        b"[]",
        b'[{"a":1}]',
        b"1",
        b'"text"',
        b"null",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":[-1e999]}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1,"\\u0061":2}',  # the same name, spelled otherwise
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',  # half of a surrogate pair in UTF-8
        b'{"a":"\\ud800"}',
        b'{"a":"\\uDFFF"}',
        b'{"a":["\\udc00\\ud800"]}',  # the two halves the wrong way round
        b'{"\\ud800":1}',
        b'\xef\xbb\xbf{"a":1}',  # a byte order mark
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":1' + b"0" * 5_000 + b"}",  # more digits than Python converts
        b'{"a":' + b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
def test_what_is_not_one_sound_object_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_json(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),  # both halves
        (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),  # a backslash, and then letters
        (b' {"a" : 1 }\n', {"a": 1}),
        (b'{"a":{"b":1},"b":1}', {"a": {"b": 1}, "b": 1}),
    ],
)
def test_what_only_looks_odd_is_read(data: bytes, value: dict[str, object]) -> None:
    assert parse_json(data) == value


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_no_bytes_raise_anything_but_our_own_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        parse_json(data)
