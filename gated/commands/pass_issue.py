"""``gated pass issue``: one pass by hand, with a key that lies anywhere and without a register."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gated.commands.pass_show import pass_facts
from gated.errors import ExitCode, GatedError
from gated.messages import MAX_CODE_CHARACTERS
from gated.office.moments import local_moment
from gated.office.passes import DEFAULT_DAYS, NOT_A_LABEL, NOT_A_ZONE, is_zone
from gated.printing import save_qr
from gated.vocabulary import Direction, HolderCategory

if TYPE_CHECKING:
    from gated.credentials.gp1 import Gp1Claims

SHORT_LIVED = (HolderCategory.VISITOR, HolderCategory.COURIER, HolderCategory.RETEST_RELEASE)
DEFAULT_DAYS_SHORT = 1
"""One visit."""


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    issue = add(
        "issue",
        help="make one pass 签发一张通行证",
        description="Prints the text of one pass. Times without an offset are this computer's "
        "local time; a bare date in --valid-until includes that day.",
    )
    _add_issue_arguments(issue)
    issue.set_defaults(run_action=_issue)


def _add_issue_arguments(issue: argparse.ArgumentParser) -> None:
    issue.add_argument("--key", type=Path, required=True, metavar="FILE", help="NAME.key.pem")
    issue.add_argument(
        "--sub", required=True, help="pseudonym of the holder, such as s-0412; never a name"
    )
    issue.add_argument(
        "--category",
        type=HolderCategory,
        required=True,
        choices=HolderCategory,
        help="what the holder is; the rules speak of it",
    )
    issue.add_argument("--group", help="class or batch, such as g3-2")
    issue.add_argument(
        "--valid-from", metavar="WHEN", help="such as 2026-11-23T07:30; default: now"
    )
    end = issue.add_mutually_exclusive_group()
    end.add_argument("--valid-until", metavar="WHEN", help="the last day, instead of --days")
    end.add_argument(
        "--days",
        type=int,
        metavar="N",
        help=f"default: {DEFAULT_DAYS}; {DEFAULT_DAYS_SHORT} for {', '.join(SHORT_LIVED)}",
    )
    issue.add_argument(
        "--zone",
        action="append",
        default=[],
        help="a gate.zone, such as canteen; may be repeated; none: everywhere",
    )
    issue.add_argument(
        "--direction", type=Direction, choices=(Direction.IN, Direction.OUT), help="none: both"
    )
    issue.add_argument(
        "--max-uses", type=int, metavar="N", help="how often a gate opens for it; none: any number"
    )
    issue.add_argument("--approver", help="pseudonym of who answers for a visitor")
    issue.add_argument("--guardian-ref", help="pseudonym of the guardian of a small pupil")
    issue.add_argument("--attendant", action="store_true", help="a staff card that can release")
    issue.add_argument("--slow", action="store_true", help="the gate stays open longer")
    issue.add_argument("--qr", type=Path, metavar="FILE", help="also write a .png or .svg")
    issue.add_argument("--json", action="store_true", help="print the pass with its facts")


def _issue(args: argparse.Namespace) -> int:
    from gated.credentials.gp1 import seal
    from gated.credentials.keys import load_private_key
    from gated.credentials.malformed import MalformedCode

    claims = _claims_of(args)
    key = load_private_key(args.key)
    try:
        text = seal(claims, key)
    except MalformedCode as exc:
        raise GatedError(f"this pass would be refused at every gate: {exc}") from exc
    if len(text) > MAX_CODE_CHARACTERS:
        raise GatedError("this pass does not fit into a QR code; give it fewer zones")
    version = save_qr(text, args.qr)
    if args.json:
        facts = pass_facts(claims) | {"text": text, "characters": len(text), "qr_version": version}
        print(json.dumps(facts, ensure_ascii=False))
        return int(ExitCode.OK)
    print(text)
    validity = f"valid from {claims.not_before.astimezone().isoformat()} until (not including) "
    print(f"gated: {validity}{claims.expires_at.astimezone().isoformat()}", file=sys.stderr)
    return int(ExitCode.OK)


def _claims_of(args: argparse.Namespace) -> Gp1Claims:
    from gated.clock import SystemClock
    from gated.credentials.gp1 import Gp1Claims
    from gated.office.issuing import new_cti

    _refuse_identities(args)
    now = SystemClock().now().replace(microsecond=0)
    not_before = now if args.valid_from is None else local_moment(args.valid_from)
    if args.valid_until is not None:
        expires_at = local_moment(args.valid_until, is_end=True)
    else:
        default = DEFAULT_DAYS_SHORT if args.category in SHORT_LIVED else DEFAULT_DAYS
        days = default if args.days is None else args.days
        try:
            expires_at = not_before + timedelta(days=days)
        except OverflowError as exc:
            raise GatedError("--days reaches beyond the year 9999") from exc
    if expires_at <= not_before or expires_at <= now:
        raise GatedError("the pass would never be valid: look at its dates")
    return Gp1Claims(
        sub=args.sub,
        category=args.category,
        not_before=not_before,
        expires_at=expires_at,
        cti=new_cti(),
        group=args.group,
        zones=tuple(args.zone),
        direction=args.direction or Direction.UNKNOWN,
        max_uses=args.max_uses,
        approver=args.approver,
        guardian_ref=args.guardian_ref,
        is_attendant=args.attendant,
        is_slow=args.slow,
    )


def _refuse_identities(args: argparse.Namespace) -> None:
    from gated.credentials.gp1 import is_label
    from gated.credentials.privacy import why_no_pseudonym

    for option in ("sub", "approver", "guardian_ref"):
        value = getattr(args, option)
        if value is None:
            continue
        problem = why_no_pseudonym(value)
        if problem is not None:
            raise GatedError(
                f"--{option.replace('_', '-')} cannot be used: {problem}. A pass is read by any "
                "phone; use a pseudonym such as s-0412 and print the name beside the code"
            )
    if args.group and not is_label(args.group):
        raise GatedError(f"--group: {NOT_A_LABEL}")
    if not all(map(is_zone, args.zone)):
        raise GatedError(f"--zone: {NOT_A_ZONE}")
