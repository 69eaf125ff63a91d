"""When changed keys and lists are noticed, taken over, or refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gated.clock import FakeClock
from gated.config import GateConfig, parse_gate
from gated.contents import ConfigContent
from gated.controller.code_lists import CodeLists
from gated.controller.codes import CodeRules
from gated.controller.list_watch import LOOK_EVERY_S, TAKES_EFFECT_WITHIN_S
from gated.controller.pushed_trust import PUSHED_FOLDER
from gated.credentials.keys import public_key_set
from gated.credentials.pseudonym import make_site_key
from gated.credentials.revocation import make_list
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trusted_keys import USE_COMMANDS, USE_TRUST
from gated.deeds import AddTrust
from gated.errors import ConfigError
from gated.orders import make_order
from tests.command_rig import order_of
from tests.config_texts import with_keys

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
CENTRE = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))


def a_list(*ids: bytes, version: int) -> bytes:
    due = NOW + timedelta(days=9)
    return make_list(ids, OFFICE, version=version, issued_at=NOW, next_at=due)


@dataclass
class Bench:
    """A gate's files, and what its rules and records become."""

    root: Path
    clock: FakeClock = field(default_factory=FakeClock)
    records: list[ConfigContent] = field(default_factory=list)
    taken: list[CodeRules] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trust, self.folder = self.root / "trust", self.root / "lists"
        self.persons = self.root / "persons.txt"
        self.trust.mkdir()
        self.folder.mkdir()
        self.put(self.trust / "office.json", public_key_set(OFFICE.public_key()).encode())
        self.put(self.persons, b"s-1\n")
        self.put(self.folder / "a.rvl", a_list(b"lost", version=1))
        make_site_key(self.root / "site.key")
        self.config = self._config()
        self.lists = CodeLists(
            lambda: self.config, UTC, self.clock,
            record=self.records.append, set_rules=self.taken.append,
        )  # fmt: skip

    def _config(self) -> GateConfig:
        text = with_keys(
            "credentials",
            f'trust = "{self.trust}"',
            f'site_key_file = "{self.root}/site.key"',
            f'revocations = "{self.folder}"',
            f'persons_list_file = "{self.persons}"',
        )
        config = parse_gate(text, "gated.toml")
        raw = config.model_dump()
        raw["paths"] |= {"state": self.root}
        return GateConfig.model_validate(raw)

    def put(self, path: Path, data: bytes) -> None:
        """Replace the file at ``path``; a new inode each time."""
        new = path.parent.parent / f"new-{path.name}"
        new.write_bytes(data)
        new.replace(path)

    def seconds(self, count: float) -> None:
        for _ in range(round(count)):
            self.clock.elapsed_s += 1.0
            self.lists.each_second()

    def a_while(self) -> list[ConfigContent]:
        """Return what was recorded in as long as a change takes."""
        before = len(self.records)
        self.seconds(TAKES_EFFECT_WITHIN_S)
        return self.records[before:]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_nothing_happens_while_nothing_changes(bench: Bench) -> None:
    assert bench.a_while() == []
    assert bench.taken == []


def test_a_change_is_taken_once_it_is_quiet_and_recorded_by_the_files_names(bench: Bench) -> None:
    bench.put(bench.folder / "a.rvl", a_list(b"lost", b"also", version=2))
    bench.seconds(LOOK_EVERY_S)
    assert bench.taken == [], "seen once: it may still be being written"
    bench.put(bench.folder / "b.rvl", a_list(b"more", version=3))
    bench.seconds(LOOK_EVERY_S)
    assert bench.taken == [], "it was"
    [record] = bench.a_while()
    assert record.accepted
    assert record.changed == ("credentials.revocations",)
    assert record.detail == "files changed: 'a.rvl', 'b.rvl'"
    [rules] = bench.taken
    assert rules.revoked == {b"lost", b"also", b"more"}
    assert rules is bench.lists.rules
    assert bench.a_while() == []


@pytest.mark.parametrize("name", ["office.json", "a.rvl", "persons.txt"])
def test_a_file_that_broke_keeps_the_old_rules_in_whole_and_is_told_once(
    bench: Bench, name: str
) -> None:
    path = next(p for p in (bench.trust / name, bench.folder / name, bench.persons) if p.exists())
    whole, rules = path.read_bytes(), bench.lists.rules
    bench.put(bench.folder / "b.rvl", a_list(b"more", version=9))
    bench.put(path, whole[:-5] + b"!")
    [record] = bench.a_while()
    assert not record.accepted
    assert record.changed == ()
    assert name in record.detail
    assert bench.taken == []
    assert bench.lists.rules is rules
    assert bench.a_while() == [], "told once"
    with pytest.raises(ConfigError):
        bench.lists.load(bench.config)  # SIGHUP does not take it either

    bench.put(path, whole + b"\n" if name != "a.rvl" else a_list(b"lost", version=2))
    [record] = bench.a_while()
    assert record.accepted
    assert b"more" in bench.lists.rules.revoked


def test_the_same_files_again_are_no_change(bench: Bench) -> None:
    broken = bench.root / "aside"
    bench.persons.rename(broken)
    [record] = bench.a_while()
    assert not record.accepted
    broken.rename(bench.persons)
    # The inode is the old one, but a rename changes ctime: read again, with nothing lost.
    assert all(record.accepted for record in bench.a_while())
    assert set(bench.lists.rules.persons.on(NOW.date())) == {"s-1"}


def test_a_new_file_that_cannot_be_used_costs_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.put(bench.trust / "README.txt", b"read me")
    bench.put(bench.folder / "b.rvl", a_list(b"more", version=2))
    [record] = bench.a_while()
    assert record.accepted
    assert b"more" in bench.lists.rules.revoked
    told = [entry.getMessage() for entry in caplog.records if "README.txt" in entry.getMessage()]
    assert any("neither certificates nor keys" in line for line in told)


def test_a_file_that_is_gone_was_taken_away_on_purpose(bench: Bench) -> None:
    bench.put(bench.trust / "other.json", public_key_set(OTHER.public_key()).encode())
    bench.a_while()
    assert len(bench.lists.rules.trust.keys) == 4  # two keys, each by its id and its id's text
    (bench.trust / "other.json").unlink()
    [record] = bench.a_while()
    assert record.accepted
    assert len(bench.lists.rules.trust.keys) == 2


def test_what_the_centre_pushes_is_taken_and_the_keys_are_named(bench: Bench) -> None:
    centre = public_key_set(CENTRE.public_key(), frozenset({USE_COMMANDS, USE_TRUST}))
    bench.put(bench.trust / "centre.json", centre.encode())
    [record] = bench.a_while()
    assert record.detail.endswith(f"keys came: {key_fingerprint(CENTRE.public_key()).hex()}")
    gate = f"{bench.config.gate.site}/{bench.config.gate.name}"
    added = AddTrust("desk", public_key_set(OTHER.public_key()).encode())
    folder, other = bench.root / PUSHED_FOLDER, key_fingerprint(OTHER.public_key()).hex()
    folder.mkdir()
    bench.put(folder / "desk.cose", make_order(order_of(added, gate=gate), CENTRE))
    [record] = bench.a_while()
    assert (record.accepted, record.changed) == (True, ("credentials.trust",))
    assert record.detail == (f"files changed: 'state/centre-trust/desk.cose'; keys came: {other}")
    # Taking the centre's own key away takes what it added with it, the file there or not.
    (bench.trust / "centre.json").unlink()
    [record] = bench.a_while()
    assert record.accepted
    assert other in record.detail.partition("went: ")[2]


def test_a_folder_that_cannot_be_read_takes_no_key_away(bench: Bench) -> None:
    bench.trust.rename(bench.root / "elsewhere")
    [record] = bench.a_while()
    assert not record.accepted
    assert "'the whole folder trust'" in record.detail
    assert bench.lists.rules.trust.keys


def test_an_older_list_is_told_once_and_takes_nothing_back(bench: Bench) -> None:
    bench.put(bench.folder / "a.rvl", a_list(b"lost", b"also", version=2))
    bench.a_while()
    bench.put(bench.folder / "a.rvl", a_list(version=1))
    told, taken = bench.a_while()
    assert not told.accepted
    assert "version 1 is an old list" in told.detail
    assert taken.accepted
    assert bench.lists.rules.revoked == {b"lost", b"also"}
    bench.put(bench.persons, b"s-2\n")
    [record] = bench.a_while()
    assert record.accepted


def test_names_in_records_are_few_and_harmless(bench: Bench) -> None:
    for number in range(40):
        bench.put(bench.folder / f"\u202e{number:02}\n.rvl", b"")
    [record] = bench.a_while()
    assert record.detail.isascii()
    assert record.detail.isprintable()
    assert record.detail.endswith("and 20 more")
