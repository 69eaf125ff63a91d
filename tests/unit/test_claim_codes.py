"""Claim codes and the two sealed messages: what a person can mistype, what a stranger can send."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gated.claim_codes import (
    ALPHABET,
    Offer,
    make_code,
    parse_code,
    parse_offer,
)
from gated.claims import (
    Grant,
    Request,
    claim_of,
    open_grant,
    open_request,
    read_answer,
    request_topic,
    seal_answer,
    seal_request,
)
from gated.errors import WireError

CODE = make_code(())
EXCHANGE = X25519PrivateKey.generate()
REQUEST = Request(csr="a request", exchange=EXCHANGE.public_key().public_bytes_raw().hex())
GRANT = Grant(site="lixin-primary", gate="east-1", config="", ca="a CA")
BITS_OF_A_CHARACTER = 5


def test_a_code_is_typed_in_many_ways() -> None:
    for typed in (CODE.text, CODE.grouped, CODE.grouped.lower(), CODE.grouped.replace("-", " ")):
        assert parse_code(typed) == CODE
    assert parse_code(CODE.text.replace("0", "o").replace("1", "l")) == CODE
    assert len(CODE.grouped.split("-")) == 5


def test_nearly_every_typing_error_is_found_before_it_costs_an_attempt() -> None:
    missed = 0
    for at, right in enumerate(CODE.text):
        for wrong in set(ALPHABET) - {right}:
            try:
                parse_code(CODE.text[:at] + wrong + CODE.text[at + 1 :])
            except WireError:
                continue
            missed += 1
    assert missed <= 5  # of 620, with 10 bits to tell them by


@given(st.text(max_size=40))
def test_nothing_else_is_a_code(text: str) -> None:
    with pytest.raises(WireError, match="code"):
        parse_code(text)


def test_an_id_is_taken_once() -> None:
    first = {make_code(()).id for _ in range(200)}
    assert make_code(first).id not in first


def test_the_secret_cannot_be_seen_in_what_is_kept_or_printed() -> None:
    assert CODE.text[3:18].encode() not in CODE.key()
    assert CODE.text not in repr(CODE)
    assert make_code(()).key() != CODE.key()


def test_the_pictures_text_says_where_and_whose() -> None:
    offer = Offer(CODE, "mqtts://broker.example:8884", "q83vEjRWeJCrze8SNFZ4kA")
    assert parse_offer(offer.uri) == offer
    assert parse_offer(offer.uri.upper().split("?")[0]) == Offer(CODE)
    assert parse_offer(CODE.grouped) == Offer(CODE)
    with pytest.raises(WireError):
        parse_offer(offer.uri + "&broken")
    with pytest.raises(WireError):
        parse_offer("gated-claim:")


def test_only_a_requests_topic_names_a_claim() -> None:
    assert claim_of(request_topic(CODE.id)) == CODE.id
    for topic in ("gates/v1/collector/claims/request/../x", "gates/v1/collector/claims/answer/7KQ",
                  "gates/v1/collector/claims/request/7kq", ""):  # fmt: skip
        assert claim_of(topic) is None


def test_a_request_is_read_by_who_has_the_code_alone() -> None:
    letter = seal_request(CODE.key(), CODE.id, REQUEST)
    assert open_request(CODE.key(), CODE.id, letter) == REQUEST
    assert b"a request" not in letter
    with pytest.raises(WireError):
        open_request(make_code(()).key(), CODE.id, letter)
    with pytest.raises(WireError):
        open_request(CODE.key(), "000" if CODE.id != "000" else "111", letter)


@given(st.binary(max_size=200))
def test_what_a_stranger_sends_is_no_request(letter: bytes) -> None:
    with pytest.raises(WireError):
        open_request(CODE.key(), CODE.id, letter)


@given(st.integers(min_value=0))
def test_one_changed_bit_is_found(bit: int) -> None:
    letter = bytearray(seal_request(CODE.key(), CODE.id, REQUEST))
    at = bit % (8 * len(letter))
    letter[at // 8] ^= 1 << at % 8
    with pytest.raises(WireError):
        open_request(CODE.key(), CODE.id, bytes(letter))


def test_an_answer_is_for_one_request_and_one_machine() -> None:
    letter = seal_request(CODE.key(), CODE.id, REQUEST)
    answer = read_answer(seal_answer(CODE.key(), letter, REQUEST, GRANT))
    assert open_grant(CODE.key(), letter, EXCHANGE, answer) == GRANT
    with pytest.raises(WireError):
        open_grant(make_code(()).key(), letter, EXCHANGE, answer)
    with pytest.raises(WireError):
        open_grant(CODE.key(), seal_request(CODE.key(), CODE.id, REQUEST), EXCHANGE, answer)
    # Whoever finds the code later, and has recorded everything, lacks the machine's own key.
    with pytest.raises(WireError):
        open_grant(CODE.key(), letter, X25519PrivateKey.generate(), answer)


@pytest.mark.parametrize("sealed", ["甲", "AAA", "A\n==", ""])
def test_an_answer_whose_letter_is_no_base64_is_refused(sealed: str) -> None:
    letter = seal_request(CODE.key(), CODE.id, REQUEST)
    answer = read_answer(seal_answer(CODE.key(), letter, REQUEST, GRANT))
    with pytest.raises(WireError):
        open_grant(CODE.key(), letter, EXCHANGE, answer.model_copy(update={"sealed": sealed}))


def test_a_request_with_a_useless_key_gets_no_answer() -> None:
    with pytest.raises(WireError, match="no key"):
        seal_answer(CODE.key(), b"", Request(csr="", exchange="00" * 32), GRANT)


@given(st.binary(max_size=200))
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        open_grant(CODE.key(), b"", EXCHANGE, read_answer(data))
