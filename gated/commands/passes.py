"""``gated pass``: keys, passes, the site key, printed pages. For an office, not for a gate."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gated.commands import lamp_card, value_sheet
from gated.commands.verify import iso, load_trust_or_none
from gated.errors import ExitCode, GatedError
from gated.messages import MAX_CODE_CHARACTERS
from gated.vocabulary import Direction, HolderCategory

if TYPE_CHECKING:
    from gated.credentials.gp1 import Gp1Claims
    from gated.credentials.verify import Verification

HELP = "make keys and passes, and look into a pass 制作密钥与通行证"

CTI_BYTES = 8
"""Of the nonce that names a pass: no two of a site's are the same, and a list can revoke one."""

SHORT_LIVED = (HolderCategory.VISITOR, HolderCategory.COURIER, HolderCategory.RETEST_RELEASE)
DEFAULT_DAYS, DEFAULT_DAYS_SHORT = 200, 1
"""A school term with its holidays, and one visit."""

QR_QUIET_ZONE_MODULES = 4  # ISO/IEC 18004 §5.3.8
QR_PIXELS_PER_MODULE = 10  # 25 mm wide at 570 dots; any printer's driver scales it down cleanly


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    keygen = actions.add_parser("keygen", help="make a key pair that signs passes 生成签发密钥")
    keygen.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the two files"
    )
    keygen.add_argument("--name", default="school", help="begins the two files' names")

    issue = actions.add_parser(
        "issue",
        help="make one pass 签发一张通行证",
        description="Prints the text of one pass. Times without an offset are this computer's "
        "local time; a bare date in --valid-until includes that day.",
    )
    _add_issue_arguments(issue)

    show = actions.add_parser("show", help="print what a pass says 查看通行证内容")
    show.add_argument("text", nargs="?", default="-", help="the text; - (or none): standard input")
    show.add_argument("--trust", type=Path, metavar="DIR", help="the gates' trust folder")
    show.add_argument("--json", action="store_true", help="for programs")

    sitekey = actions.add_parser(
        "sitekey", help="make the key under which persons become pseudonyms 生成站点密钥"
    )
    sitekey.add_argument("--out", type=Path, required=True, metavar="FILE", help="a new file")

    value_sheet.add_arguments(
        actions.add_parser(
            "value-sheet", help="print the contact thermometer's values as codes 打印体温值卡"
        )
    )
    lamp_card.add_arguments(
        actions.add_parser("lamp-card", help="print what lamps and sounds mean 打印灯光声音说明卡")
    )


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
    issue.add_argument("--valid-from", metavar="ISO", help="default: now")
    end = issue.add_mutually_exclusive_group()
    end.add_argument("--valid-until", metavar="ISO", help="the end, instead of --days")
    end.add_argument(
        "--days",
        type=int,
        metavar="N",
        help=f"default: {DEFAULT_DAYS}; {DEFAULT_DAYS_SHORT} for {', '.join(SHORT_LIVED)}",
    )
    issue.add_argument(
        "--zone", action="append", default=[], help="may be repeated; none: everywhere"
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


def run(args: argparse.Namespace) -> int:
    match args.action:
        case "keygen":
            return _keygen(args)
        case "issue":
            return _issue(args)
        case "show":
            return _show(args)
        case "value-sheet":
            return value_sheet.run(args)
        case "lamp-card":
            return lamp_card.run(args)
        case _:
            return _make_site_key(args)


# --- keys ----------------------------------------------------------------------------------------


def _keygen(args: argparse.Namespace) -> int:
    from gated.credentials.keys import make_key_pair

    if Path(args.name).name != args.name or args.name.startswith("."):
        raise GatedError(f"--name {args.name!r} is not a plain file name")
    pair = make_key_pair(args.out, args.name)
    print(f"key id       {pair.key_id.hex()}")
    print(
        f"private key  {pair.private_path}  (stays in the office; make one copy and lock it away)"
    )
    print(f"public keys  {pair.public_path}  (copy into the trust folder of every gate)")
    print(
        f"next         gated pass issue --key {pair.private_path} --sub s-0412 --category student"
    )
    print(
        f"下一步       私钥留在办公室妥善保管;把 {pair.public_path.name} 复制到每台闸机的信任目录。"
    )
    return int(ExitCode.OK)


def _make_site_key(args: argparse.Namespace) -> int:
    from gated.credentials.pseudonym import make_site_key

    site_key = make_site_key(args.out)
    print(f"site key     {args.out}  (copy to every lane of this site, keep no other copy)")
    print(f"key id       {site_key.key_id}  (records name the key by it)")
    print("             Destroying the key ends the link from every record to a person.")
    print("站点密钥     复制到本校(村)每条通道;销毁后,记录与个人不再关联。")
    return int(ExitCode.OK)


# --- issue ---------------------------------------------------------------------------------------


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
    version = _write_qr(text, args.qr)
    if args.json:
        facts = _facts(claims) | {"text": text, "characters": len(text), "qr_version": version}
        print(json.dumps(facts, ensure_ascii=False))
        return int(ExitCode.OK)
    print(text)
    validity = f"valid from {claims.not_before.astimezone().isoformat()} until (not including) "
    print(f"gated: {validity}{claims.expires_at.astimezone().isoformat()}", file=sys.stderr)
    return int(ExitCode.OK)


def _claims_of(args: argparse.Namespace) -> Gp1Claims:
    import secrets

    from gated.clock import SystemClock
    from gated.credentials.gp1 import Gp1Claims

    _refuse_identities(args)
    now = SystemClock().now().replace(microsecond=0)
    not_before = now if args.valid_from is None else _local_moment(args.valid_from)
    if args.valid_until is not None:
        expires_at = _local_moment(args.valid_until, is_end=True)
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
        cti=secrets.token_bytes(CTI_BYTES),
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
    from gated.credentials.gp1 import is_label, is_pseudonym
    from gated.credentials.privacy import find_identity

    for option in ("sub", "approver", "guardian_ref"):
        value = getattr(args, option)
        if value is None:
            continue
        problem = find_identity(value)
        if problem is None and not is_pseudonym(value):
            problem = "it has other characters, or more than 32"
        if problem is not None:
            # The value itself is not repeated: it may be somebody's ID number.
            raise GatedError(
                f"--{option.replace('_', '-')} cannot be used: {problem}. A pass is read by any "
                "phone; use a pseudonym such as s-0412 and print the name beside the code"
            )
    for label in filter(None, (args.group, *args.zone)):
        if not is_label(label):
            raise GatedError("--group and --zone: 1 to 16 characters, a letter or digit first")


def _local_moment(text: str, *, is_end: bool = False) -> datetime:
    """Return ``text`` as UTC: local time without an offset; a bare date ends with its day."""
    try:
        if _is_bare_date(text):
            # Midnight of that very day: a change of the clocks in between is no matter.
            day = date.fromisoformat(text) + timedelta(days=1 if is_end else 0)
            return datetime.combine(day, time()).astimezone(UTC)
        return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as exc:
        raise GatedError(
            f"{text!r} is not a date or time such as 2026-11-23 or 2026-11-23T07:30"
        ) from exc


def _is_bare_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _write_qr(text: str, path: Path | None) -> int | None:
    """Return the version of the QR code of ``text``; write its picture to ``path`` if there is one.

    Without segno (extra ``office``) there is no version, and asking for a picture is an error.
    """
    try:
        import segno
    except ImportError as exc:
        if path is None:
            return None
        raise GatedError("--qr needs segno: install gated with its extra 'office'") from exc
    qr = segno.make_qr(text, error="m", boost_error=True)
    if path is not None:
        if path.suffix.lower() not in {".png", ".svg"}:
            raise GatedError(f"--qr {path}: the name must end in .png or .svg")
        try:
            qr.save(str(path), border=QR_QUIET_ZONE_MODULES, scale=QR_PIXELS_PER_MODULE)
        except OSError as exc:
            raise GatedError(f"--qr {path}: cannot be written ({exc.strerror})") from exc
    return int(qr.version)


# --- show ----------------------------------------------------------------------------------------


def _show(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.credentials.gp1 import open_envelope, parse_claims
    from gated.credentials.malformed import MalformedCode
    from gated.credentials.verify import verify

    text = args.text
    if text == "-":
        data = sys.stdin.buffer.read(MAX_CODE_CHARACTERS + 2)
        text = data.removesuffix(b"\n").decode("utf-8", errors="replace")
    verification = verify(text, now=SystemClock().now(), trust=load_trust_or_none(args.trust))
    try:
        if len(text) > MAX_CODE_CHARACTERS:
            raise MalformedCode("longer than a QR code can be")
        message = open_envelope(text)
        claims = parse_claims(message.payload)
    except MalformedCode as exc:
        raise GatedError(f"not a GP1 pass: {exc}") from exc
    key_id = "" if message.key_id is None else message.key_id.hex()
    facts = _facts(claims) | {
        "key_id": key_id,
        "status": verification.status.value,
        "proven": verification.signer is not None,
    }
    if args.json:
        print(json.dumps(facts, ensure_ascii=False))
        return int(ExitCode.OK)
    for name, value in facts.items():
        print(f"{name:15} {value}")
    print(_what_is_proven(verification))
    return int(ExitCode.OK)


def _what_is_proven(verification: Verification) -> str:
    if verification.signer is None:
        return "NOT PROVEN: no key in the trust folder signed this; anybody can have written it."
    return f"Signed by a known key, from the file {verification.signer.source}."


def _facts(claims: Gp1Claims) -> dict[str, object]:
    """Return what is set in ``claims``, in words, for a person at the office."""
    facts: dict[str, object | None] = {
        "sub": claims.sub,
        "category": claims.category.value,
        "group": claims.group,
        "valid_from": iso(claims.not_before),
        "valid_until": iso(claims.expires_at),
        "zones": list(claims.zones) or None,
        "direction": None if claims.direction is Direction.UNKNOWN else claims.direction.value,
        "max_uses": claims.max_uses,
        "approver": claims.approver,
        "guardian_ref": claims.guardian_ref,
        "nat_sampled_at": iso(claims.nat_sampled_at),
        "attendant": claims.is_attendant or None,
        "slow": claims.is_slow or None,
        "pass_id": claims.cti.hex(),
    }
    return {name: value for name, value in facts.items() if value is not None}
