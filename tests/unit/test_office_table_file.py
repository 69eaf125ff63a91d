"""Tables as Excel saves them, and files that only look like tables."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gated.errors import GatedError
from gated.office.table_file import (
    MAX_CELL_CHARACTERS,
    MAX_COLUMNS,
    MAX_FILE_BYTES,
    MAX_ROWS,
    Row,
    parse_table,
    read_table,
)

TEXT = "姓名,班级\r\n张三,三年2班\r\n"
ROWS = (Row(1, ("姓名", "班级")), Row(2, ("张三", "三年2班")))
FORTY = settings(max_examples=40)


def xlsx(*rows: tuple[object, ...], sheets: int = 1) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for _ in range(sheets - 1):
        book.create_sheet().append(["secret"])
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def with_part(data: bytes, name: str, change: object) -> bytes:
    """Return the archive ``data`` with the part ``name`` changed by a function, or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            text = old.read(part)
            if part == name:
                assert callable(change)
                text = change(text)
            new.writestr(part, text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_csv_is_read_in_whatever_encoding_excel_saved_it(encoding: str) -> None:
    assert parse_table(TEXT.encode(encoding), "x.csv").rows == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "，", "；"])
def test_a_csv_is_read_with_whatever_delimiter(delimiter: str) -> None:
    text = TEXT.replace(",", delimiter)
    assert parse_table(text.encode(), "x.csv").rows == ROWS
    titled = parse_table(("三年2班名单\n" + text).encode(), "x.csv")
    assert [row.cells for row in titled.rows[1:]] == [row.cells for row in ROWS]


def test_a_quoted_cell_keeps_its_comma_and_a_line_its_number() -> None:
    table = parse_table('姓名,注\n\n"张三","a\nb, c"\n李四,\n'.encode(), "x.csv")
    assert table.rows == (
        Row(1, ("姓名", "注")),
        Row(3, ("张三", "a\nb, c")),
        Row(5, ("李四",)),
    )


def test_a_csv_that_could_be_either_encoding_asks_which() -> None:
    data = b"name\n\xc4\xa3\xcf\xb0\n"  # 模习 in GB18030, "ģϰ" in UTF-8
    with pytest.raises(GatedError, match="--encoding"):
        parse_table(data, "x.csv")
    assert parse_table(data, "x.csv", "gb18030").rows[1].cells == ("模习",)
    assert parse_table(data, "x.csv", "utf-8").rows[1].cells == ("ģϰ",)


def test_a_name_with_an_accent_among_chinese_ones_is_plain_utf8() -> None:
    data = "姓名\n张三\nJosé\n".encode()
    assert parse_table(data, "x.csv").rows[2].cells == ("José",)


@pytest.mark.parametrize(
    ("data", "encoding"), [(b"name\n\xff\xff\n", None), (TEXT.encode("gb18030"), "utf-8")]
)
def test_what_is_in_no_such_encoding_is_refused(data: bytes, encoding: str | None) -> None:
    with pytest.raises(GatedError):
        parse_table(data, "x.csv", encoding)


def test_an_unclosed_quote_names_its_line_and_no_content() -> None:
    with pytest.raises(GatedError, match="line") as refused:
        parse_table('姓名\n"张三\n'.encode(), "x.csv")
    assert "张三" not in str(refused.value)


def test_an_xlsx_gives_the_same_rows_and_days_as_days() -> None:
    data = xlsx(("姓名", "班级", "有效期至", "座号"), ("张三", "三年2班", date(2027, 1, 31), 7.0))
    assert parse_table(data, "x.xlsx").rows[1].cells == ("张三", "三年2班", "2027-01-31", "7")
    moment = datetime.fromisoformat("2027-01-31T08:30:00")  # Excel knows no offset
    data = xlsx(("姓名", "t"), ("张三", moment))
    assert parse_table(data, "x.xlsx").rows[1].cells == ("张三", "2027-01-31 08:30:00")


def test_only_the_first_sheet_is_read_and_that_is_said() -> None:
    table = parse_table(xlsx(("姓名",), ("张三",), sheets=2), "x.xlsx")
    assert [row.cells for row in table.rows] == [("姓名",), ("张三",)]
    assert len(table.notes) == 1
    assert parse_table(xlsx(("姓名",)), "x.xlsx").notes == ()


def test_a_formula_is_never_evaluated() -> None:
    data = xlsx(("姓名", "班级"), ("张三", '="g"&"3"'))
    assert parse_table(data, "x.xlsx").rows[1].cells == ("张三",)  # nothing was ever shown


def test_a_sheet_that_lies_about_its_size_is_read_as_it_is() -> None:
    data = with_part(
        xlsx(("姓名",), ("张三",)),
        "xl/worksheets/sheet1.xml",
        lambda text: text.replace(b'ref="A1:A2"', b'ref="A1:XFD1048576"'),
    )
    assert [row.cells for row in parse_table(data, "x.xlsx").rows] == [("姓名",), ("张三",)]


@pytest.mark.timeout(30)
def test_a_row_with_an_impossible_number_does_not_count_for_ever() -> None:
    data = with_part(
        xlsx(("姓名",), ("张三",)),
        "xl/worksheets/sheet1.xml",
        lambda text: text.replace(b'<row r="2"', b'<row r="2000000000"'),
    )
    assert [row.cells for row in parse_table(data, "x.xlsx").rows] == [("姓名",)]


def test_what_unpacks_to_more_than_a_table_needs_is_refused_unread() -> None:
    bomb = with_part(xlsx(("姓名",)), "xl/worksheets/sheet1.xml", lambda _: b" " * (20 * 2**20))
    assert len(bomb) < 100_000
    with pytest.raises(GatedError, match="unpacks to more than 16 MiB"):
        parse_table(bomb, "x.xlsx")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("cell", [b"<c/>", b"<c><v>1</v></c>", b"</row><row>"])
def test_a_sheet_of_millions_of_small_cells_is_refused_unparsed(cell: bytes) -> None:
    start = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    sheet = start + b"<sheetData><row>" + cell * 600_000 + b"</row></sheetData></worksheet>"
    data = with_part(xlsx(("姓名",)), "xl/worksheets/sheet1.xml", lambda _: sheet)
    with pytest.raises(GatedError, match="more cells than a roster needs"):
        parse_table(data, "x.xlsx")


def test_a_large_schools_roster_is_read() -> None:
    rows = [tuple(f"{number}-{column}" for column in range(20)) for number in range(3_000)]
    assert len(parse_table(xlsx(*rows), "x.xlsx").rows) == 3_000


def test_an_archive_of_very_many_parts_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(501):
            archive.writestr(f"{number}", b"")
    with pytest.raises(GatedError, match="unpacks"):
        parse_table(out.getvalue(), "x.xlsx")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_in_xml_is_refused(encoding: str) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'.encode(encoding)
    data = with_part(xlsx(("姓名",)), "xl/worksheets/sheet1.xml", lambda _: bomb)
    with pytest.raises(GatedError, match="not a table"):
        parse_table(data, "x.xlsx")


@pytest.mark.parametrize(
    "data", [b"PK", b"PK\x03\x04" + bytes(50), b"\xd0\xcf\x11\xe0", xlsx(("姓名",))[:-30]]
)
def test_a_damaged_or_old_excel_file_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(GatedError) as refused:
        parse_table(data, "x.xlsx")
    assert "\n" not in str(refused.value)


def test_a_workbook_with_a_password_is_refused_in_one_sentence() -> None:
    data = bytearray(WORKBOOK)
    entry = data.index(b"PK\x01\x02")  # of the directory; bit 0 of its flags: encrypted
    data[entry + 8] |= 1
    with pytest.raises(GatedError) as refused:
        parse_table(bytes(data), "x.xlsx")
    assert "\n" not in str(refused.value)


def test_too_many_lines_columns_or_characters_are_refused() -> None:
    head = "姓名\n"
    assert len(parse_table((head + "a\n" * MAX_ROWS).encode(), "x").rows) == MAX_ROWS + 1
    for text in (
        head + "a\n" * (MAX_ROWS + 1),
        ",".join("a" * (MAX_COLUMNS + 1)),
        "x" * (MAX_CELL_CHARACTERS + 1),
    ):
        with pytest.raises(GatedError):
            parse_table(text.encode(), "x.csv")
    rows = [("a",)] * (MAX_ROWS + 2)
    with pytest.raises(GatedError, match="more than"):
        parse_table(xlsx(*rows), "x.xlsx")


def test_a_file_that_is_too_large_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"a" * (MAX_FILE_BYTES + 1))
    for name in ("x.csv", "y.csv"):
        with pytest.raises(GatedError):
            read_table(tmp_path / name)


@FORTY
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"\xef\xbb\xbf", b"\xff\xfe"):
        try:
            parse_table(start + data, "x")
        except GatedError:
            continue


WORKBOOK = xlsx(("姓名", "班级"), ("张三", "三年2班"))


@FORTY
@given(position=st.integers(0), change=st.integers(1, 255))
def test_no_damaged_workbook_raises_anything_else(position: int, change: int) -> None:
    def damage(text: bytes) -> bytes:
        data = bytearray(text)
        data[position % len(data)] ^= change
        return bytes(data)

    for part in ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"):
        try:
            parse_table(with_part(WORKBOOK, part, damage), "x.xlsx")
        except GatedError:
            continue


def test_what_stands_in_a_broken_line_is_not_repeated() -> None:
    with pytest.raises(GatedError) as caught:
        parse_table('姓名\t班级\n"李四"b\tc\n'.encode(), "r.csv")
    assert "李四" not in str(caught.value)
    assert str(caught.value).isprintable()
