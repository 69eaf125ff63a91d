"""``gated pass roster`` and ``duty``: a table goes in, cards come out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gated.commands.pass_folder import (
    add_folder,
    add_page_options,
    now_here,
    open_office_of,
    passes_numbered,
    write_pages,
)
from gated.errors import ExitCode, GatedError
from gated.office.moments import bare_date, shown_span
from gated.office.passes import shown_number
from gated.vocabulary import HolderCategory

if TYPE_CHECKING:
    from gated.office.folder import Office
    from gated.office.planning import Known, Plan, Step
    from gated.office.roster import Problem, Roster

COLUMNS_EPILOG = """\
Columns, in any order, headed in Chinese or English; all but the name may be missing:

  姓名 name                 班级 class               编号 pseudonym: made if empty
  区分 tell apart: a seat or school number, where two of a class have one name
  类别 category             生效日期 valid from      有效期至 valid until
  区域 zones                行动较慢 slow            值守 attendant (staff who release)
  监护人 guardian: the guardian's name, who gets a card of their own for this pupil

Other columns are not read. The same roster a second time makes nothing twice.
"""


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    roster = add(
        "roster",
        help="make the cards of a class 导入名册、制卡",
        description="Reads a list of names and writes a page of cards to print.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=COLUMNS_EPILOG,
    )
    roster.add_argument("file", type=Path, metavar="FILE", help="a table, .csv or .xlsx 表格文件")
    add_folder(roster)
    roster.add_argument(
        "--category",
        type=HolderCategory,
        choices=HolderCategory,
        default=HolderCategory.STUDENT,
        help="what those are for whom the list has no category; default: student 默认类别",
    )
    roster.add_argument(
        "--until", metavar="DAY", help="last day of the cards; default: 200 days from now 有效期至"
    )
    roster.add_argument(
        "--reissue",
        action="store_true",
        help="where a line has changed: revoke the old card and make a new one 作废旧卡并重制",
    )
    roster.set_defaults(run_action=_roster)

    duty = add(
        "duty",
        help="who is on duty on which days 导入值班表",
        description="Columns: 姓名 name (or the pseudonym), 日期 day, 至 until. Makes a pass for "
        "each run of days and the gates' duty list.",
    )
    duty.add_argument("file", type=Path, metavar="FILE", help="a table, .csv or .xlsx 表格文件")
    add_folder(duty)
    duty.set_defaults(run_action=_duty, reissue=False)  # nothing on duty is made anew

    for parser in (roster, duty):
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would be made, make nothing 试运行"
        )
        parser.add_argument(
            "--skip-bad",
            action="store_true",
            help="go on without the lines that cannot be used; they are listed 跳过有误的行",
        )
        parser.add_argument(
            "--encoding",
            choices=("utf-8", "gb18030"),
            help="how the letters of a CSV are encoded, if gated asks for it 文件编码",
        )
        add_page_options(parser)


def _roster(args: argparse.Namespace) -> int:
    from gated.office.planning import plan_roster
    from gated.office.roster import parse_roster
    from gated.office.table_file import read_table

    until = None if args.until is None else bare_date(args.until)
    if args.until is not None and until is None:
        raise GatedError(f"--until {args.until!r}: not a day such as 2027-01-31 (日期有误)")
    table = read_table(args.file, args.encoding)
    roster = parse_roster(table, args.file.name, args.category)
    _tell(table.notes, roster)
    now = now_here()
    with open_office_of(args) as office:

        def planned(known: Known) -> Plan:
            return plan_roster(roster.entries, known, now=now, key=office.key, until=until)

        return _carry_out(office, planned, roster.problems, args, now)


def _duty(args: argparse.Namespace) -> int:
    from gated.office.duty import parse_duty, plan_duty
    from gated.office.lists import write_duty_list
    from gated.office.table_file import read_table

    table = read_table(args.file, args.encoding)
    lines, problems = parse_duty(table, args.file.name)
    now = now_here()
    with open_office_of(args) as office:

        def planned(known: Known) -> Plan:
            return plan_duty(lines, known, now, office.key_id)

        code = _carry_out(office, planned, problems, args, now)
        if code == ExitCode.OK and not args.dry_run:
            write_duty_list(office, now)
            print(f"duty list    {office.folder.duty_list}  (copy it to /etc/gated of every gate)")
            print("下一步       把值班名单复制到每台闸机的 /etc/gated。")
        return code


def _carry_out(
    office: Office,
    planned: Callable[[Known], Plan],
    unusable: Sequence[Problem],
    args: argparse.Namespace,
    now: datetime,
) -> int:
    """Plan and issue in one transaction; paper afterwards. Return the exit code."""
    from gated.office.applying import apply_plan
    from gated.office.lists import is_list_due, write_revocations
    from gated.office.planning import Doing, Known

    register = office.register
    with register.change():
        plan = planned(Known(register.holders(), register.passes()))
        problems = sorted([*unusable, *plan.problems], key=lambda problem: problem.number)
        changed = plan.doing(Doing.CHANGE)
        _show_problems(problems, args)
        _show_changes(changed, args)
        is_stopped = (problems and not args.skip_bad) or (changed and not args.reissue)
        numbers: tuple[int, ...] = ()
        if not is_stopped and not args.dry_run:
            numbers = apply_plan(office, plan, now)
    if args.dry_run:
        _show_steps(plan.steps)
    counts = {doing: len(plan.doing(doing)) for doing in Doing}
    print(
        f"roster       new 新 {counts[Doing.ISSUE]}, kept 不变 {counts[Doing.KEEP]}, "
        f"changed 变更 {counts[Doing.CHANGE]}, unusable 有误 {len(problems)}"
    )
    if is_stopped:
        print("gated: nothing was made (未制卡)", file=sys.stderr)
        return int(ExitCode.FAILED)
    if args.dry_run:
        print("next         the same without --dry-run (去掉 --dry-run 即正式制卡)")
        return int(ExitCode.OK)
    if is_list_due(office):
        write_revocations(office, now)
        print(f"revocations  {office.folder.revocations}  (copy it to the gates 复制到闸机)")
    if numbers:
        write_pages(office, passes_numbered(office, numbers), args, as_sheet=False)
    return int(ExitCode.OK)


def _tell(notes: Iterable[str], roster: Roster) -> None:
    for note in notes:
        print(f"note         {note}")
    if roster.unread:
        print(f"not read     {', '.join(roster.unread)}  (以上列未读取)")


def _show_problems(problems: Sequence[Problem], args: argparse.Namespace) -> None:
    if not problems:
        return
    what = "are left out 已跳过" if args.skip_bad else "cannot be used 有误"
    print(f"gated: {args.file.name}: {len(problems)} lines {what}:", file=sys.stderr)
    for problem in problems:
        print(f"  line {problem.number} 第 {problem.number} 行: {problem.text}", file=sys.stderr)


def _show_changes(changed: Sequence[Step], args: argparse.Namespace) -> None:
    for step in changed:
        number = "" if step.old is None else shown_number(step.old.number)
        print(f"changed      line {step.number}: {number}  {', '.join(step.changes)}")
    if changed and not args.reissue:
        print(
            "gated: to revoke these cards and make new ones, add --reissue "
            "(如需作废旧卡并重新制卡，请加 --reissue)",
            file=sys.stderr,
        )


def _show_steps(steps: Iterable[Step]) -> None:
    for step in steps:
        claims = step.claims
        span = shown_span(claims.not_before, claims.expires_at)
        # A column far to the right must not make somebody staff, or an attendant, unseen.
        attendant = "  attendant 值守" if claims.is_attendant else ""
        print(
            f"line {step.number}: {step.doing}  {step.kind}  {claims.sub}  {claims.group or '–'}  "
            f"{claims.category}  {span}{attendant}"
        )
