"""The register and its folder: durable, private, and the same card again."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gated.credentials.gp1 import Gp1Claims
from gated.credentials.revocation import RevocationList, read_list
from gated.credentials.trust import load_trust
from gated.errors import GatedError, StorageError
from gated.office.folder import Office, OfficeFolder, check_private, make_office, open_office
from gated.office.forgetting import holders_to_forget
from gated.office.issuing import new_cti, register_pass, reissue, replacement, text_of
from gated.office.lists import is_list_due, note_revocation, write_revocations
from gated.office.passes import Holder, PassKind, RevokedWhy
from gated.office.register import Pseudonyms, Register
from gated.vocabulary import Direction, HolderCategory

NOW = datetime(2026, 11, 26, 4, tzinfo=UTC)
PUPIL = Holder("s-0001", "张三", HolderCategory.STUDENT, "三年2班", "7")
CLAIMS = Gp1Claims(
    sub="s-0001",
    category=HolderCategory.STUDENT,
    not_before=NOW,
    expires_at=NOW + timedelta(days=100),
    cti=bytes(8),
    group="三年2班",
    zones=("canteen",),
    direction=Direction.IN,
    max_uses=3,
    approver="t-031",
    guardian_ref="p-0001",
    nat_sampled_at=NOW - timedelta(hours=6),
    is_slow=True,
)


@pytest.fixture
def folder(tmp_path: Path) -> OfficeFolder:
    folder = OfficeFolder(tmp_path / "office")
    make_office(folder, "第三小学").register.close()
    return folder


def add(office: Office, claims: Gp1Claims = CLAIMS) -> int:
    with office.register.change():
        office.register.put_holder(replace(PUPIL, pseudonym=claims.sub))
        return register_pass(office, PassKind.VISITOR, claims, NOW)


def add_twice(office: Office) -> None:
    with office.register.change():
        office.register.put_holder(PUPIL)
        for _ in range(2):  # the same cti
            register_pass(office, PassKind.VISITOR, CLAIMS, NOW)


def add_to_nobody(office: Office) -> None:
    with office.register.change():
        register_pass(office, PassKind.VISITOR, replace(CLAIMS, sub="s-9", cti=new_cti()), NOW)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- the folder ----------------------------------------------------------------------------------


def test_an_office_is_made_in_one_step_and_only_its_owner_reads_it(folder: OfficeFolder) -> None:
    assert mode_of(folder.path) == 0o700
    assert {mode_of(path) for path in (folder.key, folder.register, folder.site_key)} == {0o600}
    assert [path.name for path in folder.trust.iterdir()] == ["office.jwks.json"]
    with open_office(folder) as office:
        assert office.site == "第三小学"


def test_making_it_again_makes_only_what_is_missing(folder: OfficeFolder) -> None:
    with open_office(folder) as office:
        number = add(office)
    kept = {path: path.read_bytes() for path in (folder.key, folder.site_key)}
    (folder.trust / "office.jwks.json").unlink()
    with make_office(folder, "第三小学") as office:
        assert [item.number for item in office.register.passes()] == [number]
    assert {path: path.read_bytes() for path in kept} == kept
    assert (folder.trust / "office.jwks.json").exists()


@pytest.mark.parametrize("name", ["", "key", "register"])
@pytest.mark.parametrize("bits", [0o040, 0o004, 0o020])
def test_what_others_can_use_is_refused_with_the_command_that_mends_it(
    folder: OfficeFolder, name: str, bits: int
) -> None:
    path = getattr(folder, name) if name else folder.path
    good = mode_of(path)
    path.chmod(good | bits)
    with pytest.raises(GatedError, match=f"chmod {good:o} ") as refused:
        open_office(folder)
    assert "\n" not in str(refused.value)
    path.chmod(good)
    open_office(folder).register.close()


def test_an_office_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(GatedError, match="gated pass office init"):
        open_office(OfficeFolder(tmp_path / "none"))
    with pytest.raises(GatedError):
        check_private(tmp_path / "none")


def test_another_programs_database_and_a_newer_register_are_refused(folder: OfficeFolder) -> None:
    with sqlite3.connect(folder.register) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StorageError, match="newer"):
        open_office(folder)
    folder.register.unlink()
    with sqlite3.connect(folder.register) as database:
        database.execute("CREATE TABLE x (y)")
    database.close()
    folder.register.chmod(0o600)
    with pytest.raises(StorageError, match="another program"):
        open_office(folder)
    folder.register.write_bytes(b"garbage" * 100)
    with pytest.raises(StorageError):
        open_office(folder)


# --- the register --------------------------------------------------------------------------------


def test_a_pass_comes_back_with_every_claim_and_the_same_text(folder: OfficeFolder) -> None:
    with open_office(folder) as office:
        number = add(office)
        (item,) = office.register.passes()
        text = text_of(item, office)
    with open_office(folder) as office:
        (again,) = office.register.passes()
        assert again == item
        assert text_of(again, office) == text
    assert (item.number, item.claims, item.holder, item.issued_at) == (number, CLAIMS, PUPIL, NOW)
    # The text is signed anew each time: who copies the file cannot print a card.
    assert text.encode()[4:40] not in folder.register.read_bytes()


def test_a_change_that_fails_leaves_nothing_behind(folder: OfficeFolder) -> None:
    with open_office(folder) as office:
        with pytest.raises(StorageError):
            add_twice(office)
        assert office.register.holders() == ()
        assert office.register.passes() == ()
        assert add(office) == 1


def test_no_number_is_used_twice_and_no_pass_without_its_holder(folder: OfficeFolder) -> None:
    with open_office(folder) as office:
        assert add(office) == 1
        assert add(office, replace(CLAIMS, cti=new_cti())) == 2
        with pytest.raises(StorageError):
            add_to_nobody(office)


def test_a_reissued_pass_stops_the_old_one_in_the_same_step(folder: OfficeFolder) -> None:
    later = NOW + timedelta(days=7)
    with open_office(folder) as office:
        add(office)
        (old,) = office.register.passes()
        with office.register.change():
            claims = replacement(old, later, None)
            number = reissue(office, old, claims, RevokedWhy.LOST, later)
        first, second = office.register.passes()
    assert (first.revoked_at, first.revoked_why) == (later, RevokedWhy.LOST)
    assert (first.replaced_by, second.number) == (number, number)
    assert second.claims == replace(
        CLAIMS, cti=second.claims.cti, not_before=later, expires_at=CLAIMS.expires_at
    )
    assert second.claims.cti != CLAIMS.cti
    assert not first.is_in_force(later)
    assert second.is_in_force(later)


def test_a_pass_that_has_ended_is_replaced_only_with_a_new_end(folder: OfficeFolder) -> None:
    with open_office(folder) as office:
        add(office)
        (old,) = office.register.passes()
    with pytest.raises(GatedError, match="--until"):
        replacement(old, CLAIMS.expires_at, None)
    end = CLAIMS.expires_at + timedelta(days=1)
    assert replacement(old, CLAIMS.expires_at, end).expires_at == end


def test_why_a_pass_was_revoked_first_stays(folder: OfficeFolder) -> None:
    with open_office(folder) as office:
        number = add(office)
        for why, at in ((RevokedWhy.LOST, NOW), (RevokedWhy.LEFT, NOW + timedelta(days=1))):
            with office.register.change():
                office.register.revoke(number, why, at)
        (item,) = office.register.passes()
    assert (item.revoked_why, item.revoked_at) == (RevokedWhy.LOST, NOW)


def test_a_pass_of_an_earlier_key_is_not_printed_under_the_new_one(folder: OfficeFolder) -> None:
    with open_office(folder) as office:
        add(office)
    folder.key.unlink()
    with make_office(folder, "第三小学") as office:
        (item,) = office.register.passes()
        with pytest.raises(GatedError, match="gated pass reissue 1"):
            text_of(item, office)


def test_a_pseudonym_that_somebody_chose_is_never_given_out() -> None:
    pseudonyms = Pseudonyms(("s-0007", "x", "s-7-7", "t-3"))
    assert pseudonyms.next_for(HolderCategory.STUDENT) == "s-0008"
    assert pseudonyms.next_for(HolderCategory.STAFF) == "t-0004"
    pseudonyms.take("s-0010")
    assert pseudonyms.next_for(HolderCategory.STUDENT) == "s-0011"
    assert pseudonyms.next_for(HolderCategory.VISITOR) == "v-0001"


def test_names_are_forgotten_once_no_pass_speaks_of_them(folder: OfficeFolder) -> None:
    end = CLAIMS.expires_at
    guardian = Holder("p-0001", "李大强", HolderCategory.ESCORT)
    with open_office(folder) as office:
        add(office)
        with office.register.change():
            office.register.put_holder(guardian)
        holders, passes = office.register.holders(), office.register.passes()
        assert holders_to_forget(holders, passes, end - timedelta(seconds=1)) == ()
        gone = holders_to_forget(holders, passes, end)
        assert {(holder.pseudonym, holder.name, holder.detail) for holder in gone} == {
            ("s-0001", "", ""),
            ("p-0001", "", ""),
        }
        with office.register.change():
            for holder in gone:
                office.register.put_holder(holder)
    data = folder.register.read_bytes()
    assert "张三".encode() not in data
    assert "李大强".encode() not in data


# --- the gates' lists ----------------------------------------------------------------------------


class OvertakenRegister(Register):
    """A register whose second command runs as a whole after the first change of this one."""

    def __init__(self, path: Path, other: Callable[[], None]) -> None:
        super().__init__(path)
        self._other: Callable[[], None] | None = other

    @contextmanager
    def change(self) -> Iterator[None]:
        with super().change():
            yield
        other, self._other = self._other, None
        if other is not None:
            other()


def test_of_two_commands_at_once_the_list_with_every_revoked_pass_stays(
    folder: OfficeFolder,
) -> None:
    with open_office(folder) as office:
        number = add(office)

    def revoke_and_write() -> None:
        with open_office(folder) as other:
            with other.register.change():
                other.register.revoke(number, RevokedWhy.LOST, NOW)
                note_revocation(other)
            write_revocations(other, NOW)

    with open_office(folder) as office:
        register = OvertakenRegister(folder.register, revoke_and_write)
        with register:
            write_revocations(replace(office, register=register), NOW)
        found = read_list(folder.revocations.read_bytes(), load_trust(folder.trust), NOW)
        assert isinstance(found, RevocationList)
        assert found.ids == {CLAIMS.cti}
        assert found.version == int(office.register.fact("revocations_version") or 0)
        assert not is_list_due(office)
