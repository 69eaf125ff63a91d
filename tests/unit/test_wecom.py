from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import signatures, wecom
from gated.credentials.malformed import MalformedCode
from gated.credentials.recognise import CodeFormat, recognise
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.credentials.verify import Verification, verify
from gated.vocabulary import CredentialStatus, HolderCategory, Reason
from tests.signed_codes import trusted_key

COMPANY = ec.derive_private_key(94_006, ec.SECP256R1())
COMPANY_PUBLIC = COMPANY.public_key()
START = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
OPENVID = 0x0102030405060708


trusted = partial(trusted_key, key=COMPANY_PUBLIC, uses=["WeCom"])


def employee_fields(openvid: int = OPENVID, start: datetime = START, ttl_s: int = 300) -> bytes:
    start_s = int(start.timestamp())
    return (
        b"\x01\x00"
        + openvid.to_bytes(8, "big")
        + start_s.to_bytes(4, "big")
        + ttl_s.to_bytes(2, "big")
    )


def visitor_fields(openvid: int = OPENVID, state: bytes = b"") -> bytes:
    return b"\x01\x01" + openvid.to_bytes(8, "big") + bytes([len(state)]) + state


def sealed(fields: bytes, key: ec.EllipticCurvePrivateKey = COMPANY) -> str:
    return base64.b64encode(fields + signatures.sign(fields, key)).decode()


def judge(text: str, *keys: TrustedKey, now: datetime = START) -> Verification:
    return verify(text, now=now, trust=TrustList.of(keys))


EMPLOYEE = sealed(employee_fields())
VISITOR = sealed(visitor_fields(state=b"hall-3"))

# --- what a code says ----------------------------------------------------------------------------


def test_an_employees_code_is_108_characters_and_says_who_and_until_when() -> None:
    assert len(EMPLOYEE) == 108
    assert segno.make_qr(EMPLOYEE, error="m", boost_error=False).version == 7
    result = judge(EMPLOYEE, trusted())
    assert (result.format, result.status) == (CodeFormat.WECOM, CredentialStatus.VALID)
    assert (result.valid_from, result.valid_until) == (START, START + timedelta(seconds=300))
    proof = result.proof
    assert proof is not None
    assert proof.scope == key_fingerprint(COMPANY_PUBLIC)
    assert proof.subject == str(OPENVID)
    assert (proof.category, proof.is_attendant) == (HolderCategory.STAFF, False)
    assert (proof.max_uses, proof.made_at) == (None, START)


def test_an_employees_code_holds_from_its_start_until_just_before_its_end() -> None:
    for offset_s, status in ((-1, "not_yet_valid"), (0, "valid"), (299, "valid"), (300, "expired")):
        now = START + timedelta(seconds=offset_s)
        assert judge(EMPLOYEE, trusted(), now=now).status == status


def test_a_new_code_is_the_same_card_made_later() -> None:
    later = sealed(employee_fields(start=START + timedelta(seconds=60)))
    first = judge(EMPLOYEE, trusted(), now=START + timedelta(seconds=60)).proof
    second = judge(later, trusted(), now=START + timedelta(seconds=60)).proof
    somebody = judge(sealed(employee_fields(openvid=7)), trusted()).proof
    assert first is not None
    assert second is not None
    assert somebody is not None
    assert first.code_id == second.code_id != somebody.code_id
    assert (first.made_at, second.made_at) == (START, START + timedelta(seconds=60))


@pytest.mark.parametrize("state", [b"", b"hall-3", bytes(16), b"\xff" * 16])
def test_a_visitors_code_opens_once_and_says_nothing_of_time(state: bytes) -> None:
    result = judge(sealed(visitor_fields(state=state)), trusted())
    assert (result.format, result.status) == (CodeFormat.WECOM, CredentialStatus.VALID)
    assert (result.valid_from, result.valid_until) == (None, None)
    proof = result.proof
    assert proof is not None
    assert (proof.category, proof.max_uses) == (HolderCategory.VISITOR, 1)
    assert (proof.subject, proof.made_at) == (str(OPENVID), None)


def test_the_uses_of_a_visitors_codes_are_counted_apart() -> None:
    ids = set()
    for fields in (
        visitor_fields(),
        visitor_fields(state=b"a"),
        visitor_fields(state=b"b"),
        visitor_fields(openvid=2),
    ):
        proof = judge(sealed(fields), trusted()).proof
        assert proof is not None
        ids.add(proof.code_id)
    assert len(ids) == 4


def test_the_signature_cannot_be_changed_to_use_a_code_again() -> None:
    # For every ECDSA signature (r, s) there is a second good one, (r, n - s).
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    data = base64.b64decode(VISITOR)
    s = int.from_bytes(data[-32:], "big")
    twin = base64.b64encode(data[:-32] + (order - s).to_bytes(32, "big")).decode()
    first, second = judge(VISITOR, trusted()), judge(twin, trusted())
    assert first.proof is not None
    assert second.proof is not None
    assert first.proof.code_id == second.proof.code_id


@pytest.mark.parametrize("text", [EMPLOYEE, VISITOR], ids=["employee", "visitor"])
def test_a_person_is_revoked_by_the_companys_key_and_the_persons_number(text: str) -> None:
    ident = key_fingerprint(COMPANY_PUBLIC) + OPENVID.to_bytes(8, "big")
    for revoked, status in (
        ({ident}, CredentialStatus.REVOKED),
        ({ident[:8]}, CredentialStatus.REVOKED),  # the key
        ({ident[8:]}, CredentialStatus.VALID),
    ):
        result = verify(text, now=START, trust=TrustList.of([trusted()]), revoked=revoked)
        assert result.status is status


# --- whose key -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "reasons"),
    [
        ([], (Reason.UNKNOWN_KEY,)),
        ([trusted(uses=None)], (Reason.UNKNOWN_KEY,)),
        ([trusted(uses=frozenset({"GP1"}))], (Reason.UNKNOWN_KEY,)),
        ([trusted(key=Ed25519PrivateKey.generate().public_key())], (Reason.UNKNOWN_KEY,)),
        (
            [trusted(key=rsa.generate_private_key(65_537, 2_048).public_key())],
            (Reason.UNKNOWN_KEY,),
        ),
        (
            [trusted(key=ec.generate_private_key(ec.SECP256R1()).public_key())],
            (Reason.BAD_SIGNATURE,),
        ),
        ([trusted(key=ec.generate_private_key(ec.SECP256R1()).public_key()), trusted()], ()),
    ],
)
def test_only_keys_for_wecom_are_tried(keys: list[TrustedKey], reasons: tuple[Reason, ...]) -> None:
    assert judge(EMPLOYEE, *keys).reasons == reasons


def test_a_key_outside_its_validity_is_not_tried() -> None:
    ended = TrustedKey(
        COMPANY_PUBLIC,
        (b"x",),
        key_fingerprint(COMPANY_PUBLIC),
        "x",
        frozenset({"WeCom"}),
        valid_until=START - timedelta(seconds=1),
    )
    assert judge(EMPLOYEE, ended).reasons == (Reason.UNKNOWN_KEY,)


def test_at_most_eight_keys_are_tried_and_a_ninth_is_told(tmp_path: Path) -> None:
    keys = [ec.derive_private_key(n, ec.SECP256R1()) for n in range(1, 10)]
    entries = sorted(
        (trusted(key=key.public_key()) for key in keys), key=lambda key: key.fingerprint
    )
    by_fingerprint = {key_fingerprint(key.public_key()): key for key in keys}
    for number, entry in enumerate(entries):
        text = sealed(employee_fields(), by_fingerprint[entry.fingerprint])
        expected = CredentialStatus.VALID if number < 8 else CredentialStatus.BAD_SIGNATURE
        assert judge(text, *entries).status is expected

    def jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, object]:
        point = key.public_key().public_numbers()
        x, y = (
            base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")
            for number in (point.x, point.y)
        )
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "gated_uses": ["WeCom"]}

    for count, problems in ((8, 0), (9, 1)):
        document = {"keys": [jwk(key) for key in keys[:count]]}
        (tmp_path / "companies.jwks.json").write_text(json.dumps(document), encoding="utf-8")
        assert len(load_trust(tmp_path).problems) == problems


# --- layout --------------------------------------------------------------------------------------

SIGNATURE = bytes(64)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00" + bytes(14) + SIGNATURE,  # another version
        b"\x02\x00" + bytes(14) + SIGNATURE,
        b"\x01\x02" + bytes(14) + SIGNATURE,  # another type
        b"\x01\x00" + bytes(13) + SIGNATURE,
        b"\x01\x00" + bytes(15) + SIGNATURE,
        b"\x01\x01" + bytes(8) + b"\x01" + SIGNATURE,  # a state that is not there
        b"\x01\x01" + bytes(8) + b"\x00" + b"x" + SIGNATURE,  # a state that should not be there
        b"\x01\x01" + bytes(8) + b"\x11" + bytes(17) + SIGNATURE,  # a state that is too long
        b"\x01\x01" + bytes(8) + b"\xff" + bytes(16) + SIGNATURE,
        b"\x01",
        b"",
    ],
)
def test_another_layout_is_nobodys(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert recognise(text) is None
    assert judge(text, trusted()).reasons == (Reason.UNSUPPORTED,)


def without_padding(text: str) -> str:
    return text.rstrip("=")


def with_more_padding(text: str) -> str:
    return text + "="


def with_a_newline(text: str) -> str:
    return text + "\n"


def after_a_blank(text: str) -> str:
    return " " + text


def in_two_lines(text: str) -> str:
    return text[:50] + "\r\n" + text[50:]


def for_urls(text: str) -> str:
    return text[:-3] + "_-="


def in_full_width(text: str) -> str:
    return "Ａ" + text[1:]


def with_bits_left_over(text: str) -> str:
    return text[:-2] + "B="


@pytest.mark.parametrize(
    "rewrite",
    [
        without_padding,
        with_more_padding,
        with_a_newline,
        after_a_blank,
        in_two_lines,
        for_urls,
        in_full_width,
        with_bits_left_over,
    ],
)
def test_another_way_to_write_base64_is_nobodys(rewrite: Callable[[str], str]) -> None:
    assert recognise(EMPLOYEE) is CodeFormat.WECOM
    assert recognise(rewrite(EMPLOYEE)) is None


def test_a_longer_text_is_not_even_decoded() -> None:
    assert not wecom.has_shape(EMPLOYEE * 30)
    with pytest.raises(MalformedCode):
        wecom.open_envelope(EMPLOYEE * 30)


def test_a_layout_without_a_key_for_it_is_no_more_than_an_unknown_key() -> None:
    text = base64.b64encode(b"\x01\x00" + bytes(range(78))).decode()
    assert judge(text).reasons == (Reason.UNKNOWN_KEY,)
    assert judge(text).proof is None


@given(st.binary(min_size=1, max_size=100), st.sampled_from([b"", b"\x01\x00", b"\x01\x01"]))
def test_no_bytes_in_base64_raise_or_are_valid(data: bytes, head: bytes) -> None:
    text = base64.b64encode(head + data).decode()
    assert judge(text, trusted()).status is not CredentialStatus.VALID
    assert wecom.has_shape(text) == (recognise(text) is CodeFormat.WECOM)


@given(st.integers(0), st.integers(1, 255), st.booleans())
def test_a_code_with_any_other_byte_is_not_valid(
    position: int, change: int, is_visitor: bool
) -> None:
    data = bytearray(base64.b64decode(VISITOR if is_visitor else EMPLOYEE))
    data[position % len(data)] ^= change
    other = base64.b64encode(bytes(data)).decode()
    assert judge(other, trusted()).status is not CredentialStatus.VALID


@given(st.binary(min_size=14, max_size=14))
def test_no_well_signed_fields_raise(fields: bytes) -> None:
    result = judge(sealed(b"\x01\x00" + fields), trusted())
    assert result.proof is not None
