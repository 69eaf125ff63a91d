"""How a gate or a collector reaches its MQTT broker."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import StrictBool, StrictInt, ValidationInfo, field_validator

from gated.config.settings import REQUIRED, Settings, setting

_DEFAULT_PORT = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a broker listens."""

    host: str
    port: int
    is_tls: bool

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether ``host`` can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_broker(url: str) -> Endpoint:
    """Return the endpoint that ``url`` names. Raises: ValueError: saying what it should be.

    The message never repeats the URL: somebody may have written a password into it.
    """
    shape = 'must be "mqtts://HOST:PORT" or "mqtt://HOST:PORT" (格式应为 mqtts://主机：端口)'
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ValueError(shape) from exc
    if parts.scheme not in _DEFAULT_PORT or not host or port == 0:
        raise ValueError(shape)
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "must not hold a user or a password: use the keys user and password_file "
            "(不要写入用户名或密码)"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(shape)
    return Endpoint(host, port or _DEFAULT_PORT[parts.scheme], parts.scheme == "mqtts")


class BrokerSettings(Settings):
    """The keys that ``[uplink]`` and ``[collector]`` share."""

    allow_plain: StrictBool = setting(
        False,
        en="Allow mqtt:// without TLS to another machine. Only inside a trusted tunnel.",
        zh="允许不加密连接其他机器(仅限可信隧道内)",
    )
    broker: str = setting(
        REQUIRED,
        en="The broker: mqtts://HOST:PORT. mqtt:// without TLS only to this machine.",
        zh="MQTT 服务器:mqtts://主机：端口;mqtt:// 仅限本机",
    )
    user: str | None = setting(
        None,
        min_length=1,
        max_length=128,
        en="MQTT user. Not set: the gate's (or the collector's) name.",
        zh="MQTT 用户名；不填则用本机名称",
    )
    password_file: Path | None = setting(
        None,
        en="File that holds the MQTT password. The password itself never stands here.",
        zh="存放 MQTT 密码的文件(密码不写在此处)",
    )
    ca_file: Path | None = setting(
        None, en="CA certificate of the broker. Not set: the system's.", zh="服务器的 CA 证书"
    )
    cert_file: Path | None = setting(None, en="Own certificate.", zh="本机证书")
    key_file: Path | None = setting(
        None, en="Private key of the own certificate.", zh="本机证书的私钥文件"
    )
    keepalive_s: StrictInt = setting(
        15, ge=5, le=300, unit="s", en="MQTT keep-alive.", zh="MQTT 心跳间隔"
    )

    @property
    def endpoint(self) -> Endpoint:
        return parse_broker(self.broker)

    @field_validator("broker")
    @classmethod
    def _is_safe(cls, value: str, info: ValidationInfo) -> str:
        endpoint = parse_broker(value)
        if not (endpoint.is_tls or endpoint.is_loopback or info.data.get("allow_plain", True)):
            raise ValueError(
                "mqtt:// sends records and the password in the clear: use mqtts://, or say "
                "allow_plain = true inside a trusted tunnel (mqtt:// 不加密，请改用 mqtts://)"
            )
        return value

    @field_validator("ca_file", "cert_file", "key_file")
    @classmethod
    def _needs_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        broker = info.data.get("broker")
        if value is not None and broker is not None and not parse_broker(broker).is_tls:
            raise ValueError(
                "is of no use with mqtt://: write mqtts:// (mqtt:// 用不到证书，请改用 mqtts://)"
            )
        return value

    @field_validator("key_file")
    @classmethod
    def _pairs_with_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "cert_file" in info.data and (value is None) != (info.data["cert_file"] is None):
            raise ValueError("cert_file and key_file go together (证书与私钥须同时填写)")
        return value


class UplinkSettings(BrokerSettings):
    """The way to the collector."""

    keep_person_days: StrictInt = setting(
        14,
        ge=0,
        le=21,
        unit="d",
        live=True,
        en="The person link of a record is deleted after this many days.",
        zh="个人信息保留天数",
    )
    share_uses: StrictBool = setting(
        True,
        en="Share uses of passes with the site's other gates, by way of the collector.",
        zh="与本单位其他闸机共享通行证使用情况(经汇总端)",
    )
    window: StrictInt = setting(
        100, ge=1, le=1000, en="Records under way without an answer, at most.", zh="在途记录上限"
    )
