"""Runs of faults, one after the other, and what they came to. Goes on where it stopped.

Every run is one line of ``results.jsonl``. A run that failed keeps its folder, and its story.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gated.clock import SystemClock
from tests.faults.fault import Fault
from tests.faults.line import Scene
from tests.faults.verdict import Tally

_CLOCK = SystemClock()
_COUNTS = tuple(field.name for field in fields(Tally))


@dataclass(frozen=True, slots=True)
class Result:
    """One run."""

    fault: str
    seed: int
    seconds: float
    tally: Tally | None  # None: it did not come to its end
    is_good: bool

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Result:
        """Raises: ValueError, TypeError: the line is none."""
        raw = json.loads(line)
        tally = raw.pop("tally")
        return cls(**raw, tally=None if tally is None else Tally(**tally))


class Progress:
    """The results so far, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = folder / "results.jsonl"

    def read(self) -> list[Result]:
        if not self._file.exists():
            return []
        lines = self._file.read_text(encoding="utf-8").splitlines()
        return [Result.from_json(line) for line in lines]

    def add(self, result: Result) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{result.to_json()}\n")

    def forget_failed(self) -> None:
        """Have the runs that failed made again."""
        good = [result.to_json() for result in self.read() if result.is_good]
        self._file.write_text("".join(f"{line}\n" for line in good), encoding="utf-8")


def run_once(
    fault: Fault, seed: int, kept: Path | None = None, *, is_short: bool = False
) -> Result:
    """Make one run. Of one that fails, the folder goes to ``kept``."""
    # Below /tmp, whatever TMPDIR says: the path of a socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="gated-fault-", dir="/tmp"))
    began_s = _CLOCK.monotonic_s()
    tally: Tally | None = None
    try:
        try:
            tally = fault.run(Scene(folder, random.Random(f"{fault.name}/{seed}"), is_short))
            story = "" if fault.accepts(tally) else repr(tally)
        except Exception:  # noqa: BLE001  every way to fail is a result
            story = traceback.format_exc()
        if story and kept is not None:
            (folder / "story.txt").write_text(story, encoding="utf-8")
            keep(folder, kept / f"{fault.name}-{seed}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = round(_CLOCK.monotonic_s() - began_s, 1)
    return Result(fault.name, seed, seconds, tally, not story)


def keep(folder: Path, target: Path) -> None:
    """Copy what can be looked at later to ``target``, in the place of an earlier run's."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.sock", "disk", "*.img"))


def run_all(faults: Sequence[Fault], seeds: Sequence[int], progress: Progress) -> Iterator[Result]:
    """Make the runs that are not there yet, every fault in turn; yield each result."""
    done = {(result.fault, result.seed) for result in progress.read()}
    for seed in seeds:
        for fault in faults:
            if (fault.name, seed) not in done:
                result = run_once(fault, seed, progress.folder / "failed")
                progress.add(result)
                yield result


def table(faults: Iterable[Fault], results: Iterable[Result]) -> str:
    """Return the counts of all runs, a line for each fault, in Markdown."""
    by_fault: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_fault[result.fault].append(result)
    head = ("fault", "runs", "failed", "injected", "acknowledged", "lost", "duplicate rows",
            "chain breaks", "only aside", "quarantined", "seconds")  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    sums: list[list[float]] = []
    for fault in faults:
        if reason := fault.lacks():
            lines.append(f"| {fault.name} | – | {reason} |{' |' * (len(head) - 3)}")
            continue
        counted = _count(by_fault[fault.name])
        sums.append(counted)
        lines.append(_line(fault.name, counted))
    lines.append(_line("**all**", [sum(column) for column in zip(*sums, strict=True)]))
    return "\n".join(lines)


def _count(results: Sequence[Result]) -> list[float]:
    def total(name: str) -> int:
        return sum(getattr(result.tally, name) for result in results if result.tally is not None)

    failed = sum(not result.is_good for result in results)
    order = ("injected", "acknowledged", "lost", "doubled", "breaks", "aside", "quarantined")
    assert set(order) == set(_COUNTS)
    counts = [float(total(name)) for name in order]
    return [len(results), failed, *counts, sum(result.seconds for result in results)]


def _line(name: str, counts: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{count:,.0f}' for count in counts)} |"
