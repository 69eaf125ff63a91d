from __future__ import annotations

import json
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import jws, shc, strict_json
from gated.credentials.malformed import MalformedCode
from gated.credentials.proof import Vaccination
from gated.credentials.recognise import CodeFormat, recognise
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.credentials.verify import Verification, verify
from gated.vocabulary import CredentialStatus, EvidenceKind, Reason
from tests.health_cards import (
    HEADER,
    ISSUER,
    NOW,
    Changes,
    base64url,
    card_payload,
    deflated,
    sealed,
    signed,
    trusted,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "shc"
CASES = {
    case["name"]: case
    for case in json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))["cases"]
}
TRUST = load_trust(GOLDEN / "trust")
EXAMPLE_00 = CASES["example 00, two doses"]


def judge(text: str, *keys: TrustedKey, now: datetime = NOW) -> Verification:
    return verify(text, now=now, trust=TrustList.of(keys or (trusted(),)))


# --- published examples --------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_every_published_example_has_its_result(name: str) -> None:
    case = CASES[name]
    now = datetime.fromisoformat(case["now"])
    result = verify(shc.encode_digits(case["jws"]), now=now, trust=TRUST)
    assert (result.format, result.status) == (CodeFormat.SHC, case["status"])


def test_digits_are_those_of_the_published_code() -> None:
    # The beginning of every card with this header and key, as example-00-f-qr-code-numeric has it.
    assert shc.encode_digits(EXAMPLE_00["jws"]).startswith(
        "shc:/5676290952432060346029243740446031222959532654603460292540772804336028702864716745"
        "222809286133314564376531415906402203064504590856435503414245413640370636654171372412363"
        "80304375622046737407532323925433443326057360106"
    )
    assert shc.encode_digits("X") == "shc:/43"  # the specification's example


def test_what_example_00_says_is_read() -> None:
    result = verify(shc.encode_digits(EXAMPLE_00["jws"]), now=NOW, trust=TRUST)
    proof = result.proof
    assert proof is not None
    assert proof.scope == b"SHC"
    assert proof.subject == "john b.\nanyperson\n1951-01-20"
    assert proof.born == (date(1951, 1, 20), date(1951, 1, 20))
    assert proof.statements == tuple(
        Vaccination("840539006", product="207", dose=None, doses=None, given_on=date(2021, 1, day))
        for day in (1, 29)
    )
    assert result.valid_from == datetime.fromtimestamp(1630616666.128, UTC)
    assert result.valid_until is None


def test_a_card_is_revoked_by_its_identifier_together_with_its_key() -> None:
    case = CASES["example 03, with a revocation identifier"]
    crl = json.loads((GOLDEN / "crl.json").read_text(encoding="utf-8"))
    ids = {shc.rid_revocation_id(crl["kid"], rid.partition(".")[0]) for rid in crl["rids"]}
    others = {shc.rid_revocation_id("another key", rid.partition(".")[0]) for rid in crl["rids"]}
    now = datetime.fromisoformat(case["now"])
    text = shc.encode_digits(case["jws"])
    for revoked, status in ((ids, "revoked"), (others, "valid")):
        assert verify(text, now=now, trust=TRUST, revoked=revoked).status == status
    first = verify(text, now=now, trust=TRUST).proof
    assert first is not None
    by_its_hash = verify(text, now=now, trust=TRUST, revoked={first.code_id})
    assert by_its_hash.status is CredentialStatus.REVOKED


# --- whose key -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ([trusted()], CredentialStatus.VALID),
        ([trusted(issuer=None)], CredentialStatus.VALID),
        ([trusted(issuer=ISSUER + "/")], CredentialStatus.UNKNOWN_KEY),
        ([trusted(issuer="did:web:lab.example")], CredentialStatus.UNKNOWN_KEY),
        ([trusted(issuer="https://other.example"), trusted()], CredentialStatus.VALID),
        ([trusted(uses=frozenset({"SHC"}))], CredentialStatus.VALID),
        ([trusted(uses=frozenset({"GP1"}))], CredentialStatus.WRONG_USE),
        ([trusted(uses=frozenset({"GP1"})), trusted()], CredentialStatus.VALID),
        ([trusted(key=Ed25519PrivateKey.generate().public_key())], CredentialStatus.BAD_SIGNATURE),
    ],
)
def test_the_key_must_be_the_issuers_and_permitted(
    keys: list[TrustedKey], status: CredentialStatus
) -> None:
    assert judge(sealed(card_payload()), *keys).status is status


def test_a_key_is_looked_up_by_its_id_only() -> None:
    text = sealed(card_payload(), header={**HEADER, "kid": "lab-2"})
    assert judge(text).reasons == (Reason.UNKNOWN_KEY,)


def test_nothing_of_a_payload_is_read_before_its_signature_holds() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    for packed in (b"", b"\xff", deflated(b"{"), deflated(card_payload({"exp": 1}))):
        text = shc.encode_digits(signed(packed, stranger))
        assert judge(text).reasons == (Reason.BAD_SIGNATURE,)


# --- the header ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "HS256"},
        {**HEADER, "alg": "RS256"},
        {**HEADER, "alg": "EdDSA"},
        {**HEADER, "alg": "es256"},
        {**HEADER, "alg": -7},
        {**HEADER, "alg": ["ES256"]},
        {"zip": "DEF", "kid": "lab-1"},
        {**HEADER, "zip": "def"},
        {"alg": "ES256", "kid": "lab-1"},
        {"alg": "ES256", "zip": "DEF"},
        {**HEADER, "kid": ""},
        {**HEADER, "kid": 1},
        {**HEADER, "kid": "x" * 65},
        {**HEADER, "kid": "läb"},
        {**HEADER, "kid": "\ud800"},
        {**HEADER, "crit": ["b64"], "b64": False},
        {**HEADER, "x": "x" * 1_100},
        [HEADER],
        "ES256",
        None,
    ],
)
def test_a_header_of_another_form_is_malformed(header: object) -> None:
    assert judge(sealed(card_payload(), header=header)).reasons == (Reason.MALFORMED,)


def test_header_members_that_nobody_needs_are_ignored() -> None:
    text = sealed(card_payload(), header={**HEADER, "typ": "JWT", "jwk": {"kty": "oct", "k": "AA"}})
    assert judge(text).status is CredentialStatus.VALID


def test_a_key_of_another_kind_is_never_used_with_es256() -> None:
    text = sealed(card_payload())
    for key in (Ed25519PrivateKey.generate(), rsa.generate_private_key(65_537, 2_048)):
        assert judge(text, trusted(key=key.public_key())).reasons == (Reason.BAD_SIGNATURE,)


def test_an_empty_or_zero_signature_is_bad() -> None:
    head = signed(deflated(card_payload())).rpartition(".")[0]
    for signature in (b"", bytes(64), bytes(63), bytes(65)):
        text = shc.encode_digits(f"{head}.{base64url(signature)}")
        assert judge(text).reasons == (Reason.BAD_SIGNATURE,)


# --- the payload ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": 1},
        {"iss": "http://lab.example/cards"},
        {"iss": "https://lab.example/cards/"},
        {"iss": "https://"},
        {"iss": "https://lab.example/a b"},
        {"iss": "HTTPS://lab.example"},
        {"iss": "https://" + "x" * 600},
        {"nbf": None},
        {"nbf": "1630616666"},
        {"nbf": True},
        {"nbf": -1},
        {"nbf": -0.5},
        {"exp": "never"},
        {"exp": False},
        {"exp": -1},
        {"exp": 253_402_300_800},
        {"exp": 1_900_000_000_000},  # in milliseconds
        {"vc": None},
        {"vc": []},
    ],
)
def test_a_claim_of_another_form_makes_the_card_malformed(changes: Changes) -> None:
    assert judge(sealed(card_payload(changes))).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize(
    "vc",
    [
        {"type": None},
        {"type": "https://smarthealth.cards#health-card"},
        {"type": []},
        {"type": ["https://smarthealth.cards#covid19", {}]},
        {"credentialSubject": None},
        {"credentialSubject": []},
        {"rid": ""},
        {"rid": "x" * 25},
        {"rid": "a.1"},
        {"rid": 1},
    ],
)
def test_a_credential_of_another_form_makes_the_card_malformed(vc: Changes) -> None:
    assert judge(sealed(card_payload(vc=vc))).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ({"fhirVersion": None}, Reason.MALFORMED),
        ({"fhirVersion": 4}, Reason.MALFORMED),
        ({"fhirVersion": "1.0.2"}, Reason.UNSUPPORTED),
        ({"fhirVersion": "5.0.0"}, Reason.UNSUPPORTED),
        ({"fhirBundle": None}, Reason.MALFORMED),
    ],
)
def test_a_bundle_of_another_version_or_none_is_refused(subject: Changes, reason: Reason) -> None:
    assert judge(sealed(card_payload(subject=subject))).reasons == (reason,)


def test_types_and_members_that_we_do_not_know_are_ignored() -> None:
    vc = {"type": ["https://smarthealth.cards#health-card", "x", 1], "@context": ["y"], "z": None}
    assert judge(sealed(card_payload({"jti": [{}]}, vc=vc))).status is CredentialStatus.VALID


def test_a_card_holds_from_nbf_until_just_before_exp() -> None:
    start_s = int(NOW.timestamp())
    text = sealed(card_payload({"nbf": start_s + 0.5, "exp": start_s + 60.5}))
    for offset_s, status in (
        (0, "not_yet_valid"),
        (0.5, "valid"),
        (60, "valid"),
        (60.5, "expired"),
    ):
        assert judge(text, now=NOW + timedelta(seconds=offset_s)).status == status


def test_a_start_in_milliseconds_is_not_in_our_time() -> None:
    text = sealed(card_payload({"nbf": int(NOW.timestamp()) * 1_000}))
    assert judge(text).reasons == (Reason.NOT_YET_VALID,)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xef\xbb\xbf" + card_payload(),
        card_payload().decode().encode("utf-16"),
        card_payload() + b"{}",
        card_payload().replace(b'"iss"', b'"iss": "https://a.example", "iss"', 1),
        card_payload().replace(b'"4.0.1"', b'"4.0.1", "x": NaN', 1),
        card_payload().replace(b'"4.0.1"', b'"4.0.1", "x": -Infinity', 1),
        card_payload().replace(b'"4.0.1"', b'"4.0.1", "x": 1e999', 1),
        card_payload().replace(b'"4.0.1"', b'"4.0.1", "x": -1e999', 1),
        card_payload().replace(b'"4.0.1"', b'"4.0.1", "x": ' + b"9" * 5_000, 1),
        card_payload().replace(b'"Anyperson"', b'"\\ud800"', 1),
        card_payload().replace(b'"Anyperson"', b'"a", "\\udc00": 1, "x": ""', 1),
        card_payload().replace(b'"4.0.1"', b'"4.0.1", "x": ' + b"[" * 40 + b"]" * 40, 1),
        card_payload().replace(b'"4.0.1"', b'"4.0.1", "x": ' + b"[" * 9_000 + b"]" * 9_000, 1),
        b"[" * 60_000,
        b'{"a":' * 12_000,
        card_payload() + b" " * 65_536,
    ],
    ids=range(20),
)
def test_well_signed_json_with_tricks_is_malformed(payload: bytes) -> None:
    assert judge(sealed(payload)).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\x00",
        deflated(card_payload())[:-1],
        deflated(card_payload()) + b"\x00",
        deflated(deflated(card_payload())),
        zlib.compress(card_payload()),
        card_payload()[:900],
        deflated(bytes(1_000_000)),
    ],
    ids=["empty", "cut", "cut late", "more behind", "twice", "zlib", "not at all", "bomb"],
)
def test_a_well_signed_payload_that_is_not_raw_deflate_is_malformed(packed: bytes) -> None:
    assert judge(shc.encode_digits(signed(packed))).reasons == (Reason.MALFORMED,)


def test_as_much_as_is_allowed_is_inflated_and_not_a_byte_more() -> None:
    assert len(jws.inflate(deflated(bytes(65_536)))) == 65_536
    for size in (65_537, 50_000_000):
        with pytest.raises(MalformedCode):
            jws.inflate(deflated(bytes(size)))
    assert strict_json.decode(b"1" + b" " * 65_535) == 1
    with pytest.raises(MalformedCode):
        strict_json.decode(b"1" + b" " * 65_536)


# --- the text ------------------------------------------------------------------------------------

DIGITS = shc.encode_digits(EXAMPLE_00["jws"])[5:]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("shc:/1/2/" + DIGITS[:800], Reason.UNSUPPORTED),
        ("shc:/2/2/" + DIGITS[800:], Reason.UNSUPPORTED),
        ("shc:/3/3/56", Reason.UNSUPPORTED),
        ("shc:/0/2/" + DIGITS, Reason.MALFORMED),
        ("shc:/3/2/" + DIGITS, Reason.MALFORMED),
        ("shc:/1/9999/" + DIGITS, Reason.MALFORMED),
        ("shc:/1/" + DIGITS, Reason.MALFORMED),
        ("shc:/1/2/", Reason.MALFORMED),
        ("shc:/" + DIGITS + "\n", Reason.MALFORMED),
        ("shc:/ " + DIGITS, Reason.MALFORMED),
        ("shc:/" + DIGITS[:-1], Reason.MALFORMED),
        ("shc:/" + DIGITS + "0", Reason.MALFORMED),
        ("shc:/" + DIGITS + "78", Reason.MALFORMED),  # beyond "z"
        ("shc:/" + DIGITS + "99", Reason.MALFORMED),
        ("shc:/" + DIGITS + "02", Reason.MALFORMED),  # "/"
        ("shc:/" + DIGITS + "01", Reason.MALFORMED),  # "."
        ("shc:/５６" + DIGITS[2:], Reason.MALFORMED),
        ("shc:/" + EXAMPLE_00["jws"], Reason.MALFORMED),
        ("shc:/", Reason.MALFORMED),
        ("shc:/0", Reason.MALFORMED),
        ("shc:/0101", Reason.MALFORMED),
        ("shc:/" + "0" * 4_290, Reason.MALFORMED),
        ("shc:/" + "0101" + "5" * 4_286, Reason.MALFORMED),
    ],
)
def test_a_text_of_another_form_is_refused(text: str, reason: Reason) -> None:
    result = verify(text, now=NOW, trust=TRUST)
    assert (result.format, result.reasons) == (CodeFormat.SHC, (reason,))


def test_one_part_of_one_is_the_whole_card() -> None:
    # The framework leaves "1/1/" out; its reference validator reads such cards with a warning.
    assert verify("shc:/1/1/" + DIGITS, now=NOW, trust=TRUST).status is CredentialStatus.VALID


def test_bits_left_over_in_base64_must_be_zero() -> None:
    text = signed(deflated(card_payload()))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]  # 64 bytes leave four bits over
    assert judge(shc.encode_digits(text)).status is CredentialStatus.VALID
    assert judge(shc.encode_digits(other)).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize("text", ["SHC:/56", "Shc:/56", " shc:/56", "shc:56", "shc://56", "shc"])
def test_only_the_exact_prefix_is_recognised(text: str) -> None:
    assert recognise(text) is (CodeFormat.SHC if text == "shc://56" else None)
    assert judge(text).status is not CredentialStatus.VALID


# --- hostile texts -------------------------------------------------------------------------------


@given(st.text(max_size=300), st.text("0123456789/", max_size=300), st.binary(max_size=200))
def test_no_text_raises_or_is_valid(text: str, digits: str, data: bytes) -> None:
    dotted = ".".join(base64url(part) for part in (data[:60], data[60:120], data[120:]))
    for candidate in ("shc:/" + text, "shc:/" + digits, shc.encode_digits(dotted)):
        assert judge(candidate).status is not CredentialStatus.VALID


@given(position=st.integers(0, len(DIGITS) // 2 - 1), character=st.integers(0, 77))
def test_a_card_with_any_other_character_is_not_valid(position: int, character: int) -> None:
    other = DIGITS[: 2 * position] + f"{character:02}" + DIGITS[2 * position + 2 :]
    result = verify("shc:/" + other, now=NOW, trust=TRUST)
    assert (result.status is CredentialStatus.VALID) == (other == DIGITS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda items: st.lists(items) | st.dictionaries(st.text(), items),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(["iss", "nbf", "exp", "vc"]), JSON, min_size=1),
    st.dictionaries(st.sampled_from(["type", "credentialSubject", "rid"]), JSON),
    st.dictionaries(st.sampled_from(["fhirVersion", "fhirBundle"]), JSON),
)
def test_no_well_signed_payload_raises(changes: Changes, vc: Changes, subject: Changes) -> None:
    for payload in (card_payload(changes), card_payload(vc=vc), card_payload(subject=subject)):
        result = judge(sealed(payload))
        assert result.status is not CredentialStatus.BAD_SIGNATURE


def test_a_certificate_for_hc1s_tests_signs_no_card_of_vaccinations() -> None:
    key = replace(trusted(issuer=None), certifies=frozenset({EvidenceKind.TEST}))
    assert judge(sealed(card_payload()), key).status is CredentialStatus.WRONG_USE
