"""Frames without a code: nothing may be read in them, and they may cost little."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np

from benchmarks.scans import (
    Case,
    DamagedPicture,
    Mark,
    Outcome,
    Quantiles,
    Row,
    Section,
    at_measured_size,
)
from benchmarks.scans.beside import KnownDecoders
from benchmarks.scans.empties import EmptyCell, missing_symbologies
from benchmarks.scans.shipped import Gate, make_cascade, time_parts
from benchmarks.scans.singles import CASCADE, examine_all
from benchmarks.scans.workers import progress
from gated.clock import FakeClock
from gated.scanner.motion import Interest, MotionGate, sample_frame
from gated.scanner.picture import Pixels

MOVING_MS, STILL_MS = 8.0, 0.5
MOVING_FRAMES = 6
STILL_FRAMES = 12
STILL_PICTURES = 12
SLEEVE_PX = 160
NOISE_LEVELS = 2.0
SPOILT = "spoilt-code"
"""The surface that is a code to every eye, and can't be read: it's looked at as a code is."""
_SPARE_PX = 64
_DARK_LEVELS = 110.0


class Empties:
    """What was made of pictures without a code."""

    def __init__(
        self, pictures: Sequence[Case | EmptyCell], jobs: int, known: KnownDecoders | None
    ) -> None:
        self.cases, self.rows = examine_all("empty", pictures, jobs, known)
        self.false_in: list[str] = []
        self.moving_ms: dict[str, list[float]] = {}
        self.parts_ms: dict[str, list[float]] = {}
        self.still_ms: list[float] = []
        self.examined_ms: list[float] = []
        self._measure_alone()

    def _measure_alone(self) -> None:
        cascade = make_cascade()
        row = self.rows[CASCADE] = Row(CASCADE)
        for number, case in enumerate(progress("empty, cascade and loop", self.cases)):
            pixels = at_measured_size(case.stored())
            decoded = cascade.decode_picture(pixels)
            row.add(Outcome(False, len(decoded.texts), decoded.cpu_ms))
            for part, cpu_ms in time_parts(pixels, cascade).items():
                self.parts_ms.setdefault(part, []).append(cpu_ms)
            told = self._show_moving(pixels, _kind(case))
            if told or decoded.texts:
                self.false_in.append(case.name)
            if number < STILL_PICTURES:
                self._show_still(pixels)

    def _show_moving(self, pixels: Pixels, kind: str) -> int:
        """Show the picture with somebody's sleeve going through it; return how many texts came."""
        gate, motion = Gate(), MotionGate()
        clock = FakeClock()
        for frame in move_sleeve(pixels):
            clock.advance(0.1)
            interest = motion.judge(sample_frame(frame), clock.monotonic_s())
            cpu_ms = gate.show(frame)
            if interest is Interest.LIVELY:
                self.moving_ms.setdefault(kind, []).append(cpu_ms)
        return len(gate.outbox.codes)

    def _show_still(self, pixels: Pixels) -> None:
        """Show the picture with nothing but the sensor's noise changing."""
        gate, motion = Gate(), MotionGate()
        clock = FakeClock()
        sensor = Sensor(*pixels.shape[:2])
        for number in range(STILL_FRAMES):
            frame = sensor.take(pixels)
            clock.advance(0.1)
            interest = motion.judge(sample_frame(frame), clock.monotonic_s())
            cpu_ms = gate.show(frame)
            if number and interest is Interest.NONE:
                self.still_ms.append(cpu_ms)
            elif number and interest is Interest.ROUTINE:
                self.examined_ms.append(cpu_ms)


class Sensor:
    """Noise that is another one in each frame: a piece of a larger picture of noise."""

    def __init__(self, height: int, width: int) -> None:
        self._rng = np.random.default_rng(1)
        shape = (height + _SPARE_PX, width + _SPARE_PX, 3)
        noise = self._rng.standard_normal(shape, dtype=np.float32) * NOISE_LEVELS
        self._noise = np.rint(noise).astype(np.int16)

    def take(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        top, left = self._rng.integers(0, _SPARE_PX, 2)
        noise = np.ascontiguousarray(self._noise[top : top + height, left : left + width])
        return np.asarray(cv2.add(pixels, noise, dtype=cv2.CV_8U), np.uint8)


def move_sleeve(pixels: Pixels) -> Iterator[Pixels]:
    """Yield the picture with a bar in front that is elsewhere in each frame, and with noise."""
    height, width = pixels.shape[:2]
    sensor = Sensor(height, width)
    level = 200 if float(pixels.mean()) < _DARK_LEVELS else 30
    reach = max(8, min(SLEEVE_PX, width // 8))
    for number in range(MOVING_FRAMES):
        frame = pixels.copy()
        left = (width - reach) * number // (MOVING_FRAMES - 1)
        frame[height // 2 :, left : left + reach] = level
        yield sensor.take(frame)


def measure_empties(
    cells: Sequence[EmptyCell], found: Sequence[Case], jobs: int, known: KnownDecoders | None
) -> Section:
    usable, damaged = _usable(found)
    unwritten = missing_symbologies()
    written = [cell for cell in cells if cell.name not in unwritten]
    empties = Empties([*written, *usable], jobs, known)
    groups = Counter(case.group for case in empties.cases)
    lines = [
        f"{len(empties.cases)} frames: " + ", ".join(f"{n} {name}" for name, n in groups.items()),
        *([f"not written by this zxing-cpp: {', '.join(unwritten)}"] if unwritten else []),
        *([f"left out as damaged: {', '.join(damaged)}"] if damaged else []),
        f"{'':32s} false reads   CPU ms p50    p95",
    ]
    lines += [
        f"{row.name:32s} {row.wrong:11d}       {Quantiles.of(_times(row))}"
        for row in empties.rows.values()
    ]
    parts = {name: Quantiles.of(times) for name, times in empties.parts_ms.items()}
    by_kind = {kind: Quantiles.of(times) for kind, times in empties.moving_ms.items()}
    moving = Quantiles.of(_all_but(empties.moving_ms))
    codeless = Quantiles.of(_all_but(empties.moving_ms, SPOILT))
    still, examined = Quantiles.of(empties.still_ms), Quantiles.of(empties.examined_ms)
    still_mean_ms = _mean([*empties.still_ms, *empties.examined_ms])
    looks = f"every 2.5 s it looks: {examined}; mean of all {still_mean_ms:.2f}"
    lines += [
        *(f"{f'part of the cascade: {name}':50s}{part}" for name, part in parts.items()),
        f"{'through the loop, CPU ms of a frame':50s}   p50    p95",
        f"{'  something moves':50s}{moving}",
        *(f"{f'    {kind}':50s}{each}" for kind, each in by_kind.items()),
        f"{'  something moves, without spoilt codes':50s}{codeless}",
        f"{'  nothing moves':50s}{still}   ({looks})",
        f"false reads of the cascade or the loop in: {', '.join(empties.false_in) or 'none'}",
    ]
    count = len(empties.false_in)
    of_all = f"{count} of {len(empties.cases)}"
    marks = [
        Mark("empty: frames with a false read", of_all, "0", count == 0, count),
        _cost("empty: p95 CPU of a frame, something moving", moving, MOVING_MS),
        _cost("empty: p95 CPU of a frame, nothing moving", still, STILL_MS),
    ]
    figures: dict[str, object] = {
        "frames": dict(groups),
        "readers": {
            name: {"false_reads": row.wrong, "cpu_ms": Quantiles.of(_times(row)).as_dict()}
            for name, row in empties.rows.items()
        },
        "loop_cpu_ms": {
            "moving": moving.as_dict(),
            "moving_by_kind": {kind: each.as_dict() for kind, each in by_kind.items()},
            "moving_without_spoilt": codeless.as_dict(),
            "still": still.as_dict(),
            "still_examined": examined.as_dict(),
            "still_mean": round(still_mean_ms, 3),
        },
        "parts_cpu_ms": {name: part.as_dict() for name, part in parts.items()},
        "false_reads_in": empties.false_in,
        "damaged": damaged,
        "unwritten_symbologies": list(unwritten),
    }
    return Section("empty", lines, figures, marks)


def _kind(case: Case) -> str:
    """Return what is in the picture; codes that can't be read are a kind of their own."""
    return SPOILT if case.name.startswith(SPOILT) else case.group


def _all_but(times_ms: Mapping[str, Sequence[float]], without: str = "") -> list[float]:
    return [cpu_ms for kind, times in times_ms.items() if kind != without for cpu_ms in times]


def _cost(name: str, found: Quantiles, limit_ms: float) -> Mark:
    if not found.count:
        return Mark(name, "not measured", f"<= {limit_ms} ms", None)
    value = round(found.p95, 3)
    return Mark(name, f"{value:.2f} ms", f"<= {limit_ms} ms", value <= limit_ms, value)


def _usable(cases: Sequence[Case]) -> tuple[list[Case], list[str]]:
    usable, damaged = [], []
    for case in cases:
        try:
            case.stored()
        except DamagedPicture:
            damaged.append(case.name)
        else:
            usable.append(case)
    return usable, damaged


def _times(row: Row) -> list[float]:
    return [outcome.cpu_ms for outcome in row.tried]


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0
