"""What ``gated trust check`` says of the revocation lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from gated.commands.trust_facts import Statement, keys_of, printable
from gated.config import GateConfig
from gated.config.credentials import CredentialSettings
from gated.credentials.persons import load_persons
from gated.credentials.revocation import RevocationList
from gated.credentials.revocation_folder import KEPT_FOLDER, Revocations, load_revocations
from gated.credentials.revoked import load_revoked
from gated.credentials.trust import KeyFile
from gated.credentials.trusted_keys import TrustList
from gated.errors import ConfigError


def list_faults(config: GateConfig, files: Iterable[KeyFile], now: datetime) -> list[Statement]:
    """Return what should be done about the lists that ``config`` names, and what they say."""
    keys = keys_of(files)
    settings = config.credentials
    found, revoked = _plain_list(settings)
    found += _persons(settings)
    if settings.revocations is not None:
        lists = load_revocations(
            settings.revocations,
            config.paths.state / KEPT_FOLDER,
            TrustList.of(keys),
            now,
            remembers=False,
        )
        revoked |= lists.ids()
        found += _signed_lists(lists, settings, now)
    for key in keys:
        if key.fingerprint in revoked:
            name = printable(key.source)
            found.append(
                Statement(
                    f"{name}：密钥已作废，其签发的码都不被接受，请删除",
                    f"{name}: this key is revoked, nothing that it signed is accepted; remove it",
                )
            )
    return found


def _plain_list(settings: CredentialSettings) -> tuple[list[Statement], frozenset[bytes]]:
    if settings.revocation_file is None:
        return [], frozenset()
    try:
        return [], load_revoked(settings.revocation_file)
    except ConfigError as exc:
        return [Statement("作废名单文件无法使用", str(exc))], frozenset()


def _persons(settings: CredentialSettings) -> Iterator[Statement]:
    for path in (settings.persons_list_file, settings.duty_list_file):
        try:
            if path is not None:
                load_persons(path)
        except ConfigError as exc:
            yield Statement("人员名单无法使用", str(exc))


def _signed_lists(
    lists: Revocations, settings: CredentialSettings, now: datetime
) -> Iterator[Statement]:
    for problem in lists.problems:
        yield Statement("有作废名单无法使用", problem)
    for problem in lists.set_back:
        yield Statement("作废名单被换回旧版或被移走，旧版与新版都有效，请取最新版", problem)
    max_age = timedelta(days=settings.revocations_max_age_days)
    for each in lists.newest():
        yield _state(printable(each.name), each.content, now, max_age)
    if not lists.found:
        yield Statement(
            "还没有任何作废名单", f"no revocation list in {settings.revocations}, though one is due"
        )


def _state(name: str, content: RevocationList, now: datetime, max_age: timedelta) -> Statement:
    days = (now - content.issued_at).days
    count, due = len(content.ids), content.next_at.astimezone().date().isoformat()
    zh = f"{name}：第 {content.version} 版，{count} 个编号，{days} 天前签发，下一版应在 {due} 前"
    en = f"{name}: version {content.version}, {count} ids, {days} days old, the next due by {due}"
    if content.is_fresh(now, max_age):
        return Statement(zh, en, is_fault=False)
    return Statement(
        f"{zh}；已过期，请取最新版", f"{en}; it is OLD: fetch the newest (or the clock is wrong)"
    )
