"""Judges the study's people by each method and split: what ``benchmarks/temperature.py`` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.study import Camera
from benchmarks.study.fitting import (
    REPEATS,
    Cohort,
    Mask,
    Places,
    Score,
    Values,
    cut_at,
    folds,
    score,
)
from gated.sensors.site import SITES
from gated.vocabulary import Site

SITE_NAMES = {
    Site.FOREHEAD_SPOT: "spot",
    Site.FOREHEAD_MAX: "forehead_max",
    Site.HOTTEST: "hottest",
}
READINGS = (1, 3, 4)
REFERENCE_C = 37.5
REFERENCES_C = (37.3, REFERENCE_C, 38.0)
PRODUCT_CUT_C = 37.3
SPECIFICITY, STRICTER = 0.95, 0.98
COOL_UP_TO_C = 24.0  # half of the people; the study's two files part them there

RAW, FIXED, FIXED_POOLED = "raw", "fixed", "fixed_pooled"
SHIPPED, SHIPPED_CONSTANTS = "shipped", "shipped_constants"

FOLDED, FOLDED_STRICTER = "10-fold x 5", "10-fold x 5 at 98 %"
PRODUCT_CUT, REFERENCE_CUT = "cut 37.3", "cut 37.5"
FOLDED_CUT = f"{FOLDED}, {PRODUCT_CUT}"
COOL_TO_WARM, WARM_TO_COOL = "ambient 20-24 to 24-29", "ambient 24-29 to 20-24"

Learn = Callable[[Places], Values]
"""Gives everybody's value, having learnt from the people at these places."""


@dataclass(frozen=True, slots=True)
class Row:
    camera: str
    site: str
    readings: int
    method: str
    split: str
    reference_c: float
    score: Score

    def as_dict(self) -> dict[str, object]:
        return {
            "camera": self.camera,
            "site": self.site,
            "readings": self.readings,
            "method": self.method,
            "split": self.split,
            "reference_c": self.reference_c,
            "specificity": round(self.score.specificity, 4),
            "sensitivity": round(self.score.sensitivity, 4),
            "fevers": len(self.score.found),
        }


def rows_of(camera: Camera) -> Iterator[Row]:
    for site, name in SITE_NAMES.items():
        cohort = Cohort(camera.people, site)
        for readings in READINGS:
            for method, split, reference_c, found in _scores(cohort, site, readings):
                yield Row(camera.name, name, readings, method, split, reference_c, found)


def _scores(cohort: Cohort, site: Site, readings: int) -> Iterator[tuple[str, str, float, Score]]:
    is_fever = cohort.oral_c >= REFERENCE_C
    mean_c = cohort.mean_skin_c(readings)
    as_shipped_c = cohort.body_c(readings, SITES[site])
    yield RAW, PRODUCT_CUT, REFERENCE_C, score(mean_c >= PRODUCT_CUT_C, is_fever)
    yield RAW, REFERENCE_CUT, REFERENCE_C, score(mean_c >= REFERENCE_C, is_fever)
    as_shipped = score(as_shipped_c >= PRODUCT_CUT_C, is_fever)
    yield SHIPPED_CONSTANTS, PRODUCT_CUT, REFERENCE_C, as_shipped
    methods: dict[str, Learn] = {
        FIXED: lambda _: mean_c,
        FIXED_POOLED: lambda _: cohort.skin_c(readings),
        SHIPPED_CONSTANTS: lambda _: as_shipped_c,
        SHIPPED: lambda others: cohort.body_c(readings, cohort.fit(others, readings)),
    }
    is_cool = cohort.ambient_c <= COOL_UP_TO_C
    cool, warm = np.flatnonzero(is_cool), np.flatnonzero(~is_cool)
    for method, learn in methods.items():
        for reference_c in REFERENCES_C:
            cuts = {FOLDED: _tuned(SPECIFICITY)}
            if reference_c == REFERENCE_C:
                cuts[FOLDED_STRICTER] = _tuned(STRICTER)
                if method == SHIPPED:
                    cuts[FOLDED_CUT] = lambda _values, _is_fever: PRODUCT_CUT_C
            found = cross_validated(learn, cohort.oral_c >= reference_c, cuts)
            for split, each in found.items():
                yield method, split, reference_c, each
        if cool.size and warm.size:
            over = carried_over(learn, is_fever, cool, warm)
            yield method, COOL_TO_WARM, REFERENCE_C, over
            back = carried_over(learn, is_fever, warm, cool)
            yield method, WARM_TO_COOL, REFERENCE_C, back


Cut = Callable[[Values, Mask], float]
"""Gives the cut, having seen these people's values and who of them has fever."""


def _tuned(specificity: float) -> Cut:
    return lambda values, is_fever: cut_at(values, is_fever, specificity)


def cross_validated(learn: Learn, is_fever: Mask, cuts: Mapping[str, Cut]) -> dict[str, Score]:
    """Return the score at each of ``cuts``: values and cut are learnt from the others."""
    hits = {split: np.zeros(len(is_fever)) for split in cuts}
    for others, judged in folds(is_fever):
        values = learn(others)
        for split, cut in cuts.items():
            hits[split][judged] += values[judged] >= cut(values[others], is_fever[others])
    shares = {split: each / REPEATS for split, each in hits.items()}
    return {
        split: Score(float(1 - share[~is_fever].mean()), share[is_fever])
        for split, share in shares.items()
    }


def carried_over(learn: Learn, is_fever: Mask, others: Places, judged: Places) -> Score:
    """Return the score of ``judged`` at the cut that suits ``others``."""
    values = learn(others)
    cut = cut_at(values[others], is_fever[others], SPECIFICITY)
    return score(values[judged] >= cut, is_fever[judged])
