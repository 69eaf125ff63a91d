from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import base45
from gated.credentials.malformed import MalformedCode

RFC_9285 = [
    (b"AB", "BB8"),
    (b"Hello!!", "%69 VD92EX0"),
    (b"base-45", "UJCLQE7W581"),
    (b"ietf!", "QED8WEX0"),
    (b"", ""),
    (b"\xff\xff", "FGW"),
]


@pytest.mark.parametrize(("data", "text"), RFC_9285)
def test_the_examples_of_the_rfc_hold_both_ways(data: bytes, text: str) -> None:
    assert base45.encode(data) == text
    assert base45.decode(text) == data


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("GGW", "65,536 does not fit two bytes"),
        (":::", "91,124 does not fit two bytes"),
        ("V5", "256 does not fit one byte"),
        ("::", "2,024 does not fit one byte"),
        ("A", "one character is no byte"),
        ("BB8A", "a remainder of one character"),
        ("bb8", "lower case"),
        ("BB8\n", "a newline"),
        ("ＢＢ８", "full-width characters"),
        ("BÅ8", "a letter beyond ASCII"),
        ("B\ud8008", "half a surrogate pair"),
        ("B_8", "outside the alphabet"),
    ],
)
def test_what_no_bytes_encode_to_is_malformed(text: str, why: str) -> None:
    with pytest.raises(MalformedCode):
        base45.decode(text)


def test_the_greatest_values_that_fit_are_read() -> None:
    assert base45.decode("U5") == b"\xff"
    assert base45.decode("FGW") == b"\xff\xff"


def test_the_space_is_a_digit_and_is_never_stripped() -> None:
    text = base45.encode((36 + 45 * 36).to_bytes(2, "big"))
    assert text == "  0"
    assert base45.decode(text) == (36 + 45 * 36).to_bytes(2, "big")
    with pytest.raises(MalformedCode):
        base45.decode(text.strip())


@given(st.binary(max_size=300))
def test_every_byte_string_comes_back(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


@given(st.text(alphabet=base45.ALPHABET, max_size=60))
def test_a_text_decodes_to_bytes_that_encode_to_it_or_is_malformed(text: str) -> None:
    try:
        data = base45.decode(text)
    except MalformedCode:
        return
    assert base45.encode(data) == text


@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_other_text_is_malformed_and_nothing_else_is_raised(text: str) -> None:
    try:
        base45.decode(text)
    except MalformedCode:
        return
    assert set(text) <= set(base45.ALPHABET)
