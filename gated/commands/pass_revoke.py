"""``gated pass revoke`` and ``reissue``: a pass that is lost stops opening gates."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from gated.commands.pass_folder import (
    add_folder,
    add_page_options,
    now_here,
    open_office_of,
    pass_line,
    passes_numbered,
    write_pages,
)
from gated.errors import ExitCode, GatedError
from gated.office.moments import first_day, local_moment, start_of
from gated.office.passes import RegisteredPass, RevokedWhy, shown_number

if TYPE_CHECKING:
    from gated.office.folder import Office

WHO_HELP = "the number on the card, a name or a pseudonym 卡号、姓名或编号"


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    revoke = add(
        "revoke",
        help="stop a pass 挂失、作废",
        description="Marks the passes in the register and writes the signed list for the gates.",
    )
    revoke.add_argument("who", metavar="WHO", nargs="*", help=WHO_HELP)
    revoke.add_argument("--why", type=RevokedWhy, choices=RevokedWhy, help="the reason 原因")
    revoke.add_argument(
        "--renew",
        action="store_true",
        help="revoke nobody, only write the list anew: gates want a fresh one 仅更新名单",
    )
    add_folder(revoke)
    revoke.set_defaults(run_action=_revoke)

    reissue = add("reissue", help="stop a pass and make another in its place 补发")
    reissue.add_argument("who", metavar="WHO", help=WHO_HELP)
    reissue.add_argument(
        "--why", type=RevokedWhy, choices=RevokedWhy, required=True, help="the reason 原因"
    )
    reissue.add_argument(
        "--until", metavar="WHEN", help="the new one's last day; default: as the old one's 有效期至"
    )
    add_folder(reissue)
    add_page_options(reissue)
    reissue.set_defaults(run_action=_reissue)


def _revoke(args: argparse.Namespace) -> int:
    from gated.office.lists import note_revocation

    if args.renew == bool(args.who) or (args.who and args.why is None):
        raise GatedError(
            "revoke whom and why: gated pass revoke WHO --why lost ; or only the list: --renew "
            "(须写明作废谁、原因 --why，或只用 --renew 更新名单)"
        )
    now = now_here()
    with open_office_of(args) as office:
        with office.register.change():
            chosen = _chosen(args.who, office, now)
            if chosen is None:
                return int(ExitCode.FAILED)
            for item in chosen:
                office.register.revoke(item.number, args.why, now)
            note_revocation(office)
        for item in passes_numbered(office, [item.number for item in chosen]):
            print(f"revoked      {pass_line(item, office, now)}")
        _write_list(office, now)
    return int(ExitCode.OK)


def _reissue(args: argparse.Namespace) -> int:
    from gated.office.issuing import reissue, replacement
    from gated.office.lists import note_revocation

    now = now_here()
    ends = None if args.until is None else local_moment(args.until, is_end=True)
    with open_office_of(args) as office:
        with office.register.change():
            chosen = _chosen([args.who], office, now, may_be_revoked=True)
            if chosen is None:
                return int(ExitCode.FAILED)
            (old,) = chosen
            claims = replacement(old, start_of(first_day(now)), ends)
            number = reissue(office, old, claims, args.why, now)
            note_revocation(office)
        old_and_new = passes_numbered(office, [old.number, number])
        print(f"revoked      {pass_line(old_and_new[0], office, now)}")
        print(f"issued       {pass_line(old_and_new[-1], office, now)}")
        _write_list(office, now)
        write_pages(office, old_and_new[-1:], args, as_sheet=False)
    return int(ExitCode.OK)


def _chosen(
    words: Sequence[str], office: Office, now: datetime, *, may_be_revoked: bool = False
) -> list[RegisteredPass] | None:
    """Return one pass for each word; None where a word fits several, which are shown.

    Raises: GatedError: a word fits none.
    """
    from gated.office.finding import find_passes

    passes = office.register.passes()
    chosen: list[RegisteredPass] = []
    for word in words:
        found = find_passes(word, passes)
        in_force = [item for item in found if item.is_in_force(now)]
        if not in_force and may_be_revoked:
            in_force = _newest(item for item in found if item.replaced_by is None)
        if not in_force:
            raise GatedError(_none_of(found))
        if len(in_force) > 1:
            print("gated: several passes fit; say which by its number:", file=sys.stderr)
            print("有多张符合，请用卡号指明:", file=sys.stderr)
            for item in in_force:
                print(f"  {pass_line(item, office, now)}", file=sys.stderr)
            return None
        chosen += in_force
    return chosen


def _newest(passes: Iterable[RegisteredPass]) -> list[RegisteredPass]:
    """Return the newest pass of each person and kind: an old slip is no lost card."""
    newest = {(p.holder.pseudonym, p.kind, p.claims.guardian_ref): p for p in passes}
    return list(newest.values())


def _none_of(found: Sequence[RegisteredPass]) -> str:
    if found:
        numbers = ", ".join(shown_number(item.number) for item in found)
        return f"no longer in force: {numbers}; nothing was changed (已作废或过期，无需处理)"
    return "no such pass; which there are: gated pass register list (没有这张通行证)"


def _write_list(office: Office, now: datetime) -> None:
    from gated.office.lists import write_duty_list, write_revocations

    next_at = write_revocations(office, now)
    write_duty_list(office, now)  # a duty pass may be among them
    print(f"revocations  {office.folder.revocations}  (the next by {next_at:%Y-%m-%d})")
    print(
        "next         copy it to /etc/gated/revocations of every gate: from then on it is refused"
    )
    print("下一步       把作废名单复制到每台闸机的 /etc/gated/revocations，之后旧卡即被拒绝。")
