"""The newest code of each changing pass in the ledger, and how an older ledger gets its place."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.ledger.files import close_leaving_wal, connect_writer
from gated.ledger.opening import migrate
from gated.ledger.reader import LedgerReader
from gated.ledger.schema import MIGRATIONS
from gated.ledger.verify import verify_chain
from gated.ledger.writer import Ledger
from gated.vocabulary import Direction, PassageResult
from gated.wire import PassUse
from tests.ledger_drafts import link, open_ledger, passage, stamp, visit

SCHEMA_1 = Path(__file__).parents[1] / "golden" / "ledger" / "schema-1.sql"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
CODE_S = int((NOW + timedelta(hours=7, minutes=30)).timestamp())
DAY_S = 86_400


def code(made_s: int | None, ref: str = "p") -> PassUse:
    return PassUse(ref, Direction.IN, made_s)


def newest(ledger: Ledger, ref: str = "p") -> int | None:
    return ledger.uses()[ref].newest_code_s


# --- what is kept --------------------------------------------------------------------------------


def test_the_newest_code_is_kept_with_the_decision_and_never_goes_back(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    for number, made_s in enumerate([None, CODE_S, CODE_S - 30, None]):
        ledger.append([visit(f"v{number}", use=code(made_s)), passage(f"v{number}")])
    assert newest(ledger) == CODE_S
    ledger.append([visit("later", use=code(CODE_S + 30))])
    ledger.close()
    again = open_ledger(tmp_path / "ledger.db").ledger
    assert (again.uses()["p"].uses, newest(again)) == (5, CODE_S + 30)
    again.close()


@pytest.mark.parametrize("is_first_use", [True, False])
def test_a_use_that_is_given_back_does_not_give_back_the_code(
    tmp_path: Path, is_first_use: bool
) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    if not is_first_use:
        ledger.append([visit("a", use=code(CODE_S - 60)), passage("a")])
    ledger.append([visit("b", use=code(CODE_S))])
    ledger.append([passage("b", PassageResult.NOBODY_PASSED)])
    assert ledger.uses()["p"].uses == (0 if is_first_use else 1)
    assert newest(ledger) == CODE_S
    ledger.append([visit("c", use=code(CODE_S + 30)), passage("c")])
    assert ledger.uses()["p"].uses == (1 if is_first_use else 2)
    ledger.close()


def test_a_new_epoch_takes_the_newest_code_over(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    ledger.append([visit("a", use=code(CODE_S)), passage("a")])
    ledger.fork("the collector's hash is not ours")
    assert newest(ledger) == CODE_S
    ledger.close()


def test_a_deleted_person_link_makes_no_code_new_again(tmp_path: Path) -> None:
    clock = FakeClock(wall=NOW + timedelta(hours=7, minutes=30))
    ledger = open_ledger(tmp_path / "ledger.db", clock).ledger
    ledger.keep_person_days = 0
    use = code(CODE_S)
    ledger.append([visit("a", person=link(), use=use, when=stamp(clock.now())), passage("a")])
    clock.advance(1)
    assert ledger.expire_links() == 1
    assert newest(ledger) == CODE_S
    ledger.close()


def test_the_time_of_a_code_is_blurred_to_the_end_of_its_day_once_no_code_of_it_is_good(
    tmp_path: Path,
) -> None:
    clock = FakeClock(wall=NOW + timedelta(hours=7, minutes=30))
    ledger = open_ledger(tmp_path / "ledger.db", clock).ledger
    ledger.keep_person_days = 0
    ledger.append([visit("a", use=code(CODE_S), when=stamp(clock.now())), passage("a")])
    midnight_s = int((NOW + timedelta(days=1)).timestamp())
    for ahead_s, expected in ((midnight_s + 599, CODE_S), (midnight_s + 600, midnight_s)):
        clock.advance(ahead_s - clock.now().timestamp())
        ledger.expire_links()
        assert newest(ledger) == expected
    clock.advance(3 * DAY_S)
    ledger.expire_links()
    assert newest(ledger) == midnight_s, "blurred once, not moved along with the clock"
    ledger.close()


def test_the_time_of_a_code_is_blurred_with_the_person_link_and_not_before(tmp_path: Path) -> None:
    clock = FakeClock(wall=NOW + timedelta(hours=7, minutes=30))
    ledger = open_ledger(tmp_path / "ledger.db", clock).ledger
    ledger.append([visit("a", use=code(CODE_S), when=stamp(clock.now())), passage("a")])
    clock.advance(14 * DAY_S - 1)
    ledger.expire_links()
    assert newest(ledger) == CODE_S
    clock.advance(2)
    ledger.expire_links()
    assert newest(ledger) == int((NOW + timedelta(days=1)).timestamp())
    ledger.close()


def test_a_clock_that_is_not_trusted_blurs_nothing(tmp_path: Path) -> None:
    clock = FakeClock(wall=NOW + timedelta(days=3_000))
    ledger = open_ledger(tmp_path / "ledger.db", clock).ledger  # nothing recorded: unknown
    ledger.append([visit("a", use=code(CODE_S)), passage("a")])
    ledger.close()
    again = open_ledger(tmp_path / "ledger.db", clock).ledger
    again.expire_links()
    assert newest(again) == CODE_S
    again.close()


# --- a ledger of schema 1 ------------------------------------------------------------------------


def make_schema_1(path: Path) -> None:
    db = connect_writer(path, synchronous="FULL")
    db.executescript(SCHEMA_1.read_text(encoding="utf-8"))
    close_leaving_wal(db, path)


def is_whole(path: Path) -> bool:
    """Open ``path``, and return whether everything of the golden ledger is there and usable."""
    opened = open_ledger(path)
    ledger, reader = opened.ledger, LedgerReader(path)
    try:
        assert opened.how == "opened", opened.detail
        uses = {ref: (used.uses, used.last_direction) for ref, used in ledger.uses().items()}
        assert uses == {
            "k4:p0": (2, Direction.OUT),
            "k4:p2": (1, Direction.IN),
            "k4:p3": (1, Direction.IN),
        }
        assert ledger.open_visits() == ["v2", "v3", "v4"]
        assert (ledger.setting("mode"), ledger.epoch) == ("closed", "u2mvhunhw5efmlce")
        assert [event.seq for event in reader.after(0, 100)] == [1, 2, 3, 4, 5, 6, 7]
        ledger.append([visit("new", use=code(CODE_S, "k4:p0")), passage("new")])
        assert newest(ledger, "k4:p0") == CODE_S
        report = verify_chain(reader)
        return report.ok and report.checked == 9
    finally:
        reader.close()
        ledger.close()


def test_an_older_ledger_keeps_every_event_use_and_setting(tmp_path: Path) -> None:
    make_schema_1(tmp_path / "ledger.db")
    assert is_whole(tmp_path / "ledger.db")
    opened = open_ledger(tmp_path / "ledger.db")
    assert (opened.how, opened.detail) == ("opened", "")
    opened.ledger.close()


def test_the_boot_record_can_say_that_the_schema_changed(tmp_path: Path) -> None:
    make_schema_1(tmp_path / "ledger.db")
    opened = open_ledger(tmp_path / "ledger.db")
    assert opened.detail == "schema 1 became 2"
    opened.ledger.close()


def test_wherever_the_power_fails_while_the_schema_changes_the_ledger_is_whole(
    tmp_path: Path,
) -> None:
    """Before each statement and after the last the files are copied, as a power cut leaves them."""
    (tmp_path / "gate").mkdir()
    path = tmp_path / "gate" / "ledger.db"
    make_schema_1(path)
    db = connect_writer(path, synchronous="FULL")
    cuts: list[Path] = []

    def cut(_statement: str) -> None:
        cuts.append(tmp_path / f"cut{len(cuts)}")
        shutil.copytree(path.parent, cuts[-1])

    db.set_trace_callback(cut)
    migrate(db)
    db.set_trace_callback(None)
    cut("the end")
    close_leaving_wal(db, path)
    assert len(cuts) >= len(MIGRATIONS[1]) + 5  # version, begin, meta, number, commit, the end
    for folder in cuts:
        assert is_whole(folder / "ledger.db"), folder.name


def test_a_schema_that_cannot_be_changed_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_schema_1(path)
    db = connect_writer(path, synchronous="FULL")
    db.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError):
        migrate(db)
    assert not db.in_transaction
    db.execute("PRAGMA query_only = OFF")
    close_leaving_wal(db, path)
    assert is_whole(path)


def test_a_ledger_made_new_and_one_made_older_have_the_same_tables(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    make_schema_1(tmp_path / "old" / "ledger.db")
    tables = []
    for path in (tmp_path / "old" / "ledger.db", tmp_path / "ledger.db"):
        open_ledger(path).ledger.close()
        db = sqlite3.connect(path)
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema ORDER BY name")]
        tables.append(
            {name: db.execute(f"PRAGMA table_xinfo({name})").fetchall() for name in names}
        )
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
        assert db.execute("SELECT v FROM meta WHERE k = 'schema'").fetchone() == ("2",)
        db.close()
    assert tables[0] == tables[1]


def test_a_damaged_older_ledger_still_gives_its_uses_to_the_new_epoch(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_schema_1(path)
    db = connect_writer(path, synchronous="FULL")
    db.execute("UPDATE event SET hash = zeroblob(32) WHERE seq = 7")
    close_leaving_wal(db, path)
    opened = open_ledger(path)
    assert opened.how == "recovered"
    assert opened.ledger.uses()["k4:p0"].uses == 2
    assert opened.ledger.open_visits() == ["v2", "v3", "v4"]
    opened.ledger.close()


def test_an_older_ledger_can_be_read_without_being_changed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_schema_1(path)
    before = path.read_bytes()
    reader = LedgerReader(path)
    assert len(reader.after(0, 100)) == 7
    assert verify_chain(reader).ok
    reader.close()
    assert path.read_bytes() == before
