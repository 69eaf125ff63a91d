"""``gated certificate``: by which the broker knows this gate. To show, to request, to install."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ExitCode

if TYPE_CHECKING:
    from gated.config import GateConfig
    from gated.facts.certificates import Facts

HELP = "the certificate by which the broker knows this gate: show, request, install 连接证书"

EPILOG = """\
show      what is in force, until when, when to renew it; exit code 1 if anything is due
request   make a new key on this gate and print the request (CSR) that goes to the CA
install   take the CA's answer; the uplink tries it and drops the old one only when it was let in

A running gate tries a new certificate by itself, without a restart.
More, with a CA for small sites: docs/broker-certificates.md.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    show = actions.add_parser("show", help="what is in force, and until when 查看证书")
    show.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="look at these certificates instead, such as a collector's 查看指定文件",
    )
    show.add_argument("--json", action="store_true", help="for programs")
    _add_config(show)

    request = actions.add_parser("request", help="a new key, and the request for the CA 申请新证书")
    request.add_argument(
        "--out", type=Path, metavar="FILE", help="write the request there; default: print it"
    )
    request.add_argument(
        "--new", action="store_true", help="another key, if a request is open already 重新生成密钥"
    )
    _add_config(request)

    install = actions.add_parser("install", help="take the CA's answer 安装新证书")
    install.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="PEM: the certificate, and intermediate ones if there are any",
    )
    install.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="the CA that signs gates, if it is none of uplink.ca_file 签发闸机证书的 CA",
    )
    _add_config(install)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the gate's configuration; default: $GATED_CONFIG, or /etc/gated/gated.toml 配置文件",
    )


def run(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.commands.certificate_edit import install, request
    from gated.facts.certificates import facts_of_files, facts_of_gate

    now = SystemClock().now()
    if args.action == "show" and args.files:
        return _show(facts_of_files(args.files), now, is_json=args.json)
    config = _config(args.config)
    match args.action:
        case "show":
            return _show(facts_of_gate(config), now, is_json=args.json)
        case "request":
            return request(config, args.out, is_new=args.new)
        case _:
            return install(config, args.file, args.ca, now)


def _config(path: Path | None) -> GateConfig:
    from gated.config.load import default_file, load_gate

    return load_gate(path or default_file())


def _show(facts: Facts, now: datetime, *, is_json: bool) -> int:
    from gated.commands.certificate_output import as_json, is_fine, screen
    from gated.texts import cli_language

    if is_json:
        print(json.dumps(as_json(facts, now), ensure_ascii=False, indent=2))
    else:
        print("\n".join(screen(facts, now, cli_language())))
    return int(ExitCode.OK if is_fine(facts, now) else ExitCode.FAILED)
