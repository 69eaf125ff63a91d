from __future__ import annotations

import csv
import dataclasses
import io
import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.cli import main
from gated.clock import SystemClock
from gated.commands.ledger_output import csv_cell, printable
from gated.errors import ExitCode
from gated.ledger.files import close_leaving_wal, connect_writer
from gated.ledger.writer import Stored
from gated.vocabulary import TO_MEASURE, Outcome, Reason
from gated.wire import split_link
from tests.ledger_drafts import ack, link, open_ledger, passage, stamp, stored, visit

ROOT = Path(__file__).parents[2]
HOLDER = "k4:9c41f07be2d85a13"


@dataclasses.dataclass
class Made:
    path: Path
    events: list[Stored]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Four events of today and one of yesterday; the first two are acked; the gate still runs."""
    path = tmp_path / "ledger.db"
    now = SystemClock().now().astimezone()
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    ledger = open_ledger(path).ledger
    drafts = [
        visit("0000000000aa", when=stamp(noon - timedelta(days=1))),
        visit("0000000000bb", person=link(HOLDER), when=stamp(noon)),
        passage("0000000000bb", when=stamp(noon)),
        visit(
            "0000000000cc",
            outcome=Outcome.SEE_STAFF,
            reason=Reason.TEMPERATURE_HIGH,
            when=stamp(noon),
        ),
        visit("0000000000dd", outcome=Outcome.DENIED, reason=Reason.EXPIRED, when=stamp(noon)),
    ]
    events = stored(ledger.append(drafts))
    ledger.apply_ack(ack(ledger, 2, events[1].hash))
    yield Made(path, events)
    ledger.close()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_table_shows_the_newest_last_and_marks_what_waits(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ledger", "list", "--ledger", str(made.path)]) == ExitCode.OK
    table = lines(capsys)
    assert table[0].split() == [
        "seq",
        "time",
        "kind",
        "visit",
        "outcome",
        "reason",
        "°C",
        "category",
    ]
    assert [line.split()[0] for line in table[1:6]] == ["1", "2", "3", "4", "5"]
    assert "see_staff" in table[4]
    assert "temperature_high" in table[4]
    assert "36.62" in table[4]
    assert [line.endswith("↑") for line in table[1:6]] == [False, False, True, True, True]
    assert table[6] == "↑ 3 not yet acknowledged by the collector"


def test_the_daily_question_is_answered(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["ledger", "list", "--ledger", str(made.path), "--today"]
    assert main([*command, "--outcome", "see_staff,denied"]) == ExitCode.OK
    assert [line.split()[0] for line in lines(capsys)[1:3]] == ["4", "5"]
    assert main([*command, "--kind", "passage", "--json"]) == ExitCode.OK
    (row,) = [json.loads(line) for line in lines(capsys)]
    assert (row["seq"], row["result"], row["acked"]) == (3, "passed", False)
    assert main(["ledger", "list", "--ledger", str(made.path), "--limit", "2"]) == ExitCode.OK
    assert [line.split()[0] for line in lines(capsys)[1:3]] == ["4", "5"]
    assert (
        main(["ledger", "list", "--ledger", str(made.path), "--day", "1999-01-01"]) == ExitCode.OK
    )
    assert lines(capsys) == ["no such events"]


def test_who_is_to_be_measured_by_hand_is_listed_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    ledger.append(
        [
            visit("0000000000aa"),
            visit("0000000000bb", group="g3-2", follow_up=TO_MEASURE),
            visit("0000000000cc", group=f"{TO_MEASURE}"),
        ]
    )
    ledger.close()
    assert main(["ledger", "list", "--ledger", str(path), "--to-measure"]) == ExitCode.OK
    table = lines(capsys)
    assert [row.split()[0] for row in table[1:-1]] == ["2"]
    selection = ["--to-measure", "--format", "csv"]
    assert main(["ledger", "export", "--ledger", str(path), *selection]) == ExitCode.OK
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out.removeprefix("\ufeff")))
    assert (row["follow_up"], row["holder_group"]) == (TO_MEASURE, "g3-2")


def test_one_event_or_one_visit_is_shown_in_full(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ledger", "show", "2", "--ledger", str(made.path)]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert f"hash                   {made.events[1].hash.hex()}" in shown
    assert "person link            kept" in shown
    assert HOLDER not in shown
    assert main(["ledger", "show", "0000000000bb", "--ledger", str(made.path)]) == ExitCode.OK
    assert capsys.readouterr().out.count("hash  ") == 2
    assert main(["ledger", "show", "77", "--ledger", str(made.path)]) == ExitCode.FAILED
    assert "no event 77" in capsys.readouterr().err


def test_verify_says_what_is_wrong_and_where(
    made: Made, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["ledger", "verify", "--ledger", str(made.path)]) == ExitCode.OK
    assert lines(capsys)[0].startswith("ok: 5 events of east-1")
    copy = tmp_path / "copy" / "ledger.db"
    copy.parent.mkdir()
    source, target = sqlite3.connect(made.path), connect_writer(copy, synchronous="FULL")
    source.backup(target)
    source.close()
    target.execute("UPDATE event SET body = substr(body, 1, 99) WHERE seq = 2")
    close_leaving_wal(target, copy)
    assert main(["ledger", "verify", "--ledger", str(copy)]) == ExitCode.FAILED
    assert lines(capsys)[0].startswith("event 2 of epoch ")


def test_json_lines_are_the_bodies_verbatim_and_without_links(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    command = ["ledger", "export", "--ledger", str(made.path), "--out", str(out)]
    assert main(command) == ExitCode.OK
    assert out.read_bytes().splitlines() == [event.body for event in made.events]
    assert "5 events" in capsys.readouterr().err
    assert main([*command, "--with-links", "--kind", "visit"]) == ExitCode.OK
    messages = out.read_bytes().splitlines()
    assert [split_link(message)[1] for message in messages] == [None, link(HOLDER), None, None]
    assert main([*command[:-1], str(tmp_path / "no" / "where")]) == ExitCode.IO
    assert "cannot write" in capsys.readouterr().err


def test_csv_has_every_member_and_links_only_when_asked(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["ledger", "export", "--format", "csv", "--ledger", str(made.path)]
    assert main(command) == ExitCode.OK
    text = capsys.readouterr().out
    assert HOLDER not in text
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert (rows[3]["outcome"], rows[3]["body_c"], rows[3]["drill"]) == (
        "see_staff",
        "36.62",
        "false",
    )
    assert rows[2]["result"] == "passed"
    assert main([*command, "--with-links"]) == ExitCode.OK
    assert capsys.readouterr().out.count(HOLDER) == 1


@pytest.mark.parametrize("start", list("=+-@\t\r\n\0＝＋－＠"))
def test_no_text_becomes_a_formula(start: str) -> None:
    assert csv_cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@given(st.text(), st.floats(allow_nan=False), st.none() | st.booleans())
def test_what_is_no_formula_stays_as_it_is(text: str, number: float, rest: bool | None) -> None:
    assert str(csv_cell(f"a{text}")) == f"a{text}"
    assert csv_cell(number) == number
    assert csv_cell(rest) in ("", "true", "false")


@given(st.text())
def test_nothing_that_steers_a_terminal_is_printed(text: str) -> None:
    shown = printable(text)
    assert "\x1b" not in shown
    assert len(shown) == len(text)
    assert printable("\x1b[2J\u202e") == "�[2J�"


def test_without_a_ledger_one_line_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["ledger", "list", "--ledger", str(tmp_path / "ledger.db")])
    assert code == ExitCode.IO
    assert "the controller makes it when it starts" in capsys.readouterr().err


def test_the_configuration_names_the_folder(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gated.toml"
    example = (ROOT / "config" / "gated.toml").read_text(encoding="utf-8")
    config.write_text(example.replace("/var/lib/gated", str(tmp_path)), encoding="utf-8")
    assert main(["ledger", "list", "--config", str(config), "--limit", "1"]) == ExitCode.OK
    assert lines(capsys)[1].split()[0] == "5"
