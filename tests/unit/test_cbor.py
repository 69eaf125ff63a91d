from __future__ import annotations

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import school
from fuzz.target import MAX_CPU_MS, Target, cpu_ms
from gated.credentials import base45, cbor
from gated.credentials.malformed import MalformedCode
from gated.credentials.verify import verify
from gated.vocabulary import CredentialStatus

MANY = 65_000
TRIES = 3
HEAD_OF_MANY = b"\x99" + MANY.to_bytes(2, "big")


@pytest.mark.parametrize(
    "item", [b"\x00", b"\xa0", b"\x80", b"\x60", b"\xf6", b"\x40", b"\x81\x80"]
)
def test_a_short_code_of_very_many_items_is_refused_before_they_are_decoded(item: bytes) -> None:
    many = (HEAD_OF_MANY + item * MANY)[: cbor.MAX_BYTES]
    for message in (
        many,
        b"\xd2\x84\x43\xa1\x01\x26\xa1\x04" + many[: cbor.MAX_BYTES - 20] + b"\x40\x40",
    ):
        text = "HC1:" + base45.encode(zlib.compress(message, 9))
        assert len(text) < 500

        def judged(_data: bytes, text: str = text) -> bool:
            result = verify(text, now=school.NOW, trust=school.TRUST)
            return result.status is CredentialStatus.MALFORMED

        assert judged(b"")
        target = Target(run=judged, seeds=list)
        # 128 ms were measured without the bound on items, 0.3 ms are with it.
        assert min(cpu_ms(target, b"") for _ in range(TRIES)) <= MAX_CPU_MS / 5


def test_as_many_items_as_allowed_are_decoded_and_one_more_is_refused() -> None:
    allowed = cbor.encode([0] * (cbor.MAX_ITEMS - 1))
    assert cbor.decode(allowed) == [0] * (cbor.MAX_ITEMS - 1)
    with pytest.raises(MalformedCode, match="too many items"):
        cbor.decode(cbor.encode([0] * cbor.MAX_ITEMS))
    assert cbor.decode(cbor.encode([0] * cbor.MAX_ITEMS), max_items=cbor.MAX_ITEMS + 1)


def test_items_are_counted_wherever_they_stand_and_content_is_not() -> None:
    nested = cbor.encode({"a": [1, 2.5, b"\x80" * 300, {"b": "\x00" * 700}], 3: None})
    assert cbor.decode(nested, max_items=11)
    with pytest.raises(MalformedCode, match="too many items"):
        cbor.decode(nested, max_items=10)


@given(st.binary(max_size=64))
def test_no_more_items_than_bytes_are_counted_in_anything(data: bytes) -> None:
    with contextlib.suppress(MalformedCode):
        cbor.decode(data)
        return
    with pytest.raises(MalformedCode) as refused:
        cbor.decode(data, max_items=len(data))
    assert "too many" not in str(refused.value)
