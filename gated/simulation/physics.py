"""The world before one thermometer: air, people, things, the sun. Seeded, pure functions of time.

What is assumed and not measured stands in the constants below; the optics are in ``optics``, how
people move in ``approach``, what a chip adds in its own model.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from gated.sensors.port import DistanceSample
from gated.simulation.approach import Person, Walker, forehead_c
from gated.simulation.optics import (
    FACE_RADIUS_M,
    TORSO_RADIUS_M,
    Thing,
    View,
    seen_c,
    seen_past_c,
)
from gated.units import MonoSeconds
from gated.vocabulary import Site

DAY_S = 86_400.0
AIR_MIN_C, AIR_MAX_C = 10.0, 32.0

BODY_C, BODY_SPREAD_C = 36.8, 0.35
FEVER_SHARE = 0.05
FEVER_FROM_C, FEVER_TAIL_C, FEVER_MAX_C = 37.3, 0.7, 41.0
"""Fevers: an exponential tail above the limit. Assumed."""
SKIN_SPREAD_C = {Site.FOREHEAD_SPOT: 0.45, Site.FOREHEAD_MAX: 0.45, Site.HOTTEST: 0.30}
"""Between people, of the skin against the average rule (PhysioNet face-oral-temp-data 1.0.0)."""
COVERED_C = (-3.0, -0.5)
"""What hair, the rim of a cap or sweat takes off a forehead."""

SUN_WALL_C = 7.0
SUN_SKIN_C = 1.2
"""In the sun the wall behind is so much warmer than the air, and a forehead than the rule."""

RANGE_NOISE_M = 0.004
RANGE_STEP_M = 0.001
RANGE_HALF_CONE_RAD = math.radians(13.5)
RANGE_MAX_M = 4.0
"""A VL53L1X: a cone of 27°, ±4 mm, whole millimetres."""

UNIT_OFFSET_C = 0.1
UNIT_GAIN = 0.003
"""Standard deviations between specimens of an MLX90614: half of the datasheet's ±0.2 °C."""


@dataclass(frozen=True, slots=True)
class Air:
    """The air before the gate: a sine over the day, coldest at 04:00, never beyond its limits."""

    mean_c: float = 22.0
    swing_c: float = 0.0  # half of the difference between afternoon and early morning
    coldest_at_s: float = 4 * 3_600.0

    def ambient_c(self, at_s: float) -> float:
        """Return the air's temperature."""
        phase = math.tau * (at_s - self.coldest_at_s) / DAY_S
        return min(max(self.mean_c - self.swing_c * math.cos(phase), AIR_MIN_C), AIR_MAX_C)


@dataclass(frozen=True, slots=True)
class Held:
    """A thing before the thermometer, for a while."""

    thing: Thing
    from_s: float
    until_s: float


HAND = Thing(distance_m=0.15, radius_m=0.05, surface_c=32.5)
CUP = Thing(distance_m=0.20, radius_m=0.04, surface_c=62.0, emissivity=0.93)


@dataclass
class Scene:
    """What is before one thermometer at any moment.

    Args:
        mount_height_m: of the thermometer, and of the distance sensor beside it.
        fov_deg: of the thermometer.
        seed: of the distance sensor's noise.
        sun: when it shines on the wall behind and on the faces, as (from, until) in s.
        wall_m: how far away the wall behind is; None: out of the distance sensor's range.
    """

    mount_height_m: float
    fov_deg: float
    seed: int
    air: Air = field(default_factory=Air)
    people: list[Walker] = field(default_factory=list)
    things: list[Held] = field(default_factory=list)
    sun: Sequence[tuple[float, float]] = ()
    wall_m: float | None = None

    def seen_c(self, at_s: float) -> float:
        """Return what the thermometer has before its optics."""
        ambient_c, is_sunny = self.air.ambient_c(at_s), self._is_sunny(at_s)
        shown_c = around_c = ambient_c + (SUN_WALL_C if is_sunny else 0.0)
        for view in sorted(self.views(at_s), key=lambda view: -view.distance_m):
            shown_c = seen_c(view, self.fov_deg, ambient_c, behind_c=shown_c, reflected_c=around_c)
        for held in self._held(at_s):
            shown_c = seen_past_c(held.thing, self.fov_deg, ambient_c, shown_c)
        return shown_c

    def true_c(self, walker: Walker, at_s: float) -> float:
        """Return the temperature of this person's forehead."""
        here_s = max(at_s - walker.arrives_at_s, 0.0)
        skin_c = forehead_c(walker.person, self.air.ambient_c(at_s), here_s=here_s)
        return skin_c + (SUN_SKIN_C if self._is_sunny(at_s) else 0.0)

    def distance_m(self, at_s: float) -> float | None:
        """Return how far away the nearest thing in the distance sensor's cone is."""
        near_m = [view.distance_m for view in self.views(at_s) if is_in_cone(view)]
        near_m += [held.thing.distance_m for held in self._held(at_s)]
        if self.wall_m is not None:
            near_m.append(self.wall_m)
        return min(near_m, default=None)

    def ranged(self, at_s: float) -> DistanceSample:
        """Return what the distance sensor says."""
        true_m = self.distance_m(at_s)
        if true_m is None or true_m > RANGE_MAX_M:
            return DistanceSample(None, MonoSeconds(at_s))
        chance = random.Random(f"{self.seed} {at_s:.6f}")  # noqa: S311 - noise, seeded to repeat
        shown_m = max(true_m + chance.gauss(0.0, RANGE_NOISE_M), 0.0)
        return DistanceSample(round(shown_m / RANGE_STEP_M) * RANGE_STEP_M, MonoSeconds(at_s))

    def views(self, at_s: float) -> list[View]:
        """Return the heads that can be seen."""
        views = (
            walker.view(at_s, self.mount_height_m, self.true_c(walker, at_s))
            for walker in self.people
            if walker.is_in_view(at_s)
        )
        return [view for view in views if view is not None]

    def _held(self, at_s: float) -> list[Held]:
        return [held for held in self.things if held.from_s <= at_s < held.until_s]

    def _is_sunny(self, at_s: float) -> bool:
        return any(from_s <= at_s < until_s for from_s, until_s in self.sun)


def is_in_cone(view: View) -> bool:
    """Return whether the distance sensor sees this person: the head, or the body below it."""
    reach_m = view.distance_m * math.tan(RANGE_HALF_CONE_RAD)
    if view.is_torso_behind and view.aside_m <= reach_m + TORSO_RADIUS_M / 2:
        return True
    return math.hypot(view.aside_m, view.above_m) <= reach_m + FACE_RADIUS_M


def drawn_person(chance: random.Random, site: Site, *, stop_m: float) -> Person:
    """Return somebody of the population: their body, and how their skin differs from the rule."""
    body_c = chance.gauss(BODY_C, BODY_SPREAD_C)
    if chance.random() < FEVER_SHARE:
        body_c = min(FEVER_FROM_C + chance.expovariate(1 / FEVER_TAIL_C), FEVER_MAX_C)
    return Person(body_c, skin_error_c=chance.gauss(0.0, SKIN_SPREAD_C[site]), stop_m=stop_m)


def covered_c(chance: random.Random) -> float:
    """Return what hair, a cap or sweat adds to a forehead: a negative skin error."""
    return chance.uniform(*COVERED_C)


def drawn_specimen(chance: random.Random) -> tuple[float, float]:
    """Return (offset in °C, gain about 0 °C) of one thermometer out of the factory."""
    return chance.gauss(0.0, UNIT_OFFSET_C), 1 + chance.uniform(-UNIT_GAIN, UNIT_GAIN)
