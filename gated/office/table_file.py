"""Reads a table that somebody typed in Excel: CSV in the encodings that occur in China, or XLSX.

Bounded before anything is unpacked: a table of 5,000 lines is a large school, more is a mistake
or an attack. Formulas are never evaluated: what Excel last showed counts.
"""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from gated.errors import GatedError

MAX_FILE_BYTES = 4 * 2**20
MAX_UNPACKED_BYTES = 16 * 2**20
MAX_TAGS = 500_000
"""Of XML in all parts: 5,000 lines of 24 filled columns. openpyxl keeps 300 bytes for each."""
MAX_PARTS = 500
MAX_ROWS = 5_000
MAX_COLUMNS = 64
MAX_CELL_CHARACTERS = 200
EXCEL_ROWS = 1_048_576
"""A sheet's last line; a file that speaks of later ones would have us count for ever."""

_UTF8_BOM, _UTF16_BOMS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = ",;\t，；"
_CJK = range(0x4E00, 0xA000)
_TWO_BYTES_OF_UTF8 = range(0x80, 0x800)
_OPENPYXL_ERRORS = (  # what its readers raise for files that are not what they say
    *(zipfile.BadZipFile, zlib.error, ET.ParseError, EOFError, OSError),
    *(KeyError, IndexError, ValueError, TypeError, AttributeError, AssertionError),
    *(RuntimeError, OverflowError),  # RuntimeError: a password, too deep, of another version
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: its number in the file, its cells as texts."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[Row, ...]  # without empty ones
    notes: tuple[str, ...] = ()  # what the reader should know, such as a second sheet


def read_table(path: Path, encoding: str | None = None) -> Table:
    """Return the table in ``path``, a .csv or .xlsx.

    Args:
        path: the file.
        encoding: of a CSV, where it cannot be told: ``utf-8`` or ``gb18030``.

    Raises: GatedError: unreadable, too large, or another kind of file; says what to do.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise GatedError(f"{path}: cannot be read ({exc.strerror}) (无法读取)") from exc
    if len(data) > MAX_FILE_BYTES:
        raise GatedError(f"{path}: larger than 4 MiB: too large for a roster (文件过大)")
    return parse_table(data, path.name, encoding)


def parse_table(data: bytes, name: str, encoding: str | None = None) -> Table:
    """Return the table in ``data``; ``name`` is for messages. Raises: GatedError."""
    if data.startswith(b"PK"):
        return _parse_xlsx(data, name)
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise GatedError(
            f"{name}: an old Excel file: save it as .xlsx or CSV (请另存为 .xlsx 或 CSV)"
        )
    return Table(tuple(_bounded(_csv_rows(_decoded(data, name, encoding), name), name)))


# --- CSV -----------------------------------------------------------------------------------------


def _decoded(data: bytes, name: str, encoding: str | None) -> str:
    if data.startswith(_UTF8_BOM):
        encoding = "utf-8-sig"
    elif data.startswith(_UTF16_BOMS):
        encoding = "utf-16"
    if encoding is not None:
        text = _decode(data, encoding)
        if text is None:
            raise GatedError(f"{name}: is not {encoding} (编码不符)")
        return text
    as_utf8, as_gb = _decode(data, "utf-8"), _decode(data, "gb18030")
    if as_utf8 is None:
        if as_gb is None:
            raise GatedError(
                f"{name}: neither UTF-8 nor GB18030: save it as 'CSV UTF-8' or .xlsx "
                "(请另存为 CSV UTF-8 或 .xlsx)"
            )
        return as_gb
    if as_gb is not None and as_gb != as_utf8 and _could_be_either(as_utf8, as_gb):
        raise GatedError(
            f"{name}: it cannot be told whether this is UTF-8 or GB18030: add  --encoding utf-8  "
            "or  --encoding gb18030 , or save it as .xlsx (无法判断编码，请加 --encoding)"
        )
    return as_utf8


def _could_be_either(as_utf8: str, as_gb: str) -> bool:
    """Return whether both readings look like names: accented letters in one, Chinese in the other.

    The classic: a few Chinese characters in GBK are well-formed UTF-8, too.
    """
    other_utf8 = [ord(character) for character in as_utf8 if not character.isascii()]
    other_gb = [ord(character) for character in as_gb if not character.isascii()]
    return all(code in _TWO_BYTES_OF_UTF8 for code in other_utf8) and all(
        code in _CJK for code in other_gb
    )


def _decode(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    # The headings, or a title above them if Excel filled it up with delimiters.
    lines = text.splitlines()
    head = next((line for line in lines if any(map(line.count, _DELIMITERS))), "")
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    try:
        for cells in reader:
            yield number, cells
            number = reader.line_num + 1  # a quoted cell may span lines
    except csv.Error as exc:
        raise GatedError(
            f"{name} line {reader.line_num}: not readable as CSV; look at its quotes "
            f"(第 {reader.line_num} 行格式有误，请检查引号)"
        ) from exc


# --- XLSX ----------------------------------------------------------------------------------------


def _parse_xlsx(data: bytes, name: str) -> Table:
    try:
        import openpyxl
    except ImportError as exc:
        raise GatedError(
            "reading .xlsx needs openpyxl: install gated with its extra 'office', or save the "
            "table as CSV (缺少 openpyxl，请安装 office 组件或另存为 CSV)"
        ) from exc
    try:
        _refuse_bombs(data, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and the like, which nobody reads here
            book = openpyxl.load_workbook(
                io.BytesIO(data), read_only=True, data_only=True, keep_links=False
            )
            sheet = book.worksheets[0]
            # What a sheet says of its own size is its maker's word.
            sheet.reset_dimensions()
            found = sheet.iter_rows(max_row=EXCEL_ROWS, max_col=MAX_COLUMNS, values_only=True)
            filled = (
                (number, list(map(_cell, row))) for number, row in enumerate(found, 1) if any(row)
            )
            rows = tuple(_bounded(filled, name))
    except _OPENPYXL_ERRORS as exc:
        raise GatedError(
            f"{name}: cannot be read as .xlsx: open it in Excel or WPS and save it again "
            "(无法读取，请用 Excel 或 WPS 另存)"
        ) from exc
    notes: tuple[str, ...] = ()
    if len(book.worksheets) > 1:
        notes = (f"only the first sheet of {name} is read (只读取第一张工作表)",)
    return Table(rows, notes)


def _refuse_bombs(data: bytes, name: str) -> None:
    """Raise GatedError for a file that unpacks to far more than a table needs.

    A part never unpacks to more than its directory entry says: zipfile stops there.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        unpacked_bytes = sum(part.file_size for part in parts)
        if len(parts) > MAX_PARTS or unpacked_bytes > MAX_UNPACKED_BYTES:
            raise GatedError(
                f"{name}: unpacks to more than {MAX_UNPACKED_BYTES // 2**20} MiB: copy the table "
                "alone into a new file (文件解压后过大，请把表格单独另存)"
            )
        tags = 0
        for part in parts:
            text = archive.read(part)
            tags += text.count(b"<")
            # No office program writes a document type; it is how XML bombs are built. The zero
            # byte: in UTF-16 the words would not be found.
            is_wide = b"\0" in text and part.filename.endswith((".xml", ".rels"))
            if b"<!DOCTYPE" in text or b"<!ENTITY" in text or is_wide:
                raise GatedError(f"{name}: is not a table that Excel or WPS wrote (文件异常)")
        if tags > MAX_TAGS:
            raise GatedError(
                f"{name}: has more cells than a roster needs: copy the table alone into a new file "
                "(单元格过多，请把表格单独另存)"
            )


def _cell(value: object) -> str:
    """Return a cell as text. Excel keeps whole numbers as fractions and days as moments."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else str(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _bounded(rows: Iterable[tuple[int, list[str]]], name: str) -> Iterator[Row]:
    """Yield the rows that are not empty. Raises: GatedError: too many, too wide, too long."""
    count = 0
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        count += 1
        while cells and not cells[-1].strip():
            cells.pop()
        if count > MAX_ROWS + 1 or len(cells) > MAX_COLUMNS:
            raise GatedError(
                f"{name}: more than {MAX_ROWS} lines or {MAX_COLUMNS} columns: split it (表格过大)"
            )
        if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells):
            raise GatedError(
                f"{name} line {number}: a cell with more than {MAX_CELL_CHARACTERS} characters "
                f"(第 {number} 行有单元格过长)"
            )
        yield Row(number, tuple(cells))
