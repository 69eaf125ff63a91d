from __future__ import annotations

import base64
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from gated.credentials.keys import load_private_key, make_key_pair, public_key_set
from gated.credentials.signatures import PrivateKey, PublicKey, key_fingerprint
from gated.credentials.trust import load_trust
from gated.errors import ConfigError, GatedError
from gated.vocabulary import HolderCategory
from tests.signed_codes import self_signed

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256 = ec.derive_private_key(123_456_789, ec.SECP256R1())
RSA = rsa.generate_private_key(65_537, 2_048)
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PKCS8 = serialization.PrivateFormat.PKCS8


def key_id_of(made: x509.Certificate) -> bytes:
    return hashlib.sha256(made.public_bytes(DER)).digest()[:8]


def jwk_of(key: Ed25519PrivateKey, **members: object) -> dict[str, object]:
    [jwk] = json.loads(public_key_set(key.public_key()))["keys"]
    return {**jwk, **members}


def numbers(key: PublicKey) -> bytes:
    return key.public_bytes(DER, SPKI)


@pytest.mark.parametrize("name", ["school.pem", "noextension", "读我.txt", "a b.json"])
@pytest.mark.parametrize("shape", ["pem", "der", "base64"])
def test_a_certificate_is_read_whatever_the_files_name(
    tmp_path: Path, name: str, shape: str
) -> None:
    made = self_signed(P256)
    der = made.public_bytes(DER)
    data = {
        "pem": made.public_bytes(PEM),
        "der": der,
        "base64": base64.encodebytes(der),
    }[shape]
    (tmp_path / name).write_bytes(data)
    trust = load_trust(tmp_path)
    assert trust.problems == ()
    [key] = trust.find(key_id_of(made), NOW)
    assert numbers(key.key) == numbers(P256.public_key())
    assert key.source == name


def test_a_file_that_was_being_written_when_the_power_failed_is_not_read(tmp_path: Path) -> None:
    keys = json.dumps({"keys": [jwk_of(ED25519)]})
    (tmp_path / ".school.jwks.json.b2x1").write_text(keys, encoding="utf-8")
    (tmp_path / ".other.jwks.json.new").write_text(keys[:30], encoding="utf-8")
    trust = load_trust(tmp_path)
    assert (dict(trust.keys), trust.problems) == ({}, ())


def test_der_that_ends_in_a_blank_byte_is_not_trimmed(tmp_path: Path) -> None:
    # A signature's last byte can be a newline; about one certificate in 40 ends in white space.
    for serial in range(1, 2_000):
        made = self_signed(ED25519, serial=serial)
        if made.public_bytes(DER)[-1:].isspace():
            break
    else:
        pytest.fail("no certificate ended in white space")
    (tmp_path / "x.der").write_bytes(made.public_bytes(DER))
    assert load_trust(tmp_path).find(key_id_of(made), NOW)


def test_several_certificates_in_one_file_are_all_read(tmp_path: Path) -> None:
    made = [self_signed(P256), self_signed(ED25519), self_signed(RSA)]
    text = b"a comment above\n" + b"\n".join(one.public_bytes(PEM) for one in made)
    (tmp_path / "bundle").write_bytes(text)
    trust = load_trust(tmp_path)
    assert trust.problems == ()
    assert all(trust.find(key_id_of(one), NOW) for one in made)


def test_a_certificate_counts_within_its_validity(tmp_path: Path) -> None:
    made = self_signed(P256, until=datetime(2026, 11, 22, tzinfo=UTC))
    (tmp_path / "old.pem").write_bytes(made.public_bytes(PEM))
    trust = load_trust(tmp_path)
    assert trust.find(key_id_of(made), NOW) == []
    assert trust.find(key_id_of(made), datetime(2025, 12, 31, tzinfo=UTC)) == []
    assert trust.find(key_id_of(made), datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize("encoding", [PEM, DER])
@pytest.mark.parametrize("key", [ED25519, P256])
def test_a_bare_public_key_is_known_by_its_fingerprint(
    tmp_path: Path, key: PrivateKey, encoding: serialization.Encoding
) -> None:
    (tmp_path / "key").write_bytes(key.public_key().public_bytes(encoding, SPKI))
    trust = load_trust(tmp_path)
    assert trust.problems == ()
    assert trust.find(key_fingerprint(key.public_key()), NOW)


def test_our_own_key_set_may_sign_every_pass(tmp_path: Path) -> None:
    (tmp_path / "school.jwks.json").write_text(public_key_set(ED25519.public_key()))
    [key] = load_trust(tmp_path).find(key_fingerprint(ED25519.public_key()), NOW)
    assert all(
        key.may_sign_pass(category, is_attendant=attendant)
        for category in HolderCategory
        for attendant in (False, True)
    )


def test_only_a_key_that_says_so_may_sign_passes(tmp_path: Path) -> None:
    made = self_signed(P256)
    (tmp_path / "authority.pem").write_bytes(made.public_bytes(PEM))
    (tmp_path / "bare.pem").write_bytes(RSA.public_key().public_bytes(PEM, SPKI))
    foreign = jwk_of(ED25519, kid="foreign-1")
    del foreign["gated_uses"]
    (tmp_path / "other.json").write_text(json.dumps(foreign))
    trust = load_trust(tmp_path)
    for key_id in (key_id_of(made), key_fingerprint(RSA.public_key()), b"foreign-1"):
        [key] = trust.find(key_id, NOW)
        assert not any(key.may_sign_pass(one, is_attendant=False) for one in HolderCategory)


def test_a_key_for_visitors_signs_no_other_passes_and_no_attendants(tmp_path: Path) -> None:
    (tmp_path / "v").write_text(json.dumps(jwk_of(ED25519, gated_uses=["GP1/visitor"])))
    [key] = load_trust(tmp_path).find(key_fingerprint(ED25519.public_key()), NOW)
    permitted = [one for one in HolderCategory if key.may_sign_pass(one, is_attendant=False)]
    assert permitted == [HolderCategory.VISITOR]
    assert not key.may_sign_pass(HolderCategory.VISITOR, is_attendant=True)


def test_a_use_that_is_not_known_permits_nothing_and_is_told(tmp_path: Path) -> None:
    for number, uses in enumerate((["GP1/everything"], ["gp1"], "gp1", [["GP1"]], [None])):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "x").write_text(json.dumps(jwk_of(ED25519, gated_uses=uses)))
        trust = load_trust(folder)
        [key] = trust.find(key_fingerprint(ED25519.public_key()), NOW)
        assert key.uses == frozenset()
        assert len(trust.problems) == 1


def test_a_key_id_counts_decoded_and_as_text(tmp_path: Path) -> None:
    decoded = b"\xfb\xff\x00\x01\x02\x03\x04\x05"
    for kid in ("-_8AAQIDBAU", "+/8AAQIDBAU="):
        (tmp_path / "x").write_text(json.dumps(jwk_of(ED25519, kid=kid)))
        trust = load_trust(tmp_path)
        assert trust.find(decoded, NOW)
        assert trust.find(kid.encode(), NOW)
    (tmp_path / "x").write_text(json.dumps(jwk_of(ED25519, kid="钥匙 1")))
    assert list(load_trust(tmp_path).keys) == ["钥匙 1".encode()]


def test_a_p256_key_and_a_set_of_several_are_read(tmp_path: Path) -> None:
    point = P256.public_key().public_numbers()
    x, y = (
        base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")
        for number in (point.x, point.y)
    )
    jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256"}
    keys = {"keys": [jwk, jwk_of(ED25519, kid="one"), jwk_of(ED25519, kid="two")]}
    (tmp_path / "set").write_bytes(b"\xef\xbb\xbf" + json.dumps(keys).encode())
    trust = load_trust(tmp_path)
    assert trust.problems == ()
    assert set(trust.keys) >= {key_fingerprint(P256.public_key()), b"one", b"two"}


def test_several_keys_under_one_id_are_kept_and_the_same_twice_counts_once(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    for number, key in enumerate((ED25519, other, ED25519)):
        (tmp_path / f"{number}").write_text(json.dumps(jwk_of(key, kid="shared")))
    found = load_trust(tmp_path).find(b"shared", NOW)
    assert [key.source for key in found] == ["0", "1"]


PRIVATE_PEM = ED25519.private_bytes(PEM, PKCS8, serialization.NoEncryption())
ENCRYPTED_PEM = ED25519.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"x"))
PRIVATE_DER = ED25519.private_bytes(DER, PKCS8, serialization.NoEncryption())
OLD_STYLE_PEM = P256.private_bytes(
    PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    "data",
    [
        PRIVATE_PEM,
        ENCRYPTED_PEM,
        OLD_STYLE_PEM,
        PRIVATE_DER,
        json.dumps(jwk_of(ED25519, d="AAAA")).encode(),
        json.dumps({"keys": [{"kty": "oct", "k": "AAAA"}]}).encode(),
    ],
)
def test_a_private_key_is_refused_and_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "oops.pem").write_bytes(data)
    trust = load_trust(tmp_path)
    assert dict(trust.keys) == {}
    assert len(trust.problems) == 1
    assert "oops.pem" in trust.problems[0]
    assert "private key" in trust.problems[0]


def test_a_private_key_does_not_take_the_certificate_beside_it_with_it(tmp_path: Path) -> None:
    made = self_signed(ED25519)
    (tmp_path / "both.pem").write_bytes(PRIVATE_PEM + made.public_bytes(PEM))
    trust = load_trust(tmp_path)
    assert list(trust.keys) == [key_id_of(made)]
    assert len(trust.problems) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"read me",
        b"\x30\x82\x01",
        b"\x00" * 100,
        "中文".encode(),
        b"-----BEGIN CERTIFICATE-----\nAAAA",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        b"{",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [1]}',
        b'{"a":' * 100_000,
        b'{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}',
        b'{"kty": "OKP", "crv": "X25519", "x": "' + b"A" * 43 + b'"}',
        b'{"kty": "EC", "crv": "P-256", "x": "' + b"A" * 43 + b'", "y": "' + b"A" * 43 + b'"}',
        json.dumps(jwk_of(ED25519, kid=7)).encode(),
        json.dumps(jwk_of(ED25519, use="enc")).encode(),
        ec.derive_private_key(5, ec.SECP384R1()).public_key().public_bytes(PEM, SPKI),
        b" " * (8 * 1024 * 1024 + 1),
    ],
)
def test_what_cannot_be_used_is_told_once_and_the_rest_still_counts(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_text(public_key_set(ED25519.public_key()))
    trust = load_trust(tmp_path)
    assert [key.source for key in trust.find(key_fingerprint(ED25519.public_key()), NOW)] == ["b"]
    assert {key.source for keys in trust.keys.values() for key in keys} == {"b"}
    assert len(trust.problems) == 1
    assert "'a'" in trust.problems[0]


def test_one_bad_key_of_a_set_does_not_cost_the_others(tmp_path: Path) -> None:
    keys = {"keys": [{"kty": "RSA"}, jwk_of(ED25519)]}
    (tmp_path / "set").write_text(json.dumps(keys))
    trust = load_trust(tmp_path)
    assert trust.find(key_fingerprint(ED25519.public_key()), NOW)
    [problem] = trust.problems
    assert "key 1" in problem


def test_sub_folders_pipes_and_dead_links_are_told_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text(public_key_set(ED25519.public_key()))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    trust = load_trust(tmp_path)
    assert dict(trust.keys) == {}
    assert len(trust.problems) == 3


def test_a_folder_that_is_not_there_gives_no_keys_and_one_problem(tmp_path: Path) -> None:
    trust = load_trust(tmp_path / "nowhere")
    assert dict(trust.keys) == {}
    assert len(trust.problems) == 1


@pytest.mark.parametrize("key", [ED25519, P256])
def test_a_signing_key_of_either_kind_is_loaded(tmp_path: Path, key: PrivateKey) -> None:
    pem = key.private_bytes(PEM, PKCS8, serialization.NoEncryption())
    (tmp_path / "key").write_bytes(pem)
    loaded = load_private_key(tmp_path / "key")
    assert numbers(loaded.public_key()) == numbers(key.public_key())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (ENCRYPTED_PEM, "encrypted"),
        (RSA.private_bytes(PEM, PKCS8, serialization.NoEncryption()), "neither"),
        (
            ec.derive_private_key(5, ec.SECP384R1()).private_bytes(
                PEM, PKCS8, serialization.NoEncryption()
            ),
            "neither",
        ),
        (PRIVATE_DER, "not a private key in PEM"),
    ],
)
def test_another_signing_key_is_a_configuration_error_that_says_why(
    tmp_path: Path, data: bytes, sentence: str
) -> None:
    (tmp_path / "key").write_bytes(data)
    with pytest.raises(ConfigError, match=sentence):
        load_private_key(tmp_path / "key")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_private_key(tmp_path / "nowhere")


def test_a_key_pair_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GatedError, match="cannot be made"):
        make_key_pair(tmp_path / "file", "school")


def test_a_file_name_cannot_forge_a_line_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "x\n\x1b[2Jgated: all well").write_text("nothing")
    [problem] = load_trust(tmp_path).problems
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        (b"20510101000000Z", b"00000101000000Z"),  # the year 0
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04"),  # version 5; the third is the last
    ],
)
def test_a_certificate_that_only_fails_when_it_is_asked_costs_no_other(
    tmp_path: Path, said: bytes, changed: bytes
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    odd = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(P256.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2051, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2052, 1, 1, tzinfo=UTC))
        .sign(P256, hashes.SHA256())
        .public_bytes(DER)
    )
    assert odd.count(said) == 1
    (tmp_path / "odd.der").write_bytes(odd.replace(said, changed))
    good = self_signed(ED25519)
    (tmp_path / "school.pem").write_bytes(good.public_bytes(PEM))
    trust = load_trust(tmp_path)
    assert trust.find(key_id_of(good), NOW)
    assert [problem.partition(":")[0] for problem in trust.problems] == ["trust folder, 'odd.der'"]


def test_a_bundle_that_was_cut_off_is_told(tmp_path: Path) -> None:
    made = [self_signed(P256), self_signed(ED25519)]
    text = b"".join(one.public_bytes(PEM) for one in made)
    (tmp_path / "bundle.pem").write_bytes(text[:-40])
    trust = load_trust(tmp_path)
    assert trust.find(key_id_of(made[0]), NOW)
    assert trust.problems == (
        "trust folder, 'bundle.pem': a PEM file with a block that is cut off; copy it again",
    )


@pytest.mark.parametrize(
    ("methods", "asserting"), [([{}], [None]), ([{"id": None}], [None]), ([[]], [[]]), ([{}], [])]
)
def test_a_did_document_that_names_nothing_gives_nothing(
    tmp_path: Path, methods: list[object], asserting: list[object]
) -> None:
    document = {"id": "did:web:x", "verificationMethod": methods, "assertionMethod": asserting}
    (tmp_path / "did.json").write_text(json.dumps(document), encoding="ascii")
    assert not load_trust(tmp_path).keys
