from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import cbor, cose, nzcp
from gated.credentials.cbor import CborKey, CborValue, Tagged
from gated.credentials.recognise import CodeFormat, recognise
from gated.credentials.signatures import PrivateKey
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.credentials.verify import Verification, verify
from gated.vocabulary import CredentialStatus, EvidenceKind, Reason
from tests.signed_codes import check_is_no_grant, nzcp_code, nzcp_text, trusted_key

GOLDEN = Path(__file__).parents[1] / "golden" / "nzcp"
DOCUMENT = json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))
CASES = {case["name"]: case for case in DOCUMENT["cases"]}
TRUST = load_trust(GOLDEN / "trust")
NOW = datetime.fromisoformat(DOCUMENT["now"])
VALID = CASES["valid worked example"]["text"]
ISSUER_KEY = ec.derive_private_key(64_000_000, ec.SECP256R1())
ISSUER_PUBLIC = ISSUER_KEY.public_key()
DID = "did:web:health.example"
CONTEXT = "https://www.w3.org/2018/credentials/v1"


trusted = partial(trusted_key, key=ISSUER_PUBLIC, key_id=b"key-1", issuer=DID)


def pass_payload(
    changes: dict[CborKey, CborValue] | None = None,
    *,
    credential: dict[CborKey, CborValue] | None = None,
    subject: dict[CborKey, CborValue] | None = None,
) -> bytes:
    """Return the claims of a good pass, with ``changes``; None takes a claim out."""
    holder: dict[CborKey, CborValue] = {
        "givenName": "Aroha",
        "familyName": "Ngata",
        "dob": "1979-04-14",
    }
    vc = changed(
        {
            "@context": [CONTEXT, "https://nzcp.covid19.health.nz/contexts/v1"],
            "version": "1.0.0",
            "type": ["VerifiableCredential", "PublicCovidPass"],
            "credentialSubject": changed(holder, subject),
        },
        credential,
    )
    start = int(NOW.timestamp())
    claims: dict[CborKey, CborValue] = {
        1: DID,
        4: start + 60,
        5: start,
        7: bytes(range(16)),
        "vc": vc,
    }
    return cbor.encode(changed(claims, changes))


def changed(
    members: dict[CborKey, CborValue], changes: dict[CborKey, CborValue] | None
) -> dict[CborKey, CborValue]:
    return {k: v for k, v in {**members, **(changes or {})}.items() if v is not None}


def sealed(payload: bytes, key: PrivateKey = ISSUER_KEY, key_id: bytes = b"key-1") -> str:
    return nzcp_code(payload, key, key_id)


def judge(text: str, *keys: TrustedKey, now: datetime = NOW) -> Verification:
    return verify(text, now=now, trust=TrustList.of(keys or (trusted(),)))


# --- published examples --------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_every_published_example_has_its_published_result(name: str) -> None:
    result = verify(CASES[name]["text"], now=NOW, trust=TRUST)
    assert (result.format, result.status) == (CodeFormat.NZCP, CASES[name]["status"])
    assert result.reasons == (() if name.startswith("valid") else (Reason(CASES[name]["status"]),))


def test_what_the_valid_example_says_is_read() -> None:
    result = verify(VALID, now=NOW, trust=TRUST)
    proof = result.proof
    assert proof is not None
    assert (proof.scope, proof.statements, proof.category) == (b"NZCP", (), None)
    assert proof.subject == "jack\nsparrow\n1960-04-16"
    assert proof.born == (date(1960, 4, 16), date(1960, 4, 16))
    assert proof.code_id == bytes.fromhex("60a4f54d4e304332be33ad78b1eafa4b")
    assert result.valid_from == datetime(2021, 11, 2, 20, 5, 30, tzinfo=UTC)
    assert result.valid_until == datetime(2031, 11, 2, 20, 5, 30, tzinfo=UTC)
    revoked = verify(VALID, now=NOW, trust=TRUST, revoked={proof.code_id})
    assert revoked.status is CredentialStatus.REVOKED


# --- whose key -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        ([trusted()], CredentialStatus.VALID),
        ([trusted(issuer=None)], CredentialStatus.VALID),
        ([trusted(issuer="did:web:elsewhere.example")], CredentialStatus.UNKNOWN_KEY),
        ([trusted(issuer="did:web:elsewhere.example"), trusted()], CredentialStatus.VALID),
        ([trusted(uses=frozenset({"NZCP"}))], CredentialStatus.VALID),
        ([trusted(uses=frozenset({"GP1", "HC1"}))], CredentialStatus.WRONG_USE),
        ([trusted(uses=frozenset({"GP1"})), trusted()], CredentialStatus.VALID),
        ([trusted(key=Ed25519PrivateKey.generate().public_key())], CredentialStatus.BAD_SIGNATURE),
    ],
)
def test_the_key_must_be_the_issuers_and_permitted(
    keys: list[TrustedKey], status: CredentialStatus
) -> None:
    assert judge(sealed(pass_payload()), *keys).status is status


def test_a_pass_holds_from_nbf_until_just_before_exp() -> None:
    text = sealed(pass_payload())
    for offset_s, status in ((-1, "not_yet_valid"), (0, "valid"), (59, "valid"), (60, "expired")):
        assert judge(text, now=NOW + timedelta(seconds=offset_s)).status == status


def test_one_person_has_one_subject_however_the_name_is_written() -> None:
    def subject(**names: str | None) -> str:
        result = judge(sealed(pass_payload(subject=dict(names.items()))))
        assert result.proof is not None
        return result.proof.subject

    first = subject(givenName="José  Luis", familyName="Ñandú")
    assert subject(givenName=" JOSE\u0301 LUIS", familyName="n\u0303andu\u0301") == first
    assert subject(givenName="José", familyName="Luis Ñandú") != first
    assert subject(givenName="José Luis", familyName="Ñandú", dob="1979-04-15") != first
    assert subject(givenName="José Luis Ñandú", familyName=None) != first


def test_claims_that_the_specification_does_not_name_are_ignored() -> None:
    text = sealed(pass_payload({2: "x", "other": [1]}, credential={"x": 1}, subject={"y": None}))
    assert judge(text).status is CredentialStatus.VALID


# --- the rules of the specification --------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {1: None},
        {1: 1},
        {1: "https://health.example"},
        {1: "did:key:z6Mk"},
        {1: "did:web:"},
        {1: "did:web:a b"},
        {4: None},
        {4: "1951416330"},
        {4: 1951416330.5},
        {4: True},
        {4: -1},
        {4: 2**62},
        {5: None},
        {5: b"1"},
        {7: None},
        {7: bytes(15)},
        {7: bytes(17)},
        {7: "urn:uuid:60a4f54d-4e30-4332-be33-ad78b1eafa4b"},
        {"vc": None},
        {"vc": []},
    ],
)
def test_a_claim_that_breaks_a_rule_makes_the_pass_malformed(
    changes: dict[CborKey, CborValue],
) -> None:
    assert judge(sealed(pass_payload(changes))).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize(
    "changes",
    [
        {"@context": None},
        {"@context": CONTEXT},
        {"@context": []},
        {"@context": ["https://nzcp.covid19.health.nz/contexts/v1", CONTEXT]},
        {"@context": [CONTEXT, 1]},
        {"type": None},
        {"type": ["PublicCovidPass", "VerifiableCredential"]},
        {"type": ["VerifiableCredential"]},
        {"type": ["VerifiableCredential", "PublicCovidPass", "Other"]},
        {"version": None},
        {"version": 1},
        {"version": "1"},
        {"version": "１.0.0"},
        {"credentialSubject": None},
        {"credentialSubject": "Aroha"},
    ],
)
def test_a_credential_that_breaks_a_rule_makes_the_pass_malformed(
    changes: dict[CborKey, CborValue],
) -> None:
    assert judge(sealed(pass_payload(credential=changes))).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize(
    "changes",
    [
        {"givenName": None},
        {"givenName": 1},
        {"givenName": "x" * 101},
        {"familyName": "x" * 101},
        {"familyName": ["Ngata"]},
        {"givenName": "", "familyName": " "},
        {"dob": None},
        {"dob": "1979-4-14"},
        {"dob": "1979-02-30"},
        {"dob": "１979-04-14"},
        {"dob": "1979-04-14T00:00:00Z"},
        {"dob": 1979},
    ],
)
def test_a_holder_that_breaks_a_rule_makes_the_pass_malformed(
    changes: dict[CborKey, CborValue],
) -> None:
    assert judge(sealed(pass_payload(subject=changes))).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize(
    "credential",
    [{"version": "1.0.1"}, {"version": "2.0.0"}, {"type": ["VerifiableCredential", "OtherPass"]}],
)
def test_another_type_or_version_of_pass_is_unsupported(
    credential: dict[CborKey, CborValue],
) -> None:
    assert judge(sealed(pass_payload(credential=credential))).reasons == (Reason.UNSUPPORTED,)


@pytest.mark.parametrize("payload", [b"", b"\xa0", b"\x80", b"\xff", b"\xa1\x01\xf9\x7e\x00"])
def test_a_well_signed_payload_that_is_no_pass_is_malformed(payload: bytes) -> None:
    assert judge(sealed(payload)).reasons == (Reason.MALFORMED,)


def test_nothing_of_a_payload_is_read_before_its_signature_holds() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    for payload in (b"\xff", pass_payload({4: 1}), pass_payload({1: None})):
        assert judge(sealed(payload, stranger)).reasons == (Reason.BAD_SIGNATURE,)
        assert judge(sealed(payload, key_id=b"key-2")).reasons == (Reason.UNKNOWN_KEY,)


# --- the envelope --------------------------------------------------------------------------------


def message(protected: dict[CborKey, CborValue], unprotected: dict[CborKey, CborValue]) -> bytes:
    header = cbor.encode(protected) if protected else b""
    return cbor.encode(Tagged(18, [header, unprotected, pass_payload(), bytes(64)]))


@pytest.mark.parametrize(
    ("protected", "unprotected"),
    [
        ({}, {1: -7, 4: b"key-1"}),
        ({1: -7}, {4: b"key-1"}),
        ({4: b"key-1"}, {1: -7}),
        ({1: -8, 4: b"key-1"}, {}),
        ({1: -37, 4: b"key-1"}, {}),
        ({1: 5, 4: b"key-1"}, {}),  # HMAC
        ({1: "ES256", 4: b"key-1"}, {}),
        ({1: -7, 4: "key-1"}, {}),
        ({1: -7, 2: [4], 4: b"key-1"}, {}),
        ({1: -7, 4: b"key-1"}, {2: [4]}),
    ],
)
def test_algorithm_and_key_id_must_stand_in_the_protected_header(
    protected: dict[CborKey, CborValue], unprotected: dict[CborKey, CborValue]
) -> None:
    text = nzcp_text(message(protected, unprotected))
    assert judge(text).reasons == (Reason.MALFORMED,)


def test_a_key_of_another_kind_is_never_used_with_es256() -> None:
    text = sealed(pass_payload())
    for key in (Ed25519PrivateKey.generate(), rsa.generate_private_key(65_537, 2_048)):
        assert judge(text, trusted(key=key.public_key())).reasons == (Reason.BAD_SIGNATURE,)


@pytest.mark.parametrize("prefix", ["", "d83d", "d83dd2", "d2d2"])
def test_only_tag_18_is_taken(prefix: str) -> None:
    untagged = cose.sign1(pass_payload(), ISSUER_KEY, b"key-1")[1:]
    assert judge(nzcp_text(b"\xd2" + untagged)).status is CredentialStatus.VALID
    assert judge(nzcp_text(bytes.fromhex(prefix) + untagged)).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (VALID.replace("/1/", "/2/"), Reason.UNSUPPORTED),
        (VALID.replace("/1/", "/0/"), Reason.UNSUPPORTED),
        (VALID.replace("/1/", "/1999/"), Reason.UNSUPPORTED),
        (VALID.replace("/1/", "/01/"), Reason.MALFORMED),
        (VALID.replace("/1/", "/１/"), Reason.MALFORMED),
        (VALID.replace("/1/", "/-1/"), Reason.MALFORMED),
        (VALID.replace("/1/", "/x/"), Reason.MALFORMED),
        (VALID.replace("/1/", "/"), Reason.MALFORMED),
        ("NZCP:/", Reason.MALFORMED),
        ("NZCP:/1", Reason.MALFORMED),
        ("NZCP:/1/", Reason.MALFORMED),
        (VALID + "=", Reason.MALFORMED),
        (VALID + "\n", Reason.MALFORMED),
        (VALID + " ", Reason.MALFORMED),
        (VALID[:-1], Reason.MALFORMED),
        (VALID + "AA", Reason.MALFORMED),  # a byte behind the message
        (VALID[:8] + VALID[8:].lower(), Reason.MALFORMED),
        (VALID[:8] + "0" + VALID[9:], Reason.MALFORMED),
        (VALID[:8] + "２" + VALID[9:], Reason.MALFORMED),
    ],
)
def test_a_text_of_another_form_is_refused(text: str, reason: Reason) -> None:
    result = verify(text, now=NOW, trust=TRUST)
    assert (result.format, result.reasons) == (CodeFormat.NZCP, (reason,))


def test_bits_left_over_in_base32_must_be_zero() -> None:
    text = sealed(pass_payload(subject={"givenName": "Aro"}))
    padded = next(
        sealed(pass_payload(subject={"givenName": "A" * length}))
        for length in range(1, 9)
        if len(sealed(pass_payload(subject={"givenName": "A" * length}))) % 8 == 2
    )
    assert judge(text).status is judge(padded).status is CredentialStatus.VALID
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".index(padded[-1])
    other = padded[:-1] + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[last ^ 1]
    assert judge(other).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize("text", ["nzcp:/1/A", " NZCP:/1/A", "NZCP:1/A", "ＮＺＣＰ:/1/A", "NZCP"])
def test_only_the_exact_prefix_is_recognised(text: str) -> None:
    assert recognise(text) is None


# --- the issuer's document -----------------------------------------------------------------------


def test_a_key_of_another_type_or_with_its_private_part_is_not_taken(tmp_path: Path) -> None:
    document = json.loads((GOLDEN / "trust" / "did.json").read_text(encoding="utf-8"))
    method = document["verificationMethod"][0]
    for changes, problem in (
        ({"type": "EcdsaSecp256k1VerificationKey2019"}, "not used here"),
        ({"publicKeyJwk": {**method["publicKeyJwk"], "d": "AA"}}, "private key"),
        ({"publicKeyJwk": {**method["publicKeyJwk"], "crv": "P-384"}}, "not used here"),
    ):
        changed_document = {**document, "verificationMethod": [{**method, **changes}]}
        (tmp_path / "did.json").write_text(json.dumps(changed_document), encoding="utf-8")
        trust = load_trust(tmp_path)
        assert not trust.keys
        assert problem in trust.problems[0]


# --- hostile texts -------------------------------------------------------------------------------


@given(st.text(max_size=300), st.binary(max_size=300))
def test_no_text_raises_or_is_valid(text: str, data: bytes) -> None:
    for candidate in ("NZCP:/1/" + text, nzcp_text(data)):
        check_is_no_grant(judge(candidate))


@given(position=st.integers(0), change=st.integers(1, 255))
def test_a_pass_with_any_other_byte_is_not_valid(position: int, change: int) -> None:
    data = bytearray(base64.b32decode(VALID[8:]))
    data[position % len(data)] ^= change
    check_is_no_grant(verify(nzcp_text(bytes(data)), now=NOW, trust=TRUST))


PLAIN: st.SearchStrategy[CborValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary(),
    lambda items: st.lists(items) | st.dictionaries(st.text() | st.integers(0, 9), items),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from([1, 4, 5, 7, "vc"]), PLAIN, min_size=1),
    st.dictionaries(st.sampled_from(["@context", "type", "version"]), PLAIN),
)
def test_no_well_signed_claims_raise(
    changes: dict[CborKey, CborValue], credential: dict[CborKey, CborValue]
) -> None:
    for payload in (pass_payload(changes), pass_payload(credential=credential)):
        result = judge(sealed(payload))
        assert result.status is not CredentialStatus.BAD_SIGNATURE


def test_a_list_signed_by_the_same_key_is_no_pass() -> None:
    data = cose.sign1(pass_payload(), ISSUER_KEY, b"key-1", message_type="gated-revocations+cose")
    assert judge(nzcp_text(data)).reasons == (Reason.MALFORMED,)
    assert nzcp.open_envelope(sealed(pass_payload())) is not None


@pytest.mark.parametrize("certifies", [frozenset({EvidenceKind.TEST}), frozenset(EvidenceKind)])
def test_a_certificate_for_tests_or_vaccinations_of_hc1_signs_no_pass(
    certifies: frozenset[EvidenceKind],
) -> None:
    text = sealed(pass_payload())
    key = replace(trusted(issuer=None), certifies=certifies)
    result = verify(text, now=NOW, trust=TrustList.of([key]))
    assert result.status is CredentialStatus.WRONG_USE
