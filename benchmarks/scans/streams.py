"""Streams of frames of one phone in one hand, before a camera that doesn't move. Seeded.

What is different in each frame: where the phone is and how it's turned (the hand's sway and tremor,
from which its smear follows), the camera's focus, where a lamp is mirrored, the exposure, a
screen's bands, and the noise. What stays: the text, the page, the room. Each kind has one of them
strong, so that a single frame often fails, while the others are as on a good day. The first frames
of a stream are the same however many are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.scans.rendered import (
    COLOURS,
    PAYLOADS,
    SIDE_PX,
    Cell,
    Exposure,
    Picture,
    Pose,
    Rendered,
    add_glare,
    add_moire,
    draw_background,
    draw_code,
    draw_page,
    draw_payload,
    draw_pose,
    expose,
    make_disc,
    make_line,
    measure_side_px,
    project,
    see_corners,
    warp,
)
from gated.scanner.picture import Pixels

KINDS = (
    "shake",
    "glare",
    "breathing",
    "dim",
    "small",
    "flicker",
    "moire",
    "jpeg",
    "mixed",
)
SEVERITIES = (1, 2, 3)
INTERVAL_S = 0.1
MOST_FRAMES = 10
_FIRST_FREE = 1000
"""Seeds of streams are apart from those of single pictures."""
_LEAST_SMEAR_PX, _LEAST_DISC_PX = 1.0, 0.5


_DAYLIGHT = Exposure()


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How bad a stream is.

    Attributes:
        tremor_px, sway_px: amplitude of the quick and the slow movement of the hand.
        exposure_s: how long the shutter is open.
        defocus_modules: mean radius of the disc, in modules of the code.
        breathing_modules: how far this goes up and down.
        glare: radius of the spot, in widths of the code; 0 is none.
        flicker: how far the exposure goes up and down, as a power of 2.
        module_px: the code's module in the frame; 0 is a code of 330 px.
    """

    tremor_px: float = 0.5
    sway_px: float = 8.0
    exposure_s: float = 0.012
    defocus_modules: float = 0.0
    breathing_modules: float = 0.0
    glare: float = 0.0
    flicker: float = 0.08
    moire: float = 0.0
    module_px: float = 0.0
    sensor: Exposure = _DAYLIGHT


_PLAIN = Difficulty()
DIFFICULTIES: dict[str, tuple[Difficulty, Difficulty, Difficulty]] = {
    "shake": (
        replace(_PLAIN, tremor_px=3.0, sway_px=20.0, exposure_s=0.03),
        replace(_PLAIN, tremor_px=5.0, sway_px=25.0, exposure_s=0.035),
        replace(_PLAIN, tremor_px=7.0, sway_px=30.0, exposure_s=0.035),
    ),
    "glare": (
        replace(_PLAIN, glare=0.16),
        replace(_PLAIN, glare=0.22),
        replace(_PLAIN, glare=0.27),
    ),
    "breathing": (
        replace(_PLAIN, defocus_modules=0.6, breathing_modules=0.3),
        replace(_PLAIN, defocus_modules=0.8, breathing_modules=0.3),
        replace(_PLAIN, defocus_modules=1.0, breathing_modules=0.3),
    ),
    "dim": (
        replace(_PLAIN, sensor=Exposure(gain=0.12, noise=12.0)),
        replace(_PLAIN, sensor=Exposure(gain=0.09, noise=15.0)),
        replace(_PLAIN, sensor=Exposure(gain=0.07, noise=18.0)),
    ),
    "small": (
        replace(_PLAIN, module_px=2.2, sway_px=4.0),
        replace(_PLAIN, module_px=1.8, sway_px=4.0),
        replace(_PLAIN, module_px=1.5, sway_px=4.0),
    ),
    "flicker": (
        replace(_PLAIN, flicker=1.5, sensor=Exposure(gain=2.0)),
        replace(_PLAIN, flicker=1.5, sensor=Exposure(gain=3.0)),
        replace(_PLAIN, flicker=1.5, sensor=Exposure(gain=4.0)),
    ),
    "moire": (
        replace(_PLAIN, moire=0.45),
        replace(_PLAIN, moire=0.55),
        replace(_PLAIN, moire=0.65),
    ),
    "jpeg": (
        replace(_PLAIN, module_px=4.0, sensor=Exposure(jpeg_quality=12)),
        replace(_PLAIN, module_px=3.5, sensor=Exposure(jpeg_quality=9)),
        replace(_PLAIN, module_px=3.0, sensor=Exposure(jpeg_quality=7)),
    ),
    "mixed": (
        Difficulty(2, 12, 0.02, 0.35, 0.15, 0.12, 0.3, 0.15, 0, Exposure(0.6, noise=5)),
        Difficulty(3, 15, 0.025, 0.45, 0.2, 0.15, 0.5, 0.2, 0, Exposure(0.4, noise=6)),
        Difficulty(4, 15, 0.03, 0.5, 0.2, 0.18, 0.6, 0.25, 0, Exposure(0.3, noise=8)),
    ),
}


def stream_cells(seed: int) -> Iterator[Cell]:
    """Return 270 streams' arguments: 5 colours x 9 kinds x 3 severities x 2 payloads."""
    for payload in PAYLOADS:
        for kind in KINDS:
            for severity in SEVERITIES:
                for colour in COLOURS:
                    yield Cell(colour, kind, severity, seed, payload)


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What one frame sees."""

    pose: Pose
    speed_px_s: NDArray[np.float64]
    defocus_modules: float
    glare_at: NDArray[np.float64]  # from the code's middle, in widths of the code
    gain: float


class Hand:
    """A hand's movement, and whatever else changes with time: sums of sines, drawn once."""

    def __init__(self, difficulty: Difficulty, pose: Pose, rng: Generator) -> None:
        self._difficulty = difficulty
        self._pose = pose
        # Hands sway at about 1 Hz and tremble at 8 to 12 Hz.
        self._sway = _Wave.draw(rng, (0.4, 1.2), 2)
        self._tremor = _Wave.draw(rng, (6.0, 11.0), 2)
        self._turn = _Wave.draw(rng, (0.4, 1.5), 3)  # roll, tilt, distance
        self._focus = _Wave.draw(rng, (0.8, 2.0), 1)
        self._flicker = _Wave.draw(rng, (2.0, 4.5), 1)
        # The mirrored lamp goes through the code and turns back: the tilt sways, and it doubles it.
        self._lamp = _Wave.draw(rng, (0.6, 1.4), 2)
        self._lamp_aspect = rng.uniform(0.7, 1.4)

    @property
    def lamp_aspect(self) -> float:
        return float(self._lamp_aspect)

    def at(self, time_s: float) -> Moment:
        how, pose = self._difficulty, self._pose
        sway, sway_speed = self._sway.at(time_s)
        tremor, tremor_speed = self._tremor.at(time_s)
        (roll, tilt, distance), _ = self._turn.at(time_s)
        return Moment(
            replace(
                pose,
                roll_rad=pose.roll_rad + math.radians(1.5) * roll,
                tilt_rad=pose.tilt_rad + math.radians(2.0) * tilt,
                centre_px=pose.centre_px + how.sway_px * sway + how.tremor_px * tremor,
                side_px=pose.side_px * (1 + 0.015 * distance),
            ),
            how.sway_px * sway_speed + how.tremor_px * tremor_speed,
            max(0.0, how.defocus_modules + how.breathing_modules * self._focus.at(time_s)[0][0]),
            0.3 * self._lamp.at(time_s)[0],
            2.0 ** (how.flicker * float(self._flicker.at(time_s)[0][0])),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Wave:
    hz: NDArray[np.float64]
    phase: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: Generator, hz: tuple[float, float], axes: int) -> _Wave:
        return cls(rng.uniform(*hz, axes), rng.uniform(0, 2 * math.pi, axes))

    def at(self, time_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the deflection, -1 to 1, and how fast it changes, in 1/s."""
        angle = 2 * math.pi * self.hz * time_s + self.phase
        return np.sin(angle), 2 * math.pi * self.hz * np.cos(angle)


class Stream:
    """One phone, one hand, one room. ``frame`` may be asked for any frame, in any order."""

    def __init__(self, cell: Cell) -> None:
        # The colour isn't part of the seed: the five of one cell share text, movement and noise.
        self._seed = [
            _FIRST_FREE + cell.seed,
            KINDS.index(cell.kind),
            cell.severity,
            PAYLOADS.index(cell.payload),
        ]
        rng = np.random.default_rng(self._seed)
        self._how = DIFFICULTIES[cell.kind][cell.severity - 1]
        self.colour = cell.colour
        self.text = draw_payload(cell.payload, rng)
        self._has_logo = bool(rng.random() < 0.5) and cell.payload != "dcc"
        card, self._modules = draw_code(self.text, cell.colour, has_logo=self._has_logo)
        self._page = draw_page(card, cell.colour, rng, self._modules)
        side_px = self._how.module_px * self._modules or SIDE_PX
        self._hand = Hand(self._how, draw_pose(rng, side_px, rng.uniform(0, 12)), rng)
        self._room = draw_background(rng)

    def frame(self, number: int, *, shift_px: tuple[float, float] = (0.0, 0.0)) -> Rendered:
        """Return frame ``number``; with the phone ``shift_px`` from where the hand has it."""
        rng = np.random.default_rng([*self._seed, number])
        moment = self._hand.at(number * INTERVAL_S)
        pose = replace(moment.pose, centre_px=moment.pose.centre_px + shift_px)
        homography = project(self._page, pose)
        corners = see_corners(self._page, homography)
        side_px = measure_side_px(corners)
        seen, share = warp(self._page, homography, pose.side_px)
        light = self._see(moment, seen, share, side_px / self._modules)
        if self._how.moire:
            add_moire(light, self._how.moire, rng)
        if self._how.glare:
            across_px = self._how.glare * side_px
            centre_px = corners.mean(0) + moment.glare_at * side_px
            light = add_glare(light, centre_px, across_px, across_px * self._hand.lamp_aspect)
        sensor = replace(self._how.sensor, gain=self._how.sensor.gain * moment.gain)
        pixels, jpeg = expose(light, sensor, rng)
        return Rendered(
            pixels,
            jpeg,
            self.text,
            self.colour,
            self._modules,
            side_px / self._modules,
            self._has_logo,
            math.degrees(pose.tilt_rad),
            corners,
        )

    def empty_frame(self, number: int) -> tuple[Pixels, bytes]:
        """Return the room without the phone."""
        rng = np.random.default_rng([*self._seed, number])
        return expose(self._room, Exposure(), rng)

    def _see(self, moment: Moment, seen: Picture, share: Picture, module_px: float) -> Picture:
        """Return the light on the sensor: the phone smears, the lens blurs phone and room."""
        covered: Picture = seen * share
        length_px = float(np.hypot(*moment.speed_px_s)) * self._how.exposure_s
        if length_px > _LEAST_SMEAR_PX:
            line = make_line(length_px, math.atan2(moment.speed_px_s[1], moment.speed_px_s[0]))
            covered = cv2.filter2D(covered, -1, line)
            share = cv2.filter2D(share, -1, line)[..., None]
        light = covered + self._room * (1 - share)
        radius_px = moment.defocus_modules * module_px
        if radius_px > _LEAST_DISC_PX:
            light = cv2.filter2D(light, -1, make_disc(radius_px))
        return np.asarray(cv2.GaussianBlur(light, (0, 0), 0.6))


def render_stream(cell: Cell, frames: int = MOST_FRAMES) -> Iterator[Rendered]:
    """Yield the first ``frames`` frames of the stream of ``cell``, one each ``INTERVAL_S``."""
    stream = Stream(cell)
    for number in range(frames):
        yield stream.frame(number)
