from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import cbor, cose, signatures
from gated.credentials.cbor import CborValue, Tagged
from gated.credentials.malformed import MalformedCode

ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256 = ec.derive_private_key(123_456_789, ec.SECP256R1())
KEY_ID = b"12345678"

# --- CBOR ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("a1026173", {2: "s"}),
        ("a161780a", {"x": 10}),
        ("83010203", [1, 2, 3]),
        ("9f0102ff", [1, 2]),  # indefinite length: other issuers write it
        ("3903e7", -1000),
        ("1b7fffffffffffffff", 2**63 - 1),
        ("3b7fffffffffffffff", -(2**63)),
        ("f5", True),
        ("f6", None),
        ("fb3ff199999999999a", 1.1),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("d28101", Tagged(18, [1])),
        ("d83dd28101", Tagged(61, Tagged(18, [1]))),
        ("81" * 8 + "01", [[[[[[[[1]]]]]]]]),
    ],
)
def test_what_signed_codes_are_made_of_is_decoded(data: str, value: CborValue) -> None:
    assert cbor.decode(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "nothing"),
        ("0102", "trailing bytes"),
        ("a201010102", "a repeated key"),
        ("a20101180102", "a repeated key in two encodings"),
        ("a20101f502", "1 and true are one key in Python"),
        ("a1f97e0001", "NaN as a key"),
        ("a1f501", "a boolean as a key"),
        ("a1810101", "an array as a key"),
        ("a1410101", "bytes as a key"),
        ("f97e00", "NaN"),
        ("f97c00", "infinity"),
        ("fbfff0000000000000", "minus infinity"),
        ("81" * 9 + "01", "nested 9 deep"),
        ("9f" * 9 + "01" + "ff" * 9, "nested 9 deep, of indefinite length"),
        ("81" * 2_000 + "01", "nested 2,000 deep"),
        ("d2" * 9 + "01", "tags 9 deep"),
        ("d81c81d81d00", "a list that contains itself"),
        ("d823622e2a", "a regular expression"),
        ("c249010000000000000000", "a big integer"),
        ("1bffffffffffffffff", "an integer beyond 64 bits"),
        ("3bffffffffffffffff", "a negative integer beyond 64 bits"),
        ("c11a514b67b0", "a date"),
        ("d9d9f701", "the tag that says CBOR"),
        ("c5821b7fffffffffffffff01", "a big float"),
        ("9b7fffffffffffffff", "a huge array"),
        ("bb7fffffffffffffff", "a huge map"),
        ("7b7fffffffffffffff", "a huge text"),
        ("5b7fffffffffffffff00", "huge bytes"),
        ("63eda080", "half a surrogate pair"),
        ("61ff", "not UTF-8"),
        ("f7", "undefined"),
        ("e5", "a simple value"),
        ("1c", "a reserved length"),
        ("ff", "a break without a beginning"),
        ("9f01", "an array without an end"),
    ],
)
def test_tricks_are_malformed(data: str, why: str) -> None:
    with pytest.raises(MalformedCode):
        cbor.decode(bytes.fromhex(data))


def test_what_is_longer_than_any_code_is_not_decoded() -> None:
    with pytest.raises(MalformedCode):
        cbor.decode(b"\x59\xff\xfe" + bytes(65_534))
    assert cbor.decode(b"\x59\xff\xfd" + bytes(65_533)) == bytes(65_533)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_malformed(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except MalformedCode:
        return
    assert cbor.decode(cbor.encode(value)) == value


# --- COSE_Sign1 ----------------------------------------------------------------------------------


def message(
    payload: CborValue = b"payload",
    *,
    protected: dict[int | str, CborValue] | None = None,
    unprotected: CborValue = None,
    signature: CborValue = b"",
) -> bytes:
    header: dict[int | str, CborValue] = {1: -8, 4: KEY_ID}
    if protected is not None:
        header = protected
    parts: list[CborValue] = [
        cbor.encode(header) if header else b"",
        {} if unprotected is None else unprotected,
        payload,
        signature,
    ]
    return cbor.encode(Tagged(18, parts))


@pytest.mark.parametrize("key", [ED25519, P256])
def test_a_signed_message_verifies_under_its_key_only(key: signatures.PrivateKey) -> None:
    parsed = cose.parse_sign1(cose.sign1(b"payload", key, KEY_ID))
    assert parsed.payload == b"payload"
    assert parsed.key_id == KEY_ID
    assert cose.is_signed_by(parsed, key.public_key())
    others: list[signatures.PrivateKey] = [
        Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        ED25519,
        P256,
    ]
    assert not any(
        cose.is_signed_by(parsed, other.public_key()) for other in others if other is not key
    )


def test_ps256_verifies_and_not_with_another_padding() -> None:
    key = rsa.generate_private_key(65_537, 2_048)
    protected = cbor.encode({1: -37})
    signed = cbor.encode(["Signature1", protected, b"", b"payload"])

    def parsed(signature: bytes) -> cose.Sign1:
        return cose.parse_sign1(message(protected={1: -37}, signature=signature))

    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    good = key.sign(signed, pss, hashes.SHA256())
    assert cose.is_signed_by(parsed(good), key.public_key())
    old = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    assert not cose.is_signed_by(parsed(old), key.public_key())


def test_the_published_es256_example_verifies() -> None:
    # RFC 8152 appendix C.2.1; its key "11" stands in appendix C.7.1.
    key = ec.EllipticCurvePublicNumbers(
        0xBAC5B11CAD8F99F9C72B05CF4B9E26D244DC189F745228255A219A86D6A09EFF,
        0x20138BF82DC1B6D562BE0FA54AB7804A3A64B6D72CCFED6B6FB6ED28BBFC117E,
        ec.SECP256R1(),
    ).public_key()
    data = bytes.fromhex(
        "d28443a10126a10442313154546869732069732074686520636f6e74656e742e"
        "58408eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e"
        "2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36"
    )
    parsed = cose.parse_sign1(data)
    assert parsed.key_id == b"11"
    assert parsed.payload == b"This is the content."
    assert cose.is_signed_by(parsed, key)


@pytest.mark.parametrize("algorithm", [-7, -37, -35, 0, 2**62, "EdDSA", None])
def test_the_key_decides_the_algorithm_and_not_the_message(algorithm: CborValue) -> None:
    protected: dict[int | str, CborValue] = {} if algorithm is None else {1: algorithm}
    header = cbor.encode(protected) if protected else b""
    signature = ED25519.sign(cbor.encode(["Signature1", header, b"", b"payload"]))
    parsed = cose.parse_sign1(message(protected=protected, signature=signature))
    assert not cose.is_signed_by(parsed, ED25519.public_key())


def test_algorithm_and_key_id_may_stand_in_the_unprotected_header() -> None:
    signature = ED25519.sign(cbor.encode(["Signature1", b"", b"", b"payload"]))
    data = message(protected={}, unprotected={1: -8, 4: KEY_ID}, signature=signature)
    parsed = cose.parse_sign1(data)
    assert parsed.key_id == KEY_ID
    assert cose.is_signed_by(parsed, ED25519.public_key())


def test_an_empty_protected_map_is_signed_as_no_bytes() -> None:
    signature = ED25519.sign(cbor.encode(["Signature1", b"", b"", b"payload"]))
    data = cbor.encode(Tagged(18, [b"\xa0", {1: -8, 4: KEY_ID}, b"payload", signature]))
    assert cose.is_signed_by(cose.parse_sign1(data), ED25519.public_key())


def test_the_protected_header_wins() -> None:
    parsed = cose.parse_sign1(message(unprotected={1: -7, 4: b"somebody"}))
    assert (parsed.algorithm, parsed.key_id) == (-8, KEY_ID)


def test_both_tags_are_accepted_and_no_others() -> None:
    data = message()
    assert cose.parse_sign1(b"\xd8\x3d" + data) == cose.parse_sign1(data)
    for other in (data[1:], b"\xd8\x3d" + data[1:], b"\xd2" + data, b"\xd8\x3d\xd8\x3d" + data):
        with pytest.raises(MalformedCode):
            cose.parse_sign1(other)


@pytest.mark.parametrize(
    "data",
    [
        message(None),  # detached
        message("text"),
        message(signature=None),
        message(unprotected=[]),
        message(protected={1: -8, 2: [1]}),  # critical
        message(unprotected={2: [1]}),
        message(protected={1: True}),
        message(protected={1: [1]}),
        message(protected={4: "text"}),
        message(protected={4: bytes(65)}),
        cbor.encode(Tagged(18, [b"\x80", {}, b"", b""])),
        cbor.encode(Tagged(18, [b"\xa1", {}, b"", b""])),
        cbor.encode(Tagged(18, [b"", {}, b""])),
        cbor.encode(Tagged(18, [b"", {}, b"", b"", b""])),
        cbor.encode(Tagged(18, {})),
        cbor.encode([b"", {}, b"", b""]),
    ],
)
def test_what_is_not_a_sign1_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedCode):
        cose.parse_sign1(data)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 4_000])
@pytest.mark.parametrize("key", [ED25519, P256])
def test_a_signature_of_another_length_is_bad(key: signatures.PrivateKey, length: int) -> None:
    algorithm = int(signatures.algorithm_of(key.public_key()))
    parsed = cose.parse_sign1(message(protected={1: algorithm}, signature=bytes(length)))
    assert not cose.is_signed_by(parsed, key.public_key())


def test_weak_and_foreign_kinds_of_keys_are_not_used() -> None:
    assert (
        signatures.supported_public_key(ec.generate_private_key(ec.SECP384R1()).public_key())
        is None
    )
    weak = rsa.generate_private_key(65_537, 1_024)  # noqa: S505 too weak on purpose
    assert signatures.supported_public_key(weak.public_key()) is None
    assert signatures.supported_public_key("a text") is None
    key = P256.public_key()
    assert signatures.supported_public_key(key) is key
