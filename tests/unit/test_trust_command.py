"""``gated trust`` and ``gated verify --revocations``, as a member of staff types them."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gated.cli import main
from gated.clock import SystemClock
from gated.commands.trust_facts import USES
from gated.credentials import gp1
from gated.credentials.keys import make_key_pair, public_key_set
from gated.credentials.revocation import make_list
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import KNOWN_USES, TrustedKey
from gated.errors import ExitCode
from gated.vocabulary import HolderCategory
from tests.config_texts import with_keys
from tests.signed_codes import self_signed

NOW = SystemClock().now().replace(microsecond=0)
DAY = timedelta(days=1)
OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
P256 = ec.derive_private_key(123_456_789, ec.SECP256R1())
RSA = rsa.generate_private_key(65_537, 2_048)
PEM = serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
Run = Callable[..., tuple[int, str, str]]


def certificate(until: datetime, *, since: datetime = NOW - 400 * DAY) -> bytes:
    return self_signed(P256, since=since, until=until).public_bytes(PEM)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trust").mkdir()
    return tmp_path / "trust"


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """The office's public keys, as ``gated pass keygen`` leaves them."""
    path = tmp_path / "school.jwks.json"
    path.write_text(public_key_set(OFFICE.public_key()), encoding="utf-8")
    return path


@pytest.fixture
def trust(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(action: str, *arguments: object) -> tuple[int, str, str]:
        code = main(["trust", action, "--trust", str(folder), *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def asked(folder: Path, answer: bytes, *arguments: object) -> tuple[int, str]:
    """Return what the command answers to somebody who is asked."""
    result = subprocess.run(
        [sys.executable, "-m", "gated", "trust", *map(str, arguments), "--trust", str(folder)],
        input=answer,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    return result.returncode, result.stdout.decode()


def only_key(folder: Path) -> TrustedKey:
    trust = load_trust(folder)
    assert trust.problems == ()
    keys = {key.source: key for same in trust.keys.values() for key in same}
    [key] = keys.values()
    return key


def test_every_use_has_a_sentence() -> None:
    assert USES.keys() == KNOWN_USES


# --- add -----------------------------------------------------------------------------------------


def test_the_offices_keys_are_added_as_they_are(folder: Path, office: Path, trust: Run) -> None:
    code, said, _ = trust("add", office, "--yes")
    assert code == ExitCode.OK
    added = folder / "school.jwks.json"
    assert added.read_bytes() == office.read_bytes()
    assert stat.S_IMODE(added.stat().st_mode) == 0o644
    assert list(folder.iterdir()) == [added]
    assert "sign every pass of this site, staff and attendant cards too" in said
    assert "签发本校(村)所有通行证" in said
    assert "within 10 s" in said


def test_nothing_is_added_unless_somebody_says_yes(folder: Path, office: Path) -> None:
    for answer in (b"", b"\n", b"n\n", b"maybe\n"):
        code, said = asked(folder, answer, "add", office)
        assert code == ExitCode.FAILED
        assert "would be new" in said
        assert "nothing was changed" in said
        assert list(folder.iterdir()) == []
    code, _ = asked(folder, "是\n".encode(), "add", office)
    assert code == ExitCode.OK
    assert (folder / "school.jwks.json").exists()


def test_for_and_issuer_are_written_and_are_all_that_the_key_may(
    folder: Path, office: Path, trust: Run
) -> None:
    code, said, _ = trust(
        "add", office, "--for", "GP1/visitor", "--for", "revocations",
        "--issuer", "https://example.org/v1", "--name", "desk.json", "--yes",
    )  # fmt: skip
    assert code == ExitCode.OK
    assert "sign every pass" not in said
    key = only_key(folder)
    assert key.source == "desk.json"
    assert key.uses == frozenset({"GP1/visitor", "revocations"})
    assert key.issuer == "https://example.org/v1"
    assert not key.may_sign_pass(HolderCategory.STAFF, is_attendant=False)
    fingerprint = key_fingerprint(OFFICE.public_key())
    assert load_trust(folder).find(fingerprint, NOW), "under the key id that it had"


@pytest.mark.parametrize(
    ("data", "key_id"),
    [
        (OFFICE.public_key().public_bytes(PEM, SPKI), key_fingerprint(OFFICE.public_key())),
        (P256.public_key().public_bytes(PEM, SPKI), key_fingerprint(P256.public_key())),
        (
            public_key_set(OFFICE.public_key()).replace('"kid": "', '"kid": "z-/').encode(),
            None,
        ),
    ],
    ids=["Ed25519", "P-256", "a kid of its own"],
)
def test_a_key_keeps_its_ids_when_uses_are_written(
    folder: Path, tmp_path: Path, trust: Run, data: bytes, key_id: bytes | None
) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "k").write_bytes(data)
    (tmp_path / "key.pem").write_bytes(data)
    assert trust("add", tmp_path / "key.pem", "--for", "WeCom", "--yes")[0] == ExitCode.OK
    assert (folder / "key.jwks.json").exists()
    before, after = load_trust(tmp_path / "before"), load_trust(folder)
    assert before.keys.keys() <= after.keys.keys()
    if key_id is not None:
        assert after.find(key_id, NOW)
    assert only_key(folder).uses == frozenset({"WeCom"})


def test_a_private_key_is_never_added(folder: Path, tmp_path: Path, trust: Run) -> None:
    pair = make_key_pair(tmp_path / "office", "school")
    jwk = json.loads(public_key_set(OFFICE.public_key()))
    jwk["keys"].append({**jwk["keys"][0], "d": "AAAA"})
    (tmp_path / "both.json").write_text(json.dumps(jwk), encoding="utf-8")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate(NOW + 99 * DAY) + pair.private_path.read_bytes())
    for path in (pair.private_path, tmp_path / "both.json", bundle):
        code, said, error = trust("add", path, "--yes")
        assert (code, said) == (ExitCode.FAILED, "")
        assert "private key" in error
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("option", [("--for", "HC1"), ("--issuer", "did:web:example.org")])
def test_what_a_key_set_cannot_say_of_a_certificate_or_rsa_key_is_refused(
    folder: Path, tmp_path: Path, trust: Run, option: tuple[str, str]
) -> None:
    (tmp_path / "c.pem").write_bytes(certificate(NOW + 99 * DAY))
    (tmp_path / "r.pem").write_bytes(RSA.public_key().public_bytes(PEM, SPKI))
    for name, sentence in (("c.pem", "is a certificate"), ("r.pem", "is an RSA key")):
        code, _, error = trust("add", tmp_path / name, *option, "--yes")
        assert code == ExitCode.FAILED
        assert sentence in error
    assert list(folder.iterdir()) == []
    assert trust("add", tmp_path / "c.pem", "--yes")[0] == ExitCode.OK


def test_no_file_is_overwritten(folder: Path, office: Path, trust: Run) -> None:
    (folder / office.name).write_bytes(b"something else")
    code, _, error = trust("add", office, "--yes")
    assert code == ExitCode.FAILED
    assert "exists already" in error
    assert (folder / office.name).read_bytes() == b"something else"
    assert trust("add", office, "--name", "school-2.json", "--yes")[0] == ExitCode.OK


def test_a_key_that_is_there_is_not_added_twice_nor_with_other_uses(
    folder: Path, office: Path, trust: Run
) -> None:
    trust("add", office, "--yes")
    code, said, _ = trust("add", office, "--name", "again.json", "--yes")
    assert (code, "there already" in said) == (ExitCode.OK, True)
    code, _, error = trust("add", office, "--for", "GP1/visitor", "--name", "v.json", "--yes")
    assert code == ExitCode.FAILED
    assert "for other uses" in error
    assert [path.name for path in folder.iterdir()] == [office.name]


@pytest.mark.parametrize("name", ["../x.json", ".x.json", "a/b", "x\n.json", ""])
def test_a_name_is_a_plain_one(folder: Path, office: Path, trust: Run, name: str) -> None:
    code, _, error = trust("add", office, f"--name={name}", "--yes")
    assert code == ExitCode.FAILED
    assert "not a plain file name" in error
    assert list(folder.parent.glob("x*")) == list(folder.iterdir()) == []


def test_what_is_no_key_or_not_there_is_refused(folder: Path, tmp_path: Path, trust: Run) -> None:
    (tmp_path / "letter.txt").write_bytes(b"Dear school,")
    for path, sentence in ((tmp_path / "letter.txt", "no key"), (tmp_path / "none", "missing")):
        code, _, error = trust("add", path, "--yes")
        assert code == ExitCode.FAILED
        assert sentence in error
    assert list(folder.iterdir()) == []


def test_what_is_wrong_with_part_of_a_bundle_is_said_and_the_rest_is_added(
    folder: Path, tmp_path: Path, trust: Run
) -> None:
    p384 = ec.derive_private_key(7, ec.SECP384R1()).public_key().public_bytes(PEM, SPKI)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(p384 + P256.public_key().public_bytes(PEM, SPKI))
    code, _, error = trust("add", bundle, "--for", "HC1", "--yes")
    assert code == ExitCode.FAILED
    assert "cannot say what they are for" in error
    assert list(folder.iterdir()) == []
    code, said, error = trust("add", bundle, "--yes")
    assert code == ExitCode.OK
    assert "block 1: a kind of key that is not used here" in error
    assert "P-256" in said


def test_a_renewed_certificate_of_a_known_key_is_added(
    folder: Path, tmp_path: Path, trust: Run
) -> None:
    (folder / "2026.pem").write_bytes(certificate(NOW + 9 * DAY))
    (tmp_path / "2027.pem").write_bytes(certificate(NOW + 399 * DAY))
    assert trust("add", tmp_path / "2027.pem", "--yes")[0] == ExitCode.OK
    assert (folder / "2027.pem").exists()


def test_an_rsa_key_is_added_as_it_is(folder: Path, tmp_path: Path, trust: Run) -> None:
    (tmp_path / "r.pem").write_bytes(RSA.public_key().public_bytes(PEM, SPKI))
    code, said, _ = trust("add", tmp_path / "r.pem", "--yes")
    assert (code, "RSA 2048" in said) == (ExitCode.OK, True)
    assert (folder / "r.pem").read_bytes() == (tmp_path / "r.pem").read_bytes()


def test_what_another_add_left_half_done_is_not_overwritten(
    folder: Path, office: Path, trust: Run
) -> None:
    left = folder / f".{office.name}.new"
    left.write_bytes(b"left")
    code, _, error = trust("add", office, "--yes")
    assert code == ExitCode.CANNOT_WRITE
    assert str(left) in error
    assert [path.name for path in folder.iterdir()] == [left.name]


def test_a_use_that_is_not_known_is_refused(office: Path, trust: Run) -> None:
    with pytest.raises(SystemExit) as caught:
        trust("add", office, "--for", "GP9")
    assert caught.value.code == ExitCode.USAGE


# --- remove --------------------------------------------------------------------------------------


def ways_to_name(key: Ed25519PrivateKey) -> list[str]:
    [jwk] = json.loads(public_key_set(key.public_key()))["keys"]
    fingerprint = key_fingerprint(key.public_key())
    return [fingerprint.hex(), fingerprint.hex().upper(), jwk["kid"], "other.json"]


@pytest.mark.parametrize("target", ways_to_name(OTHER))
def test_a_key_is_removed_by_its_files_name_or_its_id(
    folder: Path, office: Path, trust: Run, target: str
) -> None:
    trust("add", office, "--yes")
    other = public_key_set(OTHER.public_key())
    (folder / "other.json").write_text(other, encoding="utf-8")
    code, said, _ = trust("remove", "--yes", "--", target)
    assert code == ExitCode.OK
    assert "would no longer allow" in said
    assert [path.name for path in folder.iterdir()] == [office.name]


def test_the_last_key_for_passes_stays_unless_that_is_meant(
    folder: Path, office: Path, trust: Run
) -> None:
    trust("add", office, "--yes")
    (folder / "health.pem").write_bytes(certificate(NOW + 99 * DAY))
    code, _, error = trust("remove", office.name)
    assert code == ExitCode.FAILED
    assert "last key that signs passes" in error
    assert (folder / office.name).exists()
    assert trust("remove", office.name, "--yes")[0] == ExitCode.OK
    assert not (folder / office.name).exists()


def test_nothing_is_removed_unless_somebody_says_yes(folder: Path) -> None:
    (folder / "health.pem").write_bytes(certificate(NOW + 99 * DAY))
    code, said = asked(folder, b"\n", "remove", "health.pem")
    assert (code, "nothing was changed" in said) == (ExitCode.FAILED, True)
    assert (folder / "health.pem").exists()
    code, said = asked(folder, b"y\n", "remove", "health.pem")
    assert code == ExitCode.OK
    assert not (folder / "health.pem").exists()


def test_one_key_of_several_takes_no_other_along(folder: Path, trust: Run) -> None:
    keys = [json.loads(public_key_set(key.public_key()))["keys"][0] for key in (OFFICE, OTHER)]
    (folder / "two.json").write_text(json.dumps({"keys": keys}), encoding="utf-8")
    code, _, error = trust("remove", "--yes", "--", keys[1]["kid"])
    assert code == ExitCode.FAILED
    assert "holds 2 keys" in error
    assert (folder / "two.json").exists()


def test_a_key_in_several_files_goes_by_the_name_of_one_and_counts_until_the_last(
    folder: Path, office: Path, trust: Run
) -> None:
    for name in ("one.json", "two.json"):
        (folder / name).write_bytes(office.read_bytes())
    fingerprint = key_fingerprint(OFFICE.public_key()).hex()
    code, _, error = trust("remove", fingerprint, "--yes")
    assert (code, "one.json, two.json" in error) == (ExitCode.FAILED, True)
    code, said, _ = trust("remove", "one.json", "--yes")
    assert code == ExitCode.OK
    assert "in another file too" in said
    assert "would no longer allow" not in said
    assert only_key(folder).source == "two.json"


def test_what_is_no_key_can_be_removed_by_its_name_and_a_folder_cannot(
    folder: Path, trust: Run
) -> None:
    (folder / "letter.txt").write_bytes(b"Dear school,")
    (folder / "sub").mkdir()
    assert trust("remove", "letter.txt", "--yes")[0] == ExitCode.OK
    code, _, error = trust("remove", "sub", "--yes")
    assert (code, "is a folder" in error) == (ExitCode.FAILED, True)
    assert [path.name for path in folder.iterdir()] == ["sub"]


def test_a_name_that_nothing_has_removes_nothing(folder: Path, office: Path, trust: Run) -> None:
    trust("add", office, "--yes")
    for target in ("none.json", "../school.jwks.json", ""):
        code, _, error = trust("remove", "--yes", "--", target)
        assert code == ExitCode.FAILED
        assert "no file and no key" in error
    assert office.exists()
    assert [path.name for path in folder.iterdir()] == [office.name]


# --- list and check ------------------------------------------------------------------------------


def test_the_list_has_one_line_for_each_key(folder: Path, office: Path, trust: Run) -> None:
    trust("add", office, "--yes")
    (folder / "health.pem").write_bytes(certificate(NOW + 99 * DAY + timedelta(hours=1)))
    (folder / "note\x1b[2J.txt").write_bytes(b"no key")
    code, said, _ = trust("list")
    assert code == ExitCode.OK
    health, note, school = said.splitlines()
    assert "P-256" in health
    assert "HC1, NZCP, SHC" in health
    assert "99 d left" in health
    assert "\x1b" not in note
    assert "CANNOT BE USED" in note
    assert key_fingerprint(OFFICE.public_key()).hex() in school
    assert "no end" in school
    facts = [json.loads(line) for line in trust("list", "--json")[1].splitlines()]
    assert [(one["file"], one["uses"], one["days_left"]) for one in facts] == [
        ("health.pem", ["HC1", "NZCP", "SHC"], 99),
        ("school.jwks.json", ["GP1"], None),
    ]


def test_a_folder_in_good_order_has_nothing_to_do(office: Path, trust: Run) -> None:
    trust("add", office, "--yes")
    code, said, _ = trust("check")
    assert code == ExitCode.OK
    assert "1 key may sign every pass" in said
    assert "此目录允许" in said


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("soon.pem", certificate(NOW + 29 * DAY), "expires in"),
        ("old.pem", certificate(NOW - DAY), "has expired"),
        ("next.pem", certificate(NOW + 99 * DAY, since=NOW + DAY), "not yet valid"),
        (
            "use.json",
            public_key_set(OTHER.public_key()).replace('"GP1"', '"GP7"').encode(),
            "a use that is not known",
        ),
        (
            "twice.json",
            public_key_set(OFFICE.public_key()).replace('"GP1"', '"HC1"').encode(),
            "the same key with different uses, all of which count",
        ),
        ("letter.txt", b"Dear school,", "neither certificates nor keys"),
    ],
)
def test_what_somebody_should_do_is_said_and_counts(
    folder: Path, office: Path, trust: Run, name: str, data: bytes, sentence: str
) -> None:
    trust("add", office, "--yes")
    (folder / name).write_bytes(data)
    code, said, _ = trust("check")
    assert code == ExitCode.FAILED
    [line] = [line for line in said.splitlines() if line.startswith("!")]
    assert name in line
    assert sentence in line


def test_a_key_that_lies_there_twice_is_said_and_does_no_harm(
    folder: Path, office: Path, trust: Run
) -> None:
    trust("add", office, "--yes")
    (folder / "copy.json").write_bytes(office.read_bytes())
    code, said, _ = trust("check")
    assert code == ExitCode.OK
    assert "copy.json + school.jwks.json: the same key more than once" in said


def test_a_certificate_with_time_left_is_no_fault(folder: Path, office: Path, trust: Run) -> None:
    trust("add", office, "--yes")
    (folder / "good.pem").write_bytes(certificate(NOW + 32 * DAY))
    assert trust("check")[0] == ExitCode.OK


def test_without_a_key_for_passes_there_is_something_to_do(folder: Path, trust: Run) -> None:
    (folder / "good.pem").write_bytes(certificate(NOW + 99 * DAY))
    code, said, _ = trust("check")
    assert code == ExitCode.FAILED
    assert "no key may sign passes" in said


def test_what_everybody_can_change_is_said(folder: Path, office: Path, trust: Run) -> None:
    trust("add", office, "--yes")
    (folder / office.name).chmod(0o666)
    code, said, _ = trust("check")
    assert code == ExitCode.FAILED
    assert "can be changed by everybody" in said


def test_a_folder_that_is_missing_is_a_fault_of_the_set_up(folder: Path, trust: Run) -> None:
    folder.rmdir()
    for action in ("list", "check"):
        code, _, error = trust(action)
        assert code == ExitCode.CONFIG
        assert "cannot be read" in error


# --- with a configuration: the lists -------------------------------------------------------------


def test_the_help_names_every_use_that_a_key_may_have(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["trust", "add", "--help"])
    said = re.split(r"[\s,()]+", capsys.readouterr().out)
    named = {use for use in KNOWN_USES if not use.startswith("GP1/")} | {"GP1/visitor"}
    assert named - set(said) == set()


def a_list(*ids: bytes, version: int = 1, at: datetime = NOW) -> bytes:
    return make_list(ids, OFFICE, version=version, issued_at=at, next_at=at + 30 * DAY)


@pytest.fixture
def check(
    tmp_path: Path, folder: Path, office: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[], tuple[int, str]]:
    """Check a gate whose folder of lists is ``lists``."""
    (folder / office.name).write_bytes(office.read_bytes())
    (tmp_path / "lists").mkdir()
    text = (
        with_keys("credentials", f'trust = "{folder}"', f'revocations = "{tmp_path}/lists"')
        + f'\n[paths]\nstate = "{tmp_path}"\n'
    )
    config = tmp_path / "gated.toml"
    config.write_text(text, encoding="utf-8")
    config.chmod(0o644)

    def run() -> tuple[int, str]:
        code = main(["trust", "check", "--config", str(config)])
        return code, capsys.readouterr().out

    return run


def test_lists_in_good_order_are_told_and_no_fault(
    tmp_path: Path, check: Callable[[], tuple[int, str]]
) -> None:
    (tmp_path / "lists" / "a.rvl").write_bytes(a_list(b"lost", version=7, at=NOW - 3 * DAY))
    code, said = check()
    assert code == ExitCode.OK
    assert "a.rvl: version 7, 1 ids, 3 days old" in said
    assert not (tmp_path / "revocations").exists(), "a check remembers nothing"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "no revocation list"),
        (a_list(at=NOW - 8 * DAY), "OLD"),
        (a_list(key_fingerprint(OFFICE.public_key())), "this key is revoked"),
        (b"0011223344556677", "not a signed revocation list"),
    ],
    ids=["none", "old", "a revoked key", "a plain one"],
)
def test_faults_of_lists_are_told(
    tmp_path: Path, check: Callable[[], tuple[int, str]], data: bytes | None, sentence: str
) -> None:
    if data is not None:
        (tmp_path / "lists" / "a.rvl").write_bytes(data)
    code, said = check()
    assert code == ExitCode.FAILED
    assert any(sentence in line for line in said.splitlines() if line.startswith("!"))


def test_an_old_list_that_was_put_back_is_told(
    tmp_path: Path, check: Callable[[], tuple[int, str]]
) -> None:
    (tmp_path / "revocations").mkdir()
    (tmp_path / "revocations" / "kept.rvl").write_bytes(a_list(version=5))
    (tmp_path / "lists" / "a.rvl").write_bytes(a_list(version=4))
    code, said = check()
    assert code == ExitCode.FAILED
    assert "version 4 is an old list" in said


@pytest.mark.parametrize("key", ["revocation_file", "persons_list_file", "duty_list_file"])
def test_a_text_list_that_would_stop_the_gate_is_told(
    tmp_path: Path, check: Callable[[], tuple[int, str]], key: str
) -> None:
    (tmp_path / "lists" / "a.rvl").write_bytes(a_list())
    config = tmp_path / "gated.toml"
    text = config.read_text(encoding="utf-8")
    line = f'[credentials]\n{key} = "{tmp_path}/text"'
    config.write_text(text.replace("[credentials]", line), encoding="utf-8")
    (tmp_path / "text").write_bytes(b"no entry, a sentence\n")
    code, said = check()
    assert code == ExitCode.FAILED
    assert f"{tmp_path}/text: " in said
    (tmp_path / "text").write_bytes(b"# nobody\n")
    assert check()[0] == ExitCode.OK


# --- gated verify --revocations ------------------------------------------------------------------


def test_verify_takes_lists_of_every_kind(tmp_path: Path, folder: Path, office: Path) -> None:
    (folder / office.name).write_bytes(office.read_bytes())
    ids = [bytes([number]) * 8 for number in range(1, 5)]
    texts = [
        gp1.seal(
            gp1.Gp1Claims(f"s-{cti[0]}", HolderCategory.STUDENT, NOW - DAY, NOW + DAY, cti), OFFICE
        )
        for cti in ids
    ]
    (tmp_path / "plain.txt").write_text(ids[0].hex(), encoding="ascii")
    (tmp_path / "one.rvl").write_bytes(a_list(ids[1]))
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "two.rvl").write_bytes(a_list(ids[2]))
    lists = [tmp_path / name for name in ("plain.txt", "one.rvl", "lists")]
    options = [word for path in lists for word in ("--revocations", str(path))]

    def verified(*more: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "gated", "verify", "--json", "--lines"),
                *("--trust", str(folder), *more),
            ],
            input="\n".join(texts).encode(),
            capture_output=True,
            check=False,
            timeout=60,
        )

    def statuses(*more: str) -> list[str]:
        return [json.loads(line)["status"] for line in verified(*more).stdout.splitlines()]

    assert statuses() == ["valid"] * 4
    assert statuses(*options) == ["revoked"] * 3 + ["valid"]
    (tmp_path / "one.rvl").write_bytes(a_list(ids[1])[:-1])
    result = verified(*options)
    assert (result.returncode, result.stdout) == (ExitCode.CONFIG, b"")
    assert b"not a signed revocation list" in result.stderr


def test_a_certificate_for_tests_is_told_to_sign_hc1_alone(folder: Path, trust: Run) -> None:
    usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.4.1.1847.2021.1.1")])
    (folder / "tests.pem").write_bytes(self_signed(P256, usage).public_bytes(PEM))
    [line] = trust("list", "--json")[1].splitlines()
    told = json.loads(line)
    assert (told["uses"], told["certifies"]) == (["HC1"], ["test"])
