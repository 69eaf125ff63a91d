"""Keys that the centre pushes: what counts, what an order can never bring, what stays untouched."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from gated.clock import BUILT_AT
from gated.config import GateConfig, parse_gate
from gated.contents import CommandReason
from gated.controller.pushed_trust import (
    MAX_PUSHED,
    PUSHED_FOLDER,
    PushedTrust,
    load_all_trust,
)
from gated.credentials.key_sets import to_key_set
from gated.credentials.keys import public_key_set
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import (
    KNOWN_USES,
    USE_ANY_PASS,
    USE_COMMANDS,
    USE_CONFIG,
    USE_TRUST,
    USES_BY_HAND,
)
from gated.deeds import AddTrust, Deed, RemoveTrust
from gated.orders import make_order
from tests.command_rig import CENTRE, STRANGER, order_of
from tests.config_texts import MINIMAL
from tests.signed_codes import self_signed, trusted_key

NOW = BUILT_AT + timedelta(days=1)
OFFICE, DESK, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in (5, 6, 7))
HERE = "xinhua/gate-1"
DONE = None


def fingerprint(key: Ed25519PrivateKey) -> str:
    return key_fingerprint(key.public_key()).hex()


def key_set(*keys: Ed25519PrivateKey, uses: frozenset[str] = frozenset({USE_ANY_PASS})) -> bytes:
    return to_key_set([trusted_key(key.public_key()) for key in keys], uses, None)


@dataclass
class Bench:
    """A gate's trust folder with the office's key and the centre's, and its state folder."""

    root: Path
    notes: list[str] = field(default_factory=list)  # what was said of each order

    def __post_init__(self) -> None:
        self.trust, self.state = self.root / "trust", self.root / "state"
        self.trust.mkdir()
        self.state.mkdir()
        (self.trust / "office.jwks.json").write_text(public_key_set(OFFICE.public_key()))
        self.let_command(USE_COMMANDS, USE_TRUST)
        raw = parse_gate(MINIMAL, "gated.toml").model_dump()
        raw["gate"] |= {"site": "xinhua", "name": "gate-1"}
        raw["paths"] |= {"state": self.state}
        raw["credentials"] |= {"trust": self.trust}
        self.config = GateConfig.model_validate(raw)
        self.pushed = PushedTrust(lambda: self.config)

    @property
    def folder(self) -> Path:
        return self.state / PUSHED_FOLDER

    def let_command(self, *uses: str) -> None:
        (self.trust / "centre.jwks.json").write_text(
            public_key_set(CENTRE.public_key(), frozenset(uses))
        )

    def order(
        self, deed: AddTrust | RemoveTrust, key: Ed25519PrivateKey = CENTRE
    ) -> CommandReason | None:
        signed = make_order(order_of(deed, gate=HERE), key)
        why, note = self.pushed.put(deed, signed, load_all_trust(self.config, NOW), NOW)
        self.notes.append(note)
        return why

    def lay(self, name: str, deed: Deed, key: Ed25519PrivateKey = CENTRE, gate: str = HERE) -> None:
        """Write a file there, as whoever owns the state folder could."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(make_order(order_of(deed, gate=gate), key))

    def believed(self) -> set[str]:
        """Return which keys may sign passes."""
        return {
            key.fingerprint.hex()
            for keys in load_all_trust(self.config, NOW).keys.values()
            for key in keys
            if key.may(USE_ANY_PASS)
        }

    def problems(self) -> str:
        return "; ".join(load_all_trust(self.config, NOW).problems)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# --- what an order brings and takes ---------------------------------------------------------------


def test_keys_come_are_replaced_and_go_and_it_is_said_which(bench: Bench) -> None:
    before = {path.name: path.read_bytes() for path in bench.trust.iterdir()}
    assert bench.order(AddTrust("desk", key_set(DESK))) is DONE
    assert bench.believed() == {fingerprint(OFFICE), fingerprint(DESK)}
    assert bench.order(AddTrust("desk", key_set(OTHER))) is DONE
    assert bench.believed() == {fingerprint(OFFICE), fingerprint(OTHER)}
    assert bench.order(RemoveTrust("desk")) is DONE
    assert bench.believed() == {fingerprint(OFFICE)}
    assert bench.notes == [
        f"add desk; came {fingerprint(DESK)}",
        f"add desk; came {fingerprint(OTHER)}; went {fingerprint(DESK)}",
        f"remove desk; went {fingerprint(OTHER)}",
    ]
    assert {path.name: path.read_bytes() for path in bench.trust.iterdir()} == before
    assert bench.problems() == ""


def test_a_certificate_is_pushed_as_it_is(bench: Bench) -> None:
    key = ec.derive_private_key(123_456_789, ec.SECP256R1())
    certificate = self_signed(key).public_bytes(Encoding.PEM)
    assert bench.order(AddTrust("ministry", certificate)) is DONE
    (found,) = [
        key
        for keys in load_all_trust(bench.config, NOW).keys.values()
        for key in keys
        if key.source == f"state/{PUSHED_FOLDER}/ministry.cose"
    ]
    assert found.may_sign_certificate("HC1")
    assert not found.may(USE_ANY_PASS)


@pytest.mark.parametrize("name", ["office", "centre", "office-jwks-json", "never"])
def test_what_the_technician_has_put_there_is_never_removed(bench: Bench, name: str) -> None:
    assert bench.order(RemoveTrust(name)) is CommandReason.UNKNOWN_NAME
    assert bench.believed() == {fingerprint(OFFICE)}
    files = {key.source for keys in load_trust(bench.trust).keys.values() for key in keys}
    assert files == {"office.jwks.json", "centre.jwks.json"}


def test_no_more_files_than_a_gate_reads_at_once(bench: Bench) -> None:
    for number in range(MAX_PUSHED):
        assert bench.order(AddTrust(f"desk-{number}", key_set(DESK))) is DONE
    assert bench.order(AddTrust("one-more", key_set(DESK))) is CommandReason.TRUST_REFUSED
    assert bench.order(AddTrust("desk-0", key_set(OTHER))) is DONE, "in the place of another"
    bench.lay("a.cose", AddTrust("a", key_set(DESK)))
    assert "the rest is not read" in bench.problems()


def test_a_folder_that_cannot_be_written_is_said(bench: Bench) -> None:
    bench.folder.write_text("in the way")
    assert bench.order(AddTrust("desk", key_set(DESK))) is CommandReason.NOT_WRITABLE


# --- what no order can bring ----------------------------------------------------------------------


@pytest.mark.parametrize("use", sorted(USES_BY_HAND))
def test_a_key_that_commands_makes_no_other_and_not_itself_more_powerful(
    bench: Bench, use: str
) -> None:
    assert {USE_COMMANDS, USE_CONFIG, USE_TRUST} == USES_BY_HAND
    for key in (STRANGER, CENTRE):
        alone = key_set(key, uses=frozenset({USE_ANY_PASS, use}))
        for data in (alone, _mixed(key, use)):
            assert bench.order(AddTrust("more", data)) is CommandReason.TRUST_REFUSED
            bench.lay("more.cose", AddTrust("more", data))  # by whoever owns the state folder
            commanding = {
                (key.fingerprint, key.uses)
                for keys in load_all_trust(bench.config, NOW).keys.values()
                for key in keys
                if key.uses is not None and key.uses & USES_BY_HAND
            }
            by_hand = frozenset({USE_COMMANDS, USE_TRUST})
            assert commanding == {(key_fingerprint(CENTRE.public_key()), by_hand)}


def _mixed(key: Ed25519PrivateKey, use: str) -> bytes:
    """Return a set of a harmless key and one that commands."""
    sets = [json.loads(key_set(DESK)), json.loads(key_set(key, uses=frozenset({use})))]
    return json.dumps({"keys": [jwk for each in sets for jwk in each["keys"]]}).encode()


def _with_use(use: object) -> bytes:
    document = json.loads(key_set(DESK))
    document["keys"][0]["gated_uses"] = use
    return json.dumps(document).encode()


PRIVATE = DESK.private_bytes(
    Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a sentence",
        PRIVATE,
        key_set(DESK)[:-9],
        _with_use(["GP1", "commands/later"]),  # a later version would know that use
        _with_use("commands"),
        _with_use(["GP1", ["commands"]]),
        b'{"keys": []}',
    ],
)
def test_a_file_that_is_not_all_good_changes_nothing(bench: Bench, data: bytes) -> None:
    bench.order(AddTrust("desk", key_set(OTHER)))
    assert bench.order(AddTrust("desk", data)) is CommandReason.TRUST_REFUSED
    assert bench.notes[-1]
    assert bench.believed() == {fingerprint(OFFICE), fingerprint(OTHER)}


def test_what_the_technician_restricts_no_order_widens(bench: Bench) -> None:
    restricted = key_set(DESK, uses=frozenset({"GP1/visitor"}))
    (bench.trust / "desk.jwks.json").write_bytes(restricted)
    assert bench.order(AddTrust("desk", key_set(DESK))) is CommandReason.TRUST_REFUSED
    assert "'desk.jwks.json'" in bench.notes[-1]
    assert bench.order(AddTrust("desk", restricted)) is DONE, "the same once more harms nobody"
    assert fingerprint(DESK) not in bench.believed()


def test_every_other_use_can_be_pushed(bench: Bench) -> None:
    for use in sorted(KNOWN_USES - USES_BY_HAND):
        assert bench.order(AddTrust("desk", key_set(DESK, uses=frozenset({use})))) is DONE, use


# --- what lies in the state folder and does not count ---------------------------------------------


def test_only_what_a_key_of_the_trust_folder_has_signed_for_this_gate_counts(bench: Bench) -> None:
    good = AddTrust("good", key_set(DESK))
    bench.lay("good.cose", good)
    assert bench.believed() == {fingerprint(OFFICE), fingerprint(DESK)}
    bench.lay("good.cose", good, key=STRANGER)
    assert bench.believed() == {fingerprint(OFFICE)}
    assert "unknown_key" in bench.problems()
    bench.lay("good.cose", good, gate="xinhua/gate-2")
    assert bench.believed() == {fingerprint(OFFICE)}
    bench.lay("good.cose", RemoveTrust("good"))
    assert bench.believed() == {fingerprint(OFFICE)}
    bench.lay("good.cose", AddTrust("good", key_set(DESK, uses=USES_BY_HAND)))
    assert "for commands" in bench.problems()
    bench.lay("other.cose", good)
    assert bench.believed() == {fingerprint(OFFICE)}, "under another name it could come twice"
    (bench.folder / "good.cose").write_bytes(key_set(DESK))
    (bench.folder / "keys.jwks.json").write_bytes(key_set(DESK))
    (bench.folder / "folder.cose").mkdir()
    assert bench.believed() == {fingerprint(OFFICE)}


def test_what_was_left_behind_half_written_is_passed_over(bench: Bench) -> None:
    bench.folder.mkdir()
    (bench.folder / ".desk.cose.x").write_bytes(b"half")
    assert bench.problems() == ""


def test_with_the_key_that_signed_goes_everything_that_it_added(bench: Bench) -> None:
    bench.order(AddTrust("desk", key_set(DESK)))
    bench.let_command(USE_COMMANDS, USE_CONFIG)
    assert bench.believed() == {fingerprint(OFFICE)}
    bench.let_command(USE_COMMANDS, USE_TRUST)
    assert bench.believed() == {fingerprint(OFFICE), fingerprint(DESK)}
    (bench.trust / "centre.jwks.json").unlink()
    assert bench.believed() == {fingerprint(OFFICE)}


def test_a_pushed_key_signs_no_further_ones(bench: Bench) -> None:
    bench.order(AddTrust("desk", key_set(DESK)))
    bench.lay("more.cose", AddTrust("more", key_set(OTHER)), key=DESK)
    assert bench.believed() == {fingerprint(OFFICE), fingerprint(DESK)}
    assert "more.cose" in bench.problems()
