"""The questions of ``gated setup``: short, with the default shown, each answer checked at once.

Answers go into the tables of gated.toml as they come, and the configuration's own validator judges
them: it has the words for what is wrong already.
"""

from __future__ import annotations

import getpass
import socket
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gated.calibrate.dialog import Dialog, Text
from gated.config.broker import parse_broker
from gated.config.gate import GateConfig
from gated.config.load import validate
from gated.config.reference import example
from gated.controller.driver_keys import ask_drivers
from gated.credentials.pseudonym import parse_site_key
from gated.credentials.trust import parse_key_file
from gated.errors import ConfigError
from gated.mqtt.certificates import parse_certificates
from gated.sensors import registry
from gated.sensors.port import ThermometerDriver
from gated.setup.file import read_beside
from gated.setup.plan import Wishes
from gated.wire import is_name

_INSTEAD = "gated setup --file FILE (请用 --file)"
_YES, _NO = frozenset({"y", "yes", "是"}), frozenset({"n", "no", "否"})
_MLX90614_VARIANT = "DCI"
_MOUNT_HEIGHT_M = "1.40"
_NONE = "none"
_T = TypeVar("_T")


def ask(dialog: Dialog) -> Wishes:
    """Return what somebody at the terminal wants. Raises: GivenUp."""
    return _Questions(dialog).ask()


class _Questions:
    def __init__(self, dialog: Dialog) -> None:
        self._dialog = dialog
        self._tables: dict[str, Any] = {"scanner": {}, "temperature": {}}
        self._example = tomllib.loads(example(GateConfig))

    def ask(self) -> Wishes:
        self._dialog.note(
            (
                "按回车采用 [ ] 中的值；写入前还会再问一次。",
                "Enter takes what stands in [ ]. You are asked again before anything is written.",
            )
        )
        host = socket.gethostname().lower()
        self._text("gate.site", ("学校/地点 (小写字母、数字、-)", "site (a-z 0-9 -)"))
        self._text("gate.name", ("闸机名称", "this gate's name"), host if is_name(host) else "")
        self._text("gate.direction", ("通行方向 in 进 / out 出", "way people pass: in, out"), "in")
        self._devices()
        password, ca = self._broker()
        return Wishes(
            tables=self._tables,
            mqtt_password=password,
            ca=ca,
            site_key=self._file(
                (
                    "站点密钥文件，同一单位各闸机相同 (回车：生成新的)",
                    "file with the site key, the same on all gates of the site (Enter: a new one)",
                ),
                _site_key,
            ),
            trust=dict([trust] if (trust := self._issuer()) else []),
        )

    def _devices(self) -> None:
        """Ask for what is wired to the gate."""
        self._text("scanner.camera", ("摄像头 auto/none", "camera: auto, or none"), "auto")
        names = ", ".join(_thermometers())
        thermometer: dict[str, Any] = {"name": "face"}
        self._tables["temperature"]["thermometers"] = [thermometer]
        self._take(
            (f"测温头型号 ({names})", f"thermometer ({names})"),
            "mlx90614",
            lambda answer: _put(thermometer, "driver", answer) or self._problem_of_driver(answer),
        )
        if thermometer["driver"] == "mlx90614":
            self._take(
                ("型号末三位 (DCI 为 5° 视场)", "its last three letters (DCI sees 5°)"),
                _MLX90614_VARIANT,
                lambda answer: (
                    _put(thermometer, "variant", answer.upper())
                    or self._problem("temperature.thermometers[face].variant")
                ),
            )
        bus = self._example["temperature"]["thermometers"][0]["bus"]
        self._take(
            ("测温头接在", "it is wired to"),
            bus,
            lambda answer: (
                _put(thermometer, "bus", answer)
                or self._problem("temperature.thermometers[face].bus")
            ),
        )
        self._take(
            ("安装高度 (米)", "it is mounted at (m)"),
            _MOUNT_HEIGHT_M,
            lambda answer: (
                _put(thermometer, "mount_height_m", _number(answer))
                or self._problem("temperature.thermometers[face].mount_height_m")
            ),
        )
        self._air()
        self._wiring()

    def _air(self) -> None:
        ambient = dict(self._example["temperature"]["ambient"])

        def take(answer: str) -> str:
            if answer == _NONE:
                self._tables["temperature"].pop("ambient", None)
                return ""
            self._tables["temperature"]["ambient"] = ambient | {"bus": answer}
            return self._problem("temperature.ambient.bus")

        self._take(
            (
                "环境温度计 SHT3x 接在 (none：没有，体温无法判断)",
                "the air's SHT3x is wired to (none: then no reading can be judged)",
            ),
            ambient["bus"],
            take,
        )

    def _wiring(self) -> None:
        relay = self._example["outputs"]["relay"]["line"]
        question = (
            f"接线同 docs/wiring.md (继电器 {relay}、灯、铃、光电、按钮) yes/no",
            f"wired as in docs/wiring.md (relay {relay}, lamps, bell, barrier, button): yes/no",
        )
        if self._yes(question):
            outputs = dict(self._example["outputs"])
            del outputs["voice"]
            self._tables |= {"outputs": outputs, "inputs": dict(self._example["inputs"])}
        else:
            self._text("outputs.relay.line", ("继电器接在", "the relay is on line"), relay)

    def _broker(self) -> tuple[str | None, bytes | None]:
        """Ask for the broker; return (password, CA)."""
        self._text(
            "uplink.broker",
            ("MQTT 服务器 (mqtts://主机:端口)", "MQTT broker (mqtts://HOST:PORT)"),
        )
        password = self._secret(
            ("MQTT 密码 (回车：不用，用证书)", "MQTT password (Enter: none, by certificate)")
        )
        if not parse_broker(self._tables["uplink"]["broker"]).is_tls:
            return password, None
        question = (
            "服务器 CA 的文件 (回车：系统自带的 CA)",
            "file with the broker's CA (Enter: the system's)",
        )
        return password, self._file(question, _certificates)

    def _issuer(self) -> tuple[str, bytes] | None:
        return self._file(
            (
                "签发者公钥文件 issuer.jwks.json (回车：以后再加)",
                "file with the issuers' public keys, such as office.jwks.json (Enter: later)",
            ),
            _public_keys,
        )

    # --- one question ------------------------------------------------------------------------

    def _text(self, path: str, question: Text, default: str = "") -> None:
        """Ask for the value of one key until the configuration takes it."""

        def take(answer: str) -> str:
            *tables, name = path.split(".")
            table = self._tables
            for each in tables:
                table = table.setdefault(each, {})
            _put(table, name, answer)
            return self._problem(path)

        self._take(question, default, take)

    def _take(self, question: Text, default: str, take: Callable[[str], str]) -> None:
        """Ask until ``take`` has nothing against the answer."""
        zh, en = question
        shown = f" [{default}]" if default else ""
        while True:
            answer = self._dialog.ask((f"{zh}{shown}：", f"{en}{shown}:"), _INSTEAD) or default
            problem = take(answer) if answer else "an answer is needed (必填)"
            if not problem:
                return
            self._dialog.note((f"  {problem}", f"  {problem}"))

    def _yes(self, question: Text) -> bool:
        zh, en = question
        while True:
            answer = self._dialog.ask((f"{zh} [yes]：", f"{en} [yes]:"), _INSTEAD).lower() or "yes"
            if answer in _YES | _NO:
                return answer in _YES
            self._dialog.note(("  请答 yes 或 no", "  yes or no, please"))

    def _file(self, question: Text, read: Callable[[Path], _T]) -> _T | None:
        """Ask for a file until it can be used; None: an empty answer."""
        zh, en = question
        while answer := self._dialog.ask((f"{zh}：", f"{en}:"), _INSTEAD):
            try:
                return read(Path(answer).expanduser())
            except ConfigError as exc:
                self._dialog.note((f"  {exc}", f"  {exc}"))
        return None

    def _secret(self, question: Text) -> str | None:
        if self._dialog.answers is sys.stdin:  # not shown to whoever looks over the shoulder
            return getpass.getpass(f"{self._dialog.say(question)}: ").strip() or None
        return self._dialog.ask(question, _INSTEAD) or None

    def _problem(self, path: str) -> str:
        """Return what the configuration has against the value at ``path``, or ""."""
        found = validate(GateConfig, self._tables)
        faults = found if isinstance(found, tuple) else ask_drivers(found)[0]
        return next((fault for fault in faults if fault.startswith(f"{path} ")), "")

    def _problem_of_driver(self, name: str) -> str:
        try:
            registry.load_thermometer_driver(name)
        except ConfigError as exc:
            return str(exc)
        return ""


def _put(table: dict[str, Any], name: str, value: object) -> str:
    """Set one key; return nothing, as there is nothing against it yet."""
    table[name] = value
    return ""


def _number(answer: str) -> float | str:
    try:
        return float(answer.replace(",", "."))
    except ValueError:
        return answer  # the configuration says what it wants instead


def _thermometers() -> list[str]:
    drivers = {name: registry.load_driver(name) for name in registry.driver_names()}
    return [name for name, each in drivers.items() if isinstance(each, ThermometerDriver)]


def _site_key(path: Path) -> str:
    data = read_beside(path)
    parse_site_key(data, str(path))
    return data.decode("ascii")


def _certificates(path: Path) -> bytes:
    data = read_beside(path)
    parse_certificates(data, str(path))
    return data


def _public_keys(path: Path) -> tuple[str, bytes]:
    data = read_beside(path)
    keys = parse_key_file(data, path.name)
    if keys.has_private_key or not keys.keys:
        raise ConfigError("; ".join(keys.problems) or f"{path}: no key (没有可用的公钥)")
    return path.name, data
