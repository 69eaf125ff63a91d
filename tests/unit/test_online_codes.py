"""What is sent to the platform and what its answer means: bounded, by name, and without a text."""

from __future__ import annotations

import json
import string
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.config.verifier import PlatformResult, TokenCharacters, TokenSettings
from gated.credentials.online import (
    ABOUT_THE_CODE,
    OF_THE_HOLDER,
    STATUS_OF_RESULT,
    AnswerCache,
    TokenRefs,
    is_token,
    online_credential,
    token_refs,
)
from gated.credentials.platform import (
    MAX_ANSWER_BYTES,
    Dialect,
    Signer,
    Stamp,
    read_answer,
    request_body,
)
from gated.credentials.pseudonym import SiteKey
from gated.credentials.questions import (
    Answer,
    AskFailure,
    Question,
    decode_answer,
    decode_question,
    encode,
)
from gated.errors import WireError
from gated.messages import MAX_CODE_CHARACTERS
from gated.policy import REASON_OF_STATUS
from gated.units import MonoSeconds
from gated.vocabulary import Check, CodeColour, CredentialStatus, HolderCategory, Reason

PREFIX = "https://code.example/q?"
KIND = TokenSettings(prefix=PREFIX, min_characters=40, max_characters=60)
TOKEN = PREFIX + "7f3a91c2e05b44d6a1"
OPAQUE = TokenSettings(min_characters=16, max_characters=2_048)
KEY = SiteKey(bytes(range(32)), "k1a2b")
OTHER_KEY = SiteKey(bytes(32), "k3c4d")
QUESTION_ID = "0123456789abcdef" * 2
DIALECT = Dialect(("data", "healthStatus"), {"1": PlatformResult.GREEN, "R": PlatformResult.RED})

# --- which codes are sent ------------------------------------------------------------------------


def test_a_code_that_begins_and_is_as_long_as_configured_is_sent() -> None:
    assert is_token(TOKEN, (KIND,))
    assert is_token(TOKEN, (TokenSettings(prefix="PROV"), KIND)), "any of several kinds"


@pytest.mark.parametrize(
    "text",
    [
        "",
        PREFIX,
        TOKEN[:39],
        PREFIX + "7" * 38,
        TOKEN.upper(),
        " " + TOKEN,
        TOKEN + "\n",
        TOKEN + " 1",
        TOKEN + "码",
        TOKEN + "\x00",
        TOKEN.replace("https", "http"),
        TOKEN.replace("code.example", "code.example.evil"),
    ],
)
def test_what_differs_in_one_character_never_leaves_the_gate(text: str) -> None:
    assert not is_token(text, (KIND,))


def test_nothing_is_sent_where_no_kind_is_configured() -> None:
    assert not is_token(TOKEN, ())


@pytest.mark.parametrize(
    "text", ["GP1:" + "A" * 60, "HC1:" + "A" * 60, "GP1T:" + "A" * 60, "GV1:36.8"]
)
def test_what_is_verified_offline_is_never_sent_whatever_the_configuration(text: str) -> None:
    anything = TokenSettings(min_characters=8, max_characters=2_048)
    assert not is_token(text, (anything,))


@pytest.mark.parametrize(
    ("characters", "fits", "fits_not"),
    [
        (TokenCharacters.DIGITS, "0123456789012345", "012345678901234a"),
        (TokenCharacters.HEX, "0123456789abcDEF", "0123456789abcdeg"),
        (TokenCharacters.ALPHANUMERIC, "abcdefghij012345", "abcdefghij01234_"),
        (TokenCharacters.BASE64, "ab+/ef-_ij01234=", "abcdefghij01234."),
        (TokenCharacters.ANY, "abc!def?ghi&jkl=", "abcdefghij01234\x7f"),
    ],
)
def test_the_rest_is_of_the_alphabet_that_is_configured(
    characters: TokenCharacters, fits: str, fits_not: str
) -> None:
    kind = TokenSettings(characters=characters)
    assert is_token(fits, (kind,))
    assert not is_token(fits_not, (kind,))
    assert not is_token("０１２３４５６７８９０１２３４５", (kind,)), (
        "full-width digits are other characters"
    )


@given(st.text(max_size=80))
def test_whatever_is_sent_is_printable_ascii_of_the_configured_length(text: str) -> None:
    if is_token(text, (OPAQUE,)):
        assert len(text) >= 16
        assert set(text) <= set(string.printable) - set(string.whitespace)


def test_the_longest_code_is_looked_at_no_further_than_its_length() -> None:
    assert not is_token("a" * MAX_CODE_CHARACTERS, (OPAQUE,))


# --- what is kept of a code in place of its text -------------------------------------------------


def test_the_references_tell_tokens_and_sites_apart_and_say_nothing_of_the_text() -> None:
    refs = token_refs(TOKEN, KEY)
    assert refs == token_refs(TOKEN, KEY)
    everything = {
        *asdict(refs).values(),
        *asdict(token_refs(TOKEN + "x", KEY)).values(),
        *asdict(token_refs(TOKEN, OTHER_KEY)).values(),
    }
    assert len(everything) == 6, "no two of them are the same"
    assert all(ref.startswith("k1a2b:") for ref in asdict(refs).values())
    assert "code.example" not in repr(refs)


# --- what an answer means ------------------------------------------------------------------------

STATUSES = {
    PlatformResult.GREEN: CredentialStatus.VALID,
    PlatformResult.YELLOW: CredentialStatus.CODE_YELLOW,
    PlatformResult.RED: CredentialStatus.CODE_RED,
    PlatformResult.GREY: CredentialStatus.CODE_GREY,
    PlatformResult.EXPIRED: CredentialStatus.EXPIRED,
    PlatformResult.DOES_NOT_EXIST: CredentialStatus.DOES_NOT_EXIST,
    PlatformResult.VERIFICATION_FAILED: CredentialStatus.VERIFICATION_FAILED,
    PlatformResult.TIME_OUT: CredentialStatus.VERIFIER_TIME_OUT,
}


@pytest.mark.parametrize("result", PlatformResult)
def test_every_result_has_its_status_and_only_green_is_valid(result: PlatformResult) -> None:
    refs = token_refs(TOKEN, KEY)
    credential = online_credential(
        result,
        refs,
        presentation="p7",
        colour=CodeColour.GREEN,
        category=HolderCategory.VISITOR,
    )
    assert STATUS_OF_RESULT[result] is STATUSES[result] is credential.status
    assert (credential.status is CredentialStatus.VALID) is (result is PlatformResult.GREEN)
    assert credential.status is CredentialStatus.VALID or credential.status in REASON_OF_STATUS
    assert (credential.format, credential.presentation) == ("online", "p7")
    assert credential.colour is CodeColour.GREEN
    is_known = result in OF_THE_HOLDER
    assert credential.holder_ref == (refs.holder_ref if is_known else None)
    assert credential.pass_ref == (refs.pass_ref if is_known else None)
    assert credential.category is (HolderCategory.VISITOR if is_known else None)
    assert credential.findings == ()
    assert not credential.is_attendant
    assert TOKEN not in repr(credential)


def test_an_old_answer_is_marked_as_one() -> None:
    credential = online_credential(
        PlatformResult.GREEN,
        token_refs(TOKEN, KEY),
        presentation="p7",
        colour=CodeColour.NONE,
        category=HolderCategory.VISITOR,
        is_old=True,
    )
    assert credential.status is CredentialStatus.VALID
    assert credential.findings == ((Reason.DEGRADED, Check.SOFT),)


# --- the answers that are remembered -------------------------------------------------------------


def refs_of(number: int) -> TokenRefs:
    return token_refs(f"{PREFIX}{number:020d}", KEY)


def test_an_answer_is_found_until_its_age_and_not_at_it() -> None:
    cache = AnswerCache()
    cache.keep(refs_of(1), PlatformResult.GREEN, MonoSeconds(10.0))
    assert cache.find(refs_of(1), MonoSeconds(39.9), max_age_s=30.0) is PlatformResult.GREEN
    assert cache.find(refs_of(1), MonoSeconds(40.0), max_age_s=30.0) is None
    assert cache.find(refs_of(1), MonoSeconds(10.0), max_age_s=0.0) is None, "0: nothing is cached"
    assert cache.find(refs_of(2), MonoSeconds(10.0), max_age_s=30.0) is None


@pytest.mark.parametrize("result", PlatformResult)
def test_only_what_is_about_the_code_is_remembered(result: PlatformResult) -> None:
    cache = AnswerCache()
    cache.keep(refs_of(1), PlatformResult.YELLOW, MonoSeconds(0.0))
    cache.keep(refs_of(1), result, MonoSeconds(1.0))
    found = cache.find(refs_of(1), MonoSeconds(2.0), max_age_s=30.0)
    assert found is (result if result in ABOUT_THE_CODE else PlatformResult.YELLOW)


def test_the_oldest_answer_gives_way() -> None:
    cache = AnswerCache(most=3)
    for number in (1, 2, 3, 1, 4):
        cache.keep(refs_of(number), PlatformResult.GREEN, MonoSeconds(0.0))
    known = [n for n in (1, 2, 3, 4) if cache.find(refs_of(n), MonoSeconds(0.0), max_age_s=1.0)]
    assert known == [1, 3, 4]


# --- the request ---------------------------------------------------------------------------------


def test_the_signature_is_the_one_that_openssl_makes() -> None:
    signer = Signer("school-0412", "/api/v1/verify?v=1", b"a secret of 26 characters!")
    body = request_body("PROV0123456789abcdef")
    stamp = Stamp(1_795_680_000_123, "00112233445566778899aabbccddeeff")
    assert body == b'{"code":"PROV0123456789abcdef"}'
    assert signer.headers(body, stamp) == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "X-App-Id": "school-0412",
        "X-Timestamp": "1795680000123",
        "X-Nonce": "00112233445566778899aabbccddeeff",
        "X-Signature": "58f9589b98cf3e16fb4c5022a15e99fbf28f018e3d72e6c542aaf27a020e6d54",
    }
    assert "secret" not in repr(signer)


def test_every_part_of_a_request_is_signed() -> None:
    key, stamp = b"0123456789abcdef", Stamp(1, "aa")
    body = request_body(TOKEN)
    signatures = {
        Signer("a", "/v", key).signature(body, stamp),
        Signer("b", "/v", key).signature(body, stamp),
        Signer("a", "/w", key).signature(body, stamp),
        Signer("a", "/v", key + b"0").signature(body, stamp),
        Signer("a", "/v", key).signature(request_body(TOKEN + "1"), stamp),
        Signer("a", "/v", key).signature(body, Stamp(2, "aa")),
        Signer("a", "/v", key).signature(body, Stamp(1, "ab")),
    }
    assert len(signatures) == 7


# --- reading an answer ---------------------------------------------------------------------------


def answer_of(value: object) -> bytes:
    data = {"healthStatus": value, "name": "张*", "idCardNo": "3****************8"}
    return json.dumps({"code": 0, "data": data}).encode()


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (1, PlatformResult.GREEN),
        ("1", PlatformResult.GREEN),
        ("R", PlatformResult.RED),
        ("r", AskFailure.UNCLEAR),
        (2, AskFailure.UNCLEAR),
        (1.0, AskFailure.UNCLEAR),
        (True, AskFailure.UNCLEAR),
        (None, AskFailure.UNCLEAR),
        ([1], AskFailure.UNCLEAR),
        ({"1": 1}, AskFailure.UNCLEAR),
        (10**4_000, AskFailure.UNCLEAR),
        ("１", AskFailure.UNCLEAR),
        ("1" * 65, AskFailure.UNCLEAR),
    ],
)
def test_only_a_value_that_is_configured_has_a_meaning(
    value: object, result: PlatformResult | AskFailure
) -> None:
    assert read_answer(200, answer_of(value), DIALECT) is result


@pytest.mark.parametrize("body", [b"{}", b'{"data":null}', b'{"data":[1]}', b'{"data":{}}'])
def test_an_answer_without_the_member_is_unclear(body: bytes) -> None:
    assert read_answer(200, body, DIALECT) is AskFailure.UNCLEAR


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"1",
        b"[1]",
        b"<html>",
        b"\xff",
        b'{"data":{"healthStatus":1}',
        b'{"data":{"healthStatus":1},"data":{"healthStatus":1}}',
        b'{"data":' + b"[" * 10_000,
        b" " * MAX_ANSWER_BYTES + b"{}",
    ],
)
def test_what_is_no_json_object_is_no_answer_of_the_platform(body: bytes) -> None:
    assert read_answer(200, body, DIALECT) is AskFailure.GARBLED


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (201, AskFailure.ERROR),
        (204, AskFailure.ERROR),
        (301, AskFailure.ERROR),
        (307, AskFailure.ERROR),
        (500, AskFailure.ERROR),
        (503, AskFailure.ERROR),
        (401, AskFailure.REFUSES_US),
        (403, AskFailure.REFUSES_US),
        (429, AskFailure.REFUSES_US),
        (400, AskFailure.UNCLEAR),
        (404, AskFailure.UNCLEAR),
        (422, AskFailure.UNCLEAR),
    ],
)
def test_another_status_than_200_opens_for_nobody_and_one_bad_code_is_told_from_a_failure(
    status: int, said: PlatformResult | AskFailure
) -> None:
    assert read_answer(status, answer_of(1), DIALECT) is said


@given(st.integers(0, 999), st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
def test_no_answer_but_a_right_one_is_green(status: int, body: bytes) -> None:
    said = read_answer(status, body, DIALECT)
    assert said is not PlatformResult.GREEN
    assert isinstance(said, PlatformResult | AskFailure)


# --- between controller and uplink ---------------------------------------------------------------


def test_a_question_and_an_answer_cross_as_they_are() -> None:
    question = Question(id=QUESTION_ID, token=TOKEN, until_boot_ms=12_345)
    assert decode_question(encode(question)) == question
    assert TOKEN not in repr(question)
    for result in PlatformResult:
        answer = Answer(id=QUESTION_ID, result=result)
        assert decode_answer(encode(answer)) == answer
    for failure in AskFailure:
        assert decode_answer(encode(Answer(id=QUESTION_ID, failure=failure))).failure is failure


SECRET_WORD = "110105199001011234"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        f'{{"id":"{QUESTION_ID}","token":"{SECRET_WORD}"}}'.encode(),
        f'{{"id":"{QUESTION_ID}","token":["{SECRET_WORD}"],"until_boot_ms":1}}'.encode(),
        f'{{"id":"{SECRET_WORD}","token":"{TOKEN}","until_boot_ms":1}}'.encode(),
        f'{{"id":"{QUESTION_ID}","token":"{SECRET_WORD * 200}","until_boot_ms":1}}'.encode(),
        f'{{"id":"{QUESTION_ID}","token":"a","until_boot_ms":1,"x":"{SECRET_WORD}"}}'.encode(),
        f'{{"id":"{QUESTION_ID}","token":"{SECRET_WORD}","until_boot_ms":"1"}}'.encode(),
        b'{"id":' + b"[" * 20_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_question_is_refused_without_being_quoted(payload: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode_question(payload)
    told = f"{caught.value!r} {caught.value.__cause__!r}"
    assert SECRET_WORD not in told


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"result": "green", "failure": "tls"},
        {"result": "Green"},
        {"result": 1},
        {"result": None},
        {"failure": "because"},
        {"result": "green", "name": "张三"},
    ],
)
def test_an_answer_is_one_known_word_and_nothing_else(members: dict[str, object]) -> None:
    with pytest.raises(WireError):
        decode_answer(json.dumps({"id": QUESTION_ID, **members}).encode())


@pytest.mark.parametrize("text", ["SHC:/" + "5676" * 30, "hc1:" + "ncf" * 30, "Gp1T:" + "a0" * 30])
def test_a_certificate_in_the_wrong_case_is_not_sent_either(text: str) -> None:
    assert not is_token(text, (OPAQUE,))
    assert is_token(text[1:], (OPAQUE,))
