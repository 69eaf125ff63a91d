"""``gated pass phone``: a pass that changes on its holder's phone, as one page for the phone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gated.commands.pass_folder import add_folder, now_here, open_office_of, pass_line
from gated.errors import ExitCode, GatedError
from gated.messages import MAX_CODE_CHARACTERS
from gated.office.moments import first_day, start_of
from gated.office.passes import RegisteredPass, RevokedWhy, shown_number
from gated.printing import check_page_name

if TYPE_CHECKING:
    from gated.credentials.gp1 import Gp1Claims
    from gated.credentials.pseudonym import SiteKey
    from gated.credentials.signatures import PrivateKey
    from gated.office.folder import Office


@dataclass(frozen=True, slots=True)
class _Made:
    """A changing pass, ready for its page."""

    claims: Gp1Claims
    key: PrivateKey = field(repr=False)
    site_key: SiteKey = field(repr=False)


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    phone = add(
        "phone",
        help="a pass that changes on a phone 手机动态通行证",
        description="Writes one HTML page for the holder's phone: its code changes every 30 s, so "
        "a picture of it is worth nothing two minutes later. The key is in the page: whoever has "
        "the page has the pass. A pass in the register is replaced by its changing successor and "
        "revoked, since a copy of the card would open on.",
    )
    phone.add_argument(
        "who",
        metavar="WHO",
        nargs="?",
        help="number on the card, name or pseudonym 卡号、姓名或编号",
    )
    add_folder(phone)
    phone.add_argument(
        "--pass",
        dest="card",
        metavar="FILE",
        help="without a register: a file with a pass's text; - : standard input",
    )
    phone.add_argument("--key", type=Path, metavar="FILE", help="the key that signed it")
    phone.add_argument("--site-key", type=Path, metavar="FILE", help="the site's key")
    phone.add_argument(
        "--name", default="", help="shown on the page, never in the code 页面上的姓名"
    )
    phone.add_argument(
        "--out", type=Path, metavar="FILE.html", help="the page; default: in DIR/print 网页"
    )
    phone.set_defaults(run_action=_run)


def _run(args: argparse.Namespace) -> int:
    if args.out is not None:
        check_page_name(args.out)
    alone = (args.card, args.key, args.site_key)
    if args.who is not None and not any(alone) and not args.name:
        return _from_register(args)
    if args.who is not None or not all(alone) or args.dir is not None:
        raise GatedError(
            "whose pass: gated pass phone WHO ; or without a register: --pass FILE --key FILE "
            "--site-key FILE --out FILE.html [--name NAME] (须写明是谁，或给出通行证与密钥)"
        )
    return _from_text(args)


# --- with the office's register ------------------------------------------------------------------


def _from_register(args: argparse.Namespace) -> int:
    from gated.credentials.pseudonym import load_site_key
    from gated.office.lists import is_list_due, write_revocations

    now = now_here()
    with open_office_of(args) as office:
        old = _one_pass(args.who, office, now)
        is_there = old.claims.is_changing and old.key_id == office.key_id
        item = old if is_there else _replaced(old, office, now)
        made = _Made(item.claims, office.key, load_site_key(office.folder.site_key))
        path = args.out or office.folder.printed / f"phone-{item.number:04d}.html"
        _write(made, path, now, item.holder.name)
        print(f"pass         {pass_line(item, office, now)}")
        if item is not old:
            print(f"revoked      {shown_number(old.number)}: a copy of the card would open on")
        if is_list_due(office):
            next_at = write_revocations(office, now)
            print(
                f"revocations  {office.folder.revocations}  (the next by {next_at:%Y-%m-%d}): copy "
                "it to /etc/gated/revocations of every gate 复制到每台闸机"
            )
    _say_what_next()
    return int(ExitCode.OK)


def _one_pass(who: str, office: Office, now: datetime) -> RegisteredPass:
    """Return the pass in force that ``who`` names. Raises: GatedError: none, or several."""
    from gated.office.finding import find_passes

    found = [item for item in find_passes(who, office.register.passes()) if item.is_in_force(now)]
    if not found:
        raise GatedError(
            "no such pass is in force; which there are: gated pass register list (没有有效的通行证)"
        )
    if len(found) > 1:
        for item in found:
            print(f"  {pass_line(item, office, now)}", file=sys.stderr)
        raise GatedError("several passes fit: say which by its number (有多张符合，请用卡号指明)")
    return found[0]


def _replaced(old: RegisteredPass, office: Office, now: datetime) -> RegisteredPass:
    """Return the changing pass that takes the place of ``old``. Raises: GatedError."""
    from gated.office.issuing import reissue
    from gated.office.lists import note_revocation

    claims = _changing(old.claims, now)
    with office.register.change():
        number = reissue(office, old, claims, RevokedWhy.CHANGED, now)
        note_revocation(office)
    return next(item for item in office.register.passes() if item.number == number)


def _changing(claims: Gp1Claims, now: datetime) -> Gp1Claims:
    """Return a pass of its own, so that the card can be revoked and the phone goes on."""
    from gated.office.issuing import new_cti

    not_before = max(start_of(first_day(now)), claims.not_before)
    return replace(claims, cti=new_cti(), not_before=not_before, is_changing=True)


# --- without a register --------------------------------------------------------------------------


def _from_text(args: argparse.Namespace) -> int:
    from gated.credentials.keys import load_private_key
    from gated.credentials.pseudonym import load_site_key

    if args.out is None:
        raise GatedError("--out FILE.html: where to write the page (请用 --out 指定文件)")
    key, site_key, now = load_private_key(args.key), load_site_key(args.site_key), now_here()
    old = _read_pass(args.card, key)
    if old.expires_at <= now:
        raise GatedError("this pass is over (通行证已过期)")
    claims = old if old.is_changing else _changing(old, now)
    _write(_Made(claims, key, site_key), args.out, now, args.name)
    print(f"pass id      {claims.cti.hex()}  (revoke it if the phone is lost 遗失时作废)")
    if claims is not old:
        print(f"revoke       {old.cti.hex()}: a copy of the old card opens as before 请作废旧卡")
    _say_what_next()
    return int(ExitCode.OK)


def _read_pass(source: str, key: PrivateKey) -> Gp1Claims:
    """Return what the pass in the file ``source`` says. Raises: GatedError: not signed by key."""
    from gated.credentials import cose, gp1
    from gated.credentials.malformed import MalformedCode

    try:
        if source == "-":
            data = sys.stdin.buffer.read(MAX_CODE_CHARACTERS + 2)
        else:
            with Path(source).open("rb") as file:
                data = file.read(MAX_CODE_CHARACTERS + 2)
    except OSError as exc:
        raise GatedError(f"--pass {source}: cannot be read ({exc.strerror})") from exc
    try:
        message = gp1.open_envelope(data.removesuffix(b"\n").decode("utf-8", errors="replace"))
        if not cose.is_signed_by(message, key.public_key()):
            raise GatedError("another key signed this pass: only its own can (签名密钥不符)")
        return gp1.parse_claims(message.payload)
    except MalformedCode as exc:
        raise GatedError(f"--pass: not a GP1 pass: {exc} (不是通行证)") from exc


# --- both ----------------------------------------------------------------------------------------


def _write(made: _Made, path: Path, now: datetime, name: str) -> None:
    """Write the page, read by its owner only: the key is in it. Raises: GatedError."""
    from gated.commands.phone_page import phone_page
    from gated.credentials.gp1 import seal
    from gated.credentials.pseudonym import phone_key
    from gated.credentials.signatures import key_fingerprint
    from gated.durable import write_private_file

    issuer = key_fingerprint(made.key.public_key())
    secret = phone_key(made.site_key.key, issuer, made.claims.cti)
    text = seal(made.claims, made.key)
    page = phone_page(text, made.claims, secret, made_at=now, name=name)
    write_private_file(path, page.encode())
    print(f"page         {path}  (the key of the pass is in it: only for its holder 仅限本人)")


def _say_what_next() -> None:
    print("next         put it onto the holder's phone and open it in the browser there; an iPhone")
    print("             shows it from a web address only, not as a file; then delete it here")
    print("下一步       把网页传到本人手机，用浏览器打开（iPhone 须经网址打开），然后在此删除。")
