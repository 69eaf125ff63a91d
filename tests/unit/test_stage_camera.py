"""The scenario's camera, frame by frame through its file."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest

from gated.clock import FakeClock
from gated.scanner.frames import Frame
from gated.scanner.picture import encode_picture
from gated.scanner.sources.shared import SharedFrames
from gated.simulation.camera import NOISES, Held, StageCamera
from gated.simulation.screens import Hold, Shown, fit_photo, render_empty, render_shown
from gated.vocabulary import CodeColour

SEED = 5


class Film:
    """Runs the camera until it has taken so many frames, and keeps them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "frames"
        self.clock = FakeClock()
        self.camera = StageCamera(self.path, self.clock, SEED)
        self.frames: list[Frame] = []

    def take(self, number: int, what: Held | None) -> list[Frame]:
        self.camera.hold_up(what)
        source = SharedFrames(self.path, self.clock)
        source.open()
        stop = threading.Event()
        taken: list[Frame] = []

        def beat() -> None:
            frame = source.next_frame(0.0)
            if frame is not None:
                taken.append(frame)
            if len(taken) == number:
                stop.set()

        self.camera.run(stop, beat)
        source.close()
        return taken


def _is_like(frame: Frame, scene: np.ndarray) -> bool:
    """Return whether ``frame`` is ``scene`` but for the noise of one exposure."""
    return int(np.abs(frame.pixels.astype(int) - scene).max()) <= 8


@pytest.mark.parametrize(
    "shown",
    [
        Shown("GP1:A", is_paper=True),
        Shown("GP1:A", hold=Hold(brightness=0.1)),
        Shown("GP1:A", colour=CodeColour.YELLOW),
    ],
)
def test_it_shows_what_is_held_up_as_it_is_held(tmp_path: Path, shown: Shown) -> None:
    film = Film(tmp_path)
    (frame,) = film.take(1, shown)
    assert _is_like(frame, render_shown(shown, SEED))
    assert film.camera.first_frame[0] == shown


def test_a_text_alone_is_on_a_phone_and_a_path_is_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(encode_picture(render_shown(Shown("GP1:B"), 1)))
    assert _is_like(Film(tmp_path).take(1, "GP1:A")[0], render_shown(Shown("GP1:A"), SEED))
    assert _is_like(Film(tmp_path).take(1, picture)[0], fit_photo(picture))
    assert _is_like(Film(tmp_path).take(1, None)[0], render_empty(SEED))


def test_no_two_frames_in_a_row_are_alike(tmp_path: Path) -> None:
    frames = Film(tmp_path).take(NOISES + 2, "GP1:A")
    for before, after in itertools.pairwise(frames):
        assert not np.array_equal(before.pixels, after.pixels)
    assert np.array_equal(frames[0].pixels, frames[NOISES].pixels)
