"""Scripts for one simulated thermometer: who comes when, and which fault begins and ends when."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from gated.clock import FakeClock
from gated.sensors.mlx90614 import Options
from gated.sensors.port import DistanceSample
from gated.simulation.approach import Person, Walker
from gated.simulation.bus import Fault, SimulatedBus
from gated.simulation.chips.mlx90614 import ADDRESS, Mlx90614Model, Unit
from gated.simulation.optics import Thing
from gated.simulation.physics import Air, Held, Scene
from gated.units import MonoSeconds

MOUNT_HEIGHT_M = 1.55
DIE_ABOVE_AIR_C = 2.0
"""A chip in its housing is warmer than the air."""


@dataclass(frozen=True, slots=True)
class Comes:
    """Somebody comes into view, stands there for a while and goes."""

    at_s: float
    person: Person = field(default_factory=lambda: Person(36.8))
    stands_s: float = 4.0
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Breaks:
    """A fault befalls the chip or its wires for a while."""

    at_s: float
    fault: Fault
    lasts_s: float
    share: float = 1.0  # of the moments: the chance that it befalls each one anew


@dataclass(frozen=True, slots=True)
class Blinds:
    """The distance sensor says nothing for a while."""

    at_s: float
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Holds:
    """Something is held before the thermometer for a while."""

    at_s: float
    thing: Thing
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Shines:
    """The sun shines for a while."""

    at_s: float
    lasts_s: float


Event = Comes | Breaks | Blinds | Holds | Shines
EventT = TypeVar("EventT", Comes, Breaks, Blinds, Holds, Shines)


class Rehearsal:
    """A script before one simulated MLX90614 and the distance sensor beside it.

    Args:
        script: what happens, its times counted from the start of the rehearsal.
        seed: of walks and noise.
        unit: the specimen.
        air: before the gate.
    """

    def __init__(
        self,
        script: Iterable[Event],
        *,
        seed: int,
        unit: Unit | None = None,
        air: Air | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.bus = SimulatedBus()
        self.unit = unit or Unit()
        self.options = Options(variant=self.unit.variant)
        self._script = tuple(script)
        self._starts_at_s = self.clock.elapsed_s
        self._chance = random.Random(seed)  # noqa: S311 - a scenario, seeded so that it repeats
        fov_deg = self.options.traits().fov_deg
        self.scene = Scene(MOUNT_HEIGHT_M, fov_deg, seed, air=air or Air())
        self.scene.people = [self._walker(comes) for comes in self._of(Comes)]
        self.scene.things = [
            Held(holds.thing, *self._span_s(holds.at_s, holds.lasts_s)) for holds in self._of(Holds)
        ]
        self.scene.sun = [self._span_s(shines.at_s, shines.lasts_s) for shines in self._of(Shines)]
        chip = Mlx90614Model(
            self.clock, self.scene.seen_c, die=self._die_c, unit=self.unit, seed=seed
        )
        self.bus.attach(ADDRESS, chip)

    @property
    def elapsed_s(self) -> float:
        """How long the rehearsal has been going on."""
        return self.clock.elapsed_s - self._starts_at_s

    def advance(self, by_s: float) -> None:
        """Let time pass; let faults begin and end: a ``Pause`` for drivers and workers."""
        self.clock.advance(by_s)
        self.bus.clear(ADDRESS)
        for breaks in self.broken():
            if breaks.share >= 1 or self._chance.random() < breaks.share:
                self.bus.inject(ADDRESS, breaks.fault)

    def broken(self) -> list[Breaks]:
        """Return the faults of this moment."""
        return [b for b in self._of(Breaks) if b.at_s <= self.elapsed_s < b.at_s + b.lasts_s]

    def distance(self) -> DistanceSample | None:
        """Return what the distance sensor says at this moment; None: nothing."""
        now_s = self.elapsed_s
        if any(b.at_s <= now_s < b.at_s + b.lasts_s for b in self._of(Blinds)):
            return None
        return self.scene.ranged(self.clock.elapsed_s)

    def distances(self) -> tuple[DistanceSample, ...]:
        """Return the same as a worker has it: the last samples, of which this is one."""
        distance = self.distance()
        return () if distance is None else (distance,)

    def since_start_s(self, at: MonoSeconds) -> float:
        """Return a time of this rehearsal's clock as its script counts."""
        return at - self._starts_at_s

    def _walker(self, comes: Comes) -> Walker:
        walker = Walker(
            comes.person,
            seed=self._chance.randrange(2**32),
            arrives_at_s=self._starts_at_s + comes.at_s,
            stops=comes.stops,
        )
        if comes.stops:
            walker.leave(walker.stands_from_s + comes.stands_s)
        return walker

    def _of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self._script if isinstance(event, kind)]

    def _span_s(self, at_s: float, lasts_s: float) -> tuple[float, float]:
        return self._starts_at_s + at_s, self._starts_at_s + at_s + lasts_s

    def _die_c(self, at_s: float) -> float:
        return self.scene.air.ambient_c(at_s) + DIE_ABOVE_AIR_C
