"""Reads a study from a source: contact readings first, then every visit, one at a time."""

from __future__ import annotations

from typing import Protocol

from gated.contents import Kind
from gated.errors import WireError
from gated.tuning.sources import Period, Source
from gated.tuning.study import Question, Study
from gated.tuning.visits import VisitKey, parse_contact, parse_visit


class Progress(Protocol):
    """Is told how many visits were read; ``is_end`` once, after the last."""

    def __call__(self, visits: int, *, is_end: bool) -> None: ...


def read_study(
    source: Source,
    question: Question,
    period: Period,
    *,
    thermometer: str | None,
    progress: Progress,
) -> Study:
    """Return the finished study of the visits in ``period``. Raises: StorageError."""
    contacts, damaged = _read_contacts(source)
    study = Study(question, contacts, damaged=damaged)
    read = 0
    for body in source.bodies(Kind.VISIT, period):
        read += 1
        progress(read, is_end=False)
        try:
            visit = parse_visit(body)
        except WireError:
            study.damaged += 1
            continue
        if period.has(visit.day) and thermometer in {None, visit.thermometer}:
            study.add(visit)
    progress(read, is_end=True)
    study.finish()
    return study


def _read_contacts(source: Source) -> tuple[dict[VisitKey, float], int]:
    """Return (contact reading in °C by visit, how many releases are damaged).

    Of all days: a release stands after its visit, perhaps on the next one. The warmest counts where
    there are several: whoever was ill once was ill.
    """
    contacts: dict[VisitKey, float] = {}
    damaged = 0
    for body in source.bodies(Kind.RELEASE, Period()):
        try:
            contact = parse_contact(body)
        except WireError:
            damaged += 1
            continue
        if contact is not None and not contact.is_drill:
            known = contacts.get(contact.key, contact.contact_c)
            contacts[contact.key] = max(known, contact.contact_c)
    return contacts, damaged
