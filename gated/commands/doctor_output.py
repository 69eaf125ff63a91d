"""How ``gated doctor`` shows what it found: lines in the terminal's language, and JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from gated import __version__
from gated.doctor.findings import Area, Finding, Level, Text
from gated.errors import ExitCode
from gated.texts import Language, say

Found = Sequence[tuple[Area, Finding]]

HEADS: dict[Area, Text] = {
    Area.CONFIGURATION: ("配置", "configuration"),
    Area.DEVICES: ("设备", "devices"),
    Area.BOARD: ("主板", "board"),
    Area.TIME: ("时间", "time"),
    Area.STORAGE: ("存储", "storage"),
    Area.CENTRE: ("汇总端", "centre"),
    Area.SERVICES: ("服务", "services"),
    Area.LIBRARIES: ("程序库", "libraries"),
}
MARKS: dict[Level, str] = {
    Level.OK: "ok",
    Level.WARNING: "~",
    Level.ERROR: "!",
    Level.UNKNOWN: "?",
}
SUMS: dict[Level, Text] = {
    Level.ERROR: ("处错误", "wrong"),
    Level.WARNING: ("处提醒", "doubtful"),
    Level.UNKNOWN: ("处未知", "not known"),
}
_MARK_COLUMNS = 2


def lines(found: Found, language: Language) -> Iterator[str]:
    """Yield one line for each finding below its area's name, and the sum."""
    for area, group in groupby(found, key=lambda one: one[0]):
        yield say(HEADS[area], language)
        for _, finding in group:
            yield f"  {MARKS[finding.level]:{_MARK_COLUMNS}}  {sentence(finding, language)}"
    yield ""
    sums = [
        f"{n} {say(text, language)}"
        for level, text in SUMS.items()
        if (n := sum(finding.level is level for _, finding in found))
    ]
    well = say(("一切正常", "all is well"), language)
    yield (", " if language == "en" else "，").join(sums) if sums else well


def sentence(finding: Finding, language: Language) -> str:
    """Return what is so, and what to do, in one line."""
    text = " ".join(say(finding.says, language).split("\n"))
    if finding.mend is None:
        return text
    return f"{text}{': ' if language == 'en' else '：'}{say(finding.mend, language)}"


def exit_code(found: Found, *, is_strict: bool) -> ExitCode:
    """Return OK, FAILED if something is wrong; if strict, also if it is doubtful or not known."""
    levels = {finding.level for _, finding in found}
    bad = set(SUMS) if is_strict else {Level.ERROR}
    return ExitCode.FAILED if levels & bad else ExitCode.OK


def as_json(found: Found) -> dict[str, Any]:
    """Return the same under names. docs/doctor.md says what each is."""
    return {
        "v": 1,
        "software": __version__,
        "sums": {
            level.value: sum(finding.level is level for _, finding in found) for level in Level
        },
        "findings": [
            {
                "area": area.value,
                "subject": finding.subject,
                "level": finding.level.value,
                "says": _both(finding.says),
                "mend": None if finding.mend is None else _both(finding.mend),
            }
            for area, finding in found
        ],
    }


def _both(text: Text) -> dict[str, str]:
    return {"zh": text[0], "en": text[1]}
