"""How a person walks up to a thermometer, stands, and goes: seeded, a pure function of time."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from gated.sensors.compensation import SPOT_FOREHEAD, SiteOffset
from gated.simulation.optics import View, is_torso_behind, seen_c, vertical_miss_m

COMES_INTO_VIEW_M = 1.5
WALK_M_S = 0.7
WALK_SPREAD_M_S = 0.1
WALK_MIN_M_S = 0.3
OUT_OF_VIEW_M = 1.0
"""Sideways; nothing of a person is seen from there."""
SWAY_WAVES = 3
SWAY_WAVE_M = 0.010
SWAY_MIN_HZ, SWAY_MAX_HZ = 0.05, 0.5
"""People rock slowly about a point: three sine waves, 12 mm root mean square together."""
AIM_ERROR_M = 0.008
MIN_DISTANCE_M = 0.02


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who wants to pass."""

    body_c: float
    stature_m: float = 1.65
    skin_error_c: float = 0.0  # this person's forehead against the average rule
    stop_m: float = 0.30  # distance at which they stop


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
        self._towards = _waves(chance)
        self._aside = _waves(chance)
        self.arrives_at_s = arrives_at_s
        self.stands_from_s = arrives_at_s + (COMES_INTO_VIEW_M - person.stop_m) / self._speed_m_s
        self._leaves_at_s = math.inf if stops else self.stands_from_s

    def leave(self, at_s: float) -> None:
        """Go on at ``at_s``: the gate has answered, or patience is at its end."""
        self._leaves_at_s = max(at_s, self.stands_from_s)

    def is_gone(self, at_s: float) -> bool:
        """Return whether nothing of the person is in view any more."""
        return self._sideways_m(at_s) >= OUT_OF_VIEW_M

    def view(
        self, at_s: float, mount_height_m: float, forehead_c: float, *, bends: bool = True
    ) -> View | None:
        """Return the head before a thermometer at ``mount_height_m``; None while out of view.

        ``bends``: whether it is the one that this person brings the forehead to.
        """
        if at_s < self.arrives_at_s or self.is_gone(at_s):
            return None
        walked_m = self._speed_m_s * (at_s - self.arrives_at_s)
        distance_m = max(self.person.stop_m, COMES_INTO_VIEW_M - walked_m)
        stature_m = self.person.stature_m
        return View(
            distance_m=max(distance_m + _sum_m(self._towards, at_s), MIN_DISTANCE_M),
            forehead_c=forehead_c,
            aside_m=self._aim_m + abs(_sum_m(self._aside, at_s)) + self._sideways_m(at_s),
            above_m=vertical_miss_m(stature_m, mount_height_m, bends=bends),
            is_torso_behind=is_torso_behind(stature_m, mount_height_m),
        )

    def _sideways_m(self, at_s: float) -> float:
        return max(0.0, self._speed_m_s * (at_s - self._leaves_at_s))


@dataclass(frozen=True, slots=True)
class _Wave:
    frequency_hz: float
    phase_rad: float


def _waves(chance: random.Random) -> tuple[_Wave, ...]:
    return tuple(
        _Wave(chance.uniform(SWAY_MIN_HZ, SWAY_MAX_HZ), chance.uniform(0.0, math.tau))
        for _ in range(SWAY_WAVES)
    )


def _sum_m(waves: tuple[_Wave, ...], at_s: float) -> float:
    return SWAY_WAVE_M * sum(
        math.sin(math.tau * wave.frequency_hz * at_s + wave.phase_rad) for wave in waves
    )


def forehead_c(person: Person, ambient_c: float, site: SiteOffset = SPOT_FOREHEAD) -> float:
    """Return the skin that this person's forehead has in this air."""
    return person.body_c - (site.a_c - site.b * ambient_c) + person.skin_error_c


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
        skin = forehead_c(walker.person, ambient_c)
        view = walker.view(at_s, mount_height_m, skin, bends=bends)
    return seen_c(view, fov_deg, ambient_c)
