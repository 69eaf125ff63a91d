"""``gated command``: what the centre tells one gate to do, signed; shows the gate's answer."""

from __future__ import annotations

import argparse
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gated.commands.mode import parse_span
from gated.errors import ExitCode, GatedError
from gated.facts.login import login_name
from gated.vocabulary import Mode

if TYPE_CHECKING:
    from gated.contents import CommandContent
    from gated.deeds import Deed
    from gated.mqtt.address import BrokerAddress

HELP = "from the centre: open a gate once, set its mode, ask for records 远程命令"
EPILOG = """\
gated command keygen --out DIR             the key that signs commands; its public half goes into
                                           the gates' trust folders 生成命令密钥
gated command open --key DIR/centre.key.pem --gate school/east-1 --broker mqtts://HOST:8883

Every command is signed, meant for one gate, good once and for half a minute. The gate verifies it
itself, records it with who asked, and answers. It ends with 0 if that was done, with 1 if the gate
refused or failed, with 69 if no answer came: then look at the gate before you try again.
"""

LIFETIME_S = 30
ANSWER_WITHIN_S = 10
_MAX_WAIT_S = 60
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9._@-]")
_MAX_BY = 48


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)

    keygen = actions.add_parser("keygen", help="make the key that signs commands 生成命令密钥")
    keygen.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the two files"
    )
    keygen.add_argument("--name", default="centre", help="begins the two files' names")
    keygen.add_argument(
        "--config", action="store_true", help="it may change configurations, too 也可更改配置"
    )
    keygen.add_argument(
        "--trust", action="store_true", help="it may add and remove keys, too 也可增减公钥"
    )

    _add(actions.add_parser, "ping", "ask for an answer, no more 测试联通")
    _add(actions.add_parser, "open", "open once, for whoever stands before the gate 开闸一次")
    mode = _add(actions.add_parser, "mode", "set the mode 切换模式")
    mode.add_argument(
        "mode", type=Mode, choices=Mode, metavar="normal|closed|observe", help="the mode 模式"
    )
    mode.add_argument(
        "--for", dest="for_s", type=parse_span, metavar="8h|30m|2d", help="then back to normal"
    )
    drill = _add(actions.add_parser, "drill", "a drill begins or ends 演练")
    drill.add_argument("drill", choices=("on", "off"), help="begins or ends 开始或结束")
    resend = _add(actions.add_parser, "resend", "send records once more 重发记录")
    resend.add_argument("first", type=int, metavar="FIRST", help="the first seq 起始序号")
    resend.add_argument("last", type=int, metavar="LAST", help="the last seq 结束序号")
    config = _add(actions.add_parser, "config", "set values over the gate's file 更改配置")
    config.add_argument(
        "values",
        nargs="*",
        type=_config_value,
        metavar="KEY=VALUE",
        help='as in gated.toml: checks.credential="soft"; these hold and no others; none: the '
        "gate's own file alone",
    )
    config.add_argument(
        "--rollback", action="store_true", help="what held before holds again 恢复上一次"
    )
    lists = _add(actions.add_parser, "list", "replace a list at the gate 更新名单")
    lists.add_argument(
        "which", choices=("revocations", "persons", "duty"), help="which list 哪个名单"
    )
    lists.add_argument("file", type=Path, metavar="FILE", help="its new content 新名单文件")
    trust = actions.add_parser("trust", help="add or remove public keys at the gate 更新信任公钥")
    changes = trust.add_subparsers(dest="change", metavar="CHANGE", required=True)
    added = _add(changes.add_parser, "add", "let the keys of a file count 添加公钥")
    added.add_argument("file", type=Path, metavar="FILE", help="of public keys 公钥文件")
    added.add_argument("--name", help="what it is called at the gate; default: as FILE 名称")
    removed = _add(changes.add_parser, "remove", "take away what was added like this 删除公钥")
    removed.add_argument("name", metavar="NAME", help="as it was added 添加时的名称")
    diagnose = _add(actions.add_parser, "diagnose", "fetch what helps to find a fault 收集诊断信息")
    diagnose.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a new zip file 新的 zip 文件"
    )


def _add(
    add: Callable[..., argparse.ArgumentParser], name: str, help_: str
) -> argparse.ArgumentParser:
    parser = add(name, help=help_)
    needed = parser.add_argument_group("to whom, by whom")
    needed.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="NAME.key.pem of keygen"
    )
    needed.add_argument("--gate", required=True, metavar="SITE/GATE", help="which gate 哪台闸机")
    needed.add_argument("--by", help="who asks, as it is recorded (default: the login name)")
    way = parser.add_argument_group("the broker")
    way.add_argument("--broker", required=True, metavar="URL", help="mqtts://HOST:PORT")
    way.add_argument("--user", help="MQTT user")
    way.add_argument("--password-file", type=Path, metavar="FILE", help="file with the password")
    way.add_argument("--ca-file", type=Path, metavar="FILE", help="the broker's CA certificate")
    way.add_argument("--cert-file", type=Path, metavar="FILE", help="own certificate")
    way.add_argument("--cert-key-file", type=Path, metavar="FILE", help="its private key")
    way.add_argument(
        "--wait",
        type=_wait,
        default=float(ANSWER_WITHIN_S),
        metavar="S",
        help="for the gate's answer, in s (default: %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="the answer for programs")
    return parser


def _wait(text: str) -> float:
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_WAIT_S:
        raise argparse.ArgumentTypeError(f"a number of s from 1 to {_MAX_WAIT_S}")
    return float(text)


def _config_value(text: str) -> tuple[str, object]:
    """Return (key, value) of ``temperature.fever_threshold_c=37.5``; a bare word is a text.

    So is what no key has, such as TOML's times and tables: the gate says what it wants there.
    """
    path, equals, value = text.partition("=")
    if not (equals and path and value):
        raise argparse.ArgumentTypeError("write it like checks.credential=soft")
    try:
        parsed: object = tomllib.loads(f"value = {value}")["value"]
    except ValueError:
        parsed = value
    is_list = isinstance(parsed, list) and all(isinstance(each, str) for each in parsed)
    return path, parsed if is_list or isinstance(parsed, bool | int | float | str) else value


def run(args: argparse.Namespace) -> int:
    if args.action == "keygen":
        return _make_key(args)
    return _send(args)


def _make_key(args: argparse.Namespace) -> int:
    from gated.commands.command_key import make_command_key

    pair = make_command_key(args.out, args.name, may_configure=args.config, may_trust=args.trust)
    might = "opens gates and says whose passes count" if args.trust else "opens gates"
    print(f"key id       {pair.key_id.hex()}")
    print(f"private key  {pair.private_path}  (whoever has it {might}: keep it at the centre)")
    print(f"public key   {pair.public_path}  (copy into the trust folder of the gates: it signs")
    print("             commands and nothing else)")
    print("下一步       私钥只留在中心；把公钥复制到各闸机的信任目录，用 gated trust add 添加。")
    return int(ExitCode.OK)


def _send(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.commands.command_key import load_command_key, next_counter
    from gated.commands.command_link import Link, answer_of
    from gated.contents import CommandOutcome
    from gated.deeds import Diagnose
    from gated.durable import write_new_private_file
    from gated.orders import ID_BYTES, Order, is_gate, is_requester, make_order
    from gated.wire import GateTopics

    clock = SystemClock()
    if not is_gate(args.gate):
        raise GatedError(f"--gate {args.gate!a}: write it like school/east-1 (写成 学校/闸机)")
    by = args.by if args.by is not None else _NOT_A_NAME.sub("_", login_name())[:_MAX_BY]
    if not is_requester(by):
        raise GatedError(
            f"--by {by!a}: 1 to {_MAX_BY} of letters, digits, . _ @ - (英文字母和数字)"
        )
    deed, key, order_id = _deed(args), load_command_key(args.key), os.urandom(ID_BYTES)
    topics, is_diagnose = GateTopics(*args.gate.split("/")), isinstance(deed, Diagnose)
    bundle = None
    with Link(
        _address(args), topics, clock, command_id=order_id.hex(), wants_bundle=is_diagnose
    ) as link:
        nonce = link.wait_nonce(args.wait)
        now = clock.now().replace(microsecond=0)
        order = Order(
            gate=args.gate,
            order_id=order_id,
            issued_at=now,
            expires_at=now + timedelta(seconds=LIFETIME_S),
            counter=next_counter(args.key, round(clock.now().timestamp() * 1_000)),
            nonce=nonce,
            by=by,
            deed=deed,
        )
        body = link.ask(make_order(order, key), args.wait)
        answer = answer_of(body)
        if is_diagnose and answer.outcome is CommandOutcome.DONE:
            bundle = link.wait_bundle(answer, args.wait)
    code = _show(body, is_json=args.json)
    if bundle is not None:
        write_new_private_file(args.out, bundle)
        if not args.json:
            print(f"{args.out}: {len(bundle)} bytes, see about.txt in it (诊断信息已写入)")
    return code


def _deed(args: argparse.Namespace) -> Deed:
    from gated.commands import command_trust
    from gated.deeds import (
        Diagnose,
        ListName,
        OpenOnce,
        Ping,
        ReplaceList,
        Resend,
        RollBackConfig,
        SetConfig,
        SetDrill,
        SetMode,
    )

    match args.action:
        case "open":
            return OpenOnce()
        case "mode":
            return SetMode(args.mode, None if args.for_s is None else int(args.for_s))
        case "drill":
            return SetDrill(args.drill == "on")
        case "resend":
            return Resend(args.first, args.last)
        case "config":
            if args.rollback and args.values:
                raise GatedError("--rollback sets what held before: name no values")
            return RollBackConfig() if args.rollback else SetConfig(dict(args.values))
        case "list":
            return ReplaceList(ListName(args.which), _small_file(args.file))
        case "trust" if args.change == "add":
            return command_trust.addition(args.file, _small_file(args.file), args.name)
        case "trust":
            return command_trust.removal(args.name)
        case "diagnose":
            if os.path.lexists(args.out):
                raise GatedError(f"{args.out} exists already and stays as it is (文件已存在)")
            return Diagnose()
        case _:
            return Ping()


def _small_file(path: Path) -> bytes:
    from gated.deeds import MAX_LIST_BYTES

    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_BYTES + 1)
    except OSError as exc:
        raise GatedError(f"{path}: cannot be read ({exc.strerror}) (无法读取)") from exc
    if len(data) > MAX_LIST_BYTES:
        raise GatedError(
            f"{path}: larger than {MAX_LIST_BYTES} bytes, which is what a command carries; copy it "
            "to the gate instead (文件过大，请改用复制)"
        )
    return data


def _address(args: argparse.Namespace) -> BrokerAddress:
    from gated.config.broker import BrokerSettings
    from gated.config.load import refuse, validate
    from gated.mqtt.address import broker_address

    said = {
        "broker": args.broker,
        "user": args.user,
        "password_file": args.password_file,
        "ca_file": args.ca_file,
        "cert_file": args.cert_file,
        "key_file": args.cert_key_file,
    }
    found = validate(BrokerSettings, {k: v for k, v in said.items() if v is not None})
    settings = refuse(found, "the command line") if isinstance(found, tuple) else found
    return broker_address(settings, f"command.{os.urandom(6).hex()}", args.user)


def _show(body: Mapping[str, object], *, is_json: bool) -> int:
    from gated.commands.command_link import answer_of
    from gated.contents import CommandOutcome

    answer = answer_of(body)
    if is_json:
        print(json.dumps(dict(body), ensure_ascii=False))
    else:
        print(describe(answer, body.get("seq")))
    is_done = answer.outcome is CommandOutcome.DONE
    return int(ExitCode.OK if is_done else ExitCode.FAILED)


def describe(answer: CommandContent, seq: object) -> str:
    """Return the gate's answer in words, in both languages."""
    from gated.commands.command_texts import OUTCOMES, WHY

    zh, en = OUTCOMES[answer.outcome]
    if answer.reason is not None:
        why_zh, why_en = WHY[answer.reason]
        zh, en = f"{zh}：{why_zh}", f"{en}: {why_en}"
    said = f"{answer.command.value} {answer.detail}".strip()
    return f"{said}: {en}  {zh}  (record 记录 {seq})"
