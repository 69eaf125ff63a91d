"""How many codes the scanner reads, beside every known decoder: photographs, rendered, streams.

    python benchmarks/scanning.py [--data DIR…] [--empty DIR…] [--json] [--quick] [--seed N]
                                  [--only PART…] [--shipped] [--decoders PYTHON] [--frames N]

DIR holds pictures, each with its text beside it: NAME.png and NAME.txt (and NAME.2.txt for a second
code). The folders of ``--empty`` hold pictures without a code.

Parts: ``photos`` are those of DIR. ``rendered`` are 560 phones with a coloured code: colour x tilt,
blur, glare, moiré, noise, JPEG, size, exposure; ``colour`` is how often their colour is taken
rightly. ``streams`` are up to ten frames of a phone in a hand (shake, moving glare, focus), shown
to the scanner's own loop. ``empty`` are frames without a QR code, other symbologies among them:
what is read in them, and what they cost. ``latency`` is how soon the controller's socket has a
text, in real time.

Times are CPU ms of one thread, grey and resizing included, at 1280 px of the longer side (shrinking
to it isn't in). Those with marks are measured alone; those of single decoders and steps in
``--jobs`` processes beside one another. Intervals are Wilson's, 95 %. The single decoders run in an
environment of their own, which ``make bench-scanning`` makes; without it (or with ``--decoders``)
those of this Python (or that one) are taken, and the report says which are missing.

Marks: at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parents[1]))

import gated.scanner  # noqa: F401  # isort: skip  # before NumPy: one thread for each library

import cv2

from benchmarks.figures import surroundings
from benchmarks.scans import Section, load_empties, load_photos
from benchmarks.scans.beside import KnownDecoders
from benchmarks.scans.decoders import Hello, versions
from benchmarks.scans.empties import empty_cells
from benchmarks.scans.moving import measure_latency, measure_streams
from benchmarks.scans.quiet import measure_empties
from benchmarks.scans.rendered import COLOURS, PAYLOADS, Cell, cells
from benchmarks.scans.singles import RenderedCodes, measure_photos
from benchmarks.scans.streams import MOST_FRAMES, stream_cells

DECODERS = Path(__file__).parents[1] / "build" / "scanning" / "bin" / "python"
"""What ``make bench-scanning`` makes."""
PARTS = ("photos", "rendered", "colour", "streams", "empty", "latency")
MOST_JOBS = 2
LATENCY_KINDS = ("shake", "glare", "breathing", "mixed")
LATENCY_COLOURS = ("black", "yellow")
LATENCY_SEED = 500
"""Apart from those of the streams."""
QUICK_SEVERITY = 2


Picture = TypeVar("Picture")


class Run:
    """One run: which pictures, and what is made of them."""

    def __init__(self, args: argparse.Namespace, known: KnownDecoders | None) -> None:
        self._known = known
        self._is_quick: bool = args.quick
        self._seed: int = args.seed
        self._frames: int = args.frames
        self._jobs: int = args.jobs
        self._parts: list[str] = args.only or list(PARTS)
        self.left_out: list[str] = []
        pictures, without = load_photos(args.data)
        if without:
            self.left_out.append(f"{len(without)} pictures without a truth: {', '.join(without)}")
        self._photos = [case for case in pictures if case.truths]
        self._found_empty = [case for case in pictures if not case.truths]
        self._found_empty += load_empties(args.empty)
        if self._has("photos") and not self._photos:
            self.left_out.append("photos: no --data given, or no picture with a truth in it")

    def sections(self) -> Iterator[Section]:
        """Yield each part when it's done."""
        if self._has("photos") and self._photos:
            photos = self._some(self._photos, 3)
            yield measure_photos(photos, self._jobs, self._known)
        if self._has("rendered", "colour"):
            known = self._known if self._has("rendered") else None
            codes = RenderedCodes(self._cells(), self._jobs, known)
            if self._has("rendered"):
                yield codes.section()
            if self._has("colour"):
                yield codes.colour_section()
        if self._has("streams"):
            yield measure_streams(self._stream_cells(), self._frames, self._jobs)
        if self._has("empty"):
            rendered = self._some(list(empty_cells(self._seed)), 7)
            found = self._some(self._found_empty, 7)
            yield measure_empties(rendered, found, self._jobs, self._known)
        if self._has("latency"):
            yield measure_latency(self._latency_cells(), self._jobs)

    def _has(self, *parts: str) -> bool:
        return any(part in self._parts for part in parts)

    def _some(self, pictures: list[Picture], every: int) -> list[Picture]:
        return pictures[::every] if self._is_quick else pictures

    def _cells(self) -> list[Cell]:
        every = 9 if self._is_quick else 1
        found = enumerate(cells(self._seed))
        return [cell for at, cell in found if at // len(COLOURS) % every == 0]

    def _stream_cells(self) -> list[Cell]:
        found = list(stream_cells(self._seed))
        if not self._is_quick:
            return found
        chosen = set(zip(("black", "lemon"), PAYLOADS, strict=True))
        return [
            cell
            for cell in found
            if cell.severity == QUICK_SEVERITY and (cell.colour, cell.payload) in chosen
        ]

    def _latency_cells(self) -> list[Cell]:
        found = [
            Cell(colour, kind, 1, self._seed + LATENCY_SEED, payload)
            for kind in LATENCY_KINDS
            for payload in PAYLOADS
            for colour in LATENCY_COLOURS
        ]
        return found[::4] if self._is_quick else found


def report(run: Run, args: argparse.Namespace, hello: Hello) -> int:
    around = surroundings(f"{args.jobs} processes for decoders, steps and streams")
    around |= {"opencv": cv2.__version__, "opencv of the decoders": _opencv_of(hello)}
    options = {"seed": args.seed, "quick": args.quick, "frames": args.frames}
    if not args.json:
        installed = ", ".join(f"{name} {version}" for name, version in hello.versions.items())
        print(f"{len(hello.names) or 'without the single'} decoders and views; {installed}")
        for each in hello.missing:
            print(f"missing: {each.name} ({each.reason})")
    sections = []
    for section in run.sections():
        sections.append(section)
        if not args.json:
            print("\n".join(["", f"== {section.name}", *section.lines]), flush=True)
    marks = [mark for section in sections for mark in section.marks]
    if args.json:
        document = {
            **{section.name: section.figures for section in sections},
            "marks": [mark.as_dict() for mark in marks],
            "left_out": run.left_out,
            "missing": {each.name: each.reason for each in hello.missing},
            "versions": hello.versions,
            "options": options,
            "surroundings": around,
        }
        print(json.dumps(document, ensure_ascii=False, indent=1))
        return 0
    print("\n".join(["", "== marks", *map(str, marks)]))
    for line in run.left_out:
        print(f"left out: {line}")
    for name, value in {**options, **around}.items():
        print(f"  {name}: {value}")
    return 0


def _opencv_of(hello: Hello) -> str:
    found = [version for name, version in hello.versions.items() if name.startswith("opencv")]
    return ", ".join(found) or "none"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="+", default=[], metavar="DIR")
    parser.add_argument("--empty", type=Path, nargs="+", default=[], metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print one document")
    parser.add_argument("--quick", action="store_true", help="a part of everything, in a minute")
    parser.add_argument("--seed", type=int, default=0, help="of everything that's rendered")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts")
    parser.add_argument("--shipped", action="store_true", help="without the single decoders")
    default = DECODERS if DECODERS.is_file() else Path(sys.executable)
    parser.add_argument(
        "--decoders",
        type=Path,
        default=default,
        metavar="PYTHON",
        help="of the environment with the single decoders",
    )
    parser.add_argument("--frames", type=int, default=MOST_FRAMES, help="of a stream, 1 to 10")
    parser.add_argument("--jobs", type=int, default=min(MOST_JOBS, os.cpu_count() or 1))
    args = parser.parse_args()
    if not 1 <= args.frames <= MOST_FRAMES:
        parser.error(f"--frames: 1 to {MOST_FRAMES}")
    for folder in (*args.data, *args.empty):
        if not folder.is_dir():
            parser.error(f"{folder} is no folder")
    if args.shipped:
        return report(Run(args, None), args, Hello((), (), versions()))
    known = KnownDecoders(args.decoders, args.jobs)
    try:
        return report(Run(args, known), args, known.hello)
    finally:
        known.close()


if __name__ == "__main__":
    sys.exit(main())
