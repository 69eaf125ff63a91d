"""A made-up school in a ledger: visits as the gate's own rule decided them, contact readings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from gated.clock import TimeQuality
from gated.contents import Content, ReleaseContent, VisitContent
from gated.judgement import TemperatureRules, judge_temperature
from gated.messages import Reading
from gated.units import MonoSeconds
from gated.vocabulary import (
    Direction,
    HolderCategory,
    Mode,
    Outcome,
    Prompt,
    Reason,
    ReleaseResult,
    Verdict,
)
from gated.wire import Draft, PersonLink, Stamp, commit_to_holder
from tests.ledger_drafts import open_ledger, stored

SHANGHAI = timezone(timedelta(hours=8))
MONDAY = datetime(2026, 11, 23, 7, 30, tzinfo=SHANGHAI)
HOLDER = "k4:9c41f07be2d85a13"
_AT = MonoSeconds(0.0)
_RUSH_HOURS = (7, 7, 7, 8, 13, 14, 18)


def visit(
    visit_id: str,
    *readings_c: float,
    refusal: Reason | None = None,
    rules: TemperatureRules | None = None,
    **members: object,
) -> VisitContent:
    """Return the record of a visit whose readings came in this order, ``refusal`` after them."""
    rules = rules or TemperatureRules()
    readings = [Reading("child", _AT, value_c) for value_c in readings_c]
    if refusal is not None or not readings:
        readings.append(Reading("child", _AT, None, refusal=refusal or Reason.NO_READING))
    judgement = judge_temperature(readings, rules)
    is_normal = judgement.verdict is Verdict.NORMAL
    values: dict[str, object] = {
        "visit_id": visit_id,
        "direction": Direction.IN,
        "outcome": Outcome.GRANTED if is_normal else Outcome.SEE_STAFF,
        "reason": next(iter(judgement.reasons), None),
        "reasons": judgement.reasons,
        "prompt": Prompt.GO if is_normal else Prompt.WAIT_STAFF,
        "body_c": None if judgement.body_c is None else round(judgement.body_c, 3),
        "ambient_c": 21.5,
        "attempt": len(readings),
        "readings_c": tuple(readings_c),
        "verdict": judgement.verdict,
        "thermometer": "child",
        "threshold_c": rules.fever_threshold_c,
        "threshold_inclusive": rules.fever_threshold_inclusive,
        "holder_category": HolderCategory.STUDENT,
        "holder_group": "g3-2",
    }
    return VisitContent.model_validate(values | members)


def release(visit_id: str, contact_c: float | None, *, threshold_c: float = 37.3) -> ReleaseContent:
    if contact_c is None:
        result = ReleaseResult.OVERRIDE
    else:
        is_high = contact_c >= threshold_c
        result = ReleaseResult.ISOLATED if is_high else ReleaseResult.CLEARED
    return ReleaseContent(visit_id=visit_id, result=result, contact_c=contact_c)


def draft(
    content: Content,
    at: datetime = MONDAY,
    *,
    drill: bool = False,
    mode: Mode = Mode.NORMAL,
    quality: TimeQuality = TimeQuality.TRUSTED,
) -> Draft:
    """Return ``content`` as it is handed to the ledger; a visit with a link to a person."""
    stamp = Stamp(at.isoformat(timespec="milliseconds"), quality, 1, mode, drill, "r-1", "0.1.0")
    if not isinstance(content, VisitContent):
        return Draft(content, stamp)
    link = PersonLink(HOLDER, "c2FsdHNhbHRzYWx0c2FsdA")
    known = content.model_copy(update={"holder_commitment": commit_to_holder(link)})
    return Draft(known, stamp, link=link)


def write_ledger(path: Path, drafts: Iterator[Draft] | list[Draft], *, gate: str = "east-1") -> int:
    """Record ``drafts`` with the ledger's own writer; return how many."""
    ledger = open_ledger(path, gate=gate).ledger
    count = 0
    try:
        waiting: list[Draft] = []
        for one in drafts:
            waiting.append(one)
            if len(waiting) == 64:
                count += len(stored(ledger.append(waiting)))
                waiting = []
        count += len(stored(ledger.append(waiting)))
    finally:
        ledger.close()
    return count


@dataclass
class School:
    """People who come on school days; some of them ill. The same for the same seed."""

    seed: int = 1
    rules: TemperatureRules = field(default_factory=TemperatureRules)
    ill: float = 0.01
    bias_c: float = 0.0  # of the gate's readings, to what people have

    def drafts(self, visits: int, days: int) -> Iterator[Draft]:
        rng = random.Random(self.seed)
        for n in range(visits):
            day = n * days // visits
            hour = rng.choice(_RUSH_HOURS)
            at = MONDAY + timedelta(days=day)
            at = at.replace(hour=hour, minute=rng.randrange(60), second=rng.randrange(60))
            yield from self._visit(f"{n:012x}", at, rng)

    def _visit(self, visit_id: str, at: datetime, rng: random.Random) -> Iterator[Draft]:
        is_ill = rng.random() < self.ill
        has_c = rng.uniform(37.4, 39.2) if is_ill else rng.gauss(36.6, 0.22)
        ambient_c = round(rng.gauss(16 + 0.5 * at.hour, 1.8), 3)
        error_c = rng.gauss(self.bias_c + 0.03 * (22 - ambient_c), 0.28)
        thermometer = rng.choice(("child", "child", "adult"))
        if rng.random() < 0.02:
            refused = visit(visit_id, refusal=Reason.COLD_FACE)
            yield draft(_before(refused, thermometer, ambient_c), at)
            return
        readings_c: list[float] = []
        content = visit(visit_id)
        while not readings_c or content.verdict == Verdict.RECHECK:
            readings_c.append(round(has_c + error_c + rng.gauss(0, 0.08), 3))
            content = visit(visit_id, *readings_c, rules=self.rules)
        yield draft(_before(content, thermometer, ambient_c), at)
        if content.verdict == Verdict.HIGH and rng.random() < 0.9:
            contact_c = round(has_c + rng.gauss(0, 0.1), 1)
            yield draft(release(visit_id, contact_c), at + timedelta(minutes=4))


def _before(content: VisitContent, thermometer: str, ambient_c: float) -> VisitContent:
    return content.model_copy(update={"thermometer": thermometer, "ambient_c": ambient_c})
