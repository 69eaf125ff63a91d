from __future__ import annotations

import base64
import json
import random
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from gated.cli import main
from gated.clock import FakeClock, SystemClock
from gated.errors import ExitCode, StorageError
from gated.ledger.purge import files_with
from gated.ledger.reader import LedgerReader
from gated.ledger.salvage import Salvaged, Standing, salvage
from gated.ledger.salvage_pages import find_rows
from gated.ledger.verify import verify_chain
from gated.ledger.writer import Ledger, Stored
from gated.vocabulary import Direction
from gated.wire import Draft, PassUse, PersonLink
from tests.ledger_drafts import ack, fill, link, open_ledger, passage, stamp, stored, visit

HOLDER = "k4:9c41f07be2d85a13"
OTHER = PersonLink("k4:0123456789abcdef", "b3RoZXJvdGhlcm90aGVyIQ")


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def make(path: Path, count: int = 60) -> list[Stored]:
    """Record ``count`` visits, some with long bodies, and close the file as the controller does."""
    path.parent.mkdir(exist_ok=True)
    ledger = open_ledger(path).ledger
    drafts = [visit(f"v{n}", person=link(), group="g" * (n * 97 % 4_000)) for n in range(count)]
    events = stored(ledger.append(drafts[: count // 2]))
    events += stored(ledger.append(drafts[count // 2 :]))
    ledger.close()
    return events


def rescue(path: Path, tmp_path: Path) -> Salvaged:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    found = salvage(path, work)
    assert not list(work.iterdir()), "the copy is not left behind"
    return found


def overwrite(path: Path, what: bytes, by: bytes) -> None:
    data = path.read_bytes()
    assert data.count(what) >= 1
    path.write_bytes(data.replace(what, by))


# --- salvage: what is found, and what is said of it ----------------------------------------------


def test_a_sound_ledger_is_salvaged_whole_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    events = make(path)
    before = files_of(path.parent)
    found = rescue(path, tmp_path)
    assert [(e.seq, e.body) for e in found.events] == [(e.seq, e.body) for e in events]
    assert found.count(Standing.SOUND) == len(events)
    assert (found.missing, found.lost, found.damage) == ((), 0, "")
    assert found.events[0].link == link()
    assert files_of(path.parent) == before


def test_what_stands_in_the_log_alone_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    events = fill(ledger, 20)
    (tmp_path / "card").mkdir()
    for side in ("", "-wal"):  # as after a power cut
        shutil.copy(f"{path}{side}", tmp_path / "card" / f"ledger.db{side}")
    ledger.close()
    found = rescue(tmp_path / "card" / "ledger.db", tmp_path)
    assert [e.body for e in found.events] == [e.body for e in events]


def test_the_pages_alone_give_every_event(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    events = make(path)
    found = {row.seq: (row.hash, row.body) for row in find_rows(path.read_bytes(), b"")}
    assert found == {e.seq: (e.hash, e.body) for e in events}


def test_a_ledger_without_its_header_and_its_tables_of_contents_is_read_from_its_pages(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state" / "ledger.db"
    events = make(path)
    data = bytearray(path.read_bytes())
    data[:1024] = b"\xff" * 1024  # the header and the schema
    path.write_bytes(data)
    found = rescue(path, tmp_path)
    assert found.damage
    assert [e.body for e in found.events] == [e.body for e in events]
    assert found.count(Standing.SOUND) == len(events), "from the first event on: the chain begins"
    assert found.acked_upto is None


def test_a_body_that_was_changed_is_broken_and_those_around_it_are_sound(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    make(path)
    overwrite(path, b'"visit_id":"v19"', b'"visit_id":"v99"')
    found = rescue(path, tmp_path)
    standings = {event.seq: event.standing for event in found.events}
    assert standings.pop(20) is Standing.BROKEN
    assert set(standings.values()) == {Standing.SOUND}
    assert found.missing == ((20, 20),)
    assert found.lost == 1


def test_a_hash_that_was_changed_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    events = make(path)
    overwrite(path, events[19].hash, bytes(32))
    found = rescue(path, tmp_path)
    assert found.count(Standing.SOUND) == len(events), "the event after it quotes its hash"


def test_after_a_hole_the_first_event_is_unproven_and_the_rest_is_sound_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state" / "ledger.db"
    make(path)
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM event WHERE seq BETWEEN 11 AND 20")
    db.close()
    found = rescue(path, tmp_path)
    standings = {event.seq: event.standing for event in found.events}
    assert standings.pop(21) is Standing.UNPROVEN
    assert set(standings.values()) == {Standing.SOUND}
    assert found.missing == ((11, 20),)


def test_what_the_collector_has_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    events = fill(ledger, 30)
    ledger.apply_ack(ack(ledger, 15, events[14].hash))
    ledger.close()
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM event WHERE seq BETWEEN 11 AND 20 OR seq > 28")
    db.close()
    found = rescue(path, tmp_path)
    assert found.missing == ((11, 20), (29, 30)), "the end too: its numbers were given"
    assert (found.acked_upto, found.lost) == (15, 7)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_damaged_nothing_false_is_called_sound(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "state" / "ledger.db"
    truth = {event.seq: event.body for event in make(path)}
    data, rng = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(rng.randrange(1, 60)):
        at = rng.randrange(len(data))
        if rng.random() < 0.1:
            data[at : at + 1024] = rng.randbytes(min(1024, len(data) - at))
        else:
            data[at] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    found = rescue(path, tmp_path)
    sound = {event.seq: event.body for event in found.events if event.standing is Standing.SOUND}
    assert sound.items() <= truth.items()
    kept = {event.seq for event in found.events if event.standing is not Standing.BROKEN}
    named = {seq for first, last in found.missing for seq in range(first, last + 1)}
    last = max(truth) if found.is_end_known else max(kept)
    assert kept | named >= set(range(1, last + 1)), "what is not there is named"


def test_one_lost_page_costs_few_events(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    make(path, 200)
    db = sqlite3.connect(path)
    (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event'").fetchone()
    db.close()
    data = bytearray(path.read_bytes())
    data[(root - 1) * 1024 : root * 1024] = bytes(1024)  # SQLite finds no event any more
    path.write_bytes(data)
    found = rescue(path, tmp_path)
    assert found.count(Standing.SOUND) == 200


def test_a_running_gates_ledger_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    with pytest.raises(StorageError, match="a gate runs on"):
        salvage(path, tmp_path)
    ledger.close()


def test_a_file_with_nothing_of_ours_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(random.Random(1).randbytes(50_000))
    with pytest.raises(StorageError, match="holds no event"):
        salvage(path, tmp_path)


# --- salvage: the command ------------------------------------------------------------------------


def test_a_cards_root_is_enough_and_links_stay_out_unless_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "card" / "var" / "lib" / "gated"
    state.mkdir(parents=True)
    events = make(state / "ledger.db")
    out = tmp_path / "out"
    out.mkdir()
    assert main(["ledger", "salvage", str(tmp_path / "card"), "--out", str(out)]) == ExitCode.OK
    assert "60 sound, 0 unproven, 0 broken" in capsys.readouterr().out
    (file,) = out.iterdir()
    assert file.name.startswith("lixin-primary.east-1.")
    assert file.read_bytes() == b"".join(event.body + b"\n" for event in events)
    assert HOLDER.encode() not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    args = ["ledger", "salvage", str(tmp_path / "card"), "--out", str(out), "--with-links"]
    assert main(args) == ExitCode.OK
    (second,) = set(out.iterdir()) - {file}
    assert second.read_bytes().count(HOLDER.encode()) == 60


def test_what_is_broken_is_written_apart_and_the_command_says_that_something_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state" / "ledger.db"
    make(path)
    overwrite(path, b'"visit_id":"v19"', b'"visit_id":"v99"')
    args = ["ledger", "salvage", str(path), "--out", str(tmp_path), "--json"]
    assert main(args) == ExitCode.FAILED
    (facts,) = json.loads(capsys.readouterr().out)
    assert (facts["sound"], facts["broken"], facts["missing"]) == (59, 1, [[20, 20]])
    usable, broken = (Path(name) for name in facts["written"])
    assert len(usable.read_bytes().splitlines()) == 59
    (line,) = broken.read_bytes().splitlines()
    assert b'"visit_id":"v99"' in base64.b64decode(json.loads(line)["body_base64"])


# --- purge ---------------------------------------------------------------------------------------


def purge(path: Path, *args: str) -> int:
    return main(["ledger", "purge", "--ledger", str(path), *args])


def people(path: Path, *, acked: int) -> Ledger:
    """Return an open ledger: three visits of yesterday and three of today, by two persons."""
    ledger = open_ledger(path).ledger
    today = FakeClock().now()
    drafts: list[Draft] = []
    for day, name in ((today - timedelta(days=1), "old"), (today, "new")):
        use = PassUse(f"pass-{name}", Direction.IN)
        drafts += [
            visit(f"visit-{name}", person=link(HOLDER), use=use, when=stamp(day)),
            passage(f"visit-{name}", when=stamp(day)),
            visit(f"other-{name}", person=OTHER, when=stamp(day)),
        ]
    events = stored(ledger.append(drafts))
    if acked:
        ledger.apply_ack(ack(ledger, acked, events[acked - 1].hash))
    return ledger


def is_in_files(folder: Path, text: str) -> bool:
    return bool(files_with(text.encode(), folder))


def still_verifies(path: Path) -> int:
    reader = LedgerReader(path)
    report = verify_chain(reader)
    reader.close()
    assert report.ok, report
    return report.checked


def test_no_byte_of_a_persons_links_is_left_and_the_chain_verifies(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    people(path, acked=0).close()
    assert is_in_files(tmp_path, HOLDER)
    assert is_in_files(tmp_path, link().salt)
    assert purge(path, "--person", HOLDER, "--yes") == ExitCode.OK
    assert not is_in_files(tmp_path, HOLDER)
    assert not is_in_files(tmp_path, link().salt)
    assert is_in_files(tmp_path, OTHER.holder_ref), "another person's stay"
    assert still_verifies(path) == 6


def test_a_purge_of_a_killed_controllers_ledger_empties_its_log_too(tmp_path: Path) -> None:
    path = tmp_path / "running" / "ledger.db"
    path.parent.mkdir()
    ledger = people(path, acked=0)
    (tmp_path / "killed").mkdir()
    killed = tmp_path / "killed" / "ledger.db"
    for side in ("", "-wal"):
        shutil.copy(f"{path}{side}", f"{killed}{side}")
    ledger.close()
    assert HOLDER.encode() in Path(f"{killed}-wal").read_bytes()
    assert purge(killed, "--person", HOLDER, "--yes") == ExitCode.OK
    assert not is_in_files(killed.parent, HOLDER)


def test_events_before_a_day_go_with_everything_that_names_their_visits(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    people(path, acked=3).close()
    today = FakeClock().now().astimezone().date()
    assert purge(path, "--before", today.isoformat(), "--yes") == ExitCode.OK
    for gone in ("visit-old", "other-old"):
        assert not is_in_files(tmp_path, gone)
    assert is_in_files(tmp_path, "visit-new")
    assert is_in_files(tmp_path, "pass-old"), "or a pass for one use would open again"
    assert still_verifies(path) == 3


def test_a_clock_that_ran_ahead_keeps_nothing_from_being_deleted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    now = SystemClock().now()
    days = (-3, 400, -2, 0)
    drafts = [visit(f"on-day-{day}", when=stamp(now + timedelta(days=day))) for day in days]
    events = stored(ledger.append(drafts))
    ledger.apply_ack(ack(ledger, 4, events[3].hash))
    ledger.close()
    yesterday = (now.astimezone() - timedelta(days=1)).date()
    assert purge(path, "--before", yesterday.isoformat(), "--yes") == ExitCode.OK
    assert [is_in_files(tmp_path, f"on-day-{day}") for day in days] == [False, False, False, True]


def test_what_the_collector_does_not_have_is_not_deleted_unless_one_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.db"
    people(path, acked=2).close()
    assert purge(path, "--all", "--yes") == ExitCode.FAILED
    assert "4 of these 6 events are not acknowledged" in capsys.readouterr().err
    assert still_verifies(path) == 6
    assert purge(path, "--all", "--yes", "--even-unacked") == ExitCode.OK
    for gone in ("visit-old", "visit-new", "other-new", HOLDER, OTHER.holder_ref):
        assert not is_in_files(tmp_path, gone)


def test_the_gate_goes_on_after_a_purge_with_the_next_number_of_its_chain(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = people(path, acked=6)
    epoch = ledger.epoch
    ledger.close()
    assert purge(path, "--all", "--yes") == ExitCode.OK
    opened = open_ledger(path)
    assert (opened.how, opened.ledger.epoch) == ("opened", epoch)
    assert [event.seq for event in fill(opened.ledger, 2)] == [7, 8]
    assert opened.ledger.uses()["pass-old"].uses == 1
    opened.ledger.close()
    reader = LedgerReader(path)
    assert reader.backlog() == 2
    reader.close()
    assert still_verifies(path) == 2


def test_a_running_gates_ledger_is_not_purged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.db"
    ledger = people(path, acked=6)
    assert purge(path, "--all", "--yes") == ExitCode.IO
    assert "another gated controller runs" in capsys.readouterr().err
    ledger.close()
    assert still_verifies(path) == 6


def test_nobody_there_to_be_asked_means_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    people(path, acked=6).close()
    with Path("/dev/null").open(encoding="utf-8") as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        assert purge(path, "--all") == ExitCode.FAILED
    assert still_verifies(path) == 6


def test_a_file_that_was_set_aside_and_still_names_the_person_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.db"
    people(path, acked=6).close()
    aside = tmp_path / "ledger-k3v9q2m7x1c8d4zt.corrupt.db"
    shutil.copy(path, aside)
    assert purge(path, "--person", HOLDER, "--yes") == ExitCode.FAILED
    assert str(aside) in capsys.readouterr().err
