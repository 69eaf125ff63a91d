"""How a person walks up to a thermometer, stands, and goes: seeded, a pure function of time."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from gated.sensors.site import SITES, SiteOffset
from gated.simulation.optics import View, is_torso_behind, seen_c, vertical_miss_m
from gated.vocabulary import Site

FOREHEAD = SITES[Site.FOREHEAD_SPOT]
COMES_INTO_VIEW_M = 1.5
WALK_M_S = 0.7
WALK_SPREAD_M_S = 0.1
WALK_MIN_M_S = 0.3
OUT_OF_VIEW_M = 1.0
"""Sideways; nothing of a person is seen from there."""
BRAKES_OVER_M = 0.10
"""Nobody stops dead: the last step gets slower and slower."""
SWAY_STEP_M = 0.004
SWAY_STEP_S = 0.1
SWAY_PULL = 0.96
"""Standing people sway at random, 4 mm a step, and are drawn back to where they stand: 14 mm root
mean square in the end."""
AIM_ERROR_M = 0.008
HALF_STEP_M, STEP_M_S = 0.10, 0.4
"""So far, and so fast, people come closer when they are asked to."""
MIN_DISTANCE_M = 0.02

COLD_FACE = ((2.20, 0.8), (1.23, 5.8))
"""(°C, minutes) of the two decays of a face that comes in from about 0 °C: 3.4 °C too cold at the
door, 1.7 after one minute, 0.5 after five; fitted to Dzien 2020."""
S_PER_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who wants to pass."""

    body_c: float
    stature_m: float = 1.65
    skin_error_c: float = 0.0  # this person's forehead against the average rule
    stop_m: float = 0.30  # distance at which they stop
    nearer_m: float = HALF_STEP_M  # so far they come closer when asked to
    minutes_indoors: float = math.inf  # since they came in from the cold, when they arrive
    restlessness: float = 1.0  # how much they sway, against most people


class Walker:
    """One person's way: from 1.5 m up to ``stop_m``, there until ``leave``, then on sideways.

    Args:
        person: who.
        seed: of speed, aim and sway.
        arrives_at_s: when they are 1.5 m away, on the clock that the questions use.
        stops: False for somebody who walks through without stopping.
    """

    def __init__(
        self, person: Person, *, seed: int, arrives_at_s: float, stops: bool = True
    ) -> None:
        self.person = person
        chance = random.Random(seed)  # noqa: S311 - a scenario, seeded so that it repeats
        self._speed_m_s = max(chance.gauss(WALK_M_S, WALK_SPREAD_M_S), WALK_MIN_M_S)
        self._aim_m = abs(chance.gauss(0.0, AIM_ERROR_M))
        self._towards = RandomWalk(chance.randrange(2**32), SWAY_STEP_M * person.restlessness)
        self._aside = RandomWalk(chance.randrange(2**32), SWAY_STEP_M * person.restlessness)
        self.arrives_at_s = arrives_at_s
        self._brakes_over_m = BRAKES_OVER_M if stops else 0.0
        at_speed_m = COMES_INTO_VIEW_M - person.stop_m - self._brakes_over_m
        self._brakes_at_s = arrives_at_s + at_speed_m / self._speed_m_s
        self.stands_from_s = self._brakes_at_s + 2 * self._brakes_over_m / self._speed_m_s
        self._leaves_at_s = math.inf if stops else self.stands_from_s
        self._closer_at_s: float | None = None

    def leave(self, at_s: float) -> None:
        """Go on at ``at_s``: the gate has answered, or patience is at its end."""
        self._leaves_at_s = max(at_s, self.stands_from_s)

    def come_closer(self, at_s: float) -> None:
        """Take half a step towards the thermometer at ``at_s``, once."""
        if self._closer_at_s is None:
            self._closer_at_s = max(at_s, self.stands_from_s)

    def is_standing(self, at_s: float) -> bool:
        """Return whether the person has stopped and not gone on yet."""
        return self.stands_from_s <= at_s < self._leaves_at_s

    def is_in_view(self, at_s: float) -> bool:
        """Return whether anything of the person can be seen."""
        return at_s >= self.arrives_at_s and not self.is_gone(at_s)

    def is_gone(self, at_s: float) -> bool:
        """Return whether nothing of the person is in view any more."""
        return self._sideways_m(at_s) >= OUT_OF_VIEW_M

    def view(
        self, at_s: float, mount_height_m: float, forehead_c: float, *, bends: bool = True
    ) -> View | None:
        """Return the head before a thermometer at ``mount_height_m``; None while out of view.

        ``bends``: whether it is the one that this person brings the forehead to.
        """
        if not self.is_in_view(at_s):
            return None
        standing_s = at_s - self.stands_from_s
        distance_m = self._way_m(at_s) + self._towards.place_m(max(standing_s, 0.0))
        stature_m = self.person.stature_m
        return View(
            distance_m=max(distance_m, MIN_DISTANCE_M),
            forehead_c=forehead_c,
            # They aim as they stop; before and after it the aim wanders off.
            aside_m=self._aim_m + abs(self._aside.place_m(standing_s)) + self._sideways_m(at_s),
            above_m=vertical_miss_m(stature_m, mount_height_m, bends=bends),
            is_torso_behind=is_torso_behind(stature_m, mount_height_m),
        )

    def _way_m(self, at_s: float) -> float:
        """Return the distance without sway: at walking speed, then ever slower, then still."""
        left_m, braking_s = self._brakes_over_m, at_s - self._brakes_at_s
        if braking_s <= 0:
            left_m -= self._speed_m_s * braking_s
        elif left_m > 0:
            left_m *= max(1 - self._speed_m_s * braking_s / (2 * left_m), 0.0) ** 2
        nearer_m = 0.0
        if self._closer_at_s is not None:
            nearer_m = min(max(STEP_M_S * (at_s - self._closer_at_s), 0.0), self.person.nearer_m)
        return self.person.stop_m + left_m - nearer_m

    def _sideways_m(self, at_s: float) -> float:
        return max(0.0, self._speed_m_s * (at_s - self._leaves_at_s))


class RandomWalk:
    """A sway about where one stands: 0 at time 0, the same to both sides of it."""

    def __init__(self, seed: int, step_m: float = SWAY_STEP_M) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a scenario, seeded so that it repeats
        self._step_m = step_m
        self._places_m = [0.0]

    def place_m(self, since_s: float) -> float:
        """Return the place at ``since_s``, whatever was asked before."""
        step, share = divmod(abs(since_s) / SWAY_STEP_S, 1.0)
        while len(self._places_m) < step + 2:
            next_m = SWAY_PULL * self._places_m[-1] + self._chance.gauss(0.0, self._step_m)
            self._places_m.append(next_m)
        before_m, after_m = self._places_m[int(step) : int(step) + 2]
        return before_m + share * (after_m - before_m)


def cold_face_c(minutes_indoors: float) -> float:
    """Return how much colder than usual a face is so long after it came in from the cold."""
    if math.isinf(minutes_indoors):
        return 0.0
    return sum(start_c * math.exp(-minutes_indoors / tau) for start_c, tau in COLD_FACE)


def forehead_c(
    person: Person, ambient_c: float, site: SiteOffset = FOREHEAD, *, here_s: float = 0.0
) -> float:
    """Return the skin that this person's forehead has in this air, ``here_s`` after arriving."""
    cold_c = cold_face_c(person.minutes_indoors + here_s / S_PER_MINUTE)
    return person.body_c - (site.a_c - site.b * ambient_c) + person.skin_error_c - cold_c


def seen_temperature_c(
    walker: Walker | None,
    mount_height_m: float,
    fov_deg: float,
    at_s: float,
    ambient_c: float,
    *,
    bends: bool = True,
) -> float:
    """Return what a thermometer at ``mount_height_m`` has before its optics at ``at_s``, in °C."""
    view = None
    if walker is not None:
        here_s = max(at_s - walker.arrives_at_s, 0.0)
        skin = forehead_c(walker.person, ambient_c, here_s=here_s)
        view = walker.view(at_s, mount_height_m, skin, bends=bends)
    return seen_c(view, fov_deg, ambient_c)
