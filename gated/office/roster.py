"""A roster: who shall have a card. One line is one person, as the school's own list has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from gated.credentials.gp1 import MAX_ZONES, is_label
from gated.credentials.privacy import why_no_pseudonym
from gated.office.headings import (
    Line,
    Unfit,
    category_of,
    day_of,
    detail_of,
    flag_of,
    lines_of,
    name_of,
    names_in,
    plain,
)
from gated.office.passes import NOT_A_LABEL, NOT_A_ZONE, is_zone
from gated.office.table_file import Table
from gated.vocabulary import HolderCategory

HEADINGS: Mapping[str, tuple[str, ...]] = {
    "name": ("姓名", "name", "名字", "学生姓名"),
    "class": ("班级", "class", "group", "班", "部门", "单位"),
    "pseudonym": ("编号", "pseudonym", "代号"),
    "school_number": ("学号", "school number", "student number"),
    "tell_apart": ("区分", "tell apart", "座号"),
    "category": ("类别", "category", "身份"),
    "valid_from": ("生效日期", "valid from", "开始日期"),
    "valid_until": ("有效期至", "valid until", "有效期", "截止日期", "结束日期"),
    "zones": ("区域", "zones", "zone"),
    "slow": ("行动较慢", "slow", "慢行", "轮椅"),
    "attendant": ("值守", "attendant", "值守员"),
    "guardian": ("监护人", "guardian", "家长", "监护人姓名", "家长姓名"),
}
"""Column → its headings; the first in Chinese and the first in English stand in the pages."""

NEW_WORDS = frozenset({"新", "new"})
"""In the pseudonym's column: not the person of this name that the register knows."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that can be used."""

    number: int
    name: str = field(repr=False)
    group: str | None = None
    pseudonym: str | None = None
    is_new: bool = False  # another person than the one of this name in another class
    detail: str = field(default="", repr=False)
    is_detail_of_school: bool = False  # a school number: nobody else at this school has it
    category: HolderCategory = HolderCategory.STUDENT
    valid_from: date | None = None
    valid_until: date | None = None
    zones: tuple[str, ...] = ()
    is_slow: bool = False
    is_attendant: bool = False
    guardian: str = field(default="", repr=False)  # a name, or a guardian's pseudonym


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a line cannot be used, without anybody's name."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Roster:
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    unread: tuple[str, ...]  # headings of columns that nobody reads here


def parse_roster(
    table: Table, name: str, category: HolderCategory = HolderCategory.STUDENT
) -> Roster:
    """Return what the table says, with every line that cannot be used.

    Args:
        table: as read.
        name: of the file, for messages.
        category: of whoever's line names none.

    Raises: GatedError: no headings.
    """
    lines = lines_of(table, HEADINGS, "name", name)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for line in lines.lines:
        try:
            entries.append(_entry(line, category))
        except Unfit as exc:
            problems.append(Problem(line.number, str(exc)))
    return Roster(tuple(entries), tuple(problems), lines.unread)


def _entry(line: Line, default: HolderCategory) -> Entry:
    category = category_of(line.get("category"), default)
    word = plain(line.get("pseudonym"))
    is_new = word.casefold() in NEW_WORDS
    is_attendant = flag_of(line.get("attendant"), "attendant")
    if is_attendant and category is not HolderCategory.STAFF:
        raise Unfit("attendant: only staff release somebody (值守员须为教职工)")
    valid_from = day_of(line.get("valid_from"), "valid from")
    valid_until = day_of(line.get("valid_until"), "valid until")
    if valid_from is not None and valid_until is not None and valid_until < valid_from:
        raise Unfit("valid until: before valid from (结束早于开始)")
    return Entry(
        number=line.number,
        name=name_of(line.get("name")),
        group=_class(line.get("class")) if line.get("class") else None,
        pseudonym=None if is_new or not word else pseudonym_of(word),
        is_new=is_new,
        detail=detail_of(line.get("school_number") or line.get("tell_apart")),
        is_detail_of_school=bool(plain(line.get("school_number"))),
        category=category,
        valid_from=valid_from,
        valid_until=valid_until,
        zones=_zones(line.get("zones")),
        is_slow=flag_of(line.get("slow"), "slow"),
        is_attendant=is_attendant,
        guardian=_guardian(line.get("guardian")),
    )


def pseudonym_of(text: str) -> str:
    """Return a pseudonym. Raises: Unfit, without repeating it: it may be an ID number."""
    problem = why_no_pseudonym(text)
    if problem is not None:
        raise Unfit(
            f"the pseudonym cannot be used: {problem}; leave it empty and one is made "
            "(编号不可用，留空即自动生成)"
        )
    return text


def _class(text: str) -> str:
    label = plain(text)
    if not is_label(label):
        raise Unfit(NOT_A_LABEL)
    return label


def _zones(text: str) -> tuple[str, ...]:
    zones = names_in(text)
    if not all(map(is_zone, zones)):
        raise Unfit(NOT_A_ZONE)
    if len(zones) > MAX_ZONES:
        raise Unfit(f"zones: more than {MAX_ZONES} (区域过多)")
    return zones


def _guardian(text: str) -> str:
    word = plain(text)
    if not word:
        return ""
    return pseudonym_of(word) if any(map(str.isdigit, word)) else name_of(text)
