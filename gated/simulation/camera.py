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
    add_noise,
    fit_photo,
    render_empty,
    render_phone,
)
from gated.units import MonoSeconds

FRAME_RATE_HZ = 10.0
NOISES = 4
"""Prepared exposures of each picture; a camera never delivers the same one twice in a row."""


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
        self._held: str | Path | None = None
        self._empty = self._exposures(render_empty(seed))
        self.first_frame: tuple[str | Path | None, MonoSeconds] = (None, clock.monotonic_s())
        """What is held up as frames show it, and when the first of these was taken."""

    def hold_up(self, what: str | Path | None) -> None:
        """Show a code's text as a phone, a picture, or nothing, from the next frame on."""
        self._held = what

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Write frames until ``stop``."""
        shown, exposures, count = self._held, self._empty, 0
        while not stop.is_set():
            beat()
            held = self._held
            if held != shown:
                shown, exposures = held, self._render(held)
            taken_at = self._clock.monotonic_s()
            self._writer.write(exposures[count % NOISES], taken_at)
            if self.first_frame[0] != shown:
                self.first_frame = (shown, taken_at)
            count += 1
            stop.wait(1 / FRAME_RATE_HZ)
        self._writer.close()

    def _render(self, held: str | Path | None) -> list[Pixels]:
        if held is None:
            return self._empty
        if isinstance(held, Path):
            return self._exposures(fit_photo(held))
        return self._exposures(render_phone(held, seed=self._seed))

    def _exposures(self, frame: Pixels) -> list[Pixels]:
        """Return ``frame`` under different noise, each unlike the one before."""
        return [np.ascontiguousarray(add_noise(frame, self._seed + i)) for i in range(NOISES)]
