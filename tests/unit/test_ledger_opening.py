from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from gated.errors import StorageError
from gated.ledger.files import close_leaving_wal, connect_writer
from gated.ledger.reader import LedgerReader
from gated.vocabulary import Direction
from gated.wire import PassUse
from tests.ledger_drafts import fill, link, open_ledger, visit


def make(path: Path, count: int = 40) -> str:
    """Make a ledger of ``count`` events at ``path``; return its epoch."""
    ledger = open_ledger(path).ledger
    ledger.append(
        [visit(f"v{n}", person=link(), use=PassUse(f"p{n}", Direction.IN)) for n in range(count)],
        settings={"mode": "closed"},
    )
    ledger.close()
    return ledger.epoch


def test_a_sound_file_is_opened_with_all_that_was_in_it(tmp_path: Path) -> None:
    epoch = make(tmp_path / "ledger.db")
    opened = open_ledger(tmp_path / "ledger.db")
    assert (opened.how, opened.previous_epoch, opened.detail) == ("opened", None, "")
    assert (opened.ledger.epoch, opened.ledger.newest_seq) == (epoch, 40)
    opened.ledger.close()


def test_a_file_that_is_no_database_is_kept_and_a_new_epoch_begins(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database, " * 500)
    opened = open_ledger(path)
    assert (opened.how, opened.previous_epoch) == ("recovered", None)
    assert fill(opened.ledger, 1)[0].seq == 1
    opened.ledger.close()
    kept = tmp_path / "ledger-20261123.corrupt.db"
    assert kept.read_bytes() == b"not a database, " * 500
    assert kept.name in opened.detail


def test_a_damaged_file_keeps_its_epoch_in_its_name_and_its_passes_stay_used(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    epoch = make(path)
    db = sqlite3.connect(path)
    (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event'").fetchone()
    (page,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    damaged = bytearray(path.read_bytes())
    damaged[(root - 1) * page : root * page] = b"\xff" * page
    path.write_bytes(damaged)
    opened = open_ledger(path)
    assert (opened.how, opened.previous_epoch) == ("recovered", epoch)
    assert opened.ledger.epoch != epoch
    assert len(opened.ledger.uses()) == 40
    assert opened.ledger.open_visits() == [f"v{n}" for n in range(40)]
    assert opened.ledger.setting("mode") == "closed"
    assert (tmp_path / f"ledger-{epoch}.corrupt.db").read_bytes() == damaged
    opened.ledger.close()


def test_another_gates_file_is_kept_and_nothing_of_it_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    epoch = make(path)
    opened = open_ledger(path, gate="west-2")
    assert (opened.how, opened.previous_epoch) == ("recovered", epoch)
    assert "east-1" in opened.detail
    assert opened.ledger.uses() == {}
    assert opened.ledger.setting("mode") is None
    assert (tmp_path / f"ledger-{epoch}.foreign.db").exists()
    opened.ledger.close()


def test_a_newer_schema_is_refused_and_the_file_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    db = connect_writer(path, synchronous="FULL")
    db.execute("PRAGMA user_version = 3")
    db.execute("UPDATE meta SET v = '3' WHERE k = 'schema'")
    close_leaving_wal(db, path)
    before = path.read_bytes()
    with pytest.raises(StorageError, match="install the newer gated again"):
        open_ledger(path)
    assert path.read_bytes() == before
    with pytest.raises(StorageError, match="schema 3"):
        LedgerReader(path)


def test_one_flipped_bit_does_not_look_like_a_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    damaged = bytearray(path.read_bytes())
    damaged[63] ^= 4  # user_version, database header offset 60
    path.write_bytes(damaged)
    opened = open_ledger(path)
    assert opened.how == "recovered"
    opened.ledger.close()


def test_a_file_whose_maker_died_before_the_first_commit_is_simply_new(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    opened = open_ledger(path)
    assert opened.how == "new"
    opened.ledger.close()
    assert not list(tmp_path.glob("*.corrupt.db"))


def test_a_number_given_twice_by_a_damaged_file_is_never_used(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    db = connect_writer(path, synchronous="FULL")
    db.execute("UPDATE sqlite_sequence SET seq = 30")
    close_leaving_wal(db, path)
    opened = open_ledger(path)
    assert opened.how == "recovered"
    opened.ledger.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET body = substr(body, 1, 9) WHERE seq = 40",
        "UPDATE event SET hash = x'00' WHERE seq = 40",
        "UPDATE event SET hash = zeroblob(32) WHERE seq = 39",
        "UPDATE meta SET v = 'x' WHERE k = 'anchor_hash'",
        "UPDATE meta SET v = '00'; DELETE FROM event; UPDATE sqlite_sequence SET seq = 0",
        "UPDATE meta SET v = 'EPOCH' WHERE k = 'epoch'",
        "DELETE FROM meta WHERE k = 'acked_upto'",
    ],
)
def test_a_chain_is_never_continued_from_a_damaged_end(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "ledger.db"
    make(path)
    db = connect_writer(path, synchronous="FULL")
    db.executescript(damage)
    close_leaving_wal(db, path)
    opened = open_ledger(path)
    assert opened.how == "recovered"
    assert fill(opened.ledger, 1)[0].seq == 1
    opened.ledger.close()


def test_a_taken_name_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for _ in range(3):
        path.write_bytes(b"broken")
        open_ledger(path).ledger.close()
    names = sorted(file.name for file in tmp_path.glob("*.corrupt.db"))
    assert names[0] == "ledger-20261123-2.corrupt.db"
    assert len(names) == 3


def test_the_wal_of_a_killed_writer_goes_with_its_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    ledger = open_ledger(source / "ledger.db").ledger
    fill(ledger, 5)
    target = tmp_path / "target"
    shutil.copytree(source, target)  # as a power cut leaves it: all in the -wal
    ledger.close()
    opened = open_ledger(target / "ledger.db", gate="west-2")
    assert opened.previous_epoch is not None
    kept = target / f"ledger-{opened.previous_epoch}.foreign.db"
    reader = LedgerReader(kept)
    assert reader.bounds().newest_seq == 5
    reader.close()
    opened.ledger.close()


def test_a_fork_keeps_the_file_and_carries_what_must_survive(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    ledger.append([visit("a", use=PassUse("p", Direction.IN))], settings={"mode": "closed"})
    before = ledger.epoch
    opened = ledger.fork("the collector's hash at 1 is not ours")
    assert opened.ledger is ledger
    assert (opened.how, opened.previous_epoch) == ("forked", before)
    assert "hash at 1" in opened.detail
    assert fill(ledger, 1)[0].seq == 1
    assert (ledger.open_visits(), ledger.uses()["p"].uses) == (["a", "v1"], 1)
    assert (ledger.setting("mode"), ledger.boot) == ("closed", 1)
    kept = LedgerReader(tmp_path / f"ledger-{before}.forked.db")
    assert kept.bounds().newest_seq == 1
    kept.close()
    ledger.close()


def spoil(data: bytearray, rng: random.Random) -> None:
    """Damage ``data`` as cards do: flipped bits, a lost page, a torn end, zeros."""
    what = rng.choice(["flip", "flip", "flips", "page", "cut", "zeros"])
    at = rng.randrange(len(data))
    if what == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif what == "flips":
        for _ in range(40):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif what == "page":
        start = at // 4096 * 4096
        data[start : start + 4096] = rng.randbytes(min(4096, len(data) - start))
    elif what == "cut":
        del data[at:]
    else:
        data[at : at + 512] = bytes(min(512, len(data) - at))


@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize("seed", range(50))
def test_whatever_is_damaged_the_gate_records_and_the_old_file_is_kept(
    tmp_path: Path, suffix: str, seed: int
) -> None:
    rng = random.Random(f"{suffix}{seed}")
    source = tmp_path / "source"
    source.mkdir()
    ledger = open_ledger(source / "ledger.db").ledger
    ledger.append(
        [visit(f"v{n}", person=link(), use=PassUse("p", Direction.IN)) for n in range(30)]
    )
    if suffix == "":
        ledger.scrub()  # or the -wal would hide the damage
    shutil.copytree(source, tmp_path / "gate")
    epoch = ledger.epoch
    ledger.close()
    path = tmp_path / "gate" / "ledger.db"
    victim = Path(f"{path}{suffix}")
    data = bytearray(victim.read_bytes())
    spoil(data, rng)
    victim.write_bytes(data)

    opened = open_ledger(path)
    if opened.how == "opened":
        assert opened.ledger.epoch == epoch
    else:
        assert opened.ledger.epoch != epoch
        aside = [*path.parent.glob("ledger-*.corrupt.db"), *path.parent.glob("ledger-*.foreign.db")]
        assert len(aside) == (0 if opened.how == "new" else 1)
    try:
        opened.ledger.append([visit("after", person=link())])
    except StorageError:
        opened = opened.ledger.fork("found corrupt in use")
        opened.ledger.append([visit("after", person=link())])
    opened.ledger.close()
