"""The whole of collector.toml: ``CollectorConfig``."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import StrictInt, ValidationInfo, field_validator

from gated.config.broker import BrokerSettings, is_loopback
from gated.config.claims import ClaimSettings
from gated.config.database import VERIFYING, is_database_url, parse_database_url
from gated.config.gate import check_name, check_timezone
from gated.config.settings import REQUIRED, Settings, setting
from gated.config.webhook import WebhookSettings

MAX_PORT = 65_535
_PORT = re.compile(r"[0-9]{1,5}")


def parse_listen(text: str) -> tuple[str, int]:
    """Return (host, port) of ``HOST:PORT`` or ``[IPV6]:PORT``. Raises: ValueError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and _PORT.fullmatch(port) and 0 < int(port) <= MAX_PORT):
        raise ValueError('must be "HOST:PORT" (格式应为 主机：端口)')
    return host, int(port)


class CollectorSettings(BrokerSettings):
    """The collector: stores, acknowledges, reports."""

    name: str = setting(REQUIRED, en="The collector's name; also its MQTT user.", zh="汇总端名称")
    ingester: str | None = setting(
        None,
        en="This process's name among several that share one PostgreSQL; its MQTT user is then "
        "NAME-INGESTER.",
        zh="多个接收进程共用一个 PostgreSQL 时本进程的名称",
    )
    database: str = setting(
        "/var/lib/gated-collector/records.db",
        en="The SQLite file, or postgresql://USER@HOST:PORT/NAME.",
        zh="数据库：SQLite 文件或 postgresql://…",
    )
    database_password_file: Path | None = setting(
        None,
        en="File with PostgreSQL's password. Not set: PGPASSFILE, or none is needed.",
        zh="PostgreSQL 密码文件(密码不写在此处)",
    )
    listen: str = setting(
        "127.0.0.1:8080", en="Where the page listens: HOST:PORT.", zh="网页监听地址"
    )
    token_file: Path | None = setting(
        None,
        en="File with the page's token; required when other machines may reach it.",
        zh="网页口令文件；对外监听时必填",
    )
    keep_person_days: StrictInt = setting(
        14,
        ge=0,
        le=21,
        unit="d",
        en="The person link of a record is deleted after this many days.",
        zh="个人信息保留天数",
    )
    timezone: str = setting("Asia/Shanghai", en="Time zone of reports.", zh="报表时区")

    _fits_a_topic = field_validator("name")(check_name)
    _zone_is_known = field_validator("timezone")(check_timezone)

    @property
    def listen_host(self) -> str:
        return parse_listen(self.listen)[0]

    @property
    def listen_port(self) -> int:
        return parse_listen(self.listen)[1]

    @property
    def mqtt_user(self) -> str | None:
        """The MQTT user, or None if the broker is used without one."""
        named = self.user is None and self.password_file is not None
        return self.process_name if named else self.user

    @property
    def process_name(self) -> str:
        """What no other process at the broker is called."""
        return self.name if self.ingester is None else f"{self.name}-{self.ingester}"

    @field_validator("ingester")
    @classmethod
    def _fits_with_the_name(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            check_name(value)
            check_name(f"{info.data.get('name', 'x')}-{value}")
        return value

    @field_validator("database")
    @classmethod
    def _is_safe_database(cls, value: str, info: ValidationInfo) -> str:
        if not is_database_url(value):
            if info.data.get("ingester") is not None:
                raise ValueError(
                    "must be a postgresql:// where several ingesters share it: a file has one "
                    "writer (多进程须用 PostgreSQL)"
                )
            return value
        url = parse_database_url(value)
        if not (url.is_verified or info.data.get("allow_plain", True)):
            raise ValueError(
                f"must have sslmode={VERIFYING} (or none) for a server on another machine, or say "
                "allow_plain = true inside a trusted tunnel (请使用 verify-full)"
            )
        return value

    @field_validator("database_password_file")
    @classmethod
    def _is_of_use(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and not is_database_url(info.data.get("database", "postgresql://")):
            raise ValueError("is of no use with a file (文件数据库不需要密码)")
        return value

    @field_validator("listen")
    @classmethod
    def _is_host_and_port(cls, value: str) -> str:
        parse_listen(value)
        return value

    @field_validator("token_file")
    @classmethod
    def _is_there_when_others_can_reach_it(
        cls, value: Path | None, info: ValidationInfo
    ) -> Path | None:
        listen = info.data.get("listen")
        if value is None and listen is not None and not is_loopback(parse_listen(listen)[0]):
            raise ValueError(
                f"is required, because {listen} can be reached from other machines (对外监听时必填)"
            )
        return value


class CollectorConfig(Settings):
    """The configuration of one collector."""

    collector: CollectorSettings = setting(REQUIRED, en="The collector.", zh="汇总端")
    webhook: WebhookSettings = setting(
        WebhookSettings(), en="Where alarms are posted.", zh="提醒推送"
    )
    claims: ClaimSettings = setting(
        ClaimSettings(), en="How new gates get their identity.", zh="新闸机认领"
    )
