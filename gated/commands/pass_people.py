"""``gated pass visitor``, ``guardian`` and ``retest``: one pass for one person."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from gated.commands.pass_folder import (
    add_folder,
    add_page_options,
    now_here,
    one_holder,
    open_office_of,
    passes_numbered,
    write_pages,
)
from gated.errors import ExitCode, GatedError
from gated.office.headings import Unfit, name_of
from gated.office.moments import end_of, first_day, local_moment, shown, shown_span, start_of
from gated.office.passes import MAX_RETEST_DAYS, Holder, PassKind, shown_number
from gated.vocabulary import Direction, HolderCategory

if TYPE_CHECKING:
    pass

VISITORS = (HolderCategory.VISITOR, HolderCategory.COURIER, HolderCategory.EMERGENCY)
DIRECTIONS = {"in": Direction.IN, "out": Direction.OUT, "both": Direction.UNKNOWN}


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    visitor = add("visitor", help="make a visitor's slip 访客单")
    add_folder(visitor)
    visitor.add_argument(
        "--name", required=True, help="the visitor's name; stands on the slip only 访客姓名"
    )
    visitor.add_argument(
        "--host",
        "--approver",
        dest="host",
        required=True,
        metavar="WHO",
        help="who answers for the visitor: pseudonym, or a name in the register 接待人",
    )
    visitor.add_argument(
        "--from",
        dest="begins",
        metavar="WHEN",
        help="such as 2026-11-23 or 2026-11-23T07:30; default: today 何时起",
    )
    visitor.add_argument(
        "--until",
        metavar="WHEN",
        help="the last day, or a time; default: the end of that day 何时止",
    )
    visitor.add_argument(
        "--zone",
        action="append",
        default=[],
        help="where it opens, as in gate.zone; may be repeated; none: everywhere 区域",
    )
    visitor.add_argument(
        "--direction", choices=DIRECTIONS, default="in", help="which way it opens; default: in 方向"
    )
    visitor.add_argument(
        "--uses",
        type=int,
        default=1,
        metavar="N",
        help="how often a gate opens for it; default: 1 可用次数",
    )
    visitor.add_argument(
        "--category",
        type=HolderCategory,
        choices=VISITORS,
        default=HolderCategory.VISITOR,
        help="what the visitor is; default: visitor 类别",
    )
    visitor.set_defaults(run_action=_visitor)

    guardian = add("guardian", help="a card for the guardian of a small pupil 监护人卡")
    guardian.add_argument("who", metavar="PUPIL", help="name or pseudonym 姓名或编号")
    add_folder(guardian)
    guardian.add_argument(
        "--name", required=True, help="the guardian's name, or pseudonym 监护人姓名"
    )
    guardian.set_defaults(run_action=_guardian)

    retest = add(
        "retest",
        help="let somebody in again after a negative test 复检放行",
        description="Only for a negative result: the pass says when the sample was taken.",
    )
    retest.add_argument("who", metavar="WHO", help="name or pseudonym 姓名或编号")
    add_folder(retest)
    retest.add_argument(
        "--sampled-at",
        required=True,
        metavar="WHEN",
        help="when the sample was taken, such as 2026-11-26T08:00 采样时间",
    )
    retest.add_argument(
        "--days",
        type=int,
        default=1,
        metavar="N",
        help="how long it holds; default: 1, today only 有效天数",
    )
    retest.set_defaults(run_action=_retest)

    for parser in (visitor, guardian, retest):
        add_page_options(parser)


def _visitor(args: argparse.Namespace) -> int:
    from gated.credentials.gp1 import Gp1Claims
    from gated.office.issuing import new_cti, register_pass
    from gated.office.register import Pseudonyms

    now = now_here()
    begins = start_of(first_day(now)) if args.begins is None else local_moment(args.begins)
    if args.until is None:
        ends = end_of(first_day(begins))
    else:
        ends = local_moment(args.until, is_end=True)
    if ends <= begins or ends <= now:
        raise GatedError("--until: the slip would never be valid (有效期有误)")
    name = _name(args.name)
    with open_office_of(args) as office, office.register.change():
        holders = office.register.holders()
        host = _host(args.host, holders)
        pseudonym = Pseudonyms(tuple(h.pseudonym for h in holders)).next_for(args.category)
        claims = Gp1Claims(
            sub=pseudonym,
            category=args.category,
            not_before=begins,
            expires_at=ends,
            cti=new_cti(),
            zones=tuple(args.zone),
            direction=DIRECTIONS[args.direction],
            max_uses=args.uses,
            approver=host,
        )
        office.register.put_holder(Holder(pseudonym, name, args.category))
        number = register_pass(office, PassKind.VISITOR, claims, now)
    return _show(args, number)


def _host(word: str, holders: tuple[Holder, ...]) -> str:
    """Return the pseudonym of who answers for a visitor.

    A pseudonym that the register does not know is taken as it is: staff may have cards from
    elsewhere. Raises: GatedError.
    """
    from gated.office.finding import find_holders
    from gated.office.roster import pseudonym_of

    if not find_holders(word, holders) and any(map(str.isdigit, word)):
        try:
            return pseudonym_of(word)
        except Unfit as exc:
            raise GatedError(f"--host: {exc}") from exc
    return one_holder(word, holders).pseudonym


def _guardian(args: argparse.Namespace) -> int:
    from gated.office.issuing import new_cti, register_pass
    from gated.office.register import Pseudonyms

    now = now_here()
    with open_office_of(args) as office, office.register.change():
        holders, passes = office.register.holders(), office.register.passes()
        pupil = one_holder(args.who, holders)
        mine = [p for p in passes if p.holder == pupil and p.is_in_force(now)]
        card = next((p for p in mine if p.kind is PassKind.CARD), None)
        if card is None:
            raise GatedError(
                f"{pupil.pseudonym} has no card in force, and the guardian's is made from it: put "
                "the pupil on a roster first (该生没有有效卡，请先导入名册)"
            )
        known = {holder.pseudonym: holder for holder in holders}
        guardian = known.get(args.name)
        if guardian is None:
            pseudonym = Pseudonyms(tuple(known)).next_for(HolderCategory.ESCORT)
            guardian = Holder(pseudonym, _name(args.name), HolderCategory.ESCORT)
            office.register.put_holder(guardian)
        for item in mine:
            other = known.get(item.claims.guardian_ref or "")
            if other is not None and other.name == guardian.name:
                raise GatedError(
                    f"this guardian has a card for this pupil: {shown_number(item.number)}; print "
                    f"it again with  gated pass print {item.number}  (已有该监护人卡)"
                )
        claims = replace(
            card.claims,
            cti=new_cti(),
            not_before=max(card.claims.not_before, start_of(first_day(now))),
            guardian_ref=guardian.pseudonym,
            is_changing=False,
        )
        number = register_pass(office, PassKind.GUARDIAN, claims, now)
    return _show(args, number)


def _retest(args: argparse.Namespace) -> int:
    from gated.credentials.gp1 import Gp1Claims
    from gated.office.issuing import new_cti, register_pass

    now = now_here()
    sampled_at = local_moment(args.sampled_at)
    if sampled_at > now:
        raise GatedError(f"--sampled-at: {shown(sampled_at)} has not come yet (采样时间在将来)")
    if not 1 <= args.days <= MAX_RETEST_DAYS:
        raise GatedError(f"--days: 1 to {MAX_RETEST_DAYS} (天数须为 1–{MAX_RETEST_DAYS})")
    today = first_day(now)
    with open_office_of(args) as office, office.register.change():
        holder = one_holder(args.who, office.register.holders())
        claims = Gp1Claims(
            sub=holder.pseudonym,
            category=HolderCategory.RETEST_RELEASE,
            not_before=start_of(today),
            expires_at=end_of(today + timedelta(days=args.days - 1)),
            cti=new_cti(),
            group=holder.group,
            nat_sampled_at=sampled_at,
        )
        number = register_pass(office, PassKind.RETEST, claims, now)
    return _show(args, number)


def _show(args: argparse.Namespace, number: int) -> int:
    """Print the pass from the register, where it is durable by now."""
    with open_office_of(args) as office:
        items = passes_numbered(office, [number])
        (item,) = items
        span = shown_span(item.claims.not_before, item.claims.expires_at)
        print(f"pass         {shown_number(number)}  {item.claims.sub}  {span}")
        write_pages(office, items, args, as_sheet=False)
    return int(ExitCode.OK)


def _name(text: str) -> str:
    try:
        return name_of(text)
    except Unfit as exc:
        raise GatedError(f"--name: {exc}") from exc
