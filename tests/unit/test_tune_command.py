"""``gated tune`` on real ledgers and on a real collector's database."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gated.cli import main
from gated.collector.sqlite_store import SqliteStore
from gated.commands.tune import PROGRESS_EVERY, say_progress
from gated.commands.tune_output import columns, is_coloured
from gated.contents import ReleaseContent
from gated.errors import ExitCode
from gated.judgement import TemperatureRules
from gated.ledger.files import close_leaving_wal, connect_writer
from gated.tuning.reading import read_study
from gated.tuning.sources import LedgerSource, Period
from gated.tuning.study import Question
from gated.tuning.trial import Trial
from gated.vocabulary import Reason, ReleaseResult
from gated.wire import Draft
from tests.collector_gate import LedgerOfGate, arrivals
from tests.config_texts import with_keys
from tests.tuning_school import HOLDER, MONDAY, School, draft, release, visit, write_ledger

SMALL = [
    draft(visit("aa", 36.6), MONDAY),
    draft(visit("bb", 37.35, 37.2), MONDAY + timedelta(minutes=1)),
    draft(visit("cc", 37.4, 37.4), MONDAY + timedelta(hours=1)),
    draft(release("cc", 37.9), MONDAY + timedelta(hours=1, minutes=5)),
    draft(visit("dd", 38.4, thermometer="adult"), MONDAY + timedelta(days=1)),
    draft(release("dd", 36.9), MONDAY + timedelta(days=1, minutes=5)),
    draft(visit("ee", refusal=Reason.COLD_FACE), MONDAY + timedelta(days=1, hours=1)),
]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATED_LANG", "en")
    monkeypatch.delenv("GATED_CONFIG", raising=False)


def write(folder: Path, drafts: list[Draft]) -> str:
    path = folder / "ledger.db"
    write_ledger(path, drafts)
    return str(path)


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return write(tmp_path, SMALL)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("school") / "ledger.db"
    write_ledger(path, School(ill=0.03).drafts(800, 5))
    return str(path)


def configure(folder: Path, *lines: str) -> str:
    """Write a configuration whose ledger lies in ``folder``."""
    text = with_keys("temperature", *lines)
    path = folder / "gated.toml"
    path.write_text(f'{text}[paths]\nstate = "{folder}"\nrun = "{folder}"\n', encoding="utf-8")
    return str(path)


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["tune", "--json", *arguments]) in {ExitCode.OK, ExitCode.FAILED}
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_with_nothing_but_a_ledger_it_shows_today_and_the_thresholds_around(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--ledger", ledger]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "lixin-primary/east-1: 5 visits on 2 days (2026-11-23 … 2026-11-24)" in shown
    assert "4 visits with a temperature; 1 could not be judged then" in shown
    assert "5 of 5 visits get the verdict that was recorded" in shown
    for threshold in ("37.0", "37.1", "37.2", "37.3", "37.4", "37.5", "37.6"):
        assert f"  {threshold} °C" in shown
    assert "← today" in shown
    assert "Try some: gated tune --threshold" in shown
    assert "\x1b" not in shown


def test_a_change_that_lets_a_case_in_is_said_in_words_and_by_the_exit_code(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--ledger", ledger, "--threshold", "37.6"]) == ExitCode.FAILED
    shown = capsys.readouterr().out
    warning = "!! DANGER: this change would let in a confirmed case: visit cc"
    assert f"{warning} (gate 37.40 °C, contact 37.9" in shown
    assert "← proposed  ! lets a confirmed case in" in shown
    assert "fever_threshold_c = 37.6" in shown
    assert "then run: gated config check && sudo systemctl reload gated.target" in shown


def test_a_change_that_lets_no_case_in_says_so(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--ledger", ledger, "--threshold", "37.2"]) == ExitCode.OK
    assert "ok  confirmed cases that would still be stopped: 1 of 1" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_red_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert is_coloured(Terminal())
    assert not is_coloured(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not is_coloured(Terminal())
    monkeypatch.delenv("TERM")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_coloured(Terminal())
    monkeypatch.setenv("NO_COLOR", "")
    assert is_coloured(Terminal())


def test_on_a_terminal_the_warning_and_its_row_are_red(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(["tune", "--ledger", ledger, "--threshold", "37.6"]) == ExitCode.FAILED
    lines = terminal.getvalue().splitlines()
    red = [line for line in lines if line.startswith("\x1b[1;31m")]
    assert "DANGER" in red[0]
    assert any("37.6 °C" in line for line in red)
    assert all(line.endswith("\x1b[0m") for line in red)


def test_in_chinese_every_column_stands_below_its_head(
    ledger: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATED_LANG", "zh")
    assert main(["tune", "--ledger", ledger, "--threshold", "37.6"]) == ExitCode.FAILED
    lines = capsys.readouterr().out.splitlines()
    assert "危险：这一改动会放行 1 例接触测温确认的发热：通行 cc" in "\n".join(lines)
    start = next(n for n, line in enumerate(lines) if line.startswith("按测温头"))
    head, *rows = lines[start + 1 : start + 4]
    assert [columns(line) for line in rows] == [columns(head)] * 2
    assert max(columns(line) for line in lines) <= 110


def test_a_configuration_says_what_holds_today_and_whose_ledger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, SMALL)
    config = configure(
        tmp_path,
        "fever_threshold_c = 37.5",
        "guard_below_c = 0.2",
        "guard_above_c = 0.4",
        "max_attempts = 3",
        "offset_a_c = 5.0",
    )
    found = as_json(capsys, "--config", config, "--offset", "0.1")
    today = found["today"]
    assert (today["fever_threshold_c"], today["guard_below_c"]) == (37.5, 0.2)
    assert (today["guard_above_c"], today["max_attempts"]) == (0.4, 3)
    assert found["toml"] == ["[temperature]", "offset_a_c = 5.1"]
    assert found["other_threshold"] == 5
    assert main(["tune", "--config", config, "--offset", "0.1"]) in {ExitCode.OK, ExitCode.FAILED}
    assert f"To paste into {config}, in place of the same lines:" in capsys.readouterr().out
    monkeypatch.setenv("GATED_CONFIG", config)
    assert as_json(capsys)["today"] == today


def test_a_configuration_can_judge_another_ledger(
    tmp_path: Path, ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gate").mkdir()
    config = configure(tmp_path / "gate", "fever_threshold_c = 37.9")
    found = as_json(capsys, "--config", config, "--ledger", ledger)
    assert (found["today"]["fever_threshold_c"], found["visits"]) == (37.9, 5)


def test_without_a_configuration_the_newest_visit_says_the_threshold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exclusive = TemperatureRules(fever_threshold_c=37.5, fever_threshold_inclusive=False)
    newest = draft(visit("zz", 36.6, rules=exclusive), MONDAY + timedelta(days=3))
    drill = draft(visit("drill", 36.6), MONDAY + timedelta(days=4), drill=True)
    found = as_json(capsys, "--ledger", write(tmp_path, [*SMALL, newest, drill]))
    assert found["today"]["fever_threshold_c"] == 37.5
    assert found["today"]["fever_threshold_inclusive"] is False
    assert found["left_out"]["drills"] == 1


@pytest.mark.parametrize(
    ("options", "visits"),
    [
        (["--day", "2026-11-23"], 3),
        (["--since", "2026-11-24"], 2),
        (["--until", "2026-11-23"], 3),
        (["--since", "2026-11-23", "--until", "2026-11-24"], 5),
        (["--days", "1"], 2),
        (["--days", "2"], 5),
        (["--days", "999999999"], 5),
        (["--since", "0001-01-01", "--until", "9999-12-31"], 5),
        (["--thermometer", "adult"], 1),
    ],
)
def test_visits_are_chosen_by_the_gates_days_and_thermometers(
    ledger: str, capsys: pytest.CaptureFixture[str], options: list[str], visits: int
) -> None:
    found = as_json(capsys, "--ledger", ledger, *options)
    assert found["visits"] == visits


def test_a_day_is_the_gates_own_whatever_the_clock_of_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = datetime.fromisoformat("2026-11-23T00:10:00+14:00")
    late = datetime.fromisoformat("2026-11-23T23:50:00-11:00")
    path = write(tmp_path, [draft(visit("a", 36.6), early), draft(visit("b", 36.6), late)])
    assert as_json(capsys, "--ledger", path, "--day", "2026-11-23")["visits"] == 2


def test_a_contact_reading_counts_whenever_it_was_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night = MONDAY.replace(hour=23, minute=58)
    drafts = [
        draft(visit("a", 38.5), night),
        draft(release("a", 38.0), night + timedelta(minutes=10)),
        draft(release("a", 36.9), night + timedelta(minutes=20)),
        draft(visit("b", 38.5), night),
        draft(release("b", 38.0), night, drill=True),
    ]
    found = as_json(capsys, "--ledger", write(tmp_path, drafts), "--day", "2026-11-23")
    assert found["contact"] == {"threshold_c": 37.3, "readings": 1, "cases": 1}


def test_the_contact_threshold_can_be_another(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--ledger", ledger, "--threshold", "37.6", "--contact-threshold", "38"]
    found = as_json(capsys, *options)
    assert (found["contact"]["cases"], found["lets_in"]) == (0, [])


def test_every_setting_can_be_tried_at_once(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--threshold", "37.4", "--exclusive", "--guard-below", "0.2", "--guard-above", "0.3"]
    found = as_json(capsys, "--ledger", ledger, *options, "--attempts", "3", "--offset", "-0.1")
    assert {key: found["proposed"][key] for key in found["proposed"] if key in _SETTINGS} == {
        "fever_threshold_c": 37.4,
        "fever_threshold_inclusive": False,
        "guard_below_c": 0.2,
        "guard_above_c": 0.3,
        "max_attempts": 3,
        "offset_c": -0.1,
    }


_SETTINGS = {
    "fever_threshold_c",
    "fever_threshold_inclusive",
    "guard_below_c",
    "guard_above_c",
    "max_attempts",
    "offset_c",
}


def test_json_has_every_figure_under_a_name_and_no_person(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--json", "--ledger", ledger, "--threshold", "37.6"]) == ExitCode.FAILED
    text = capsys.readouterr().out
    found = json.loads(text)
    assert found["today"]["high"] == 2
    assert found["proposed"]["high"] == 1
    assert found["proposed"]["sensitivity"]["of"] == 1
    assert found["check"] == {"same": 5, "other": 0}
    assert found["not_judged"] == {"cold_face": 1}
    assert [row["hour"] for row in found["by"]["hour"]] == [7, 8]
    assert len(found["sweep"]) == 21
    (case,) = found["lets_in"]
    assert case == {
        "site": "lixin-primary",
        "gate": "east-1",
        "visit_id": "cc",
        "body_c": 37.4,
        "contact_c": 37.9,
    }
    for secret in (HOLDER, "g3-2", "student"):
        assert secret not in text


@pytest.mark.parametrize(
    ("option", "name", "begins"),
    [("--html", "page.html", b"<!doctype html>"), ("--png", "plots.png", b"\x89PNG")],
)
def test_a_page_and_a_picture_are_written(
    ledger: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    name: str,
    begins: bytes,
) -> None:
    path = tmp_path / name
    assert main(["tune", "--ledger", ledger, option, str(path)]) == ExitCode.OK
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [f"written: {path}"]
    assert "What other temperature settings" in captured.out
    assert path.read_bytes().startswith(begins)


# --- what cannot be shown ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drafts", "says"),
    [
        ([], "there are no visits yet"),
        ([draft(visit("a", 36.6), drill=True)], "there are no visits yet; drills: 1"),
        (
            [draft(visit("a", refusal=Reason.COLD_FACE)), draft(visit("b"))],
            "none of 2 visits has a temperature to try settings on: cold_face 1, no_reading 1",
        ),
    ],
)
def test_a_ledger_with_nothing_to_try_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], drafts: list[Draft], says: str
) -> None:
    path = write(tmp_path, drafts)
    page = tmp_path / "page.html"
    assert main(["tune", "--ledger", path, "--html", str(page)]) == ExitCode.FAILED
    captured = capsys.readouterr()
    assert says in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""
    assert not page.exists()


def test_days_without_visits_say_so(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--ledger", ledger, "--day", "1999-01-01"]) == ExitCode.FAILED
    assert "there are no visits as asked for" in capsys.readouterr().err


def test_one_single_visit_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, [draft(visit("a", 36.6))])
    assert main(["tune", "--ledger", path, "--threshold", "37.5"]) == ExitCode.OK
    assert "1 visit on 1 day" in capsys.readouterr().out


def test_damaged_records_are_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Path(write(tmp_path, SMALL))
    copy = tmp_path / "copy.db"
    source, target = sqlite3.connect(made), connect_writer(copy, synchronous="FULL")
    source.backup(target)
    source.close()
    target.execute("UPDATE event SET body = substr(body, 1, 99) WHERE seq IN (1, 4)")
    close_leaving_wal(target, copy)
    found = as_json(capsys, "--ledger", str(copy))
    assert (found["visits"], found["left_out"]["damaged"]) == (4, 2)
    assert main(["tune", "--ledger", str(copy)]) == ExitCode.OK
    assert "Damaged records, left out: 2. See gated ledger verify" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--days", "0"], ExitCode.CONFIG, "--days must be 1 or more"),
        (["--day", "2026-11-23", "--days", "2"], ExitCode.CONFIG, "not several of them"),
        (["--since", "2026-11-24", "--until", "2026-11-23"], ExitCode.CONFIG, "is after --until"),
        (["--site", "x"], ExitCode.CONFIG, "choose from a --database"),
        (["--html", "page.txt"], ExitCode.CONFIG, "must end in .html"),
        (["--png", "plots.jpg"], ExitCode.CONFIG, "must end in .png"),
        (["--html", "/no/such/folder/page.html"], ExitCode.CANNOT_WRITE, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    ledger: str,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: ExitCode,
    says: str,
) -> None:
    assert main(["tune", "--ledger", ledger, *options]) == code
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--threshold", "nan"],
        ["--threshold", "warm"],
        ["--guard-below", "-0.1"],
        ["--attempts", "5"],
        ["--day", "today"],
        ["--inclusive", "--exclusive"],
        ["--ledger", "a", "--database", "b"],
    ],
)
def test_wrong_usage_exits_with_2(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tune", *options])
    assert ended.value.code == ExitCode.USAGE
    assert "usage: gated tune" in capsys.readouterr().err


def test_a_file_that_is_not_there_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--ledger", str(tmp_path / "none.db")]) == ExitCode.IO
    assert "the controller makes it when it starts" in capsys.readouterr().err
    assert main(["tune", "--database", str(tmp_path / "none.db")]) == ExitCode.IO
    assert "does not exist" in capsys.readouterr().err
    assert main(["tune", "--config", str(tmp_path / "none.toml")]) == ExitCode.CONFIG
    assert "is missing" in capsys.readouterr().err


# --- a collector's database ----------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """Two gates' records, as they came in; the second one's threshold is another."""
    path = tmp_path / "collector.db"
    store = SqliteStore(path, keep_person_days=14)
    strict = TemperatureRules(fever_threshold_c=37.0)
    for name, rules in (("east-1", None), ("west-2", strict)):
        gate = LedgerOfGate(gate=name)
        gate.write(visit("aa", 36.6, rules=rules))
        gate.write(visit("ill", 37.4, 37.4, rules=rules))
        gate.write(ReleaseContent(visit_id="ill", result=ReleaseResult.ISOLATED, contact_c=37.9))
        store.ingest(arrivals(gate.messages))
    store.close()
    yield str(path)
    assert os.access(path, os.R_OK)


def test_all_gates_of_a_collector_are_taken_together(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--database", database, "--threshold", "37.6"]) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert "2 gates are taken together: lixin-primary/east-1, lixin-primary/west-2" in shown
    assert "would let in 2 confirmed cases: visit lixin-primary/east-1 ill (gate 37.40" in shown


def test_one_gate_of_a_collector_can_be_chosen(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, "--database", database, "--gate", "west-2")
    assert found["gates"] == [{"site": "lixin-primary", "gate": "west-2"}]
    assert (found["visits"], found["today"]["fever_threshold_c"]) == (2, 37.0)
    found = as_json(capsys, "--database", database, "--site", "lixin-primary", "--gate", "east-1")
    assert (found["visits"], found["today"]["fever_threshold_c"]) == (2, 37.3)


def test_a_gate_that_the_collector_does_not_know_is_named_with_those_it_knows(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--database", database, "--gate", "south"]) == ExitCode.CONFIG
    shown = capsys.readouterr().err
    assert "has no gate */south; it has: lixin-primary/east-1, lixin-primary/west-2" in shown


def test_a_collectors_database_as_a_ledger_says_which_option_to_use(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", "--ledger", database]) == ExitCode.CONFIG
    assert "is a collector's database: use --database" in capsys.readouterr().err


def test_a_collectors_days_are_chosen_like_a_ledgers(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert as_json(capsys, "--database", database, "--days", "1")["visits"] == 4
    assert main(["tune", "--database", database, "--day", "2020-01-01"]) == ExitCode.FAILED


def test_a_long_record_is_read_in_pieces(
    tmp_path: Path, school: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = SqliteStore(tmp_path / "collector.db", keep_person_days=14)
    gate = LedgerOfGate()
    for one in School(ill=0.03).drafts(800, 5):
        gate.at = datetime.fromisoformat(one.stamp.at) - timedelta(seconds=1)
        gate.write(one.content)
    store.ingest(arrivals(gate.messages))
    store.close()
    from_database = as_json(capsys, "--database", str(tmp_path / "collector.db"))
    from_ledger = as_json(capsys, "--ledger", school)
    for name in ("visits", "today", "sweep", "by", "contact", "not_judged"):
        assert from_database[name] == from_ledger[name]
    assert from_ledger["visits"] == 800


# --- a sign of life ------------------------------------------------------------------------------


def test_progress_counts_every_visit_that_is_read_and_ends_once(ledger: str) -> None:
    told: list[tuple[int, bool]] = []

    def progress(visits: int, *, is_end: bool) -> None:
        told.append((visits, is_end))

    question = Question(Trial(TemperatureRules()), None, 37.3)
    with closing(LedgerSource(Path(ledger))) as source:
        read_study(source, question, Period(), thermometer=None, progress=progress)
    assert told == [(n, False) for n in range(1, 6)] + [(5, True)]


def test_on_a_terminal_progress_is_one_line_that_is_wiped_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    for visits in range(1, 2 * PROGRESS_EVERY + 1):
        say_progress(visits, is_end=False)
    say_progress(2 * PROGRESS_EVERY, is_end=True)
    shown = terminal.getvalue()
    assert shown == "\r5,000 visits read\r10,000 visits read\r\x1b[K"
