from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gated.cli import main
from gated.collector.render import gate_json, gates_text, report_json, report_text
from gated.collector.report import daily_report
from gated.collector.sqlite_reader import SqliteReader
from gated.collector.sqlite_store import SqliteStore
from gated.vocabulary import TO_MEASURE, Outcome, Reason
from tests.collector_gate import MONDAY, LedgerOfGate, arrivals, health, refused, visit

ZONE = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 11, 23)
LATER = MONDAY + timedelta(days=3)


def fill(path: Path, *gates: LedgerOfGate, without: frozenset[int] = frozenset()) -> None:
    store = SqliteStore(path, keep_person_days=14)
    for gate in gates:
        store.ingest(arrivals([m for m in gate.messages if m.seq not in without]))
        store.ingest([gate.state_arrival(gate.state(), gate.at)])
    store.close()


def text(path: Path, lang: str = "en", day: date = DAY) -> str:
    reader = SqliteReader(path)
    report = daily_report(reader, day, ZONE, LATER)
    reader.close()
    assert lang in {"zh", "en"}
    return report_text(report, "zh" if lang == "zh" else "en", ZONE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def busy() -> LedgerOfGate:
    gate = LedgerOfGate()
    gate.write_visits(2)
    gate.write(refused(Reason.TEMPERATURE_HIGH, Outcome.SEE_STAFF))
    gate.write(visit(attempt=2))
    gate.at = MONDAY + timedelta(days=1)
    gate.write(health())
    return gate


def test_a_complete_day_says_so_and_shows_its_zeros(path: Path, busy: LedgerOfGate) -> None:
    fill(path, busy)
    said = text(path)
    assert "lixin-primary / east-1 · complete" in said
    assert "visits: in 4 · out 0" in said
    assert "granted 3 · denied 0 · see staff 1" in said
    assert "why not granted: at or above the threshold 1" in said
    assert "second measurements: 1" in said
    assert "ero report" not in said


def test_a_day_with_people_to_measure_says_how_many_and_is_no_zero_report(path: Path) -> None:
    gate = LedgerOfGate()
    gate.write(visit(body_c=None, follow_up=TO_MEASURE))
    gate.at = MONDAY + timedelta(days=1)
    gate.write(health())
    fill(path, gate)
    said, chinese = text(path), text(path, "zh")
    assert "not measured, to be measured by hand: 1" in said
    assert "未测出体温，须补测: 1" in chinese
    assert "ero report" not in said
    assert "零报告" not in chinese


def test_a_silent_complete_day_is_an_explicit_zero_report(path: Path) -> None:
    gate = LedgerOfGate()
    gate.write(health())
    gate.at = MONDAY + timedelta(days=1)
    gate.write(health())
    fill(path, gate)
    assert "Zero report: complete, nobody came, no abnormality" in text(path)
    assert "零报告：记录完整，当日无人通行，无异常" in text(path, "zh")


def test_an_incomplete_day_prints_what_came_as_a_minimum_and_no_zero(
    path: Path, busy: LedgerOfGate
) -> None:
    fill(path, busy, without=frozenset({2}))
    said = text(path)
    assert "east-1 · incomplete" in said
    assert "! records not received · 1 records · from 2026-11-23 07:30" in said
    assert "visits (at least): in 3" in said
    assert " 0" not in said.split("\n", 3)[3].replace("07", "").replace(" 08", "")


def test_an_incomplete_day_without_anything_prints_no_number_at_all(path: Path) -> None:
    gate = LedgerOfGate()
    fill(path, gate)
    said = text(path)
    assert "visits: none received" in said
    assert "zero report can be given" in said
    assert "Zero report:" not in said


def test_without_a_gate_there_is_no_zero_report(path: Path) -> None:
    fill(path)
    assert "no zero report can be given" in text(path)
    assert "不能作零报告" in text(path, "zh")


def test_several_lanes_are_summed_up(path: Path, busy: LedgerOfGate) -> None:
    west = LedgerOfGate(gate="west-1", epoch="w" * 16)
    west.write_visits(3)
    west.at = MONDAY + timedelta(days=1)
    west.write(health())
    fill(path, busy, west)
    assert "All gates · complete\n  visits: in 7 · out 0" in text(path)


def test_the_json_report_has_names_and_no_translations(path: Path, busy: LedgerOfGate) -> None:
    fill(path, busy)
    reader = SqliteReader(path)
    found = report_json(daily_report(reader, DAY, ZONE, LATER))
    reader.close()
    json.dumps(found)
    assert (found["day"], found["completeness"]) == ("2026-11-23", "complete")
    assert found["lanes"][0]["counts"]["refusals"] == {"temperature_high": 1}


def test_the_gates_show_what_is_missing(path: Path, busy: LedgerOfGate) -> None:
    fill(path, busy, without=frozenset({2, 4}))
    reader = SqliteReader(path)
    (gate,) = reader.gates()
    chains = reader.chains(gate.lane)
    reader.close()
    said = gates_text([gate], {gate.lane: chains}, "en", ZONE)
    assert "lixin-primary / east-1 · online" in said
    assert "stored up to 1  gaps 2–2, 4–4" in said
    assert gate_json(gate)["holes"] == [(2, 2), (4, 4)]


def test_the_command_prints_the_report_of_a_day(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = LedgerOfGate(at=datetime.fromisoformat("2026-03-02T07:30:00+08:00"))
    gate.write_visits(4)
    gate.at += timedelta(days=1)
    gate.write(health())
    fill(path, gate)
    source = ["--database", str(path)]
    assert main(["collector", "report", *source, "--day", "2026-03-02", "--lang", "en"]) == 0
    assert "visits: in 4" in capsys.readouterr().out
    assert main(["collector", "report", *source, "--day", "2026-03-02", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["visits"] == {"in": 4}
    assert main(["collector", "gates", *source, "--lang", "zh"]) == 0
    assert "已存至 5" in capsys.readouterr().out
    assert main(["collector", "gates", *source, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["upto"] == 5


@pytest.mark.parametrize("action", ["report", "gates", "status", "gaps"])
def test_the_command_speaks_the_terminals_language_unless_told_otherwise(
    action: str, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path, LedgerOfGate())
    said = {}
    for spoken, words in (("zh", []), ("en", []), ("en", ["--lang", "zh"])):
        monkeypatch.setenv("GATED_LANG", spoken)
        main(["collector", action, "--database", str(path), *words])
        said[spoken, *words] = capsys.readouterr().out
    chinese, english, told = (re.search("[\u4e00-\u9fff]", text) for text in said.values())
    assert (bool(chinese), bool(english), bool(told)) == (True, False, True)


def test_the_command_names_a_database_that_is_not_there(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collector", "report", "--database", str(path)]) == 74
    assert "does not exist" in capsys.readouterr().err
    assert not path.exists()


def test_the_command_refuses_a_day_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["collector", "report", "--day", "monday"])
    assert "write a day like 2026-11-23" in capsys.readouterr().err


def test_a_day_that_has_not_begun_is_refused(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(path)
    assert main(["collector", "report", "--database", str(path), "--day", "9999-01-01"]) == 1
    assert "has not begun" in capsys.readouterr().err


def test_a_day_that_is_not_over_shows_its_figures_so_far(path: Path, busy: LedgerOfGate) -> None:
    fill(path, busy)
    said = text(path, day=date(2026, 11, 26))
    assert "east-1 · so far\n  visits: 0" in said


def test_the_time_of_the_report_is_local(path: Path) -> None:
    fill(path)
    assert "made at 2026-11-26 07:30+08:00" in text(path)
    assert datetime.fromisoformat("2026-11-26 07:30+08:00") == LATER
