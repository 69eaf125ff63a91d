"""The tables of a study: for the terminal and the page alike. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gated.tuning import words
from gated.tuning.cases import AIM, Accuracy, LetIn, accuracy, agreement, let_in
from gated.tuning.shares import Share
from gated.tuning.study import AMBIENT_BAND_C, By, Pair, Study, Tally, is_in_table
from gated.tuning.words import Text, counted, filled

FEW = 1.0
"""Below this a figure gets a second decimal."""
ENOUGH_FOR_PERCENT = 20


class Tone(enum.StrEnum):
    """How a row or a line is told apart; a word in it says the same."""

    PLAIN = ""
    TODAY = "today"
    PROPOSED = "proposed"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Row:
    cells: tuple[str | Text, ...]
    tone: Tone = Tone.PLAIN
    mark: Text = ("", "")  # what the tone means, in words


@dataclass(frozen=True, slots=True)
class Table:
    name: str  # of the plot that belongs to it, if there is one
    title: Text
    heads: tuple[str | Text, ...]
    rows: tuple[Row, ...]
    notes: tuple[Text, ...] = ()


# --- tables ---------------------------------------------------------------------------------------


def tables_of(study: Study) -> Iterator[Table]:
    yield _per_day(study)
    yield _sweep(study)
    yield from _contacts(study)
    for by, title, head in (
        (By.HOUR, words.HOUR_TITLE, words.HOUR),
        (By.AMBIENT, words.AMBIENT_TITLE, words.AMBIENT),
        (By.THERMOMETER, words.THERMOMETER_TITLE, words.THERMOMETER),
        (By.DAY, words.DAY_TITLE, words.DAY),
    ):
        if study.groups[by]:
            yield _grouped(study, by, title, head)


def _per_day(study: Study) -> Table:
    now, then, days = study.now, study.then, study.days
    has_proposal = study.question.proposed is not None
    rows = []
    for title, low, high, has_estimate in (
        (words.STOPPED, "high", "most_high", True),
        (words.AGAIN, "again", "again", False),
        (words.NOT_JUDGED, "not_judged", "not_judged", False),
    ):
        pairs = [(getattr(s.shown, low), getattr(s.shown, high)) for s in (now, then)]
        expected = [swept.expected_high if has_estimate else None for swept in (now, then)]
        cells: list[str | Text] = [title, _amount(*pairs[0], expected[0], days)]
        if has_proposal:
            change = _difference(pairs[0], pairs[1], days)
            cells += [_amount(*pairs[1], expected[1], days), change]
        rows.append(Row(tuple(cells)))
    heads: list[str | Text] = ["", words.TODAY]
    if has_proposal:
        heads += [words.PROPOSED, words.CHANGE]
    title = words.PER_DAY if days else words.IN_ALL
    return Table("per_day", title, tuple(heads), tuple(rows))


def _sweep(study: Study) -> Table:
    today, then = study.question.today, study.question.then
    heads: list[str | Text] = [words.THRESHOLD, words.STOPPED, words.AGAIN]
    has_contacts = bool(study.verified)
    if has_contacts:
        heads += [words.CASES_LET_IN, words.SENSITIVITY, words.SPECIFICITY]
    rows = []
    for swept in study.sweep:
        trial = swept.trial
        if not is_in_table(trial, today, then):
            continue
        tally = swept.shown
        cells: list[str | Text] = [
            f"{words.degrees(trial.rules.fever_threshold_c)} °C",
            _amount(tally.high, tally.most_high, swept.expected_high, study.days),
            _amount(tally.again, tally.again, None, study.days),
        ]
        tone, mark = Tone.PLAIN, ("", "")
        if trial == study.question.proposed:
            tone, mark = Tone.PROPOSED, ("← 改后", "← proposed")
        if trial == today:
            tone, mark = Tone.TODAY, ("← 现在", "← today")
        if has_contacts:
            found = accuracy(study, trial)
            who = let_in(study, trial)
            cells += [
                _let_in_cell(who, found.cases),
                _short(found.sensitivity),
                _short(found.specificity),
            ]
            if who.surely:
                warning = ("放行确认发热", "lets a confirmed case in")
                tone, mark = Tone.DANGER, _joined(mark, warning)
            elif who.perhaps:
                warning = ("可能放行确认发热", "might let a confirmed case in")
                tone, mark = Tone.DANGER, _joined(mark, warning)
        rows.append(Row(tuple(cells), tone, mark))
    unit: Text = ("，每天", ", a day") if study.days else ("，合计", ", in all")
    is_other = today != then.at_threshold(today.rules.fever_threshold_c)
    rest = words.AS_PROPOSED if is_other else ("", "")
    title = (words.SWEEP_TITLE[0] + unit[0] + rest[0], words.SWEEP_TITLE[1] + unit[1] + rest[1])
    return Table("sweep", title, tuple(heads), tuple(rows))


def _joined(mark: Text, warning: Text) -> Text:
    zh, en = (f"! {text}" for text in warning)
    return (f"{mark[0]}  {zh}".strip(), f"{mark[1]}  {en}".strip())


def _let_in_cell(who: LetIn, cases: int) -> str:
    most = "" if who.at_most == who.surely else f"–{who.at_most}"
    return f"{who.surely}{most}/{cases}"


def _contacts(study: Study) -> Iterator[Table]:
    if not study.verified:
        yield Table("contact", words.CONTACT_TITLE, (), (), (words.NO_CONTACTS,))
        return
    question = study.question
    trials = [question.today] + ([question.proposed] if question.proposed else [])
    found = [accuracy(study, trial) for trial in trials]
    heads: list[str | Text] = [("", ""), words.TODAY]
    heads += [words.PROPOSED, words.MORE_NEEDED] if question.proposed else [words.MORE_NEEDED]
    rows = tuple(
        Row((name, *(_fraction(share) for share in shares), f"{shares[0].more_for(AIM)}"))
        for name, shares in (
            (words.SENSITIVITY, [each.sensitivity for each in found]),
            (words.SPECIFICITY, [each.specificity for each in found]),
        )
    )
    yield Table("contact", words.CONTACT_TITLE, tuple(heads), rows, _contact_notes(study, found[0]))


def _contact_notes(study: Study, found: Accuracy) -> tuple[Text, ...]:
    count = len(study.verified)
    cases = sum(verified.is_case for verified in study.verified)
    zh = f"接触测温 {count} 人次：确认发热 {cases}，其余 {count - cases}"
    en = f"{counted(count, 'contact reading')}: {counted(cases, 'confirmed case')}"
    en += f", {counted(count - cases, 'other')}"
    if found.not_judged:
        zh += f"；其中 {found.not_judged} 人次闸机没有体温"
        en += f"; {found.not_judged} of them without a temperature at the gate"
    notes = [(zh, en), filled(words.CONTACT_HELP, limit=study.question.contact_threshold_c)]
    apart = agreement(study)
    if apart is not None:
        notes.append(words.agreement(apart))
    notes.append(filled(words.BIAS, n=count))
    return tuple(notes)


def _grouped(study: Study, by: By, title: Text, head: Text) -> Table:
    has_proposal = study.question.proposed is not None
    rows = tuple(
        Row((_label(by, key), f"{pair.now.judged}", *_group_cells(pair, has_proposal=has_proposal)))
        for key, pair in sorted(study.groups[by].items())
    )
    return Table(by.value, title, (head, words.VISITS, words.STOPPED, words.AGAIN), rows)


def _label(by: By, key: str | int) -> str:
    if by is By.HOUR:
        return f"{key:02d}:00"
    return f"{key} … {int(key) + AMBIENT_BAND_C}" if by is By.AMBIENT else str(key)


def _group_cells(pair: Pair, *, has_proposal: bool) -> Iterator[str]:
    tallies: Sequence[Tally] = (pair.now, pair.then) if has_proposal else (pair.now,)
    yield " → ".join(_amount(tally.high, tally.most_high, None, 0) for tally in tallies)
    yield " → ".join(str(tally.again) for tally in tallies)


# --- numbers --------------------------------------------------------------------------------------


def _amount(low: int, high: int, expected: float | None, days: int) -> str:
    """Return a figure for a day (``days`` 0: in all), as a range where it is not known."""
    text = _number(low, days)
    if high > low:
        text += f"–{_number(high, days)}"
        if expected is not None:
            text += f" (≈ {_number(expected, days)})"
    return text


def _number(count: float, days: int) -> str:
    if not days:
        return f"{count:.0f}"
    value = count / days
    return f"{value:.2f}" if 0 < value < FEW else f"{value:.1f}"


def _difference(now: tuple[int, int], then: tuple[int, int], days: int) -> str:
    low, high = then[0] - now[1], then[1] - now[0]
    text = _signed(low, days)
    return text if low == high else f"{text} … {_signed(high, days)}"


def _signed(count: int, days: int) -> str:
    sign = "−" if count < 0 else "+" if count > 0 else "±"
    return f"{sign}{_number(abs(count), days)}"


def _percent(share: Share) -> str:
    if not share.of:
        return "–"
    low, high = (round(100 * bound) for bound in share.bounds)
    return f"{low} %" if low == high else f"{low}–{high} %"


def _short(share: Share) -> str:
    """Return a share for a narrow column: of a few, per cent would say too much."""
    if share.of >= ENOUGH_FOR_PERCENT or not share.of:
        return _percent(share)
    least = f"{share.low}" if share.low == share.high else f"{share.low}–{share.high}"
    return f"{least}/{share.of}"


def _fraction(share: Share) -> str | Text:
    if not share.of:
        return "没有", "none"
    right = f"{share.low}" if share.low == share.high else f"{share.low}–{share.high}"
    low, high = (round(100 * bound) for bound in share.interval)
    return f"{right}/{share.of}: {_percent(share)} ({low}–{high} %)"
