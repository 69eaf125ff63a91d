"""How ``gated tune`` shows a study on a terminal, in its language, and as JSON. Pure."""

from __future__ import annotations

import os
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from gated.commands.ledger_output import printable
from gated.texts import LANGUAGES, Language, say
from gated.tuning import words
from gated.tuning.cases import accuracy, let_in
from gated.tuning.shares import Share
from gated.tuning.study import By, Study, Swept, Verified
from gated.tuning.tables import Row, Table, Tone
from gated.tuning.trial import Trial
from gated.tuning.view import Danger, Origin, View
from gated.tuning.words import Text

WIDTH = 100
"""Columns after which a note goes on in the next line."""
_RED, _BOLD, _PLAIN = "\x1b[1;31m", "\x1b[1m", "\x1b[0m"
_ONLY_ELSEWHERE = By.DAY.value
"""A row for every day is for the page and for programs."""


def is_coloured(out: TextIO) -> bool:
    """Return whether ``out`` is a terminal that wants colours (https://no-color.org)."""
    wants = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wants and out.isatty()


# --- the screen -----------------------------------------------------------------------------------


def screen(shown: View, language: Language, *, is_coloured: bool) -> Iterator[str]:
    """Yield the lines of the screen. What is red says so in words, too."""
    for line, tone in _lines(shown, language):
        text = printable(line)
        if is_coloured and tone is Tone.DANGER:
            yield f"{_RED}{text}{_PLAIN}"
        elif is_coloured and tone is Tone.PROPOSED:
            yield f"{_BOLD}{text}{_PLAIN}"
        else:
            yield text


def _lines(shown: View, language: Language) -> Iterator[tuple[str, Tone]]:
    yield say(shown.title, language), Tone.PLAIN
    yield "", Tone.PLAIN
    facts = [(say(label, language), say(text, language)) for label, text in shown.facts]
    widest = max(columns(label) for label, _ in facts)
    for label, text in facts:
        head = _padded(label, widest) + "  "
        for n, line in enumerate(_wrapped(text, WIDTH - widest - 2)):
            yield (head if n == 0 else " " * (widest + 2)) + line, Tone.PLAIN
    if shown.dangers or shown.safe is not None:
        yield "", Tone.PLAIN
    for danger in shown.dangers:
        text = _danger(danger, language)
        yield from ((line, Tone.DANGER) for line in _wrapped(text, WIDTH, "!! "))
    if shown.safe is not None:
        yield f"ok  {say(shown.safe, language)}", Tone.PLAIN
    for table in shown.tables:
        if table.name != _ONLY_ELSEWHERE:
            yield "", Tone.PLAIN
            yield from _table(table, language)
    yield "", Tone.PLAIN
    for note in shown.notes:
        yield from ((line, Tone.PLAIN) for line in _wrapped(say(note, language), WIDTH, "· "))
    yield "", Tone.PLAIN
    yield from ((line, Tone.PLAIN) for line in _paste(shown, language))


def _danger(danger: Danger, language: Language) -> str:
    """Return a warning and whom it is about as one sentence."""
    each: Text = (
        "通行 {}（闸机 {} °C，接触 {} °C）",
        "visit {} (gate {} °C, contact {} °C)",
    )
    named = [say(each, language).format(*case) for case in danger.cases]
    if danger.more:
        named.append(say(words.filled(words.MORE, n=danger.more), language))
    colon, comma = ("：", "、") if language == "zh-Hans" else (": ", ", ")
    return f"{say(danger.text, language)}{colon}{comma.join(named)}"


def _table(table: Table, language: Language) -> Iterator[tuple[str, Tone]]:
    yield say(table.title, language), Tone.PLAIN
    rows = [[_cell(head, language) for head in table.heads]]
    rows += [[_cell(cell, language) for cell in row.cells] for row in table.rows]
    widths = [max(columns(row[n]) for row in rows) for n in range(len(table.heads))]
    for n, cells in enumerate(rows if table.heads else ()):
        row = table.rows[n - 1] if n else Row(())
        parts = [_padded(cells[0], widths[0])]
        parts += [
            _padded(cell, width, is_number=True)
            for cell, width in zip(cells[1:], widths[1:], strict=True)
        ]
        yield f"  {'  '.join(parts)}  {say(row.mark, language)}".rstrip(), row.tone
    for note in table.notes:
        for line in _wrapped(say(note, language), WIDTH - 2):
            yield f"  {line}", Tone.PLAIN


def _paste(shown: View, language: Language) -> Iterator[str]:
    if shown.paste:
        yield f"{say(shown.paste_into, language)}:"
        yield ""
        yield from (f"    {line}" for line in shown.paste)
        yield ""
    for note in shown.paste_notes:
        yield from _wrapped(say(note, language), WIDTH, "! ")
    if shown.paste:
        yield f"{say(words.THEN_RUN, language)}: {words.RELOAD}"
    elif not shown.paste_notes:
        yield say(words.TRY, language)


def _cell(cell: str | Text, language: Language) -> str:
    return cell if isinstance(cell, str) else say(cell, language)


def columns(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int, *, is_number: bool = False) -> str:
    gap = " " * (width - columns(text))
    return gap + text if is_number else text + gap


def _wrapped(text: str, width: int, bullet: str = "") -> list[str]:
    """Return ``text`` in lines of ``width`` columns; Chinese breaks between any two characters."""
    indent = " " * len(bullet)
    if columns(text) == len(text):
        return textwrap.wrap(
            text,
            width,
            initial_indent=bullet,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [bullet.rstrip()]
    lines, line = [], bullet
    for piece in _pieces(text):
        if columns(line + piece) > width and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str) -> Iterator[str]:
    """Yield words of letters and digits whole, wide characters each with its punctuation."""
    piece = ""
    for c in text:
        is_wide = unicodedata.east_asian_width(c) in "WF"
        is_mark = is_wide and unicodedata.category(c).startswith("P")
        if piece and is_wide and not is_mark:
            yield piece
            piece = ""
        piece += c
        if c == " ":
            yield piece
            piece = ""
    if piece:
        yield piece


# --- JSON -----------------------------------------------------------------------------------------


def as_json(study: Study, shown: View, origin: Origin) -> dict[str, Any]:
    """Return a study for programs. Counts are in all, temperatures in °C, shares from 0 to 1."""
    question = study.question
    then = question.then
    found = let_in(study, then)
    return {
        "source": origin.where,
        "gates": [{"site": site, "gate": gate} for site, gate in sorted(study.lanes)],
        "days": study.days,
        "visits": study.visits,
        "left_out": {"drills": study.drills, "damaged": study.damaged},
        "undated": study.undated,
        "observed": study.observed,
        "other_threshold": study.other_settings,
        "not_judged": {reason.value: count for reason, count in study.not_judged.items()},
        "check": {"same": study.checked.same, "other": study.checked.other},
        "second_readings": study.seconds.count,
        "today": _trial(question.today) | _figures(study, study.now),
        "proposed": None
        if question.proposed is None
        else _trial(question.proposed) | _figures(study, study.then),
        "sweep": [_trial(swept.trial) | _figures(study, swept) for swept in study.sweep],
        "contact": {
            "threshold_c": question.contact_threshold_c,
            "readings": len(study.verified),
            "cases": sum(verified.is_case for verified in study.verified),
        },
        "lets_in": [_verified(case) for case in found.newly],
        "might_let_in": [_verified(case) for case in found.perhaps],
        "lets_in_today_already": [_verified(case) for case in found.by_both],
        "by": {
            by.value: [
                {by.value: key, "visits": pair.now.judged}
                | {
                    name: {
                        "high": tally.high,
                        "high_at_most": tally.most_high,
                        "again": tally.again,
                    }
                    for name, tally in (("today", pair.now), ("proposed", pair.then))
                    if name == "today" or question.proposed is not None
                }
                for key, pair in sorted(study.groups[by].items())
            ]
            for by in By
        },
        "toml": list(shown.paste),
        "notes": [dict(zip(LANGUAGES, note, strict=True)) for note in shown.paste_notes],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    rules = trial.rules
    return {
        "fever_threshold_c": rules.fever_threshold_c,
        "fever_threshold_inclusive": rules.fever_threshold_inclusive,
        "guard_below_c": rules.guard_below_c,
        "guard_above_c": rules.guard_above_c,
        "max_attempts": rules.max_attempts,
        "offset_c": trial.offset_c,
    }


def _figures(study: Study, swept: Swept) -> dict[str, Any]:
    tally = swept.tally
    found = accuracy(study, swept.trial)
    who = let_in(study, swept.trial)
    return {
        "judged": tally.judged,
        "high": tally.high,
        "high_at_most": tally.most_high,
        "high_expected": swept.expected_high,
        "again": tally.again,
        "unknown": tally.unknown,
        "not_judged": tally.not_judged,
        "cases_let_in": who.surely,
        "cases_let_in_at_most": who.at_most,
        "sensitivity": _share(found.sensitivity),
        "specificity": _share(found.specificity),
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "least": share.low,
        "most": share.high,
        "of": share.of,
        "interval": list(share.interval),
    }


def _verified(case: Verified) -> dict[str, Any]:
    site, gate, visit_id = case.key
    return {
        "site": site,
        "gate": gate,
        "visit_id": visit_id,
        "body_c": None if case.body_c is None else round(case.body_c, 3),
        "contact_c": case.contact_c,
    }


__all__: Sequence[str] = ("as_json", "columns", "is_coloured", "screen")
