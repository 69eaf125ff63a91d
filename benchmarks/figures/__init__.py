"""How the benchmarks print: where a figure was taken, and what it is beside its mark."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spread:
    """A sample's median and 99th percentile (the largest value, of fewer than 100)."""

    median: float
    p99: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        ordered = sorted(values)
        at = min(len(ordered) - 1, round(0.99 * len(ordered)))
        return cls(round(statistics.median(ordered), 2), round(ordered[at], 2), len(ordered))

    def __str__(self) -> str:
        return f"median {self.median:8.2f}   p99 {self.p99:8.2f}   n {self.count}"

    def as_dict(self) -> dict[str, float]:
        return {"median": self.median, "p99": self.p99, "n": self.count}


def surroundings(beside: str) -> dict[str, object]:
    """Return the machine, and what it did meanwhile: ``beside`` names what ran next to it."""
    return {
        "machine": f"{os.cpu_count()} x {_processor()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average_1_min": round(os.getloadavg()[0], 2),
        "beside": beside,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


def print_figures(
    rows: Mapping[str, object], around: Mapping[str, object], *, as_json: bool
) -> None:
    """Print ``rows`` as a table, or with ``around`` as one JSON object."""
    if as_json:
        plain = {k: v.as_dict() if isinstance(v, Spread) else v for k, v in rows.items()}
        print(json.dumps({**plain, "surroundings": dict(around)}, ensure_ascii=False))
        return
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    for name, value in around.items():
        print(f"  {name}: {value}")
