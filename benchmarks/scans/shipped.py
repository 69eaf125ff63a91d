"""The gate's own scanner, as the benchmark drives it: its cascade, its steps, its loop."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from benchmarks.scans.decoders import Known
from benchmarks.scans.streams import INTERVAL_S
from gated.clock import Clock, FakeClock
from gated.errors import DeviceLost
from gated.messages import CodeSeen
from gated.scanner.cascade import Cascade, Decoded, Part, Step, plan_steps
from gated.scanner.decoders import load_decoders
from gated.scanner.frames import Frame
from gated.scanner.picture import Pixels
from gated.scanner.process import ScannerLoop
from gated.scanner.sighting import decode_sighting
from gated.scanner.views import Views

HOLD_OFF_S = 1.5


def make_cascade() -> Cascade:
    return Cascade(load_decoders()[0])


def shipped_steps() -> list[Known]:
    """Return each step of the cascade by itself, its view made anew for it."""
    steps = plan_steps(load_decoders()[0])
    named = [Known(_name(number, step), _reader(step)) for number, step in enumerate(steps, 1)]
    return [*named, Known("step: taken apart", _take_apart)]


def _name(number: int, step: Step) -> str:
    view = getattr(step.view, "__name__", "<lambda>")
    if view == "<lambda>":  # ``lambda views: views.darkest``
        code = getattr(step.view, "__code__", None)
        view = " ".join(code.co_names) if code is not None else "view"
    return f"step {number}: {step.decoder.name} {view}"


def _reader(step: Step) -> Callable[[Pixels], tuple[str, ...]]:
    return lambda pixels: tuple(step.decoder.read(step.view(Views(pixels))).texts)


def _take_apart(pixels: Pixels) -> tuple[str, ...]:
    look = make_cascade().begin(pixels)
    look.take(Part.GRID)
    return look.result().texts


def time_parts(pixels: Pixels, cascade: Cascade) -> dict[str, float]:
    """Return what each part of the cascade costs in a picture, one after the other, in ms."""
    look = cascade.begin(pixels)
    costs: dict[str, float] = {}
    so_far_ms = 0.0
    for part in Part:
        look.take(part)
        cpu_ms = look.result().cpu_ms
        costs[part.name.lower()], so_far_ms = cpu_ms - so_far_ms, cpu_ms
    return costs


# --- the loop ------------------------------------------------------------------------------------


class Outbox:
    """The way to the controller: what was sent, decoded."""

    def __init__(self) -> None:
        self.codes: list[CodeSeen] = []

    def send(self, payload: bytes) -> bool:
        sighting = decode_sighting(payload)
        if isinstance(sighting, CodeSeen):
            self.codes.append(sighting)
        return True

    @property
    def texts(self) -> list[str]:
        return [code.text for code in self.codes]


class ListSource:
    """A camera that delivers one frame after another from memory, one each interval."""

    name = "benchmark"

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._sequence = 0
        self._next: Pixels | None = None
        self._is_open = False

    def put(self, pixels: Pixels) -> None:
        """Lay out the next frame."""
        self._next = pixels

    def open(self) -> None:
        self._is_open = True

    def next_frame(self, timeout_s: float) -> Frame | None:
        if not self._is_open:
            raise DeviceLost("the benchmark's source isn't open", device=self.name)
        if self._next is None:
            self._clock.advance(timeout_s)
            return None
        self._clock.advance(INTERVAL_S)
        self._sequence += 1
        pixels, self._next = self._next, None
        return Frame(pixels, self._sequence, self._clock.monotonic_s())

    def attend(self, wish: object) -> None:
        """Ignore what would make a code easier to read: the frames are what they are."""

    def close(self) -> None:
        self._is_open = False


class FrameSourceLike(Protocol):
    """What the loop takes for a camera, as far as both sources here keep to it."""

    name: str

    def open(self) -> None: ...
    def next_frame(self, timeout_s: float) -> Frame | None: ...
    def attend(self, wish: object) -> None: ...
    def close(self) -> None: ...


class Gate:
    """A scanner's loop that is fed frame by frame, in time of its own."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self._source = ListSource(self._clock)
        self._stop = threading.Event()
        self.outbox = Outbox()
        self._loop = make_loop(self._source, self.outbox, self._clock)

    def show(self, pixels: Pixels) -> float:
        """Let the loop look at a frame; return the CPU time of the whole process in ms."""
        self._source.put(pixels)
        began_s = time.process_time()
        self._loop.step(self._stop)
        return (time.process_time() - began_s) * 1_000


class Sends(Protocol):
    def send(self, payload: bytes) -> bool: ...


def make_loop(source: FrameSourceLike, sender: Sends, clock: Clock) -> ScannerLoop:
    return ScannerLoop(source, make_cascade(), sender, clock, hold_off_s=HOLD_OFF_S)


# --- colour --------------------------------------------------------------------------------------


class ColourReader:
    """What colour the gate takes a code for.

    Attributes:
        missing: why it can't be asked; "" if it can.
    """

    def __init__(self) -> None:
        self.missing = ""
        try:
            self._module: Any = importlib.import_module("gated.scanner.colour")
        except ImportError as error:
            self.missing = f"no colours are read: {error}"

    def read(self, decoded: Decoded, pixels: Pixels) -> str:
        """Return the colour of the first code in ``decoded``, which was made of ``pixels``."""
        colour = self._module.read_colour(pixels, decoded.codes[0].corners).colour
        return str(getattr(colour, "value", colour))
