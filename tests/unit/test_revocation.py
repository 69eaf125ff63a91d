"""Signed revocation lists: one of them, several in a folder, and what a gate remembers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gated.clock import TimeQuality
from gated.config import parse_gate
from gated.controller.codes import CodeRules, check_code, load_code_rules
from gated.credentials import base45, cbor, cose, gp1
from gated.credentials.cbor import COSE_SIGN1_TAG, CborKey, CborValue, Tagged
from gated.credentials.keys import public_key_set
from gated.credentials.malformed import MalformedCode
from gated.credentials.pseudonym import make_site_key
from gated.credentials.revocation import (
    CLAIM_IAT,
    CLAIM_IDS,
    CLAIM_NEXT,
    CLAIM_VERSION,
    LIST_TYPE,
    MAX_LIST_BYTES,
    RevocationList,
    make_list,
    read_list,
)
from gated.credentials.revocation_folder import MAX_FILES, Revocations, load_ids, load_revocations
from gated.credentials.revoked import load_revoked
from gated.credentials.signatures import PrivateKey, key_fingerprint
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.credentials.verify import verify
from gated.errors import ConfigError, GatedError
from gated.messages import CodeSeen, CredentialChecked
from gated.units import MonoSeconds
from gated.vocabulary import Check, CodeColour, CredentialStatus, HolderCategory, Reason
from tests.config_texts import with_keys
from tests.signed_codes import trusted_key

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
DAY = timedelta(days=1)
OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
AUTHORITY = ec.derive_private_key(123_456_789, ec.SECP256R1())
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
IDS = (b"\x01" * 8, b"\x02" * 4, b"\x03" * 32)


def trusted(key: PrivateKey, uses: Iterable[str] | None, source: str = "f") -> TrustedKey:
    return trusted_key(key.public_key(), uses=uses, source=source)


TRUST = TrustList.of([trusted(OFFICE, ["GP1"]), trusted(AUTHORITY, ["revocations"])])


def a_list(
    ids: Iterable[bytes] = IDS,
    key: PrivateKey = OFFICE,
    *,
    version: int = 1,
    at: datetime = NOW,
    next_at: datetime | None = None,
) -> bytes:
    return make_list(
        ids, key, version=version, issued_at=at, next_at=next_at or at + timedelta(days=30)
    )


def signed(claims: dict[CborKey, CborValue], message_type: str | None = LIST_TYPE) -> bytes:
    """Return ``claims`` under a good signature, whatever they are."""
    payload = cbor.encode(claims)
    key_id = key_fingerprint(OFFICE.public_key())
    return cose.sign1(payload, OFFICE, key_id, message_type=message_type)


GOOD: dict[CborKey, CborValue] = {
    CLAIM_IAT: int(NOW.timestamp()),
    CLAIM_NEXT: int((NOW + DAY).timestamp()),
    CLAIM_VERSION: 3,
    CLAIM_IDS: [b"\x01" * 8],
}

# --- one list ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [OFFICE, AUTHORITY], ids=["Ed25519", "P-256"])
def test_a_list_says_what_was_put_into_it(key: PrivateKey) -> None:
    read = read_list(a_list(reversed(IDS), key, version=7, next_at=NOW + 2 * DAY), TRUST, NOW)
    assert isinstance(read, RevocationList)
    assert (read.ids, read.version) == (frozenset(IDS), 7)
    assert (read.issued_at, read.next_at) == (NOW, NOW + 2 * DAY)
    assert read.signer.fingerprint == key_fingerprint(key.public_key())


def test_a_list_is_the_same_bytes_whatever_the_order_and_repetition_of_its_ids() -> None:
    assert a_list(IDS) == a_list((*reversed(IDS), IDS[0]))


def test_an_empty_list_is_a_list() -> None:
    read = read_list(a_list(()), TRUST, NOW)
    assert isinstance(read, RevocationList)
    assert read.ids == frozenset()


@pytest.mark.parametrize(
    ("uses", "expected"),
    [
        (["GP1"], None),
        (["revocations"], None),
        (["GP1/visitor", "GP1/attendant", "HC1"], Reason.WRONG_USE),
        ([], Reason.WRONG_USE),
        (None, Reason.WRONG_USE),
    ],
)
def test_only_keys_that_may_sign_lists_are_believed(
    uses: list[str] | None, expected: Reason | None
) -> None:
    read = read_list(a_list(), TrustList.of([trusted(OFFICE, uses)]), NOW)
    assert (read if isinstance(read, Reason) else None) is expected


def test_a_list_by_a_key_that_is_not_trusted_is_not_looked_into() -> None:
    assert read_list(a_list(key=STRANGER), TRUST, NOW) is Reason.UNKNOWN_KEY
    unread = cose.sign1(b"\xff no CBOR", STRANGER, key_fingerprint(OFFICE.public_key()),
                        message_type=LIST_TYPE)  # fmt: skip
    assert read_list(unread, TRUST, NOW) is Reason.BAD_SIGNATURE


def test_every_changed_byte_costs_the_list_its_belief() -> None:
    data = a_list()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x01
        assert isinstance(read_list(bytes(changed), TRUST, NOW), Reason), place
    for end in range(len(data)):
        assert isinstance(read_list(data[:end], TRUST, NOW), Reason), end
    assert read_list(data + b"\0", TRUST, NOW) is Reason.MALFORMED


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    assert isinstance(read_list(data, TRUST, NOW), Reason)


_CASES: list[tuple[str, dict[CborKey, CborValue]]] = [
    ("no version", {k: v for k, v in GOOD.items() if k != CLAIM_VERSION}),
    ("no due date", {k: v for k, v in GOOD.items() if k != CLAIM_NEXT}),
    ("no date", {k: v for k, v in GOOD.items() if k != CLAIM_IAT}),
    ("no ids", {k: v for k, v in GOOD.items() if k != CLAIM_IDS}),
    ("a claim that we do not know", {**GOOD, -3: 1}),
    ("version 0", {**GOOD, CLAIM_VERSION: 0}),
    ("a negative version", {**GOOD, CLAIM_VERSION: -1}),
    ("a version that is true", {**GOOD, CLAIM_VERSION: True}),
    ("a version with a fraction", {**GOOD, CLAIM_VERSION: 1.5}),
    ("due before it was made", {**GOOD, CLAIM_NEXT: int(NOW.timestamp())}),
    ("beyond the year 9999", {**GOOD, CLAIM_NEXT: 253_402_300_800}),
    ("before 1970", {**GOOD, CLAIM_IAT: -1}),
    ("ids that are no list", {**GOOD, CLAIM_IDS: b"\x01" * 8}),
    ("an id that is a text", {**GOOD, CLAIM_IDS: ["0101010101010101"]}),
    ("an id that is too short", {**GOOD, CLAIM_IDS: [b"\x01" * 3]}),
    ("an id that is too long", {**GOOD, CLAIM_IDS: [b"\x01" * 33]}),
    ("one wrong id among good ones", {**GOOD, CLAIM_IDS: [b"\x01" * 8, 5]}),
    ("a repeated id", {**GOOD, CLAIM_IDS: [b"\x01" * 8, b"\x01" * 8]}),
]


@pytest.mark.parametrize("claims", [case[1] for case in _CASES], ids=[case[0] for case in _CASES])
def test_a_well_signed_list_that_is_not_as_described_is_refused(
    claims: dict[CborKey, CborValue],
) -> None:
    assert isinstance(read_list(signed(GOOD), TRUST, NOW), RevocationList)
    assert read_list(signed(claims), TRUST, NOW) is Reason.MALFORMED


def test_a_list_is_no_pass_and_a_pass_is_no_list() -> None:
    claims = gp1.Gp1Claims("s-1", HolderCategory.STUDENT, NOW - DAY, NOW + DAY, b"\x01" * 8)
    payload = gp1.encode_claims(claims)
    key_id = key_fingerprint(OFFICE.public_key())
    # What a pass says, signed as a list, and the reverse: the type alone decides.
    as_list = cose.sign1(payload, OFFICE, key_id, message_type=LIST_TYPE)
    code = gp1.PREFIX + base45.encode(as_list)
    assert verify(code, now=NOW, trust=TRUST).status is CredentialStatus.MALFORMED
    as_pass = gp1.PREFIX + base45.encode(cose.sign1(payload, OFFICE, key_id))
    assert verify(as_pass, now=NOW, trust=TRUST).status is CredentialStatus.VALID
    assert read_list(signed(GOOD, message_type=None), TRUST, NOW) is Reason.MALFORMED
    assert read_list(signed(GOOD, message_type="gated-else+cose"), TRUST, NOW) is Reason.MALFORMED


def test_a_type_that_is_not_signed_makes_no_list() -> None:
    message = cbor.decode(signed(GOOD, message_type=None))
    assert isinstance(message, Tagged)
    assert isinstance(message.value, list)
    protected, _, payload, signature = message.value
    forged = Tagged(COSE_SIGN1_TAG, [protected, {16: LIST_TYPE}, payload, signature])
    assert read_list(cbor.encode(forged), TRUST, NOW) is Reason.MALFORMED


def test_the_bound_of_codes_is_not_that_of_lists() -> None:
    ids = [number.to_bytes(8, "big") for number in range(100_000)]
    data = a_list(ids)
    assert cbor.MAX_BYTES < len(data) < MAX_LIST_BYTES
    read = read_list(data, TRUST, NOW)
    assert isinstance(read, RevocationList)
    assert len(read.ids) == 100_000
    with pytest.raises(MalformedCode, match="too long"):
        cose.parse_sign1(data)
    assert read_list(data + b"\0" * MAX_LIST_BYTES, TRUST, NOW) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("ids", "version", "days"),
    [([b"\x01" * 3], 1, 1), ([b"\x01" * 33], 1, 1), (IDS, 0, 1), (IDS, 2**63, 1), (IDS, 1, 0)],
)
def test_the_office_is_told_of_a_list_that_no_gate_would_take(
    ids: list[bytes], version: int, days: int
) -> None:
    with pytest.raises(GatedError, match="refused at every gate"):
        make_list(ids, OFFICE, version=version, issued_at=NOW, next_at=NOW + days * DAY)


def test_the_office_is_told_of_a_list_that_is_too_large() -> None:
    with pytest.raises(GatedError, match="larger than 4 MiB"):
        a_list(number.to_bytes(32, "big") for number in range(130_000))


# --- how old -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(hours=-1), True),  # two clocks differ
        (timedelta(hours=-1, seconds=-1), False),  # the gate's clock is wrong
        (timedelta(0), True),
        (timedelta(days=7), True),
        (timedelta(days=7, seconds=1), False),
    ],
)
def test_a_list_is_fresh_for_its_time(after: timedelta, expected: bool) -> None:
    read = read_list(a_list(), TRUST, NOW)
    assert isinstance(read, RevocationList)
    assert read.is_fresh(NOW + after, timedelta(days=7)) is expected


def test_a_list_is_old_once_its_publisher_owes_the_next() -> None:
    read = read_list(a_list(next_at=NOW + DAY), TRUST, NOW)
    assert isinstance(read, RevocationList)
    assert read.is_fresh(NOW + DAY - timedelta(seconds=1), timedelta(days=7))
    assert not read.is_fresh(NOW + DAY, timedelta(days=7))


# --- a folder ------------------------------------------------------------------------------------


class Gate:
    """The two folders of a gate."""

    def __init__(self, root: Path) -> None:
        self.folder, self.kept = root / "lists", root / "state" / "revocations"
        self.folder.mkdir()
        self.kept.parent.mkdir()
        self.trust = TRUST

    def put(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def load(self, *, remembers: bool = True) -> Revocations:
        return load_revocations(self.folder, self.kept, self.trust, NOW, remembers=remembers)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_the_lists_of_several_publishers_hold_together(gate: Gate) -> None:
    gate.put("office.rvl", a_list([b"office-1"]))
    gate.put("province", a_list([b"province"], AUTHORITY, version=900))
    lists = gate.load()
    assert lists.ids() == {b"office-1", b"province"}
    assert (lists.problems, lists.set_back) == ((), ())
    assert {each.content.version for each in lists.newest()} == {1, 900}
    assert not lists.are_old(NOW, 7 * DAY)


def test_one_old_list_makes_them_old_and_so_does_none(gate: Gate) -> None:
    assert gate.load().are_old(NOW, 7 * DAY)
    gate.put("office.rvl", a_list())
    gate.put("province", a_list(key=AUTHORITY, at=NOW - 8 * DAY))
    assert gate.load().are_old(NOW, 7 * DAY)
    assert not gate.load().are_old(NOW, 9 * DAY)


def test_a_newer_list_replaces_the_one_before_and_can_take_ids_back(gate: Gate) -> None:
    gate.put("office.rvl", a_list([b"found-again", b"still-lost"], version=1))
    gate.load()
    gate.put("office.rvl", a_list([b"still-lost"], version=2))
    for lists in (gate.load(remembers=False), gate.load(), gate.load()):
        assert lists.ids() == {b"still-lost"}
        assert lists.set_back == ()


def test_an_older_list_takes_nothing_back_and_is_told(gate: Gate) -> None:
    gate.put("office.rvl", a_list([b"lost"], version=5))
    gate.load()
    gate.put("office.rvl", a_list([b"other"], version=4))
    for lists in (gate.load(), gate.load()):  # after a restart as well
        assert lists.ids() == {b"lost", b"other"}
        [sentence] = lists.set_back
        assert "'office.rvl': version 4 is an old list" in sentence
        assert "version 5" in sentence
        assert [each.content.version for each in lists.newest()] == [5]


def test_a_list_that_was_taken_away_goes_on_counting(gate: Gate) -> None:
    gate.put("office.rvl", a_list([b"lost"]))
    gate.load()
    (gate.folder / "office.rvl").unlink()
    lists = gate.load()
    assert lists.ids() == {b"lost"}
    [sentence] = lists.set_back
    assert "no list of that key" in sentence


def test_versions_are_each_keys_own(gate: Gate) -> None:
    gate.put("office.rvl", a_list(version=900))
    gate.put("province", a_list(key=AUTHORITY, version=1))
    gate.load()
    gate.put("province", a_list(key=AUTHORITY, version=2))
    assert gate.load().set_back == ()


def test_without_its_key_in_the_trust_folder_a_list_is_out_of_force(gate: Gate) -> None:
    gate.put("office.rvl", a_list([b"lost"]))
    gate.load()
    (gate.folder / "office.rvl").unlink()
    gate.trust = TrustList.of([trusted(AUTHORITY, ["revocations"])])
    lists = gate.load()
    assert lists.ids() == frozenset()
    assert (lists.problems, lists.set_back) == ((), ())


def test_looking_alone_remembers_nothing(gate: Gate) -> None:
    gate.put("office.rvl", a_list())
    gate.load(remembers=False)
    assert not gate.kept.exists()


def test_what_is_no_list_is_told_by_its_name_and_costs_no_other(gate: Gate) -> None:
    gate.put("good.rvl", a_list([b"lost"]))
    gate.put("changed.rvl", a_list([b"lost"])[:-1] + b"\0")
    gate.put("cut.rvl", a_list()[:-9])
    gate.put("stranger.rvl", a_list(key=STRANGER))
    gate.put("plain.txt", b"0011223344556677\n")
    gate.put(".good.rvl.Xy12", a_list()[:-9])  # a copy in progress
    (gate.folder / "sub").mkdir()
    os.mkfifo(gate.folder / "pipe")
    lists = gate.load()
    assert lists.ids() == {b"lost"}
    told = sorted(problem.removeprefix("revocations, ") for problem in lists.problems)
    assert [line for line in told if line.startswith("'")] == [
        "'changed.rvl': its signature is wrong: changed on the way, or made up",
        "'cut.rvl': not a signed revocation list; copy it again, or take it out of the folder",
        "'plain.txt': not a signed revocation list; copy it again, or take it out of the folder",
        "'stranger.rvl': signed by a key that is not in the trust folder",
    ]
    assert len(told) == 6
    assert any("sub" in line for line in told)
    assert any("pipe" in line for line in told)


def test_a_folder_that_is_missing_is_told_and_the_kept_lists_count(gate: Gate) -> None:
    gate.put("office.rvl", a_list([b"lost"]))
    gate.load()
    (gate.folder / "office.rvl").unlink()
    gate.folder.rmdir()
    lists = gate.load()
    assert lists.ids() == {b"lost"}
    assert len(lists.problems) == 1
    assert "cannot be read" in lists.problems[0]


def test_a_folder_of_too_many_files_is_told(gate: Gate) -> None:
    for number in range(MAX_FILES + 1):
        gate.put(f"{number:03}.rvl", a_list([number.to_bytes(4, "big")], version=number + 1))
    lists = gate.load()
    assert len([each for each in lists.found if not each.is_kept]) == MAX_FILES
    assert any("more than" in problem for problem in lists.problems)


def test_a_copy_that_cannot_be_kept_is_told_and_the_list_counts(gate: Gate) -> None:
    gate.kept.write_bytes(b"in the way")
    gate.put("office.rvl", a_list([b"lost"]))
    lists = gate.load()
    assert lists.ids() == {b"lost"}
    assert any("cannot be remembered" in problem for problem in lists.problems)


# --- as commands name them, and the plain list ---------------------------------------------------


def test_commands_take_a_signed_list_a_plain_one_and_a_folder(tmp_path: Path) -> None:
    signed_file, plain = tmp_path / "lists" / "a.rvl", tmp_path / "plain.txt"
    signed_file.parent.mkdir()
    signed_file.write_bytes(a_list([b"lost"]))
    plain.write_text("# 丢失\n00112233  # 校卡\n", encoding="utf-8-sig")
    assert load_ids(signed_file, TRUST, NOW) == {b"lost"}
    assert load_ids(signed_file.parent, TRUST, NOW) == {b"lost"}
    assert load_ids(plain, TRUST, NOW) == load_revoked(plain) == {bytes.fromhex("00112233")}


def test_commands_refuse_a_list_that_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "a.rvl"
    file.write_bytes(a_list(key=STRANGER))
    for path in (file, tmp_path):
        with pytest.raises(ConfigError, match="not in the trust folder"):
            load_ids(path, TRUST, NOW)
    with pytest.raises(ConfigError, match="missing"):
        load_ids(tmp_path / "none", TRUST, NOW)


# --- what a code is worth ------------------------------------------------------------------------

CTI = b"\x05" * 8
PASS = gp1.seal(
    gp1.Gp1Claims("s-1", HolderCategory.STUDENT, NOW - DAY, NOW + 90 * DAY, CTI), OFFICE
)


def rules_of(root: Path, *keys: str) -> CodeRules:
    trust = root / "trust"
    trust.mkdir(exist_ok=True)
    (trust / "office.json").write_text(public_key_set(OFFICE.public_key()), encoding="utf-8")
    if not (root / "site.key").exists():
        make_site_key(root / "site.key")
    config = parse_gate(
        with_keys("credentials", f'trust = "{trust}"', f'site_key_file = "{root}/site.key"', *keys),
        "gated.toml",
    )
    raw = config.model_dump()
    raw["paths"] |= {"state": root}
    return load_code_rules(type(config).model_validate(raw), UTC, remembers=True)


def checked(
    rules: CodeRules, now: datetime = NOW, quality: TimeQuality = TimeQuality.TRUSTED
) -> CredentialChecked:
    seen = CodeSeen(PASS, "zxing", CodeColour.NONE, "p1")
    answer = check_code(seen, now, MonoSeconds(1.0), rules, time_quality=quality)
    assert isinstance(answer, CredentialChecked)
    return answer


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    (tmp_path / "lists").mkdir()
    return tmp_path / "lists"


def test_a_listed_pass_is_revoked_at_the_gate_and_so_is_every_pass_of_a_listed_key(
    tmp_path: Path, lists: Path
) -> None:
    key = f'revocations = "{lists}"'
    (lists / "a.rvl").write_bytes(a_list([CTI]))
    assert checked(rules_of(tmp_path, key)).credential.status is CredentialStatus.REVOKED
    (lists / "a.rvl").write_bytes(a_list([key_fingerprint(OFFICE.public_key())], version=2))
    assert checked(rules_of(tmp_path, key)).credential.status is CredentialStatus.REVOKED


def test_the_plain_list_and_the_signed_ones_both_count(tmp_path: Path, lists: Path) -> None:
    (lists / "a.rvl").write_bytes(a_list([b"another-1"]))
    (tmp_path / "plain").write_text(CTI.hex(), encoding="ascii")
    rules = rules_of(tmp_path, f'revocations = "{lists}"', f'revocation_file = "{tmp_path}/plain"')
    assert rules.revoked == {CTI, b"another-1"}
    assert checked(rules).credential.status is CredentialStatus.REVOKED


@pytest.mark.parametrize("how", list(Check))
def test_a_valid_pass_is_marked_while_the_lists_are_old(
    tmp_path: Path, lists: Path, how: Check
) -> None:
    keys = [f'revocations = "{lists}"', f'when_revocations_old = "{how}"']
    marked = () if how is Check.OFF else ((Reason.REVOCATIONS_OLD, how),)
    assert checked(rules_of(tmp_path, *keys)).credential.findings == marked, "no list at all"
    (lists / "a.rvl").write_bytes(a_list([b"another-1"]))
    rules = rules_of(tmp_path, *keys)
    assert checked(rules).credential.findings == ()
    assert checked(rules, NOW + 7 * DAY).credential.findings == ()
    assert checked(rules, NOW + 8 * DAY).credential.findings == marked
    keys.append("revocations_max_age_days = 8")
    assert checked(rules_of(tmp_path, *keys), NOW + 8 * DAY).credential.findings == ()


def test_a_clock_that_is_not_known_cannot_say_that_a_list_is_new(
    tmp_path: Path, lists: Path
) -> None:
    (lists / "a.rvl").write_bytes(a_list())
    rules = rules_of(tmp_path, f'revocations = "{lists}"')
    old = ((Reason.REVOCATIONS_OLD, Check.SOFT),)
    assert checked(rules, quality=TimeQuality.UNKNOWN).credential.findings == old
    assert checked(rules, quality=TimeQuality.HOLDOVER).credential.findings == ()


def test_without_a_folder_of_lists_no_pass_is_marked(tmp_path: Path) -> None:
    rules = rules_of(tmp_path)
    assert checked(rules, quality=TimeQuality.UNKNOWN).credential.findings == ()


@pytest.mark.parametrize("line", ["001122", "00" * 33, "0011223", "not hex", "00112233 44556677 x"])
def test_a_line_of_a_plain_list_that_names_no_id_refuses_the_list(
    tmp_path: Path, line: str
) -> None:
    plain = tmp_path / "revoked.txt"
    plain.write_text(f"# lost\n{line}\n00112233\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no id in hex in line 2"):
        load_revoked(plain)
