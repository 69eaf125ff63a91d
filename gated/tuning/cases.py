"""What contact readings say of a trial: who would have been let in, and how good it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gated.sensors.agreement import MIN_PAIRS, Agreed
from gated.sensors.agreement import agreement as agreement_of
from gated.tuning.shares import Share
from gated.tuning.study import Study, Verified
from gated.tuning.trial import Trial
from gated.vocabulary import Verdict

AIM = 0.05
"""How narrow an interval is wanted: plus or minus five points."""


@dataclass(frozen=True, slots=True)
class LetIn:
    """Cases confirmed by a contact reading, by what a trial would do with them."""

    newly: tuple[Verified, ...]  # today's settings stop them or might; these let them in
    perhaps: tuple[Verified, ...]  # today's stop them; here a second reading decides
    by_both: tuple[Verified, ...]  # today's settings let them in already
    still_perhaps: tuple[Verified, ...] = ()  # a second reading decides; today's are no safer

    @property
    def surely(self) -> int:
        """Return how many cases are let in for certain."""
        return len(self.newly) + len(self.by_both)

    @property
    def at_most(self) -> int:
        """Return how many are let in if every unknown reading was normal."""
        return self.surely + len(self.perhaps) + len(self.still_perhaps)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How well a trial tells cases from others, among those with a contact reading alone."""

    cases: int
    others: int
    sensitivity: Share  # cases that were found high
    specificity: Share  # others that were found normal
    not_judged: int  # with a contact reading, but without a temperature: in neither share


def let_in(study: Study, trial: Trial) -> LetIn:
    """Return which confirmed cases ``trial`` would let in."""
    newly: list[Verified] = []
    perhaps: list[Verified] = []
    by_both: list[Verified] = []
    still_perhaps: list[Verified] = []
    for verified in study.verified:
        if not verified.is_case:
            continue
        now = study.replay(verified, study.question.today).lets_in(study.question.today)
        then = study.replay(verified, trial).lets_in(trial)
        if then and now:
            by_both.append(verified)
        elif then:
            newly.append(verified)
        elif then is None:
            (perhaps if now is False else still_perhaps).append(verified)
    return LetIn(tuple(newly), tuple(perhaps), tuple(by_both), tuple(still_perhaps))


def accuracy(study: Study, trial: Trial) -> Accuracy:
    """Return how well ``trial`` tells cases from others."""
    counts: dict[tuple[bool, Verdict], int] = {}
    for verified in study.verified:
        key = (verified.is_case, study.replay(verified, trial).verdict)
        counts[key] = counts.get(key, 0) + 1

    def count(verdict: Verdict, *, is_case: bool) -> int:
        return counts.get((is_case, verdict), 0)

    def share(verdict: Verdict, *, is_case: bool) -> Share:
        right = count(verdict, is_case=is_case)
        unknown = count(Verdict.RECHECK, is_case=is_case)
        judged = sum(
            count(each, is_case=is_case) for each in (Verdict.HIGH, Verdict.NORMAL, Verdict.RECHECK)
        )
        return Share(right, right + unknown, judged)

    sensitivity = share(Verdict.HIGH, is_case=True)
    specificity = share(Verdict.NORMAL, is_case=False)
    return Accuracy(
        cases=sensitivity.of,
        others=specificity.of,
        sensitivity=sensitivity,
        specificity=specificity,
        not_judged=sum(count(Verdict.NOT_JUDGED, is_case=each) for each in (True, False)),
    )


def agreement(study: Study) -> Agreed | None:
    """Return how contact readings lie to the recorded ones; None for fewer than two pairs."""
    differences_c = [
        verified.contact_c - verified.body_c
        for verified in study.verified
        if verified.body_c is not None
    ]
    return agreement_of(differences_c) if len(differences_c) >= MIN_PAIRS else None
