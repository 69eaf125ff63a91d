from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from openpyxl import load_workbook

from gated.cli import main
from gated.collector.archive import LastAlarm, Wanted
from gated.collector.gaps import GapState, number_gaps
from gated.collector.overview import open_alarms
from gated.collector.sqlite_archive import SqliteArchive
from gated.collector.sqlite_reader import SqliteReader
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Arrival, ChainKey, Lane, Problem
from gated.contents import AlarmContent, AlarmName
from gated.errors import ExitCode
from gated.wire import PersonLink, join_link, parse_json
from tests.collector_gate import LedgerOfGate, Message, arrivals, visit
from tests.ledger_drafts import fill, open_ledger

LINK = PersonLink(holder_ref="k4:9c41f07be2d85a13", salt="c2FsdHNhbHRzYWx0c2E")


class Centre:
    """A database that commands are run on, as beside a running collector."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "records.db"
        self.store = SqliteStore(self.path, keep_person_days=14)
        self.gate = LedgerOfGate()

    def run(self, action: str, *args: str) -> int:
        return main(["collector", action, "--database", str(self.path), *args])

    def upto(self) -> tuple[int, bytes]:
        (progress,) = self.store.progress([self.gate.chain])
        return progress.upto, progress.hash

    def problems(self) -> dict[Problem, int]:
        reader = SqliteReader(self.path)
        (gate,) = reader.gates()
        reader.close()
        return dict(gate.problems)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    centre = Centre(tmp_path)
    yield centre
    centre.store.close()


def spoilt(message: Message) -> Arrival:
    """The message as a collector sees it that cannot read it: its bytes, placed by properties."""
    return Arrival(message.topic, b"\xff", message.arrival().received_at_ms, message.chain.epoch,
                   message.seq)  # fmt: skip


# --- export --------------------------------------------------------------------------------------


def export(centre: Centre, tmp_path: Path, name: str, *args: str) -> Path:
    out = tmp_path / name
    assert centre.run("export", "--out", str(out), *args) == ExitCode.OK
    return out


def test_bodies_are_exported_to_the_byte_and_without_links(centre: Centre, tmp_path: Path) -> None:
    messages = [centre.gate.write(visit(), link=LINK), *centre.gate.write_visits(600)]
    centre.store.ingest(arrivals(messages))
    out = export(centre, tmp_path, "all.jsonl")
    assert out.read_bytes() == b"".join(message.body + b"\n" for message in messages)


def test_only_the_days_asked_for_are_exported_and_both_ends_count(
    centre: Centre, tmp_path: Path
) -> None:
    days = []
    for _ in range(4):
        days.append(centre.gate.write(visit()))
        centre.gate.at += timedelta(days=1)
    centre.store.ingest(arrivals(days))
    out = export(centre, tmp_path, "x.jsonl", "--from", "2026-11-24", "--to", "2026-11-25")
    assert out.read_bytes().splitlines() == [days[1].body, days[2].body]


def test_one_gate_and_one_kind_can_be_asked_for(centre: Centre, tmp_path: Path) -> None:
    other = LedgerOfGate(gate="west-2", epoch="aaaaaaaaaaaaaaaa")
    mine = [centre.gate.write(visit()), centre.gate.write(AlarmContent(alarm=AlarmName.HELD_OPEN))]
    centre.store.ingest(arrivals([*mine, other.write(visit())]))
    args = ("--gate", "lixin-primary/east-1", "--kind", "alarm")
    out = export(centre, tmp_path, "x.jsonl", *args)
    assert out.read_bytes().splitlines() == [mine[1].body]


FORMULA = "=HYPERLINK(1)"


@pytest.mark.parametrize("name", ["x.csv", "x.xlsx"])
def test_a_table_has_a_column_for_each_member_and_runs_no_formula(
    centre: Centre, tmp_path: Path, name: str
) -> None:
    centre.store.ingest(arrivals([centre.gate.write(visit(holder_group=FORMULA))]))
    out = export(centre, tmp_path, name)
    if name.endswith(".csv"):
        (row,) = csv.DictReader(io.StringIO(out.read_text(encoding="utf-8-sig")))
        assert row["holder_group"] == f"'{FORMULA}"
        assert row["body_c"] == "36.62"
        return
    sheet = load_workbook(out).active
    assert sheet is not None
    heading, values = sheet.iter_rows()
    cells = {str(head.value): cell for head, cell in zip(heading, values, strict=True)}
    assert (cells["holder_group"].value, cells["holder_group"].data_type) == (f"'{FORMULA}", "s")
    assert (cells["body_c"].value, cells["body_c"].data_type) == (36.62, "n")


def test_cloud_events_carry_the_record_and_a_name_that_stays_the_same(
    centre: Centre, tmp_path: Path
) -> None:
    message = centre.gate.write(visit())
    centre.store.ingest(arrivals([message, centre.gate.write(visit())]))
    first, second = json.loads(export(centre, tmp_path, "x.json").read_bytes())
    assert first == {
        "specversion": "1.0",
        "id": f"{centre.gate.epoch}.1",
        "source": "/gates/v1/lixin-primary/east-1",
        "type": "gated.record.v1.visit",
        "time": message.at.isoformat(timespec="milliseconds"),
        "datacontenttype": "application/json",
        "data": parse_json(message.body),
    }
    assert second["id"] == f"{centre.gate.epoch}.2"


def test_an_export_overwrites_nothing(centre: Centre, tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    out.write_text("mine", encoding="utf-8")
    assert centre.run("export", "--out", str(out)) == ExitCode.FAILED
    assert out.read_text(encoding="utf-8") == "mine"


def test_a_record_of_unknown_time_counts_by_when_it_came(centre: Centre) -> None:
    message = centre.gate.write(visit())
    centre.store.ingest([message.arrival()])
    with sqlite3.connect(centre.path) as db:
        db.execute("UPDATE record SET time_quality = 'unknown', at_ms = 0")
    db.close()
    archive = SqliteArchive(centre.path)
    day_ms = message.arrival().received_at_ms
    assert len(list(archive.records(Wanted(from_ms=day_ms, to_ms=day_ms + 1)))) == 1
    assert list(archive.records(Wanted(to_ms=day_ms))) == []
    archive.close()


# --- status --------------------------------------------------------------------------------------


def status(centre: Centre, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    code = centre.run("status", "--json")
    return code, json.loads(capsys.readouterr().out)


def test_a_centre_without_gates_is_not_fine(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    code, facts = status(centre, capsys)
    assert (code, facts["fine"], facts["gates"]) == (ExitCode.FAILED, False, [])
    assert facts["newest_record_age_s"] is None


def test_when_all_is_well_the_command_says_so(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    centre.store.ingest(arrivals(centre.gate.write_visits(3)))
    centre.store.ingest([centre.gate.state_arrival(centre.gate.state())])
    code, facts = status(centre, capsys)
    assert (code, facts["fine"], facts["backlog"], facts["offline"]) == (ExitCode.OK, True, 0, [])
    assert centre.run("status", "--lang", "en") == ExitCode.OK
    assert capsys.readouterr().out.rstrip().endswith("all is well")


def test_what_needs_a_look_is_named(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    lost = AlarmContent(alarm=AlarmName.DEVICE_LOST, device="thermometer adult")
    messages = [centre.gate.write(visit()), centre.gate.write(lost), centre.gate.write(visit())]
    batch = arrivals(messages[:2])
    state = centre.gate.state().model_copy(update={"backlog": 41})
    centre.store.ingest([*batch, spoilt(messages[2]), centre.gate.state_arrival(state)])
    code, facts = status(centre, capsys)
    assert (code, facts["fine"], facts["backlog"]) == (ExitCode.FAILED, False, 41)
    assert facts["quarantine"] == {"unreadable": 1}
    assert facts["open_alarms"] == [
        {
            "site": "lixin-primary",
            "gate": "east-1",
            "alarm": "device_lost",
            "device": "thermometer adult",
            "since": messages[1].at.isoformat(timespec="milliseconds"),
        }
    ]
    assert centre.run("status", "--lang", "en") == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert "device lost: check its wiring · thermometer adult" in shown
    assert shown.rstrip().endswith("something needs a look")


EAST = Lane("lixin-primary", "east-1")


def last(alarm: AlarmName, seq: int, device: str | None = "d", first_ms: int = 1) -> LastAlarm:
    return LastAlarm(EAST, alarm.value, device, "", (first_ms, seq))


@pytest.mark.parametrize(
    ("alarms", "names"),
    [
        ([last(AlarmName.DEVICE_LOST, 5)], ["device_lost"]),
        ([last(AlarmName.DEVICE_LOST, 5), last(AlarmName.DEVICE_RETURNED, 6)], []),
        ([last(AlarmName.DEVICE_LOST, 5), last(AlarmName.DEVICE_RETURNED, 4)], ["device_lost"]),
        (
            [last(AlarmName.DEVICE_LOST, 5), last(AlarmName.DEVICE_RETURNED, 6, "another")],
            ["device_lost"],
        ),
        ([last(AlarmName.DEVICE_LOST, 5), last(AlarmName.DEVICE_RETURNED, 1, first_ms=2)], []),
        ([last(AlarmName.HELD_OPEN, 5, None), last(AlarmName.GATE_SHUT_AGAIN, 9, None)], []),
        ([last(AlarmName.TEMPERATURE_HIGH, 5, None)], []),
    ],
)
def test_an_alarm_is_open_until_its_own_device_says_that_it_is_over(
    alarms: list[LastAlarm], names: list[str]
) -> None:
    assert [alarm.alarm for alarm in open_alarms(alarms)] == names


def test_a_device_that_works_in_the_gates_state_is_not_lost(centre: Centre) -> None:
    centre.store.ingest([centre.gate.state_arrival(centre.gate.state())])
    reader = SqliteReader(centre.path)
    gates = reader.gates()
    reader.close()
    assert open_alarms([last(AlarmName.SCANNER_LOST, 5, "scanner")], gates) == ()


# --- gaps ----------------------------------------------------------------------------------------


def gaps(centre: Centre) -> list[tuple[int, int, GapState]]:
    reader = SqliteReader(centre.path)
    (gate,) = reader.gates()
    found = number_gaps(reader.evidence(gate.lane), reader.chains(gate.lane), gate)
    reader.close()
    return [(gap.first_seq, gap.last_seq, gap.state) for gap in found]


def test_what_is_missing_is_named_by_number_and_by_whether_it_can_still_come(
    centre: Centre,
) -> None:
    messages = centre.gate.write_visits(20)
    centre.store.ingest(arrivals([*messages[4:8], *messages[10:12]]))
    assert gaps(centre) == [(1, 4, GapState.AWAITED), (9, 10, GapState.AWAITED)]
    centre.store.ingest([centre.gate.state_arrival(centre.gate.state(oldest_seq=5))])
    assert gaps(centre) == [
        (1, 4, GapState.LOST),
        (9, 10, GapState.AWAITED),
        (13, 20, GapState.AWAITED),
    ]
    centre.store.ingest(arrivals(messages[4:]))
    assert gaps(centre) == [(1, 4, GapState.LOST)]
    centre.store.ingest(arrivals(messages[:4]))
    assert gaps(centre) == []


def test_the_command_shows_gaps_with_their_times(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = centre.gate.write_visits(5)
    centre.store.ingest([*arrivals([messages[0], messages[4]]), spoilt(messages[3])])
    assert centre.run("gaps", "--json") == ExitCode.FAILED
    found = json.loads(capsys.readouterr().out)
    assert [(gap["first_seq"], gap["last_seq"], gap["state"]) for gap in found] == [
        (2, 3, "awaited"),
        (4, 4, "flawed"),
    ]
    assert found[0]["after"] == "2026-11-22T23:30:01.000+00:00"
    assert centre.run("gaps", "--lang", "en") == ExitCode.FAILED
    assert "2–3 (2)  2026-11-23 07:30:01" in capsys.readouterr().out
    centre.store.ingest(arrivals(messages[1:3]))
    with sqlite3.connect(centre.path) as db:
        db.execute("UPDATE quarantine SET resolved = 1")
    db.close()
    assert centre.run("gaps", "--lang", "en") == ExitCode.OK


# --- requeue -------------------------------------------------------------------------------------


def unread_before_an_update(centre: Centre, message: Message) -> None:
    """Store ``message`` as a collector did that could not read it yet; its bytes are sound."""
    centre.store.ingest([spoilt(message)])
    with sqlite3.connect(centre.path) as db:
        db.execute(
            "UPDATE quarantine SET body = ? WHERE problem = 'unreadable' AND seq = ?",
            (message.payload, message.seq),
        )
    db.close()


def stored_body(centre: Centre, seq: int) -> tuple[str, bytes | None]:
    with sqlite3.connect(centre.path) as db:
        row = db.execute("SELECT kind, body FROM record WHERE seq = ?", (seq,)).fetchone()
    db.close()
    return row[0], row[1]


def test_a_message_that_can_be_read_now_becomes_a_record_and_the_chain_is_the_gates_again(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = centre.gate.write_visits(10)
    centre.store.ingest(arrivals(messages[:4]))
    unread_before_an_update(centre, messages[4])
    centre.store.ingest(arrivals(messages[5:]))
    assert centre.upto()[1] != centre.gate.head, "it was built on what could not be read"
    assert centre.problems() == {Problem.UNREADABLE: 1, Problem.CHAIN: 5}

    assert centre.run("requeue", "--json") == ExitCode.FAILED  # chain breaks are for people
    assert json.loads(capsys.readouterr().out)["read"] == 1
    assert stored_body(centre, 5) == ("visit", messages[4].body)
    assert centre.upto() == (10, centre.gate.head)
    assert centre.problems() == {}
    assert centre.run("requeue") == ExitCode.OK, "a second time there is nothing to do"


def test_its_person_link_is_kept_no_longer_than_others(centre: Centre) -> None:
    message = centre.gate.write(visit(), link=LINK)
    unread_before_an_update(centre, message)
    assert centre.run("requeue") == ExitCode.OK  # without a configuration links are kept 0 days
    with sqlite3.connect(centre.path) as db:
        assert db.execute("SELECT count(*) FROM link").fetchone() == (0,)
    db.close()
    assert stored_body(centre, 1) == ("visit", message.body)


def test_behind_a_lost_range_the_chain_stays_as_it_was_given(centre: Centre) -> None:
    messages = centre.gate.write_visits(8)
    unread_before_an_update(centre, messages[4])
    centre.store.ingest([centre.gate.state_arrival(centre.gate.state(oldest_seq=5))])
    centre.store.ingest(arrivals(messages[5:]))
    before = centre.upto()
    centre.run("requeue")
    assert stored_body(centre, 5) == ("visit", messages[4].body)
    assert centre.upto() == before


def test_what_still_cannot_be_read_stays_and_so_does_a_conflict(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = centre.gate.write_visits(2)
    clone = LedgerOfGate().write(visit(body_c=36.0))
    centre.store.ingest([first.arrival(), spoilt(second), clone.arrival()])
    assert centre.run("requeue", "--json") == ExitCode.FAILED
    done = json.loads(capsys.readouterr().out)
    assert (done["read"], done["still_unreadable"], done["left"]) == (0, 1, 1)
    assert stored_body(centre, 1) == ("visit", first.body)
    assert centre.problems() == {Problem.UNREADABLE: 1, Problem.CONFLICT: 1}


def test_a_message_that_names_another_place_than_it_was_counted_in_is_left(centre: Centre) -> None:
    first, second = centre.gate.write_visits(2)
    centre.store.ingest([spoilt(first)])
    with sqlite3.connect(centre.path) as db:
        db.execute("UPDATE quarantine SET body = ?", (second.payload,))
    db.close()
    assert centre.run("requeue") == ExitCode.FAILED
    assert stored_body(centre, 1) == ("unreadable", None)


def test_what_somebody_has_looked_at_counts_no_longer(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    first = centre.gate.write_visits(1)[0]
    clone = LedgerOfGate().write(visit(body_c=36.0))
    centre.store.ingest([first.arrival(), clone.arrival()])
    assert centre.run("requeue", "--list", "--json") == ExitCode.OK
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["problem"], row["seq"]) == ("conflict", 1)
    assert centre.run("requeue", "--settle", "999") == ExitCode.CONFIG
    assert centre.run("requeue", "--settle", str(row["id"])) == ExitCode.OK
    assert centre.problems() == {}


# --- take-in -------------------------------------------------------------------------------------


def test_salvaged_records_are_stored_once_and_close_their_gap(
    centre: Centre, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = [centre.gate.write(visit(), link=LINK), *centre.gate.write_visits(700)]
    centre.store.ingest(arrivals(messages[600:]))
    file = tmp_path / "salvaged.jsonl"
    file.write_bytes(b"".join(join_link(m.body, None) + b"\n" for m in messages))
    assert centre.run("take-in", str(file)) == ExitCode.OK
    assert "stored 新存: 600 · there already 已有: 101" in capsys.readouterr().out
    assert centre.upto() == (701, centre.gate.head)
    assert centre.run("take-in", str(file)) == ExitCode.OK
    assert "stored 新存: 0 · there already 已有: 701" in capsys.readouterr().out


def test_another_body_under_a_number_that_is_taken_goes_to_the_quarantine(
    centre: Centre, tmp_path: Path
) -> None:
    first = centre.gate.write(visit())
    centre.store.ingest([first.arrival()])
    file = tmp_path / "clone.jsonl"
    file.write_bytes(LedgerOfGate().write(visit(body_c=36.0)).body + b"\n")
    assert centre.run("take-in", str(file)) == ExitCode.FAILED
    assert stored_body(centre, 1) == ("visit", first.body)


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"x" * 50_000,
        b'{"v":1}',
        b"[" * 5_000,
        join_link(LedgerOfGate(site="../..").write(visit()).body, None),
        join_link(LedgerOfGate(gate="a/b").write(visit()).body, None),
    ],
)
def test_a_line_that_is_no_record_is_counted_and_the_others_are_stored(
    centre: Centre, tmp_path: Path, line: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    message = centre.gate.write(visit())
    file = tmp_path / "x.jsonl"
    file.write_bytes(line + b"\n" + message.body + b"\n")
    assert centre.run("take-in", str(file)) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert "stored 新存: 1" in shown
    assert "no record 非记录: 0" not in shown


def test_the_way_from_a_damaged_card_to_the_centre_is_one_of_two_commands(
    centre: Centre, tmp_path: Path
) -> None:
    card = tmp_path / "card"
    card.mkdir()
    ledger = open_ledger(card / "ledger.db").ledger
    events = fill(ledger, 30)
    chain = ChainKey("lixin-primary", "east-1", ledger.epoch)
    ledger.close()
    data = bytearray((card / "ledger.db").read_bytes())
    data[:1024] = bytes(1024)
    (card / "ledger.db").write_bytes(data)
    main(["ledger", "salvage", str(card), "--out", str(tmp_path)])
    (file,) = tmp_path.glob("lixin-primary.*.jsonl")
    assert centre.run("take-in", str(file)) == ExitCode.OK
    (progress,) = centre.store.progress([chain])
    assert (progress.upto, progress.hash) == (30, events[-1].hash)
