"""What the office's commands share: the folder, the pages that they write, a pass in one line."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import GatedError
from gated.office.moments import shown_span
from gated.office.passes import SLIP_KINDS, Holder, RegisteredPass, shown_number

if TYPE_CHECKING:
    from gated.office.cards import Card
    from gated.office.folder import Office


def add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="the office's folder; default: $GATED_OFFICE, or office 办公室文件夹",
    )


def add_page_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.html",
        help="the page to print; default: a new one in DIR/print 打印页",
    )
    parser.add_argument(
        "--pdf", action="store_true", help="also as PDF, if a Chromium is installed 同时生成 PDF"
    )


def typed_folder(args: argparse.Namespace) -> str:
    """Return what was typed to name the folder, to stand in the next command that is proposed."""
    return "" if args.dir is None else f" --dir {shlex.quote(str(args.dir))}"


def open_office_of(args: argparse.Namespace) -> Office:
    """Return the office that the command line names. Raises: GatedError."""
    from gated.office.folder import office_folder, open_office
    from gated.office.lists import is_list_due

    office = open_office(office_folder(args.dir))
    if is_list_due(office):
        print(
            "gated: a pass was revoked and the gates' list was not written: gated pass revoke "
            f"--renew{typed_folder(args)} (作废名单尚未写出，请执行该命令)",
            file=sys.stderr,
        )
    return office


def now_here() -> datetime:
    """Return the clock, in whole seconds as passes have them."""
    from gated.clock import SystemClock

    return SystemClock().now().replace(microsecond=0)


def one_holder(word: str, holders: Iterable[Holder]) -> Holder:
    """Return who ``word`` names. Raises: GatedError: nobody, or several."""
    from gated.office.finding import find_holders

    found = find_holders(word, holders)
    if not found:
        raise GatedError(
            "nobody of that name or pseudonym is in the register; who is: gated pass register list "
            "(登记册中无此人)"
        )
    if len(found) > 1:
        which = ", ".join(f"{holder.pseudonym} ({holder.group or '–'})" for holder in found)
        raise GatedError(f"several have this name, write the pseudonym: {which} (有同名者)")
    return found[0]


def passes_numbered(office: Office, numbers: Sequence[int]) -> list[RegisteredPass]:
    wanted = set(numbers)
    return [item for item in office.register.passes() if item.number in wanted]


def status_of(item: RegisteredPass, office: Office, now: datetime) -> str:
    """Return how a pass stands, in one word of each language."""
    if item.revoked_at is not None:
        after = "" if item.replaced_by is None else f" → {shown_number(item.replaced_by)}"
        return f"revoked 已作废 ({item.revoked_why}){after}"
    if now >= item.claims.expires_at:
        return "expired 已过期"
    if item.key_id != office.key_id:
        return "earlier key 旧密钥"  # no gate takes it that has only the new one
    if now < item.claims.not_before:
        return "not yet 未生效"
    return "valid 有效"


def pass_line(item: RegisteredPass, office: Office, now: datetime) -> str:
    """Return a pass in one line, for whoever sits at the counter."""
    claims, holder = item.claims, item.holder
    parts = (
        shown_number(item.number),
        item.kind,
        claims.sub,
        holder.name,
        claims.group or "–",
        shown_span(claims.not_before, claims.expires_at),
        status_of(item, office, now),
    )
    return "  ".join(parts)


# --- pages ---------------------------------------------------------------------------------------


def write_pages(
    office: Office, items: Sequence[RegisteredPass], args: argparse.Namespace, *, as_sheet: bool
) -> None:
    """Write ``items`` as pages to print and say where they are. Raises: GatedError."""
    from gated.office.cards import card_of, cards_page, sheet_page, slips_page
    from gated.office.issuing import text_of

    holders = {holder.pseudonym: holder for holder in office.register.holders()}
    for item in items:
        if item.claims.is_changing:  # as a picture it is worth nothing
            print(f"phone        {pass_line(item, office, now_here())}")
            print(
                f"next         gated pass phone {item.number}{typed_folder(args)}  (生成手机网页)"
            )
    fixed = [item for item in items if not item.claims.is_changing]
    cards = [card_of(item, text_of(item, office), holders) for item in fixed]
    slips = [card for card in cards if card.item.kind in SLIP_KINDS]
    others = [card for card in cards if card.item.kind not in SLIP_KINDS]
    if slips and others and args.out is not None:
        raise GatedError("slips and cards are two pages: leave --out out (请勿指定 --out)")
    if others and as_sheet:
        _write_page(office, "sheet", others, sheet_page(others, office.site), args)
    elif others:
        _write_page(office, "cards", others, cards_page(others, office.site), args)
    if slips:
        _write_page(office, "slips", slips, slips_page(slips, office.site), args)


def _write_page(
    office: Office, what: str, cards: Sequence[Card], html: str, args: argparse.Namespace
) -> None:
    from gated.durable import write_private_file
    from gated.office.browser import find_browser, print_to_pdf
    from gated.printing import check_page_name

    numbers = [card.item.number for card in cards]
    first, last = min(numbers), max(numbers)
    name = f"{what}-{first:04d}.html" if first == last else f"{what}-{first:04d}-{last:04d}.html"
    path: Path = args.out or office.folder.printed / name
    check_page_name(path)
    write_private_file(path, html.encode())
    print(f"{what:12} {path}  ({len(numbers)})")
    if args.pdf:
        browser = find_browser()
        if browser is None:
            print("pdf          no Chromium here: open the page in a browser and print to PDF")
        else:
            print_to_pdf(browser, path, path.with_suffix(".pdf"))
            print(f"pdf          {path.with_suffix('.pdf')}")
    print("next         open it in a browser, print at 100 % on A4 without margins, cut")
    print("下一步       用浏览器打开，A4 纸、100%、无边距打印（也可“另存为 PDF”），沿虚线剪开。")
