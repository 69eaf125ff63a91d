"""Changing passes: what a phone shows is good for two minutes, and a copy is good for nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import base45, changing, gp1
from gated.credentials.credential import to_credential
from gated.credentials.pseudonym import SiteKey, phone_key
from gated.credentials.recognise import CodeFormat
from gated.credentials.signatures import key_fingerprint
from gated.credentials.verify import Verification, verify
from gated.vocabulary import CredentialStatus, Reason
from tests.changing_passes import (
    CODE,
    ISSUER,
    NOW,
    NOW_S,
    PASS,
    PHONE,
    PUPIL,
    SCHOOL,
    SITE_KEY,
    STRANGER,
    TRUST,
    VISITORS,
)


def judge(
    text: str,
    now: datetime = NOW,
    *,
    site_key: bytes | None = SITE_KEY,
    revoked: frozenset[bytes] = frozenset(),
) -> Verification:
    return verify(text, now=now, trust=TRUST, revoked=revoked, site_key=site_key)


def refused(text: str, *reasons: Reason, now: datetime = NOW) -> bool:
    return judge(text, now).reasons == reasons


# --- what is good --------------------------------------------------------------------------------


def test_a_fresh_code_is_valid_and_says_when_it_was_made() -> None:
    result = judge(CODE)
    assert (result.format, result.status) == (CodeFormat.GP1T, CredentialStatus.VALID)
    assert result.proof is not None
    assert result.proof.made_at == NOW
    assert (result.proof.subject, result.proof.code_id) == ("s-0412", PUPIL.cti)


def test_the_code_is_made_as_it_is_written_down() -> None:
    # HMAC-SHA-256 by `openssl dgst -mac HMAC`, over the bytes that docs/changing-passes.md tells
    assert PHONE.hex() == "0ce89e58559d732e89f76a464d7793bd3252466c4dbe6c7fe869530498daa670"
    assert (CODE[:13], CODE[13:29]) == ("GP1T:6B07DFF8", "39E7524D5571583E")
    assert CODE[29:] == PASS.removeprefix("GP1:")
    page = (Path(__file__).parents[2] / "docs" / "changing-passes.md").read_text(encoding="utf-8")
    assert f"K = {PHONE.hex()}, and the code begins `{CODE[:29]}`" in page


@pytest.mark.parametrize("age_s", [120, 119.999, 31, 0, -1, -30])
def test_a_code_is_good_from_half_a_minute_before_its_time_to_two_minutes_after(
    age_s: float,
) -> None:
    assert judge(CODE, NOW + timedelta(seconds=age_s)).status is CredentialStatus.VALID


def test_it_stays_a_code_of_capital_letters_and_digits_and_of_nine_versions() -> None:
    assert set(CODE) <= set(base45.ALPHABET)
    assert len(CODE) <= 230
    qr = segno.make_qr(CODE, error="m", boost_error=False)
    assert qr.mode == "alphanumeric"
    assert isinstance(qr.version, int)
    assert qr.version <= 9


def test_the_claim_comes_back_and_takes_two_bytes() -> None:
    assert gp1.parse_claims(gp1.encode_claims(PUPIL)) == PUPIL
    static = gp1.encode_claims(replace(PUPIL, is_changing=False))
    assert len(gp1.encode_claims(PUPIL)) == len(static) + 2


# --- what is refused, and why --------------------------------------------------------------------


@pytest.mark.parametrize("age_s", [120.001, 121, 3_600, -30.001, -31, -86_400])
def test_an_old_code_and_one_of_the_future_are_stale(age_s: float) -> None:
    assert refused(CODE, Reason.STALE_CODE, now=NOW + timedelta(seconds=age_s))


def test_the_pass_as_it_stands_is_a_copy_and_worth_nothing() -> None:
    assert refused(PASS, Reason.STALE_CODE)
    assert judge(PASS, site_key=None).status is CredentialStatus.STALE_CODE


@pytest.mark.parametrize("at", range(len("GP1T:"), len("GP1T:") + 24))
def test_a_changed_time_or_mac_is_a_bad_signature_and_tells_nothing(at: int) -> None:
    other = "0" if CODE[at] != "0" else "1"
    result = judge(CODE[:at] + other + CODE[at + 1 :])
    assert result.reasons == (Reason.BAD_SIGNATURE,)
    assert (result.proof, result.signer, result.valid_until) == (None, None, None)


def test_another_passs_mac_is_a_bad_signature() -> None:
    other = phone_key(SITE_KEY, ISSUER, bytes.fromhex("8899aabbccddeeff"))
    assert refused(changing.wrap(PASS, other, NOW_S), Reason.BAD_SIGNATURE)


def test_another_issuers_pass_of_the_same_number_has_another_key() -> None:
    other = phone_key(SITE_KEY, key_fingerprint(VISITORS.public_key()), PUPIL.cti)
    assert refused(changing.wrap(PASS, other, NOW_S), Reason.BAD_SIGNATURE)


def test_another_sites_phone_is_a_bad_signature() -> None:
    other = phone_key(bytes(32), ISSUER, PUPIL.cti)
    assert refused(changing.wrap(PASS, other, NOW_S), Reason.BAD_SIGNATURE)


def test_without_the_site_key_a_code_is_of_an_unknown_key() -> None:
    assert judge(CODE, site_key=None).reasons == (Reason.UNKNOWN_KEY,)


def test_a_static_pass_in_the_dress_of_a_changing_one_is_malformed() -> None:
    static = gp1.seal(replace(PUPIL, is_changing=False), SCHOOL)
    assert judge(static).status is CredentialStatus.VALID
    assert refused(changing.wrap(static, PHONE, NOW_S), Reason.MALFORMED)


def test_the_offices_signature_comes_before_everything_else() -> None:
    forged = gp1.seal(PUPIL, STRANGER)
    key = phone_key(SITE_KEY, key_fingerprint(STRANGER.public_key()), PUPIL.cti)
    assert refused(changing.wrap(forged, key, 0), Reason.UNKNOWN_KEY)
    message = bytearray(base45.decode(PASS.removeprefix("GP1:")))
    message[-1] ^= 1
    bent = gp1.PREFIX + base45.encode(bytes(message))
    assert refused(changing.wrap(bent, PHONE, NOW_S), Reason.BAD_SIGNATURE)


def test_what_holds_of_a_pass_holds_of_a_changing_one() -> None:
    late = PUPIL.expires_at + timedelta(seconds=1)
    code = changing.wrap(PASS, PHONE, int(late.timestamp()))
    assert refused(code, Reason.EXPIRED, now=late)
    assert refused(CODE, Reason.STALE_CODE, Reason.EXPIRED, now=late)
    assert judge(CODE, revoked=frozenset({PUPIL.cti})).reasons == (Reason.REVOKED,)
    visitors = gp1.seal(PUPIL, VISITORS)
    key = phone_key(SITE_KEY, key_fingerprint(VISITORS.public_key()), PUPIL.cti)
    assert refused(changing.wrap(visitors, key, NOW_S), Reason.WRONG_USE)


BODY = CODE.removeprefix("GP1T:")


@pytest.mark.parametrize(
    "text",
    [
        "GP1T:",
        "GP1T:" + BODY[:24],
        "GP1T:" + BODY[:23],
        "GP1T:" + BODY[:24].lower() + BODY[24:],
        "GP1T: " + BODY,
        "GP1T:" + BODY + "\n",
        "GP1T:" + BODY[:7] + "٣" + BODY[8:],
        "GP1T:" + BODY[:7] + "Ａ" + BODY[8:],
        "GP1T:" + BODY[:24] + "GP1:" + BODY[24:],
        "GP1T:" + BODY[:24] + CODE,
        "GP1T:" + BODY[:24] + "0" * 4_200,
        "GP1T:" + BODY + "0" * 4_296,
        "GP1T:+" + BODY[1:],
        "GP1T:" + BODY[:24] + BODY[25:],
    ],
)
def test_anything_else_behind_the_prefix_is_malformed(text: str) -> None:
    assert judge(text).reasons == (Reason.MALFORMED,)


@pytest.mark.parametrize("text", ["gp1t:" + BODY, " " + CODE, "GP1T" + BODY, "GP1T;" + BODY])
def test_the_prefix_is_exact(text: str) -> None:
    assert judge(text).reasons == (Reason.UNSUPPORTED,)


@given(st.text(max_size=300) | st.text(base45.ALPHABET, max_size=400))
def test_no_text_behind_the_prefix_makes_verify_raise_or_grant(rest: str) -> None:
    for text in ("GP1T:" + rest, "GP1T:" + BODY[:24] + rest):
        assert judge(text).status is not CredentialStatus.VALID


@given(st.integers(0, changing.LAST_TIME_S), st.integers(-200, 200))
def test_a_code_is_good_at_no_other_time_than_its_own(made_s: int, ahead_s: int) -> None:
    claims = replace(PUPIL, not_before=datetime(1970, 1, 1, tzinfo=UTC))
    claims = replace(claims, expires_at=datetime(2200, 1, 1, tzinfo=UTC))
    code = changing.wrap(gp1.seal(claims, SCHOOL), PHONE, made_s)
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=max(0, made_s + ahead_s))
    age_s = (now - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() - made_s
    assert (judge(code, now).status is CredentialStatus.VALID) is (-30 <= age_s <= 120)


# --- as the policy sees it -----------------------------------------------------------------------


def test_only_a_valid_code_tells_the_policy_when_it_was_made() -> None:
    site_key = SiteKey(SITE_KEY, "k1234")
    fresh = to_credential(judge(CODE), presentation="p", site_key=site_key)
    assert (fresh.code_made_s, fresh.format) == (NOW_S, "GP1T")
    early = to_credential(
        judge(CODE, NOW - timedelta(seconds=31)), presentation="p", site_key=site_key
    )
    assert early.code_made_s is None, "a code of the future must not outdate the real ones"
    assert early.pass_ref == fresh.pass_ref


def test_two_codes_of_a_pass_are_two_codes_of_one_pass_whatever_was_written_beside_it() -> None:
    site_key = SiteKey(SITE_KEY, "k1234")
    refs = {
        to_credential(
            judge(changing.wrap(PASS, PHONE, NOW_S + later_s)),
            presentation="p",
            site_key=site_key,
        ).pass_ref
        for later_s in (0, 30)
    }
    assert len(refs) == 1
