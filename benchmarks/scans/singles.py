"""Single pictures: photographs and rendered codes, by every decoder, each step, and the cascade.

The decoders and the steps are run in two processes at once; the cascade, whose times have marks,
afterwards and alone.
"""

from __future__ import annotations

import functools
import statistics
from collections import Counter
from collections.abc import Callable, Sequence

from benchmarks.scans import (
    LONG_SIDE_PX,
    Case,
    Mark,
    Outcome,
    Quantiles,
    Row,
    Section,
    Share,
    at_measured_size,
    shares_by,
    unite,
)
from benchmarks.scans.beside import KnownDecoders, Outcomes
from benchmarks.scans.decoders import Known, judge
from benchmarks.scans.empties import EmptyCell, render_empty
from benchmarks.scans.rendered import COLOURS, Cell, render
from benchmarks.scans.shipped import ColourReader, make_cascade, shipped_steps
from benchmarks.scans.workers import map_beside, progress
from gated.scanner.cascade import Cascade, Decoded
from gated.scanner.picture import Pixels

CASCADE = "shipped cascade"
PHOTOS_READ_PERCENT, PHOTOS_STRETCH_PERCENT, PHOTOS_MEAN_MS = 92.0, 94.6, 6.0
YELLOW_BEHIND_POINTS = 4.0
COLOUR_RIGHT_PERCENT = 99.0


Picture = Case | Cell | EmptyCell


def examine(picture: Picture) -> tuple[Case, Outcomes]:
    """Return the picture, rendered if need be, and what each step of the cascade made of it."""
    case = case_of(picture)
    pixels = at_measured_size(case.stored())
    return case, {step.name: judge(step.read, pixels, case.truths) for step in warm_steps()}


def case_of(picture: Picture) -> Case:
    if isinstance(picture, Case):
        return picture
    if isinstance(picture, EmptyCell):
        empty = render_empty(picture)
        assert empty is not None, f"{picture.name} can't be written"
        return Case(empty.name, empty.jpeg, (), empty.group, is_rendered=True)
    found = render(picture)
    group = f"{picture.kind} {picture.severity}"
    return Case(picture.name, found.jpeg, (found.text,), group, picture.colour, is_rendered=True)


@functools.cache
def warm_steps() -> tuple[Known, ...]:
    """Return the steps. Each is called once, since the first call pays for its tables."""
    steps = tuple(shipped_steps())
    page = render(Cell("black", "clean", 0, 0, "token")).pixels
    for step in steps:
        step.read(page)
    return steps


def examine_all(
    what: str, pictures: Sequence[Picture], jobs: int, known: KnownDecoders | None
) -> tuple[list[Case], dict[str, Row]]:
    """Return the pictures, and what the decoders and the steps made of them, in this order."""
    done = map_beside(f"{what}, steps", examine, pictures, jobs)
    cases = [case for case, _ in done]
    of_known = known.examine(f"{what}, decoders", cases) if known is not None else []
    rows: dict[str, Row] = {}
    for outcomes in (*of_known, *(of_steps for _, of_steps in done)):
        for name, outcome in outcomes.items():
            rows.setdefault(name, Row(name)).add(outcome)
    return cases, rows


class Singles:
    """Everything that was made of one set of pictures."""

    def __init__(
        self, what: str, pictures: Sequence[Picture], jobs: int, known: KnownDecoders | None
    ) -> None:
        self.cases, self.rows = examine_all(what, pictures, jobs, known)
        names = known.hello.names if known is not None else ()
        self.known = [name for name in self.rows if name in names]
        self.steps = [name for name in self.rows if name not in names]
        self.colours: list[tuple[str, str]] = []  # true and read, where the code was read
        self._run_cascade(what)

    def _run_cascade(self, what: str) -> None:
        cascade, colours = make_cascade(), ColourReader()
        row = self.rows[CASCADE] = Row(CASCADE)
        for case in self.cases[:1]:
            cascade.decode_picture(at_measured_size(case.stored()))
        for case in progress(f"{what}, cascade", self.cases):
            pixels = at_measured_size(case.stored())
            found: list[Decoded] = []
            read = functools.partial(_decode, cascade, found)
            outcome = judge(read, pixels, case.truths)
            row.add(outcome)
            if outcome.is_read and case.colour and not colours.missing:
                self.colours.append((case.colour, colours.read(found[0], pixels)))

    @property
    def cascade(self) -> Row:
        return self.rows[CASCADE]

    @property
    def groups(self) -> list[str]:
        return [case.group for case in self.cases]

    def union(self, names: Sequence[str]) -> list[bool]:
        return unite(self.rows[name] for name in names)

    def table(self) -> list[str]:
        lines = [
            f"{'':32s} {'read':>29s}  false   mean ms   hit p50    p95  miss p50    p95",
        ]
        for row in self.rows.values():
            hit = Quantiles.of(row.times_ms(is_read=True))
            miss = Quantiles.of(row.times_ms(is_read=False))
            lines.append(
                f"{row.name:32s} {row.share!s:>29s} {row.wrong:6d} {row.mean_ms:9.2f}  "
                f" {hit}    {miss}"
            )
        lines += [f"{name:32s} {share!s:>29s}" for name, share in self.unions().items()]
        return lines

    def unions(self) -> dict[str, Share]:
        unions = {"union of the steps": self.union(self.steps)}
        if self.known:
            unions["union of the decoders"] = self.union(self.known)
            unions["union of all"] = self.union([*self.known, *self.steps, CASCADE])
        return {name: Share(sum(found), len(found)) for name, found in unions.items()}

    def as_dict(self) -> dict[str, object]:
        return {
            "pictures": len(self.cases),
            "readers": {name: row.as_dict() for name, row in self.rows.items()},
            "unions": {name: share.as_dict() for name, share in self.unions().items()},
            "false_reads_in": self.names_of(lambda outcome: outcome.wrong > 0),
            "unread": self.read_by_others(),
        }

    def read_by_others(self) -> dict[str, list[str]]:
        """Return the pictures that the cascade didn't read, and which others did."""
        return {
            case.name: [name for name in self.known if self.rows[name].outcomes[at].is_read]
            for at, case in enumerate(self.cases)
            if not self.cascade.outcomes[at].is_read
        }

    def names_of(self, is_meant: Callable[[Outcome], bool]) -> list[str]:
        """Return the pictures where what the cascade made is meant."""
        pairs = zip(self.cases, self.cascade.outcomes, strict=True)
        return [case.name for case, outcome in pairs if is_meant(outcome)]


def _decode(cascade: Cascade, found: list[Decoded], pixels: Pixels) -> tuple[str, ...]:
    """Return the texts that the cascade reads, and keep all that it says."""
    found.append(cascade.decode_picture(pixels))
    return found[-1].texts


# --- photographs ---------------------------------------------------------------------------------


def measure_photos(cases: Sequence[Case], jobs: int, known: KnownDecoders | None) -> Section:
    singles = Singles("photos", cases, jobs, known)
    share = singles.cascade.share
    unread = singles.read_by_others()
    false_in = singles.names_of(lambda outcome: outcome.wrong > 0)
    groups = shares_by(singles.union([CASCADE]), singles.groups)
    sizes = [max(at_measured_size(case.stored()).shape[:2]) for case in cases]
    full = sum(size == LONG_SIDE_PX for size in sizes)
    lines = [
        *singles.table(),
        f"{full} of {len(cases)} pictures are {LONG_SIDE_PX} px or more, the others smaller",
        "the cascade by folder:",
        *(f"  {name:20s} {one}" for name, one in groups.items()),
        "another text than the truth from the cascade: " + (", ".join(false_in) or "none"),
        "unread by the cascade, and what read them:",
        *(f"  {name}: {', '.join(others) or 'none'}" for name, others in unread.items()),
    ]
    figures = {
        **singles.as_dict(),
        "full_size": full,
        "cascade_by_folder": _dicts(groups),
    }
    marks = [
        _at_least("photos: read", share, PHOTOS_READ_PERCENT),
        _at_least("photos: read, stretch", share, PHOTOS_STRETCH_PERCENT),
        _mean_cost("photos: mean CPU of a picture", singles.cascade.mean_ms),
    ]
    full_ms = [
        outcome.cpu_ms
        for size, outcome in zip(sizes, singles.cascade.outcomes, strict=True)
        if size == LONG_SIDE_PX
    ]
    if full_ms:
        name = f"photos: mean CPU of the {len(full_ms)} of {LONG_SIDE_PX} px"
        marks.append(_mean_cost(name, statistics.fmean(full_ms)))
    return Section("photos", lines, figures, marks)


def _at_least(name: str, share: Share, percent: float) -> Mark:
    is_held = share.percent >= percent
    return Mark(name, str(share), f">= {percent} %", is_held, round(share.percent, 2))


def _mean_cost(name: str, mean_ms: float) -> Mark:
    is_held = mean_ms <= PHOTOS_MEAN_MS
    return Mark(name, f"{mean_ms:.2f} ms", f"<= {PHOTOS_MEAN_MS} ms", is_held, round(mean_ms, 3))


# --- rendered codes ------------------------------------------------------------------------------


class RenderedCodes:
    """The rendered codes, of which two sections tell."""

    def __init__(self, cells: Sequence[Cell], jobs: int, known: KnownDecoders | None) -> None:
        self._singles = Singles("rendered", cells, jobs, known)

    def section(self) -> Section:
        singles = self._singles
        groupings = {
            "colour": [case.colour for case in singles.cases],
            "kind": [case.group.split()[0] for case in singles.cases],
        }
        found = singles.union([CASCADE])
        union = singles.union(singles.known) if singles.known else []
        lines, figures = singles.table(), singles.as_dict()
        for name, groups in groupings.items():
            shares = shares_by(found, groups)
            unions = shares_by(union, groups) if union else {}
            lines.append(f"the cascade by {name}{', the union of the decoders' if union else ''}:")
            lines += [
                f"  {group:10s} {share!s:29s}   {unions.get(group, '')}"
                for group, share in shares.items()
            ]
            figures[f"cascade_by_{name}"] = _dicts(shares)
            figures[f"decoders_by_{name}"] = _dicts(unions)
        by_colour = shares_by(found, groupings["colour"])
        return Section("rendered", lines, figures, self._marks(by_colour, union))

    def _marks(self, by_colour: dict[str, Share], union: Sequence[bool]) -> list[Mark]:
        share = self._singles.cascade.share
        marks = []
        if union:
            of_union = Share(sum(union), len(union))
            marks.append(
                Mark(
                    f"rendered: read, beside the union of {len(self._singles.known)} decoders",
                    str(share),
                    f">= {of_union}",
                    share.hits >= of_union.hits,
                    round(share.percent, 2),
                )
            )
        black = by_colour["black"].percent
        for colour in ("yellow", "lemon"):
            behind = black - by_colour[colour].percent
            marks.append(
                Mark(
                    f"rendered: {colour} behind black",
                    f"{behind:+.1f} points",
                    f"<= {YELLOW_BEHIND_POINTS} points",
                    behind <= YELLOW_BEHIND_POINTS,
                    round(behind, 2),
                )
            )
        wrong = self._singles.cascade.wrong
        marks.append(Mark("rendered: false reads", str(wrong), "0", wrong == 0, wrong))
        return marks

    def colour_section(self) -> Section:
        """Return how often the colour of a code that was read is right."""
        counts = Counter(self._singles.colours)
        total = counts.total()
        if not total:
            missing = ColourReader().missing or "no code was read"
            nothing = [
                Mark("colour: right", "not measured", f">= {COLOUR_RIGHT_PERCENT} %", None),
                Mark("colour: red taken for green", "not measured", "0", None),
            ]
            return Section("colour", [missing], {"missing": missing}, nothing)
        right = Share(sum(n for pair, n in counts.items() if _is_right(*pair)), total)
        red_as_green = counts["red", "green"]
        names = sorted({read for _, read in counts})
        lines = [f"{'true':10s}" + "".join(f"{name:>10s}" for name in names)]
        for colour in COLOURS:
            row = "".join(f"{counts[colour, name]:10d}" for name in names)
            lines.append(f"{colour:10s}{row}")
        lines.append(f"right: {right}")
        figures: dict[str, object] = {
            "right": right.as_dict(),
            "red_as_green": red_as_green,
            "counts": {
                colour: {name: counts[colour, name] for name in names} for colour in COLOURS
            },
        }
        as_green = "colour: red taken for green"
        marks = [
            _at_least("colour: right", right, COLOUR_RIGHT_PERCENT),
            Mark(as_green, str(red_as_green), "0", red_as_green == 0, red_as_green),
        ]
        return Section("colour", lines, figures, marks)


def _dicts(shares: dict[str, Share]) -> dict[str, object]:
    return {name: share.as_dict() for name, share in shares.items()}


def _is_right(true: str, read: str) -> bool:
    return read == ("yellow" if true == "lemon" else true)
