"""Alarms to a webhook: ``[webhook]`` of collector.toml. Off without a ``url``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import StrictFloat, field_validator, model_validator

from gated.config.broker import is_loopback
from gated.config.settings import Settings, setting
from gated.contents import AlarmName

_PORT_OF = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """Where alarms are posted."""

    host: str
    port: int
    path: str  # with the query
    is_tls: bool


def parse_webhook(url: str) -> WebhookAddress:
    """Return the address that ``url`` names. Raises: ValueError: saying what it should be.

    The message never repeats the URL: many receivers want a token in it.
    """
    shape = 'must be "https://HOST/PATH" (格式应为 https://主机/路径)'
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ValueError(shape) from exc
    if parts.scheme not in _PORT_OF or not host or port == 0 or parts.fragment:
        raise ValueError(shape)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or a password (不要写入用户名或密码)")
    if not url.isascii() or " " in url:
        raise ValueError("must be ASCII without blanks (只能用英文字符，不含空格)")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http is for this machine alone: use https (http 仅限本机)")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookAddress(host, port or _PORT_OF[parts.scheme], path, parts.scheme == "https")


class WebhookSettings(Settings):
    """Where alarms are posted, beside the page."""

    url: str | None = setting(
        None, en="Where alarms are posted: https://HOST/PATH. Not set: nowhere.", zh="推送地址"
    )
    secret_file: Path | None = setting(
        None,
        en="File with the secret that signs them (base64, Standard Webhooks). Never the secret.",
        zh="签名密钥文件(密钥不写在此处)",
    )
    ca_file: Path | None = setting(
        None, en="CA certificate of the receiver. Not set: the system's.", zh="接收方的 CA 证书"
    )
    alarms: tuple[AlarmName, ...] = setting(
        (), en="Which alarms. None named: all of them.", zh="推送哪些提醒；不填为全部"
    )
    time_out_s: StrictFloat = setting(
        10.0, ge=1.0, le=60.0, unit="s", en="How long an answer is awaited.", zh="等待应答的时间"
    )

    @field_validator("url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is not None:
            parse_webhook(value)
        return value

    @model_validator(mode="after")
    def _is_signed(self) -> Self:
        if self.url is not None and self.secret_file is None:
            raise ValueError("url needs secret_file (填写 url 时必须填写 secret_file)")
        return self

    @property
    def address(self) -> WebhookAddress | None:
        """Where alarms are posted; None: nowhere."""
        return None if self.url is None else parse_webhook(self.url)

    @property
    def wanted(self) -> frozenset[AlarmName]:
        """The alarms that are posted."""
        return frozenset(self.alarms or AlarmName)
