"""What a study shows, as facts, warnings, tables and notes: for the terminal and the page alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gated.texts import REASONS
from gated.tuning import words
from gated.tuning.cases import LetIn, let_in
from gated.tuning.study import By, Study
from gated.tuning.tables import Table, tables_of
from gated.tuning.trial import changed_lines, out_of_bounds
from gated.tuning.words import Text, counted, filled
from gated.vocabulary import Check, Reason


@dataclass(frozen=True, slots=True)
class Origin:
    """Where today's settings and the visits come from."""

    where: str  # the file of the visits
    offset_a_c: float | None  # today's a in body = skin + a - b x ambient
    has_config: bool
    check_temperature: Check = Check.HARD
    config_file: str = ""


@dataclass(frozen=True, slots=True)
class Danger:
    """A warning in red, and whom it is about: visit, gate's and contact temperature in °C."""

    text: Text
    cases: tuple[tuple[str, str, str], ...]  # the first of them
    more: int = 0  # and so many that are not named


@dataclass(frozen=True, slots=True)
class View:
    title: Text
    facts: tuple[tuple[Text, Text], ...]
    dangers: tuple[Danger, ...]
    safe: Text | None
    tables: tuple[Table, ...]
    notes: tuple[Text, ...]
    paste_into: Text
    paste: tuple[str, ...]  # TOML lines, or none
    paste_notes: tuple[Text, ...]
    is_refused: bool  # the change would let a confirmed case in


def view(study: Study, origin: Origin) -> View:
    """Return everything that is to be shown of a finished study."""
    then = study.question.then
    found = let_in(study, then)
    has_case = any(verified.is_case for verified in study.verified)
    is_safe = (
        study.question.proposed not in {None, study.question.today}
        and has_case
        and not any((found.newly, found.perhaps, found.by_both, found.still_perhaps))
    )
    cases = sum(verified.is_case for verified in study.verified)
    lines = paste_lines(study, origin)
    return View(
        title=words.TITLE,
        facts=tuple(_facts(study, origin)),
        dangers=tuple(_dangers(study, found)),
        safe=filled(words.SAFE, cases=cases) if is_safe else None,
        tables=tuple(tables_of(study)),
        notes=tuple(_notes(study, origin)),
        paste_into=(
            filled(words.PASTE_INTO, file=origin.config_file) if origin.config_file else words.PASTE
        ),
        paste=lines,
        paste_notes=tuple(_paste_notes(study, origin, is_safe=not (found.newly or found.perhaps))),
        is_refused=bool(found.newly),
    )


# --- facts, warnings, notes -----------------------------------------------------------------------


def _facts(study: Study, origin: Origin) -> Iterator[tuple[Text, Text]]:
    days = sorted(str(day) for day in study.groups[By.DAY])
    lanes = ", ".join(f"{site}/{gate}" for site, gate in sorted(study.lanes))
    zh = f"{lanes}：{study.visits} 人次，{study.days} 天"
    en = f"{lanes}: {counted(study.visits, 'visit')} on {counted(study.days, 'day')}"
    if days:
        span = days[0] if len(days) == 1 else f"{days[0]} … {days[-1]}"
        zh, en = f"{zh}（{span}）", f"{en} ({span})"
    if study.drills:
        zh += f"；演练 {study.drills} 人次未计"
        en += f"; {counted(study.drills, 'drill')} left out"
    yield words.READ, (f"{zh}；{origin.where}", f"{en}; {origin.where}")
    judged = study.now.tally.judged
    zh, en = f"{judged} 人次有体温", f"{counted(judged, 'visit')} with a temperature"
    if study.not_judged:
        left = study.not_judged.total()
        zh += f"；{left} 人次当时无法判断，照旧：{_reasons(study, 0)}"
        en += f"; {left:,} could not be judged then and stay so: {_reasons(study, 1)}"
    yield words.JUDGED, (zh, en)
    yield words.TODAY, words.settings(study.question.today)
    if study.question.proposed is not None:
        yield words.PROPOSED, words.settings(study.question.proposed)
    yield words.CHECK, _check(study)


def _reasons(study: Study, language: int) -> str:
    most = sorted(study.not_judged.items(), key=lambda item: (-item[1], item[0]))
    separator = "、" if language == 0 else ", "
    return separator.join(f"{REASONS[reason][language]} ({count})" for reason, count in most)


def _check(study: Study) -> Text:
    same, other = study.checked.same, study.checked.other
    zh = f"规则重算与记录相符：{same}/{same + other} 人次"
    en = f"judged again, {same:,} of {same + other:,} visits get the verdict that was recorded"
    if other:
        names = ", ".join(study.checked.examples)
        zh += f"；不符的当时可能用了别的复测设置（如 {names}）"
        en += f"; the others may have had another guard band or number of readings (as {names})"
    return zh, en


def _dangers(study: Study, found: LetIn) -> Iterator[Danger]:
    is_one = len(study.lanes) <= 1
    for sentence, cases in (
        (words.would_let_in, found.newly),
        (words.might_let_in, found.perhaps),
        (words.lets_in_already, found.by_both),
    ):
        if cases:
            named = tuple(words.case(each, is_one_gate=is_one) for each in cases[: words.NAMED])
            yield Danger(sentence(len(cases)), named, len(cases) - len(named))


def _notes(study: Study, origin: Origin) -> Iterator[Text]:
    if not origin.has_config:
        yield words.NO_CONFIG
    if len(study.lanes) > 1:
        names = ", ".join(f"{site}/{gate}" for site, gate in sorted(study.lanes))
        yield filled(words.SEVERAL_GATES, n=len(study.lanes), names=names)
    if origin.check_temperature is not Check.HARD:
        yield filled(words.NOT_HARD, value=origin.check_temperature.value)
    unknown = max(swept.tally.unknown for swept in (*study.sweep, study.now, study.then))
    if unknown:
        shown = study.then.tally.unknown
        yield filled(words.UNKNOWN, n=shown) if shown else words.UNKNOWN_IN_SWEEP
        enough, pairs = study.seconds.ENOUGH, study.seconds.count
        if study.seconds.are_enough:
            yield filled(words.ESTIMATE, n=pairs)
        else:
            yield filled(words.NO_ESTIMATE, n=pairs, enough=enough)
    for text, count in (
        (words.OTHER_SETTINGS, study.other_settings),
        (words.OBSERVED, study.observed),
        (words.UNDATED, study.undated),
        (words.DAMAGED, study.damaged),
        (words.COLD_FACES, study.not_judged[Reason.COLD_FACE] * bool(study.then.trial.offset_c)),
    ):
        if count:
            yield filled(text, n=count)
    yield words.NOT_A_DIAGNOSIS


# --- what to paste --------------------------------------------------------------------------------


def paste_lines(study: Study, origin: Origin) -> tuple[str, ...]:
    """Return the lines for the configuration; none if nothing changes or it would be refused."""
    today, then = study.question.today, study.question.then
    if out_of_bounds(today, then, origin.offset_a_c):
        return ()
    lines = tuple(changed_lines(today, then, origin.offset_a_c))
    return ("[temperature]", *lines) if lines else ()


def _paste_notes(study: Study, origin: Origin, *, is_safe: bool) -> Iterator[Text]:
    today, then = study.question.today, study.question.then
    if not is_safe:
        yield words.NOT_SAFE
    for bad in out_of_bounds(today, then, origin.offset_a_c):
        yield filled(words.OUT_OF_BOUNDS, key=bad.key, value=bad.value, allowed=bad.allowed)
    if then.offset_c:
        if origin.offset_a_c is not None:
            yield filled(words.OFFSET_LINE, a=origin.offset_a_c, offset=then.offset_c)
        elif origin.has_config:
            yield filled(words.OFFSET_BY_CALIBRATION, offset=then.offset_c)
        else:
            yield filled(words.OFFSET_WITHOUT_CONFIG, offset=then.offset_c)
    if study.question.proposed == today:
        yield words.UNCHANGED
