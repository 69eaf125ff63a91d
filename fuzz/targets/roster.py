"""Rosters and duty lists as CSV: lines and problems, or one sentence about the whole file."""

from __future__ import annotations

from fuzz import mutators
from fuzz.target import Escape, Target
from gated.credentials.gp1 import is_label, is_pseudonym
from gated.errors import GatedError
from gated.office.duty import parse_duty
from gated.office.roster import parse_roster
from gated.office.table_file import parse_table

_CLASS = (
    "姓名,班级,编号,有效期至,区域,行动较慢,监护人,区分\n"
    "张三,三(2)班,s-0412,2027-07-31,canteen;yard-3,是,李四,7\n"
)
SEEDS = (
    _CLASS.encode(),
    b"\xef\xbb\xbf" + _CLASS.encode(),
    _CLASS.encode("gb18030"),
    _CLASS.encode("utf-16"),
    b'name;class;category;attendant\r\n"Li, Anna";"g3-2";staff;yes\r\n"=1+1";"@x";;\r\n',
    "名单\n\n姓名\t身份\t开始日期\n张　三\t教师\t２０２６年９月１日\n".encode(),
    "姓名,开始日期,结束日期\n张三,2026-12-01,2026-12-06\n".encode(),
    b"name,from,until\nt-031,20261201,2026/12/6\n",
)


def check(data: bytes) -> bool:
    """Return whether a table is in ``data``. Raises: Escape."""
    try:
        table = parse_table(data, "table")
        roster = parse_roster(table, "table")
    except GatedError as exc:
        _refuse_controls(str(exc))
        return False
    for problem in roster.problems:
        _refuse_controls(problem.text)
    for entry in roster.entries:
        if not entry.name.isprintable():
            raise Escape("a name that a terminal would obey")
        if entry.group is not None and not is_label(entry.group):
            raise Escape("a class that no pass can carry")
        if entry.pseudonym is not None and not is_pseudonym(entry.pseudonym):
            raise Escape("a pseudonym that no pass can carry")
    try:
        _, problems = parse_duty(table, "table")
    except GatedError as exc:
        _refuse_controls(str(exc))
    else:
        for problem in problems:
            _refuse_controls(problem.text)
    return True


def _refuse_controls(sentence: str) -> None:
    if not sentence.isprintable():
        raise Escape("a sentence that a terminal would obey")


TARGET = Target(run=check, seeds=lambda: SEEDS, mutate=mutators.of_bytes, max_cpu_ms=1_000.0)
"""The office's own computer reads it, and nobody stands at a gate meanwhile."""
