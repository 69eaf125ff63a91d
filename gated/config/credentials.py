"""``[credentials]``: which passes are believed, and which are not any more."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydantic import StrictInt

from gated.config.settings import Settings, setting
from gated.vocabulary import Check

_live = partial(setting, live=True)


class CredentialSettings(Settings):
    """Which passes are believed."""

    trust: Path = setting(
        Path("/etc/gated/trust"), en="Folder of the issuers' public keys.", zh="信任目录(公钥)"
    )
    site_key_file: Path = setting(
        Path("/etc/gated/site.key"),
        en="File with the site key, shared by the site's gates: turns holders into pseudonyms.",
        zh="站点密钥文件(各闸机相同)",
    )
    persons_list_file: Path | None = setting(
        None, en="List of persons to look after.", zh="重点人员名单"
    )
    duty_list_file: Path | None = setting(
        None,
        en="List of persons whom a closed gate lets in, with their days.",
        zh="值班名单：封闭时可进入的人员及日期",
    )
    revocation_file: Path | None = setting(
        None, en="List of revoked passes: ids in hex, one a line.", zh="作废名单(文本)"
    )
    revocations: Path | None = setting(
        None,
        en="Folder of signed revocation lists, as the office and authorities publish them.",
        zh="已签名的作废名单目录",
    )
    revocations_max_age_days: StrictInt = _live(
        7, ge=1, le=366, unit="d", en="A signed list older than this is old.", zh="作废名单最长有效"
    )
    when_revocations_old: Check = _live(
        Check.SOFT,
        en="What a valid pass is worth while a signed list is old or missing: hard refuses.",
        zh="作废名单过期或缺失时：hard 拒绝，soft 记录，off 忽略",
    )
