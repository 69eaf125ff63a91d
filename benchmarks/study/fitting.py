"""Fits the site's constants on some people of the study, and judges others with them.

Every temperature goes through the product's own ``body_c`` and ``together_c``; only constants and
thresholds are found here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.study import ROUNDS, Person
from gated.judgement import together_c
from gated.sensors.site import SiteOffset, body_c
from gated.tuning.shares import wilson
from gated.vocabulary import Site

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

FOLDS, REPEATS = 10, 5
RESAMPLES = 2_000
SURE = 0.95  # of every interval


class Cohort:
    """One camera's people at one site."""

    def __init__(self, people: Sequence[Person], site: Site) -> None:
        self.oral_c: Values = np.array([person.oral_c for person in people])
        self.ambient_c: Values = np.array([person.ambient_c for person in people])
        self._readings_c = {
            n: [person.readings_c(site, n) for person in people] for n in range(1, ROUNDS + 1)
        }
        self._skin_c = {
            n: np.array([together_c(each) for each in readings_c])
            for n, readings_c in self._readings_c.items()
        }

    def skin_c(self, readings: int) -> Values:
        """Return everybody's skin, several readings taken together as the product does."""
        return self._skin_c[readings]

    def mean_skin_c(self, readings: int) -> Values:
        """Return the mean of everybody's readings."""
        return np.array([math.fsum(each) / len(each) for each in self._readings_c[readings]])

    def body_c(self, readings: int, site: SiteOffset) -> Values:
        """Return everybody's body temperature, each by the product's own functions."""
        of_each = zip(self._readings_c[readings], self.ambient_c.tolist(), strict=True)
        return np.array(
            [
                together_c([body_c(skin_c, air_c, site) for skin_c in skins_c])
                for skins_c, air_c in of_each
            ]
        )

    def fit(self, of: Places | None = None, readings: int = 1) -> SiteOffset:
        """Return what fits the people at the places ``of`` (everybody, if left out).

        ``b``: least squares on the first readings, slope 1 in the skin, as it ships: rounded to 3
        places. ``a``: so that ``readings`` taken together have the oral mean, which is what a
        calibration with contact readings gives; they are warmer than the first alone.
        """
        of = np.arange(len(self.oral_c)) if of is None else of
        air_c, gap_c = self.ambient_c[of], (self.oral_c - self.skin_c(1))[of]
        away_c = air_c - air_c.mean()
        b = round(float(-(away_c @ gap_c) / (away_c @ away_c)), 3)
        above_c = (self.oral_c - self.skin_c(readings) + b * self.ambient_c)[of]
        return SiteOffset(float(above_c.mean()), b)


def rounded(site: SiteOffset) -> SiteOffset:
    """Return it as written down: ``a`` to 0.01 °C."""
    return SiteOffset(round(site.a_c, 2), site.b)


@dataclass(frozen=True, slots=True)
class Score:
    """How a rule did. ``found`` has, for each person with fever, in which share of runs."""

    specificity: float
    found: Values

    @property
    def sensitivity(self) -> float:
        return float(self.found.mean())

    def interval(self) -> tuple[float, float]:
        """Return Wilson's interval of the sensitivity."""
        return wilson(self.sensitivity * len(self.found), len(self.found))

    def gain_over(self, other: Score) -> tuple[float, float, float]:
        """Return by how much the sensitivity is higher than ``other``'s, and its interval.

        Paired: the same people with fever are drawn again and again for both.
        """
        gains = self.found - other.found
        rng = np.random.default_rng(0)
        drawn = gains[rng.integers(0, len(gains), (RESAMPLES, len(gains)))].mean(axis=1)
        low, high = np.quantile(drawn, [(1 - SURE) / 2, (1 + SURE) / 2])
        return float(gains.mean()), float(low), float(high)


def score(is_positive: Mask, is_fever: Mask) -> Score:
    """Return the score of one verdict on each person."""
    return Score(float(1 - is_positive[~is_fever].mean()), is_positive[is_fever].astype(float))


def cut_at(values: Values, is_fever: Mask, specificity: float) -> float:
    """Return the cut that so large a share of the people without fever stays below."""
    # strictly above the quantile: files with two decimals have many equal values
    return float(np.nextafter(np.quantile(values[~is_fever], specificity), np.inf))


def folds(is_fever: Mask) -> Iterator[tuple[Places, Places]]:
    """Give (who to learn from, who to judge), five times all; as many with fever in every tenth."""
    for repeat in range(REPEATS):
        rng = np.random.default_rng(repeat)
        fold = np.empty(len(is_fever), np.intp)
        for kind in (False, True):
            shuffled = rng.permutation(np.flatnonzero(is_fever == kind))
            fold[shuffled] = np.arange(len(shuffled)) % FOLDS
        for k in range(FOLDS):
            yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)
