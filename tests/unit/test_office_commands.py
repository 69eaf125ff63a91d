"""``gated pass …`` of an office, as somebody types it."""

from __future__ import annotations

import csv
import io
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from gated.cli import main
from gated.clock import SystemClock
from gated.credentials.revocation import RevocationList, read_list
from gated.credentials.trust import load_trust
from gated.office.folder import FOLDER_VARIABLE, OfficeFolder, open_office
from gated.office.lists import is_list_due, note_revocation
from gated.office.passes import PassKind, RegisteredPass
from gated.spreadsheets import cell_text
from gated.vocabulary import Direction, HolderCategory

CLASS = "姓名,班级\n张三,三年2班\n李四,三年2班\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OfficeFolder:
    folder = OfficeFolder(tmp_path / "office")
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder.path))
    assert run("office", "init", "--site", "第三小学") == 0
    return folder


def run(*words: object) -> int:
    return main(["pass", *map(str, words)])


def write(folder: OfficeFolder, text: str, name: str = "class.csv") -> Path:
    path = folder.path.parent / name
    path.write_text(text, encoding="utf-8")
    return path


def passes(folder: OfficeFolder) -> tuple[RegisteredPass, ...]:
    with open_office(folder) as office:
        return office.register.passes()


def revoked(folder: OfficeFolder) -> RevocationList:
    trust = load_trust(folder.trust)
    found = read_list(folder.revocations.read_bytes(), trust, SystemClock().now())
    assert isinstance(found, RevocationList)
    return found


def printed(folder: OfficeFolder) -> list[str]:
    return sorted(path.name for path in folder.printed.iterdir())


# --- rosters -------------------------------------------------------------------------------------


def test_a_class_gets_its_cards_once(folder: OfficeFolder) -> None:
    path = write(folder, CLASS)
    assert run("roster", path) == 0
    assert printed(folder) == ["cards-0001-0002.html"]
    html = (folder.printed / "cards-0001-0002.html").read_text(encoding="utf-8")
    assert re.findall(r'data-number="(\d)"', html) == ["1", "2"]
    for said in ("张三", "三年2班", "第三小学", "No. 0001", "遗失请立即告诉", "Lost? Tell"):
        assert said in html
    assert re.findall(r"https?:|src=|href=|@import|url\(|<script", html) == []
    assert run("roster", path) == 0
    assert [item.number for item in passes(folder)] == [1, 2]
    assert printed(folder) == ["cards-0001-0002.html"]


def test_a_dry_run_makes_nothing(folder: OfficeFolder, capsys: pytest.CaptureFixture[str]) -> None:
    before = folder.register.read_bytes()
    assert run("roster", write(folder, CLASS), "--dry-run") == 0
    assert "s-0002" in capsys.readouterr().out
    assert (passes(folder), printed(folder)) == ((), [])
    assert folder.register.read_bytes() == before


def test_one_bad_line_stops_the_whole_file_and_all_are_told(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(folder, CLASS + "王五,=1+1\n,三年2班\n张三,三年2班\n赵六,三年2班\n")
    assert run("roster", path) == 1
    told = capsys.readouterr().err
    assert [int(n) for n in re.findall(r"line (\d+) 第", told)] == [2, 4, 5, 6]
    assert "nothing was made" in told
    assert not any(name in told for name in ("张三", "王五"))
    assert passes(folder) == ()
    assert run("roster", path, "--skip-bad") == 0
    assert "left out" in capsys.readouterr().err
    assert [item.holder.name for item in passes(folder)] == ["李四", "赵六"]


def test_a_new_class_asks_before_it_stops_a_card(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("roster", write(folder, CLASS)) == 0
    path = write(folder, "编号,姓名,班级\ns-0001,张三,四年2班\n,王五,四年2班\n", "next.csv")
    assert run("roster", path) == 1
    said = capsys.readouterr()
    assert "line 2: No. 0001  class 班级" in said.out
    assert "--reissue" in said.err
    assert len(passes(folder)) == 2
    assert run("roster", path, "--reissue") == 0
    old, _, new, _ = passes(folder)
    assert (old.revoked_why, old.replaced_by, new.number) == ("changed", 3, 3)
    assert revoked(folder).ids == {old.claims.cti}
    assert new.claims.group == "四年2班"


def test_an_exported_roster_is_read_again_and_changes_nothing(folder: OfficeFolder) -> None:
    head = "姓名,班级,区分,监护人,行动较慢,有效期至,类别,值守\n"
    lines = "张三,三年2班,-1,李大强,是,2099-01-31,,\n刘老师,语文组,,,,,教师,是\n"
    assert run("roster", write(folder, head + lines)) == 0
    before = passes(folder)
    for name in ("x.csv", "x.xlsx"):
        exported = folder.path.parent / name
        assert run("register", "export", "--roster", exported) == 0
        assert stat.S_IMODE(exported.stat().st_mode) == 0o600
        assert run("roster", exported) == 0
        assert passes(folder) == before
        assert run("register", "export", "--roster", exported) == 1  # never overwritten


def test_wrong_options_are_refused_in_one_sentence(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(folder, CLASS)
    assert run("roster", path) == 0
    capsys.readouterr()
    for words in (
        ("roster", path, "--until", "soon"),
        ("roster", folder.path / "none.csv"),
        ("roster", path, "--dir", folder.path / "none"),
        ("visitor", "--name", "王五", "--host", "张老师"),
        ("visitor", "--name", "王五", "--host", "13800138000"),
        ("visitor", "--name", "=1", "--host", "t-031"),
        ("visitor", "--name", "王五", "--host", "t-031", "--until", "2020-01-01"),
        ("visitor", "--name", "王五", "--host", "t-031", "--uses", "0"),
        ("visitor", "--name", "王五", "--host", "t-031", "--zone", "=1"),
        ("visitor", "--name", "王五", "--host", "t-031", "--zone", "食堂"),
        ("retest", "张三", "--sampled-at", "2099-01-01"),
        ("retest", "张三", "--sampled-at", "2026-01-01", "--days", "8"),
        ("retest", "赵六", "--sampled-at", "2026-01-01"),
        ("guardian", "赵六", "--name", "李大强"),
        ("revoke",),
        ("revoke", "张三"),
        ("revoke", "--renew", "张三", "--why", "lost"),
        ("revoke", "赵六", "--why", "lost"),
        ("print", "赵六"),
        ("print", "--out", folder.path.parent / "x.txt"),
        ("register", "show", "赵六"),
        ("register", "export", folder.path.parent / "x.doc"),
        ("register", "forget", "--ended-before", "2099-01-01"),
    ):
        assert run(*words) == 1, words
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("gated: "), words
        assert not any(name in line for name in ("张三", "赵六", "13800138000")), words
    assert len(passes(folder)) == 2


# --- single passes -------------------------------------------------------------------------------


def test_a_visitor_comes_in_once_today_unless_more_is_said(folder: OfficeFolder) -> None:
    assert run("visitor", "--name", "王五", "--host", "t-031") == 0
    (item,) = passes(folder)
    claims = item.claims
    assert (item.kind, claims.sub, claims.category) == ("visitor", "v-0001", "visitor")
    assert (claims.max_uses, claims.direction, claims.approver) == (1, Direction.IN, "t-031")
    assert claims.expires_at - claims.not_before == timedelta(days=1)
    assert claims.not_before <= item.issued_at < claims.expires_at
    slip = (folder.printed / "slips-0001.html").read_text(encoding="utf-8")
    assert "王五" in slip
    assert "t-031" in slip


def test_every_option_of_a_visitor_arrives(folder: OfficeFolder) -> None:
    assert run("roster", write(folder, "姓名,类别\n刘老师,教师\n")) == 0
    words = ["visitor", "--name", "Anna Li", "--approver", "刘老师", "--category", "courier"]
    words += ["--from", "2090-01-01T08:00:00+00:00", "--until", "2090-01-02T08:00:00+00:00"]
    words += ["--zone", "canteen", "--zone", "house-3", "--direction", "both", "--uses", "3"]
    assert run(*words) == 0
    claims = passes(folder)[-1].claims
    assert (claims.sub, claims.approver, claims.category) == ("c-0001", "t-0001", "courier")
    assert (claims.zones, claims.max_uses) == (("canteen", "house-3"), 3)
    assert claims.direction is Direction.UNKNOWN
    assert claims.not_before == datetime(2090, 1, 1, 8, tzinfo=UTC)
    assert claims.expires_at == datetime(2090, 1, 2, 8, tzinfo=UTC)


def test_a_guardian_and_a_retest_release_speak_of_the_pupil(folder: OfficeFolder) -> None:
    assert run("roster", write(folder, CLASS)) == 0
    assert run("guardian", "张三", "--name", "李大强") == 0
    assert run("guardian", "张三", "--name", "李大强") == 1  # has one
    assert run("retest", "s-0002", "--sampled-at", "2026-01-01T08:00:00+08:00") == 0
    card, _, guardian, retest = passes(folder)
    assert guardian.kind is PassKind.GUARDIAN
    assert (guardian.claims.sub, guardian.claims.guardian_ref) == ("s-0001", "p-0001")
    assert guardian.claims.expires_at == card.claims.expires_at
    assert "李大强" in (folder.printed / "cards-0003.html").read_text(encoding="utf-8")
    assert retest.claims.category is HolderCategory.RETEST_RELEASE
    assert retest.claims.nat_sampled_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert retest.claims.expires_at - retest.claims.not_before == timedelta(days=1)
    assert retest.holder.category is HolderCategory.STUDENT


def test_a_duty_roster_gives_passes_and_the_gates_list(folder: OfficeFolder) -> None:
    assert run("roster", write(folder, "姓名,类别\n刘老师,教师\n")) == 0
    duty = write(folder, "姓名,日期,至\n刘老师,2090-01-01,2090-01-03\n", "duty.csv")
    assert run("duty", duty) == 0
    assert folder.duty_list.read_text(encoding="utf-8") == "t-0001 2090-01-01 2090-01-03\n"
    assert run("duty", duty) == 0
    assert len(passes(folder)) == 2
    assert run("revoke", "2", "--why", "changed") == 0
    assert folder.duty_list.read_text(encoding="utf-8") == ""
    assert run("duty", write(folder, "姓名,日期\n赵六,2090-01-01\n", "bad.csv")) == 1


# --- revoking ------------------------------------------------------------------------------------


def test_a_lost_card_is_revoked_by_name_number_or_pseudonym(folder: OfficeFolder) -> None:
    assert run("roster", write(folder, CLASS + "王五,三年2班\n")) == 0
    first = revoked(folder)
    assert first.ids == frozenset()
    for word in ("张 三", "No. 0002", "s-0003"):
        assert run("revoke", word, "--why", "lost") == 0
    assert revoked(folder).ids == {item.claims.cti for item in passes(folder)}
    assert revoked(folder).version > first.version
    assert run("revoke", "2", "--why", "lost") == 1  # nothing left to revoke


def test_several_matches_are_shown_and_nothing_is_revoked(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("roster", write(folder, "姓名,班级,区分\n王明,g1,1\n王明,g2,2\n赵六,g1,\n")) == 0
    capsys.readouterr()
    assert run("revoke", "赵六", "王明", "--why", "left") == 1
    assert re.findall(r"No\. (\d+)", capsys.readouterr().err) == ["0001", "0002"]
    assert [item.revoked_at for item in passes(folder)] == [None] * 3
    assert run("revoke", "3", "1", "--why", "left") == 0
    assert [item.revoked_why for item in passes(folder)] == ["left", None, "left"]


def test_a_reissued_card_takes_the_old_ones_place(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("roster", write(folder, CLASS)) == 0
    assert run("reissue", "张三", "--why", "lost") == 0
    old, _, new = passes(folder)
    assert (old.replaced_by, new.claims.sub) == (3, "s-0001")
    assert revoked(folder).ids == {old.claims.cti}
    assert "cards-0003.html" in printed(folder)
    assert run("revoke", "李四", "--why", "lost") == 0
    assert run("reissue", "2", "--why", "lost") == 0  # found out later: a new one all the same
    assert passes(folder)[1].replaced_by == 4
    capsys.readouterr()
    assert run("register", "show", "张三") == 0
    shown = capsys.readouterr().out
    assert "revoked 已作废 (lost) → No. 0003" in shown
    assert old.claims.cti.hex() in shown


def test_without_a_pass_in_force_a_name_that_fits_several_is_asked_about(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("roster", write(folder, CLASS + "王五,三年2班\n")) == 0
    assert run("retest", "张三", "--sampled-at", "2026-01-01T08:00:00+08:00") == 0
    assert run("revoke", "1", "4", "--why", "lost") == 0
    capsys.readouterr()
    assert run("reissue", "张三", "--why", "lost", "--until", "2090-01-31") == 1
    assert re.findall(r"No\. (\d+)", capsys.readouterr().err) == ["0001", "0004"]
    assert len(passes(folder)) == 4
    assert run("reissue", "1", "--why", "lost") == 0
    assert passes(folder)[-1].kind is PassKind.CARD
    assert run("revoke", "5", "3", "--why", "lost") == 0
    assert run("reissue", "王五", "--why", "lost") == 0  # a single one
    assert passes(folder)[-1].claims.sub == "s-0003"


def test_without_a_pass_in_force_two_people_of_one_name_are_asked_about(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("roster", write(folder, "姓名,班级,区分\n王明,g1,1\n王明,g2,2\n")) == 0
    assert run("revoke", "1", "2", "--why", "lost") == 0
    capsys.readouterr()
    assert run("reissue", "王明", "--why", "lost") == 1
    assert re.findall(r"No\. (\d+)", capsys.readouterr().err) == ["0001", "0002"]


def test_a_release_after_a_test_does_not_become_a_terms_pass(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("roster", write(folder, CLASS)) == 0
    assert run("retest", "张三", "--sampled-at", "2026-01-01T08:00:00+08:00") == 0
    today = SystemClock().now().astimezone().date()
    assert run("reissue", "3", "--why", "lost", "--until", today + timedelta(days=7)) == 1
    assert "7" in capsys.readouterr().err
    assert passes(folder)[-1].number == 3
    assert run("reissue", "3", "--why", "lost", "--until", today + timedelta(days=6)) == 0


def test_a_list_that_a_power_cut_kept_from_being_written_is_asked_for(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    version = revoked(folder).version
    with open_office(folder) as office, office.register.change():
        note_revocation(office)
    assert run("register", "list") == 0
    assert "gated pass revoke --renew" in capsys.readouterr().err
    assert run("revoke", "--renew") == 0
    with open_office(folder) as office:
        assert not is_list_due(office)
    assert revoked(folder).version > version


def test_a_pass_on_a_phone_stays_there_and_is_never_printed(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("roster", write(folder, CLASS)) == 0
    assert run("phone", "张三") == 0
    capsys.readouterr()
    assert run("print", "张三", "李四") == 0
    assert "gated pass phone 3" in capsys.readouterr().out
    assert "cards-0002.html" in printed(folder)
    assert run("roster", write(folder, CLASS)) == 0
    assert len(passes(folder)) == 3
    assert run("roster", write(folder, "姓名,编号\n张三,s-0001\n"), "--reissue") == 0
    assert run("reissue", "s-0001", "--why", "lost") == 0
    assert [item.claims.is_changing for item in passes(folder)] == [False, False, True, True, True]
    assert run("guardian", "张三", "--name", "李大强") == 0
    assert not passes(folder)[-1].claims.is_changing
    assert [name for name in printed(folder) if name.startswith("cards")] == [
        "cards-0001-0002.html",
        "cards-0002.html",
        "cards-0006.html",
    ]


def test_after_a_new_key_whatever_the_old_one_signed_is_told_and_made_anew(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("roster", write(folder, CLASS + "刘老师,语文组\n")) == 0
    assert run("phone", "李四") == 0
    for guardian in ("李大强", "王小美"):
        assert run("guardian", "张三", "--name", guardian) == 0
    duty = write(folder, "姓名,日期,至\n刘老师,2090-01-01,2090-01-03\n", "duty.csv")
    assert run("duty", duty) == 0
    folder.key.rename(folder.path.parent / "stolen.pem")
    assert run("office", "init", "--site", "第三小学") == 0
    capsys.readouterr()
    assert run("register", "list") == 0
    assert capsys.readouterr().out.count("earlier key 旧密钥") == 6

    exported = folder.path.parent / "all.csv"
    assert run("register", "export", "--roster", exported) == 0
    assert "guardian cards No. 0005" in capsys.readouterr().out
    assert run("roster", exported, "--reissue") == 0
    assert run("duty", duty) == 1
    assert "gated pass reissue 7 --why changed" in capsys.readouterr().err
    assert run("register", "list") == 0
    left = capsys.readouterr().out.splitlines()
    numbers = [line.split()[1] for line in left if "earlier key 旧密钥" in line]
    assert numbers == ["0005", "0007"]
    for number in numbers:
        assert run("reissue", number, "--why", "changed") == 0
    assert run("duty", duty) == 0
    with open_office(folder) as office:
        in_force = [p for p in office.register.passes() if p.revoked_at is None]
        assert {item.key_id for item in in_force} == {office.key_id}
    assert [item.kind for item in in_force].count(PassKind.GUARDIAN) == 2


def test_a_phone_page_of_an_earlier_key_gets_a_pass_of_its_own(folder: OfficeFolder) -> None:
    assert run("roster", write(folder, CLASS)) == 0
    assert run("phone", "张三") == 0
    folder.key.rename(folder.path.parent / "stolen.pem")
    assert run("office", "init", "--site", "第三小学") == 0
    assert run("phone", "张三") == 0
    *_, old, new = passes(folder)
    assert (old.replaced_by, new.claims.is_changing) == (new.number, True)
    assert new.key_id != old.key_id


# --- printing again and exporting ----------------------------------------------------------------


def test_a_card_is_printed_again_to_the_last_module(folder: OfficeFolder) -> None:
    assert run("roster", write(folder, CLASS)) == 0
    path = folder.printed / "cards-0001-0002.html"
    before = path.read_bytes()
    path.unlink()
    assert run("print") == 0
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run("print", "李四", "--sheet", "--class", "三年2班") == 0
    sheet = (folder.printed / "sheet-0002.html").read_text(encoding="utf-8")
    assert "李四" in sheet
    assert "张三" not in sheet


def test_a_misspelt_name_is_corrected_and_the_code_stays(folder: OfficeFolder) -> None:
    assert run("roster", write(folder, CLASS)) == 0
    before = passes(folder)[0]
    assert run("register", "rename", "张三", "--name", "张珊") == 0
    after = passes(folder)[0]
    assert (after.holder.name, after.claims) == ("张珊", before.claims)
    assert run("register", "rename", "s-0001", "--name", "=1") == 1
    assert run("register", "rename", "张三", "--name", "张珊") == 1  # nobody has it now
    assert run("roster", write(folder, CLASS.replace("张三", "张珊"))) == 0
    assert len(passes(folder)) == 2


def test_every_export_defuses_what_a_spreadsheet_would_run(folder: OfficeFolder) -> None:
    head = "姓名,班级,区分\n"
    assert run("roster", write(folder, head + "张三,g1,=cmd|'/C calc'!A0\n李四,g1,＠x\n")) == 0
    table = folder.path.parent / "out.csv"
    assert run("register", "export", "--all", table) == 0
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
    assert [row["区分"] for row in rows] == ["'=cmd|'/C calc'!A0", "'@x"]
    assert [(row["编号"], row["卡号"]) for row in rows] == [("s-0001", "1"), ("s-0002", "2")]
    book = folder.path.parent / "out.xlsx"
    assert run("register", "export", book) == 0
    cells = [cell for row in openpyxl.load_workbook(book).worksheets[0] for cell in row]
    assert {cell.data_type for cell in cells if cell.value} == {"s"}


@pytest.mark.parametrize("start", list("=+-@\t\r\n\0＝＋－＠"))
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(start: str) -> None:
    assert cell_text(f"{start}1+1") == f"'{start}1+1"
    assert cell_text(f"1{start}") == f"1{start}"


def test_a_dry_run_says_who_would_be_staff_and_who_an_attendant(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    table = "姓名,班级,类别,值守\n张三,三年2班,,\n李四,教务处,教职工,\n王五,教务处,教职工,是\n"
    assert run("roster", write(folder, table), "--dry-run") == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("line ")]
    assert ["student" in line for line in shown] == [True, False, False]
    assert ["staff" in line for line in shown] == [False, True, True]
    assert ["attendant 值守" in line for line in shown] == [False, False, True]


def test_a_heading_that_nobody_reads_cannot_write_to_the_terminal(
    folder: OfficeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(folder, "姓名,班级,\x1b[2J\u202e备注\n张三,三年2班,x\n")
    assert run("roster", path, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "not read     ?[2J?备注" in shown
    assert not {"\x1b", "\u202e"} & set(shown)
