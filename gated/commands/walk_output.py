"""How ``gated doctor --walk`` shows what came of it: a table, JSON, and a record to keep. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gated import __version__
from gated.texts import LANGUAGES, Language, say
from gated.walk.course import Mark, Result, Text
from gated.walk.sensors import CHIP
from gated.walk.words import MARKS

START_AGAIN: Text = (
    "闸机仍停着，启动：sudo systemctl start gated.target",
    "the gate is still stopped; start it: sudo systemctl start gated.target",
)
_MARK_COLUMNS, _NAME_COLUMNS = 14, 20


@dataclass(frozen=True, slots=True)
class About:
    """What a record of the walk is about. Nobody's name is in it."""

    site: str
    gate: str
    began: datetime
    ended: datetime
    machine: str
    config_file: str
    config_sha256: str


def table(results: Sequence[Result], language: Language) -> Iterator[str]:
    """Yield one line for each step, and the sum."""
    for result in results:
        yield _row(result, language)
    yield ""
    yield sums(results, language)


def _row(result: Result, language: Language) -> str:
    mark = say(MARKS[result.mark], language)
    if language != "en":  # a Chinese character takes two columns
        mark += " " * (_MARK_COLUMNS - 2 * len(mark))
    front = "~ " if result.is_doubtful else "! " if result.mark is Mark.FAILS else "  "
    row = f"{front}{mark:{_MARK_COLUMNS}}  {result.step.id:{_NAME_COLUMNS}}  {result.step.wire}"
    doubt = result.evidence.doubt if result.is_doubtful else None
    why = result.trouble or ("" if doubt is None else say(doubt, language))
    return (f"{row}  ({why})" if why else row).rstrip()


def sums(results: Sequence[Result], language: Language) -> str:
    """Return how many steps came to what."""
    counts = {mark: sum(result.mark is mark for result in results) for mark in Mark}
    parts = [f"{n} {say(MARKS[mark], language)}" for mark, n in counts.items() if n]
    doubtful = sum(result.is_doubtful for result in results)
    if doubtful:
        parts.append(f"{doubtful} {say(('存疑', 'doubtful'), language)}")
    return (", " if language == "en" else "，").join(parts)


def as_json(about: About, results: Sequence[Result], *, is_passed: bool) -> dict[str, Any]:
    """Return the same under names. docs/doctor.md says what each is."""
    return {
        "v": 1,
        "software": __version__,
        "site": about.site,
        "gate": about.gate,
        "began": about.began.isoformat(timespec="seconds"),
        "ended": about.ended.isoformat(timespec="seconds"),
        "machine": about.machine,
        "config_file": about.config_file,
        "config_sha256": about.config_sha256,
        "passed": is_passed,
        "sums": {mark.value: sum(result.mark is mark for result in results) for mark in Mark},
        "steps": [
            {
                "step": result.step.id,
                "what": result.step.what.value,
                "key": result.step.key,
                "wire": result.step.wire,
                "mark": result.mark.value,
                "doubt": None
                if result.evidence.doubt is None
                else dict(zip(("zh", "en"), result.evidence.doubt, strict=True)),
                "trouble": result.trouble,
                "facts": dict(result.evidence.facts),
            }
            for result in results
        ],
    }


def record(about: About, results: Sequence[Result], *, is_passed: bool) -> str:
    """Return the record of an installation, in both languages, with a line for a signature."""
    verdict = ("通过", "passed") if is_passed else ("未通过", "NOT passed")
    lines = [
        "Acceptance of a gate 闸机验收记录",
        "",
        f"gate 闸机            {about.site}/{about.gate}",
        f"from 开始            {about.began.isoformat(sep=' ', timespec='seconds')}",
        f"until 结束           {about.ended.isoformat(sep=' ', timespec='seconds')}",
        f"software 软件        gated {__version__}",
        f"machine 主机         {about.machine}",
        f"configuration 配置   {about.config_file}",
        f"  SHA-256            {about.config_sha256}",
        "",
        f"result 结果          {' '.join(reversed(verdict))}",
        "",
    ]
    for result in results:
        lines.append(_row(result, "en"))
        doubt = result.evidence.doubt if result.is_doubtful else None
        lines.append(f"  {MARKS[result.mark][0]}" + ("" if doubt is None else f"（{doubt[0]}）"))
    lines += ["", *(sums(results, language) for language in reversed(LANGUAGES)), ""]
    chips = {r.step.name: r.evidence.facts[CHIP] for r in results if r.evidence.facts.get(CHIP)}
    lines.append("chips 芯片序列号")
    lines += [f"  {name:{_NAME_COLUMNS}}  {chip}" for name, chip in chips.items()] or ["  –"]
    lines += ["", "signed 签字 ______________________    date 日期 ______________", ""]
    return "\n".join(lines)
