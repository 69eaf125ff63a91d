"""Streams of frames through the scanner's own loop: what it reads, and how soon it says so."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scans import Mark, Quantiles, Section, Share, is_true
from benchmarks.scans.rendered import Cell
from benchmarks.scans.shipped import Gate, make_cascade, make_loop
from benchmarks.scans.streams import INTERVAL_S, Stream
from benchmarks.scans.workers import map_beside, progress
from gated.clock import SystemClock
from gated.datagrams import Receiver, Sender
from gated.messages import CodeSeen
from gated.scanner.frames import Frame
from gated.scanner.picture import Pixels
from gated.scanner.sighting import decode_sighting
from gated.units import MonoSeconds

JUDGED_FRAMES = 5
HALF = 0.5
LATE_S = 0.020


@dataclass(frozen=True, slots=True)
class StreamTask:
    cell: Cell
    frames: int


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """What became of one stream.

    Attributes:
        alone: for each frame, whether it's read by itself. Later frames aren't asked for once the
            loop has told the text.
        told_after: after how many frames the loop told the text; 0 is never.
        wrong: how many other texts the loop told.
    """

    cell: Cell
    alone: tuple[bool, ...]
    told_after: int
    wrong: int

    def is_told_within(self, frames: int) -> bool:
        return 0 < self.told_after <= frames

    def is_any_alone(self, frames: int) -> bool:
        return any(self.alone[:frames])


def follow(task: StreamTask) -> StreamOutcome:
    """Show one stream to the loop, and each of its frames to the cascade alone."""
    stream, gate, cascade = Stream(task.cell), Gate(), make_cascade()
    alone: list[bool] = []
    told_after = 0
    for number in range(task.frames):
        pixels = stream.frame(number).pixels
        if not told_after:
            gate.show(pixels)
            if any(is_true(text, (stream.text,)) for text in gate.outbox.texts):
                told_after = number + 1
        alone.append(stream.text in cascade.decode_picture(pixels).texts)
        if told_after and any(alone):
            break  # nothing more can come of it
    wrong = sum(not is_true(text, (stream.text,)) for text in gate.outbox.texts if text)
    return StreamOutcome(task.cell, tuple(alone), told_after, wrong)


def measure_streams(cells: Sequence[Cell], frames: int, jobs: int) -> Section:
    outcomes = map_beside("streams", follow, [StreamTask(cell, frames) for cell in cells], jobs)
    judged = min(JUDGED_FRAMES, frames)
    lines = [
        f"{len(outcomes)} streams, one frame each {INTERVAL_S * 1000:.0f} ms",
        "told by the loop within so many frames, and with any of them read alone:",
    ]
    by_frames: dict[str, object] = {}
    for count in range(1, frames + 1):
        told = _share([one.is_told_within(count) for one in outcomes])
        alone = _share([one.is_any_alone(count) for one in outcomes])
        lines.append(f"  {count:2d} frames  told {told!s:29s}   any alone {alone!s:29s}")
        by_frames[str(count)] = {"told": told.as_dict(), "any_alone": alone.as_dict()}
    lines.append(f"by kind, first frame alone, any of {judged} alone, told within {judged}:")
    by_kind: dict[str, object] = {}
    for kind in dict.fromkeys(one.cell.kind for one in outcomes):
        of_kind = [one for one in outcomes if one.cell.kind == kind]
        first, any_alone, told = _three(of_kind, judged)
        lines.append(f"  {kind:10s} {first!s:29s}   {any_alone!s:29s}   {told!s:29s}")
        by_kind[kind] = {
            "first": first.as_dict(),
            "any_alone": any_alone.as_dict(),
            "told": told.as_dict(),
        }
    missed = [one for one in outcomes if not one.is_any_alone(1)]
    gained = _share([one.is_told_within(judged) for one in missed])
    none_alone = [one for one in outcomes if not one.is_any_alone(judged)]
    joined = _share([one.is_told_within(judged) for one in none_alone])
    wrong = sum(one.wrong for one in outcomes)
    lines += [
        f"told within {judged} frames, of those whose first frame isn't read alone: {gained}",
        f"told within {judged} frames, of those of which no frame is read alone: {joined}",
    ]
    marks = [
        Mark(
            f"streams: what the first frame missed, within {judged} frames",
            str(gained),
            ">= 50 %",
            gained.hits >= HALF * gained.count,
            round(gained.percent, 2),
        ),
        Mark("streams: false reads", str(wrong), "0", wrong == 0, wrong),
    ]
    figures: dict[str, object] = {
        "streams": len(outcomes),
        "by_frames": by_frames,
        "by_kind": by_kind,
        "missed_by_first_frame_told": gained.as_dict(),
        "read_in_no_frame_told": joined.as_dict(),
        "false_reads": wrong,
    }
    return Section("streams", lines, figures, marks)


def _three(outcomes: Sequence[StreamOutcome], judged: int) -> tuple[Share, Share, Share]:
    return (
        _share([one.is_any_alone(1) for one in outcomes]),
        _share([one.is_any_alone(judged) for one in outcomes]),
        _share([one.is_told_within(judged) for one in outcomes]),
    )


def _share(found: Sequence[bool]) -> Share:
    return Share(sum(found), len(found))


# --- latency -------------------------------------------------------------------------------------

RISES_PX = (620.0, 430.0, 240.0, 90.0)
"""How far below its place the phone is in the first frames that show it."""
LATENCY = "latency: first readable frame to event, worst"
EMPTY_FRAMES = 4
STAYS_FRAMES = 6


@dataclass(frozen=True, slots=True)
class Arrival:
    """A phone that comes into view; ``readable`` is the first frame that is read alone."""

    text: str
    frames: list[Pixels]
    readable: int | None


def render_arrival(cell: Cell) -> Arrival:
    stream, cascade = Stream(cell), make_cascade()
    frames = [stream.empty_frame(number)[0] for number in range(EMPTY_FRAMES)]
    shifts = (*RISES_PX, *(0.0 for _ in range(STAYS_FRAMES)))
    for number, shift_px in enumerate(shifts, EMPTY_FRAMES):
        frames.append(stream.frame(number, shift_px=(0.0, shift_px)).pixels)
    readable = next(
        (
            number
            for number, pixels in enumerate(frames)
            if stream.text in cascade.decode_picture(pixels).texts
        ),
        None,
    )
    return Arrival(stream.text, frames, readable)


class PacedSource:
    """A camera in real time: a frame is there each interval, whether anybody looks or not."""

    name = "benchmark"

    def __init__(self, frames: Sequence[Pixels]) -> None:
        self._frames = frames
        self._clock = SystemClock()
        self._pause = threading.Event()
        self._sequence = 0
        self._began: MonoSeconds | None = None
        self.captured: list[MonoSeconds] = []
        """When each frame was there."""

    @property
    def is_over(self) -> bool:
        return self._sequence >= len(self._frames)

    def open(self) -> None:
        self._began = self._clock.monotonic_s()
        self.captured = [
            MonoSeconds(self._began + (number + 1) * INTERVAL_S)
            for number in range(len(self._frames))
        ]

    def next_frame(self, timeout_s: float) -> Frame | None:
        """Return the newest frame that was not looked at yet, as a camera's thread keeps it."""
        if self.is_over:
            return None
        now = self._clock.monotonic_s()
        while self._sequence + 1 < len(self._frames) and self.captured[self._sequence + 1] <= now:
            self._sequence += 1
        at = self.captured[self._sequence]
        if at > now:
            self._pause.wait(min(timeout_s, at - now))
            if self._clock.monotonic_s() < at:
                return None
        self._sequence += 1
        return Frame(self._frames[self._sequence - 1], self._sequence, at)

    def attend(self, wish: object) -> None:
        """Ignore what would make a code easier to read: the frames are what they are."""

    def close(self) -> None:
        """Nothing to let go of."""


def time_arrival(arrival: Arrival) -> float | None:
    """Return how long after the first readable frame the controller's socket had the text, in s.

    Negative if the loop had it from earlier frames; None if it never had.
    """
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        receiver = Receiver(Path(folder) / "sighting.sock")
        source = PacedSource(arrival.frames)
        loop = make_loop(source, Sender(receiver.path), clock)
        stop = threading.Event()
        arrived: list[MonoSeconds] = []

        def receive() -> None:
            while not stop.is_set():
                datagram = receiver.receive(0.05)
                if datagram is None:
                    continue
                at = clock.monotonic_s()
                sighting = decode_sighting(datagram.payload)
                if isinstance(sighting, CodeSeen) and sighting.text == arrival.text:
                    arrived.append(at)
                    return

        thread = threading.Thread(target=receive)
        thread.start()
        while not (source.is_over or arrived):
            loop.step(stop)
        thread.join(timeout=0.3)
        stop.set()
        thread.join()
        receiver.close()
    if not arrived or arrival.readable is None:
        return None
    return arrived[0] - source.captured[arrival.readable]


def measure_latency(cells: Sequence[Cell], jobs: int) -> Section:
    arrivals = map_beside("latency, rendering", render_arrival, list(cells), jobs)
    readable = [arrival for arrival in arrivals if arrival.readable is not None]
    time_arrival(readable[0]) if readable else None  # the first loop pays for the tables
    late_s = [time_arrival(each) for each in progress("latency", readable)]
    told_ms = [1_000 * late for late in late_s if late is not None]
    untold = len(late_s) - len(told_ms)
    limit_ms = 1_000 * (INTERVAL_S + LATE_S)
    if not told_ms:
        nothing = Mark(
            "latency: readable frame to event", "not measured", f"<= {limit_ms} ms", None
        )
        return Section("latency", ["nothing was read"], {"told": 0}, [nothing])
    quantiles, worst_ms = Quantiles.of(told_ms), max(told_ms)
    lines = [
        f"{len(arrivals)} phones come into view, in real time, load {os.getloadavg()[0]:.1f}",
        f"{len(readable)} have a readable frame, {untold} of them are never told of",
        "from its capture to the controller's socket (the controller's own part isn't in it), ms:",
        f"median {quantiles.p50:.1f}, 95 % {quantiles.p95:.1f}, worst {worst_ms:.1f}",
    ]
    figures: dict[str, object] = {
        "told": len(told_ms),
        "untold": untold,
        "median_ms": round(quantiles.p50, 1),
        "p95_ms": round(quantiles.p95, 1),
        "worst_ms": round(worst_ms, 1),
    }
    mark = Mark(
        LATENCY,
        f"{worst_ms:.0f} ms, {untold} never",
        f"<= {limit_ms:.0f} ms, none",
        worst_ms <= limit_ms and untold == 0,
        round(worst_ms, 1),
    )
    return Section("latency", lines, figures, [mark])
