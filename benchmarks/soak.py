"""Memory of the scanner's loop over very many frames: does anything grow?

    python benchmarks/soak.py [--frames N] [--seed N] [--trace] [--json]

The scanner's own loop with its own decoders looks at rendered frames, as fast as it can: a lane
with nobody in it, people who walk by, codes held up (each with another text), codes that cannot be
read, two at once, black, noise, frames of other sizes, a camera that is lost and comes back. Time
is the frames' own, ten a second; 100,000 are three hours of a lane. What is held up is rendered in
a process of its own, whose memory doesn't count.

``--trace`` tells in which of our lines the objects were made that stay (tracemalloc), and is slow.

Mark: from the first tenth to the end, resident memory grows by at most 4 MB.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.figures import print_figures, surroundings
from gated.clock import FakeClock
from gated.errors import DeviceLost
from gated.messages import CodeSeen, CodeUnread
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.frames import Frame, Wish
from gated.scanner.picture import Pixels, shrink, to_grey
from gated.scanner.process import ScannerLoop
from gated.scanner.sighting import decode_sighting
from gated.simulation.screens import HEIGHT_PX, WIDTH_PX, Hold, Shown, render_empty, render_shown

FRAMES: Final = 100_000
MARK_KB: Final = 4_096
REPORTS: Final = 10
FRAME_S: Final = 0.1
HOLD_OFF_S: Final = 3.0
SHOWN_TRACES: Final = 12
_PLACES: Final = 4
_NOISE_LEVELS: Final = 8
_NOISE_STEPS: Final = (61, 59)
_TEXT_BYTES: Final = (20, 220)
_AWAY_SHARE: Final = 0.02  # of the messages: the controller's socket is full or gone

Scene = Iterator[Pixels | DeviceLost | None]
Render = Callable[[Shown, int], Pixels]


def resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_024


# --- what the camera sees ------------------------------------------------------------------------


class Lane:
    """One scene after another, for ever; no two frames are the same.

    Args:
        seed: of everything.
        render: renders what is held up, by a seed for the place.
    """

    def __init__(self, seed: int, render: Render) -> None:
        self._render = render
        self._rng = np.random.default_rng(seed)
        self._places = [render_empty(place) for place in range(_PLACES)]
        down, across = _NOISE_STEPS
        shape = (HEIGHT_PX + down, WIDTH_PX + across, 3)
        self._noise = self._rng.integers(0, _NOISE_LEVELS, shape, np.uint8)
        self.kinds: Counter[str] = Counter()

    def scenes(self) -> Scene:
        """Yield frames, errors, and None where no frame comes."""
        held: tuple[tuple[str, Callable[[], Scene]], ...] = (
            ("a code", lambda: self._held(Hold())),
            ("a code", lambda: self._held(Hold(code_px=220.0, tilt_deg=15.0))),
            ("out of focus", lambda: self._held(Hold(unsharp_px=5.0))),
            ("smeared", lambda: self._held(Hold(smear_px=22.0))),
            ("far away", lambda: self._held(Hold(code_px=70.0))),
            ("dim", lambda: self._held(Hold(brightness=0.035))),
            ("glare", lambda: self._held(Hold(glare=0.9))),
            ("two codes", self._two),
            ("black", self._black),
            ("noise", self._static),
            ("other sizes", self._sizes),
            ("a lost camera", self._lost),
        )
        for number in itertools.count():
            yield from self._counted("nobody", self._nobody(int(self._rng.integers(150, 450))))
            yield from self._counted("people", self._people(20))
            name, scene = held[number % len(held)]
            yield from self._counted(name, scene())

    def _counted(self, name: str, scene: Scene) -> Scene:
        for frame in scene:
            self.kinds[name] += 1
            yield frame

    def _exposed(self, scene: Pixels) -> Pixels:
        """Return a frame of ``scene`` under a noise of its own."""
        down, across = (int(self._rng.integers(0, steps)) for steps in _NOISE_STEPS)
        height, width = scene.shape[:2]
        noise = self._noise[down : down + height, across : across + width]
        room = np.minimum(scene, 255 - _NOISE_LEVELS)
        return np.asarray(room + (noise if scene.ndim == noise.ndim else noise[..., 0]), np.uint8)

    def _place(self) -> Pixels:
        return self._places[int(self._rng.integers(0, _PLACES))]

    def _nobody(self, frames: int) -> Scene:
        place = self._place()
        for _ in range(frames):
            yield self._exposed(place)

    def _people(self, frames: int) -> Scene:
        place = self._place()
        width, tone = int(self._rng.integers(100, 400)), self._rng.integers(20, 230, 3, np.uint8)
        for number in range(frames):
            scene = place.copy()
            left = number * WIDTH_PX // frames
            scene[100:, left : left + width] = tone
            yield self._exposed(scene)

    def _text(self) -> str:
        return "GP1:" + self._rng.bytes(int(self._rng.integers(*_TEXT_BYTES))).hex().upper()

    def _shown(self, hold: Hold) -> Pixels:
        is_paper = bool(self._rng.integers(0, 2))
        return self._render(Shown(self._text(), is_paper, hold), int(self._rng.integers(0, 2)))

    def _held(self, hold: Hold, frames: int = 12) -> Scene:
        shown = self._shown(hold)
        for _ in range(frames):
            yield self._exposed(shown)

    def _two(self) -> Scene:
        one, other = (shrink(self._shown(Hold(code_px=500.0)), WIDTH_PX // 2) for _ in range(2))
        scene = self._place().copy()
        scene[: one.shape[0], : WIDTH_PX // 2] = one
        scene[: other.shape[0], WIDTH_PX // 2 :] = other
        for _ in range(10):
            yield self._exposed(scene)

    def _black(self) -> Scene:
        for _ in range(20):
            yield self._exposed(np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8))

    def _static(self) -> Scene:
        for _ in range(6):
            yield self._rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)

    def _sizes(self) -> Scene:
        for side in (1, 17, 160, 640):
            yield self._exposed(shrink(self._shown(Hold()), side))
        for side in (2, 300, 900):
            yield self._exposed(to_grey(shrink(self._shown(Hold()), side)))

    def _lost(self) -> Scene:
        yield from [None] * 70  # 7 s: so long it's silent until it's opened again
        yield DeviceLost("the soak pulls the plug", device="soak")


class SoakSource:
    """The lane as a camera."""

    name = "soak"

    def __init__(self, scenes: Scene, clock: FakeClock) -> None:
        self._scenes = scenes
        self._clock = clock
        self.taken = 0

    def open(self) -> None:
        pass

    def next_frame(self, timeout_s: float) -> Frame | None:  # noqa: ARG002  time is the run's
        self.taken += 1
        entry = next(self._scenes)
        if isinstance(entry, DeviceLost):
            raise entry
        return None if entry is None else Frame(entry, self.taken, self._clock.monotonic_s())

    def attend(self, wish: Wish | None) -> None:
        pass

    def close(self) -> None:
        pass


class Controller:
    """Counts what it's sent; at times it isn't there. Whatever it can't read ends the run."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.codes = self.hints = self.healths = 0

    def send(self, payload: bytes) -> bool:
        if self._rng.random() < _AWAY_SHARE:
            return False
        sighting = decode_sighting(payload)
        self.codes += isinstance(sighting, CodeSeen)
        self.hints += isinstance(sighting, CodeUnread)
        self.healths += not isinstance(sighting, CodeSeen | CodeUnread)
        return True


# --- the run -------------------------------------------------------------------------------------


class Soak:
    """The loop before the lane."""

    def __init__(self, seed: int, render: Render = render_shown) -> None:
        self.clock = FakeClock()
        self.lane = Lane(seed, render)
        self.source = SoakSource(self.lane.scenes(), self.clock)
        self.controller = Controller(seed)
        decoders, _ = load_decoders()
        self.loop = ScannerLoop(
            self.source, Cascade(decoders), self.controller, self.clock, hold_off_s=HOLD_OFF_S
        )
        self._stop = threading.Event()
        self._stop.set()  # so that the loop's own pauses take no real time

    def run_to(self, frames: int) -> None:
        """Go on until ``frames`` were asked for in all."""
        while self.source.taken < frames:
            self.clock.advance(FRAME_S)
            self.loop.step(self._stop)


def run(frames: int, seed: int, *, traces: bool) -> dict[str, object]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
        soak = Soak(seed, lambda shown, place: beside.submit(render_shown, shown, place).result())
        return measure(soak, frames, traces=traces)


def measure(soak: Soak, frames: int, *, traces: bool) -> dict[str, object]:
    began_s = time.monotonic()
    memory_kb: list[int] = []
    first: tracemalloc.Snapshot | None = None
    for part in range(1, REPORTS + 1):
        soak.run_to(frames * part // REPORTS)
        memory_kb.append(resident_kb())
        rate = soak.source.taken / (time.monotonic() - began_s)
        print(
            f"{soak.source.taken} frames, {rate:.0f} a second, {memory_kb[-1]} kB", file=sys.stderr
        )
        if traces and first is None:
            tracemalloc.start()
            # What was made before is not seen to go: the next part is the one to compare with.
            soak.run_to(soak.source.taken + frames // REPORTS // 2)
            first = tracemalloc.take_snapshot()
    took_s = time.monotonic() - began_s
    rows: dict[str, object] = {
        f"resident after {frames * part // REPORTS}, kB": kb for part, kb in enumerate(memory_kb, 1)
    }
    rows["frames a second"] = round(soak.source.taken / took_s, 1)
    rows["frames"] = ", ".join(f"{count} {name}" for name, count in soak.lane.kinds.items())
    controller = soak.controller
    rows["told"] = (
        f"{controller.codes} codes, {controller.hints} hints, {controller.healths} healths"
    )
    if first is not None:
        rows |= _grown(first, tracemalloc.take_snapshot())
    rows["soak.growth_kb"] = memory_kb[-1] - memory_kb[0]
    return rows


def _grown(first: tracemalloc.Snapshot, last: tracemalloc.Snapshot) -> dict[str, object]:
    """Return by which lines of ours objects were made that are there at the end, and weren't."""
    own = [tracemalloc.Filter(inclusive=True, filename_pattern="*/gated/*")]
    changes = last.filter_traces(own).compare_to(first.filter_traces(own), "lineno")
    rows: dict[str, object] = {
        f"stays: {Path(frame.filename).name}:{frame.lineno}": (
            f"{change.size_diff / 1_024:+.1f} kB, {change.count_diff:+d} objects"
        )
        for change in changes[:SHOWN_TRACES]
        for frame in change.traceback[:1]
    }
    rows["soak.objects_kb"] = round(sum(change.size_diff for change in changes) / 1_024, 1)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = run(args.frames, args.seed, traces=args.trace)
    if not args.json:
        rows["soak.growth_kb"] = f"{rows['soak.growth_kb']} (mark: at most {MARK_KB})"
    print_figures(rows, surroundings("a process that renders"), as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
