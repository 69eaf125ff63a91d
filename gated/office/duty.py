"""A duty roster: who is on duty on which days. Days that follow on each other are one pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from gated.credentials.gp1 import Gp1Claims
from gated.office.finding import find_holders
from gated.office.headings import Line, Unfit, day_of, lines_of, name_of, plain
from gated.office.issuing import new_cti
from gated.office.moments import end_of, start_of
from gated.office.passes import Holder, PassKind, RegisteredPass, shown_number
from gated.office.planning import Doing, Known, Plan, Step
from gated.office.roster import Problem
from gated.office.table_file import Table
from gated.vocabulary import HolderCategory

HEADINGS: Mapping[str, tuple[str, ...]] = {
    "who": ("姓名", "name", "编号", "pseudonym", "值班人", "值班人员"),
    "first": ("日期", "day", "date", "值班日期", "from", "开始", "开始日期"),
    "last": ("至", "until", "to", "结束", "结束日期"),
}
MAX_DAYS = 366
_ONE_DAY = timedelta(days=1)
_PASSING = frozenset({HolderCategory.VISITOR, HolderCategory.COURIER, HolderCategory.ESCORT})
"""Who comes and goes: a duty pass opens a closed gate, so a name alone does not mean them."""


@dataclass(frozen=True, slots=True)
class DutyLine:
    """One line that can be used."""

    number: int
    who: str = field(repr=False)  # a name or a pseudonym
    first: date
    last: date


def parse_duty(table: Table, name: str) -> tuple[tuple[DutyLine, ...], tuple[Problem, ...]]:
    """Return the lines and what is wrong with the others. Raises: GatedError: no headings."""
    found: list[DutyLine] = []
    problems: list[Problem] = []
    for line in lines_of(table, HEADINGS, "who", name).lines:
        try:
            found.append(_duty_line(line))
        except Unfit as exc:
            problems.append(Problem(line.number, str(exc)))
    return tuple(found), tuple(problems)


def _duty_line(line: Line) -> DutyLine:
    who = plain(line.get("who"))
    if not any(map(str.isdigit, who)):
        who = name_of(line.get("who"))
    first = day_of(line.get("first"), "day")
    if first is None:
        raise Unfit("the day is missing (缺日期)")
    last = day_of(line.get("last"), "until") or first
    if not first <= last < first + timedelta(days=MAX_DAYS):
        raise Unfit("until: before the day, or more than a year after it (结束日期有误)")
    return DutyLine(line.number, who, first, last)


def plan_duty(lines: Iterable[DutyLine], known: Known, now: datetime, key_id: bytes) -> Plan:
    """Return the duty passes that ``lines`` ask for, of the key ``key_id``; nothing is revoked."""
    days: dict[str, dict[date, int]] = defaultdict(dict)  # pseudonym → day → line
    holders: dict[str, Holder] = {}
    problems: list[Problem] = []
    for line in lines:
        found = find_holders(line.who, known.holders)
        if len(found) != 1:
            problems.append(Problem(line.number, _not_one(found)))
            continue
        (holder,) = found
        if holder.category in _PASSING and plain(line.who) != holder.pseudonym:
            problems.append(Problem(line.number, _only_passing(holder)))
            continue
        holders[holder.pseudonym] = holder
        for offset in range((line.last - line.first).days + 1):
            days[holder.pseudonym].setdefault(line.first + offset * _ONE_DAY, line.number)
    steps: list[Step] = []
    for pseudonym, on in days.items():
        mine = [p for p in known.passes if p.holder.pseudonym == pseudonym]
        in_force = [p for p in mine if p.kind is PassKind.DUTY and p.is_in_force(now)]
        for first, last in _runs(sorted(on)):
            step = _step(on[first], holders[pseudonym], (first, last), in_force, now)
            if isinstance(step, Step) and step.old is not None and step.old.key_id != key_id:
                step = _of_earlier_key(step.number, step.old)
            if isinstance(step, Problem):
                problems.append(step)
            else:
                steps.append(step)
    return Plan(tuple(steps), tuple(sorted(problems, key=lambda problem: problem.number)))


def _step(
    number: int,
    holder: Holder,
    span: tuple[date, date],
    in_force: Sequence[RegisteredPass],
    now: datetime,
) -> Step | Problem:
    begins, ends = start_of(span[0]), end_of(span[1])
    if ends <= now:
        return Problem(number, "these days are over (日期已过)")
    claims = Gp1Claims(
        sub=holder.pseudonym,
        category=HolderCategory.DUTY,
        not_before=begins,
        expires_at=ends,
        cti=new_cti(),
        group=holder.group,
    )
    for old in in_force:
        there = old.claims
        if there.not_before <= begins and ends <= there.expires_at:
            return Step(number, Doing.KEEP, PassKind.DUTY, there, (holder,), old)
        if there.not_before < ends and begins < there.expires_at:
            return Problem(
                number,
                f"duty pass {shown_number(old.number)} holds on some of these days: revoke it "
                f"first, gated pass revoke {old.number} --why changed (与现有值班证重叠，请先作废)",
            )
    return Step(number, Doing.ISSUE, PassKind.DUTY, claims, (holder,))


def _of_earlier_key(number: int, old: RegisteredPass) -> Problem:
    return Problem(
        number,
        f"duty pass {shown_number(old.number)} was signed by an earlier key: make it anew, "
        f"gated pass reissue {old.number} --why changed (旧密钥签发，请补发)",
    )


def _only_passing(holder: Holder) -> str:
    return (
        f"the register knows this name only as {holder.pseudonym} ({holder.category}): if it is "
        f"this person, write {holder.pseudonym} in place of the name; if not, put who is meant on "
        "a roster first (登记册中仅有一名来访者叫此名：确为本人请写编号，否则请先导入名册)"
    )


def _not_one(found: Sequence[Holder]) -> str:
    if not found:
        return (
            "not in the register: put this person on a roster first (登记册中无此人，请先导入名册)"
        )
    which = " or ".join(holder.pseudonym for holder in found)
    return f"several have this name: write {which} in place of it (有同名者，请写编号)"


def _runs(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Yield the first and the last of each run of days without a gap."""
    first = previous = None
    for day in days:
        if first is None or previous is None:
            first = day
        elif day != previous + _ONE_DAY:
            yield first, previous
            first = day
        previous = day
    if first is not None and previous is not None:
        yield first, previous
