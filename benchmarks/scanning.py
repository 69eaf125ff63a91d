"""Read rate and CPU time of each decoder alone and of the cascade, on photographs with known texts.

    python benchmarks/scanning.py --data DIR [--json]

DIR holds pictures, each with its text beside it: NAME.png and NAME.txt.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from gated.scanner.cascade import FULL_LONG_SIDE_PX, Cascade
from gated.scanner.decoders import Decoder, load_decoders
from gated.scanner.picture import Pixels, Unreadable, read_picture, shrink, to_grey
from gated.scanner.sources.pictures import SUFFIXES

Read = Callable[[Pixels], tuple[str, ...]]


def load_cases(folder: Path) -> list[tuple[Pixels, str]]:
    cases: list[tuple[Pixels, str]] = []
    for path in sorted(folder.rglob("*")):
        truth = path.with_suffix(".txt")
        if path.suffix.lower() not in SUFFIXES or not truth.is_file():
            continue
        picture = read_picture(path)
        if isinstance(picture, Unreadable):
            raise SystemExit(f"{path}: {picture.reason}")
        cases.append((picture, truth.read_bytes().decode()))
    return cases


def read_with(decoder: Decoder) -> Read:
    return lambda picture: decoder.read(to_grey(shrink(picture, FULL_LONG_SIDE_PX))).texts


def measure(read: Read, cases: list[tuple[Pixels, str]]) -> dict[str, float]:
    read(cases[0][0])  # the first call of a library pays for its tables
    right = wrong = 0
    cpu_ms: list[float] = []
    for picture, truth in cases:
        began_s = time.thread_time()
        texts = read(picture)
        cpu_ms.append((time.thread_time() - began_s) * 1_000)
        right += truth in texts
        wrong += bool(texts) and truth not in texts
    return {
        "read_percent": round(100 * right / len(cases), 1),
        "other_text": wrong,
        "mean_cpu_ms": round(statistics.mean(cpu_ms), 2),
        "p95_cpu_ms": round(statistics.quantiles(cpu_ms, n=20)[-1], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    cases = load_cases(args.data)
    decoders, missing = load_decoders()
    readers: dict[str, Read] = {f"{each.name} alone": read_with(each) for each in decoders}
    cascade = Cascade(decoders)
    readers["cascade"] = lambda picture: cascade.decode_picture(picture).texts
    figures = {name: measure(read, cases) for name, read in readers.items()}
    if args.json:
        print(json.dumps({"pictures": len(cases), "missing": missing, "figures": figures}))
        return
    print(f"{len(cases)} pictures, single frames, one thread")
    for name, row in figures.items():
        print(
            f"{name:14s} {row['read_percent']:5.1f} % read, {row['other_text']} with another text, "
            f"mean {row['mean_cpu_ms']} ms, p95 {row['p95_cpu_ms']} ms"
        )


if __name__ == "__main__":
    main()
