from __future__ import annotations

import base64
import json
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import base45, cbor, cose, hc1, signatures
from gated.credentials.cbor import CborKey, CborValue, Tagged
from gated.credentials.malformed import MalformedCode
from gated.credentials.proof import Vaccination
from gated.credentials.recognise import CodeFormat, recognise
from gated.credentials.signatures import PrivateKey, key_fingerprint
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import TrustList
from gated.credentials.verify import Verification, verify
from gated.vocabulary import CredentialStatus, EvidenceKind, Reason
from tests.signed_codes import check_is_no_grant, hc1_code, hc1_text, self_signed, trusted_key

GOLDEN = Path(__file__).parents[1] / "golden"
PUBLISHED = sorted(path.stem for path in (GOLDEN / "eu-dcc-common").glob("*.json"))
REVOCATION = json.loads((GOLDEN / "dcc-revocation" / "cases.json").read_text(encoding="utf-8"))

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
ISSUED, ENDS = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
P256 = ec.derive_private_key(123_456_789, ec.SECP256R1())
OTHER_P256 = ec.derive_private_key(987_654_321, ec.SECP256R1())
ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY_ID = b"12345678"
CERTIFICATE: dict[CborKey, CborValue] = {
    "ver": "1.3.0",
    "nam": {"fn": "Li", "fnt": "LI"},
    "dob": "1970",
    "v": [
        {
            "tg": "840539006",
            "vp": "1119305005",
            "mp": "EU/1/20/1525",
            "ma": "ORG-100001417",
            "dn": 1,
            "sd": 1,
            "dt": "2021-06-11",
            "co": "NL",
            "is": "Ministry of Health Welfare and Sport",
            "ci": "01:NL:1312D00",
        }
    ],
}
CLAIMS: dict[CborKey, CborValue] = {
    1: "NL",
    4: int(ENDS.timestamp()),
    6: int(ISSUED.timestamp()),
    -260: {1: CERTIFICATE},
}


def trusted(
    key: PrivateKey = P256,
    *,
    uses: frozenset[str] | None = None,
    certifies: frozenset[EvidenceKind] | None = None,
    valid_until: datetime | None = None,
) -> TrustList:
    entry = trusted_key(
        key.public_key(), key_id=KEY_ID, uses=uses, certifies=certifies, valid_until=valid_until
    )
    return TrustList.of([entry])


TRUST = trusted()


def sealed(payload: bytes, key: PrivateKey = P256, key_id: bytes = KEY_ID) -> str:
    return hc1_code(payload, key, key_id)


def with_claims(**changes: CborValue) -> str:
    """Return a code whose claims are changed by number, e.g. ``_4=None``; ... takes one out."""
    return sealed(cbor.encode({**CLAIMS, **{int(key[1:]): v for key, v in changes.items()}}))


CODE = sealed(cbor.encode(CLAIMS))


def judge(
    text: str,
    now: datetime = NOW,
    trust: TrustList = TRUST,
    revoked: frozenset[bytes] = frozenset(),
) -> Verification:
    return verify(text, now=now, trust=trust, revoked=revoked)


def status_of(text: str, now: datetime = NOW, trust: TrustList = TRUST) -> CredentialStatus:
    result = judge(text, now, trust)
    if result.signer is None:
        assert (result.proof, result.valid_from, result.valid_until) == (None, None, None)
    return result.status


# --- published cases -----------------------------------------------------------------------------

ABOUT_TEXTS = (
    "UNPREFIX",
    "B45DECODE",
    "COMPRESSION",
    "DECODE",
    "VERIFY",
    "KEYUSAGE",
    "VALIDJSON",
    "SCHEMAVALIDATION",
    "EXPIRATIONCHECK",
)
"""Steps of reading a text. The others read a picture, or make a code."""

REFUSED_AS = {
    "B1": CredentialStatus.MALFORMED,
    "CBO1": CredentialStatus.MALFORMED,
    "CBO2": CredentialStatus.MALFORMED,
    "CO5": CredentialStatus.BAD_SIGNATURE,
    **{f"CO{number}": CredentialStatus.WRONG_USE for number in range(6, 12)},
    **{f"CO{number}": CredentialStatus.UNKNOWN_KEY for number in (16, 17, 22, 23)},
    "DGC1": CredentialStatus.MALFORMED,
    "DGC2": CredentialStatus.MALFORMED,
    "H1": CredentialStatus.UNSUPPORTED,
    "H2": CredentialStatus.UNSUPPORTED,
    "H3": CredentialStatus.UNSUPPORTED,
    "Z1": CredentialStatus.MALFORMED,
    "Z2": CredentialStatus.MALFORMED,
}


def test_all_published_cases_are_here() -> None:
    assert len(PUBLISHED) == 38
    assert set(REFUSED_AS) < set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_case_is_judged_as_its_authors_expect(name: str, tmp_path: Path) -> None:
    case = json.loads((GOLDEN / "eu-dcc-common" / f"{name}.json").read_text(encoding="utf-8"))
    context, expected = case["TESTCTX"], case["EXPECTEDRESULTS"]
    (tmp_path / "signer.der").write_bytes(base64.b64decode(context["CERTIFICATE"]))
    now = datetime.fromisoformat(context["VALIDATIONCLOCK"])
    result = judge(case["PREFIX"], now, load_trust(tmp_path))
    is_expected = all(expected.get(f"EXPECTED{step}", True) for step in ABOUT_TEXTS)
    assert (result.status is CredentialStatus.VALID) == is_expected
    assert result.status is REFUSED_AS.get(name, CredentialStatus.VALID)
    assert result.format is (None if name.startswith("H") else CodeFormat.HC1)


@pytest.mark.parametrize("case", REVOCATION, ids=lambda case: case["description"])
def test_a_certificate_is_called_as_the_lists_of_the_eu_call_it(case: dict[str, str]) -> None:
    message = hc1.open_envelope(case["barcodeData"])
    claims = hc1.parse_claims(message.payload)
    assert claims is not None
    assert [ident.hex() for ident in hc1.revocation_ids(claims, message)] == [
        case["expUCI"],
        case["expCOUNTRYCODEUCI"],
        case["expSIGNATURE"],
    ]


# --- what is proven ------------------------------------------------------------------------------


def test_a_certificate_proves_its_holder_its_event_and_its_validity() -> None:
    result = judge(CODE)
    assert (result.format, result.status) == (CodeFormat.HC1, CredentialStatus.VALID)
    assert (result.valid_from, result.valid_until) == (ISSUED, ENDS)
    proof = result.proof
    assert proof is not None
    assert (proof.scope, proof.subject) == (b"HC1", "LI<< 1970")
    assert proof.born == (date(1970, 1, 1), date(1970, 12, 31))
    assert proof.statements == (Vaccination("840539006", "EU/1/20/1525", 1, 1, date(2021, 6, 11)),)
    assert proof.revocation_ids[0] == proof.code_id
    assert (proof.category, proof.is_attendant, proof.max_uses) == (None, False, None)


def test_it_holds_from_its_issue_to_the_second_before_its_end() -> None:
    tick = timedelta(microseconds=1)
    for now, status in (
        (ISSUED - tick, CredentialStatus.NOT_YET_VALID),
        (ISSUED, CredentialStatus.VALID),
        (ENDS - tick, CredentialStatus.VALID),
        (ENDS, CredentialStatus.EXPIRED),
    ):
        assert status_of(CODE, now) is status


def test_each_of_its_ids_and_its_key_revoke_it() -> None:
    proof = judge(CODE).proof
    assert proof is not None
    assert len(set(proof.revocation_ids)) == 3
    for ident in (*proof.revocation_ids, key_fingerprint(P256.public_key())):
        result = judge(CODE, revoked=frozenset({ident}))
        assert result.reasons == (Reason.REVOKED,)
    assert judge(CODE, revoked=frozenset({b"another"})).status is CredentialStatus.VALID


def test_a_second_signature_made_of_the_first_is_revoked_with_it() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
    message = cose.sign1(cbor.encode(CLAIMS), P256, KEY_ID)
    s = int.from_bytes(message[-32:], "big")
    twin = hc1_text(message[:-32] + (order - s).to_bytes(32, "big"))
    proof, twins = judge(hc1_text(message)).proof, judge(twin).proof
    assert proof is not None
    assert twins is not None
    assert twins.revocation_ids == proof.revocation_ids


def test_without_an_issuer_the_country_stands_in_its_id() -> None:
    without = sealed(cbor.encode({key: value for key, value in CLAIMS.items() if key != 1}))
    ids = [proof.revocation_ids for code in (CODE, without) if (proof := judge(code).proof)]
    assert len(ids) == 2
    assert ids[0][:2] == ids[1][:2]


# --- keys and what they may certify --------------------------------------------------------------


def test_a_certificate_of_another_use_than_the_signers_is_refused() -> None:
    every, vaccination = frozenset(EvidenceKind), frozenset({EvidenceKind.VACCINATION})
    for certifies, status in (
        (None, CredentialStatus.VALID),
        (vaccination, CredentialStatus.VALID),
        (every, CredentialStatus.VALID),
        (every - vaccination, CredentialStatus.WRONG_USE),
        (frozenset[EvidenceKind](), CredentialStatus.WRONG_USE),
    ):
        assert status_of(CODE, trust=trusted(certifies=certifies)) is status


def test_of_two_certificates_of_one_key_the_one_for_this_use_counts() -> None:
    [entry] = trusted().keys[KEY_ID]
    every, vaccination = frozenset(EvidenceKind), frozenset({EvidenceKind.VACCINATION})
    for order in ((every - vaccination, vaccination), (vaccination, every - vaccination)):
        trust = TrustList.of([replace(entry, certifies=certifies) for certifies in order])
        assert status_of(CODE, trust=trust) is CredentialStatus.VALID


@pytest.mark.parametrize(
    ("issuer", "status"),
    [
        (None, CredentialStatus.VALID),
        (CLAIMS[1], CredentialStatus.VALID),
        ("did:web:example.org", CredentialStatus.UNKNOWN_KEY),
    ],
)
def test_a_key_that_is_bound_to_another_issuer_is_not_known(
    issuer: str | None, status: CredentialStatus
) -> None:
    [entry] = trusted().keys[KEY_ID]
    assert status_of(CODE, trust=TrustList.of([replace(entry, issuer=issuer)])) is status


UNREADABLE = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x03abc")


def trusted_certificate(folder: Path, *extensions: x509.ExtensionType) -> TrustList:
    made = self_signed(P256, *extensions, since=ISSUED, until=ENDS)
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "signer.pem").write_bytes(pem)
    return load_trust(folder)


@pytest.mark.parametrize("is_readable", [True, False])
@pytest.mark.parametrize(
    ("usages", "status"),
    [
        ([], CredentialStatus.VALID),
        (["1.3.6.1.4.1.1847.2021.1.2"], CredentialStatus.VALID),
        (["1.3.6.1.4.1.0.1847.2021.1.2"], CredentialStatus.VALID),
        (["1.3.6.1.4.1.1847.2021.1.1"], CredentialStatus.WRONG_USE),
        (["1.3.6.1.4.1.1847.2021.1.1", "1.3.6.1.5.5.7.3.4"], CredentialStatus.WRONG_USE),
        (["1.3.6.1.4.1.1847.2021.1.1", "1.3.6.1.4.1.1847.2021.1.2"], CredentialStatus.VALID),
    ],
)
def test_the_usages_of_a_certificate_count_even_beside_an_extension_that_cannot_be_read(
    usages: list[str], status: CredentialStatus, is_readable: bool, tmp_path: Path
) -> None:
    extensions: list[x509.ExtensionType] = [] if is_readable else [UNREADABLE]
    if usages:
        oids = [x509.ObjectIdentifier(usage) for usage in usages]
        extensions.append(x509.ExtendedKeyUsage(oids))
    trust = trusted_certificate(tmp_path, *extensions)
    [key_id] = trust.keys
    assert status_of(sealed(cbor.encode(CLAIMS), key_id=key_id), trust=trust) is status


def test_a_key_for_other_uses_signs_no_certificates() -> None:
    for uses, status in (
        (frozenset({"HC1"}), CredentialStatus.VALID),
        (frozenset({"GP1", "HC1"}), CredentialStatus.VALID),
        (frozenset({"GP1", "SHC", "NZCP", "revocations"}), CredentialStatus.WRONG_USE),
        (frozenset[str](), CredentialStatus.WRONG_USE),
    ):
        assert status_of(CODE, trust=trusted(uses=uses)) is status


def test_a_kind_of_key_that_the_format_has_not_signs_no_certificates() -> None:
    text = sealed(cbor.encode(CLAIMS), ED25519)
    assert status_of(text, trust=trusted(ED25519)) is CredentialStatus.WRONG_USE


def test_a_wrong_key_id_is_refused_although_the_signature_holds() -> None:
    text = sealed(cbor.encode(CLAIMS), key_id=b"87654321")
    assert status_of(text) is CredentialStatus.UNKNOWN_KEY


def test_another_keys_signature_under_a_known_id_is_bad() -> None:
    assert status_of(sealed(cbor.encode(CLAIMS), OTHER_P256)) is CredentialStatus.BAD_SIGNATURE


def test_a_signer_whose_certificate_has_ended_is_unknown() -> None:
    ended = trusted(valid_until=NOW - timedelta(seconds=1))
    assert status_of(CODE, trust=ended) is CredentialStatus.UNKNOWN_KEY


def resealed(headers: dict[CborKey, CborValue], unprotected: dict[CborKey, CborValue]) -> str:
    payload, protected = cbor.encode(CLAIMS), cbor.encode(headers)
    signed = cbor.encode(["Signature1", protected, b"", payload])
    signature = signatures.sign(signed, P256)
    return hc1_text(cbor.encode(Tagged(18, [protected, unprotected, payload, signature])))


def test_the_key_decides_the_algorithm_and_never_the_header() -> None:
    assert status_of(resealed({1: -7, 4: KEY_ID}, {})) is CredentialStatus.VALID
    assert status_of(resealed({1: -7}, {4: KEY_ID})) is CredentialStatus.VALID
    for algorithm in (-8, -37, -35, -257, 5, 0, "ES256", None):
        text = resealed({1: algorithm, 4: KEY_ID}, {1: -7})
        assert status_of(text) is CredentialStatus.BAD_SIGNATURE
    others: tuple[CborValue, ...] = (True, 1.0, b"\x26", [-7])
    for other in others:
        text = resealed({1: other, 4: KEY_ID}, {})
        assert status_of(text) is CredentialStatus.MALFORMED


# --- the envelope --------------------------------------------------------------------------------

MESSAGE = cose.sign1(cbor.encode(CLAIMS), P256, KEY_ID)


@pytest.mark.parametrize("tags", ["d2", "d83dd2", ""])
def test_the_tags_of_a_cwt_may_be_both_one_or_none(tags: str) -> None:
    assert status_of(hc1_text(bytes.fromhex(tags) + MESSAGE[1:])) is CredentialStatus.VALID


@pytest.mark.parametrize("tags", ["d83d", "d2d2", "d2d83d", "d1", "d862", "d9d9f7d2", "c0", "d823"])
def test_other_tags_are_malformed(tags: str) -> None:
    assert status_of(hc1_text(bytes.fromhex(tags) + MESSAGE[1:])) is CredentialStatus.MALFORMED


@pytest.mark.parametrize("level", range(10))
def test_every_level_of_compression_is_inflated(level: int) -> None:
    text = "HC1:" + base45.encode(zlib.compress(MESSAGE, level))
    assert status_of(text) is CredentialStatus.VALID


def raw_deflate(data: bytes, window: int) -> bytes:
    compressor = zlib.compressobj(wbits=window)
    return compressor.compress(data) + compressor.flush()


BROKEN: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "not compressed": lambda: MESSAGE,
    "twice compressed": lambda: zlib.compress(zlib.compress(MESSAGE)),
    "gzip": lambda: raw_deflate(MESSAGE, 31),
    "deflate without its header": lambda: raw_deflate(MESSAGE, -15),
    "a byte behind the stream": lambda: zlib.compress(MESSAGE) + b"\0",
    "a second stream behind the first": lambda: zlib.compress(MESSAGE) + zlib.compress(MESSAGE),
    "a byte behind the message": lambda: zlib.compress(MESSAGE + b"\0"),
    "cut off": lambda: zlib.compress(MESSAGE)[:-1],
    "cut off in the checksum": lambda: zlib.compress(MESSAGE)[:-3],
    "a wrong checksum": lambda: zlib.compress(MESSAGE)[:-1] + b"\0",
    "only the header": lambda: b"\x78\x9c",
    "a preset dictionary": lambda: b"\x78\xbb" + zlib.compress(MESSAGE)[2:],
    "compressed nothing": lambda: zlib.compress(b""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_envelope_is_malformed(name: str) -> None:
    assert status_of("HC1:" + base45.encode(BROKEN[name]())) is CredentialStatus.MALFORMED


def test_a_bomb_from_a_serial_scanner_is_refused_before_it_is_inflated() -> None:
    bomb = "HC1:" + base45.encode(zlib.compress(bytes(200 * 1024 * 1024 // 64)))
    assert len(bomb) > 4_296
    assert status_of(bomb) is CredentialStatus.MALFORMED


def test_a_bomb_that_fits_a_qr_code_takes_no_more_memory_than_a_certificate_may() -> None:
    bomb = "HC1:" + base45.encode(zlib.compress(bytes(2_700_000), 9))
    assert 3_000 < len(bomb) <= 4_296
    tracemalloc.start()
    try:
        assert status_of(bomb) is CredentialStatus.MALFORMED
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 400_000


def test_a_message_may_inflate_to_64_kib_and_not_to_one_byte_more() -> None:
    def padded(size: int) -> str:
        room = size - len(cose.sign1(cbor.encode({**CLAIMS, 99: bytes(60_000)}), P256, KEY_ID))
        message = cose.sign1(cbor.encode({**CLAIMS, 99: bytes(60_000 + room)}), P256, KEY_ID)
        assert len(message) == size
        return hc1_text(message)

    assert status_of(padded(65_536)) is CredentialStatus.VALID
    assert status_of(padded(65_537)) is CredentialStatus.MALFORMED


@pytest.mark.parametrize(
    "text", ["", "hc1:", "HC1", " HC1:", "\ufeffHC1:", "ＨＣ１:", "HC2:X", "HL0:"]
)
def test_only_the_exact_prefix_is_recognised(text: str) -> None:
    assert recognise(text) is None
    assert status_of(text + CODE[4:]) is CredentialStatus.UNSUPPORTED


def test_an_envelope_of_another_format_is_not_opened() -> None:
    with pytest.raises(MalformedCode):
        hc1.open_envelope("GP1:" + CODE[4:])


def test_nothing_around_a_code_is_taken_off() -> None:
    for text in (f"{CODE} ", f"{CODE}\n", f"HC1: {CODE[4:]}", f"HC1:{CODE}", CODE.lower()):
        assert status_of(text) in {CredentialStatus.MALFORMED, CredentialStatus.UNSUPPORTED}
    for behind in ("\ud800", "\u0000", "０"):
        assert status_of(CODE + behind) is CredentialStatus.MALFORMED


# --- the claims ----------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", ["_4", "_6"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1,
        -0.5,
        253_402_300_800,
        2**63 - 1,
        -(2**63),
        1e300,
        "1764547200",
        b"i",
        [1],
        {},
    ],
)
def test_a_time_that_is_none_is_malformed(claim: str, value: CborValue) -> None:
    assert status_of(with_claims(**{claim: value})) is CredentialStatus.MALFORMED


@pytest.mark.parametrize("claim", [4, 6, -260])
def test_a_required_claim_must_be_there(claim: int) -> None:
    left = {key: value for key, value in CLAIMS.items() if key != claim}
    assert status_of(sealed(cbor.encode(left))) is CredentialStatus.MALFORMED


def test_a_time_may_be_a_float_and_have_a_fraction() -> None:
    text = with_claims(_4=ENDS.timestamp() + 0.5, _6=ISSUED.timestamp())
    result = judge(text)
    assert result.status is CredentialStatus.VALID
    assert result.valid_until == ENDS + timedelta(seconds=0.5)


@pytest.mark.parametrize("half", ["f97e00", "f97c00", "f9fc00"])
def test_a_time_that_is_not_finite_is_malformed(half: str) -> None:
    payload = cbor.encode(CLAIMS)
    exp = bytes.fromhex("04") + cbor.encode(CLAIMS[4])
    assert payload.count(exp) == 1
    text = sealed(payload.replace(exp, b"\x04" + bytes.fromhex(half)))
    assert status_of(text) is CredentialStatus.MALFORMED


def test_times_at_the_ends_of_the_calendar_are_read() -> None:
    text = with_claims(_4=253_402_300_799, _6=0)
    assert status_of(text) is CredentialStatus.VALID
    assert status_of(with_claims(_4=0, _6=0)) is CredentialStatus.EXPIRED
    both = judge(with_claims(_4=1, _6=253_402_300_799))
    assert both.reasons == (Reason.EXPIRED, Reason.NOT_YET_VALID)


def test_a_certificate_from_the_future_is_not_yet_valid() -> None:
    text = with_claims(_6=int(NOW.timestamp()) + 1)
    assert status_of(text) is CredentialStatus.NOT_YET_VALID


@pytest.mark.parametrize("issuer", [None, 7, b"NL", ["NL"], "N" * 81])
def test_an_issuer_that_is_no_short_text_is_malformed(issuer: CborValue) -> None:
    assert status_of(with_claims(_1=issuer)) is CredentialStatus.MALFORMED


def test_a_claim_that_we_do_not_know_is_ignored() -> None:
    assert status_of(with_claims(_7=b"cti", _99=[1])) is CredentialStatus.VALID
    both: CborValue = {1: CERTIFICATE, 5: [{"url": "shlink:/x"}], "x": None}
    assert status_of(with_claims(**{"_-260": both})) is CredentialStatus.VALID


@pytest.mark.parametrize(
    "content",
    [{5: [{"url": "shlink:/x"}]}, {3: CERTIFICATE}, {4: [CERTIFICATE]}, {-6: {}}, {2: CERTIFICATE}],
)
def test_signed_content_that_is_no_certificate_is_unsupported(content: CborValue) -> None:
    result = judge(with_claims(**{"_-260": content}))
    assert (result.status, result.proof) == (CredentialStatus.UNSUPPORTED, None)
    unsigned = sealed(cbor.encode({**CLAIMS, -260: content}), OTHER_P256)
    assert status_of(unsigned) is CredentialStatus.BAD_SIGNATURE


@pytest.mark.parametrize(
    "content", [{}, None, [], "x", [CERTIFICATE], {1: None}, {1: [CERTIFICATE]}, {1: b"\xa0"}]
)
def test_content_that_cannot_be_a_certificate_is_malformed(content: CborValue) -> None:
    assert status_of(with_claims(**{"_-260": content})) is CredentialStatus.MALFORMED


def changed_in_cbor(old: CborValue, new: str) -> str:
    """Return a code whose payload has other CBOR in the place of one value."""
    payload = cbor.encode(CLAIMS)
    assert payload.count(cbor.encode(old)) == 1
    return sealed(payload.replace(cbor.encode(old), bytes.fromhex(new)))


def test_a_date_may_be_tagged_as_one() -> None:
    given_on = "2021-06-11"
    text = changed_in_cbor(given_on, "c0" + cbor.encode(given_on).hex())
    proof, tagged = judge(CODE).proof, judge(text).proof
    assert proof is not None
    assert tagged is not None
    assert tagged.statements == proof.statements
    for other in ("c0190001", "c04a323032312d30362d3131", "c080"):
        assert status_of(changed_in_cbor(given_on, other)) is CredentialStatus.MALFORMED


@pytest.mark.parametrize(
    "odd",
    [
        "c11a60c2a100",  # tag 1, a date as a number
        "d903ec6a323032312d30362d3131",  # tag 1004, a day
        "d8236a323032312d30362d3131",  # tag 35, a regular expression
        "c2420101",  # a big integer
        "c482010a",  # a decimal fraction
        "d81d00",  # a reference to the whole
        "a201010102",  # a repeated key
        "81818181818181818101",  # nested too deeply
        "6aff32312d30362d3131ffff",  # not UTF-8
        "6ceda0803032312d30362d3131",  # half a surrogate pair, and no date
        "f7",  # undefined
        "f6",  # null
        "fb7ff0000000000000",  # infinity
        "1bffffffffffffffff",  # beyond 64 bits
        "9bffffffffffffffff",  # a huge array
        "5f",  # never ends
        "ff",  # ends nothing
    ],
)
def test_odd_cbor_under_a_good_signature_is_malformed(odd: str) -> None:
    assert status_of(changed_in_cbor("2021-06-11", odd)) is CredentialStatus.MALFORMED


def test_lengths_of_cbor_may_be_open() -> None:
    dates = "7f" + cbor.encode("2021-").hex() + cbor.encode("06-11").hex() + "ff"
    assert status_of(changed_in_cbor("2021-06-11", dates)) is CredentialStatus.VALID


def test_full_width_digits_are_no_date() -> None:
    text = changed_in_cbor("2021-06-11", cbor.encode("２０２１-06-11").hex())
    assert status_of(text) is CredentialStatus.MALFORMED


# --- anything ------------------------------------------------------------------------------------


@given(st.text(alphabet=st.characters(), max_size=400))
def test_no_text_raises_or_is_valid(text: str) -> None:
    check_is_no_grant(judge("HC1:" + text))


@given(st.text(alphabet=base45.ALPHABET, max_size=400))
def test_no_text_in_base45_raises_or_is_valid(text: str) -> None:
    check_is_no_grant(judge("HC1:" + text))


@given(st.binary(max_size=300))
def test_no_compressed_bytes_raise_or_are_valid(data: bytes) -> None:
    for message in (data, b"\xd2" + data, b"\xd2\x84" + data, b"\x84" + data):
        check_is_no_grant(judge(hc1_text(message)))


@given(position=st.integers(0), change=st.integers(1, 255))
def test_a_message_with_any_other_byte_is_not_valid(position: int, change: int) -> None:
    data = bytearray(MESSAGE)
    data[position % len(data)] ^= change
    result = judge(hc1_text(bytes(data)))
    check_is_no_grant(result)
    assert result.proof is None


@given(
    position=st.integers(0, len(CODE) - 1),
    inserted=st.text(alphabet=base45.ALPHABET, max_size=4),
    removed=st.integers(0, 4),
)
def test_a_code_with_any_other_character_is_not_valid(
    position: int, inserted: str, removed: int
) -> None:
    text = CODE[:position] + inserted + CODE[position + removed :]
    if text != CODE:
        check_is_no_grant(judge(text))


@given(st.binary(max_size=120))
def test_no_well_signed_payload_raises(payload: bytes) -> None:
    assert judge(sealed(payload)).status is CredentialStatus.MALFORMED


@given(position=st.integers(0), change=st.binary(min_size=1, max_size=9), removed=st.integers(0, 9))
def test_no_well_signed_change_of_the_payload_raises(
    position: int, change: bytes, removed: int
) -> None:
    payload = cbor.encode(CLAIMS)
    position %= len(payload)
    result = judge(sealed(payload[:position] + change + payload[position + removed :]))
    assert (result.proof is None) == (result.signer is None)
