from __future__ import annotations

import base64
import stat
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gated.credentials import base45, cbor, gp1
from gated.credentials.cbor import Tagged
from gated.credentials.credential import to_credential
from gated.credentials.gp1 import Gp1Claims
from gated.credentials.persons import load_persons
from gated.credentials.privacy import find_identity
from gated.credentials.pseudonym import (
    SiteKey,
    holder_ref,
    load_site_key,
    make_site_key,
    pass_ref,
)
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.credentials.verify import verify
from gated.errors import ConfigError, GatedError
from gated.messages import Credential
from gated.vocabulary import CodeColour, CredentialStatus, Direction, HolderCategory

SITE_KEY = bytes(range(32))
ISSUER = b"12345678"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
STAFF = Gp1Claims(
    sub="t-031",
    category=HolderCategory.STAFF,
    not_before=datetime(2026, 9, 1, tzinfo=UTC),
    expires_at=datetime(2027, 2, 1, tzinfo=UTC),
    cti=bytes(8),
    group="office",
    zones=("gate", "yard"),
    direction=Direction.IN,
    max_uses=3,
    is_attendant=True,
    is_slow=True,
)


# --- references ----------------------------------------------------------------------------------


def test_the_references_of_version_1_never_change() -> None:
    # Anti-passback and the contacts of 14 days are found by these across upgrades.
    assert holder_ref(SITE_KEY, "k4", ISSUER, "s-0412") == "k4:2daffe88c1b06a78"
    assert pass_ref(SITE_KEY, "k4", ISSUER, bytes(8)) == "k4:d8e164020d0b7b49"


def test_another_key_issuer_holder_or_domain_gives_another_reference() -> None:
    references = [
        holder_ref(SITE_KEY, "k4", ISSUER, "s-0412"),
        holder_ref(bytes(32), "k4", ISSUER, "s-0412"),
        holder_ref(SITE_KEY, "k5", ISSUER, "s-0412"),
        holder_ref(SITE_KEY, "k4", b"1234567", "8s-0412"),  # the border between the parts
        holder_ref(SITE_KEY, "k4", b"87654321", "s-0412"),
        holder_ref(SITE_KEY, "k4", ISSUER, "s-0413"),
        pass_ref(SITE_KEY, "k4", ISSUER, b"s-0412"),
    ]
    assert len(set(references)) == len(references)


# --- the site key --------------------------------------------------------------------------------


def test_a_site_key_is_made_for_its_owner_only_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    made = make_site_key(path)
    assert len(made.key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_site_key(path) == made
    assert made.key_id.startswith("k")
    assert base64.b64encode(made.key).decode() not in repr(made)
    assert made.key.hex() not in repr(made)


def test_a_site_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "site.key"
    made = make_site_key(path)
    with pytest.raises(GatedError, match="exists already"):
        make_site_key(path)
    assert load_site_key(path) == made
    with pytest.raises(GatedError):
        make_site_key(tmp_path / "nowhere" / "site.key")


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"not base64!", base64.b64encode(bytes(31)), b"A" * 4_000]
)
def test_a_file_that_is_no_site_key_is_a_configuration_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ConfigError):
        load_site_key(tmp_path / "x")
    with pytest.raises(ConfigError):
        load_site_key(tmp_path / "nowhere")


# --- credentials ---------------------------------------------------------------------------------


def credential_of(
    text: str,
    *,
    now: datetime = NOW,
    uses: frozenset[str] = frozenset({"GP1"}),
    listed: frozenset[str] = frozenset(),
    colour: CodeColour = CodeColour.NONE,
) -> Credential:
    fingerprint = key_fingerprint(KEY.public_key())
    trust = TrustList.of(
        [TrustedKey(KEY.public_key(), (fingerprint,), fingerprint, "x", uses)],
    )
    return to_credential(
        verify(text, now=now, trust=trust),
        presentation="p1",
        colour=colour,
        site_key=SiteKey(SITE_KEY, "k4"),
        listed=listed,
    )


def test_a_valid_pass_becomes_a_credential_without_its_payload() -> None:
    issuer = key_fingerprint(KEY.public_key())
    credential = credential_of(gp1.seal(STAFF, KEY), colour=CodeColour.BLACK)
    assert credential == Credential(
        status=CredentialStatus.VALID,
        format="GP1",
        presentation="p1",
        holder_ref=holder_ref(SITE_KEY, "k4", issuer, "t-031"),
        pass_ref=pass_ref(SITE_KEY, "k4", issuer, bytes(8)),
        category=HolderCategory.STAFF,
        group="office",
        direction=Direction.IN,
        zones=("gate", "yard"),
        max_uses=3,
        is_attendant=True,
        is_slow=True,
        colour=CodeColour.BLACK,
    )
    assert "t-031" not in repr(credential)


def test_an_expired_card_names_its_holder_but_no_attendant() -> None:
    credential = credential_of(gp1.seal(STAFF, KEY), now=STAFF.expires_at)
    assert credential.status is CredentialStatus.EXPIRED
    assert credential.holder_ref is not None
    assert not credential.is_attendant


def test_a_listed_person_is_found_only_under_a_good_signature() -> None:
    text = gp1.seal(STAFF, KEY)
    listed = frozenset({"t-031"})
    assert credential_of(text, listed=listed).is_listed
    assert not credential_of(text, listed=frozenset({"t-032"})).is_listed
    forged = gp1.seal(STAFF, Ed25519PrivateKey.generate())
    assert not credential_of(forged, listed=listed).is_listed


@pytest.mark.parametrize("uses", [frozenset[str](), frozenset({"GP1/visitor"})])
def test_a_key_that_may_not_sign_such_a_pass_names_nobody(uses: frozenset[str]) -> None:
    credential = credential_of(gp1.seal(STAFF, KEY), uses=uses, listed=frozenset({"t-031"}))
    assert credential == Credential(
        status=CredentialStatus.WRONG_USE, format="GP1", presentation="p1"
    )


def test_an_unknown_code_keeps_its_presentation_and_colour_only() -> None:
    assert credential_of("https://example.org", colour=CodeColour.RED) == Credential(
        status=CredentialStatus.UNSUPPORTED,
        format="none",
        presentation="p1",
        colour=CodeColour.RED,
    )


def test_two_passes_of_one_holder_share_the_holder_and_not_the_pass() -> None:
    first = credential_of(gp1.seal(STAFF, KEY))
    second = credential_of(gp1.seal(replace(STAFF, cti=bytes([1] * 8)), KEY))
    assert first.holder_ref == second.holder_ref
    assert first.pass_ref != second.pass_ref


def test_a_rewritten_header_makes_no_second_pass_out_of_one() -> None:
    # Anybody can do this without the key: uses must not be counted by the text.
    text = gp1.seal(STAFF, KEY)
    tagged = cbor.decode(base45.decode(text.removeprefix(gp1.PREFIX)))
    assert isinstance(tagged, Tagged)
    assert isinstance(tagged.value, list)
    protected, _, payload, signature = tagged.value
    parts: list[cbor.CborValue] = [protected, {4: b"anything", 99: 1}, payload, signature]
    other = gp1.PREFIX + base45.encode(cbor.encode(Tagged(18, parts)))
    assert other != text
    assert credential_of(other) == credential_of(text)


# --- the list of persons -------------------------------------------------------------------------


def test_a_persons_list_holds_until_the_end_of_its_day(tmp_path: Path) -> None:
    path = tmp_path / "persons"
    path.write_bytes(
        "\ufeff# 密接名单\n\ns-0412 2026-12-06  # contact\r\nt-031\n"
        "s-1 2026-12-01\ns-1 2026-12-03\ns-2 2026-12-01\ns-2\n".encode()
    )
    persons = load_persons(path)
    assert set(persons.on(date(2026, 12, 1))) == {"s-0412", "t-031", "s-1", "s-2"}
    assert set(persons.on(date(2026, 12, 3))) == {"s-0412", "t-031", "s-1", "s-2"}
    assert set(persons.on(date(2026, 12, 6))) == {"s-0412", "t-031", "s-2"}
    assert set(persons.on(date(2026, 12, 7))) == {"t-031", "s-2"}


def test_a_line_with_two_days_holds_from_the_first_to_the_last_and_lines_add_up(
    tmp_path: Path,
) -> None:
    path = tmp_path / "duty"
    path.write_text("t-7 2026-12-01 2026-12-02\nt-7 2026-12-05 2026-12-05\n", encoding="utf-8")
    listed = load_persons(path, "duty list")
    days = [day for day in range(1, 8) if listed.on(date(2026, 12, day))]
    assert days == [1, 2, 5]


def test_days_that_end_before_they_begin_refuse_the_list_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "duty"
    path.write_text("t-7 2026-12-02 2026-12-01\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^duty list .* in line 1$"):
        load_persons(path, "duty list")


def test_wrong_lines_refuse_the_list_and_are_all_named_without_their_text(tmp_path: Path) -> None:
    path = tmp_path / "persons"
    path.write_text("s-1\n张三\ns-2 tomorrow\ns-3 2026-12-01 x\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="in line 2, 3, 4") as caught:
        load_persons(path)
    assert "张三" not in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x" * (4 * 1024 * 1024 + 1)])
def test_a_persons_list_that_cannot_be_read_is_a_configuration_error(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ConfigError):
        load_persons(tmp_path / "x")
    with pytest.raises(ConfigError):
        load_persons(tmp_path / "nowhere")


# --- what is no pseudonym ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "张三",
        "zhangsan",
        "zhang-san",
        "11010519491231002X",
        "11010519491231002x",
        "110105194912310021",
        "110105491231002",
        "s-110105194912310021",
        "110105-19491231-0021",
        "13800138000",
        "138-0013-8000",
        "t13800138000",
        "s１",
    ],
)
def test_names_and_numbers_of_persons_are_found(text: str) -> None:
    problem = find_identity(text)
    assert problem is not None
    assert text not in problem


@pytest.mark.parametrize("text", ["s-0412", "t-031", "2026-3-2-17", "v7", "20260412", "a.b_1"])
def test_pseudonyms_are_no_identities(text: str) -> None:
    assert find_identity(text) is None


@pytest.mark.parametrize(
    ("uses", "category", "is_on_duty"),
    [
        ({"GP1"}, HolderCategory.STAFF, True),
        ({"GP1/staff"}, HolderCategory.STAFF, True),
        ({"GP1"}, HolderCategory.VISITOR, True),
        ({"GP1/visitor"}, HolderCategory.VISITOR, False),
        ({"GP1/courier", "GP1/student"}, HolderCategory.STUDENT, False),
    ],
)
def test_no_visitors_desk_puts_somebody_on_duty_by_calling_them_like_a_teacher(
    uses: set[str], category: HolderCategory, *, is_on_duty: bool
) -> None:
    claims = replace(STAFF, category=category, is_attendant=False)
    fingerprint = key_fingerprint(KEY.public_key())
    key = TrustedKey(KEY.public_key(), (fingerprint,), fingerprint, "desk", frozenset(uses))
    verification = verify(gp1.seal(claims, KEY), now=NOW, trust=TrustList.of([key]))
    credential = to_credential(
        verification,
        presentation="p",
        site_key=SiteKey(SITE_KEY, "k4"),
        on_duty=frozenset({STAFF.sub}),
    )
    assert credential.status is CredentialStatus.VALID
    assert credential.is_on_duty is is_on_duty
