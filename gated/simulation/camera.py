"""The scenario's camera: renders what is held up, ten times a second, for the real scanner."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gated.clock import Clock
from gated.scanner.picture import Pixels
from gated.scanner.sources.shared import SharedFrameWriter
from gated.simulation.screens import (
    HEIGHT_PX,
    WIDTH_PX,
    Shown,
    add_noise,
    fit_photo,
    render_empty,
    render_shown,
)
from gated.units import MonoSeconds

FRAME_RATE_HZ = 10.0
NOISES = 4
"""Exposures of each picture; a camera never delivers the same one twice in a row."""

Held = str | Path | Shown
"""A code's text on a phone, a picture, or a code on something that's held in some way."""


class StageCamera:
    """Writes the frames. ``hold_up`` may be called from any thread.

    Args:
        path: the shared file that the scanner reads.
        seed: of the place and the noise.
    """

    def __init__(self, path: Path, clock: Clock, seed: int) -> None:
        self._writer = SharedFrameWriter(path, WIDTH_PX, HEIGHT_PX)
        self._clock = clock
        self._seed = seed
        self._held: Held | None = None
        self._scene: Pixels = render_empty(seed)
        self._exposures: list[Pixels] = []
        self.is_stalled = False
        """While true, no frame comes. May be set from any thread."""
        self.first_frame: tuple[Held | None, MonoSeconds] = (None, clock.monotonic_s())
        """What is held up as frames show it, and when the first of these was taken."""

    def hold_up(self, what: Held | None) -> None:
        """Show this, or nothing, from the next frame on."""
        self._held = what

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Write frames until ``stop``."""
        shown, count = None, 0
        while not stop.is_set():
            beat()
            if self.is_stalled:
                stop.wait(1 / FRAME_RATE_HZ)
                continue
            held = self._held
            if held != shown:
                shown, self._scene, self._exposures = held, self._render(held), []
            exposure = self._exposure(count % NOISES)  # made before the time that it stands for
            taken_at = self._clock.monotonic_s()
            self._writer.write(exposure, taken_at)
            if self.first_frame[0] != shown:
                self.first_frame = (shown, taken_at)
            count += 1
            stop.wait(1 / FRAME_RATE_HZ)
        self._writer.close()

    def _render(self, held: Held | None) -> Pixels:
        if held is None:
            return render_empty(self._seed)
        if isinstance(held, Path):
            return fit_photo(held)
        return render_shown(Shown(held) if isinstance(held, str) else held, self._seed)

    def _exposure(self, number: int) -> Pixels:
        """Return what is shown under one of several noises, made when it's first needed."""
        while len(self._exposures) <= number:
            noisy = add_noise(self._scene, self._seed + len(self._exposures))
            self._exposures.append(np.ascontiguousarray(noisy))
        return self._exposures[number]
