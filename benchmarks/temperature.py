"""How well the shipped way from skin to body finds fever, on a study of about 1,000 people.

    python benchmarks/temperature.py --data DIR [--json]

DIR holds the study's files, CAMERA_group*.csv (PhysioNet face-oral-temp-data 1.0.0). Fever is an
oral temperature (the monitor's) at or above the reference. Each camera is judged for itself, at
three sites of the face, by the first reading, by three and by four together. Forehead and eye
corners only: the mouth, open in round 4, is in none of them.

Methods: ``fixed`` is the mean skin reading against a threshold; ``fixed_pooled`` the same with
several readings taken together as the product does; ``raw`` skin against a body's threshold;
``shipped`` the product's estimate, its constants fitted anew on people who are not judged;
``shipped_constants`` the product's estimate as it ships, fitted on first readings. Its constants
come from the FLIR camera: only another camera's data are new to them, and there the people are the
same.

Splits: ``10-fold x 5`` takes threshold (at a specificity of 95 %, or as named) and constants from
nine tenths of the people and judges the others, five times over; ``cut 37.3`` judges at that
temperature; ``ambient A to B`` takes threshold (95 %) and constants from people in air of A °C and
judges those in B.

Marks: beside the figures. ``--json`` prints every row.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.study import Camera, NotTheStudy, load_study
from benchmarks.study.fitting import SURE, Cohort, Score, rounded
from benchmarks.study.rows import (
    COOL_TO_WARM,
    FIXED,
    FIXED_POOLED,
    FOLDED,
    FOLDED_CUT,
    FOLDED_STRICTER,
    PRODUCT_CUT,
    PRODUCT_CUT_C,
    RAW,
    READINGS,
    REFERENCE_C,
    SHIPPED,
    SHIPPED_CONSTANTS,
    SITE_NAMES,
    SPECIFICITY,
    STRICTER,
    WARM_TO_COOL,
    Row,
    rows_of,
)
from gated.sensors.site import SITES


@dataclass(frozen=True, slots=True)
class Mark:
    sensitivity: float
    specificity: float | None = None  # None: it is tuned to one

    def verdict(self, found: Score) -> str:
        """Return by how many people the sensitivity is above the mark or below, and the rest."""
        people = round((found.sensitivity - self.sensitivity) * len(found.found), 1)
        text = (
            f"{self.sensitivity:.2f} {_met(people)} by {abs(people)} of {len(found.found)} people"
        )
        low, high = found.interval()
        text += " (chance)" if low < self.sensitivity < high else ""
        if self.specificity is not None:
            spare = found.specificity - self.specificity
            text += f", {self.specificity:.2f} {_met(spare)} by {abs(spare):.3f}"
        return text


def _met(spare: float) -> str:
    return "met" if spare >= 0 else "MISSED"


ACROSS_SPOT, ACROSS_HOTTEST = Mark(0.50, 0.92), Mark(0.80, 0.92)
MARKS = {
    ("spot", 1, FOLDED): Mark(0.60),
    ("spot", 4, FOLDED): Mark(0.64),
    ("forehead_max", 1, FOLDED): Mark(0.65),
    ("forehead_max", 4, FOLDED): Mark(0.66),
    ("hottest", 1, FOLDED): Mark(0.84),
    ("hottest", 4, FOLDED): Mark(0.88),
    ("hottest", 1, FOLDED_CUT): Mark(0.93, 0.85),
    ("hottest", 4, FOLDED_CUT): Mark(0.95, 0.88),
    **{("spot", n, way): ACROSS_SPOT for n in READINGS for way in (COOL_TO_WARM, WARM_TO_COOL)},
    **{
        ("hottest", n, way): ACROSS_HOTTEST
        for n in READINGS
        for way in (COOL_TO_WARM, WARM_TO_COOL)
    },
}
CASES = [(name, readings) for name in SITE_NAMES.values() for readings in READINGS]


class Tables:
    """One camera's rows, as a person reads them."""

    def __init__(self, camera: Camera, rows: list[Row]) -> None:
        self._camera = camera
        self._found = {
            (row.site, row.readings, row.method, row.split): row.score
            for row in rows
            if row.reference_c == REFERENCE_C
        }

    def show(self) -> None:
        self._show_people()
        self._show_constants()
        self._show_folds()
        for way in (COOL_TO_WARM, WARM_TO_COOL):
            title = f"{way}, threshold at {SPECIFICITY:.0%} from the first"
            self._show(title, [(method, way) for method in (FIXED, SHIPPED_CONSTANTS, SHIPPED)])
        ways = [(RAW, PRODUCT_CUT), (SHIPPED_CONSTANTS, PRODUCT_CUT), (SHIPPED, FOLDED_CUT)]
        self._show(f"at {PRODUCT_CUT_C} °C, no threshold tuned", ways)

    def _show_people(self) -> None:
        people = self._camera.people
        airs_c = [person.ambient_c for person in people]
        fevers = sum(person.oral_c >= REFERENCE_C for person in people)
        print(
            f"{self._camera.name}: {len(people)} people ({self._camera.left_out} others lack "
            f"something), {fevers} with an oral temperature of {REFERENCE_C} °C or more, air of "
            f"{min(airs_c)} to {max(airs_c)} °C.\n"
            f"One of the {fevers} is {1 / max(fevers, 1):.3f} of sensitivity. In brackets: "
            f"intervals of {SURE:.0%}; a mark inside its interval is met or missed by chance."
        )

    def _show_constants(self) -> None:
        print("\nbody = skin + a - b x air; of what ships bias and sd in °C for n readings")
        for site, name in SITE_NAMES.items():
            cohort, ships = Cohort(self._camera.people, site), SITES[site]
            fitted = rounded(cohort.fit())
            print(f"{name:13s} fitted here a {fitted.a_c:.2f} b {fitted.b:.3f}")
            text = f"{'':13s} shipped     a {ships.a_c:.2f} b {ships.b:.3f}"
            for n in READINGS:
                errors_c = cohort.body_c(n, ships) - cohort.oral_c
                text += f"   {n}: {errors_c.mean():+.2f}, {errors_c.std():.2f}"
            print(text)

    def _show_folds(self) -> None:
        print(
            f"\n{FOLDED}, threshold at {SPECIFICITY:.0%}: sensitivity, gain of shipped over fixed"
        )
        for name, n in CASES:
            fixed, pooled, shipped = (
                self._found[name, n, method, FOLDED] for method in (FIXED, FIXED_POOLED, SHIPPED)
            )
            low, high = shipped.interval()
            gain, gain_low, gain_high = shipped.gain_over(fixed)
            print(
                f"{name:13s} {n}  fixed {fixed.sensitivity:.3f}  pooled {pooled.sensitivity:.3f}  "
                f"shipped {shipped.sensitivity:.3f} [{low:.2f} {high:.2f}]  "
                f"gain {gain:+.3f} [{gain_low:+.3f} {gain_high:+.3f}]  "
                f"{self._verdict(name, n, FOLDED)}".rstrip()
            )
        title = f"{FOLDED}, threshold at {STRICTER:.0%}"
        self._show(title, [(method, FOLDED_STRICTER) for method in (FIXED, SHIPPED)])

    def _show(self, title: str, ways: list[tuple[str, str]]) -> None:
        print(f"\n{title}: sensitivity/specificity")
        for name, n in CASES:
            text = f"{name:13s} {n}"
            for method, split in ways:
                found = self._found.get((name, n, method, split))
                if found is not None:  # nobody was measured in such air
                    text += f"  {method} {found.sensitivity:.3f}/{found.specificity:.3f}"
            print(f"{text}  {self._verdict(name, n, ways[-1][1])}".rstrip())

    def _verdict(self, name: str, readings: int, split: str) -> str:
        mark = MARKS.get((name, readings, split))
        found = self._found.get((name, readings, SHIPPED, split))
        return mark.verdict(found) if mark and found else ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        cameras = load_study(args.data)
    except NotTheStudy as error:
        raise SystemExit(str(error)) from error
    tables = {camera.name: (camera, list(rows_of(camera))) for camera in cameras}
    if args.json:
        lines = [json.dumps(row.as_dict()) for _, rows in tables.values() for row in rows]
        print("[\n" + ",\n".join(lines) + "\n]")
        return
    for camera, rows in tables.values():
        Tables(camera, rows).show()


if __name__ == "__main__":
    main()
