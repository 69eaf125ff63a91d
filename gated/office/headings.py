"""Tables as people type them: which column is which, and cells made plain where that is safe.

Names are left as they are, but for spaces; classes, pseudonyms and dates in full width are the
same in half width.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from gated.credentials.privacy import find_number
from gated.errors import GatedError
from gated.office.table_file import Row, Table
from gated.spreadsheets import cell_text
from gated.vocabulary import HolderCategory

HEADING_WITHIN = 10
"""Lists of a class often begin with a title; the headings come soon after."""
MAX_NAME_CHARACTERS = 40

_SPACES = re.compile(r"[\s\u00a0\u200b\u3000\ufeff]+")
_BETWEEN_CJK = re.compile(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])")
_DATE = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?: 00:00:00)?|(\d{4})(\d{2})(\d{2})", re.ASCII
)
_YES = frozenset({"是", "对", "有", "yes", "y", "true", "1", "x", "√", "✓", "✔"})
_NO = frozenset({"", "否", "无", "没有", "no", "n", "false", "0", "-"})

CATEGORY_WORDS: Mapping[str, HolderCategory] = {
    **{category.value: category for category in HolderCategory},
    **dict.fromkeys(("学生", "pupil"), HolderCategory.STUDENT),
    **dict.fromkeys(("教职工", "教师", "老师", "职工", "员工", "teacher"), HolderCategory.STAFF),
    **dict.fromkeys(("应急", "应急人员"), HolderCategory.EMERGENCY),
    **dict.fromkeys(("快递", "配送", "送货"), HolderCategory.COURIER),
    **dict.fromkeys(("家长", "陪同", "陪同家长", "监护人"), HolderCategory.ESCORT),
}


class Unfit(GatedError, ValueError):
    """A cell that cannot be used. The message never repeats a name; caught where lines are read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table, by column."""

    number: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True)
class Lines:
    lines: tuple[Line, ...]
    unread: tuple[str, ...]  # headings of columns that are not for us


def lines_of(
    table: Table, headings: Mapping[str, tuple[str, ...]], required: str, name: str
) -> Lines:
    """Return the lines below the headings.

    Args:
        table: as read.
        headings: column → how it may be headed, in Chinese and English.
        required: the column without which a line is not the headings.
        name: of the file, for messages.

    Raises: GatedError: no headings, or one of them twice.
    """
    column_of = {
        _plain_heading(text): column for column, texts in headings.items() for text in texts
    }
    for position, row in enumerate(table.rows[:HEADING_WITHIN]):
        columns = [column_of.get(_plain_heading(cell)) for cell in row.cells]
        if required not in columns:
            continue
        known = [column for column in columns if column is not None]
        twice = sorted({column for column in known if known.count(column) > 1})
        if twice:
            raise GatedError(
                f"{name} line {row.number}: two columns are headed {' and '.join(twice)} (列名重复)"
            )
        unread = tuple(
            _harmless(plain(cell))
            for cell, column in zip(row.cells, columns, strict=True)
            if column is None and cell.strip()
        )
        return Lines(tuple(_lines(table.rows[position + 1 :], columns)), unread)
    raise GatedError(
        f"{name}: no line with the headings in the first {HEADING_WITHIN}; one of them must be "
        f"{' or '.join(headings[required])} (缺少表头，须有“{headings[required][0]}”一列)"
    )


def _lines(rows: tuple[Row, ...], columns: list[str | None]) -> Iterator[Line]:
    for row in rows:
        cells = {
            column: _SPACES.sub(" ", cell).strip()
            for column, cell in zip(columns, row.cells, strict=False)
            if column is not None
        }
        if any(cells.values()):
            yield Line(row.number, cells)


def _harmless(text: str) -> str:
    """Return ``text`` as a terminal can show it: whoever made the file may not move the cursor."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _plain_heading(text: str) -> str:
    return plain(text).casefold().replace(" ", "").replace("_", "").rstrip("*")


def plain(text: str) -> str:
    """Return ``text`` with full-width letters, digits and punctuation in half width."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def name_of(text: str) -> str:
    """Return a person's name: ``张　三`` is 张三, ``Anna  Li`` is Anna Li. Raises: Unfit."""
    name = _BETWEEN_CJK.sub("", _SPACES.sub(" ", text).strip())
    if not name:
        raise Unfit("the name is missing (缺姓名)")
    if len(name) > MAX_NAME_CHARACTERS:
        raise Unfit(f"the name has more than {MAX_NAME_CHARACTERS} characters (姓名过长)")
    if not name.isprintable() or not name[0].isalpha() or any(c.isdigit() for c in name):
        raise Unfit("not a name: a name begins with a letter and has no digit (姓名有误)")
    return name


def detail_of(text: str) -> str:
    """Return what tells two of the same name apart. Raises: Unfit: an ID or phone number."""
    detail = plain(text)
    if detail.startswith("'") and cell_text(detail[1:]) == detail:
        detail = detail[1:]  # from an export of our own
    if not detail.isprintable():
        raise Unfit("the column that tells people apart has a control character (区分列有误)")
    problem = find_number(detail)
    if problem is not None:
        raise Unfit(
            f"the column that tells people apart cannot be used: {problem}; the register does not "
            "need it (登记册不收身份证号、手机号)"
        )
    return detail


def category_of(text: str, default: HolderCategory) -> HolderCategory:
    """Return the category that ``text`` names, ``default`` for none. Raises: Unfit."""
    word = plain(text).casefold().replace(" ", "_")
    if not word:
        return default
    category = CATEGORY_WORDS.get(word)
    if category is None:
        raise Unfit(f"not a category; write one of {', '.join(HolderCategory)} (类别有误)")
    return category


def flag_of(text: str, column: str) -> bool:
    """Return whether a cell says yes. Raises: Unfit."""
    word = plain(text).casefold()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise Unfit(f"{column}: neither yes 是 nor no 否 (须填“是”或“否”)")


def day_of(text: str, column: str) -> date | None:
    """Return the day in a cell, None for an empty one. Raises: Unfit."""
    word = plain(text).replace("年 ", "年").replace("月 ", "月")
    if not word:
        return None
    match = _DATE.fullmatch(word)
    parts = [int(part) for part in match.groups() if part is not None] if match else []
    try:
        year, month, day = parts
        return date(year, month, day)
    except ValueError as exc:
        raise Unfit(
            f"{column}: not a day such as 2027-01-31; if Excel shows one, format the column as "
            "text (日期须写成 2027-01-31)"
        ) from exc


def names_in(text: str) -> tuple[str, ...]:
    """Return the parts of a list in one cell, however they are separated."""
    return tuple(part for part in re.split(r"[,;、 ]+", plain(text)) if part)
