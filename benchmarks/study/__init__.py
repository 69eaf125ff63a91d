"""Reads the files of PhysioNet face-oral-temp-data 1.0.0 (doi 10.13026/3bhc-9065, CC0).

One file has about 500 people: four rounds of facial areas by a thermal camera, then the oral
temperature and the surroundings. Three header lines; the third names the columns. Temperatures in
°C, already corrected by a blackbody. Round 4 was taken with the mouth open, and rounds 2 and 3
partly: the face's maximum there is the mouth. Only forehead and inner eye corners are read.
"""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from gated.vocabulary import Site

ROUNDS = 4
SPOT_POINTS = ("T_FHCC", "T_FHRC", "T_FHLC", "T_FHBC", "T_FHTC")  # centre, right, left, below, top
FOREHEAD_MAX = "T_FH_Max"
CANTHI_MAX = "canthiMax"
SUBJECT, ORAL, AIR = "SubjectID", "aveOralM", "T_atm"  # oral: the monitor's, not the fast one's
HEADER_WITHIN = 10
"""In so many lines from the top the names of the columns must have come."""

SKIN_RANGE_C, ORAL_RANGE_C, AIR_RANGE_C = (20.0, 45.0), (33.0, 43.0), (5.0, 45.0)
"""Outside these it is a slip of the pen: the files hold a humidity of 3021.1 %."""


class NotTheStudy(Exception):
    """These files are not the study's."""


@dataclass(frozen=True, slots=True)
class Round:
    """One person's skin in one picture."""

    spot_c: float  # the mean of five points
    forehead_max_c: float
    canthi_c: float

    def skin_c(self, site: Site) -> float:
        match site:
            case Site.FOREHEAD_SPOT:
                return self.spot_c
            case Site.FOREHEAD_MAX:
                return self.forehead_max_c
            case Site.HOTTEST:
                # never the face's maximum: with an open mouth that is the oral temperature itself
                return max(self.forehead_max_c, self.canthi_c)


@dataclass(frozen=True, slots=True)
class Person:
    """Who was measured. ``rounds`` has a None for each picture that was not taken or not read."""

    subject: str
    oral_c: float
    ambient_c: float
    rounds: tuple[Round | None, ...]

    def readings_c(self, site: Site, count: int) -> tuple[float, ...]:
        """Return the skin in the first ``count`` rounds, oldest first; at least one reading.

        The first one is round 1. Somebody whose round 1 failed (17 of 1,020) would have been
        measured again at once: the first round there is takes its place.
        """
        taken = [each.skin_c(site) for each in self.rounds[:count] if each is not None]
        first = next(each.skin_c(site) for each in self.rounds if each is not None)
        return tuple(taken) or (first,)


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera's people, and how many others had no reference, no air or no picture."""

    name: str
    people: tuple[Person, ...]
    left_out: int


def load_study(folder: Path) -> tuple[Camera, ...]:
    """Return every camera with files named CAMERA_group*.csv in ``folder``. Raises: NotTheStudy."""
    of_camera: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.glob("*.csv")):
        if found := re.match(r"(.*?)[_-]?group", path.name, re.IGNORECASE):
            of_camera[found[1] or "camera"].append(path)
    if not of_camera:
        raise NotTheStudy(f"{folder}: no files like CAMERA_group1.csv")
    return tuple(_load_camera(name, paths) for name, paths in of_camera.items())


def _load_camera(name: str, paths: Sequence[Path]) -> Camera:
    rows: dict[str, Mapping[str, str]] = {}
    for path in paths:
        for row in _rows_of(path):
            # the study also publishes both groups in one file
            rows.setdefault(row[_plain(SUBJECT)], row)
    people = [person for subject, row in rows.items() if (person := _person_of(subject, row))]
    if not people:
        raise NotTheStudy(f"{paths[0]}: nobody with an oral temperature, an air temperature, skin")
    return Camera(name, tuple(people), left_out=len(rows) - len(people))


def _rows_of(path: Path) -> list[dict[str, str]]:
    # the second header line has letters with a bar, in whatever encoding it was saved
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = [[cell.strip() for cell in line] for line in csv.reader(file)]
    needed = {_plain(name): name for name in _columns()}
    for at, line in enumerate(lines[:HEADER_WITHIN]):
        names = [_plain(cell) for cell in line]
        if _plain(SUBJECT) not in names:
            continue
        if missing := [needed[name] for name in needed if name not in names]:
            raise NotTheStudy(f"{path}: no column {', '.join(missing)}")
        rows = [dict(zip(names, each, strict=False)) for each in lines[at + 1 :]]
        return [row for row in rows if row.get(_plain(SUBJECT))]
    raise NotTheStudy(f"{path}: no column {SUBJECT} in the first {HEADER_WITHIN} lines")


def _columns() -> list[str]:
    areas = [*SPOT_POINTS, FOREHEAD_MAX, CANTHI_MAX]
    return [SUBJECT, ORAL, AIR, *(f"{area}{k}" for k in range(1, ROUNDS + 1) for area in areas)]


def _plain(name: str) -> str:
    """Return a column's name as it is compared: case, blanks and underscores do not count."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _person_of(subject: str, row: Mapping[str, str]) -> Person | None:
    oral_c, ambient_c = _number(row, ORAL, ORAL_RANGE_C), _number(row, AIR, AIR_RANGE_C)
    rounds = tuple(_round_of(row, k) for k in range(1, ROUNDS + 1))
    if math.isnan(oral_c) or math.isnan(ambient_c) or not any(rounds):
        return None
    return Person(subject, oral_c, ambient_c, rounds)


def _round_of(row: Mapping[str, str], number: int) -> Round | None:
    spot_c = fmean(_number(row, f"{point}{number}", SKIN_RANGE_C) for point in SPOT_POINTS)
    forehead_c = _number(row, f"{FOREHEAD_MAX}{number}", SKIN_RANGE_C)
    canthi_c = _number(row, f"{CANTHI_MAX}{number}", SKIN_RANGE_C)
    is_whole = not math.isnan(spot_c + forehead_c + canthi_c)
    return Round(spot_c, forehead_c, canthi_c) if is_whole else None


def _number(row: Mapping[str, str], name: str, within: tuple[float, float]) -> float:
    """Return the cell as a number; NaN where it is empty, no number, or a slip of the pen."""
    try:
        value = float(row.get(_plain(name), ""))
    except ValueError:
        return math.nan
    return value if within[0] <= value <= within[1] else math.nan
