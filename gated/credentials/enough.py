"""What a certificate must state to be enough here: which dose, test or recovery, for whom, how old.

Pure. A rule is a line of ``certificates.enough`` in the configuration; one that holds is enough.
Everything is in allow-list form: what a certificate does not state is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import assert_never

from gated.credentials.proof import COVID_19, LabTest, Proof, Recovery, Vaccination
from gated.vocabulary import EvidenceKind, HolderCategory, LabTestKind


@dataclass(frozen=True, slots=True)
class Accepted:
    """One rule. Empty sets and None ask for nothing."""

    evidence: EvidenceKind | None  # None: whatever it states, also nothing
    formats: frozenset[str] = frozenset()
    holders: frozenset[HolderCategory] = frozenset()
    from_age_y: int | None = None
    below_age_y: int | None = None
    disease: str = COVID_19
    kinds: frozenset[LabTestKind] = frozenset()
    max_age_h: float | None = None  # of a test, from sampling, inclusive
    is_series_complete: bool = False
    min_doses: int = 0
    products: frozenset[str] = frozenset()
    from_day: int | None = None  # after the dose or the positive test, which is day 0
    to_day: int | None = None  # inclusive


@dataclass(frozen=True, slots=True)
class CertificateRules:
    """What certificates are worth at this gate. By default: nothing."""

    category: HolderCategory = HolderCategory.VISITOR  # what a certificate's holder counts as
    asked_of: frozenset[HolderCategory] = frozenset()  # whose passes must state something, too
    accepted: tuple[Accepted, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stated:
    """One certificate at one moment."""

    proof: Proof
    now: datetime
    today: date


def is_enough(
    proof: Proof, code_format: str, now: datetime, timezone: tzinfo, rules: CertificateRules
) -> bool:
    """Return whether what ``proof`` states is enough at ``now``.

    Args:
        proof: of a code whose signature and validity hold.
        code_format: as on the wire, such as HC1.
        now: aware.
        timezone: of the site: days end at its midnight. Hours are counted from moment to moment.
        rules: what the configuration says.
    """
    if proof.category is not None and proof.category not in rules.asked_of:
        return True
    holder = proof.category or rules.category
    stated = _Stated(proof, now, now.astimezone(timezone).date())
    return any(
        (not rule.formats or code_format in rule.formats)
        and (not rule.holders or holder in rule.holders)
        and _is_of_age(stated, rule)
        and _is_stated(stated, rule)
        for rule in rules.accepted
    )


def _is_of_age(stated: _Stated, rule: Accepted) -> bool:
    """Return whether the holder's age is surely within the rule's. A birth year is a range."""
    if rule.from_age_y is None and rule.below_age_y is None:
        return True
    if stated.proof.born is None:
        return False
    first, last = stated.proof.born
    youngest_y, oldest_y = (_age_y(born, stated.today) for born in (last, first))
    is_old_enough = rule.from_age_y is None or youngest_y >= rule.from_age_y
    is_young_enough = rule.below_age_y is None or oldest_y < rule.below_age_y
    return is_old_enough and is_young_enough


def _age_y(born: date, today: date) -> int:
    """Return the completed years. Born on 29 February, one is older on 1 March of other years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _is_stated(stated: _Stated, rule: Accepted) -> bool:
    about = [s for s in stated.proof.statements if s.disease == rule.disease]
    match rule.evidence:
        case None:
            return True
        case EvidenceKind.VACCINATION:
            return _is_vaccinated([s for s in about if isinstance(s, Vaccination)], stated, rule)
        case EvidenceKind.TEST:
            return any(_is_fresh(s, stated, rule) for s in about if isinstance(s, LabTest))
        case EvidenceKind.RECOVERY:
            return any(_is_recovered(s, stated, rule) for s in about if isinstance(s, Recovery))
        case _ as never:
            assert_never(never)


def _is_vaccinated(doses: Sequence[Vaccination], stated: _Stated, rule: Accepted) -> bool:
    """Return whether the newest dose is late enough in the series, and old and fresh enough."""
    counted = [d for d in doses if not rule.products or d.product in rule.products]
    if not counted:
        return False
    newest = max(counted, key=lambda dose: dose.given_on)
    # A SMART Health Card numbers no doses: it lists them.
    number = newest.dose if newest.dose is not None else len({d.given_on for d in counted})
    is_complete = newest.doses is not None and number >= newest.doses
    return (
        number >= rule.min_doses
        and (is_complete or not rule.is_series_complete)
        and _is_within_days(newest.given_on, stated.today, rule)
    )


def _is_fresh(test: LabTest, stated: _Stated, rule: Accepted) -> bool:
    age = stated.now - test.sampled_at
    return (
        test.is_negative
        and (not rule.kinds or test.kind in rule.kinds)
        and age >= timedelta(0)  # sampled tomorrow: somebody's clock or somebody's pen is wrong
        and (rule.max_age_h is None or age <= timedelta(hours=rule.max_age_h))
    )


def _is_recovered(recovery: Recovery, stated: _Stated, rule: Accepted) -> bool:
    """Return whether the issuer's own dates hold, and the rule's days since the positive test."""
    begins, ends = recovery.valid_from, recovery.valid_until
    if (begins is not None and stated.today < begins) or (ends is not None and ends < stated.today):
        return False
    if recovery.positive_on is None:
        return rule.from_day is None and rule.to_day is None
    return _is_within_days(recovery.positive_on, stated.today, rule)


def _is_within_days(day: date, today: date, rule: Accepted) -> bool:
    days = (today - day).days
    return (rule.from_day or 0) <= days and (rule.to_day is None or days <= rule.to_day)
