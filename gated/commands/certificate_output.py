"""How ``gated certificate show`` says what it knows: lines in the terminal's language, and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gated.clock import BUILT_AT
from gated.facts.certificates import AUTHORITY, OTHER, OWN, STAGES, Facts, Seen, Text
from gated.mqtt.certificate_life import LifeStage, whole_days_left
from gated.mqtt.certificates import Certificate
from gated.texts import Language, say

_LABELS: dict[str, Text] = {
    OWN: ("本机证书", "certificate"),
    AUTHORITY: ("CA", "CA"),
    OTHER: ("证书", "certificate"),
}


def is_fine(facts: Facts, now: datetime) -> bool:
    """Return whether nobody has to do anything."""
    return facts.refusal is None and all(
        one.certificate.stage(now) is LifeStage.OK for one in facts.seen
    )


def screen(facts: Facts, now: datetime, language: Language) -> list[str]:
    """Return the lines for a terminal."""
    return [say(text, language) for text in _lines(facts, now)]


def _lines(facts: Facts, now: datetime) -> Iterator[Text]:
    if now < BUILT_AT:
        yield (
            f"时钟错误 ({now:%Y-%m-%d})，以下天数不可信",
            f"the clock is wrong ({now:%Y-%m-%d}): do not believe the days below",
        )
    for one in facts.seen:
        yield from _lines_of(one, now)
    if all(one.what == AUTHORITY for one in facts.seen):
        yield "本机没有证书在用", "this gate has no certificate of its own in force"
    if facts.is_requested:
        yield (
            "已申请新证书：签发后运行 gated certificate install FILE",
            "a request is open: when the CA has answered, gated certificate install FILE",
        )
    if facts.new is not None:
        zh = f"新证书 {facts.new.name} (至 {facts.new.not_after:%Y-%m-%d})"
        en = f"the new one of {facts.new.name}, until {facts.new.not_after:%Y-%m-%d},"
        if facts.refusal is None:
            yield f"{zh}等待试用", f"{en} waits for its trial"
        else:
            at, reason = facts.refusal.at, facts.refusal.reason
            yield (
                f"{zh}未被接受 ({at})，旧证书仍在使用：{reason}",
                f"{en} was not accepted at {at}, the old one is used: {reason}",
            )


def _lines_of(one: Seen, now: datetime) -> Iterator[Text]:
    held = one.certificate
    zh, en = _LABELS[one.what]
    yield f"{zh} {held.name}", f"{en} {held.name}"
    yield f"  主体     {held.subject}", f"  subject  {held.subject}"
    yield f"  签发者   {held.issuer}", f"  issuer   {held.issuer}"
    days = whole_days_left(held.not_after, now)
    since, until = f"{held.not_before:%Y-%m-%d}", f"{held.not_after:%Y-%m-%d}"
    yield (
        f"  期限     {since} 至 {until}，还剩 {days} 天",
        f"  life     {since} to {until}, {days} days left",
    )
    due = f"{held.renewal_due_at:%Y-%m-%d}"
    yield f"  更新日   {due} 起", f"  renewal  from {due} on"
    zh, en = STAGES[held.stage(now)]
    yield f"  状态     {zh}", f"  state    {en}"
    yield f"  文件     {one.file}", f"  file     {one.file}"


def as_json(facts: Facts, now: datetime) -> dict[str, Any]:
    """Return the same facts under names."""
    return {
        "clock_is_wrong": now < BUILT_AT,
        "certificates": [
            {"what": one.what, "file": str(one.file), **_fields(one.certificate, now)}
            for one in facts.seen
        ],
        "new": None if facts.new is None else _fields(facts.new, now),
        "refused": None if facts.refusal is None else facts.refusal.model_dump(),
        "is_requested": facts.is_requested,
    }


def _fields(certificate: Certificate, now: datetime) -> dict[str, Any]:
    return {
        "name": certificate.name,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "days_left": whole_days_left(certificate.not_after, now),
        "renewal_due_at": certificate.renewal_due_at.isoformat(timespec="seconds"),
        "stage": certificate.stage(now).value,
        "fingerprint": certificate.fingerprint,
    }
