"""``gated collector claim``: one-time codes by which new gates get their identity."""

from __future__ import annotations

import argparse
import base64
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ConfigError, ExitCode, GatedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gated.claim_codes import Offer
    from gated.claims import Grant
    from gated.collector.claim_book import Claim, ClaimBook
    from gated.config import CollectorConfig
    from gated.config.claims import ClaimSettings

_MOST_MINUTES = 10_080
_MAX_GRANT_BYTES = 40_000
"""Sealed, and as text, it must still fit into one message."""


def add_arguments(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Add what can be done; return the parser of each."""
    actions = parser.add_subparsers(dest="claim", metavar="WHAT", required=True)

    new = actions.add_parser("new", help="a one-time code for one gate 新的认领码")
    new.add_argument("gate", metavar="SITE/GATE", help="which gate the machine becomes")
    new.add_argument(
        "--gate-config",
        type=Path,
        metavar="FILE",
        help="what its gated.toml says, without its name; default: claims.gate_config_file",
    )
    new.add_argument(
        "--minutes",
        type=_minutes,
        default=60,
        metavar="N",
        help="how long the code is good for (default: %(default)s)",
    )
    new.add_argument(
        "--replace",
        action="store_true",
        help="a new machine in the place of this gate's old one, whose certificates end 更换设备",
    )
    new.add_argument("--qr", type=Path, metavar="FILE", help="also as a picture: .png or .svg")

    listed = actions.add_parser("list", help="codes of the last days, and what became of them 列表")

    cancel = actions.add_parser("cancel", help="a code counts no longer 作废认领码")
    cancel.add_argument("id", metavar="ID", help="its first three characters")

    revoked = actions.add_parser(
        "revoked", help="print the certificates that count no longer, for the broker's crlfile 吊销"
    )
    return [new, listed, cancel, revoked]


def _minutes(text: str) -> int:
    minutes = int(text)
    if not 0 < minutes <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"1 to {_MOST_MINUTES}")
    return minutes


def run(args: argparse.Namespace, config: CollectorConfig) -> int:
    """Do what was asked for. Raises: GatedError."""
    from gated.clock import SystemClock
    from gated.collector.claim_book import ClaimBook

    now = SystemClock().now()
    book = ClaimBook(config.claims.folder)
    if args.claim == "new":
        return _new(args, config, book, now)
    if args.claim == "list":
        return _list(book, now)
    if args.claim == "cancel":
        return _cancel(args.id.upper(), book)
    return _revoked(config.claims, book, now)


# --- new -----------------------------------------------------------------------------------------


def _new(args: argparse.Namespace, config: CollectorConfig, book: ClaimBook, now: datetime) -> int:
    from gated.claim_codes import Offer, ca_pin, make_code
    from gated.collector.claim_book import Claim
    from gated.collector.claim_signing import load_authority
    from gated.mqtt.certificates import parse_certificates

    claims = config.claims
    if not claims.enabled:
        raise ConfigError(
            "claims.enabled is not set in collector.toml: the collector answers no claims "
            "(未启用认领)"
        )
    authority = load_authority(claims)
    if authority is None:
        raise ConfigError(
            "claims.ca_cert_file and ca_key_file are not set in collector.toml: nobody could sign "
            "the gate's certificate (未配置签发闸机证书的 CA)"
        )
    authority.check_life(now)
    site, gate = _site_and_gate(args.gate)
    if not args.replace:
        _refuse_known(site, gate, config, book)
    grant, user = _grant(site, gate, args.gate_config or claims.gate_config_file, config)
    with book.locked():
        book.tidy(now)
        code = make_code({claim.id for claim in book.claims()})
        claim = Claim(
            id=code.id,
            site=site,
            gate=gate,
            user=user,
            made_at=now,
            expires_at=now + timedelta(minutes=args.minutes),
            replaces=args.replace,
            key=code.key().hex(),
            grant=grant,
        )
        book.put(claim)
    offer = Offer(
        code,
        claims.broker or config.collector.broker,
        ca_pin(parse_certificates(grant.ca.encode(), "ca")[0]),
    )
    _show(offer, claim, args.qr)
    return int(ExitCode.OK)


def _site_and_gate(text: str) -> tuple[str, str]:
    from gated.wire import is_name

    site, slash, gate = text.partition("/")
    if not (slash and is_name(site) and is_name(gate)):
        raise GatedError(
            f"{text!a}: write SITE/GATE, such as lixin-primary/east-1 (格式：单位/闸机)"
        )
    return site, gate


def _refuse_known(site: str, gate: str, config: CollectorConfig, book: ClaimBook) -> None:
    """Raise GatedError if there is such a gate already: two machines of one name spoil a ledger."""
    from gated.collector.databases import database_at

    settings = config.collector
    reader = database_at(settings.database, settings.database_password_file).reader()
    try:
        is_known = any((each.lane.site, each.lane.gate) == (site, gate) for each in reader.gates())
    finally:
        reader.close()
    if is_known or any((each.site, each.gate) == (site, gate) for each in book.issued()):
        raise GatedError(
            f"{site}/{gate} is known already. A new machine in its place: --replace; its old "
            "certificate then counts no longer (已有此闸机，更换设备请加 --replace)"
        )


def _grant(site: str, gate: str, file: Path | None, config: CollectorConfig) -> tuple[Grant, str]:
    """Return (what the gate will get, its user at the broker). Raises: ConfigError: all of it."""
    from gated.claims import Grant
    from gated.config.explain import dump_tables
    from gated.config.gate import GateConfig
    from gated.config.load import DEFAULT_FILE, parse_toml, read_text, refuse, validate
    from gated.setup.backup import without_identity

    if file is None:
        raise ConfigError(
            "--gate-config FILE is needed, or claims.gate_config_file in collector.toml: what the "
            "gate's gated.toml shall say (缺少新闸机的配置)"
        )
    tables = without_identity(parse_toml(read_text(file), str(file)), DEFAULT_FILE.parent)
    identity = {"site": site, "name": gate}
    found = validate(GateConfig, {**tables, "gate": {**tables.get("gate", {}), **identity}})
    if isinstance(found, tuple):
        refuse(found, str(file))
    if not found.uplink.endpoint.is_tls:
        raise ConfigError(
            f"{file}: uplink.broker must be mqtts://, for a claim gives a certificate "
            "(须使用 mqtts://)"
        )
    claims = config.claims
    grant = Grant(
        site=site,
        gate=gate,
        config=dump_tables(tables),
        ca=_ca(config),
        site_key=None if claims.site_key_file is None else _site_key(claims.site_key_file),
        trust=dict(_trust(claims.trust)),
    )
    size = len(grant.model_dump_json())
    if size > _MAX_GRANT_BYTES:
        raise ConfigError(
            f"configuration, keys and CAs are {size:,} bytes together; a claim carries "
            f"{_MAX_GRANT_BYTES:,}: copy large key files by hand (内容过大)"
        )
    return grant, found.uplink.user or gate


def _ca(config: CollectorConfig) -> str:
    from gated.mqtt.certificates import read_certificates
    from gated.setup.file import read_beside

    file = config.claims.gate_ca_file or config.collector.ca_file
    if file is None:
        raise ConfigError(
            "claims.gate_ca_file (or collector.ca_file) is not set in collector.toml: a gate must "
            "know whose broker to believe (未指定服务器 CA)"
        )
    read_certificates(file)
    return read_beside(file).decode("ascii", "replace")


def _site_key(path: Path) -> str:
    from gated.config.secret import read_secret
    from gated.credentials.pseudonym import parse_site_key

    text = read_secret(path).reveal()
    parse_site_key(text.encode(), str(path))
    return text


def _trust(folder: Path | None) -> Iterator[tuple[str, str]]:
    from gated.credentials.trust import key_files, parse_key_file
    from gated.setup.file import read_beside

    if folder is None:
        return
    if not folder.is_dir():
        raise ConfigError(f"claims.trust = {folder}: no such folder (没有此文件夹)")
    for path in key_files(folder):
        data = read_beside(path)
        keys = parse_key_file(data, path.name)
        if keys.has_private_key or not keys.keys:
            raise ConfigError(f"{path}: {'; '.join(keys.problems) or 'no key'} (公钥文件无效)")
        yield path.name, base64.b64encode(data).decode("ascii")


def _show(offer: Offer, claim: Claim, picture: Path | None) -> None:
    from gated.printing import print_qr, save_qr

    gate = f"{claim.site}/{claim.gate}"
    print(f"code for {gate}, good once, until {claim.expires_at:%Y-%m-%d %H:%M} UTC 一次性认领码:")
    print(f"\n    {offer.code.grouped}\n")
    print("at the gate 在闸机上:")
    print(f"  sudo gated setup --claim {offer.code.grouped} --broker {offer.broker}")
    print("  sudo gated setup --claim-by-camera       show it this 出示此码:\n")
    print_qr(offer.uri, sys.stdout)
    print(f"in gated-setup.toml 写入设置文件:\n  [setup]\n  claim = {offer.uri!r}")
    if picture is not None:
        save_qr(offer.uri, picture)
        print(f"written 已写入 {picture}")


# --- list, cancel, revoked -----------------------------------------------------------------------


def _list(book: ClaimBook, now: datetime) -> int:
    with book.locked():
        book.tidy(now)
        claims, issued = book.claims(), book.issued()
    for claim in claims:
        what = " (replaces 更换设备)" if claim.replaces else ""
        print(f"{claim.id}  {claim.site}/{claim.gate}{what}  {_state_of(claim, now)}")
    if not claims:
        print("no codes of the last days 近日无认领码")
    for each in issued:
        until = f"{each.not_after:%Y-%m-%d}"
        state = (
            f"until {until}" if each.revoked_at is None else f"revoked {each.revoked_at:%Y-%m-%d}"
        )
        print(f"certificate 证书 {each.serial:x}  {each.site}/{each.gate}  {state}")
    return int(ExitCode.OK)


def _state_of(claim: Claim, now: datetime) -> str:
    if claim.used_at is not None:
        return f"used 已使用 {claim.used_at:%Y-%m-%d %H:%M} UTC"
    if claim.is_spent:
        return f"spent: {claim.failures} wrong attempts 错误次数过多"
    if now >= claim.expires_at:
        return "expired 已过期"
    left_min = (claim.expires_at - now) // timedelta(minutes=1)
    return f"open 有效, {left_min} min left, {claim.failures} failures"


def _cancel(claim_id: str, book: ClaimBook) -> int:
    with book.locked():
        if all(claim.id != claim_id for claim in book.claims()):
            raise GatedError(f"no code is called {claim_id!a}; see gated collector claim list")
        book.remove(claim_id)
    print(f"{claim_id} counts no longer 已作废")
    return int(ExitCode.OK)


def _revoked(claims: ClaimSettings, book: ClaimBook, now: datetime) -> int:
    from gated.collector.claim_signing import load_authority

    authority = load_authority(claims)
    if authority is None:
        raise ConfigError("claims.ca_cert_file and ca_key_file are not set (未配置 CA)")
    with book.locked():
        issued = book.issued()
    sys.stdout.write(authority.revocation_list(issued, now).decode("ascii"))
    return int(ExitCode.OK)
