"""How far a plateau is from the true forehead, for each optics and distance, and how soon it comes.

    python benchmarks/accuracy.py [--json] [--passes N] [--seed S] [--reference FILE]

Each pass is one person who walks up, stands for 2 to 4 s and goes, before the product's own driver,
the chip's model at register level, sampling with a distance sensor, and the corrections for supply,
emissivity and the specimen's own calibration. People stop within a quarter of the distance named,
so that some stop where the optics do not fit: they must get no number, but "come closer".

Beside it, on the same samples: the first one above the background, the hottest, the mean, and the
hottest 0.8 s window (three points of a slow chip) of the whole pass, which only hindsight has.

Marks, where the optics fit (the person stops within reach of 95 % of the signal): |bias| at most
0.05 °C, spread at most 0.10 °C, and 95 % of the answers within 1.2 s of standing still within
reach; 2.5 s for DCI and DCH, whose bus must stay quiet for 0.65 s between reads. Where the optics
do not fit: no number from beyond the reach.

With ``--reference FILE`` sampling is also fed the passes of another simulator: ``FILE`` must have
``one_pass(rng, fov, noise, tau, t_fh, t_amb, d_stop, dwell)``, which returns times, samples at
10 Hz and distances in mm.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.approaches import (
    AIR_C,
    DWELL_S,
    SPOTS,
    STOP_SPREAD,
    Bench,
    Case,
    Pass,
    cases,
)
from benchmarks.figures import print_figures, surroundings
from gated.optics import reach_m
from gated.sensors.compensation import CompensationRules, skin_c
from gated.sensors.port import DistanceSample, TemperatureSample
from gated.sensors.sampling import Plateau, Sampling, SamplingRules
from gated.simulation.chips.mlx90614 import TAU_S
from gated.units import MonoSeconds

MARK_BIAS_C, MARK_SPREAD_C = 0.05, 0.10
MARK_ANSWER_S, MARK_QUIET_BUS_S = 1.2, 2.5
QUIET_BUS_S = 0.65
MOST_UNANSWERED = 0.25
"""Of those where the optics fit: who sways out of reach or goes after 2 s has no still moment."""
FEW = 20
"""Fewer people than this are no sample."""
REFERENCE_HZ = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """All passes of one case."""

    passes: int
    fit_share: float
    bias_c: float | None
    spread_c: float | None
    coldest_c: float | None  # the worst of all answers
    unanswered_share: float | None  # of those who stop within reach
    answer_s: float | None  # mean, since they stand still
    answer_95_s: float | None
    within_reach_95_s: float | None  # since they stand still within reach
    told_share: float | None  # of those who stop beyond it: "come closer"
    numbers_from_beyond: int
    others: dict[str, tuple[float, float]]
    limit_s: float

    @classmethod
    def of(cls, passes: Sequence[Pass], *, settle_s: float) -> Row:
        fit = [one for one in passes if one.is_fit]
        unfit = [one for one in passes if not one.is_fit]
        answered = [one for one in fit if one.error_c is not None]
        errors_c = [one.error_c for one in answered if one.error_c is not None]
        names = sorted({name for one in passes for name in one.others})
        shown = fit or unfit
        return cls(
            passes=len(passes),
            fit_share=len(fit) / len(passes),
            bias_c=statistics.fmean(errors_c) if errors_c else None,
            spread_c=statistics.pstdev(errors_c) if errors_c else None,
            coldest_c=min(errors_c, default=None),
            unanswered_share=1 - len(answered) / len(fit) if fit else None,
            answer_s=statistics.fmean(one.waited_s for one in answered) if answered else None,
            answer_95_s=_at_95([one.waited_s for one in answered]),
            within_reach_95_s=_at_95([one.waited_within_reach_s for one in answered]),
            told_share=sum(one.was_told for one in unfit) / len(unfit) if unfit else None,
            numbers_from_beyond=sum(one.is_from_beyond for one in passes),
            others={
                name: _mean_and_sd([one.others[name] for one in shown if name in one.others])
                for name in names
            },
            limit_s=MARK_QUIET_BUS_S if settle_s >= QUIET_BUS_S else MARK_ANSWER_S,
        )

    @property
    def holds(self) -> bool:
        """Whether the marks are met, as far as they apply."""
        if self.numbers_from_beyond:
            return False
        if self.unanswered_share is None or self.fit_share * self.passes < FEW:
            return True  # chance alone would fail them
        if self.bias_c is None or self.spread_c is None or self.within_reach_95_s is None:
            return False  # nobody got an answer
        if self.unanswered_share > MOST_UNANSWERED:
            return False
        is_exact = abs(self.bias_c) <= MARK_BIAS_C and self.spread_c <= MARK_SPREAD_C
        return is_exact and self.within_reach_95_s <= self.limit_s

    def __str__(self) -> str:
        parts = [f"{'holds' if self.holds else 'FAILS'}: fits {self.fit_share:4.0%}"]
        if self.bias_c is not None:
            parts.append(
                f"{self.bias_c:+.3f}/{self.spread_c:.3f} °C (coldest {self.coldest_c:+.2f})"
            )
            parts.append(
                f"after {self.answer_s:.2f} s, 95 % {self.answer_95_s:.2f} s "
                f"({self.within_reach_95_s:.2f} within reach)"
            )
        if self.unanswered_share is not None:
            parts.append(f"{self.unanswered_share:.0%} unanswered")
        if self.told_share is not None:
            parts.append(f"beyond: {self.told_share:.0%} told, {self.numbers_from_beyond} numbers")
        return "; ".join(parts)

    def compared(self) -> str:
        """Return what other ways to one number give."""
        return ", ".join(f"{name} {m:+.2f}/{sd:.2f}" for name, (m, sd) in self.others.items())

    def as_dict(self) -> dict[str, object]:
        rounded = {
            name: round(value, 4) if isinstance(value, float) else value
            for name in self.__slots__
            if name != "others"
            for value in (getattr(self, name),)
        }
        others = {name: [round(v, 3) for v in both] for name, both in self.others.items()}
        return {**rounded, "others": others, "holds": self.holds}


def _at_95(values: Sequence[float]) -> float | None:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1] if values else None


def _mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.pstdev(values)


def measure(case: Case, passes: int, seed: int) -> Row:
    """Return the figures of ``passes`` seeded passes."""
    settle_s = Bench(case, 0).device.traits.settle_s
    done = [Bench(case, 100_000 * seed + n).run() for n in range(passes)]
    return Row.of(done, settle_s=settle_s)


def measure_reference(file: Path, case: Case, passes: int, seed: int) -> str:
    """Return bias and spread of sampling on the passes of another simulator."""
    spec = importlib.util.spec_from_file_location("reference_simulator", file)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{file} is no Python file")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    traits = Bench(case, 0).device.traits
    tau_s = TAU_S[case.options["variant"][2]]
    every = max(1, math.ceil(traits.settle_s * REFERENCE_HZ))
    rng, errors_c, refused = np.random.default_rng(seed), [], 0
    for _ in range(passes):
        true_c = rng.normal(34.5, 0.6)
        stop_m = float(np.clip(rng.normal(case.stop_m, STOP_SPREAD * case.stop_m), 0.02, 1.2))
        times_s, shown_c, away_mm = reference.one_pass(
            rng, traits.fov_deg, traits.noise_c, tau_s, true_c, AIR_C, stop_m, rng.uniform(*DWELL_S)
        )
        if stop_m > reach_m(traits.fov_deg):
            continue
        sampling = Sampling("bench", SamplingRules.for_traits(traits))
        found = None
        for at_s, object_c, mm in zip(
            times_s[::every], shown_c[::every], away_mm[::every], strict=True
        ):
            at = MonoSeconds(1_000.0 + float(at_s))
            sample = TemperatureSample(float(object_c), AIR_C, at)
            distance = DistanceSample(float(mm) / 1_000, at)
            findings = sampling.feed(sample, distance)
            found = found or next((f for f in findings if isinstance(f, Plateau)), None)
        if found is None:
            refused += 1
        else:
            skin = skin_c(found.object_c, AIR_C, 0.0, CompensationRules())
            errors_c.append(skin - true_c)
    if not errors_c:
        return "never fits"
    mean_c, sd_c = _mean_and_sd(errors_c)
    return f"{mean_c:+.3f}/{sd_c:.3f} °C, unanswered {refused / (refused + len(errors_c)):.0%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--passes", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reference", type=Path, help="another simulator's file")
    args = parser.parse_args()
    rows: dict[str, object] = {}
    all_hold = True
    for case in cases():
        passes = max(1, round(case.share_of_passes * args.passes))
        row = measure(case, passes, args.seed)
        all_hold &= row.holds
        rows[case.name] = row.as_dict() if args.json else row
        if not args.json:
            rows[f"  compared, {case.name}"] = row.compared()
    if args.reference is not None:
        for case in SPOTS:
            if not case.is_whole_day:
                shown = measure_reference(args.reference, case, args.passes, args.seed)
                rows[f"reference, {case.name}"] = shown
    rows["accuracy.marks_hold"] = all_hold
    beside = f"{args.passes} passes each, half of it for arrays, seed {args.seed}, simulated time"
    print_figures(rows, surroundings(beside), as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
