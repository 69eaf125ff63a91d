"""``gated trust``: whose codes this gate believes. To look, to add, to take out, to check."""

from __future__ import annotations

import argparse
import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gated.commands.verify import iso
from gated.errors import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from gated.commands.trust_facts import Statement
    from gated.config import GateConfig
    from gated.credentials.trusted_keys import TrustedKey

HELP = "whose codes this gate believes: list, add, remove, check keys 信任的密钥"

EPILOG = """\
list    one line for each key: its file, key id, kind, what it may sign, until when, issuer
add     check a file of public keys, say what it would allow, ask, and put it into the folder
remove  take a file out of the folder, by its name or a key id
check   everything that somebody should do about keys and revocation lists; exit code 1 if anything

A running gate takes changes over by itself, without a restart. More: docs/trust.md.
"""

_INDENT = "  "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="one line for each key 列出密钥")
    _add_places(listing)
    listing.add_argument("--json", action="store_true", help="for programs")

    add = actions.add_parser(
        "add",
        help="add a file of public keys 添加公钥",
        description="Certificates and keys of health authorities are added as they are. --for and "
        "--issuer write a key set that says so; certificates and RSA keys cannot take them.",
    )
    add.add_argument("file", type=Path, metavar="FILE", help="as the office or authority gave it")
    add.add_argument(
        "--for",
        dest="uses",
        action="append",
        type=_use,
        metavar="USE",
        help="the only thing that its keys may sign; may be repeated: GP1 (every pass), "
        "GP1/visitor (or another category), GP1/attendant, WeCom, revocations, HC1, NZCP, SHC, "
        "commands (what the centre orders; with it commands/config, commands/trust)",
    )
    add.add_argument(
        "--issuer", metavar="URL", help="its keys count only for codes that name this issuer 签发者"
    )
    add.add_argument(
        "--name", help="what the new file in the folder is called; default: as FILE 文件名"
    )
    _add_places(add)
    add.add_argument("--yes", action="store_true", help="do not ask 不再询问")

    remove = actions.add_parser("remove", help="take a file of keys out of the folder 删除公钥")
    remove.add_argument("target", metavar="NAME-or-key-id", help="as 'list' shows them")
    _add_places(remove)
    remove.add_argument(
        "--yes", action="store_true", help="do not ask, not even if it is the last key for passes"
    )

    check = actions.add_parser("check", help="say what should be done 检查密钥与作废名单")
    _add_places(check)


def _use(text: str) -> str:
    from gated.credentials.trusted_keys import KNOWN_USES

    if text not in KNOWN_USES:
        known = ", ".join(sorted(KNOWN_USES))
        raise argparse.ArgumentTypeError(f"{text!a} is none of {known} (没有此用途)")
    return text


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="DIR",
        help="the trust folder; default: the one that the configuration names 信任目录",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the gate's configuration; default: $GATED_CONFIG, or /etc/gated/gated.toml 配置文件",
    )


def run(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.commands import trust_edit

    places, now = _places(args), SystemClock().now()
    match args.action:
        case "list":
            return _list(places, now, as_json=args.json)
        case "add":
            wanted = trust_edit.Addition(
                file=args.file,
                uses=None if args.uses is None else frozenset(args.uses),
                issuer=args.issuer,
                name=args.name,
            )
            return trust_edit.add(wanted, places.trust, now, is_sure=args.yes)
        case "remove":
            return trust_edit.remove(args.target, places.trust, now, is_sure=args.yes)
        case _:
            return _check(places, now)


@dataclass(frozen=True, slots=True)
class _Places:
    """The trust folder; the configuration only where it was needed to find it, or named."""

    trust: Path
    config: GateConfig | None


def _places(args: argparse.Namespace) -> _Places:
    from gated.config.load import default_file, load_gate

    if args.trust is not None and args.config is None:
        return _Places(args.trust, None)
    config = load_gate(args.config or default_file())
    return _Places(args.trust or config.credentials.trust, config)


# --- list ----------------------------------------------------------------------------------------


def _list(places: _Places, now: datetime, *, as_json: bool) -> int:
    from gated.commands.trust_facts import keys_of, line_of, printable, read_all

    files = read_all(places.trust, places.config, now)
    if as_json:
        for key in keys_of(files):
            print(json.dumps(_facts(key, now), ensure_ascii=False))
        return int(ExitCode.OK)
    for file in files:
        for key in file.keys:
            print(line_of(key, now))
        for problem in file.problems:
            print(f"{printable(file.name)}{_INDENT}CANNOT BE USED 无法使用: {problem}")
    if not files:
        print(f"no file in {places.trust}; begin with: gated trust add FILE (没有公钥)")
    return int(ExitCode.OK)


def _facts(key: TrustedKey, now: datetime) -> dict[str, object]:
    from gated.commands.trust_facts import days_left, kind_of, uses_of

    return {
        "file": key.source,
        "key_ids": [ident.hex() for ident in key.key_ids],
        "key_ids_base64": [base64.b64encode(ident).decode() for ident in key.key_ids],
        "fingerprint": key.fingerprint.hex(),
        "kind": kind_of(key),
        "uses": sorted(uses_of(key)),
        "certifies": None if key.certifies is None else sorted(key.certifies),
        "issuer": key.issuer,
        "valid_from": iso(key.valid_from),
        "valid_until": iso(key.valid_until),
        "days_left": days_left(key, now),
        "in_force": key.is_in_force(now),
    }


# --- check ---------------------------------------------------------------------------------------


def _check(places: _Places, now: datetime) -> int:
    from gated.commands.trust_facts import allowed, faults_of, keys_of, read_all

    files = read_all(places.trust, places.config, now)
    found = [*_open_to_everybody(places.trust), *faults_of(files, now)]
    if places.config is not None:
        from gated.commands.trust_lists import list_faults

        found += list_faults(places.config, files, now)
    for statement in found:
        mark = "!" if statement.is_fault else "-"
        print(f"{mark} {statement.en}\n{_INDENT}{statement.zh}")
    usable = [key for key in keys_of(files) if key.is_in_force(now)]
    sentences = allowed(usable)
    if sentences:
        print("What this folder allows: " + " ".join(en for _, en in sentences))
        print("此目录允许：" + "".join(zh for zh, _ in sentences))
    is_well = not any(statement.is_fault for statement in found)
    if is_well:
        print("Nothing to do. 一切正常。")
    return int(ExitCode.OK if is_well else ExitCode.FAILED)


def _open_to_everybody(folder: Path) -> list[Statement]:
    """Return which of the folder and its files everybody on this machine can change."""
    import stat

    from gated.commands.trust_facts import Statement

    return [
        Statement(
            f"{path}：本机任何人都能修改，请执行 chmod o-w",
            f"{path} can be changed by everybody on this machine: chmod o-w {path}",
        )
        for path in (folder, *sorted(folder.iterdir()))
        if path.exists() and path.stat().st_mode & stat.S_IWOTH
    ]
