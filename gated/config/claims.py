"""``[claims]``: how new gates get their identity from the centre."""

from __future__ import annotations

from pathlib import Path

from pydantic import StrictBool, StrictInt, ValidationInfo, field_validator

from gated.config.broker import parse_broker
from gated.config.settings import Settings, setting


class ClaimSettings(Settings):
    """New gates, and new machines in the place of broken ones."""

    enabled: StrictBool = setting(
        False, en="Whether one-time codes are taken from new gates.", zh="是否接受新闸机认领"
    )
    folder: Path = setting(
        Path("/var/lib/gated-collector/claims"),
        en="Open codes, and which certificates were given.",
        zh="认领码与已签发证书的记录",
    )
    ca_cert_file: Path | None = setting(
        None, en="The CA that signs gates. Not set: no gate is signed.", zh="签发闸机证书的 CA"
    )
    ca_key_file: Path | None = setting(None, en="Its private key.", zh="该 CA 的私钥文件")
    certificate_days: StrictInt = setting(
        365, ge=1, le=1_096, unit="d", en="Life of a gate's certificate.", zh="闸机证书有效期"
    )
    broker: str | None = setting(
        None,
        en="Where a new gate, which has no certificate yet, reaches the broker: mqtts://HOST:PORT. "
        "Not set: the collector's own.",
        zh="尚无证书的新闸机连接的服务器;不填同汇总端",
    )
    gate_ca_file: Path | None = setting(
        None,
        en="CAs whose broker a gate believes. Not set: the collector's ca_file.",
        zh="闸机信任的服务器 CA;不填同汇总端的 ca_file",
    )
    gate_config_file: Path | None = setting(
        None,
        en="What a new gate's gated.toml says, without its name. --gate-config names another.",
        zh="新闸机的配置(不含名称)",
    )
    site_key_file: Path | None = setting(
        None, en="The site key that a new gate gets. Not set: none.", zh="发给新闸机的站点密钥"
    )
    trust: Path | None = setting(
        None, en="Folder of the public keys that a new gate gets.", zh="发给新闸机的公钥目录"
    )

    @field_validator("broker")
    @classmethod
    def _is_a_broker(cls, value: str | None) -> str | None:
        if value is not None:
            parse_broker(value)
        return value

    @field_validator("ca_key_file")
    @classmethod
    def _pairs_with_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "ca_cert_file" in info.data and (value is None) != (info.data["ca_cert_file"] is None):
            raise ValueError("ca_cert_file and ca_key_file go together (CA 证书与私钥须同时填写)")
        return value
