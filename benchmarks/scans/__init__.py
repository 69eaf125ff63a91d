"""What the scanner's benchmark is made of: pictures with their truths, counts with intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gated.scanner.picture import Pixels, Unreadable, parse_picture, shrink
from gated.tuning.shares import wilson

LONG_SIDE_PX = 1280
"""What every picture is measured at; shrinking to it isn't timed."""
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
_CHARSET_GUESSES = ("latin-1", "cp1252", "shift_jis", "big5", "gbk")
"""What decoders take UTF-8 for; undone, so that their reading is judged and not their guess."""


class DamagedPicture(Exception):
    """A file that should be a picture isn't one."""


@dataclass(frozen=True, slots=True)
class Case:
    """One picture.

    Attributes:
        name: what it's called in the report.
        data: the picture's file.
        truths: the texts of the codes in it; none in an empty frame.
        group: of what kind it is.
        colour: of the code's dark modules, where it's known.
        is_rendered: it was made at the size that it's measured at.
    """

    name: str
    data: bytes
    truths: tuple[str, ...]
    group: str = ""
    colour: str = ""
    is_rendered: bool = False

    def stored(self) -> Pixels:
        """Return the picture as it was stored. Raises: DamagedPicture."""
        picture = parse_picture(self.data)
        if isinstance(picture, Unreadable):
            raise DamagedPicture(f"{self.name}: {picture.reason}")
        return picture


def at_measured_size(stored: Pixels) -> Pixels:
    return shrink(stored, LONG_SIDE_PX)


# --- folders -------------------------------------------------------------------------------------


def find_pictures(folders: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the name and the path of every picture below ``folders``."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield str(Path(folder.name) / path.relative_to(folder)), path


def load_photos(folders: Iterable[Path]) -> tuple[list[Case], list[str]]:
    """Return the pictures that have a truth, and the names of those that have none.

    The truth of ``NAME.png`` is the text of ``NAME.txt``; a picture of several codes has a
    ``NAME.2.txt`` for each further one. An empty truth is a picture without a code.
    """
    cases, without = [], []
    for name, path in find_pictures(folders):
        files = find_truths(path)
        if not files:
            without.append(name)
            continue
        texts = (normalise(file.read_bytes().decode(errors="replace")) for file in files)
        truths = tuple(text for text in texts if text)
        cases.append(Case(name, path.read_bytes(), truths, group=path.parent.name))
    return cases, without


def find_truths(picture: Path) -> list[Path]:
    further = (picture.with_suffix(f".{number}.txt") for number in range(2, 10))
    return [file for file in (picture.with_suffix(".txt"), *further) if file.is_file()]


def load_empties(folders: Iterable[Path]) -> list[Case]:
    """Return every picture of folders in which there's no code."""
    return [
        Case(name, path.read_bytes(), (), group=f"folder {path.parent.name}")
        for name, path in find_pictures(folders)
    ]


# --- truths --------------------------------------------------------------------------------------


def normalise(text: str) -> str:
    """Return ``text`` with ends of lines as ``\\n`` and none at its end: editors add one."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def is_true(text: str, truths: Sequence[str]) -> bool:
    """Return whether ``text`` is one of ``truths``, in whatever charset its bytes were taken."""
    return any(normalise(each) in truths for each in _spellings(text))


def _spellings(text: str) -> Iterator[str]:
    yield text
    for guess in _CHARSET_GUESSES:
        try:
            yield text.encode(guess).decode()
        except UnicodeError:
            continue


# --- counts --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    count: int

    @property
    def percent(self) -> float:
        return 100 * self.hits / self.count if self.count else math.nan

    def as_dict(self) -> dict[str, object]:
        low, high = wilson(self.hits, self.count)
        percent = round(self.percent, 1) if self.count else None
        interval = [round(100 * low, 1), round(100 * high, 1)]
        return {"count": self.hits, "of": self.count, "percent": percent, "interval_95": interval}

    def __str__(self) -> str:
        if not self.count:
            return "none"
        low, high = wilson(self.hits, self.count)
        return (
            f"{self.percent:5.1f} % [{100 * low:4.1f} {100 * high:5.1f}] {self.hits}/{self.count}"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reader made of one picture."""

    is_read: bool
    wrong: int  # texts that aren't in the picture
    cpu_ms: float
    is_skipped: bool = False  # a slow reader, a large picture


@dataclass(slots=True)
class Row:
    """All outcomes of one reader."""

    name: str
    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @property
    def share(self) -> Share:
        return Share(sum(each.is_read for each in self.outcomes), len(self.tried))

    @property
    def tried(self) -> list[Outcome]:
        return [each for each in self.outcomes if not each.is_skipped]

    @property
    def wrong(self) -> int:
        return sum(each.wrong for each in self.outcomes)

    @property
    def mean_ms(self) -> float:
        times = [each.cpu_ms for each in self.tried]
        return statistics.fmean(times) if times else math.nan

    def times_ms(self, *, is_read: bool) -> list[float]:
        return [each.cpu_ms for each in self.tried if each.is_read is is_read]

    def as_dict(self) -> dict[str, object]:
        return {
            **self.share.as_dict(),
            "false_reads": self.wrong,
            "cpu_ms": {
                "mean": round(self.mean_ms, 2) if self.outcomes else None,
                "hit": Quantiles.of(self.times_ms(is_read=True)).as_dict(),
                "miss": Quantiles.of(self.times_ms(is_read=False)).as_dict(),
            },
        }


@dataclass(frozen=True, slots=True)
class Quantiles:
    """50th and 95th percentile; NaN of nothing."""

    p50: float
    p95: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Quantiles:
        if not values:
            return cls(math.nan, math.nan, 0)
        p50, p95 = np.percentile(values, [50, 95])
        return cls(float(p50), float(p95), len(values))

    def as_dict(self) -> dict[str, object]:
        if not self.count:
            return {"p50": None, "p95": None, "n": 0}
        return {"p50": round(self.p50, 2), "p95": round(self.p95, 2), "n": self.count}

    def __str__(self) -> str:
        return f"{self.p50:6.1f} {self.p95:6.1f}" if self.count else f"{'-':>6s} {'-':>6s}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A figure beside what it should be; ``is_held`` is None where nothing was measured."""

    name: str
    figure: str
    mark: str
    is_held: bool | None
    value: float | None = None  # the figure as a number

    def as_dict(self) -> dict[str, object]:
        is_number = self.value is not None and not math.isnan(self.value)
        return {
            "name": self.name,
            "figure": self.figure.strip(),
            "value": self.value if is_number else None,
            "mark": self.mark,
            "held": self.is_held,
        }

    def __str__(self) -> str:
        verdict = {True: "held", False: "MISSED", None: "-"}[self.is_held]
        return f"{verdict:7s} {self.name:58s} {self.figure:>26s}   {self.mark}"


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report."""

    name: str
    lines: list[str]
    figures: dict[str, object]
    marks: list[Mark]


def unite(rows: Iterable[Row]) -> list[bool]:
    """Return for each picture whether at least one of the readers was right."""
    of_each = [[outcome.is_read for outcome in row.outcomes] for row in rows]
    return [any(of_one) for of_one in zip(*of_each, strict=True)]


def shares_by(found: Sequence[bool], groups: Sequence[str]) -> dict[str, Share]:
    """Return how often it was found in each group, in the order in which groups come first."""
    shares: dict[str, Share] = {}
    for group, is_found in zip(groups, found, strict=True):
        so_far = shares.get(group, Share(0, 0))
        shares[group] = Share(so_far.hits + is_found, so_far.count + 1)
    return shares
