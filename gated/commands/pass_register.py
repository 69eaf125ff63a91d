"""``gated pass register`` and ``print``: what was issued, shown, exported, printed again."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gated.commands.pass_folder import (
    add_folder,
    add_page_options,
    now_here,
    one_holder,
    open_office_of,
    pass_line,
    typed_folder,
    write_pages,
)
from gated.errors import ExitCode, GatedError
from gated.office.headings import Unfit, name_of
from gated.office.moments import local_moment, shown
from gated.office.passes import PassKind, RegisteredPass, shown_number

if TYPE_CHECKING:
    from gated.office.folder import Office


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    again = add("print", help="print passes again, or a sheet for the class 重印、班级总表")
    again.add_argument(
        "who", metavar="WHO", nargs="*", help="number, name or pseudonym; none: every card in force"
    )
    again.add_argument("--class", dest="group", metavar="CLASS", help="of this class only 班级")
    again.add_argument(
        "--sheet", action="store_true", help="rows for the class's teacher, in place of cards"
    )
    again.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="only the codes, a PNG each, in place of a page: to send, or to try 仅生成二维码图片",
    )
    add_folder(again)
    add_page_options(again)
    again.set_defaults(run_action=_print)

    register = add("register", help="what was issued, to whom 发证登记册")
    steps = register.add_subparsers(dest="step", metavar="STEP", required=True)
    listed = steps.add_parser("list", help="one line for each pass in force")
    listed.add_argument("--all", action="store_true", help="revoked and expired ones, too")
    listed.set_defaults(run_action=_list)
    shown_one = steps.add_parser("show", help="everything about a person's passes")
    shown_one.add_argument("who", metavar="WHO", help="number, name or pseudonym")
    shown_one.set_defaults(run_action=_show)
    export = steps.add_parser(
        "export",
        help="a table for Excel",
        description="Holds names: keep it where the register is kept.",
    )
    export.add_argument("file", type=Path, metavar="FILE", help="a new .csv or .xlsx")
    export.add_argument("--all", action="store_true", help="revoked and expired ones, too")
    export.add_argument(
        "--roster",
        action="store_true",
        help="one line a person, to change and read again with gated pass roster 导出为名册",
    )
    export.set_defaults(run_action=_export)

    rename = steps.add_parser("rename", help="correct a misspelt name 更正姓名")
    rename.add_argument("who", metavar="PSEUDONYM", help="or the name as it stands there now")
    rename.add_argument("--name", required=True, help="as it should be")
    rename.set_defaults(run_action=_rename)

    forget = steps.add_parser(
        "forget",
        help="take out the names of those who left 删除离校人员姓名",
        description="Of everybody whose last pass ended before that day, the name goes and the "
        "pseudonym stays, so that nobody else ever gets it. It cannot be undone.",
    )
    forget.add_argument("--ended-before", required=True, metavar="DAY", help="such as 2027-08-01")
    forget.set_defaults(run_action=_forget)
    for parser in (listed, export):
        parser.add_argument("--class", dest="group", metavar="CLASS", help="of this class only")
    for parser in (listed, shown_one, export, rename, forget):
        add_folder(parser)


def _print(args: argparse.Namespace) -> int:
    from gated.office.finding import find_passes

    now = now_here()
    with open_office_of(args) as office:
        passes = [item for item in office.register.passes() if item.is_in_force(now)]
        if args.who:
            numbers = {item.number for word in args.who for item in find_passes(word, passes)}
            passes = [item for item in passes if item.number in numbers]
        else:
            passes = [p for p in passes if p.kind in {PassKind.CARD, PassKind.GUARDIAN}]
        passes = _of_group(passes, args.group)
        if not passes:
            raise GatedError("no such pass is in force (没有符合的有效通行证)")
        if args.pictures is None:
            write_pages(office, passes, args, as_sheet=args.sheet)
        else:
            _write_pictures(office, passes, args.pictures)
    return int(ExitCode.OK)


def _write_pictures(office: Office, passes: Sequence[RegisteredPass], folder: Path) -> None:
    from gated.office.issuing import text_of
    from gated.printing import save_qr

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # whoever has one has the pass
    except OSError as exc:
        raise GatedError(f"{folder}: cannot be made ({exc.strerror})") from exc
    for item in passes:
        if item.claims.is_changing:
            line = pass_line(item, office, now_here())
            print(f"left out     {line}: as a picture it is worth nothing")
            continue
        path = folder / f"{item.number:04d}.png"
        save_qr(text_of(item, office), path)
        print(f"picture      {path}")


def _list(args: argparse.Namespace) -> int:
    now = now_here()
    with open_office_of(args) as office:
        passes = office.register.passes()
    kept = [item for item in passes if args.all or item.is_in_force(now)]
    kept = _of_group(kept, args.group)
    for item in kept:
        print(pass_line(item, office, now))
    print(f"passes       {len(kept)}  (共 {len(kept)} 张)")
    return int(ExitCode.OK)


def _show(args: argparse.Namespace) -> int:
    from gated.commands.pass_show import pass_facts
    from gated.office.finding import find_passes

    now = now_here()
    with open_office_of(args) as office:
        found = find_passes(args.who, office.register.passes())
    if not found:
        raise GatedError("no such pass: gated pass register list (没有这张通行证)")
    for item in found:
        print(pass_line(item, office, now))
        if item.holder.detail:
            print(f"    {'tell apart':15} {item.holder.detail}")
        for name, value in pass_facts(item.claims).items():
            print(f"    {name:15} {value}")
        print(f"    {'issued':15} {shown(item.issued_at)}")
        if item.revoked_at is not None:
            print(f"    {'revoked':15} {shown(item.revoked_at)}")
    return int(ExitCode.OK)


def _export(args: argparse.Namespace) -> int:
    from gated.office.export import guardians_left_out, roster_rows, rows_of, write_export

    now = now_here()
    with open_office_of(args) as office:
        passes = office.register.passes()
        holders = {holder.pseudonym: holder for holder in office.register.holders()}
    kept = [item for item in passes if args.all or item.is_in_force(now)]
    kept = _of_group(kept, args.group)
    rows = list((roster_rows if args.roster else rows_of)(kept, holders))
    write_export(args.file, rows, now)
    print(f"exported     {args.file}  ({len(rows)})")
    if args.roster:
        left_out = ", ".join(shown_number(item.number) for item in guardians_left_out(kept))
        if left_out:
            print(f"not in it    guardian cards {left_out}: a line has one guardian; after a new")
            print("             key make each anew: gated pass reissue NUMBER --why changed")
            print("             (每行只有一位监护人，以上监护人卡不在名册中；换密钥后请逐张补发)")
        print(f"next         change it, then  gated pass roster {args.file}{typed_folder(args)}")
    print("             it holds names: delete it after use (含姓名，用后请删除)")
    return int(ExitCode.OK)


def _rename(args: argparse.Namespace) -> int:
    now = now_here()
    try:
        name = name_of(args.name)
    except Unfit as exc:
        raise GatedError(f"--name: {exc}") from exc
    with open_office_of(args) as office:
        with office.register.change():
            holder = one_holder(args.who, office.register.holders())
            office.register.put_holder(replace(holder, name=name))
        mine = [p for p in office.register.passes() if p.claims.sub == holder.pseudonym]
        for item in mine:
            if item.is_in_force(now):
                print(pass_line(item, office, now))
    print(f"next         gated pass print {holder.pseudonym}{typed_folder(args)}  (重印卡片)")
    return int(ExitCode.OK)


def _forget(args: argparse.Namespace) -> int:
    from gated.office.forgetting import holders_to_forget

    before = local_moment(args.ended_before)
    now = now_here()
    if before > now:
        raise GatedError("--ended-before: that day has not come yet (日期在将来)")
    with open_office_of(args) as office, office.register.change():
        gone = holders_to_forget(office.register.holders(), office.register.passes(), before)
        for holder in gone:
            office.register.put_holder(holder)
    print(f"forgotten    {len(gone)}  (已删除 {len(gone)} 人的姓名)")
    print("next         destroy older copies of the register, exports and printed pages, too")
    print("下一步       旧的登记册备份、导出表和打印件也请一并销毁。")
    return int(ExitCode.OK)


def _of_group(passes: list[RegisteredPass], group: str | None) -> list[RegisteredPass]:
    return [item for item in passes if group is None or item.claims.group == group]
