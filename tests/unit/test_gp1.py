from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import base45, cbor, cose, gp1, signatures
from gated.credentials.gp1 import Gp1Claims
from gated.credentials.malformed import MalformedCode
from gated.credentials.recognise import CodeFormat, recognise
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.credentials.value_sheet import parse_value_sheet
from gated.credentials.verify import Verification, verify
from gated.vocabulary import CredentialStatus, Direction, HolderCategory, Reason
from tests import changing_passes
from tests.changing_passes import SCHOOL, TRUST
from tests.signed_codes import check_is_no_grant

GOLDEN = Path(__file__).parents[1] / "golden" / "gp1"
DOCUMENT = json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))
CASES = {case["name"]: case for case in DOCUMENT["cases"]}
NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
PUPIL = replace(changing_passes.PUPIL, is_changing=False)
PUPILS_CARD = CASES["a pupil's card"]["text"]


def judge(text: str, now: datetime = NOW, revoked: frozenset[bytes] = frozenset()) -> Verification:
    return verify(text, now=now, trust=TRUST, revoked=revoked)


# --- golden cases --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_every_golden_case_is_judged_as_written(name: str) -> None:
    case = CASES[name]
    result = judge(case["text"], datetime.fromisoformat(case["now"]))
    assert result.format == case["format"]
    assert result.status == case["status"]
    assert list(result.reasons) == case["reasons"]
    for moment, expected in (
        (result.valid_from, case["valid_from"]),
        (result.valid_until, case["valid_until"]),
    ):
        assert moment == (None if expected is None else datetime.fromisoformat(expected))


def test_the_pupils_card_is_made_again_to_the_last_character() -> None:
    assert gp1.seal(PUPIL, SCHOOL) == PUPILS_CARD


def test_every_claim_of_the_visitors_pass_is_read() -> None:
    text = CASES["a visitor's pass with every claim"]["text"]
    assert judge(text).status is CredentialStatus.VALID
    assert gp1.parse_claims(gp1.open_envelope(text).payload) == Gp1Claims(
        sub="v-7",
        category=HolderCategory.VISITOR,
        not_before=datetime(2026, 11, 23, tzinfo=UTC),
        expires_at=datetime(2026, 11, 23, 10, tzinfo=UTC),
        cti=bytes.fromhex("8899aabbccddeeff"),
        issued_at=datetime(2026, 11, 22, 8, tzinfo=UTC),
        zones=("canteen", "三号楼"),
        direction=Direction.IN,
        max_uses=1,
        approver="t-031",
        nat_sampled_at=datetime(2026, 11, 22, 1, tzinfo=UTC),
    )


# --- size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [False, True])
def test_a_pupils_pass_fits_200_characters_and_qr_version_8_at_level_m(slow: bool) -> None:
    text = gp1.seal(replace(PUPIL, sub="s-20260412", group="三年2班", is_slow=slow), SCHOOL)
    assert len(text) <= 210
    text = gp1.seal(replace(PUPIL, is_slow=slow), SCHOOL)
    assert len(text) <= 200
    qr = segno.make_qr(text, error="m", boost_error=False)
    assert isinstance(qr.version, int)
    assert qr.version <= 8
    assert qr.mode == "alphanumeric"


# --- rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("category", HolderCategory)
@pytest.mark.parametrize("direction", Direction)
def test_every_category_and_direction_comes_back(
    category: HolderCategory, direction: Direction
) -> None:
    claims = replace(PUPIL, category=category, direction=direction)
    assert gp1.parse_claims(gp1.encode_claims(claims)) == claims


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": ""},
        {"sub": "x" * 33},
        {"sub": "-x1"},
        {"sub": "s 1"},
        {"sub": "s1\n"},
        {"sub": "s１"},
        {"group": ""},
        {"group": "x" * 17},
        {"group": "@SUM"},
        {"group": "g\u202e1"},
        {"zones": ("ok", " ")},
        {"zones": tuple(f"z{n}" for n in range(9))},
        {"max_uses": 0},
        {"max_uses": 1_000_001},
        {"approver": "张三"},
        {"guardian_ref": "=1"},
        {"cti": b"123"},
        {"cti": bytes(17)},
        {"not_before": datetime(1969, 1, 1, tzinfo=UTC)},
        {"expires_at": datetime(2026, 9, 1, tzinfo=UTC)},
    ],
)
def test_a_pass_that_every_gate_would_refuse_is_never_sealed(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedCode):
        gp1.seal(replace(PUPIL, **changes), SCHOOL)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (2, None),
        (2, 7),
        (2, b"s-0412"),
        (4, True),
        (4, "1767225600"),
        (5, 1.5),
        (7, "0011223344556677"),
        (-1, 0),
        (-1, 9),
        (-1, True),
        (-2, 32),
        (-3, "gate"),
        (-3, ["gate", 1]),
        (-3, []),
        (-4, 3),
        (-5, None),
        (-9, 1),
        (-10, "yes"),
        (1, "school"),
        ("sub", "s-0412"),
    ],
)
def test_a_claim_of_another_type_or_none_that_we_know_is_malformed(
    key: int | str, value: cbor.CborValue
) -> None:
    claims = cbor.decode(gp1.encode_claims(PUPIL))
    assert isinstance(claims, dict)
    payload = cbor.encode({**claims, key: value})
    key_id = signatures.key_fingerprint(SCHOOL.public_key())
    text = "GP1:" + base45.encode(cose.sign1(payload, SCHOOL, key_id))
    result = judge(text)
    assert result.reasons == (Reason.MALFORMED,)
    assert (result.proof, result.valid_from, result.valid_until) == (None, None, None)


def test_a_payload_that_is_no_map_is_malformed() -> None:
    for payload in (b"\x80", b"\x01", b""):
        with pytest.raises(MalformedCode):
            gp1.parse_claims(payload)


def test_a_pass_holds_from_its_first_second_to_the_one_before_its_end() -> None:
    second, tick = timedelta(seconds=1), timedelta(microseconds=1)
    for now, status in (
        (PUPIL.not_before - tick, CredentialStatus.NOT_YET_VALID),
        (PUPIL.not_before, CredentialStatus.VALID),
        (PUPIL.expires_at - second, CredentialStatus.VALID),
        (PUPIL.expires_at - tick, CredentialStatus.VALID),
        (PUPIL.expires_at, CredentialStatus.EXPIRED),
    ):
        assert judge(PUPILS_CARD, now).status is status


def test_now_counts_as_a_moment_and_not_as_what_the_clock_on_the_wall_shows() -> None:
    end_in_shanghai = datetime.fromisoformat("2027-02-01T08:00:00+08:00")
    assert judge(PUPILS_CARD, end_in_shanghai).status is CredentialStatus.EXPIRED
    before = end_in_shanghai - timedelta(seconds=1)
    assert judge(PUPILS_CARD, before).status is CredentialStatus.VALID


@pytest.mark.parametrize("what", ["pass", "key"])
def test_a_revoked_pass_and_the_passes_of_a_revoked_key_are_refused(what: str) -> None:
    revoked = PUPIL.cti if what == "pass" else signatures.key_fingerprint(SCHOOL.public_key())
    result = judge(PUPILS_CARD, revoked=frozenset({revoked}))
    assert result.status is CredentialStatus.REVOKED
    late = judge(PUPILS_CARD, PUPIL.expires_at, revoked=frozenset({revoked}))
    assert late.reasons == (Reason.REVOKED, Reason.EXPIRED)
    assert judge(PUPILS_CARD, revoked=frozenset({b"another!"})).status is CredentialStatus.VALID


def test_a_forged_pass_is_never_told_apart_as_revoked() -> None:
    forged = CASES["its claims changed after signing"]["text"]
    result = judge(forged, revoked=frozenset({PUPIL.cti}))
    assert result.reasons == (Reason.BAD_SIGNATURE,)


def test_several_keys_may_share_a_key_id() -> None:
    stranger = Ed25519PrivateKey.generate().public_key()
    school = SCHOOL.public_key()
    shared = (signatures.key_fingerprint(school),)
    keys = [
        TrustedKey(key, shared, signatures.key_fingerprint(key), "x", frozenset({"GP1"}))
        for key in (stranger, ec.generate_private_key(ec.SECP256R1()).public_key(), school)
    ]
    for order in (keys, keys[::-1]):
        result = verify(PUPILS_CARD, now=NOW, trust=TrustList.of(order))
        assert result.status is CredentialStatus.VALID
    without = verify(PUPILS_CARD, now=NOW, trust=TrustList.of(keys[:2]))
    assert without.status is CredentialStatus.BAD_SIGNATURE


def test_the_same_key_in_two_files_may_sign_what_either_permits() -> None:
    school = SCHOOL.public_key()
    fingerprint = signatures.key_fingerprint(school)
    keys = [
        TrustedKey(school, (fingerprint,), fingerprint, name, frozenset({use}))
        for name, use in (("a", "GP1/visitor"), ("b", "GP1/student"))
    ]
    for order in (keys, keys[::-1]):
        result = verify(PUPILS_CARD, now=NOW, trust=TrustList.of(order))
        assert result.status is CredentialStatus.VALID
    without = verify(PUPILS_CARD, now=NOW, trust=TrustList.of(keys[:1]))
    assert without.status is CredentialStatus.WRONG_USE


def test_a_key_outside_its_certificates_validity_is_unknown() -> None:
    school = SCHOOL.public_key()
    fingerprint = signatures.key_fingerprint(school)
    key = TrustedKey(
        school,
        (fingerprint,),
        fingerprint,
        "x",
        frozenset({"GP1"}),
        valid_from=datetime(2026, 10, 1, tzinfo=UTC),
        valid_until=datetime(2026, 12, 1, tzinfo=UTC),
    )
    trust = TrustList.of([key])
    for now, status in (
        (datetime(2026, 9, 30, tzinfo=UTC), CredentialStatus.UNKNOWN_KEY),
        (NOW, CredentialStatus.VALID),
        (datetime(2026, 12, 1, tzinfo=UTC), CredentialStatus.VALID),
        (datetime(2026, 12, 2, tzinfo=UTC), CredentialStatus.UNKNOWN_KEY),
    ):
        assert verify(PUPILS_CARD, now=now, trust=trust).status is status


def test_every_refusing_status_is_also_a_reason_of_the_record() -> None:
    refusing = {status.value for status in CredentialStatus} - {"valid"}
    assert refusing <= {reason.value for reason in Reason}


# --- hostile texts -------------------------------------------------------------------------------


def test_a_text_longer_than_a_qr_code_is_malformed_whatever_it_is() -> None:
    longest = "GP1:" + "0" * 4_292
    assert judge(longest).status is CredentialStatus.MALFORMED
    assert judge(longest + "0").format is CodeFormat.GP1
    for text in (longest + "0", "x" * 4_297, PUPILS_CARD + " " * 200_000):
        assert judge(text).reasons == (Reason.MALFORMED,)
    assert judge("x" * 4_296).status is CredentialStatus.UNSUPPORTED


@given(st.text(alphabet=st.characters(), max_size=400))
def test_no_text_raises_or_is_valid(text: str) -> None:
    for candidate in (text, "GP1:" + text):
        check_is_no_grant(judge(candidate))


@given(st.binary(max_size=300))
def test_no_bytes_in_base45_raise_or_are_valid(data: bytes) -> None:
    check_is_no_grant(judge("GP1:" + base45.encode(data)))


@given(
    position=st.integers(0, len(PUPILS_CARD) - 1),
    inserted=st.text(alphabet=base45.ALPHABET, max_size=4),
    removed=st.integers(0, 4),
)
def test_a_pass_with_any_other_character_is_not_valid(
    position: int, inserted: str, removed: int
) -> None:
    text = PUPILS_CARD[:position] + inserted + PUPILS_CARD[position + removed :]
    if text != PUPILS_CARD:
        check_is_no_grant(judge(text))


@given(position=st.integers(0), change=st.integers(1, 255))
def test_a_pass_with_any_other_byte_is_not_valid(position: int, change: int) -> None:
    data = bytearray(base45.decode(PUPILS_CARD[4:]))
    data[position % len(data)] ^= change
    check_is_no_grant(judge("GP1:" + base45.encode(bytes(data))))


@given(st.binary(max_size=120))
def test_no_well_signed_payload_raises(payload: bytes) -> None:
    key_id = signatures.key_fingerprint(SCHOOL.public_key())
    text = "GP1:" + base45.encode(cose.sign1(payload, SCHOOL, key_id))
    assert judge(text).status is CredentialStatus.MALFORMED


# --- recogniser and value sheet ------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "gp1:", "GP1", " GP1:", "\ufeffGP1:", "ＧＰ１:", "GP2:X"])
def test_only_the_exact_prefix_is_recognised(text: str) -> None:
    assert recognise(text) is None
    assert judge(text).status is CredentialStatus.UNSUPPORTED


@pytest.mark.parametrize(
    ("text", "contact_c"), [("GV1:36.0", 36.0), ("GV1:37.1", 37.1), ("GV1:40.0", 40.0)]
)
def test_a_line_of_the_value_sheet_is_read(text: str, contact_c: float) -> None:
    assert parse_value_sheet(text) == contact_c


@pytest.mark.parametrize(
    "text",
    [
        "GV1:35.9",
        "GV1:40.1",
        "GV1:37",
        "GV1:37.10",
        "GV1:37.1 ",
        " GV1:37.1",
        "GV1:37.1\n",
        "GV1:37,1",
        "GV1:３７.1",
        "GV1:+7.1",
        "GV1:nan",
        "GV1:1e1",
        "gv1:37.1",
        "GV1:",
        "37.1",
        "",
    ],
)
def test_what_is_not_a_line_of_the_value_sheet_is_none(text: str) -> None:
    assert parse_value_sheet(text) is None
