"""Chooses the few inputs that the repository keeps: together they reach what all of them reach."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz.target import CORPUS, Target, kept, load

MAX_FILES = 16
MAX_BYTES = 1_500
"""Of one input: 16 for each of 18 targets stay within 300 files and 300 kB."""

Steps = frozenset[tuple[str, int, int]]


def keep_telling(name: str, found: Path) -> int:
    """Return how many inputs of ``found`` and of the kept ones are kept from now on."""
    inputs = {*kept(name), *(path.read_bytes() for path in found.glob("*"))}
    chosen = telling(load(name), inputs)
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for data in chosen:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    return len(chosen)


def telling(target: Target, inputs: Iterable[bytes]) -> list[bytes]:
    """Return the short inputs that reach most beyond the target's seeds, the most telling first.

    One that escapes is not among them.
    """
    short = sorted((data for data in inputs if len(data) <= MAX_BYTES), key=lambda d: (len(d), d))
    reached = {data: steps for data in short if (steps := _steps_unless_escaped(target, data))}
    known: set[tuple[str, int, int]] = set()
    for seed in target.seeds():
        known |= steps_of(target, seed)  # seeds are made anew each time
    chosen: list[bytes] = []
    while len(chosen) < MAX_FILES:
        best = max(reached, key=lambda data: len(reached[data] - known), default=None)
        if best is None or not reached[best] - known:
            break
        known |= reached.pop(best)
        chosen.append(best)
    return chosen


def _steps_unless_escaped(target: Target, data: bytes) -> Steps:
    """Return the steps of ``data``, none if it escapes: the reader is to be mended first."""
    try:
        return steps_of(target, data)
    except Exception:  # noqa: BLE001 whatever it is, it is written down under escapes
        return frozenset()


def steps_of(target: Target, data: bytes) -> Steps:
    """Return the steps from line to line in ``gated`` that a run takes."""
    steps: set[tuple[str, int, int]] = set()
    last: dict[int, int] = {}

    def trace(frame: FrameType, event: str, _value: Any) -> Any:  # noqa: ANN401 as sys has it
        name = frame.f_code.co_filename
        if "/gated/" not in name:
            return None
        if event == "line":
            steps.add((name, last.get(id(frame), 0), frame.f_lineno))
            last[id(frame)] = frame.f_lineno
        elif event == "call":
            last.pop(id(frame), None)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        target.run(data)
    finally:
        sys.settrace(before)
    return frozenset(steps)
